"""Collecting a day's evidence from a real paper exchange: what is asked, what is recorded, and who goes first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flatten_lab import SETTINGS, Lab, build_scenario, open_lab, position

from deepcoin_ops.domain.breaks import BreakType
from deepcoin_ops.domain.errors import GuardRefused
from deepcoin_ops.domain.evidence import EvidenceRead, EvidenceSource, EvidenceStatus
from deepcoin_ops.domain.evidence_match import EvidenceFinding, match_evidence
from deepcoin_ops.domain.model import InstrumentType, PositionSide
from deepcoin_ops.flattening.account_lock import AccountLock
from deepcoin_ops.flattening.evidence import collect_evidence, plan_questions
from deepcoin_ops.flattening.progress import Progress
from deepcoin_ops.ledger.days import read_account_days
from deepcoin_ops.ledger.records import EvidenceRecord
from deepcoin_ops.paper.faults import Fault, FaultAction

HISTORY, FILLS = EvidenceSource.POSITIONS_HISTORY, EvidenceSource.FILLS
SWAP, SPOT = InstrumentType.SWAP, InstrumentType.SPOT
POSITIONS = [
    position("BTC-USDT-SWAP", "1", "850"),
    position("BTC-USDT-SWAP", "2", "120", "short", margin_mode="isolated"),
    position("ETH-USD-SWAP", "3", "2600", "short"),
    position("SOL-USDT", "4", "42.5"),
]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """An account with contracts and spot."""
    with open_lab(tmp_path, build_scenario(POSITIONS)) as opened:
        yield opened


def today(lab: Lab) -> str:
    """The running trading day."""
    return lab.desk.settings.calendar.day_of(datetime.now(UTC))


def collect(lab: Lab, trading_day: str | None = None) -> tuple[EvidenceRead, ...]:
    """The evidence of a day, today's unless another one is asked for."""
    return collect_evidence(lab.desk, trading_day or today(lab), lab.said.append)


def recorded(lab: Lab, trading_day: str | None = None) -> list[EvidenceRecord]:
    """What the ledger has of it."""
    return lab.desk.ledger.read_evidence(trading_day or today(lab))


def match(lab: Lab) -> list[EvidenceFinding]:
    """The day's flattens beside the evidence, both as the ledger tells them."""
    read_up_to, ends_at = 10**9, lab.desk.settings.calendar.window(today(lab))[1]
    [day] = read_account_days(lab.desk.ledger, today(lab), read_up_to, {}, None, ends_at)
    return list(match_evidence(day.flattens, day.evidence).values())


def test_a_flattens_closes_are_in_the_evidence_to_the_last_digit(lab: Lab) -> None:
    """The point of it all: the exchange's own lists say that what the reads show as gone was closed."""
    assert lab.flatten().is_success
    reads, findings = collect(lab), match(lab)
    assert len(findings) == len(POSITIONS)
    assert {finding.break_type for finding in findings} == {None}
    assert [(read.source, read.instrument_type, read.status) for read in reads] == [
        (HISTORY, SWAP, EvidenceStatus.COMPLETE),
        (FILLS, SWAP, EvidenceStatus.COMPLETE),
        (FILLS, SPOT, EvidenceStatus.COMPLETE),
    ]
    assert tuple(record.read for record in recorded(lab)) == reads


def test_closes_that_failed_in_part_or_were_never_answered_are_in_the_evidence_too(tmp_path: Path) -> None:
    """What an answer could not tell, the history does: an unknown outcome was executed once and not twice."""
    faults = [
        Fault(FaultAction.HANG, instrument_id="ETH-USD-SWAP"),
        Fault(FaultAction.ERROR_ITEMS, instrument_id="BTC-USDT-SWAP", position_side=PositionSide.SHORT),
    ]
    with open_lab(tmp_path, build_scenario(POSITIONS, faults)) as lab:
        assert lab.flatten().is_success
        collect(lab)
        assert {finding.break_type for finding in match(lab)} == {None}
        assert len(match(lab)) == len(POSITIONS)


def test_an_exchange_that_forgot_sooner_than_configured_shows_as_a_mismatch(tmp_path: Path) -> None:
    """Its empty list reads as complete; beside what the ledger saw closed it is a break and not an empty day."""
    with open_lab(tmp_path, build_scenario(POSITIONS, history_kept_s=0.0)) as lab:
        assert lab.flatten().is_success
        assert {read.status for read in collect(lab)} == {EvidenceStatus.COMPLETE}
        assert {finding.break_type for finding in match(lab)} == {BreakType.EVIDENCE_MISMATCH}


def test_collecting_asks_with_get_alone_each_list_in_its_own_lane(lab: Lab) -> None:
    """It can be launched at any time by anybody, so it must not be able to change anything."""
    collect(lab)
    arrivals = lab.exchange.arrivals()
    assert {arrival.method for arrival in arrivals} == {"GET"}
    assert [arrival.path for arrival in arrivals] == [
        "/deepcoin/account/positions-history",
        "/deepcoin/trade/fills",
        "/deepcoin/trade/fills",
    ]
    assert all(arrival.is_accepted for arrival in arrivals)
    assert lab.truly_open() == {each.instrument_id for each in POSITIONS}


def test_a_day_older_than_the_exchange_keeps_is_unavailable_and_not_asked(lab: Lab) -> None:
    """It would answer an empty list, and the day would look like one on which nothing was closed."""
    old = (datetime.now(UTC).date() - timedelta(days=5)).isoformat()
    reads = collect(lab, old)
    assert {read.status for read in reads} == {EvidenceStatus.UNAVAILABLE}
    assert "exchange.history_days" in reads[0].reason
    assert len(recorded(lab, old)) == 3
    assert lab.exchange.arrivals() == []


def test_a_list_that_cannot_be_read_is_recorded_as_failed_and_the_others_are_still_asked(lab: Lab) -> None:
    """Half the evidence is better than none, if it says which half."""
    lab.exchange.add_fault(Fault(FaultAction.DATA_NULL, endpoint="account/positions-history", call=None))
    collect(lab)
    assert [(record.read.source, record.read.status) for record in recorded(lab)] == [
        (HISTORY, EvidenceStatus.FAILED),
        (FILLS, EvidenceStatus.COMPLETE),
        (FILLS, EvidenceStatus.COMPLETE),
    ]


def test_a_refused_timestamp_is_followed_by_one_corrected_clock(lab: Lab) -> None:
    """As in a flatten: a correction that is told to whoever watches; a second refusal says that no clock helps."""
    lab.exchange.add_fault(Fault(FaultAction.AUTH_ERROR, endpoint="trade/fills", auth_code="50102"))
    assert {read.status for read in collect(lab)} == {EvidenceStatus.COMPLETE}
    assert any("corrected" in each.text for each in lab.said)
    lab.exchange.add_fault(Fault(FaultAction.AUTH_ERROR, endpoint="trade/fills", auth_code="50102", call=None))
    history, *fills = collect(lab)
    assert history.status is EvidenceStatus.COMPLETE
    assert {read.status for read in fills} == {EvidenceStatus.FAILED}
    assert "after the clock had been corrected" in fills[0].reason


def test_while_a_flatten_of_the_account_is_at_work_nothing_is_asked(lab: Lab) -> None:
    """Once a throttle was seen, all lanes of an account share one budget, and each read would cost a close its slot."""
    flatten = AccountLock(lab.desk.settings.locks_folder, "main")
    flatten.acquire("a flatten", 1.0, lambda: False)
    try:
        reads = collect(lab)
    finally:
        flatten.release()
    assert {read.status for read in reads} == {EvidenceStatus.FAILED}
    assert "gave way to a flatten" in reads[0].reason
    assert lab.exchange.arrivals() == []
    assert {read.status for read in collect(lab)} == {EvidenceStatus.COMPLETE}


def test_a_flatten_that_begins_between_two_pages_is_given_way_to(lab: Lab) -> None:
    """It is looked for before each page, not only at the beginning."""
    flatten = AccountLock(lab.desk.settings.locks_folder, "main")

    def begin_flatten(_progress: Progress) -> None:
        flatten.acquire("a flatten", 1.0, lambda: False)

    try:
        first, *others = collect_evidence(lab.desk, today(lab), begin_flatten)
    finally:
        flatten.release()
    assert first.status is EvidenceStatus.COMPLETE
    assert {read.status for read in others} == {EvidenceStatus.FAILED}
    assert len(lab.exchange.arrivals()) == 1


def test_looking_for_a_flatten_does_not_keep_one_out(lab: Lab) -> None:
    """Whoever looks holds the lock for an instant; a flatten that comes then waits it out."""
    lock = AccountLock(lab.desk.settings.locks_folder, "main")
    assert not lock.is_held()
    lock.acquire("a flatten", 0.0, lambda: False)
    assert AccountLock(lab.desk.settings.locks_folder, "main").is_held()
    lock.release()
    assert not AccountLock(lab.desk.settings.locks_folder, "main").is_held()


@pytest.mark.parametrize(
    ("day", "now_hour", "told"),
    [("2026-02-30", 12, "no trading day"), ("today", 12, "no trading day"), ("2026-03-11", 12, "begins at")],
)
def test_a_day_that_is_none_or_has_not_begun_is_refused(lab: Lab, day: str, now_hour: int, told: str) -> None:
    """An empty answer about the future would be recorded as complete."""
    now = datetime(2026, 3, 10, now_hour, tzinfo=UTC)
    with pytest.raises(GuardRefused, match=told):
        plan_questions(lab.desk.settings, lab.desk.account, day, now)


def test_the_window_is_the_trading_days_own_with_a_minute_on_either_side(tmp_path: Path) -> None:
    """A desk whose day ends at five in New York, on the day on which its clocks change; a running day ends now."""
    text = SETTINGS + 'schedule: {timezone: America/New_York, day_boundary: "17:00", cron: "30 16 * * *"}\n'
    with open_lab(tmp_path, build_scenario([]), text) as lab:
        later = datetime(2026, 3, 12, tzinfo=UTC)
        question = plan_questions(lab.desk.settings, lab.desk.account, "2026-03-07", later)[0]
        assert question.starts_at == datetime(2026, 3, 7, 21, 59, tzinfo=UTC)
        assert question.ends_at == datetime(2026, 3, 8, 21, 1, tzinfo=UTC)
        running = datetime(2026, 3, 8, 3, tzinfo=UTC)
        assert plan_questions(lab.desk.settings, lab.desk.account, "2026-03-07", running)[0].ends_at == running + timedelta(
            minutes=1
        )
