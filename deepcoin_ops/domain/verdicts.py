"""From complete positions reads and order lists to a verdict per instrument. Pure.

Flat takes two complete reads without an open row for the instrument, far enough apart, both begun after the last answer
or timeout of any send; and order lists, read after the instrument's own last close and cancel, without an order that can
open a position. What such an order did before it was gone has to show in the last positions read. The caller passes only
reads that were begun late enough; this module judges what they show.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from deepcoin_ops.domain.model import FlattenResult, InstrumentVerdict, ResidualCause, Verdict
from deepcoin_ops.domain.orders import Order
from deepcoin_ops.domain.planning import ClosePlan, PlanLine, describe_notional
from deepcoin_ops.domain.showing import show_figure


@dataclass(frozen=True)
class ProofRead:
    """What one complete read, begun after every send was settled, shows of the instruments asked for.

    `started_monotonic_s` is per page of the read, in a fixed order of instrument types.
    """

    plan: ClosePlan
    started_monotonic_s: tuple[float, ...]

    def open_line(self, instrument_id: str) -> PlanLine | None:
        """The instrument's open line, or None when the read shows it flat."""
        return next((line for line in self.plan.lines if line.instrument_id == instrument_id), None)


@dataclass(frozen=True)
class InstrumentHistory:
    """What a flatten did to one instrument: attempts sent, and why it could not be sent if a guard held it back.

    `left_alone` says which of its positions the settings leave open, empty when none.
    """

    attempts: int = 0
    last_reason: str = ""
    held_back: str | None = None
    left_alone: str = ""


@dataclass(frozen=True)
class OrderEvidence:
    """What the order lists show of one instrument, read after its last close and its last cancel.

    `left` are the orders still waiting; `missing` says which list could not be read, None when none is missing. A
    positions read begun at `positions_from_s` (monotonic) or later shows whatever an order did before it was seen to be
    gone. `holding` are the resting orders that can only close and may hold the size, as the newest list shows them, late
    enough or not.
    """

    left: tuple[Order, ...] = ()
    missing: str | None = None
    positions_from_s: float = float("-inf")
    holding: tuple[Order, ...] = ()

    @property
    def opening(self) -> tuple[Order, ...]:
        """Those that can open a position."""
        return tuple(order for order in self.left if order.can_open)


NOT_LOOKED_AT = OrderEvidence(missing="the order lists were not read")


def are_apart(earlier: ProofRead, later: ProofRead, gap_s: float) -> bool:
    """Whether every page of the later read began at least `gap_s` seconds after the same page of the earlier one."""
    pairs = zip(earlier.started_monotonic_s, later.started_monotonic_s, strict=True)
    return all(after - before >= gap_s for before, after in pairs)


def judge(
    instrument_ids: Sequence[str],
    before: ClosePlan | None,
    proofs: Sequence[ProofRead],
    gap_s: float,
    histories: Mapping[str, InstrumentHistory],
    orders: Mapping[str, OrderEvidence],
) -> list[InstrumentVerdict]:
    """The verdict on each instrument asked for.

    Args:
        instrument_ids: What was asked for, one verdict each, in this order.
        before: What was open before the first send; None when no complete read was had.
        proofs: Complete reads begun after the last send was settled, in the order they were begun.
        gap_s: Seconds that two proving reads have to be apart.
        histories: What was done, by instrument id; an instrument without one was not touched.
        orders: What the order lists show, by instrument id; an instrument without one was not looked at.
    """
    opened = {line.instrument_id: line for line in before.lines} if before else {}
    known_ids = {row_id for line in opened.values() for row_id in line.position_ids}
    return [
        _judge_one(
            instrument_id,
            opened.get(instrument_id),
            before is not None,
            proofs,
            gap_s,
            histories.get(instrument_id, InstrumentHistory()),
            orders.get(instrument_id, NOT_LOOKED_AT),
            known_ids,
        )
        for instrument_id in instrument_ids
    ]


def _judge_one(
    instrument_id: str,
    line_before: PlanLine | None,
    is_before_known: bool,
    proofs: Sequence[ProofRead],
    gap_s: float,
    history: InstrumentHistory,
    orders: OrderEvidence,
    known_ids: set[str],
) -> InstrumentVerdict:
    line_after = proofs[-1].open_line(instrument_id) if proofs else None
    verdict, reason = _decide(instrument_id, line_before, proofs, gap_s, history, orders)
    reopened = line_after.position_ids - known_ids if line_after and is_before_known else frozenset()
    if reopened:
        reason += f"; position(s) {', '.join(sorted(reopened))} were not there before the first send"
    if orders.left:
        reason += f"; still waiting: {', '.join(order.describe() for order in orders.left)}"
    return InstrumentVerdict(
        instrument_id=instrument_id,
        verdict=verdict,
        quantity_before_contracts=_quantity(line_before) if is_before_known else None,
        notional_before_usdt=_notional(line_before) if is_before_known else None,
        quantity_after_contracts=_quantity(line_after) if proofs else None,
        notional_after_usdt=_notional(line_after) if proofs else None,
        attempts=history.attempts,
        reason=reason,
        reopened_position_ids=tuple(sorted(reopened)),
        cause=_find_cause(line_after, reopened, orders) if line_after else None,
    )


def _find_cause(line: PlanLine, reopened: Collection[str], orders: OrderEvidence) -> ResidualCause:
    """Why it is still open: what concerns all that is left goes before what concerns a part of it."""
    rows, concerns = line.positions, line.concerns
    found = {
        ResidualCause.NOT_TRADING: ResidualCause.NOT_TRADING in concerns,
        ResidualCause.COPY_TRADING: all(row.is_of_copy_trading for row in rows),
        ResidualCause.FROZEN: bool(orders.holding),
        ResidualCause.REOPENED: all(row.position_id in reopened for row in rows),
        ResidualCause.OVERSIZED: ResidualCause.OVERSIZED in concerns,
        ResidualCause.ODD_LOT: ResidualCause.ODD_LOT in concerns,
    }
    return next((cause for cause, is_found in found.items() if is_found), ResidualCause.OTHER)


def _decide(
    instrument_id: str,
    line_before: PlanLine | None,
    proofs: Sequence[ProofRead],
    gap_s: float,
    history: InstrumentHistory,
    orders: OrderEvidence,
) -> tuple[Verdict, str]:
    if not proofs:
        return Verdict.UNVERIFIED, _with_history("no complete positions read after the last send", history)
    line_after = proofs[-1].open_line(instrument_id)
    if line_after is not None:
        size = f"{line_after.sides} {show_figure(line_after.quantity_contracts)} still open"
        told = [describe_notional(line_after.notional_usdt), *line_after.concerns.values()]
        return Verdict.RESIDUAL, _with_history(f"{size} ({', '.join(told)})", history)
    if history.held_back is not None:
        return Verdict.UNVERIFIED, history.held_back
    is_proven = any(
        are_apart(earlier, proofs[-1], gap_s) and _is_flat_since(instrument_id, proofs[index:])
        for index, earlier in enumerate(proofs[:-1])
    )
    if not is_proven:
        return Verdict.UNVERIFIED, _with_history("one complete read shows it flat; two are needed", history)
    if orders.opening:
        return Verdict.RESTING_ORDER_LEFT, "no position is open, and an order that can open one is left"
    if orders.missing is not None:
        return Verdict.UNVERIFIED, f"no position is open; {orders.missing}"
    if min(proofs[-1].started_monotonic_s) < orders.positions_from_s:
        return Verdict.UNVERIFIED, "no positions read followed the order lists, so what an order did last is not known"
    if line_before is None and history.attempts == 0:
        return Verdict.ALREADY_FLAT, "two complete reads show no open position; no close was sent"
    return Verdict.FLAT, "two complete reads after the last send show no open position"


def _is_flat_since(instrument_id: str, proofs: Sequence[ProofRead]) -> bool:
    return all(proof.open_line(instrument_id) is None for proof in proofs)


def result_of(verdicts: Sequence[InstrumentVerdict]) -> FlattenResult:
    """The result of a flatten from its verdicts: one residual or opening order makes it NOT_FLAT, one doubt UNVERIFIED."""
    kinds = {verdict.verdict for verdict in verdicts}
    if kinds & {Verdict.RESIDUAL, Verdict.RESTING_ORDER_LEFT}:
        return FlattenResult.NOT_FLAT
    return FlattenResult.UNVERIFIED if Verdict.UNVERIFIED in kinds or not kinds else FlattenResult.FLAT


def describe_verdicts(verdicts: Sequence[InstrumentVerdict]) -> str:
    """What is not proven flat, largest first, for the first line of a failure; empty when all is flat."""
    left = sorted(
        (verdict for verdict in verdicts if not verdict.verdict.is_flat),
        # An unknown notional may be the largest, so it comes first.
        key=lambda verdict: (verdict.notional_after_usdt is not None, -(verdict.notional_after_usdt or Decimal(0))),
    )
    return "; ".join(f"{verdict.instrument_id} {verdict.verdict}: {verdict.reason}" for verdict in left)


def residual_notional(verdicts: Sequence[InstrumentVerdict]) -> Decimal | None:
    """The notional left open, in USDT; None when a read after the last send or one of the notionals is missing."""
    notionals = [verdict.notional_after_usdt for verdict in verdicts]
    known = [notional for notional in notionals if notional is not None]
    return sum(known, Decimal(0)) if len(known) == len(notionals) else None


def _with_history(text: str, history: InstrumentHistory) -> str:
    if history.held_back is not None:
        return f"{text}; nothing was sent: {history.held_back}"
    if history.left_alone:
        text += f"; left alone: {history.left_alone}"
    return f"{text}; last answer: {history.last_reason}" if history.last_reason else text


def _quantity(line: PlanLine | None) -> Decimal:
    return line.quantity_contracts if line else Decimal(0)


def _notional(line: PlanLine | None) -> Decimal | None:
    return line.notional_usdt if line else Decimal(0)
