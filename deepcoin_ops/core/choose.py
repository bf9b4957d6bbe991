"""What a lane sends or reads next, from what is known. READ THIS FIRST.

The scheduler asks `next_call` for every lane whose slot is there. Nothing is planned ahead: a call is chosen when its slot
is there, with everything known by then. Where nothing is due, the answer says when it is worth asking again.

Rules of sending. A close leaves only if all of them hold; a cancel if S1, S2 and S14 do, and no scheduler gap came after
its list.
    S1   Nothing is sent once there is a reason to stop; the first reason wins.
    S2   Nothing is sent before the flatten is admitted and every type of its instruments was read once.
    S3   Nothing is sent on a read that began more than the freshness limit ago, or before a scheduler gap.
    S4   An instrument has one close in flight at most, an account a few.
    S5   A close that may have had an effect is followed by none before a read that began a settle time after it.
    S6   After three unknown outcomes in a row nothing is closed before a read that began after the third.
    S7   Attempts end: at the most attempts, at a request called wrong, at the same code three times.
    S8   Nothing is closed while more is open than the caps allow, unless the caps only alert.
    S9   The largest notional goes first; what cannot be priced goes before all.
    S10  A close waits for the cancel of resting orders that may hold its size, no longer than an answer may take.
    S11  A row that has to stay is never closed: the others are named, or nothing is sent.
    S12  What an answer named as left is closed by its ids; where ids are of no use, by batch again.
    S13  An instrument that the exchange does not list is never closed (judge F8).
    S14  What was recorded leaves only while it would be chosen again, and soon after its record (`may_still_send`).
Rules of cancelling
    K1   Only orders of the flatten's instruments that the settings name are cancelled, each a bounded number of times.
    K2   An order is cancelled again only if a list that began a settle time after the last cancel still shows it.
    K3   An exit stays while its position is open, and goes only if a list that began after the close still shows it.
Rules of reading
    R1   Positions are read when that can bring news: first, as evidence for a close, to stay fresh, to count as proof.
    R2   A list is read when it never was, and when it would count; what is open goes first.
    R3   History and ends of orders are read until they show what is owed to them.
    R4   A read that failed is tried again after a growing pause, unless asking again is of no use.
"""

from __future__ import annotations

import math

from deepcoin_ops.core import judge, reads, rules
from deepcoin_ops.core.known import InstrumentState, OrderState, list_read
from deepcoin_ops.core.reads import Wait
from deepcoin_ops.core.state import State
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.orders import OrderKind, OrderList

_PATIENCE_S = 3.0  # the first close waits so long for prices and for the first list of resting orders
_FOR_A_FACT = Wait(math.inf)
_SENDING = (f.Lane.CLOSE, f.Lane.CANCEL_RESTING, f.Lane.CANCEL_SINGLE)
_LISTS = (f.Lane.RESTING, f.Lane.TRIGGER)
_AFTER: dict[type[f.Fact], tuple[f.Lane, ...]] = {
    f.FlattenAdmitted: _SENDING,
    f.InstrumentsRead: (f.Lane.CLOSE, f.Lane.POSITIONS, f.Lane.HISTORY),
    f.PricesRead: (f.Lane.CLOSE, f.Lane.POSITIONS, f.Lane.HISTORY),
    f.PositionsRead: (*_SENDING, f.Lane.POSITIONS, f.Lane.TRIGGER, f.Lane.HISTORY),
    f.OrdersRead: (*_SENDING, f.Lane.POSITIONS, *_LISTS, f.Lane.HISTORY, f.Lane.ORDER_END),
    f.CallIntended: (f.Lane.RESTING,),
    f.CallAnswered: (*_SENDING, f.Lane.POSITIONS, *_LISTS, f.Lane.HISTORY),
    f.HistoryRead: (f.Lane.HISTORY,),
    f.OrderEndsRead: (f.Lane.ORDER_END, f.Lane.HISTORY),
    f.SchedulerGap: (f.Lane.POSITIONS, *_LISTS),
}


def next_call(state: State, lane: f.Lane, now_s: float) -> f.Call | f.Read | Wait:
    """Choose what a lane does at this moment.

    Args:
        state: What is known.
        lane: Whose slot is there. A lane whose read is on its way is not asked.
        now_s: The moment, on the flatten's axis.
    """
    match lane:
        case f.Lane.CLOSE:
            return _next_close(state, now_s)
        case f.Lane.CANCEL_RESTING | f.Lane.CANCEL_SINGLE:
            return _next_cancel(state, lane, now_s)
        case _:
            return reads.next_read(state, lane, now_s)


def lanes_after(fact: f.AnyFact) -> tuple[f.Lane, ...]:
    """The lanes that may have something to do sooner because of a fact; the others need not be asked."""
    if isinstance(fact, f.ReadFailed):
        return (fact.read.lane, f.Lane.POSITIONS)
    return _AFTER.get(type(fact), ())


def may_still_send(state: State, call: f.Call, intended_s: float, now_s: float) -> bool:
    """Whether a call that was chosen and recorded at a moment may leave now: with what came in since, it is chosen again.

    Another process counts the time in which it may still be carried out from its intent, so that it leaves soon after it.
    """
    if rules.s1_find_stop(state, now_s) is not None or now_s - intended_s > state.limits.gap_s:
        return False
    if not call.kind.is_close:
        orders = (state.instruments[name].orders for name in call.instrument_ids)
        known = {key: order for each in orders for key, order in each.items()}
        return all(_is_cancel_due(state, known[key]) for key in call.ids)
    if _is_held(state):
        return False
    until_s, again = _find_close(state, state.instruments[call.instrument_ids[0]], now_s)
    return again is not None and until_s <= now_s and (again.kind, again.ids) == (call.kind, call.ids)


def is_over(state: State, now_s: float) -> bool:
    """Whether a flatten ends now: nothing in flight, nothing more to send, nothing more to prove."""
    return judge.is_settled(state, now_s) and not may_act(state, now_s)


def may_act(state: State, now_s: float) -> bool:
    """Whether a close or cancel of what is left may still be chosen at some moment."""
    if rules.s1_find_stop(state, now_s) is not None:
        return False
    if not state.is_read:
        return now_s < judge.proof_ends_s(state)  # a list of positions that never comes may not keep it from ending
    if rules.s8_find_excess(state) is None:
        for each in state.ranked:
            if (
                not judge.f8_is_unlisted(state, each)
                and not rules.s7_is_spent(state, each)
                and rules.choose_target(state, each)
            ):
                return True
    return any(
        order.gone_s == math.inf
        and rules.k1_has_to_go(state, order)
        and rules.is_no_exit_of_open(state, order)
        and not judge.is_of_no_use(state, list_read(order.order.kind.order_list, each))
        for each in state.instruments.values()
        for order in each.orders.values()
    )


def _next_close(state: State, now_s: float) -> f.Call | Wait:
    if rules.s1_find_stop(state, now_s) is not None or not rules.s2_is_ready(state):
        return _FOR_A_FACT
    if not rules.s4_has_room(state) or _is_held(state):
        return _FOR_A_FACT
    patient_s = state.first_read_s + _PATIENCE_S
    if now_s < patient_s and state.closes == 0 and not _is_well_informed(state):
        return Wait(patient_s)
    next_s = math.inf
    for each in rules.s9_in_order(state):
        if each.in_flight is not None:
            continue
        until_s, call = _find_close(state, each, now_s)
        if call is not None and until_s <= now_s:
            return call
        next_s = min(next_s, until_s)
    return Wait(next_s)


def _is_held(state: State) -> bool:
    """Whether a rule about the whole account keeps every close back."""
    return rules.s6_is_paused(state) or rules.s8_find_excess(state) is not None


def _find_close(state: State, each: InstrumentState, now_s: float) -> tuple[float, f.Call | None]:
    """The close of an instrument that its rules allow, and from when."""
    if judge.f8_is_unlisted(state, each) or rules.s7_is_spent(state, each):
        return math.inf, None
    if not rules.s3_is_fresh(state, each, now_s) or not rules.s5_has_evidence(state, each):
        return math.inf, None
    call = rules.choose_target(state, each)
    return (math.inf, None) if call is None else (rules.s10_blocked_until_s(state, each), call)


def _is_well_informed(state: State) -> bool:
    """Whether prices of all that is open and the first list of resting orders are there."""
    return all(each.notional_usdt is not None for each in state.ranked) and (OrderList.RESTING, None) in state.lists


def _next_cancel(state: State, lane: f.Lane, now_s: float) -> f.Call | Wait:
    if rules.s1_find_stop(state, now_s) is not None or not rules.s2_is_ready(state):
        return _FOR_A_FACT
    due = [
        (each.rank, key, order)
        for each in state.instruments.values()
        if each.orders
        for key, order in each.orders.items()
        if (order.order.kind is OrderKind.RESTING) is (lane is f.Lane.CANCEL_RESTING)
        and order.in_flight is None
        and _is_cancel_due(state, order)
    ]
    if not due:
        return _FOR_A_FACT
    due.sort(key=lambda each: each[:2])
    chosen = due[: state.limits.cancels_per_call if lane is f.Lane.CANCEL_RESTING else 1]
    return f.Call(
        kind=f.CallKind.CANCEL,
        lane=lane,
        instrument_ids=tuple(dict.fromkeys(order.order.instrument_id for _rank, _key, order in chosen)),
        ids=tuple(key for _rank, key, _order in chosen),
        order_kind=chosen[0][2].order.kind,
        rule="K2" if any(order.attempts for _rank, _key, order in chosen) else "K1",
    )


def _is_cancel_due(state: State, order: OrderState) -> bool:
    return (
        order.seen_s >= state.void_before_s
        and rules.k1_has_to_go(state, order)
        and rules.k2_is_still_shown(state, order)
        and rules.k3_may_leave(state, order)
    )
