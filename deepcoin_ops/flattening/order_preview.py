"""What a flatten would do to the waiting orders, for a plan: their list is read once. Records nothing, cancels nothing.

Only resting orders have a list of all instruments. The others have one each, of a second or so: a flatten reads those, a
plan does not, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass
from threading import Event

from deepcoin_ops.domain.errors import DeepcoinOpsError
from deepcoin_ops.domain.orders import CancelOrders, Order, OrdersRead
from deepcoin_ops.domain.planning import ClosePlan
from deepcoin_ops.exchange.orders import fetch_resting_orders
from deepcoin_ops.flattening.desk import ReadingDesk

# Seconds for the list after everything else was read: about 2,800 orders at one page a second.
_PATIENCE_S = 30.0

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
    """

    cancel_orders: CancelOrders
    orders: tuple[PlannedOrder, ...] | None
    elsewhere: int | None
    failure: str | None = None

    def describe(self) -> str:
        """How many there are and what becomes of them, in words; or why that is not known, and what to do."""
        if self.orders is None:
            return (
                f"The list of resting orders could not be read: {self.failure}. Whether orders wait is not known; "
                "the closes do not depend on it. Ask again."
            )
        cancelled = [planned.order for planned in self.orders if planned.is_cancelled]
        left = [planned.order for planned in self.orders if not planned.is_cancelled]
        told = f"{_count(cancelled)} would be cancelled, {_count(left)} left (cancel_orders is {self.cancel_orders})"
        others = f"; {self.elsewhere} order(s) in other instruments would stay" if self.elsewhere else ""
        return f"Resting orders: {told if self.orders else 'none'}{others}."


class OrderPreview:
    """Reads the list of resting orders beside other reads. `start` it, `wait` for it, `close` it in any case.

    Args:
        desk: The account.
    """

    def __init__(self, desk: ReadingDesk):
        self._desk = desk
        self._is_closed = Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="orders")
        self._reading: Future[OrdersRead] | None = None

    def start(self) -> None:
        """Begin reading."""
        self._reading = self._pool.submit(fetch_resting_orders, self._desk.client, self._is_closed.is_set)

    def wait(self, instrument_ids: Sequence[str], plan: ClosePlan) -> PlannedOrders:
        """What a flatten would do to the orders of some instruments, once the list is there or cannot be had.

        Args:
            instrument_ids: Which.
            plan: What is open of them.
        """
        assert self._reading is not None  # noqa: S101 - started before it is waited for
        try:
            read = self._reading.result(_PATIENCE_S)
        except NotInTime:
            failure = f"it was not there whole after {_PATIENCE_S:.0f} s"
        except DeepcoinOpsError as error:
            failure = str(error).rstrip(".")
        else:
            return plan_orders(self._desk.account.cancel_orders, instrument_ids, read.orders, plan)
        return PlannedOrders(self._desk.account.cancel_orders, None, None, failure)

    def close(self) -> None:
        """Wait for nobody; what is still on its way is of no use any more."""
        self._is_closed.set()
        self._pool.shutdown(wait=False, cancel_futures=True)


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
    return PlannedOrders(cancel_orders, planned, len(listed) - len(mine))


def _count(orders: Sequence[Order]) -> str:
    opening = sum(order.can_open for order in orders)
    return f"{len(orders)} ({opening} of them can open)" if opening else f"{len(orders)}"
