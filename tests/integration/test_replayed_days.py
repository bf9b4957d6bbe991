"""A flatten told again on other days reads there as it read on the day it ran: tests of many days rest on that."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from flatten_lab import Lab, build_scenario, open_lab, position
from replayed_days import RecordedFlatten, read_recorded_flatten, replay_days

from deepcoin_ops.domain.day_frames import build_close_attempts, build_close_errors, build_reconciliation
from deepcoin_ops.domain.due import find_tick
from deepcoin_ops.domain.model import FlattenResult, Venue
from deepcoin_ops.flattening.evidence import collect_evidence
from deepcoin_ops.ledger.days import read_account_days
from deepcoin_ops.ledger.history import History
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.settings import Settings, load_settings

BTC, ETH = position("BTC-USDT-SWAP", "PAPER-1", "500"), position("ETH-USDT-SWAP", "PAPER-2", "90.5", "short")
IDS_AND_TIMES = ["trading_day", "flatten_id", "attempt_id", "intent_at", "sent_at", "answered_at", "since_at", "age_s"]


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, RecordedFlatten]]:
    """A flatten with error items, a lost answer, a failed read and evidence, and what its ledger holds of it."""
    faults = [Fault(FaultAction.ERROR_ITEMS), Fault(FaultAction.RESET, instrument_id="ETH-USDT-SWAP")]
    faults += [Fault(FaultAction.SERVER_ERROR, endpoint="account/positions", call=3)]
    with open_lab(tmp_path_factory.mktemp("evening"), build_scenario([BTC, ETH], faults)) as lab:
        closing = lab.flatten().closing
        assert closing.result is FlattenResult.FLAT
        collect_evidence(lab.desk, day_of(lab), lab.said.append)
        yield lab, read_recorded_flatten(lab.desk.settings.ledger_path, closing.flatten_id)


@pytest.fixture
def settings(tmp_path: Path, settings_file) -> Settings:
    """Another desk with the same account, whose ledger does not exist yet."""
    return load_settings(settings_file("http://127.0.0.1:1"))


def day_of(lab: Lab) -> str:
    """The trading day on which the lab's one flatten ran."""
    [day] = lab.desk.ledger.read_newer_days(0)
    return day.trading_day


@contextmanager
def opened(settings: Settings) -> Iterator[History]:
    """The ledger that was written to, for reading."""
    history = History.open_existing(settings.ledger_path, Venue.PAPER)
    assert history is not None
    with history:
        yield history


def build_frames(history: History, trading_day: str, settings: Settings) -> Mapping[str, pd.DataFrame]:
    """The day's tables without ids and times."""
    days = read_account_days(history, trading_day, 10**9, {}, None, settings.calendar.window(trading_day)[1])
    attempts = history.read_attempts(trading_day)
    frames = {
        "close_attempts": build_close_attempts(trading_day, attempts),
        "close_errors": build_close_errors(trading_day, attempts),
        "reconciliation": build_reconciliation(trading_day, days),
    }
    return {name: frame.drop(columns=IDS_AND_TIMES, errors="ignore") for name, frame in frames.items()}


def test_a_replayed_day_has_the_tables_of_the_day_that_was_run(
    evening: tuple[Lab, RecordedFlatten], settings: Settings
) -> None:
    """Nothing but ids and times may differ, or tests of many days would test something that never ran."""
    lab, recorded = evening
    replay_days(settings, {"2026-03-02": [recorded]})
    was = build_frames(lab.desk.ledger, day_of(lab), settings)
    assert was["close_errors"]["error_code"].tolist()
    with opened(settings) as history:
        told = build_frames(history, "2026-03-02", settings)
        for name, frame in was.items():
            pd.testing.assert_frame_equal(told[name], frame)


def test_every_instant_moves_by_the_same_time_and_every_id_gets_the_new_flattens(
    evening: tuple[Lab, RecordedFlatten], settings: Settings
) -> None:
    """Durations are what was measured; and an id of the old flatten would tie two days together."""
    lab, recorded = evening
    [flatten_id] = replay_days(settings, {"2026-03-02": [recorded]})["2026-03-02"]
    with opened(settings) as history:
        [flatten], attempts = history.read_flattens("2026-03-02"), history.read_attempts("2026-03-02")
        evidence = history.read_evidence("2026-03-02")
    by = flatten.opened_at - recorded.opened_at
    old = lab.desk.ledger.read_attempts(day_of(lab))
    assert [each.intent_at for each in attempts] == [each.intent_at + by for each in old]
    assert [each.answered_at for each in attempts] == [each.answered_at + by for each in old]
    assert {each.intent.attempt_id.removeprefix(flatten_id) for each in attempts} == {"-0001", "-0002", "-0003"}
    assert flatten.closing == replace(
        lab.desk.ledger.read_flatten(recorded.request.flatten_id).closing, flatten_id=flatten_id
    )
    was = lab.desk.ledger.read_evidence(day_of(lab))
    assert [len(each.read.closed_positions) for each in evidence] == [len(each.read.closed_positions) for each in was]
    assert [each.read.started_at for each in evidence] == [each.read.started_at + by for each in was]


def test_two_months_of_two_accounts_are_one_unbroken_chain_for_each(
    evening: tuple[Lab, RecordedFlatten], settings: Settings
) -> None:
    """Written in one transaction, it is still a ledger like any other, bytes of the answers included."""
    _lab, recorded = evening
    days = [(date(2025, 6, 1) + timedelta(days=number)).isoformat() for number in range(60)]
    told = replay_days(settings, {day: [recorded, recorded.of_account("second")] for day in days})
    assert len({each for ids in told.values() for each in ids}) == 120
    with opened(settings) as history:
        assert history.read_accounts() == ["main", "second"]
        assert [history.read_altered_entry(account) for account in ("main", "second")] == [None, None]
        newest = history.read_last_closed_flatten("second")
    assert newest is not None
    assert newest.request.trading_day == days[-1]
    assert "second" in json.loads(newest.settings_json)["accounts"]
    again = read_recorded_flatten(settings.ledger_path, told[days[0]][0])
    assert [each.kind for each in again.facts] == [each.kind for each in recorded.facts]
    assert [each.raw for each in again.facts] == [each.raw for each in recorded.facts]
    assert any(each.raw for each in again.facts)


def test_a_replayed_flatten_is_opened_after_the_tick_of_its_day(
    evening: tuple[Lab, RecordedFlatten], settings: Settings
) -> None:
    """One that ended before its tick would not count as that evening's, and every day would read as missed."""
    _lab, recorded = evening
    scheduled = replace(recorded.request, scheduled_at=recorded.opened_at - timedelta(seconds=2))
    replay_days(settings, {"2026-03-02": [recorded], "2026-03-03": [replace(recorded, request=scheduled)]})
    tick = find_tick(settings.calendar, settings.schedule.cron, "2026-03-02")
    with opened(settings) as history:
        [by_hand], [by_tick] = history.read_flattens("2026-03-02"), history.read_flattens("2026-03-03")
    assert by_hand.opened_at == tick + timedelta(minutes=1)
    assert by_tick.opened_at - by_tick.request.scheduled_at == timedelta(seconds=2)
