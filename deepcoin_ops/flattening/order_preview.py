"""Reads the waiting orders for a plan or a preflight, beside its other reads. Records nothing, cancels nothing.

Only resting orders have a list of all instruments. The others have one each, of a second or so: a flatten reads those, a
plan does not, and a preflight as few as it needs.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import replace
from threading import Event
from typing import TypeVar

from deepcoin_ops.domain.errors import DeepcoinOpsError
from deepcoin_ops.domain.orders import CancelOrders, Order, OrdersRead
from deepcoin_ops.domain.planned_orders import PlannedOrders, plan_orders
from deepcoin_ops.domain.planning import ClosePlan
from deepcoin_ops.exchange.orders import fetch_resting_orders, fetch_trigger_orders
from deepcoin_ops.flattening.desk import ReadingDesk

_Read = TypeVar("_Read")
# Seconds for the lists after everything else was read: at one page a second 2,800 orders, or 28 instruments' triggers.
_PATIENCE_S = 30.0


class OrderPreview:
    """Reads lists of waiting orders beside other reads. `start` it, `wait` for it, `close` it in any case.

    Args:
        desk: The account.
    """

    def __init__(self, desk: ReadingDesk):
        self._desk = desk
        self._is_closed = Event()
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="orders")
        self._reading: Future[OrdersRead] | None = None
        self._looking: Future[None] | None = None
        self._has_read_triggers = False
        self._triggers_left: list[Order] = []

    def start(self) -> None:
        """Begin reading the resting orders."""
        self._reading = self._pool.submit(fetch_resting_orders, self._desk.client, self._is_closed.is_set)

    def start_triggers(self, instrument_ids: Sequence[str]) -> None:
        """Begin reading lists of trigger orders, a slot each.

        One shows whether the key may read such lists, without which nothing is proven flat. Where the settings leave
        orders that can open, each instrument's is wanted, as far as there is time.
        """
        leaves_all = self._desk.account.cancel_orders is CancelOrders.NONE
        self._looking = self._pool.submit(self._look_at_triggers, instrument_ids if leaves_all else instrument_ids[:1])

    def wait(self, instrument_ids: Sequence[str], plan: ClosePlan) -> PlannedOrders:
        """What a flatten would do to the orders of some instruments, once the lists are there or cannot be had.

        Args:
            instrument_ids: Which.
            plan: What is open of them.
        """
        assert self._reading is not None  # noqa: S101 - started before it is waited for
        ends_s = time.monotonic() + _PATIENCE_S
        read = _await(self._reading, ends_s)
        if isinstance(read, str):
            planned = PlannedOrders(self._desk.account.cancel_orders, None, None, read)
        else:
            planned = plan_orders(self._desk.account.cancel_orders, instrument_ids, read.orders, plan)
        if self._looking is None:
            return planned
        failure = _await(self._looking, ends_s)
        if self._has_read_triggers and not self._looking.done():
            failure = None  # many lists, and no time for all of them: that says nothing against the key
        return replace(planned, triggers_left=tuple(self._triggers_left), trigger_failure=failure)

    def close(self) -> None:
        """End the reads; what is still on its way is of no use any more."""
        self._is_closed.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _look_at_triggers(self, instrument_ids: Sequence[str]) -> None:
        takes = self._desk.account.cancel_orders.takes
        for instrument_id in instrument_ids:
            found = fetch_trigger_orders(self._desk.client, instrument_id, self._is_closed.is_set).orders
            self._has_read_triggers = True
            self._triggers_left += (order for order in found if order.can_open and not takes(order))


def _await(reading: Future[_Read], ends_s: float) -> _Read | str:
    """What a read gave, or why it gave nothing in time."""
    try:
        return reading.result(max(0.0, ends_s - time.monotonic()))
    except NotInTime:
        return f"it was not there whole after {_PATIENCE_S:.0f} s"
    except DeepcoinOpsError as error:
        return str(error).rstrip(".")
