"""What is read for alerts: the last days of a real ledger, and whether anybody still works on a flatten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flatten_lab import Lab, build_scenario, open_lab, position, stubborn

from deepcoin_ops.alerts.alert import AlertKind
from deepcoin_ops.alerts.facts import read_facts
from deepcoin_ops.alerts.finding import find_alerts
from deepcoin_ops.domain.checks import AccountCheck, CheckPurpose, Finding, FindingKind
from deepcoin_ops.flattening.account_lock import AccountLock
from deepcoin_ops.ledger.mark import LedgerMark
from deepcoin_ops.settings import load_settings

ETH = "ETH-USDT-SWAP"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """An account of which one instrument cannot be closed."""
    held = [position("BTC-USDT-SWAP", "1", "5"), position(ETH, "2", "9", "short")]
    with open_lab(tmp_path, build_scenario(held, stubborn(ETH))) as lab:
        yield lab


def in_a_while() -> datetime:
    """When a flatten that was opened just now should have the lock."""
    return datetime.now(UTC) + timedelta(seconds=70)


def test_a_flatten_is_read_with_what_it_left_open(lab: Lab) -> None:
    """Verdicts, sends and the pages of its last read; the pages of one that was proven flat are not needed."""
    lab.flatten()
    lab.flatten(lab.open(instruments=["BTC-USDT-SWAP"]))
    left, flat = read_facts(lab.desk.settings, in_a_while()).flattens
    assert {each.instrument_id for page in left.after for each in page.positions if each.quantity_contracts} == {ETH}
    assert {each.intent.instrument_id for each in left.attempts} == {"BTC-USDT-SWAP", ETH}
    assert len(left.verdicts) == len(lab.desk.account.instruments)
    assert flat.after == ()
    [kept, _flat] = read_facts(lab.desk.settings, in_a_while(), kept={left.request.flatten_id}).flattens
    assert (kept.after, kept.verdicts) == ((), left.verdicts)
    assert [each.verdict.is_flat for each in flat.verdicts] == [True]


def test_one_without_a_closing_row_was_killed_once_nobody_holds_or_awaits_the_lock(lab: Lab) -> None:
    """While somebody does, it may be at work or wait for its turn; just opened, it may not have come to the lock."""
    request = lab.open()
    settings = lab.desk.settings
    assert read_facts(settings, datetime.now(UTC)).killed == frozenset()
    assert read_facts(settings, in_a_while()).killed == {request.flatten_id}
    lock = AccountLock(settings.locks_folder, "main")
    lock.acquire("a test", 1, lambda: False)
    assert read_facts(settings, in_a_while()).killed == frozenset()
    lock.release()
    assert read_facts(settings, in_a_while()).killed == {request.flatten_id}


def test_one_that_ends_while_it_is_looked_for_was_not_killed(lab: Lab) -> None:
    """It gave its lock back between the two looks, and its closing row is there by then."""
    request = lab.open()

    def end_meanwhile(_seconds: float) -> None:
        lab.flatten(request)

    lab.flatten(lab.open(instruments=["BTC-USDT-SWAP"]))  # so that there is a locks folder
    facts = read_facts(lab.desk.settings, in_a_while(), end_meanwhile)
    assert facts.killed == frozenset()
    assert [flatten.closing is not None for flatten in facts.flattens] == [True, True]


def test_days_without_a_ledger_are_due_all_the_same(settings_file: Callable[..., dict[str, str]]) -> None:
    """A desk on which nothing ever ran is the one that nobody flattened."""
    settings = load_settings(settings_file("http://127.0.0.1:1"))
    facts = read_facts(settings, datetime(2026, 3, 9, 12, tzinfo=UTC))
    assert [day.trading_day for day in facts.due_days] == ["2026-03-06", "2026-03-07", "2026-03-08"]
    assert all(day.tick.is_past for day in facts.due_days)
    assert (facts.flattens, facts.ledger_problem) == ((), "")


def test_an_old_ledger_or_none_beside_its_mark_is_a_fact(lab: Lab) -> None:
    """Every flatten is refused by it, and what it holds is intact: nothing else would be found, and nobody told."""
    lab.open()
    path = lab.desk.ledger.path
    assert read_facts(lab.desk.settings, in_a_while()).ledger_setback == ""
    mark = LedgerMark(path)
    known = mark.read()
    assert known is not None
    mark.write(replace(known, seq=known.seq + 1))
    old = read_facts(lab.desk.settings, in_a_while())
    assert f"does not have entry {known.seq + 1}" in old.ledger_setback
    assert len(old.flattens) == 1
    lab.desk.ledger.close()
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    assert "old copy or another ledger" in read_facts(lab.desk.settings, in_a_while()).ledger_setback
    mark.path.unlink()
    assert read_facts(lab.desk.settings, in_a_while()).ledger_setback == ""


def test_a_ledger_that_cannot_be_read_is_a_fact(settings_file: Callable[..., dict[str, str]]) -> None:
    """The sensor must not go silent because of it."""
    settings = load_settings(settings_file("http://127.0.0.1:1"))
    settings.ledger_path.parent.mkdir(parents=True)
    settings.ledger_path.write_text("no ledger at all")
    facts = read_facts(settings, datetime(2026, 3, 9, 12, tzinfo=UTC))
    assert "could not be read" in facts.ledger_problem
    assert len(facts.due_days) == 3


def test_a_preflights_alert_is_settled_by_the_flatten_that_came_through(lab: Lab) -> None:
    """On the paper venue too, where a check that finds nothing is not on record: what was sent shows it."""
    ledger, now = lab.desk.ledger, datetime.now(UTC)
    stopped = Finding(FindingKind.KILL_SWITCH_ON, True, "the kill switch is on.")
    check = AccountCheck(CheckPurpose.PREFLIGHT, now, "http://127.0.0.1:1", open_instruments=2, findings=(stopped,))
    ledger.record_check("main", lab.desk.settings.calendar.day_of(now), check)

    def find_settled() -> list[str | None]:
        found = find_alerts(read_facts(lab.desk.settings, in_a_while()))
        return [alert.settled for alert in found if alert.kind is AlertKind.CHECK_FAILED]

    assert find_settled() == [None]
    outcome = lab.flatten()
    assert find_settled() == [f"flatten {outcome.closing.flatten_id} was admitted and sent its closes"]
