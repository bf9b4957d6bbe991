"""What is known of the waiting orders of one flatten's instruments. It remembers and judges; it reads and sends nothing.

A list is evidence about an instrument when it was begun late enough: a settle time after the flatten's beginning, after
the instrument's last close and after the last cancel of such orders of it, because lists trail the writes as the positions
do. A trigger order that fires may leave a resting order behind it, so the list of resting orders has to be newer, by a
settle time, than the first such list without trigger orders. May be shared by threads.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

from deepcoin_ops.domain.orders import Order, OrderList, OrdersRead
from deepcoin_ops.domain.verdicts import OrderEvidence

ListKey = tuple[OrderList, str | None]
_NEVER_S = float("-inf")


class _Seen:
    """One list as it was read: when it had arrived (monotonic), and the orders of each instrument in it."""

    def __init__(self, read: OrdersRead):
        self.read = read
        self.arrived_s = time.monotonic()
        self._orders: dict[str, list[Order]] = defaultdict(list)
        for order in read.orders:
            self._orders[order.instrument_id].append(order)

    def orders_of(self, instrument_id: str) -> tuple[Order, ...]:
        return tuple(self._orders.get(instrument_id, ()))

    def can_open(self, instrument_id: str) -> bool:
        return any(order.can_open for order in self._orders.get(instrument_id, ()))

    @property
    def is_of_several_pages(self) -> bool:
        """A list that shrinks between two pages may hide an order: what it does not show, a second one has to confirm."""
        return len(self.read.pages) > 1


class OrderWatch:
    """The order lists of one flatten, as far as they have been read.

    Args:
        instruments: What the flatten is about.
        closes_settled_s: The earliest start, on the monotonic clock, of a list that counts for an instrument as far as its
            closes go; None while one is in flight.
        settle_s: Seconds after the answer to a cancel at which a list shows what it did.
        started_s: When the flatten began, on the monotonic clock; now unless given.
    """

    def __init__(
        self,
        instruments: Iterable[str],
        closes_settled_s: Callable[[str], float | None],
        settle_s: float,
        started_s: float | None = None,
    ) -> None:
        self._instruments = tuple(instruments)
        self._closes_settled_s = closes_settled_s
        self._settle_s = settle_s
        # What was placed shortly before the flatten began may not show in a list yet.
        self._settled_start_s = (time.monotonic() if started_s is None else started_s) + settle_s
        self._lock = threading.RLock()
        self._lists: dict[ListKey, list[_Seen]] = defaultdict(list)
        self._failures: dict[ListKey, str] = {}
        self._failed: Counter[ListKey] = Counter()
        self._failing_since_s: dict[ListKey, float] = {}
        self._cancels_s: dict[ListKey, float] = {}
        self.broken_reason: str | None = None

    def note_read(self, read: OrdersRead) -> None:
        """Take in a list that was answered whole."""
        with self._lock:
            key = (read.order_list, read.instrument_id)
            self._lists[key].append(_Seen(read))
            self._failures.pop(key, None)
            self._failed.pop(key, None)
            self._failing_since_s.pop(key, None)

    def note_failure(self, order_list: OrderList, instrument_id: str | None, reason: str) -> tuple[int, float]:
        """Take in that a list could not be read, and why.

        Returns:
            How often in a row that was so, and for how many seconds.
        """
        with self._lock:
            key, now_s = (order_list, instrument_id), time.monotonic()
            self._failures[key] = reason
            self._failed[key] += 1
            return self._failed[key], now_s - self._failing_since_s.setdefault(key, now_s)

    def note_cancel(self, order_list: OrderList, instrument_ids: Iterable[str]) -> None:
        """Take in that a cancel of orders in a list has just been answered, or will not be."""
        now_s = time.monotonic()
        with self._lock:
            for instrument_id in instrument_ids:
                self._cancels_s[order_list, instrument_id] = now_s

    def counts_from_s(self, order_list: OrderList, instrument_id: str) -> float | None:
        """The earliest start of a list that is evidence about an instrument; None while something is in flight for it."""
        closes_s = self._closes_settled_s(instrument_id)
        if closes_s is None:
            return None
        with self._lock:
            return max(closes_s, self._find_quiet_from(order_list, instrument_id))

    def recheck_from_s(self) -> float | None:
        """The moment from which a list of resting orders shows what all cancels did; None when one has been read since."""
        with self._lock:
            cancels_s = [at_s for (order_list, _name), at_s in self._cancels_s.items() if order_list is OrderList.RESTING]
            lists = self._lists.get((OrderList.RESTING, None))
            if not cancels_s or not lists:
                return None
            from_s = max(cancels_s) + self._settle_s
            return None if lists[-1].read.started_monotonic_s >= from_s else from_s

    def newest_start_s(self, order_list: OrderList, instrument_id: str | None) -> float:
        """When the newest list was begun, on the monotonic clock; minus infinity when none was read."""
        with self._lock:
            seen = self._lists.get((order_list, instrument_id))
            return seen[-1].read.started_monotonic_s if seen else _NEVER_S

    def was_tried(self, order_list: OrderList, instrument_id: str | None) -> bool:
        """Whether a list was read, or could not be read when it was last tried."""
        with self._lock:
            key = (order_list, instrument_id)
            return bool(self._lists.get(key)) or key in self._failures

    def is_read(self, order_list: OrderList, instrument_id: str) -> bool:
        """Whether a list that counts was read, so that reading it once more would tell nothing new."""
        with self._lock:
            counting = self._find_counting(order_list, instrument_id)
            return bool(counting) and not self._awaits_second(counting, instrument_id)

    def evidence(self, instrument_id: str) -> OrderEvidence:
        """What the lists show of one instrument, and what of them is missing."""
        needed = (OrderList.RESTING, OrderList.TRIGGER)
        with self._lock:
            missing = [reason for each in needed if (reason := self._find_missing(each, instrument_id))]
            counting = [self._find_counting(each, instrument_id) for each in OrderList]
            quiet_s = max(self._find_quiet_since(each, instrument_id) for each in needed)
            if missing and self.broken_reason:
                missing = [self.broken_reason]
            newest = self._lists_about(OrderList.RESTING, instrument_id)[-1:]
        left = tuple(order for seen in counting if seen for order in seen[-1].orders_of(instrument_id))
        holding = tuple(order for seen in newest for order in seen.orders_of(instrument_id) if not order.can_open)
        return OrderEvidence(left, "; ".join(missing) or None, quiet_s + self._settle_s, holding)

    def evidence_of_all(self) -> Mapping[str, OrderEvidence]:
        """The same for every instrument, by its id."""
        return {instrument_id: self.evidence(instrument_id) for instrument_id in self._instruments}

    def completed_s(self) -> float:
        """When the newest list that counts had arrived, on the monotonic clock; minus infinity when none does."""
        with self._lock:
            counting = [self._find_counting(each, name) for each in OrderList for name in self._instruments]
            return max((seen[-1].arrived_s for seen in counting if seen), default=_NEVER_S)

    def _lists_about(self, order_list: OrderList, instrument_id: str) -> list[_Seen]:
        return self._lists.get((order_list, None if order_list is OrderList.RESTING else instrument_id), [])

    def _find_counting(self, order_list: OrderList, instrument_id: str) -> list[_Seen]:
        from_s = self.counts_from_s(order_list, instrument_id)
        if from_s is None:
            return []
        return [each for each in self._lists_about(order_list, instrument_id) if each.read.started_monotonic_s >= from_s]

    def _find_missing(self, order_list: OrderList, instrument_id: str) -> str | None:
        """Why a list proves nothing about an instrument, in words; None when it does."""
        name = f"the list of its {order_list.lower()} orders"
        counting = self._find_counting(order_list, instrument_id)
        if not counting:
            why = self._failures.get((order_list, None if order_list is OrderList.RESTING else instrument_id))
            return f"{name} was not read late enough to prove anything{f' ({why})' if why else ''}"
        newest = counting[-1]
        if newest.can_open(instrument_id):
            return None
        if not newest.read.is_exhaustive:
            return f"{name} may have been cut after {len(newest.read.orders)} orders"
        if self._awaits_second(counting, instrument_id):
            return f"{name} has several pages and was read only once, while orders may have moved between them"
        return None

    def _awaits_second(self, counting: list[_Seen], instrument_id: str) -> bool:
        """Whether a list of several pages shows no order that can open one, and no list before it has shown the same."""
        if not counting[-1].is_of_several_pages or counting[-1].can_open(instrument_id):
            return False
        return len(counting) < 2 or counting[-2].can_open(instrument_id)

    def _find_quiet_from(self, order_list: OrderList, instrument_id: str) -> float:
        """The earliest start of a list that can show that no such order waits, whatever was or was not closed."""
        cancels_s = self._cancels_s.get((order_list, instrument_id), _NEVER_S) + self._settle_s
        fired_s = _NEVER_S
        if order_list is OrderList.RESTING:
            fired_s = self._find_quiet_since(OrderList.TRIGGER, instrument_id) + self._settle_s
        return max(self._settled_start_s, cancels_s, fired_s)

    def _find_quiet_since(self, order_list: OrderList, instrument_id: str) -> float:
        """The start of the earliest list since which none has shown an order of the instrument that can open a position.

        Only lists count that were begun late enough for that: an earlier one may not show an order that is there.
        """
        from_s = self._find_quiet_from(order_list, instrument_id)
        run: list[_Seen] = []
        for seen in reversed(self._lists_about(order_list, instrument_id)):
            if seen.can_open(instrument_id) or seen.read.started_monotonic_s < from_s:
                break
            run.append(seen)
        run.reverse()
        proving = [seen for seen in run if not seen.is_of_several_pages] or run[1:]
        return proving[0].read.started_monotonic_s if proving else _NEVER_S
