"""The rules of sending and cancelling, one function each, named for its number. `choose` says what each is for."""

from __future__ import annotations

import math

from deepcoin_ops.core.known import EXITS, NEVER_S, NOTHING, InstrumentState, OrderState
from deepcoin_ops.core.state import State
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.caps import OnCap
from deepcoin_ops.domain.model import Position, ProductGroup
from deepcoin_ops.domain.orders import OrderKind

_UNKNOWNS_BEFORE_PAUSE = 3


def s1_find_stop(state: State, now_s: float) -> tuple[str, str] | None:
    """Why nothing more is sent, as a code and in words; None while sends are allowed. The only owner of that question."""
    if not state.may_send:
        return "READ_ONLY", "this flatten only reads"
    if state.stop is not None:
        return state.stop
    if now_s >= state.deadline_s:
        return "DEADLINE", "the time for sending is over"
    return None


def s2_is_ready(state: State) -> bool:
    """Whether the flatten was admitted and has read every type."""
    return state.is_admitted and state.is_read


def s3_is_fresh(state: State, each: InstrumentState, now_s: float) -> bool:
    """Whether the newest read of an instrument's type is recent, and no scheduler gap came after it."""
    newest = state.newest(each.instrument_type)
    return newest is not None and newest.started_s >= max(now_s - state.limits.freshness_s, state.void_before_s)


def s4_has_room(state: State) -> bool:
    """Whether another close may wait for its answer."""
    return state.closes_in_flight < state.limits.max_in_flight


def s5_has_evidence(state: State, each: InstrumentState) -> bool:
    """Whether the newest read began late enough to show what the last close did."""
    newest = state.newest(each.instrument_type)
    return newest is not None and newest.started_s >= each.evidence_from_s


def s6_is_paused(state: State) -> bool:
    """Whether so many outcomes in a row were unknown that a read has to come first."""
    return state.unknown_streak >= _UNKNOWNS_BEFORE_PAUSE


def s7_is_spent(state: State, each: InstrumentState) -> bool:
    """Whether a further close of an instrument is of no use."""
    limits = state.limits
    return bool(each.rejected) or each.attempts >= limits.max_attempts or each.same_codes >= limits.same_code_limit


def s8_find_excess(state: State) -> str | None:
    """Which cap is passed over by what is open now, in words, where that forbids closing."""
    limits = state.limits
    if limits.on_cap is not OnCap.REFUSE:
        return None
    if limits.cap_open_instruments is not None and len(state.ranked) > limits.cap_open_instruments:
        return f"{len(state.ranked)} instruments are open, the cap is {limits.cap_open_instruments}"
    if limits.cap_usdt is None and limits.cap_instrument_usdt is None:
        return None
    notionals = [each.notional_usdt for each in state.ranked]
    if None in notionals:
        return "what is open cannot be priced, and counts as above the cap"
    total, largest = (
        sum((each or NOTHING for each in notionals), NOTHING),
        max((each or NOTHING for each in notionals), default=NOTHING),
    )
    if limits.cap_usdt is not None and total > limits.cap_usdt:
        return f"{total:,.0f} USDT are open, the cap is {limits.cap_usdt:,.0f}"
    if limits.cap_instrument_usdt is not None and largest > limits.cap_instrument_usdt:
        return f"{largest:,.0f} USDT are open in one instrument, the cap is {limits.cap_instrument_usdt:,.0f}"
    return None


def s9_in_order(state: State) -> list[InstrumentState]:
    """The open instruments in the order in which they are closed."""
    return state.ranked


def s10_blocked_until_s(state: State, each: InstrumentState) -> float:
    """Until when resting orders that are about to be cancelled keep a close back; the past where none do."""
    until_s = NEVER_S
    for order in each.orders.values():
        is_answered = order.attempts > 0 and order.in_flight is None
        if (
            order.order.kind is OrderKind.RESTING
            and order.gone_s == math.inf
            and not is_answered
            and k1_has_to_go(state, order)
        ):
            until_s = max(until_s, order.first_seen_s + state.limits.hold_s)
    return until_s


def s11_list_kept(state: State, each: InstrumentState) -> list[Position]:
    """The open rows of an instrument that have to stay."""
    limits = state.limits
    return [
        row
        for row in each.rows
        if (row.is_of_copy_trading and not limits.close_copy_trading)
        or (not limits.close_reopened and row.position_id not in each.first_ids)
    ]


def s12_names_rows(each: InstrumentState) -> bool:
    """Whether an answer named rows that were left, so that the next close names what it means."""
    return each.names_rows


def choose_target(state: State, each: InstrumentState) -> f.Call | None:
    """What one close of an instrument names; None where nothing of it may be closed."""
    kept = s11_list_kept(state, each)
    rows = [row for row in each.rows if row not in kept] if kept else each.rows
    can_name = each.may_name_ids and each.product_group is not ProductGroup.SPOT and all(row.position_id for row in rows)
    if not rows or (kept and not can_name):
        return None
    by_ids = bool(kept) or (s12_names_rows(each) and can_name)
    return f.Call(
        kind=f.CallKind.CLOSE_BY_IDS if by_ids else f.CallKind.BATCH_CLOSE,
        lane=f.Lane.CLOSE,
        instrument_ids=(each.instrument_id,),
        ids=tuple(row.position_id for row in rows) if by_ids else (),
        quantity_contracts=sum((row.quantity_contracts for row in rows), NOTHING),
        notional_usdt=each.notional_usdt,
        rule="S11" if kept else "S12" if by_ids else "S9",
    )


def k1_has_to_go(state: State, order: OrderState) -> bool:
    """Whether an order is to be cancelled at all."""
    # The cancel of a trailing exit names the side, any other one the id; without these there is no way to cancel it.
    is_trailing = order.order.kind is OrderKind.TRAILING
    is_nameless = order.order.position_side is None if is_trailing else not order.order.order_id
    is_wanted = state.limits.cancel_orders.takes(order.order) and not is_nameless
    return is_wanted and order.attempts < state.limits.max_attempts


def k2_is_still_shown(state: State, order: OrderState) -> bool:
    """Whether a list shows an order that began after what the last cancel did would show."""
    return order.gone_s == math.inf and order.seen_s >= order.settled_s + state.limits.settle_s


def k3_may_leave(state: State, order: OrderState) -> bool:
    """Whether an order is no exit, or its position is gone and a list read since then still shows it."""
    each = state.instruments[order.order.instrument_id]
    is_gone = not each.rows and each.in_flight is None and order.seen_s >= each.evidence_from_s
    return order.order.kind not in EXITS or is_gone


def is_no_exit_of_open(state: State, order: OrderState) -> bool:
    """Whether an order is no exit of an open position, which stays with it."""
    return order.order.kind not in EXITS or not state.instruments[order.order.instrument_id].rows
