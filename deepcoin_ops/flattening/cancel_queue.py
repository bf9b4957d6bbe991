"""Which waiting orders have to go, in what order, and which instruments are held up meanwhile. It sends nothing.

An instrument is held up while resting orders of it are about to be cancelled, because they may hold the size that a close
would take; but not for longer than an answer may take, as an open position weighs more than a close that may fail. May be
shared by threads.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable

from deepcoin_ops.domain.model import ProductGroup, product_group_of
from deepcoin_ops.domain.orders import CancelOrders, CancelTriggers, Order, OrderKind, OrderList
from deepcoin_ops.domain.planning import ClosePlan
from deepcoin_ops.settings import AccountSettings

_EXITS = frozenset({OrderKind.PROTECTION, OrderKind.TRAILING})


class CancelQueue:
    """The orders of one flatten's instruments that are still to be cancelled.

    Args:
        account: The account's settings: which orders go, and how trigger orders do.
        instruments: What the flatten is about; orders in anything else are never cancelled by their id.
        max_tries: How often one order is tried.
        longest_hold_s: For how many seconds an instrument may be held up.
        is_read: Whether a list of an instrument was read after its last close, so that what it shows is still there.
    """

    def __init__(
        self,
        account: AccountSettings,
        instruments: tuple[str, ...],
        max_tries: int,
        longest_hold_s: float,
        is_read: Callable[[OrderList, str], bool],
    ):
        self._is_read = is_read
        self._longest_hold_s = longest_hold_s
        self._mode = account.cancel_orders
        self._instruments = frozenset(instruments)
        self._max_tries = max_tries
        self._lock = threading.RLock()
        self._is_allowed = False
        self._held_since_s: dict[str, float] = {}
        self._due: dict[str, Order] = {}
        self._tries: Counter[str] = Counter()
        self._ranks: dict[str, int] | None = None
        self._at_work: dict[str, Order] = {}
        self._groups_at_work = 0
        is_whole = self._instruments == frozenset(account.instruments)
        self._groups: list[ProductGroup] = []
        if account.cancel_triggers is CancelTriggers.BY_PRODUCT_GROUP and is_whole:
            groups = dict.fromkeys(product_group_of(name) for name in instruments)
            self._groups = [group for group in groups if group is not ProductGroup.SPOT]

    def allow(self) -> None:
        """Let orders be taken from now on."""
        self._is_allowed = self._mode is not CancelOrders.NONE

    def forbid(self) -> None:
        """Let no order be taken any more; nothing is held up."""
        self._is_allowed = False

    @property
    def is_allowed(self) -> bool:
        """Whether orders may be taken."""
        return self._is_allowed

    @property
    def takes_all(self) -> bool:
        """Whether exits go too, and not only what can open a position."""
        return self._mode is CancelOrders.ALL

    def follow(self, plan: ClosePlan) -> None:
        """Tell what is open: the orders of the largest positions go first, and an open position keeps its exits."""
        with self._lock:
            self._ranks = {line.instrument_id: rank for rank, line in enumerate(plan.lines)}

    def rank(self, instrument_id: str) -> int:
        """The place of an instrument by the notional it has open; what is not open comes last."""
        with self._lock:
            ranks = self._ranks or {}
            return ranks.get(instrument_id, len(ranks))

    def is_open(self, instrument_id: str) -> bool:
        """Whether the last read shows it open; everything may be, before the first one."""
        with self._lock:
            return self._ranks is None or instrument_id in self._ranks

    def hold_up(self, orders: Iterable[Order]) -> None:
        """Hold up what a page shows to have orders that go, before the whole list is there."""
        with self._lock:
            for order in orders:
                if self._has_to_go(order):
                    self._held_since_s.setdefault(order.instrument_id, time.monotonic())

    def note_list(self, order_list: OrderList, instrument_id: str | None, orders: Iterable[Order]) -> None:
        """Take in a whole list: what it shows has to go, what it does not show any more is gone."""
        with self._lock:
            for key, known in list(self._due.items()):
                if known.kind.order_list is order_list and instrument_id in (None, known.instrument_id):
                    del self._due[key]
            # What is being cancelled may still show; a list after the answer tells.
            found = [order for order in orders if self._has_to_go(order) and _key(order) not in self._at_work]
            self._due |= {_key(order): order for order in found}
            if order_list is OrderList.RESTING:
                self._keep_held_up()

    def note_failed_list(self) -> None:
        """Hold up nothing more because of a list of resting orders that broke off: the closes do not wait for it."""
        with self._lock:
            self._keep_held_up()

    def is_held_up(self, instrument_id: str) -> bool:
        """Whether a close of the instrument has to wait for a cancel."""
        with self._lock:
            since_s = self._held_since_s.get(instrument_id)
            is_held = since_s is not None and time.monotonic() < since_s + self._longest_hold_s
            return self._is_allowed and is_held

    def has_work(self) -> bool:
        """Whether something can be taken, or was taken and not answered yet."""
        with self._lock:
            can_take = self._groups or self._find_single() or self._find_resting()
            return bool(self._at_work or self._groups_at_work or (self._is_allowed and (can_take or self._held_since_s)))

    @property
    def awaits_group_cancel(self) -> bool:
        """Whether a product group's trigger orders are still to be cancelled in one call, or that call is unanswered."""
        with self._lock:
            return bool(self._groups or self._groups_at_work)

    def take_group(self) -> ProductGroup | None:
        """A product group whose trigger orders are cancelled in one call; tell `note_group_answered` afterwards."""
        with self._lock:
            if not self._is_allowed or not self._groups:
                return None
            self._groups_at_work += 1
            return self._groups.pop(0)

    def note_group_answered(self) -> None:
        """Take in that such a call was answered, or will not be."""
        with self._lock:
            self._groups_at_work -= 1

    def take_resting(self, at_most: int) -> list[Order]:
        """The resting orders that are cancelled next, those of the largest positions first; tell `note_answered` after."""
        with self._lock:
            if not self._is_allowed:
                return []
            taken = sorted(self._find_resting(), key=lambda order: (self.rank(order.instrument_id), order.instrument_id))
            return self._take(taken[:at_most])

    def take_single(self) -> Order | None:
        """The next order that is cancelled by a call of its own; tell `note_answered` afterwards."""
        with self._lock:
            order = self._find_single() if self._is_allowed else None
            return None if order is None else self._take([order])[0]

    def put_back(self, orders: list[Order]) -> None:
        """Give back what was taken and not sent."""
        with self._lock:
            self._end_work(orders)
            self._due |= {_key(order): order for order in orders}

    def note_answered(self, orders: list[Order]) -> None:
        """Take in that a cancel of these may have been acted upon: what has no more resting orders may be closed."""
        with self._lock:
            self._end_work(orders)
            self._tries.update(_key(order) for order in orders)
            self._keep_held_up()

    def _has_to_go(self, order: Order) -> bool:
        is_tried = self._tries[_key(order)] >= self._max_tries
        # Its cancel names the side; without one there is no way to cancel it, and it can only close.
        is_nameless = order.kind is OrderKind.TRAILING and order.position_side is None
        is_mine = order.instrument_id in self._instruments
        return self._mode.takes(order) and not is_tried and not is_nameless and is_mine

    def _find_resting(self) -> list[Order]:
        return [order for order in self._due.values() if order.kind is OrderKind.RESTING]

    def _find_single(self) -> Order | None:
        singles = (order for order in self._due.values() if order.kind is not OrderKind.RESTING)
        return next((order for order in singles if not self._has_to_wait(order)), None)

    def _has_to_wait(self, order: Order) -> bool:
        """A position keeps its exits while it is open; they may go by themselves with it, which a list read later tells."""
        if order.kind not in _EXITS:
            return False
        return self.is_open(order.instrument_id) or not self._is_read(order.kind.order_list, order.instrument_id)

    def _take(self, orders: list[Order]) -> list[Order]:
        for order in orders:
            self._at_work[_key(order)] = self._due.pop(_key(order))
        return orders

    def _end_work(self, orders: list[Order]) -> None:
        for order in orders:
            del self._at_work[_key(order)]

    def _keep_held_up(self) -> None:
        at_work = (order for order in self._at_work.values() if order.kind is OrderKind.RESTING)
        waiting = {order.instrument_id for order in (*self._find_resting(), *at_work)}
        self._held_since_s = {name: since_s for name, since_s in self._held_since_s.items() if name in waiting}


def _key(order: Order) -> str:
    """What tells an order from the others: its id; for a trailing exit, which has none, where it is."""
    return order.order_id or f"{order.kind}/{order.instrument_id}/{order.position_side}"
