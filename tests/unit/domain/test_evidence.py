"""Ledger beside evidence: what agrees, what does not, and what cannot be compared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcoin_ops.domain.evidence import (
    ClosedPosition,
    EvidenceBreak,
    EvidenceFinding,
    EvidenceRead,
    EvidenceSource,
    EvidenceStatus,
    Fill,
    SizeKey,
    add_up_positions,
    choose_newest_complete,
    compare_with_evidence,
)
from deepcoin_ops.domain.model import InstrumentType, Position, PositionSide, ProductGroup

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
SINCE = datetime(2026, 3, 9, 23, 30, tzinfo=UTC)
UNTIL = SINCE + timedelta(seconds=90)
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


def compare(before: dict[SizeKey, str], after: dict[SizeKey, str], *reads: EvidenceRead) -> list[EvidenceFinding]:
    """The findings on contracts, or on spot when there are fills."""
    kind = SPOT if any(each.fills for each in reads) else SWAP
    sizes = [{key: Decimal(size) for key, size in each.items()} for each in (before, after)]
    return list(compare_with_evidence(kind, sizes[0], sizes[1], reads, SINCE, UNTIL))


def test_a_close_that_both_show_agrees_to_the_last_digit() -> None:
    """Several rows may make up one size, and a rest may be left open."""
    [finding] = compare({(BTC, LONG): "35"}, {(BTC, LONG): "0.5"}, read(closed("30"), closed("4.50")))
    assert finding.break_type is None
    assert (finding.closed_in_ledger, finding.closed_in_evidence) == (Decimal("34.5"), Decimal("34.5"))


@pytest.mark.parametrize("shown", ["34.999999999999999999", "36", "0"])
def test_any_difference_in_size_is_a_mismatch(shown: str) -> None:
    """The tolerance is zero: a contract more or less was bought or sold by somebody."""
    [finding] = compare({(BTC, LONG): "35"}, {}, read(closed(shown)))
    assert finding.break_type is EvidenceBreak.EVIDENCE_MISMATCH
    assert "ledger's reads say 35 closed" in finding.reason


def test_an_empty_history_of_a_close_is_a_mismatch_and_not_an_empty_day() -> None:
    """The exchange forgot, or nothing was closed; somebody has to look."""
    [finding] = compare({(BTC, LONG): "35"}, {}, read())
    assert (finding.break_type, finding.closed_in_evidence) == (EvidenceBreak.EVIDENCE_MISMATCH, Decimal(0))


def test_sides_are_compared_one_by_one() -> None:
    """Long and short of one instrument would otherwise cancel a mistake out."""
    findings = compare({(BTC, LONG): "35", (BTC, SHORT): "12"}, {}, read(closed("12"), closed("35", SHORT)))
    assert [(each.position_side, each.break_type) for each in findings] == [
        (LONG, EvidenceBreak.EVIDENCE_MISMATCH),
        (SHORT, EvidenceBreak.EVIDENCE_MISMATCH),
    ]


def test_a_close_of_something_the_ledger_never_saw_is_a_mismatch() -> None:
    """Opened and closed between two reads: the ledger alone would not know."""
    [finding] = compare({}, {}, read(closed("3", instrument_id="ADA-USDT-SWAP")))
    assert (finding.instrument_id, finding.closed_in_ledger) == ("ADA-USDT-SWAP", Decimal(0))
    assert finding.break_type is EvidenceBreak.EVIDENCE_MISMATCH


def test_closes_of_earlier_that_day_are_left_out_and_a_minutes_slack_is_not() -> None:
    """A day has other closes than the flatten's; the exchange's seconds are rounded and its clock is its own."""
    rows = [closed("9", at=SINCE - timedelta(seconds=61)), closed("35", at=UNTIL + timedelta(seconds=60))]
    [finding] = compare({(BTC, LONG): "35"}, {}, read(*rows))
    assert finding.break_type is None


def test_a_size_that_grew_counts_as_nothing_closed() -> None:
    """Reopening is another break; it must not be told a second time as a negative close."""
    [finding] = compare({(BTC, LONG): "5"}, {(BTC, LONG): "8"}, read())
    assert (finding.closed_in_ledger, finding.break_type) == (Decimal(0), None)


def test_spot_is_compared_with_what_was_sold() -> None:
    """A holding has no positions history, and what was bought closes nothing."""
    [finding] = compare({(SOL, LONG): "4.25"}, {(SOL, LONG): "0.05"}, read(fill("4.2", "sell"), fill("1", "buy")))
    assert finding.break_type is None


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
    [finding] = compare({(BTC, LONG): "35"}, {}, *reads)
    assert (finding.break_type, finding.closed_in_evidence) == (EvidenceBreak.EVIDENCE_UNAVAILABLE, None)
    assert told in finding.reason


def test_the_newest_complete_read_counts_and_a_later_failure_takes_nothing_away() -> None:
    """Asking again is allowed, and a bad night of the exchange does not undo what it once said."""
    failed = read(status=EvidenceStatus.FAILED)
    [finding] = compare({(BTC, LONG): "35"}, {}, read(closed("30")), read(closed("35")), failed)
    assert finding.break_type is None
    newest = read(closed("35"))
    assert choose_newest_complete([read(closed("30")), newest, failed]) == {(newest.source, SWAP): newest}


def test_open_sizes_add_up_over_split_rows_and_margin_modes() -> None:
    """A batch close takes them all, so that they are one size here."""

    def held(size: str, side: PositionSide | None, margin_mode: str = "cross") -> Position:
        return Position(BTC, ProductGroup.SWAP_U, "1", side, Decimal(size), margin_mode, "split", None, "USDT")

    rows = [held("3", LONG), held("4.5", LONG, "isolated"), held("2", SHORT), held("0", None)]
    assert add_up_positions(rows) == {(BTC, LONG): Decimal("7.5"), (BTC, SHORT): Decimal(2)}


sizes = st.dictionaries(
    st.tuples(st.sampled_from([BTC, "ETH-USDT-SWAP"]), st.sampled_from([LONG, SHORT])),
    st.decimals(min_value="0.001", max_value="1e9", places=3),
)


@given(before=sizes, kept=st.floats(0, 1))
def test_a_history_that_shows_exactly_what_is_gone_never_breaks(before: dict[SizeKey, Decimal], kept: float) -> None:
    """Whatever part was closed: a comparison that cries on good days is switched off."""
    after = {key: (size * Decimal(kept)).quantize(Decimal("0.001")) for key, size in before.items()}
    rows = [closed(str(size - after[key]), key[1], instrument_id=key[0]) for key, size in before.items()]
    findings = compare_with_evidence(SWAP, before, after, [read(*rows)], SINCE, UNTIL)
    assert {finding.break_type for finding in findings} <= {None}
    assert len(findings) == len(before)
