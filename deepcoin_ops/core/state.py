"""What is known of one flatten: a fold over its facts, in the order of the ledger. It decides nothing.

An earlier flatten of the account leaves only what may still act or was never proven: calls in flight, when the last one
was settled, and what was seen open without being proven flat since. Attempts, stops and deadlines begin anew.
"""

from __future__ import annotations

import copy
import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from decimal import Decimal

from deepcoin_ops.core.known import (
    KEPT_LISTS,
    MAY_HAVE_ACTED,
    NEVER_S,
    NOTHING,
    UNRANKED,
    Failing,
    InstrumentState,
    OrderState,
    Owed,
    SeenList,
    SeenPositions,
    can_be_dust,
    find_notional,
    list_read,
    order_key,
)
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.limits import Limits
from deepcoin_ops.domain.model import (
    Instrument,
    InstrumentType,
    Outcome,
    Position,
    Refusal,
    product_group_of,
)
from deepcoin_ops.domain.orders import Order, OrderList

_STOPS: dict[type, str] = {f.StopAsked: "INTERRUPTED", f.KillSwitchSeen: "KILL_SWITCH", f.RecordLost: "RECORD_LOST"}


@dataclass(slots=True)
class State:
    """What is known of one flatten. `apply` takes in a fact; all else only looks.

    Moments are seconds on the flatten's axis. `settled_s` and `acted_s`: when the last call was settled, and the last
    that may have had an effect. `absent` are instruments of earlier flattens that this one is not about. `opened` counts
    what some read showed open, `closes` the flatten's own closes; `ranked` is open now, unknown notionals first.
    """

    flatten_id: str = ""
    boot_id: str = ""
    opened_s: float = 0.0
    limits: Limits = field(default_factory=Limits)
    may_send: bool = False
    is_admitted: bool = False
    stop: tuple[str, str] | None = None
    stopped_s: float = math.inf
    configured: frozenset[str] = frozenset()
    instruments: dict[str, InstrumentState] = field(default_factory=dict)
    absent: dict[str, InstrumentState] = field(default_factory=dict)
    types: tuple[InstrumentType, ...] = ()
    listed: dict[InstrumentType, dict[str, Instrument]] = field(default_factory=dict)
    prices: dict[str, Decimal] = field(default_factory=dict)
    ranked: list[InstrumentState] = field(default_factory=list)
    strangers: dict[InstrumentType, tuple[Position, ...]] = field(default_factory=dict)
    positions: dict[InstrumentType, list[SeenPositions]] = field(default_factory=dict)
    first_read_s: float = math.inf
    opened: int = 0
    lists: dict[tuple[OrderList, str | None], list[SeenList]] = field(default_factory=dict)
    history: dict[InstrumentType, f.HistoryRead] = field(default_factory=dict)
    ends_read_s: dict[tuple[InstrumentType, OrderList], float] = field(default_factory=dict)
    failing: dict[f.Read, Failing] = field(default_factory=dict)
    in_flight: dict[str, f.CallIntended] = field(default_factory=dict)
    closes_in_flight: int = 0
    closes: int = 0
    settled_s: float = NEVER_S
    acted_s: float = NEVER_S
    unknown_streak: int = 0
    streak_s: float = NEVER_S
    void_before_s: float = NEVER_S

    @property
    def is_read(self) -> bool:
        """Whether every type was read at least once."""
        return self.first_read_s < math.inf

    @property
    def deadline_s(self) -> float:
        """When sending ends, whatever is open; infinity before the first complete read."""
        time_s = self.limits.sending_time_s + self.opened * self.limits.close_time_s
        return self.first_read_s + min(time_s, self.limits.max_sending_time_s)

    def newest(self, instrument_type: InstrumentType) -> SeenPositions | None:
        """The newest positions read of a type."""
        reads = self.positions.get(instrument_type)
        return reads[-1] if reads else None

    # -- the fold -----------------------------------------------------------------------------------------------------

    def apply(self, fact: f.AnyFact) -> None:
        """Take in the next fact of the account, in the order of the ledger."""
        match fact:
            case f.CallIntended():
                self._intend(fact)
            case f.CallAnswered():
                self._answer(fact)
            case f.FlattenOpened():
                self._open(fact)
            case _ if fact.flatten_id == self.flatten_id:
                self._own(fact)

    def _own(self, fact: f.AnyFact) -> None:  # noqa: C901 - one case for each kind
        match fact:
            case f.PositionsRead():
                self._read_positions(fact)
            case f.OrdersRead():
                self._read_orders(fact)
            case f.ReadFailed():
                count = self.failing[fact.read].count if fact.read in self.failing else 0
                self.failing[fact.read] = Failing(count + 1, fact.at_s, fact.reason, fact.is_final)
            case f.HistoryRead():
                known = self.history.get(fact.instrument_type)
                if known is not None and known.started_s > fact.started_s:
                    return
                self.history[fact.instrument_type] = fact
                if known is None or known.rows != fact.rows:
                    self._forget(fact.instrument_type)
                self.failing.pop(f.Read(lane=f.Lane.HISTORY, instrument_type=fact.instrument_type), None)
            case f.OrderEndsRead():
                self._end_orders(fact)
            case f.InstrumentsRead():
                self.listed[fact.instrument_type] = {each.instrument_id: each for each in fact.instruments}
                self._value()
            case f.PricesRead():
                self.prices.update(fact.prices)
                self._value()
            case f.FlattenAdmitted():
                self.is_admitted = True
            case f.FlattenDenied():
                self._stop(fact.code, fact.text, fact.at_s)
            case f.StopAsked() | f.KillSwitchSeen() | f.RecordLost():
                self._stop(_STOPS[type(fact)], fact.reason, fact.at_s)
            case f.SendingEnded():
                self._stop("SENDING_ENDED", fact.reason, math.inf)
            case f.SchedulerGap():
                self.void_before_s = max(self.void_before_s, fact.at_s)
                for of_type in self.types:
                    self._forget(of_type)
            case f.VerdictsReached():
                for each in (self.instruments[name] for name in fact.flat if name in self.instruments):
                    each.owed, each.orders = {}, {}
                    each.memo.clear()

    def _forget(self, instrument_type: InstrumentType) -> None:
        for each in self.instruments.values():
            if each.instrument_type is instrument_type:
                each.memo.clear()

    def _stop(self, code: str, reason: str, at_s: float) -> None:
        if self.stop is None:
            self.stop = (code, reason)
        self.stopped_s = min(self.stopped_s, at_s)

    def _open(self, fact: f.FlattenOpened) -> None:
        earlier = copy.copy(self)
        hold_s, settle_s = _hold_s(fact.limits), fact.limits.settle_s

        def place(moment_s: float, most_s: float) -> float:
            """Where a moment of the earlier flatten lies now: the clocks of two boots have nothing in common.

            It counts from this opening, as long as it came after the earlier one; a wait lasts no longer than its rule.
            """
            if earlier.boot_id == fact.boot_id or moment_s == NEVER_S:
                return moment_s
            return fact.at_s + min(max(moment_s - earlier.opened_s, 0.0), most_s)

        fresh = State(
            flatten_id=fact.flatten_id,
            boot_id=fact.boot_id,
            opened_s=fact.at_s,
            limits=fact.limits,
            may_send=fact.may_send,
            configured=frozenset(fact.configured),
            # Reads lag: what was opened a moment ago may not show yet, so no proof begins before this has settled.
            settled_s=max(place(earlier.settled_s, hold_s), fact.at_s),
            void_before_s=fact.at_s,
        )
        for slot in fields(State):
            setattr(self, slot.name, getattr(fresh, slot.name))
        for name in fact.instruments:
            self._track(name)
        self.types = tuple(dict.fromkeys(each.instrument_type for each in self.instruments.values()))
        self.first_read_s = math.inf if self.types else fact.at_s  # with nothing to read, all is read
        for name, left in (earlier.absent | earlier.instruments).items():
            each = self.instruments.get(name)
            if each is None:
                each = self.absent[name] = InstrumentState(name, left.product_group, left.instrument_type)
            each.settled_s = place(left.settled_s, hold_s)
            each.evidence_from_s = place(left.evidence_from_s, hold_s + settle_s)
            each.owed = {key: Owed(owed.contracts, place(owed.since_s, 0.0)) for key, owed in left.owed.items()}
            each.base = None if left.base is None else Owed(left.base.contracts, place(left.base.since_s, 0.0))
            each.orders = {key: order for key, order in left.orders.items() if order.is_open_end}
            for order in each.orders.values():
                base = left.base_of(order)
                order.base = Owed(base.contracts, place(base.since_s, 0.0))
                order.in_flight, order.attempts, order.first_seen_s, order.seen_s = None, 0, fact.at_s, NEVER_S
                order.gone_s = min(order.gone_s, fact.at_s) if order.gone_s < math.inf else math.inf
                order.settled_s = place(order.settled_s, hold_s)
        for intended in earlier.in_flight.values():
            self._orphan(intended, fact)

    def _orphan(self, intended: f.CallIntended, opened: f.FlattenOpened) -> None:
        """A call whose process ended before its answer: it may still be executed for a while, and then it is settled."""
        hold_s = _hold_s(self.limits)
        until_s = intended.at_s if intended.boot_id == opened.boot_id else opened.at_s
        settled_s = max(until_s + hold_s, opened.at_s)
        self.settled_s = max(self.settled_s, settled_s)
        self.acted_s = max(self.acted_s, settled_s)
        for name in intended.call.instrument_ids:
            each = self.instruments.get(name) or self.absent.get(name)
            if each is not None and intended.call.kind.is_close:
                each.settled_s = max(each.settled_s, settled_s)
                each.evidence_from_s = max(each.evidence_from_s, settled_s + self.limits.settle_s)

    def _track(self, instrument_id: str) -> None:
        group = product_group_of(instrument_id)
        self.instruments[instrument_id] = InstrumentState(instrument_id, group, group.instrument_type)

    # -- calls --------------------------------------------------------------------------------------------------------

    def _intend(self, fact: f.CallIntended) -> None:
        call, is_own = fact.call, fact.flatten_id == self.flatten_id
        self.in_flight[fact.call_id] = fact
        self.closes_in_flight += call.kind.is_close
        self.closes += is_own and call.kind.is_close
        for name in call.instrument_ids:
            if name not in self.instruments:
                self._track(name)
            each = self.instruments[name]
            each.memo.clear()
            if call.kind.is_close:
                assert each.in_flight is None, f"two closes of {name} are in flight"
                each.in_flight, each.calls = fact.call_id, each.calls + 1
            for key in call.ids:
                if key in each.orders:
                    each.orders[key].in_flight = fact.call_id

    def _answer(self, fact: f.CallAnswered) -> None:
        intended = self.in_flight.pop(fact.call_id, None)
        if intended is None:
            return  # of an earlier flatten: its call was settled when this one opened
        call = intended.call
        self.closes_in_flight -= call.kind.is_close
        self.settled_s = max(self.settled_s, fact.at_s)
        if fact.outcome in MAY_HAVE_ACTED:
            self.acted_s = max(self.acted_s, fact.at_s)
        if fact.refusal is Refusal.FATAL:
            self._stop(fact.code or "FATAL", fact.reason, fact.at_s)
        if call.kind.is_close:
            self.instruments[call.instrument_ids[0]].settle_close(call, fact, self.limits.settle_s)
            if fact.outcome is not Outcome.NOT_SENT:
                self.unknown_streak = self.unknown_streak + 1 if fact.outcome is Outcome.UNKNOWN else 0
                self.streak_s = fact.at_s
            return
        assert call.order_kind is not None
        for name in call.instrument_ids:
            each = self.instruments[name]
            each.memo.clear()
            each.cancelled_s[call.order_kind.order_list] = fact.at_s
            for key in call.ids:
                if key in each.orders:
                    order = each.orders[key]
                    order.in_flight, order.settled_s = None, fact.at_s
                    order.attempts += fact.outcome in MAY_HAVE_ACTED or fact.refusal is Refusal.PARAMETER

    # -- reads --------------------------------------------------------------------------------------------------------

    def _read_positions(self, fact: f.PositionsRead) -> None:
        self.failing.pop(f.Read(lane=f.Lane.POSITIONS, instrument_type=fact.instrument_type), None)
        newest = self.newest(fact.instrument_type)
        if newest is not None and newest.started_s > fact.started_s:
            return  # a later one has overtaken it
        odd = (row for row in fact.rows if not _is_size(row.quantity_contracts) and row.quantity_contracts != 0)
        unreadable = (*fact.unreadable, *(f.UnreadableRow(str(row), row.instrument_id) for row in odd))
        rows: dict[str, list[Position]] = defaultdict(list)
        strangers = []
        for row in (row for row in fact.rows if _is_size(row.quantity_contracts)):
            if row.instrument_id in self.instruments:
                rows[row.instrument_id].append(row)
            elif row.instrument_id not in self.configured:
                strangers.append(row)
        self.strangers[fact.instrument_type] = tuple(strangers)
        for each in self.instruments.values():
            if each.instrument_type is fact.instrument_type:
                each.show(tuple(rows[each.instrument_id]) if each.instrument_id in rows else (), fact.started_s)
                if self.closes == 0 and each.rows:
                    each.first_ids |= {row.position_id for row in each.rows}
        self._value()
        contracts = {name: sum((row.quantity_contracts for row in each), NOTHING) for name, each in rows.items()}
        seen = SeenPositions(fact.started_s, contracts, unreadable)
        kept = [read for read in self.positions.get(fact.instrument_type, ()) if read.started_s >= self.settled_s]
        self.positions[fact.instrument_type] = [*kept, seen]
        if not self.is_read and all(each in self.positions for each in self.types):
            self.first_read_s = fact.at_s
        if fact.started_s > self.streak_s:
            self.unknown_streak = 0

    def _value(self) -> None:
        """Value what is open, take out what is dust, and rank the rest."""
        self.ranked = []
        for each in self.instruments.values():
            rows, each.rank = each.rows or each.dust, UNRANKED
            if not rows:
                each.notional_usdt = NOTHING
                continue
            listed = self.listed.get(each.instrument_type, {}).get(each.instrument_id)
            each.notional_usdt = find_notional(each, rows, listed, self.prices.get(each.instrument_id))
            is_dust = can_be_dust(each, rows, listed) and (each.notional_usdt or NOTHING) < self.limits.dust_usdt
            if is_dust is not bool(each.dust):
                each.memo.clear()
                each.rows, each.dust = ((), rows) if is_dust else (rows, ())
            if not is_dust:
                self.opened += not each.was_open
                each.was_open = True
                self.ranked.append(each)
        self.ranked.sort(key=lambda each: (each.notional_usdt is not None, -(each.notional_usdt or 0), each.instrument_id))
        for rank, each in enumerate(self.ranked):
            each.rank = rank

    def _read_orders(self, fact: f.OrdersRead) -> None:
        about = None if fact.instrument_id is None else self.instruments.get(fact.instrument_id)
        key = (fact.order_list, fact.instrument_id)
        is_overtaken = key in self.lists and self.lists[key][-1].started_s > fact.started_s
        if (about is None and fact.instrument_id is not None) or is_overtaken:
            return
        self.failing.pop(list_read(fact.order_list, about), None)
        opening = frozenset(order.instrument_id for order in fact.orders if order.can_open)
        ids = frozenset(order_key(order) for order in fact.orders) if fact.pages > 1 else frozenset()
        seen = SeenList(fact.started_s, fact.at_s, opening, fact.is_exhaustive, ids)
        self.lists[key] = [*self.lists.get(key, ())[-KEPT_LISTS + 1 :], seen]
        concerned = self.instruments.values() if about is None else [about]
        for each in concerned:
            each.memo.clear()
        shown = set()
        for order in fact.orders:
            if order.instrument_id in self.instruments:
                shown.add(order_key(order))
                self._show_order(self.instruments[order.instrument_id], order, fact)
        if not fact.is_exhaustive:
            return
        for each in concerned:
            for name, state in each.orders.items():
                if state.order.kind.order_list is fact.order_list and name not in shown:
                    state.gone_s = min(state.gone_s, fact.started_s)

    def _show_order(self, each: InstrumentState, order: Order, fact: f.OrdersRead) -> None:
        state = each.orders.get(order_key(order))
        if state is None:
            state = each.orders[order_key(order)] = OrderState(order, fact.at_s, fact.started_s)
        state.order, state.seen_s, state.gone_s = order, fact.started_s, math.inf
        each.note_base(state)

    def _end_orders(self, fact: f.OrderEndsRead) -> None:
        key = (fact.instrument_type, fact.order_list)
        self.failing.pop(f.Read(lane=f.Lane.ORDER_END, instrument_type=key[0], order_list=key[1]), None)
        self.ends_read_s[key] = fact.started_s
        ended = {each.order_id: each for each in fact.ended}
        for each in self.instruments.values():
            for name, order in each.orders.items():
                if name in ended and order.end is None:
                    each.memo.clear()
                    order.end, order.filled_contracts = ended[name].end, ended[name].filled_contracts


def _is_size(quantity: Decimal) -> bool:
    return quantity.is_finite() and quantity > 0


def _hold_s(limits: Limits) -> float:
    """How long after its intent a call without an answer may still be carried out: it may have left a gap later."""
    return limits.gap_s + limits.unknown_hold_s


def fold(facts: Iterable[f.AnyFact]) -> State:
    """What is known after these facts of one account, in the order of the ledger."""
    state = State()
    for fact in facts:
        state.apply(fact)
    return state
