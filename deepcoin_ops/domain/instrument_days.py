"""One instrument on one trading day, parted by side: sizes, notional, findings. Pure, and part of `reconcile`.

Which flatten decides and which attempts belong to the day is settled before; this module only says what follows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from deepcoin_ops.domain.breaks import BreakType, ReconciliationRow, rank_findings
from deepcoin_ops.domain.day import DayFlatten
from deepcoin_ops.domain.evidence_match import EvidenceFinding
from deepcoin_ops.domain.model import (
    CloseAttempt,
    CloseError,
    InstrumentVerdict,
    Outcome,
    PositionSide,
    Verdict,
)
from deepcoin_ops.domain.orders import Order
from deepcoin_ops.domain.position_rows import find_rows, sum_by_side

SIDES: tuple[PositionSide | None, ...] = (PositionSide.LONG, PositionSide.SHORT, None)
# What a verdict says that is not flat; at least one row of the instrument has to say it too.
TOLD_BY: Mapping[Verdict, BreakType] = {
    Verdict.RESIDUAL: BreakType.RESIDUAL_POSITION,
    Verdict.RESTING_ORDER_LEFT: BreakType.RESTING_ORDER_LEFT,
    Verdict.UNVERIFIED: BreakType.UNVERIFIED,
}


def find_verdict(deciding: DayFlatten | None, instrument_id: str) -> InstrumentVerdict:
    """The verdict of a flatten on an instrument; UNVERIFIED with a reason where there is none on record."""
    found = [each for each in (deciding.verdicts if deciding else ()) if each.instrument_id == instrument_id]
    if found and deciding is not None and not deciding.is_refused:
        return found[0]
    if deciding is None:
        reason = "no flatten that counts for the end of this day looked at it"
    elif deciding.closing is None:
        reason = f"flatten {deciding.request.flatten_id} has no closing row: it still runs, or was killed"
    elif deciding.is_refused:
        reason = f"flatten {deciding.request.flatten_id} was refused and looked at nothing: {deciding.closing.reason}"
    else:
        reason = f"flatten {deciding.request.flatten_id} recorded no verdict on it"
    return InstrumentVerdict(instrument_id, Verdict.UNVERIFIED, None, None, None, None, 0, reason)


@dataclass(frozen=True)
class Sizes:
    """How much of an instrument was open, by side; `is_known` is False where no counting read tells."""

    is_known: bool
    total_contracts: Decimal
    notional_usdt: Decimal | None
    by_side: dict[PositionSide | None, Decimal]

    @classmethod
    def build(cls, flatten: DayFlatten | None, instrument_id: str, *, is_before: bool) -> Sizes:
        """What a flatten's first or last read shows of an instrument."""
        verdict = find_verdict(flatten, instrument_id)
        pages = () if flatten is None else flatten.before if is_before else flatten.after
        quantity = verdict.quantity_before_contracts if is_before else verdict.quantity_after_contracts
        notional = verdict.notional_before_usdt if is_before else verdict.notional_after_usdt
        # A size after the closes counts only with a verdict that says so: a read may have come too early to be evidence.
        is_known = quantity is not None or (is_before and bool(pages))
        by_side = sum_by_side(find_rows(pages if is_known else (), instrument_id))
        total = sum(by_side.values(), Decimal(0))
        return cls(is_known, total, notional, by_side or ({None: quantity} if quantity else {}))

    def quantity(self, side: PositionSide | None) -> Decimal | None:
        """The size on one side."""
        return self.by_side.get(side, Decimal(0)) if self.is_known else None

    def notional(self, side: PositionSide | None) -> Decimal | None:
        """Its share of the notional: one price and one contract size hold for all rows of an instrument."""
        quantity = self.quantity(side)
        if not quantity:
            return quantity
        if self.notional_usdt is None or not self.total_contracts:
            return self.notional_usdt
        return self.notional_usdt * quantity / self.total_contracts


@dataclass(frozen=True)
class InstrumentView:
    """Everything a day says of one instrument, before it is parted by side. `orders` is None where no list was read."""

    account: str
    instrument_id: str
    flatten_id: str | None
    verdict: InstrumentVerdict
    before: Sizes
    after: Sizes
    attempts: tuple[CloseAttempt, ...]
    reopened_sides: set[PositionSide | None]
    evidence: Mapping[PositionSide | None, EvidenceFinding]
    stands_at: datetime
    orders: tuple[Order, ...] | None = None

    def find_sides(self) -> list[PositionSide | None]:
        """The sides with something to say; a single None when there is none."""
        seen = {item.position_side for item in self._items()} | set(self.before.by_side) | set(self.after.by_side)
        seen |= set(self.evidence) | {order.position_side for order in self.orders or ()}
        return [side for side in SIDES if side in seen] or [None]

    def build_row(self, side: PositionSide | None, *, is_by_verdict: bool = False) -> ReconciliationRow:
        """The row of one side.

        Args:
            side: Which.
            is_by_verdict: Take the verdict's word for what is left although nothing on record shows it.
        """
        verdict, orders = self.verdict.verdict, self._find_orders(side)
        is_open = verdict is Verdict.RESIDUAL and (is_by_verdict or bool(self.after.quantity(side)))
        is_order_left = bool(orders) or (is_by_verdict and verdict is Verdict.RESTING_ORDER_LEFT)
        items = tuple(item for item in self._items() if item.position_side is side)
        found = self._find_findings(side, items, is_open=is_open, is_order_left=is_order_left)
        ranked = rank_findings(
            found,
            # The other side of an instrument that is still open was seen closed by the same counting read.
            is_settled=verdict.is_closed or (verdict is Verdict.RESIDUAL and not is_open),
            unsettled=self._find_unsettled(side, orders, is_by_verdict=is_by_verdict),
        )
        evidence = self.evidence.get(side)
        return ReconciliationRow(
            account=self.account,
            instrument_id=self.instrument_id,
            position_side=side,
            flatten_id=self.flatten_id,
            quantity_before_contracts=self.before.quantity(side),
            notional_before_usdt=self.before.notional(side),
            quantity_after_contracts=self.after.quantity(side),
            notional_after_usdt=self.after.notional(side),
            outcomes=tuple(attempt.outcome for attempt in self.attempts),
            error_items=items,
            evidence=evidence.in_words if evidence else None,
            orders=orders,
            residual_cause=self.verdict.cause if is_open else None,
            verdict=verdict,
            findings=tuple(kind for kind, _severity in ranked),
            severity=ranked[0][1] if ranked else None,
            since_at=self._find_since(ranked[0][0]) if ranked else None,
            reason=self._describe(side, orders, ranked[0][0] if ranked else None),
        )

    def _find_orders(self, side: PositionSide | None) -> tuple[Order, ...] | None:
        return None if self.orders is None else tuple(each for each in self.orders if each.position_side is side)

    def _find_unsettled(
        self, side: PositionSide | None, orders: Sequence[Order] | None, *, is_by_verdict: bool
    ) -> set[BreakType]:
        """What a proof of the positions leaves as it is: an order that can open one, or may hold what is still open."""
        may_hold = self.verdict.verdict is Verdict.RESIDUAL and side is None
        is_unsettled = is_by_verdict or may_hold or any(order.can_open for order in orders or ())
        return {BreakType.RESTING_ORDER_LEFT} if is_unsettled else set()

    def _describe(self, side: PositionSide | None, orders: Sequence[Order] | None, kind: BreakType | None) -> str:
        """The row's reason: what an evidence that names it says, the orders left, then the verdict's own words."""
        evidence, reason = self.evidence.get(side), self.verdict.reason
        told = [evidence.reason] if evidence and evidence.break_type is kind else []
        # The verdict's reason may name them already.
        told += [f"left: {words}" for order in orders or () if (words := order.describe()) not in reason]
        return "; ".join([*told, reason])

    def _find_since(self, kind: BreakType) -> datetime:
        """Since when a finding holds: what a close brought back since it was sent, what reads show since they ended."""
        unknown = [attempt for attempt in self.attempts if attempt.outcome is Outcome.UNKNOWN]
        with_items = [attempt for attempt in self.attempts if attempt.close_errors]
        told_by = {
            BreakType.UNKNOWN_OUTCOME: unknown,
            BreakType.PARTIAL_FAILURE: with_items,
            BreakType.DUPLICATE_ERROR_ITEM: with_items,
        }
        return min((attempt.intent_at for attempt in told_by.get(kind, ())), default=self.stands_at)

    def _items(self) -> tuple[CloseError, ...]:
        return tuple(item for attempt in self.attempts for item in attempt.close_errors)

    def _find_findings(
        self, side: PositionSide | None, items: Sequence[CloseError], *, is_open: bool, is_order_left: bool
    ) -> list[BreakType]:
        verdict = self.verdict.verdict
        evidence = self.evidence[side].break_type if side in self.evidence else None
        found = {
            BreakType.REOPENED: is_open and side in self.reopened_sides,
            BreakType.RESIDUAL_POSITION: is_open,
            BreakType.RESTING_ORDER_LEFT: is_order_left,
            BreakType.UNKNOWN_OUTCOME: any(attempt.outcome is Outcome.UNKNOWN for attempt in self.attempts),
            BreakType.PARTIAL_FAILURE: bool(items),
            BreakType.UNVERIFIED: verdict is Verdict.UNVERIFIED,
            BreakType.EVIDENCE_MISMATCH: evidence is BreakType.EVIDENCE_MISMATCH,
            BreakType.EVIDENCE_UNAVAILABLE: evidence is BreakType.EVIDENCE_UNAVAILABLE,
            BreakType.DUPLICATE_ERROR_ITEM: any(_has_duplicates(attempt, side) for attempt in self.attempts),
            BreakType.ALREADY_FLAT: verdict is Verdict.ALREADY_FLAT and not self.attempts,
        }
        return [kind for kind, is_found in found.items() if is_found]


def _has_duplicates(attempt: CloseAttempt, side: PositionSide | None) -> bool:
    counted = Counter(item.raw_json for item in attempt.close_errors if item.position_side is side)
    return any(count > 1 for count in counted.values())
