"""What a flatten would do to the waiting orders: which it cancels, which it leaves, and what is not known. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deepcoin_ops.domain.orders import CancelOrders, Order
from deepcoin_ops.domain.planning import ClosePlan

NOT_READ_FOR_A_PLAN = (
    "Trigger orders, take profits, stop losses and trailing exits have a list for each instrument and are not read for a "
    "plan; a flatten reads them."
)


@dataclass(frozen=True)
class PlannedOrder:
    """A resting order, and whether a flatten would cancel it."""

    order: Order
    is_cancelled: bool

    @property
    def effect(self) -> str:
        """What it can do if it is left, in words."""
        return "can open" if self.order.can_open else "can only close"


@dataclass(frozen=True)
class PlannedOrders:
    """The resting orders of the instruments asked for, those of the largest positions first.

    Attributes:
        cancel_orders: The setting that decides which of them a flatten cancels.
        orders: None when the list could not be read, which says nothing about orders.
        elsewhere: How many there are in other instruments, whose orders are never cancelled; None likewise.
        failure: Why the list could not be read; None when it was.
        opening_elsewhere: Those in other instruments that can open a position.
        triggers_left: Trigger orders that the settings leave and that can open, as far as their lists were looked at.
        trigger_failure: Why a list of trigger orders could not be read; None when none was asked for, or all were read.
    """

    cancel_orders: CancelOrders
    orders: tuple[PlannedOrder, ...] | None
    elsewhere: int | None
    failure: str | None = None
    opening_elsewhere: tuple[Order, ...] = ()
    triggers_left: tuple[Order, ...] = ()
    trigger_failure: str | None = None

    @property
    def left(self) -> tuple[Order, ...]:
        """The orders of the instruments asked for that a flatten would leave, as far as they are known."""
        return (*(each.order for each in self.orders or () if not each.is_cancelled), *self.triggers_left)

    def describe(self) -> str:
        """How many there are and what becomes of them, in words; or why that is not known, and what to do."""
        if self.orders is None:
            return (
                f"The list of resting orders could not be read: {self.failure}. Whether orders wait is not known; "
                "the closes do not depend on it. Ask again."
            )
        cancelled = [planned.order for planned in self.orders if planned.is_cancelled]
        left = [planned.order for planned in self.orders if not planned.is_cancelled]
        counted = f"{_count(cancelled)} would be cancelled, {_count(left)} left (cancel_orders is {self.cancel_orders})"
        others = f"; {self.elsewhere} order(s) in other instruments would stay" if self.elsewhere else ""
        return f"Resting orders: {counted if self.orders else 'none'}{others}."


def plan_orders(
    cancel_orders: CancelOrders, instrument_ids: Sequence[str], orders: Iterable[Order], plan: ClosePlan
) -> PlannedOrders:
    """What a flatten would do to the orders of a list.

    Args:
        cancel_orders: Which orders it cancels.
        instrument_ids: The instruments it is about; orders in anything else stay.
        orders: The whole list of resting orders.
        plan: What is open of the instruments.
    """
    named = dict.fromkeys([*(line.instrument_id for line in plan.lines), *instrument_ids])
    ranks = {instrument_id: rank for rank, instrument_id in enumerate(named)}
    listed = list(orders)
    mine = sorted((order for order in listed if order.instrument_id in ranks), key=lambda each: ranks[each.instrument_id])
    planned = tuple(PlannedOrder(order, cancel_orders.takes(order)) for order in mine)
    others = tuple(order for order in listed if order.instrument_id not in ranks and order.can_open)
    return PlannedOrders(cancel_orders, planned, len(listed) - len(mine), opening_elsewhere=others)


def _count(orders: Sequence[Order]) -> str:
    opening = sum(order.can_open for order in orders)
    return f"{len(orders)} ({opening} of them can open)" if opening else f"{len(orders)}"
