"""When a day's tables are rebuilt: cursor, pending days, run keys. The ledger is real, the clock is not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import dagster as dg
import pytest

from deepcoin_ops.assets.day_tables import build_close_ledger
from deepcoin_ops.orchestration.day_jobs import build_day_tables_job
from deepcoin_ops.orchestration.partitions import build_trading_days
from deepcoin_ops.orchestration.sensors import LedgerCursor, build_evidence_due, build_ledger_moved, build_preflight_due
from deepcoin_ops.settings import Settings

DAY, NEXT_DAY = "2026-03-08", "2026-03-09"
AT_ONCE, QUIET = timedelta(seconds=1), timedelta(seconds=31)

Look = Callable[[str | None, datetime], dg.SensorResult]


@pytest.fixture
def look(settings: Settings) -> Look:
    """Evaluates the sensor with a cursor at a time."""
    trading_days = build_trading_days(settings)
    ledger_asset = build_close_ledger(trading_days)

    def evaluate(cursor: str | None, now: datetime) -> dg.SensorResult:
        sensor = build_ledger_moved(settings, build_day_tables_job(), ledger_asset, trading_days, lambda: now)
        with dg.DagsterInstance.ephemeral() as instance:
            told = sensor(dg.build_sensor_context(instance=instance, cursor=cursor))
        assert isinstance(told, dg.SensorResult)
        return told

    return evaluate


def run_keys(told: dg.SensorResult) -> list[str | None]:
    """The keys of the runs that were asked for, without the ledger's id before them."""
    return [request.run_key.partition(":")[2] for request in told.run_requests or ()]


def test_without_a_ledger_nothing_is_asked_for_and_none_is_created(settings: Settings, look: Look, evening) -> None:
    """The sensor only reads, on a machine too where nothing was ever flattened."""
    assert run_keys(look(None, evening.now)) == []
    assert not settings.state_folder.exists()


def test_a_closed_flatten_asks_for_its_day_once_under_day_and_head(look: Look, evening) -> None:
    """Run keys are remembered for good, so that a second daemon that sees the same head asks for nothing new."""
    head = evening.close(evening.open(DAY))
    told = look(None, evening.now + AT_ONCE)
    assert run_keys(told) == [f"{DAY}:{head}"]
    [request] = told.run_requests
    assert request.partition_key == DAY
    [report] = told.asset_events
    assert (report.asset_key, report.partition) == (dg.AssetKey("close_ledger"), DAY)
    assert report.metadata["ledger_head_seq"].value == head
    assert run_keys(look(told.cursor, evening.now + AT_ONCE)) == []


def test_a_day_with_an_open_flatten_waits_for_its_closing_row(look: Look, evening) -> None:
    """Rebuilding after each send of a running flatten would cost the machine what the flatten needs."""
    flatten_id = evening.open(DAY)
    waiting = look(None, evening.now + AT_ONCE)
    assert run_keys(waiting) == []
    assert LedgerCursor.parse(waiting.cursor).pending_days == [DAY]
    head = evening.close(flatten_id)
    assert run_keys(look(waiting.cursor, evening.now + AT_ONCE)) == [f"{DAY}:{head}"]


def test_a_day_whose_flatten_was_killed_is_built_once_the_ledger_is_still(look: Look, evening) -> None:
    """Kill -9 writes no closing row; the tables that say so may not wait for one."""
    evening.open(DAY)
    waiting = look(None, evening.now + AT_ONCE)
    told = look(waiting.cursor, evening.now + QUIET)
    assert run_keys(told) == [f"{DAY}:2"]
    assert LedgerCursor.parse(told.cursor).pending_days == []
    assert run_keys(look(told.cursor, evening.now + QUIET)) == []


def test_a_waiting_day_does_not_hold_up_another_one(look: Look, evening) -> None:
    """A flatten of yesterday's tick may still be at work when today's is closed."""
    evening.open(DAY)
    head = evening.close(evening.open(NEXT_DAY))
    told = look(None, evening.now + AT_ONCE)
    assert run_keys(told) == [f"{NEXT_DAY}:{head}"]
    assert LedgerCursor.parse(told.cursor).pending_days == [DAY]
    assert LedgerCursor.parse(told.cursor).seq == head


def test_a_day_before_the_first_partition_is_passed_over(look: Look, evening) -> None:
    """A run for a partition that does not exist would fail the tick, and every later one with it."""
    head = evening.close(evening.open("2025-12-31"))
    told = look(None, evening.now + AT_ONCE)
    assert run_keys(told) == []
    assert LedgerCursor.parse(told.cursor).pending_days == []
    assert LedgerCursor.parse(told.cursor).seq == head


@pytest.mark.parametrize("cursor", ["", "no json", "[]", '{"seq": null}', '{"seq": "x"}', '{"pending_days": 3}', "7"])
def test_an_unreadable_cursor_starts_over(look: Look, evening, cursor: str) -> None:
    """A cursor can be edited in the page; the worst that may happen is that tables are built again."""
    head = evening.close(evening.open(DAY))
    assert run_keys(look(cursor, evening.now + AT_ONCE)) == [f"{DAY}:{head}"]


def test_many_old_days_are_built_a_few_at_a_time_newest_first(look: Look, evening) -> None:
    """A new Dagster instance beside an old ledger must not start a run for every past day at once."""
    days = [f"2026-02-{number:02d}" for number in range(1, 13)]
    for day in days:
        evening.close(evening.open(day))
    first = look(None, evening.now + AT_ONCE)
    second = look(first.cursor, evening.now + AT_ONCE)
    built = [[request.partition_key for request in told.run_requests] for told in (first, second)]
    assert built == [days[2:], days[:2]]
    assert run_keys(look(second.cursor, evening.now + AT_ONCE)) == []


def test_a_cursor_of_another_ledger_starts_over(look: Look, evening) -> None:
    """Row numbers begin anew in a new ledger; an old cursor would wait for them to catch up."""
    head = evening.close(evening.open(DAY))
    old = LedgerCursor("another ledger", 5000, []).format()
    told = look(old, evening.now + AT_ONCE)
    assert run_keys(told) == [f"{DAY}:{head}"]
    assert LedgerCursor.parse(told.cursor).seq == head


def test_a_cursor_survives_its_own_text() -> None:
    """What is pending must not be lost between two ticks."""
    cursor = LedgerCursor("ledger", 17, ["2026-03-08", "2026-03-09"])
    assert LedgerCursor.parse(cursor.format()) == cursor


@pytest.fixture
def ask_for_evidence(settings: Settings) -> Callable[[datetime], dict[str, str]]:
    """Evaluates the sensor of evidence at a time; trading day and run key by account."""

    def evaluate(now: datetime) -> dict[str, str]:
        sensor = build_evidence_due(settings, lambda: now)
        with dg.DagsterInstance.ephemeral() as instance:
            told = sensor(dg.build_sensor_context(instance=instance))
        if isinstance(told, dg.SkipReason):
            return {}
        asked = {}
        for request in told:
            config = request.run_config["ops"]["fetch_day_evidence"]["config"]
            # The queue's limit is by the account's tag: a flatten must not wait for evidence.
            assert request.tags == {"deepcoin_ops/trading_day": config["trading_day"]}
            asked[config["account"]] = request.run_key.partition(":")[2]
        return asked

    return evaluate


def test_without_a_flatten_no_evidence_is_owed(settings: Settings, ask_for_evidence, evening) -> None:
    """Neither without a ledger, nor while the flatten is at work."""
    assert ask_for_evidence(evening.now) == {}
    assert not settings.state_folder.exists()
    evening.open(DAY)
    assert ask_for_evidence(evening.now + timedelta(days=2)) == {}


def test_evidence_is_owed_a_minute_after_a_flatten_and_once_more_after_its_day(ask_for_evidence, evening) -> None:
    """At once the exchange's lists may not show the last close yet; and the day goes on after the flatten."""
    evening.close(evening.open(NEXT_DAY))
    evening.close(evening.open(NEXT_DAY, "hedge"))
    assert ask_for_evidence(evening.now + timedelta(seconds=59)) == {}
    first = ask_for_evidence(evening.now + timedelta(seconds=61))
    assert set(first) == {"main", "hedge"}
    assert first == ask_for_evidence(evening.now + timedelta(minutes=10))
    day_over = datetime.fromisoformat("2026-03-10T17:01:00-04:00")
    second = ask_for_evidence(day_over)
    assert second["main"] != first["main"]
    assert second["main"].startswith(f"main:{NEXT_DAY}:")


def test_evidence_that_was_collected_since_is_not_asked_for_again(ask_for_evidence, evening) -> None:
    """A hand launch counts too, and so does one that failed: it is in the ledger, and its run is red."""
    evening.close(evening.open(NEXT_DAY))
    evening.now += timedelta(minutes=5)
    evening.record_evidence(NEXT_DAY)
    assert ask_for_evidence(evening.now) == {}


@pytest.mark.parametrize(
    ("now", "run_key"),
    [
        ("2026-03-09T19:29:00+00:00", None),
        ("2026-03-09T19:31:00+00:00", "2026-03-09T16:30:00-04:00:3600"),
        ("2026-03-09T20:19:00+00:00", "2026-03-09T16:30:00-04:00:3600"),
        ("2026-03-09T20:21:00+00:00", "2026-03-09T16:30:00-04:00:600"),
        ("2026-03-09T20:31:00+00:00", None),
    ],
)
def test_a_preflight_is_asked_for_twice_before_each_flatten(settings: Settings, now: str, run_key: str | None) -> None:
    """The run key keeps it at once for each lead, however often the sensor looks; after the tick it is of no use."""
    sensor = build_preflight_due(settings, lambda: datetime.fromisoformat(now))
    asked = sensor.evaluate_tick(dg.build_sensor_context()).run_requests
    assert [request.run_key for request in asked or []] == ([run_key] if run_key else [])
