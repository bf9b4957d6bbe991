"""What is kept of alerts: each fact once, growing pauses, a day of tries, who is told the end. The clock is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import S_IMODE

import pytest

from deepcoin_ops.alerts.alert import Alert, AlertKind
from deepcoin_ops.alerts.outbox import KEPT_FOR, TRIED_FOR, AlertState, Outbox, OutboxEntry
from deepcoin_ops.alerts.posting import Receipt
from deepcoin_ops.domain.breaks import Severity
from deepcoin_ops.settings_alerts import AlertAddress

NOW = datetime(2026, 3, 8, 23, 31, tzinfo=UTC)
ALERT = Alert("NOT_FLAT:F0", AlertKind.NOT_FLAT, Severity.ERROR, "main", "a title", "a text")
FIRST, SECOND = AlertAddress(1, "json://first"), AlertAddress(2, "json://second")
IDS = [FIRST.address_id, SECOND.address_id]


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    """An outbox that this test holds."""
    outbox = Outbox(tmp_path / "alerts")
    with outbox.held(0) as is_held:
        assert is_held
        yield outbox


@pytest.fixture
def entry(outbox: Outbox) -> Callable[[], OutboxEntry]:
    """The outbox's only entry, read afresh."""

    def read() -> OutboxEntry:
        [found] = outbox.read_entries()
        return found

    return read


def test_a_fact_is_taken_in_once_and_reads_back(outbox: Outbox, entry: Callable[[], OutboxEntry]) -> None:
    """The same facts are found every few seconds, by every process."""
    assert [each.key for each in outbox.record_found([ALERT], NOW)] == [ALERT.key]
    assert outbox.record_found([replace(ALERT, text="another text")], NOW + timedelta(minutes=1)) == []
    kept = entry()
    assert (kept.key, kept.kind, kept.severity, kept.account) == (ALERT.key, ALERT.kind, ALERT.severity, "main")
    assert (kept.title, kept.text, kept.first_at) == ("a title", "a text", NOW)


def test_keys_that_differ_only_in_what_a_file_name_cannot_hold_are_two(outbox: Outbox) -> None:
    """One fact must not hide another."""
    outbox.record_found([replace(ALERT, key="A:1"), replace(ALERT, key="A_1"), replace(ALERT, key="../A/1")], NOW)
    assert {each.key for each in outbox.read_entries()} == {"A:1", "A_1", "../A/1"}


def test_pauses_grow_to_a_quarter_of_an_hour_and_end_after_a_day(outbox: Outbox, entry: Callable[[], OutboxEntry]) -> None:
    """A service that is down for minutes is tried often, one that is down for hours does not become a storm."""
    outbox.record_found([ALERT], NOW)
    now, pauses = NOW, []
    while entry().is_due(FIRST.address_id, now):
        outbox.record_receipts([Receipt(ALERT.key, FIRST, "answered with error 500")], now)
        tried_at = now
        while not entry().is_due(FIRST.address_id, now) and now < NOW + TRIED_FOR:
            now += timedelta(seconds=15)
        pauses.append((now - tried_at).total_seconds())
    assert pauses[:8] == [15, 30, 60, 120, 240, 480, 900, 900]
    assert NOW + TRIED_FOR - timedelta(minutes=15) <= tried_at < NOW + TRIED_FOR
    assert entry().state([FIRST.address_id], now) is AlertState.GIVEN_UP
    assert entry().deliveries[FIRST.address_id].failure == "answered with error 500"


def test_only_the_address_that_failed_is_tried_again(outbox: Outbox, entry: Callable[[], OutboxEntry]) -> None:
    """Whoever was told is not told every quarter of an hour because another one's telephone is off."""
    outbox.record_found([ALERT], NOW)
    outbox.record_receipts([Receipt(ALERT.key, FIRST, None), Receipt(ALERT.key, SECOND, "could not be reached")], NOW)
    later = NOW + timedelta(hours=1)
    assert not entry().is_due(FIRST.address_id, later)
    assert entry().is_due(SECOND.address_id, later)
    assert entry().state(IDS, later) is AlertState.WAITING
    outbox.record_receipts([Receipt(ALERT.key, SECOND, None)], later)
    assert entry().state(IDS, later) is AlertState.DELIVERED


def test_without_an_address_it_is_kept_and_nothing_pretends_that_it_was_delivered(
    outbox: Outbox, entry: Callable[[], OutboxEntry]
) -> None:
    """An address that is set within a day still hears of it."""
    outbox.record_found([ALERT], NOW)
    assert entry().state([], NOW) is AlertState.KEPT
    assert entry().is_due(FIRST.address_id, NOW + timedelta(hours=23))
    assert entry().state([FIRST.address_id], NOW + timedelta(hours=25)) is AlertState.KEPT


def test_what_is_settled_before_anybody_was_told_is_told_to_nobody(
    outbox: Outbox, entry: Callable[[], OutboxEntry]
) -> None:
    """Neither if it was never taken in, nor if it still waits."""
    settled = replace(ALERT, settled="flatten F1 proved it flat")
    assert outbox.record_found([settled], NOW) == []
    assert outbox.read_entries() == []
    outbox.record_found([ALERT], NOW)
    outbox.record_receipts([Receipt(ALERT.key, FIRST, "could not be reached")], NOW)
    assert outbox.record_found([settled], NOW) == []
    assert entry().state(IDS, NOW) is AlertState.SETTLED
    assert not entry().is_due(FIRST.address_id, NOW + timedelta(hours=1))


def test_whoever_was_told_is_told_the_end_once(outbox: Outbox) -> None:
    """And nobody else: the end of what one never heard of is a riddle."""
    outbox.record_found([ALERT], NOW)
    outbox.record_receipts([Receipt(ALERT.key, FIRST, None), Receipt(ALERT.key, SECOND, "could not be reached")], NOW)
    settled = replace(ALERT, settled="flatten F1 proved it flat")
    [end] = outbox.record_found([settled], NOW)
    assert outbox.record_found([settled], NOW) == []
    assert (end.key, end.title, end.severity) == ("NOT_FLAT:F0:SETTLED", "Settled: a title", Severity.INFO)
    assert end.text.startswith("Settled: flatten F1 proved it flat.")
    assert [end.is_due(each, NOW) for each in IDS] == [True, False]
    outbox.record_receipts([Receipt(end.key, FIRST, None)], NOW)
    states = {each.key: each.state(IDS, NOW) for each in outbox.read_entries()}
    assert states == {ALERT.key: AlertState.DELIVERED, end.key: AlertState.DELIVERED}


def test_old_ones_are_removed_after_some_weeks(outbox: Outbox) -> None:
    """Not before: what is still found would be told anew."""
    outbox.record_found([ALERT], NOW)
    outbox.prune(NOW + KEPT_FOR - timedelta(seconds=1))
    assert len(outbox.read_entries()) == 1
    outbox.prune(NOW + KEPT_FOR)
    assert outbox.read_entries() == []


def test_a_damaged_file_is_no_entry_and_its_fact_is_found_anew(outbox: Outbox, tmp_path: Path) -> None:
    """Told twice is better than never."""
    outbox.record_found([ALERT], NOW)
    [path] = (tmp_path / "alerts").glob("*.json")
    path.write_text(path.read_text()[:40])
    assert outbox.read_entries() == []
    assert len(outbox.record_found([ALERT], NOW)) == 1
    assert [each.key for each in outbox.read_entries()] == [ALERT.key]


def test_only_one_holds_it_and_only_its_owner_reads_it(outbox: Outbox, tmp_path: Path) -> None:
    """Two that deliver at once would deliver twice; the texts tell what an account holds."""
    outbox.record_found([ALERT], NOW)
    with Outbox(tmp_path / "alerts").held(0) as is_held:
        assert not is_held
    [path] = (tmp_path / "alerts").glob("*.json")
    assert (S_IMODE((tmp_path / "alerts").stat().st_mode), S_IMODE(path.stat().st_mode)) == (0o700, 0o600)


def test_one_that_cannot_be_written_keeps_no_other_one_from_it(outbox: Outbox, tmp_path: Path) -> None:
    """Something lies in its place: the others are kept, and the failure is raised."""
    outbox.record_found([ALERT], NOW)
    [path] = (tmp_path / "alerts").glob("*.json")
    path.unlink()
    (path / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        outbox.record_found([ALERT, replace(ALERT, key="NOT_FLAT:F1")], NOW)
    assert [each.key for each in outbox.read_entries()] == ["NOT_FLAT:F1"]


def test_what_a_clock_that_ran_ahead_found_is_found_anew_when_its_time_comes(outbox: Outbox) -> None:
    """Its key is that of the real evening, which would be known already."""
    tomorrow = NOW + timedelta(days=1)
    outbox.record_found([ALERT], tomorrow)
    outbox.prune(NOW)
    assert [each.key for each in outbox.record_found([ALERT], tomorrow)] == [ALERT.key]


def test_a_try_of_a_clock_that_ran_ahead_is_not_waited_for(outbox: Outbox, entry: Callable[[], OutboxEntry]) -> None:
    """An alert would otherwise be late by as much as the clock was wrong."""
    outbox.record_found([ALERT], NOW)
    outbox.record_receipts([Receipt(ALERT.key, FIRST, "gone")], NOW + timedelta(hours=5))
    assert entry().is_due(FIRST.address_id, NOW + timedelta(seconds=1))
