"""Which order list of a flatten is read next, and which are still missing for its proof. It reads and sends nothing.

What is open comes first, the largest first, because the sooner an order that can open a position is seen the better. A
list counts as proof only when it is read late enough, so the others wait until then. May be shared by threads.
"""

from __future__ import annotations

import threading
import time

from deepcoin_ops.domain.model import ProductGroup, product_group_of
from deepcoin_ops.domain.orders import OrderList
from deepcoin_ops.domain.planning import ClosePlan
from deepcoin_ops.flattening.cancel_queue import CancelQueue
from deepcoin_ops.flattening.desk import Desk
from deepcoin_ops.flattening.order_reading import OrderReader
from deepcoin_ops.flattening.order_watch import ListKey, OrderWatch

RESTING: ListKey = (OrderList.RESTING, None)
_SHARED_FOR_S = 0.5  # that the lanes share one budget, or not, is believed for so long


class ListChoice:
    """Chooses among the order lists of one flatten.

    Args:
        desk: The account.
        instruments: What the flatten is about.
        watch: Knows what was read, and when a read counts.
        reader: Knows which lists pause after a failure, and which were given up.
        queue: Knows what is open, and what is about to be cancelled.
    """

    def __init__(
        self, desk: Desk, instruments: tuple[str, ...], watch: OrderWatch, reader: OrderReader, queue: CancelQueue
    ):
        self._client = desk.client
        self._instruments = instruments
        self._watch = watch
        self._reader = reader
        self._queue = queue
        self._lock = threading.RLock()
        self._busy: set[str] = set()
        self._look_again_s = float("-inf")
        self._is_pace_shared = False
        self._shared_until_s = 0.0
        self._seen_open: set[str] = set()
        self._has_plan = False
        self._is_finishing = False

    @property
    def is_finishing(self) -> bool:
        """Whether no close is left to be sent for now: then the lists are read for the proof."""
        return self._is_finishing

    def follow(self, plan: ClosePlan, *, is_finishing: bool) -> None:
        """Tell what the newest positions read shows, and whether no close is left to be sent for now."""
        with self._lock:
            self._queue.follow(plan)
            self._seen_open |= {line.instrument_id for line in plan.lines}
            self._has_plan, self._is_finishing = True, is_finishing

    def look_again(self) -> None:
        """Want the resting orders once more."""
        self._look_again_s = time.monotonic()

    def is_resting_list_wanted(self) -> bool:
        """Whether to read the list of resting orders: at first, for the proof, and to see what cancels have done."""
        now_s = time.monotonic()
        with self._lock:
            if not self._reader.may_read(RESTING):
                return False
            # An item that names a close it did not do may be about a frozen size, so the list is looked at once more.
            if self._watch.newest_start_s(*RESTING) <= self._look_again_s:
                return True
            recheck_s = self._watch.recheck_from_s()
            if recheck_s is not None:
                return now_s >= recheck_s
            if not self._is_finishing:
                return False
            missing = [name for name in self._instruments if not self._watch.is_read(OrderList.RESTING, name)]
            # One read for all of them, once it counts for all.
            counts_from = [self._watch.counts_from_s(OrderList.RESTING, name) for name in missing]
            is_due = all(from_s is not None and from_s <= now_s for from_s in counts_from)
            return bool(missing) and is_due and all(self._watch.was_tried(OrderList.TRIGGER, name) for name in missing)

    def take_list(self) -> ListKey | None:
        """The list of one instrument that is read next: what is open first, largest first, then what was never read.

        Tell `note_done` afterwards.
        """
        with self._lock:
            if not self._has_plan or self._awaits_group_cancel():
                return None
            wanted = []
            for index, name in enumerate(self._instruments):
                order_list = None if name in self._busy else self._find_due(name)
                if order_list is not None:
                    key = (order_list, name)
                    is_late = self._watch.was_tried(*key)
                    wanted.append((is_late, self._queue.rank(name), index, key))
            if not wanted or (not self._is_finishing and self._shares_pace()):
                return None  # with one budget for everything the closes go first
            chosen = min(wanted)[-1]
            self._busy.add(chosen[1])
            return chosen

    def note_done(self, key: ListKey) -> None:
        """Take in that a list was read, or could not be."""
        with self._lock:
            self._busy -= {key[1]}

    def is_done(self) -> bool:
        """Whether no list is being read and none is missing, but for those that were given up."""
        with self._lock:
            return not self._busy and not any(self._find_missing(name) for name in self._instruments)

    def count_missing(self) -> int:
        """Of how many instruments a list is missing."""
        with self._lock:
            return sum(self._find_missing(name) is not None for name in self._instruments)

    def _awaits_group_cancel(self) -> bool:
        """Whether one call is about to cancel what the lists show, so that they need not be read before it."""
        return self._queue.awaits_group_cancel and (self._queue.is_allowed or not self._is_finishing)

    def _shares_pace(self) -> bool:
        """Whether closes and lists share one budget; asked of the lease now and then, as that takes its lock."""
        now_s = time.monotonic()
        if now_s >= self._shared_until_s:
            self._is_pace_shared = self._client.has_shared_pace
            self._shared_until_s = now_s + _SHARED_FOR_S
        return self._is_pace_shared

    def _find_due(self, instrument_id: str) -> OrderList | None:
        """The list of an instrument that is missing and would count if it were read now."""
        order_list, now_s = self._find_missing_of_instrument(instrument_id), time.monotonic()
        if order_list is None or not self._reader.may_read((order_list, instrument_id)):
            return None
        if self._queue.is_open(instrument_id) and not self._watch.was_tried(order_list, instrument_id):
            return order_list  # no proof yet, and the sooner an order that opens is seen the better
        from_s = self._watch.counts_from_s(order_list, instrument_id)
        return order_list if from_s is not None and from_s <= now_s else None

    def _find_missing(self, instrument_id: str) -> OrderList | None:
        """A list that is missing for an instrument and was not given up."""
        if not self._reader.is_given_up(RESTING) and not self._watch.is_read(OrderList.RESTING, instrument_id):
            return OrderList.RESTING
        return self._find_missing_of_instrument(instrument_id)

    def _find_missing_of_instrument(self, instrument_id: str) -> OrderList | None:
        wanted = [OrderList.TRIGGER, *([OrderList.TRAILING] if self._is_trailing_wanted(instrument_id) else [])]
        for order_list in wanted:
            is_given_up = self._reader.is_given_up((order_list, instrument_id))
            if not is_given_up and not self._watch.is_read(order_list, instrument_id):
                return order_list
        return None

    def _is_trailing_wanted(self, instrument_id: str) -> bool:
        """Whether trailing exits are looked for: where a position was, and is no more. They can only close one."""
        is_contract = product_group_of(instrument_id) is not ProductGroup.SPOT
        was_open = instrument_id in self._seen_open and not self._queue.is_open(instrument_id)
        return is_contract and was_open and self._queue.is_allowed and self._queue.takes_all
