"""The model exchange: what is true of an account at each moment, and what a request does to it. Written from its facts.

Sources: https://www.deepcoin.com/docs/DeepCoinTrade/batchClosePosition (a close is answered with a list of errors, and
tells neither fills nor ids), its neighbours accountPositions, ordersPendingV2 and accountPositionsHistory. That reads lag
writes by seconds was seen by others; by how much, and when a close fills, is a habit of the script.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Callable, Collection
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

import msgspec

from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.model import InstrumentType, Outcome, Position, PositionSide, Refusal, product_group_of
from deepcoin_ops.domain.orders import Order, OrderKind, OrderList
from deepcoin_ops.simulation.answers import (
    FORBIDDEN,
    GONE,
    INSUFFICIENT,
    MARKET_CLOSED,
    ORDER_GONE,
    THROTTLED,
    WITHOUT_EFFECT,
    WRONG,
    Answer,
    Held,
)
from deepcoin_ops.simulation.rate_limit import RateLimit
from deepcoin_ops.simulation.script import Script
from deepcoin_ops.simulation.strikes import Fate, Strike

LONG_AGO_S = -60.0
PAGE_S = 1.0  # between two answers of one list
_FIRING = (OrderKind.RESTING, OrderKind.TRIGGER)
_Kept = TypeVar("_Kept")
_Effect = tuple[float, Callable[[float], None]]


class ModelExchange:
    """One account. Every change is kept with its moment, so that a read can be as old as the habits allow.

    `closed` is what was closed of positions, with the moments.
    """

    def __init__(self, script: Script, rng: random.Random):
        self._script, self._habits, self._rng = script, script.habits, rng
        self._mode = "merge" if script.merges else "split"
        self._number = self._throttled = self._last_life = 0
        self._positions: dict[str, Held] = {}
        self._orders: dict[str, Order] = {}
        self._position_log: list[tuple[float, dict[str, Held]]] = [(-1e9, {})]
        self._order_log: list[tuple[float, dict[str, Order]]] = [(-1e9, {})]
        self.closed: list[tuple[float, f.ClosedRow]] = []
        self._left: list[tuple[str, float]] = []
        self._opened_by: dict[str, int] = {}
        self._ends: list[tuple[Order, float, f.OrderEnd, Decimal]] = []
        self._limit = RateLimit(script.habits.law)
        self._struck = [0] * len(script.strikes)
        for name, side, quantity in script.positions:
            self._begin(name, side, quantity, LONG_AGO_S, LONG_AGO_S)
        for placed in script.orders:
            self._place(placed.kind, placed.instrument_id, LONG_AGO_S, can_open=placed.can_open)

    # -- truth --------------------------------------------------------------------------------------------------------

    def open_at(self, moment_s: float, only: Collection[int] | None = None) -> dict[str, Decimal]:
        """Contracts truly open by instrument at a moment; of the positions with these lives alone, where they are given."""
        found: dict[str, Decimal] = {}
        for held in _version(self._position_log, moment_s).values():
            if only is not None and held.life not in only:
                continue
            found[held.instrument_id] = found.get(held.instrument_id, Decimal(0)) + held.quantity
        return found

    def lives_at(self, moment_s: float, position_ids: Collection[str]) -> set[int]:
        """The lives of the positions with these ids at a moment."""
        held = _version(self._position_log, moment_s)
        return {held[each].life for each in position_ids if each in held}

    def lives_of(self, order_ids: Collection[str]) -> set[int]:
        """The lives of the positions that these orders opened."""
        return {life for name, life in self._opened_by.items() if name in order_ids}

    def opening_at(self, moment_s: float, order_list: OrderList) -> set[str]:
        """Instruments of which an order that can open a position waits in a list at a moment."""
        orders = _version(self._order_log, moment_s).values()
        return {each.instrument_id for each in orders if each.kind.order_list is order_list and each.can_open}

    def filled_between(self, instrument_id: str, after_s: float, until_s: float) -> bool:
        """Whether an order of the instrument that could open a position filled after a moment, and until another one."""
        return any(
            order.instrument_id == instrument_id
            and order.can_open
            and end is f.OrderEnd.FILLED
            and after_s < at_s <= until_s
            for order, at_s, end, _filled in self._ends
        )

    def left_between(self, instrument_id: str, after_s: float, until_s: float) -> bool:
        """Whether a trigger order left a resting one after a moment, and until another one."""
        return any(name == instrument_id and after_s < at_s <= until_s for name, at_s in self._left)

    # -- others -------------------------------------------------------------------------------------------------------

    def open(self, instrument_id: str, quantity: Decimal, at_s: float, hides_s: float = 0.0) -> None:
        """Let others open a position, which no read shows for a while."""
        side = "long" if instrument_id.endswith("SWAP") else ""
        same = (each for each in self._positions.values() if (each.instrument_id, each.side) == (instrument_id, side))
        held = next(same, None) if self._is_merged(instrument_id) else None
        if held is None:
            self._begin(instrument_id, side, quantity, at_s, at_s + hides_s)
        else:
            self._last_life = self._new_number()  # what it is now no read has shown yet
            self._put(replace(held, quantity=held.quantity + quantity, life=self._last_life), at_s)

    def close(self, instrument_id: str, at_s: float) -> None:
        """Let others close all of an instrument."""
        for held in list(self._positions.values()):
            if held.instrument_id == instrument_id:
                self._reduce(held, Decimal(0), at_s)

    def rival(self, at_s: float) -> None:
        """Let another process close the first open instrument, which takes up a slot of the same limit."""
        name = next((each.instrument_id for each in self._positions.values()), None)
        if name is not None and self._limit.take(f.Lane.CLOSE, at_s):
            self.close(name, at_s)

    def place(self, instrument_id: str, at_s: float) -> None:
        """Let others place a resting order that can open a position."""
        self._place(OrderKind.RESTING, instrument_id, at_s, can_open=True)

    def fire_order(self, at_s: float) -> None:
        """Let the first resting or trigger order fill: it opens a position, leaves a resting order, or is gone."""
        order = next((each for each in self._orders.values() if each.kind in _FIRING), None)
        if order is None:
            return
        if order.kind is OrderKind.TRIGGER and order.can_open and self._rng.random() < self._habits.fires_limit:
            self._end_order(order.order_id, at_s, f.OrderEnd.FILLED, Decimal(0))
            self._place(OrderKind.RESTING, order.instrument_id, at_s, can_open=True)
            self._left.append((order.instrument_id, at_s))
        else:
            self._fill(order, at_s)

    def remove_order(self, at_s: float) -> None:
        """Let others take back the first resting order."""
        for order in self._orders.values():
            if order.kind is OrderKind.RESTING:
                self._end_order(order.order_id, at_s, f.OrderEnd.CANCELLED, Decimal(0))
                return

    # -- requests -----------------------------------------------------------------------------------------------------

    def take_strike(self, lane: f.Lane, instrument_ids: tuple[str, ...]) -> Strike | None:
        """Count a call or a read, and name the strike that it is the turn of."""
        for place, strike in enumerate(self._script.strikes):
            if strike.concerns(lane, instrument_ids):
                self._struck[place] += 1
                if strike.first <= self._struck[place] <= (strike.last or math.inf):
                    return strike
        return None

    def receive(self, call: f.Call, at_s: float, fate: Fate | None = None) -> tuple[Answer, list[_Effect]]:
        """Take a call as it arrives: the answer, and what takes effect when."""
        refused = self._find_refusal(call, at_s, fate)
        if refused is not None:
            return refused, []
        if call.kind is f.CallKind.CANCEL:
            return self._receive_cancel(call, at_s)
        name, draw = call.instrument_ids[0], self._rng.random
        if self._throttled < self._habits.throttles_first:
            self._throttled += 1
            return Answer(Outcome.REFUSED, THROTTLED, Refusal.THROTTLED), []
        if call.kind is f.CallKind.CLOSE_BY_IDS and self._habits.ids_useless:
            return Answer(Outcome.PARTIAL, GONE, failed_ids=call.ids), []
        if name in self._script.market_closed:
            return Answer(Outcome.PARTIAL, MARKET_CLOSED, failed_ids=("?",)), []
        if name in self._script.unlisted:
            return Answer(Outcome.ACCEPTED), []
        leaves_rows = self._habits.leaves_named and call.kind is f.CallKind.BATCH_CLOSE and name.endswith("SWAP")
        if draw() < self._habits.rejected or leaves_rows:
            return Answer(Outcome.PARTIAL, INSUFFICIENT, failed_ids=("?",)), []
        if draw() < self._habits.silent:
            return Answer(Outcome.ACCEPTED), []
        return Answer(Outcome.ACCEPTED), [
            (at_s + self._rng.uniform(*self._habits.fill_s), lambda now_s: self._close(call, now_s, fate))
        ]

    def _find_refusal(self, call: f.Call, at_s: float, fate: Fate | None) -> Answer | None:
        """What is answered to a call that is not carried out, whatever it names."""
        if not self._limit.take(call.lane, at_s):
            fate = Fate.THROTTLED
        elif self._rng.random() < self._habits.fatal:
            fate = Fate.FATAL
        if fate in WITHOUT_EFFECT:
            return WITHOUT_EFFECT[fate]
        is_wrong = not self._script.misnamed.isdisjoint(call.instrument_ids)
        return Answer(Outcome.REFUSED, WRONG, Refusal.PARAMETER) if is_wrong else None

    def _close(self, call: f.Call, at_s: float, fate: Fate | None) -> None:
        for held in list(self._positions.values()):
            if held.instrument_id != call.instrument_ids[0] or (call.ids and held.position_id not in call.ids):
                continue
            is_partial = (self._rng.random() < self._habits.partial or fate is Fate.PARTIAL) and held.quantity > 1
            self._reduce(held, (held.quantity / 2).to_integral_value() if is_partial else Decimal(0), at_s)

    def _reduce(self, held: Held, left: Decimal, at_s: float) -> None:
        row = f.ClosedRow(
            held.instrument_id, held.position_id, held.side, self._mode, held.quantity - left, math.floor(at_s)
        )
        self.closed.append((at_s, row))
        self._put(replace(held, quantity=left), at_s)

    def _receive_cancel(self, call: f.Call, at_s: float) -> tuple[Answer, list[_Effect]]:
        failed = []
        for name in call.ids:
            order = self._orders.get(name)
            if order is None:
                failed.append(name)
            elif order.can_open and self._rng.random() < self._habits.fills_on_cancel:
                self._fill(order, at_s)
                failed.append(name)
            else:
                self._end_order(name, at_s, f.OrderEnd.CANCELLED, Decimal(0))
        return (Answer(Outcome.PARTIAL, ORDER_GONE, failed_ids=tuple(failed)) if failed else Answer(Outcome.ACCEPTED)), []

    def count_answers(self, read: f.Read, at_s: float) -> int:
        """How many answers a read takes: a list of resting orders comes in pages, and ends with one that is not full."""
        if read.order_list is not OrderList.RESTING:
            return 1
        orders = _version(self._order_log, at_s).values()
        return 1 + sum(order.kind is OrderKind.RESTING for order in orders) // self._habits.page_size

    def read(
        self,
        read: f.Read,
        flatten_id: str,
        started_s: float,
        at_s: float,
        answers: int = 1,
        *,
        since_s: float = LONG_AGO_S,
        left_out: str | None = None,
    ) -> tuple[f.AnyFact, float]:
        """Answer a read whose last answer leaves at a moment: the fact without its arrival, and the moment it shows.

        A history begins at `since_s`.
        """
        failed = f.ReadFailed(
            flatten_id=flatten_id, at_s=at_s, read=read, started_s=started_s, reason=FORBIDDEN, is_final=True
        )
        if not self._limit.take(read.lane, at_s):
            return msgspec.structs.replace(failed, reason=THROTTLED, is_final=False, is_throttled=True), at_s
        if read.about in self._script.listless or (read.lane is f.Lane.HISTORY and not self._habits.has_history):
            return failed, at_s
        lag_s = self._habits.history_lag_s if read.lane in (f.Lane.HISTORY, f.Lane.ORDER_END) else self._habits.read_lag_s
        shows_s = at_s - self._rng.uniform(0.0, lag_s)
        if read.lane is f.Lane.ORDER_END:
            return self._show_ends(read, flatten_id, started_s, at_s, shows_s), shows_s
        if read.order_list is not None:
            return self._show_orders(read, flatten_id, started_s, shows_s, answers), shows_s
        assert read.instrument_type is not None
        if read.lane is f.Lane.HISTORY:
            closed = tuple(
                row for moment_s, row in self.closed if since_s <= moment_s <= shows_s and _is_of(row, read.instrument_type)
            )
            history = f.HistoryRead(
                flatten_id=flatten_id, at_s=at_s, started_s=started_s, instrument_type=read.instrument_type, rows=closed
            )
            return history, shows_s
        return self._show_positions(read.instrument_type, flatten_id, started_s, shows_s, left_out), shows_s

    def _show_positions(
        self, instrument_type: InstrumentType, flatten_id: str, started_s: float, shows_s: float, left_out: str | None
    ) -> f.AnyFact:
        rows, unreadable = [], []
        for held in _version(self._position_log, shows_s).values():
            is_hidden = shows_s < held.shows_from_s or held.instrument_id == left_out
            if not _is_of(held, instrument_type) or is_hidden or self._rng.random() < self._habits.omit:
                continue
            if held.instrument_id in self._script.unreadable:
                unreadable.append(f.UnreadableRow(held.instrument_id.lower()))
                continue
            group = product_group_of(held.instrument_id)
            side = PositionSide(held.side) if held.side else None
            row = Position(
                held.instrument_id, group, held.position_id, side, held.quantity, "cross", self._mode, None, "USDT"
            )
            rows.append(replace(row, is_leading=True) if held.instrument_id in self._script.copied else row)
        return f.PositionsRead(
            flatten_id=flatten_id,
            at_s=shows_s,
            started_s=started_s,
            instrument_type=instrument_type,
            rows=tuple(rows),
            unreadable=tuple(unreadable),
        )

    def _show_orders(self, read: f.Read, flatten_id: str, started_s: float, shows_s: float, answers: int) -> f.OrdersRead:
        assert read.order_list is not None
        orders = [
            order
            for order in _version(self._order_log, shows_s).values()
            if order.kind.order_list is read.order_list and read.about in ("", order.instrument_id)
        ]
        size = self._habits.page_size
        # An order that leaves a page after it was read moves the first of each later page into none.
        place = bisect_right(self._order_log, shows_s, key=lambda each: each[0]) - 1
        if answers > 1 and shows_s - self._order_log[place][0] < PAGE_S * (answers - 1):
            del orders[size::size]
            left = [order for name, order in self._order_log[place - 1][1].items() if name not in self._order_log[place][1]]
            orders = [*(order for order in left if order.kind.order_list is read.order_list), *orders]
        is_cut = self._rng.random() < self._habits.cuts
        if is_cut:
            del orders[len(orders) // 2 :]
        return f.OrdersRead(
            flatten_id=flatten_id,
            at_s=shows_s,
            started_s=started_s,
            order_list=read.order_list,
            instrument_id=read.about or None,
            orders=tuple(orders),
            is_exhaustive=not is_cut,
            pages=answers,
        )

    def _show_ends(self, read: f.Read, flatten_id: str, started_s: float, at_s: float, shows_s: float) -> f.AnyFact:
        assert read.instrument_type is not None and read.order_list is not None  # noqa: PT018
        ended = tuple(
            f.EndedOrder(order.order_id, end, filled)
            for order, ended_s, end, filled in self._ends
            if ended_s <= shows_s and order.kind.order_list is read.order_list and _is_of(order, read.instrument_type)
        )
        return f.OrderEndsRead(
            flatten_id=flatten_id,
            at_s=at_s,
            started_s=started_s,
            instrument_type=read.instrument_type,
            order_list=read.order_list,
            ended=ended,
        )

    # -- bookkeeping --------------------------------------------------------------------------------------------------

    def _place(self, kind: OrderKind, instrument_id: str, at_s: float, *, can_open: bool) -> None:
        side = None if not instrument_id.endswith("SWAP") else PositionSide.LONG
        order_id = "" if kind is OrderKind.TRAILING else f"{self._new_number():06d}"
        order = Order(kind, instrument_id, order_id, "buy" if can_open else "sell", side, Decimal(5), price=Decimal(1))
        self._orders[name_order(order)] = order
        self._order_log.append((at_s, dict(self._orders)))

    def _fill(self, order: Order, at_s: float) -> None:
        quantity = Decimal(5) if order.can_open else Decimal(0)
        self._end_order(order.order_id, at_s, f.OrderEnd.FILLED, quantity)
        if order.can_open:
            self.open(order.instrument_id, quantity, at_s, self._habits.hides_s)
            self._opened_by[order.order_id] = self._last_life

    def _end_order(self, order_id: str, at_s: float, end: f.OrderEnd, filled: Decimal) -> None:
        self._ends.append((self._orders.pop(order_id), at_s, end, filled))
        self._order_log.append((at_s, dict(self._orders)))

    def _put(self, held: Held, at_s: float) -> None:
        self._positions = {**self._positions, held.position_id: held}
        if not held.quantity:
            del self._positions[held.position_id]
        self._position_log.append((at_s, self._positions))

    def _begin(self, instrument_id: str, side: str, quantity: Decimal, at_s: float, shows_from_s: float) -> None:
        life = self._new_number()
        position_id = f"{instrument_id}/{side}" if self._is_merged(instrument_id) else f"{life:06d}"
        self._put(Held(position_id, instrument_id, side, quantity, life, shows_from_s), at_s)
        self._last_life = life

    def _is_merged(self, instrument_id: str) -> bool:
        """Whether positions of one side are one; a holding of spot always is."""
        return self._script.merges or not instrument_id.endswith("SWAP")

    def _new_number(self) -> int:
        self._number += 1
        return self._number


def name_order(order: Order) -> str:
    """Name an order; a trailing exit has no id."""
    return order.order_id or f"{order.kind}/{order.instrument_id}/{order.position_side}"


def _is_of(row: Held | f.ClosedRow | Order, instrument_type: InstrumentType) -> bool:
    return product_group_of(row.instrument_id).instrument_type is instrument_type


def _version(log: list[tuple[float, dict[str, _Kept]]], moment_s: float) -> dict[str, _Kept]:
    return log[bisect_right(log, moment_s, key=lambda each: each[0]) - 1][1]
