"""What happens to orders: placed, filled at scripted times, cancelled. Positions move through the market alone.

An order that was cancelled never fills. Nothing here waits: fills are entered into the timetable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Protocol

from deepcoin_ops.paper.book import NO_ARRIVAL, ExecutedClose, OpenRow
from deepcoin_ops.paper.clock import PaperClock
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.listing import PaperInstrument
from deepcoin_ops.paper.order_book import OrderBook, OrderFill, OrderState, WorkingOrder
from deepcoin_ops.paper.order_records import OrderKind, PaperOrder
from deepcoin_ops.paper.scenario import PaperPosition, Scenario
from deepcoin_ops.paper.timetable import Timetable

FIRST_ORDER_NUMBER = 500001


class Positions(Protocol):
    """What the order desk needs of the market."""

    scenario: Scenario
    clock: PaperClock
    timetable: Timetable

    @property
    def instruments(self) -> Mapping[str, PaperInstrument]:
        """What is listed, by id."""
        ...

    def open_position(self, account: str, position: PaperPosition, at_s: float | None = None) -> str:
        """Open or enlarge a row; its position id."""
        ...

    def open_rows(self, account: str) -> tuple[OpenRow, ...]:
        """What is open, without letting time pass."""
        ...

    def note_opening(self, account: str, fill: ExecutedClose, price: Decimal, order_id: str) -> None:
        """Enter the fill of an order that opened into the history of fills."""
        ...

    def take(self, account: str, row: OpenRow, quantity: Decimal, order_id: str, at_s: float) -> None:
        """Close a part of a row for an order."""
        ...


@dataclass(frozen=True)
class Cancel:
    """One cancel request: whose, which arrival, and the fault that strikes it."""

    account: str
    arrival: int
    fault: Fault | None = None


class OrderDesk:
    """Every account's orders, and the only place where they fill or end."""

    def __init__(
        self, market: Positions, accounts: Mapping[str, tuple[PaperOrder, ...]], first_number: int = FIRST_ORDER_NUMBER
    ) -> None:
        self._market = market
        self.books = {account: OrderBook() for account in accounts}
        self.next_number = first_number
        for account, orders in accounts.items():
            for order in orders:
                # Those of the scenario were there before the start, so that a lagging list shows them.
                self.books[account].orders[self.place(account, order)].placed_s = float("-inf")

    def place(self, account: str, order: PaperOrder, at_s: float | None = None) -> str:
        """Place an order, and enter the fill that it scripts.

        Returns:
            Its id.

        Raises:
            KeyError: No such account or instrument.
            ValueError: The id is taken.
        """
        now_s, instrument = self._now_s(at_s), self._market.instruments[order.instrument_id]
        placed = replace(order, order_id=order.order_id or f"PAPER-O{self.next_number}")
        if placed.order_id in self.books[account].orders:
            raise ValueError(f"the order id {placed.order_id} is taken")
        at = self._wall(now_s)
        held = WorkingOrder(placed, instrument, now_s, at, at)
        held.is_awaiting_close = order.fills_after_close_s is not None
        self.next_number += 1
        self.books[account].orders[placed.order_id] = held
        if order.fills_after_s is not None:
            self._market.timetable.enter(now_s + order.fills_after_s, partial(self._fill, account, held, False))
        return placed.order_id

    def frozen(self, account: str, row: OpenRow) -> Decimal:
        """How much of a row resting close orders hold, in contracts; rows of the same kind are held in their order."""
        if not self._market.scenario.closing.freezes_size:
            return Decimal(0)
        resting = [held for held in self.books[account].working(OrderKind.RESTING) if held.order.closes]
        # An order that names its position holds that one alone; the others hold whatever fits, first rows first.
        named = sum((held.rest_contracts for held in resting if _names(held, row)), Decimal(0))
        loose = sum(
            (held.rest_contracts for held in resting if not held.order.position_id and _fits(held, row)), Decimal(0)
        )
        for earlier in self._market.open_rows(account):
            if earlier is row:
                break
            if _is_alike(earlier, row):
                loose -= min(loose, earlier.position.quantity_contracts)
        return min(named + loose, row.position.quantity_contracts)

    def note_close(self, account: str, row: OpenRow, at_s: float) -> None:
        """Take note that a row was closed in part or whole: what waited for that fills, its protection may end."""
        for held in list(self.books[account].orders.values()):
            if held.is_working and held.is_awaiting_close and held.instrument is row.instrument:
                held.is_awaiting_close = False
                due_s = at_s + (held.order.fills_after_close_s or 0.0)
                self._market.timetable.enter(due_s, partial(self._fill, account, held, False))
        if self._market.scenario.ordering.protection_ends:
            self._end_protection(account, row, at_s)

    def cancel(self, held: WorkingOrder | None, cancel: Cancel) -> bool:
        """Cancel one order, unless it fills in that very instant.

        Returns:
            Whether it was there to be cancelled.
        """
        if held is None or not held.is_working:
            return False
        now_s = self._now_s(None)
        if held.order.fills_before_cancel:
            self._fill(cancel.account, held, True, now_s)
            if not held.is_working:
                return False
        held.arrival = cancel.arrival
        self._end(held, OrderState.CANCELED, now_s)
        if cancel.fault is not None and cancel.fault.action is FaultAction.REOPEN:
            again = partial(self._place_again, cancel.account, replace(held.order, order_id=""))
            self._market.timetable.enter(now_s + cancel.fault.delay_s, again)
        return True

    def _place_again(self, account: str, order: PaperOrder, at_s: float) -> None:
        self.place(account, order, at_s)

    def _fill(self, account: str, held: WorkingOrder, is_last: bool, at_s: float) -> None:
        """Fill what the order scripts, or everything that is left in the last instant before a cancel."""
        if not held.is_working or held.instrument.state != "live":
            return
        order = held.order
        wanted = held.rest_contracts
        if order.fill_contracts and not is_last:
            wanted = min(order.fill_contracts, wanted)
        fill = self._fill_closing if order.closes else self._fill_opening
        fill(account, held, wanted, at_s)
        if order.fill_contracts and 0 < held.filled_contracts < order.quantity_contracts:
            held.state, held.updated_at = OrderState.PARTIALLY_FILLED, self._wall(at_s)
            return
        # A close that found less than it wanted, or nothing, does not go on waiting.
        is_filled = held.filled_contracts and held.rest_contracts <= 0
        self._end(held, OrderState.FILLED if is_filled else OrderState.CANCELED, at_s)

    def _fill_opening(self, account: str, held: WorkingOrder, wanted: Decimal, at_s: float) -> None:
        order = held.order
        price = order.price or held.instrument.last_price
        opened = PaperPosition(
            order.instrument_id,
            order.position_side,
            wanted,
            price,
            order.margin_mode,
            order.merge_mode,
            order.leverage,
        )
        position_id = self._market.open_position(account, opened, at_s)
        self._note_fill(account, held, position_id, wanted, at_s)
        traded = ExecutedClose(
            at_s, self._wall(at_s), NO_ARRIVAL, order.instrument_id, position_id, order.position_side, wanted
        )
        self._market.note_opening(account, traded, price, order.order_id)

    def _fill_closing(self, account: str, held: WorkingOrder, wanted: Decimal, at_s: float) -> None:
        """Close rows that fit, first rows first; an order without a size takes each of them whole."""
        is_whole = held.order.quantity_contracts == 0
        for row in self._market.open_rows(account):
            if not (_names(held, row) if held.order.position_id else _fits(held, row)):
                continue
            taken = row.position.quantity_contracts if is_whole else min(wanted, row.position.quantity_contracts)
            if taken > 0:
                wanted -= taken
                self._note_fill(account, held, row.position.position_id, taken, at_s)
                self._market.take(account, row, taken, held.order.order_id, at_s)

    def _note_fill(self, account: str, held: WorkingOrder, position_id: str, quantity: Decimal, at_s: float) -> None:
        order = held.order
        held.filled_contracts += quantity
        fill = OrderFill(at_s, self._wall(at_s), order.order_id, order.instrument_id, position_id, order.closes, quantity)
        self.books[account].fills.append(fill)

    def _end_protection(self, account: str, row: OpenRow, at_s: float) -> None:
        rows = self._market.open_rows(account)
        for held in self.books[account].working(OrderKind.PROTECTION, OrderKind.TRAILING):
            belongs: Callable[[WorkingOrder, OpenRow], bool] = _names if held.order.position_id else _fits
            if belongs(held, row) and not any(belongs(held, other) for other in rows):
                state = OrderState.FILLED if held.filled_contracts else OrderState.CANCELED
                self._end(held, state, at_s)

    def _end(self, held: WorkingOrder, state: OrderState, at_s: float) -> None:
        held.state, held.ended_s, held.updated_at = state, at_s, self._wall(at_s)

    def _now_s(self, at_s: float | None) -> float:
        return self._market.clock.monotonic_s() if at_s is None else at_s

    def _wall(self, at_s: float) -> datetime:
        """The wall clock's reading at a monotonic instant that has passed."""
        return self._market.clock.now() - timedelta(seconds=self._market.clock.monotonic_s() - at_s)


def _fits(held: WorkingOrder, row: OpenRow) -> bool:
    """Whether an order that names no position is about rows like this one."""
    order, position = held.order, row.position
    return (order.instrument_id, order.position_side, order.margin_mode, order.merge_mode) == (
        position.instrument_id,
        position.position_side,
        position.margin_mode,
        position.merge_mode,
    )


def _names(held: WorkingOrder, row: OpenRow) -> bool:
    return held.order.position_id == row.position.position_id


def _is_alike(one: OpenRow, other: OpenRow) -> bool:
    return (one.instrument, one.position.position_side, one.position.margin_mode, one.position.merge_mode) == (
        other.instrument,
        other.position.position_side,
        other.position.margin_mode,
        other.position.merge_mode,
    )
