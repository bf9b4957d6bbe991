"""The figures of a closing row."""

from __future__ import annotations

from decimal import Decimal

from deepcoin_ops.domain.model import FlattenResult, InstrumentVerdict, Position, PositionSide, ProductGroup, Verdict
from deepcoin_ops.domain.planning import ClosePlan, MarketData, PlanLine
from deepcoin_ops.flattening.closing import build_closing, describe_unconfigured
from deepcoin_ops.flattening.sending import InstrumentRecord, SendTally


def _line(instrument_id: str, notional: int) -> PlanLine:
    return PlanLine(instrument_id, ProductGroup.SWAP_U, Decimal(1), Decimal(notional), (), "live")


def _verdict(instrument_id: str, verdict: Verdict, after: int) -> InstrumentVerdict:
    return InstrumentVerdict(instrument_id, verdict, Decimal(1), Decimal(1), Decimal(bool(after)), Decimal(after), 1, "")


def test_exposure_counts_each_instrument_until_it_was_closed() -> None:
    """Notional times seconds: what is still open counts until the end."""
    tally = SendTally(sends=2, first_slot_s=100.0, last_answer_s=104.0)
    tally.records["A-USDT-SWAP"] = InstrumentRecord(attempts=1, settled_s=102.0)
    tally.records["B-USDT-SWAP"] = InstrumentRecord(attempts=1, settled_s=104.0)
    closing = build_closing(
        "f",
        FlattenResult.NOT_FLAT,
        "",
        rounds=1,
        tally=tally,
        before=ClosePlan((_line("A-USDT-SWAP", 1000), _line("B-USDT-SWAP", 10)), ()),
        unconfigured={},
        verdicts=[_verdict("A-USDT-SWAP", Verdict.FLAT, 0), _verdict("B-USDT-SWAP", Verdict.RESIDUAL, 10)],
        started_s=90.0,
        ended_s=110.0,
        proven_s=None,
    )
    assert closing.exposure_usdt_s == 1000 * 2 + 10 * 10
    assert closing.residual_notional_usdt == 10
    assert (closing.time_to_last_close_s, closing.time_to_proven_flat_s) == (4.0, None)


def test_what_is_open_beside_the_configured_instruments_is_named_with_its_sides() -> None:
    """Nobody closes it; everybody should see it."""
    rows = tuple(
        Position("DOT-USDT-SWAP", ProductGroup.SWAP_U, str(side), side, Decimal(size), "cross", "merge", None, "USDT")
        for side, size in ((PositionSide.LONG, "7"), (PositionSide.SHORT, "2.50"))
    )
    closing = build_closing(
        "f",
        FlattenResult.FLAT,
        "",
        rounds=0,
        tally=SendTally(),
        before=ClosePlan((), rows),
        unconfigured=describe_unconfigured(ClosePlan((), rows), MarketData({}, {})),
        verdicts=[_verdict("A-USDT-SWAP", Verdict.ALREADY_FLAT, 0)],
        started_s=5.0,
        ended_s=9.0,
        proven_s=8.0,
    )
    assert closing.unconfigured == {"DOT-USDT-SWAP": "long 7, short 2.5"}
    assert closing.time_to_proven_flat_s == 3.0
    assert closing.time_to_last_close_s is None
