"""What a lane of reads asks for next. `choose` has the rules (R1 to R4), and asks here for the lanes that read."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from deepcoin_ops.core import judge, rules
from deepcoin_ops.core.known import NEVER_S, UNRANKED, InstrumentState, list_read, once
from deepcoin_ops.core.state import State
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.model import InstrumentType, ProductGroup
from deepcoin_ops.domain.orders import CancelOrders, OrderList

_LOOK_AGAIN_S = 5.0  # while a proof waits for lists or history, positions are looked at this often
_HISTORY_PAUSE_S = 2.0
_LONGEST_PAUSE_S = 4.0
_Due = tuple[float, tuple[float | str, ...], f.Read]


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do in a lane before this moment, unless a fact comes first; infinity is only a fact."""

    until_s: float


def next_read(state: State, lane: f.Lane, now_s: float) -> f.Read | Wait:
    """Choose what a lane of reads asks for at this moment."""
    match lane:
        case f.Lane.POSITIONS:
            due = _positions_due(state, now_s)
        case f.Lane.RESTING:
            due = _resting_due(state, now_s)
        case f.Lane.TRIGGER:
            due = _single_lists_due(state, now_s)
        case f.Lane.HISTORY:
            due = r3_history_due(state)
        case _:
            due = _order_ends_due(state)
    return _choose_read(state, due, now_s)


def _choose_read(state: State, due: Iterable[_Due], now_s: float) -> f.Read | Wait:
    """The first read in its order among those that are due now; else when the earliest is."""
    until_s, chosen = math.inf, None
    for wanted_s, order, read in due:
        due_s = max(wanted_s, r4_not_before_s(state, read)) if state.failing else wanted_s
        if due_s > now_s:
            until_s = min(until_s, due_s)
        elif chosen is None or order < chosen[0]:
            chosen = (order, read)
    return chosen[1] if chosen else Wait(until_s)


def r4_not_before_s(state: State, read: f.Read) -> float:
    """When a read that failed may be tried again."""
    failing = state.failing.get(read)
    if failing is None:
        return NEVER_S
    return math.inf if failing.is_final else failing.last_s + min(2.0 ** (failing.count - 1), _LONGEST_PAUSE_S)


def _positions_due(state: State, now_s: float) -> Iterable[_Due]:
    for number, each in enumerate(state.types):
        due_s = r1_positions_due_s(state, each, now_s)
        yield due_s, (due_s, number), f.Read(lane=f.Lane.POSITIONS, instrument_type=each)


def r1_positions_due_s(state: State, instrument_type: InstrumentType, now_s: float) -> float:
    """The earliest moment at which a positions read of a type can bring news."""
    newest = state.newest(instrument_type)
    if newest is None:
        return state.opened_s
    due_s = math.inf
    if rules.s1_find_stop(state, now_s) is None and rules.s8_find_excess(state) is None:
        for each in state.ranked:
            is_idle = each.in_flight is not None or judge.f8_is_unlisted(state, each) or rules.s7_is_spent(state, each)
            if each.instrument_type is instrument_type and not is_idle and rules.choose_target(state, each):
                evidence_s = max(each.evidence_from_s, state.void_before_s)
                stale_s = newest.started_s + state.limits.freshness_s / 3
                due_s = min(due_s, evidence_s if newest.started_s < evidence_s else stale_s)
        if rules.s6_is_paused(state):
            due_s = min(due_s, math.nextafter(state.streak_s, math.inf))
    return min(due_s, _proof_due_s(state, instrument_type, newest.started_s))


def _proof_due_s(state: State, instrument_type: InstrumentType, newest_s: float) -> float:
    """The earliest start of a further read that counts and proves something."""
    from_s = judge.f1_counts_from_s(state)
    if newest_s < from_s:
        return from_s
    if judge.needs_positions(state, instrument_type):
        return newest_s + state.limits.read_gap_s
    follows_s = judge.positions_from_s(state, instrument_type)
    if newest_s < follows_s < math.inf:
        return max(newest_s + state.limits.read_gap_s, follows_s)
    return newest_s + _LOOK_AGAIN_S


def _resting_due(state: State, now_s: float) -> Iterable[_Due]:
    read = list_read(OrderList.RESTING, None)
    lists = state.lists.get((OrderList.RESTING, None))
    if not lists:
        yield state.opened_s, (), read
        return
    # One list serves all instruments, and follows all their trigger lists; while one of these is missing, it is read now
    # and then for the instruments that need no more.
    every = state.instruments.values()
    due_s = min((_recheck_s(state, OrderList.RESTING, each) for each in every if each.orders), default=math.inf)
    again_s = lists[-1].started_s + _LOOK_AGAIN_S
    is_early = any(judge.is_list_missing(state, OrderList.TRIGGER, each) for each in every)
    if is_early and again_s > now_s:
        yield min(due_s, again_s), (), read
        return
    missing = (each for each in every if judge.is_list_missing(state, OrderList.RESTING, each))
    counts_s = [judge.f4_counts_from_s(state, OrderList.RESTING, each) for each in missing]
    if counts_s and is_early:
        due_s = min(due_s, *counts_s)
    elif counts_s:
        confirms_s = lists[-1].arrived_s + state.limits.settle_s if lists[-1].ids else NEVER_S
        due_s = min(due_s, max(*counts_s, confirms_s))
    yield due_s, (), read


@once
def _recheck_s(state: State, order_list: OrderList, each: InstrumentState) -> float:
    """When a list shows what a cancel did, or what a scheduler gap voided; infinity where neither is awaited."""
    due_s = math.inf
    for order in each.orders.values():
        if order.order.kind.order_list is order_list and order.gone_s == math.inf and order.in_flight is None:
            shows_s = max(order.settled_s + state.limits.settle_s, state.void_before_s)
            if order.seen_s < shows_s:
                due_s = min(due_s, shows_s)
    return due_s


def _single_lists_due(state: State, now_s: float) -> Iterable[_Due]:
    """The lists of single instruments: of what is open first, then what was never read (R2)."""
    sends = rules.s1_find_stop(state, now_s) is None
    for number, each in enumerate(state.instruments.values()):
        trigger_s, trailing_s = r2_trigger_due_s(state, each), _trailing_due_s(state, each)
        if sends and each.rank < UNRANKED and not _was_read(state, each):
            trigger_s = state.opened_s  # the sooner an order that opens is seen, the better
        if trigger_s < math.inf:
            yield trigger_s, *_describe_list(state, OrderList.TRIGGER, each, number)
        if trailing_s < math.inf:
            yield trailing_s, *_describe_list(state, OrderList.TRAILING, each, number)


def _describe_list(
    state: State, order_list: OrderList, each: InstrumentState, number: int
) -> tuple[tuple[float, ...], f.Read]:
    read = list_read(order_list, each)
    was_tried = (order_list, each.instrument_id) in state.lists or read in state.failing
    return (was_tried, each.rank, number), read


@once
def _was_read(state: State, each: InstrumentState) -> bool:
    return (OrderList.TRIGGER, each.instrument_id) in state.lists


@once
def r2_trigger_due_s(state: State, each: InstrumentState) -> float:
    """When the trigger list of an instrument is read to count, or to show what a cancel did."""
    due_s = _recheck_s(state, OrderList.TRIGGER, each)
    if judge.is_list_missing(state, OrderList.TRIGGER, each):
        due_s = min(due_s, judge.f4_counts_from_s(state, OrderList.TRIGGER, each))
    return due_s


@once
def _trailing_due_s(state: State, each: InstrumentState) -> float:
    """When the trailing exits of an instrument are looked for: where a position was and is gone, and after a cancel.

    They can only close, so that they change no verdict and a list that fails holds nothing back.
    """
    is_wanted = state.limits.cancel_orders is CancelOrders.ALL and each.product_group is not ProductGroup.SPOT
    is_gone = each.was_open and not each.rows and each.in_flight is None
    if (OrderList.TRAILING, each.instrument_id) in state.lists:
        return _recheck_s(state, OrderList.TRAILING, each)
    return each.evidence_from_s if is_wanted and is_gone else math.inf


def r3_history_due(state: State) -> Iterable[_Due]:
    """The history of each type that is owed something: from the last effect on, now and then until it shows it."""
    for each in state.types:
        if judge.needs_history(state, each):
            newest = state.history.get(each)
            due_s = max(state.acted_s, NEVER_S if newest is None else newest.started_s + _HISTORY_PAUSE_S)
            yield due_s, (each,), f.Read(lane=f.Lane.HISTORY, instrument_type=each)


def _order_ends_due(state: State) -> Iterable[_Due]:
    """The ends of orders that are gone and could open a position: one read names those of a list and a type."""
    gone_s: dict[tuple[InstrumentType, OrderList], float] = {}
    for each in state.instruments.values():
        for order in each.orders.values():
            if order.order.can_open and order.end is None and order.gone_s < math.inf:
                key = (each.instrument_type, order.order.kind.order_list)
                gone_s[key] = min(gone_s.get(key, math.inf), order.gone_s)
    for key, since_s in gone_s.items():
        due_s = max(since_s, state.ends_read_s.get(key, NEVER_S) + _HISTORY_PAUSE_S)
        yield due_s, (*key,), f.Read(lane=f.Lane.ORDER_END, instrument_type=key[0], order_list=key[1])
