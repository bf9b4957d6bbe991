"""Ledger beside evidence: what agrees, what does not, and what cannot be compared."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from account_days import build_attempt, build_flatten, build_page, build_verdict
from hypothesis import given
from hypothesis import strategies as st

from deepcoin_ops.domain.breaks import BreakType
from deepcoin_ops.domain.day import DayFlatten
from deepcoin_ops.domain.evidence import ClosedPosition, EvidenceRead, EvidenceSource, EvidenceStatus, Fill
from deepcoin_ops.domain.evidence_match import (
    EvidenceFinding,
    Side,
    Stretch,
    compare_stretch,
    match_evidence,
)
from deepcoin_ops.domain.model import FlattenResult, InstrumentType, Outcome, PositionSide, ProductGroup, Verdict

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
SINCE = datetime(2026, 3, 9, 23, 30, tzinfo=UTC)
UNTIL = SINCE + timedelta(seconds=90)
AMID = SINCE + timedelta(seconds=30)
MISMATCH, UNAVAILABLE = BreakType.EVIDENCE_MISMATCH, BreakType.EVIDENCE_UNAVAILABLE
BTC, SOL = "BTC-USDT-SWAP", "SOL-USDT"
SWAP, SPOT = InstrumentType.SWAP, InstrumentType.SPOT


def closed(size: str, side: PositionSide | None = LONG, at: datetime = SINCE, instrument_id: str = BTC) -> ClosedPosition:
    """A row of the positions history."""
    money = (Decimal(1), Decimal(1), Decimal(0), None, None)
    kinds = (ProductGroup.SWAP_U, "77", side, None, Decimal(size))
    return ClosedPosition(instrument_id, *kinds, *money, "USDT", "cross", "merge", SINCE - timedelta(hours=3), at)


def fill(size: str, side: str, at: datetime = SINCE) -> Fill:
    """A fill of spot."""
    kinds = (ProductGroup.SPOT, "T", "O", "B", side, None, Decimal(150), Decimal(size))
    return Fill(SOL, *kinds, "T", None, "USDT", at)


def read(*rows: ClosedPosition | Fill, **changes: Any) -> EvidenceRead:
    """A complete read that was begun a second after the flatten."""
    fills = tuple(row for row in rows if isinstance(row, Fill))
    fields = {
        "source": EvidenceSource.FILLS if fills else EvidenceSource.POSITIONS_HISTORY,
        "instrument_type": SPOT if fills else SWAP,
        "starts_at": SINCE - timedelta(hours=23),
        "ends_at": UNTIL + timedelta(minutes=5),
        "status": EvidenceStatus.COMPLETE,
        "reason": "read",
        "started_at": UNTIL + timedelta(seconds=1),
        "finished_at": UNTIL + timedelta(seconds=2),
        "closed_positions": tuple(row for row in rows if isinstance(row, ClosedPosition)),
        "fills": fills,
    }
    return EvidenceRead(**(fields | changes))


def compare(gone: dict[Side, str], *reads: EvidenceRead, is_counted: bool = True) -> list[EvidenceFinding]:
    """The findings on BTC, or on spot when there are fills, where the reads show so much as gone."""
    instrument_id = SOL if any(each.fills for each in reads) else BTC
    closed = {side: Decimal(size) for side, size in gone.items()}
    return compare_stretch(instrument_id, Stretch(SINCE, UNTIL, closed, is_counted), reads)


def test_a_close_that_both_show_agrees_to_the_last_digit() -> None:
    """Several rows may make up one size, and a rest may be left open."""
    [finding] = compare({LONG: "34.5"}, read(closed("30", at=AMID), closed("4.50", at=AMID)))
    assert finding.break_type is None
    assert (finding.closed_in_ledger, finding.closed_in_evidence) == (Decimal("34.5"), Decimal("34.5"))


@pytest.mark.parametrize("shown", ["34.999999999999999999", "36", "0"])
@pytest.mark.parametrize("at", [AMID, SINCE], ids=["amid", "at the edge"])
def test_any_difference_in_size_is_a_mismatch(shown: str, at: datetime) -> None:
    """The tolerance is zero: a contract more or less was bought or sold by somebody."""
    [finding] = compare({LONG: "35"}, read(closed(shown, at=at)))
    assert finding.break_type is MISMATCH
    assert "ledger's reads say 35 closed" in finding.reason


def test_an_empty_history_of_a_close_is_a_mismatch_and_not_an_empty_day() -> None:
    """The exchange forgot, or nothing was closed; somebody has to look."""
    [finding] = compare({LONG: "35"}, read())
    assert (finding.break_type, finding.closed_in_evidence) == (MISMATCH, Decimal(0))


def test_sides_are_compared_one_by_one() -> None:
    """Long and short of one instrument would otherwise cancel a mistake out."""
    findings = compare({LONG: "35", SHORT: "12"}, read(closed("12"), closed("35", SHORT)))
    assert [(each.position_side, each.break_type) for each in findings] == [
        (LONG, MISMATCH),
        (SHORT, MISMATCH),
    ]


def test_a_close_of_a_side_the_ledger_never_saw_is_a_mismatch() -> None:
    """Opened and closed between two reads: the ledger alone would not know."""
    [finding] = compare({}, read(closed("3", at=AMID)))
    assert (finding.position_side, finding.closed_in_ledger) == (LONG, Decimal(0))
    assert finding.break_type is MISMATCH


def test_a_side_that_cannot_be_read_is_compared_with_the_whole_instrument() -> None:
    """The exchange renames a side: two false alarms would be one too many, and none at all too few."""
    assert [each.break_type for each in compare({LONG: "35", SHORT: "5"}, read(closed("40", None, AMID)))] == [None]
    [finding] = compare({LONG: "35"}, read(closed("34", None, AMID)))
    assert (finding.position_side, finding.break_type) == (None, MISMATCH)


@pytest.mark.parametrize(
    ("strange", "is_mismatch"),
    [
        (SINCE - timedelta(seconds=61), False),
        (SINCE - timedelta(seconds=60), False),
        (SINCE + timedelta(seconds=4), False),
        (SINCE + timedelta(seconds=6), True),
        (UNTIL - timedelta(seconds=6), True),
        (UNTIL + timedelta(seconds=60), False),
        (UNTIL + timedelta(seconds=61), False),
    ],
    ids=["long before", "before", "another clock", "early", "late", "after", "long after"],
)
def test_somebody_elses_close_counts_only_where_it_must_have_been_during_the_flatten(
    strange: datetime, is_mismatch: bool
) -> None:
    """A desk trades until the tick; the exchange's seconds are rounded and its clock is its own."""
    [finding] = compare({LONG: "35"}, read(closed("35", at=AMID), closed("9", at=strange)))
    assert (finding.break_type is MISMATCH) is is_mismatch


def test_a_close_at_the_uncertain_edge_counts_when_the_ledger_needs_it() -> None:
    """The flatten's own first close may bear a second that lies before its first read."""
    early, late = closed("30", at=SINCE - timedelta(seconds=1)), closed("5", at=UNTIL + timedelta(seconds=59))
    for fits in ("35", "5", "30"):
        assert [each.break_type for each in compare({LONG: fits}, read(early, late))] == [None]
    [finding] = compare({LONG: "31"}, read(early, late, closed("0.5", at=AMID)))
    assert finding.break_type is MISMATCH
    assert "the exchange 0.5 during that time, 35.5 with its edges" in finding.reason


def test_a_crowd_at_the_edges_is_not_judged() -> None:
    """Out of many closes some choice fits by chance, and trying them all would take for ever."""
    crowd = [closed(f"1.{number:04}", at=SINCE - timedelta(seconds=2)) for number in range(60)]
    [finding] = compare({LONG: "35"}, read(*crowd))
    assert (finding.break_type, finding.is_compared) == (None, False)
    assert finding.in_words.startswith("UNCOMPARED: too many closes")


def test_spot_is_compared_with_what_was_sold() -> None:
    """A holding has no positions history, and what was bought closes nothing."""
    [finding] = compare({LONG: "4.2"}, read(fill("4.2", "sell", AMID), fill("1", "buy", AMID)))
    assert finding.break_type is None


def test_what_no_counting_read_tells_is_shown_and_not_judged() -> None:
    """After a flatten that went blind the exchange's list is all there is; it contradicts nobody."""
    [finding] = compare({LONG: "0"}, read(closed("35", at=AMID)), is_counted=False)
    assert (finding.closed_in_ledger, finding.closed_in_evidence, finding.break_type) == (None, Decimal(35), None)
    assert finding.in_words.startswith("UNCOMPARED: the exchange shows 35 closed")
    [missing] = compare({LONG: "0"}, is_counted=False)
    assert missing.break_type is UNAVAILABLE


def test_where_nothing_was_closed_there_is_nothing_to_find() -> None:
    """Evidence of a quiet evening is owed by nobody."""
    assert compare({LONG: "0"}) == []
    assert compare({LONG: "0"}, read()) == []


@pytest.mark.parametrize(
    ("reads", "told"),
    [
        ([], "run collect_evidence"),
        ([read(status=EvidenceStatus.UNAVAILABLE, reason="too old")], "too old"),
        ([read(status=EvidenceStatus.FAILED, reason="no readable page")], "no readable page"),
        ([read(started_at=UNTIL - timedelta(seconds=1))], "before the flatten ended"),
        ([read(closed("35"), source=EvidenceSource.FILLS)], "run collect_evidence"),
    ],
    ids=["none", "unavailable", "failed", "too early", "another list"],
)
def test_without_complete_evidence_of_that_time_nothing_is_claimed(reads: list[EvidenceRead], told: str) -> None:
    """Nothing known is not nothing closed."""
    [finding] = compare({LONG: "35"}, *reads)
    assert (finding.break_type, finding.closed_in_evidence) == (UNAVAILABLE, None)
    assert told in finding.reason


def test_the_newest_complete_read_counts_and_a_later_failure_takes_nothing_away() -> None:
    """Asking again is allowed, and a bad night of the exchange does not undo what it once said."""
    failed = read(status=EvidenceStatus.FAILED)
    [finding] = compare({LONG: "35"}, read(closed("30")), read(closed("35")), failed)
    assert finding.break_type is None


# -- a day's flattens -------------------------------------------------------------------------------------------------


def looking(minutes: float, before: str, after: str, **changes: Any) -> DayFlatten:
    """A flatten that read BTC long before and after, half a minute apart, so many minutes after the first one."""
    first = SINCE + timedelta(minutes=minutes)
    pages = [
        dataclasses.replace(build_page((BTC, LONG, size)), started_at=at, finished_at=at)
        for size, at in ((before, first), (after, first + timedelta(seconds=30)))
    ]
    told = build_verdict(BTC, changes.pop("verdict", Verdict.FLAT))
    return build_flatten(told, opened_at=first, before=(pages[0],), after=(pages[1],), **changes)


def test_a_close_that_lands_between_two_flattens_belongs_to_both() -> None:
    """A close that was never answered is still open in the first one's last read and gone in the second one's first."""
    flattens = [looking(0, "10", "10", verdict=Verdict.RESIDUAL), looking(1, "0", "0", number=1)]
    evidence = read(closed("10", at=SINCE + timedelta(seconds=45)), started_at=SINCE + timedelta(hours=1))
    [finding] = match_evidence(flattens, [evidence]).values()
    assert (finding.break_type, finding.closed_in_ledger) == (None, Decimal(10))


@pytest.mark.parametrize(("shown", "break_type"), [("10", None), ("25", MISMATCH)])
def test_a_killed_flatten_is_judged_by_the_reads_of_the_next_one(shown: str, break_type: BreakType | None) -> None:
    """The first one left no counting read; what was gone in the end is known all the same."""
    attempts = (build_attempt(1, Outcome.UNKNOWN),)
    killed = looking(0, "10", "10", verdict=Verdict.UNVERIFIED, attempts=attempts, result=None)
    flattens = [killed, looking(1, "0", "0", number=1)]
    evidence = read(closed(shown, at=SINCE + timedelta(seconds=40)), started_at=SINCE + timedelta(hours=1))
    [finding] = match_evidence(flattens, [evidence]).values()
    assert (finding.break_type, finding.closed_in_ledger) == (break_type, Decimal(10))


def test_what_a_flatten_was_not_asked_to_close_is_not_compared() -> None:
    """The desk goes on trading ETH while somebody flattens BTC."""
    flatten = looking(0, "35", "0", instruments=(BTC,))
    eth = closed("3", at=SINCE + timedelta(seconds=15), instrument_id="ETH-USDT-SWAP")
    evidence = read(closed("35", at=SINCE + timedelta(seconds=15)), eth, started_at=SINCE + timedelta(hours=1))
    assert list(match_evidence([flatten], [evidence])) == [(BTC, LONG)]


def test_two_flattens_within_each_others_edges_are_compared_together() -> None:
    """The second one, a minute later, would otherwise claim the first one's close for its own time."""
    flattens = [looking(0, "35", "0"), looking(1, "0", "0", number=1)]
    evidence = read(closed("35", at=SINCE + timedelta(seconds=15)), started_at=SINCE + timedelta(hours=1))
    [finding] = match_evidence(flattens, [evidence]).values()
    assert (finding.break_type, finding.closed_in_ledger) == (None, Decimal(35))


def test_flattens_hours_apart_are_compared_one_by_one_and_added_up() -> None:
    """What the desk opened and closed by itself between them is nobody's break; what is wrong in one stays wrong."""
    flattens = [looking(0, "35", "0"), looking(300, "20", "0", number=1)]
    window = {"ends_at": SINCE + timedelta(hours=9), "started_at": SINCE + timedelta(hours=9)}
    between, first = closed("7", at=SINCE + timedelta(hours=2)), closed("35", at=SINCE + timedelta(seconds=15))
    second_at = SINCE + timedelta(minutes=300, seconds=15)
    [good] = match_evidence(flattens, [read(first, between, closed("20", at=second_at), **window)]).values()
    assert (good.break_type, good.closed_in_ledger, good.closed_in_evidence) == (None, Decimal(55), Decimal(55))
    [bad] = match_evidence(flattens, [read(first, between, closed("19", at=second_at), **window)]).values()
    assert bad.break_type is MISMATCH
    assert bad.in_words == (
        "MISMATCH: 04:30:00 to 04:30:30 UTC: the ledger's reads say 20 closed, the exchange 19; "
        "23:30:00 to 23:30:30 UTC: both say 35 closed"
    )


def test_a_day_that_agrees_once_and_not_twice_says_when() -> None:
    """Two closes of 850, and the exchange has forgotten one: "both say 850 closed" must not stand for the whole day."""
    flattens = [looking(0, "850", "0"), looking(300, "850", "0", number=1)]
    window = {"ends_at": SINCE + timedelta(hours=9), "started_at": SINCE + timedelta(hours=9)}
    shown = [closed("850", at=SINCE + timedelta(minutes=minutes, seconds=15)) for minutes in (0, 300)]
    [forgot] = match_evidence(flattens, [read(shown[1], **window)]).values()
    assert forgot.in_words == (
        "MISMATCH: 23:30:00 to 23:30:30 UTC: the ledger's reads say 850 closed, the exchange 0; "
        "04:30:00 to 04:30:30 UTC: both say 850 closed"
    )
    assert (forgot.closed_in_ledger, forgot.closed_in_evidence) == (Decimal(1700), Decimal(850))
    [whole] = match_evidence(flattens, [read(*shown, **window)]).values()
    assert whole.in_words.count("UTC: both say 850 closed") == 2
    [missing] = match_evidence(flattens, []).values()
    assert missing.in_words == "UNAVAILABLE: no evidence was collected; run collect_evidence"


def test_dry_runs_and_refused_flattens_close_nothing_and_are_passed_over() -> None:
    """They read positions too, and may lie in the middle of somebody's trading."""
    told = {"number": 1, "is_dry_run": True, "result": FlattenResult.DRY_RUN}
    assert match_evidence([looking(0, "35", "0", **told)], []) == {}
    assert match_evidence([looking(0, "35", "0", result=FlattenResult.REFUSED)], []) == {}


def test_a_flatten_without_a_counting_read_of_an_instrument_is_shown_and_not_judged() -> None:
    """Its last complete read came before its closes; taken for the end it would call every close a mismatch."""
    attempts = (build_attempt(1, Outcome.UNKNOWN),)
    blind = looking(0, "35", "35", verdict=Verdict.UNVERIFIED, attempts=attempts, result=FlattenResult.UNVERIFIED)
    evidence = read(closed("35", at=SINCE + timedelta(seconds=15)), started_at=SINCE + timedelta(hours=1))
    [finding] = match_evidence([blind], [evidence]).values()
    assert (finding.break_type, finding.closed_in_evidence) == (None, Decimal(35))


sizes = st.dictionaries(st.sampled_from([LONG, SHORT]), st.decimals(min_value="0.001", max_value="1e9", places=3))


@given(gone=sizes, at=st.floats(-60, 150))
def test_a_history_that_shows_exactly_what_is_gone_never_breaks(gone: dict[Side, Decimal], at: float) -> None:
    """Whatever second the exchange gives it: a comparison that cries on good days is switched off."""
    moment = SINCE + timedelta(seconds=at)
    rows = [closed(str(size), side, moment) for side, size in gone.items()]
    findings = compare_stretch(BTC, Stretch(SINCE, UNTIL, gone), [read(*rows)])
    assert {finding.break_type for finding in findings} <= {None}
    assert len(findings) == len(gone)
