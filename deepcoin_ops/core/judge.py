"""What is proven of each instrument, and when a flatten is over. What closes were answered proves nothing here.

Rules of flat. FLAT takes all of them; ALREADY_FLAT all but F7, as nothing was seen open.
    F1  A positions read counts only if it began a settle time after the last call of the account was settled.
    F2  Two counting reads, a gap apart, show no row of the instrument, and neither does any between them or after.
    F3  A list with a row that cannot be read or placed proves no absence.
    F4  Lists of resting and of trigger orders that began late enough show no order that can open a position.
    F5  A list of several answers proves absence once one that began a settle time later still shows all of it; one that may
        be cut never does.
    F6  The last counting read began a settle time after the orders were first seen to be gone.
    F7  The exchange's history shows closed, since the newest sure read of it, what that read shows open; and how each order
        ended that could open a position, with what it opened closed since.
    F8  An instrument that the exchange does not list is never proven; without a list, only one that was seen open is.
Worst first: RESIDUAL and RESTING_ORDER_LEFT, UNVERIFIED, FLAT_UNCONFIRMED (all but F7), FLAT.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from deepcoin_ops.core import rules
from deepcoin_ops.core.known import (
    NEVER_S,
    NOTHING,
    InstrumentState,
    Owed,
    SeenList,
    SeenPositions,
    list_read,
    once,
    row_key,
)
from deepcoin_ops.core.state import State
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.model import InstrumentType, ProductGroup
from deepcoin_ops.domain.orders import OrderList

# How much earlier than it was the history may say that something was closed: its times are whole seconds, by a clock that
# is not ours. A read that shows what the last close did began a settle time after it, so that it is never more than that.
_CLOCK_ERROR_S = 1.25
_NEEDED_LISTS = (OrderList.RESTING, OrderList.TRIGGER)


class Proven(StrEnum):
    """What is proven of one instrument, worst first."""

    RESIDUAL = "RESIDUAL"
    RESTING_ORDER_LEFT = "RESTING_ORDER_LEFT"
    UNVERIFIED = "UNVERIFIED"
    FLAT_UNCONFIRMED = "FLAT_UNCONFIRMED"
    FLAT = "FLAT"
    ALREADY_FLAT = "ALREADY_FLAT"


FLAT = frozenset({Proven.FLAT, Proven.ALREADY_FLAT})


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one instrument: `cause` is data, `reason` is for people. Sizes are None where no read counts."""

    instrument_id: str
    proven: Proven
    cause: str
    reason: str
    quantity_contracts: Decimal | None
    notional_usdt: Decimal | None


def judge(state: State, now_s: float) -> list[Judgement]:
    """Judge every instrument of the flatten from what is known now."""
    return [judge_one(state, each, now_s) for each in state.instruments.values()]


def judge_one(state: State, each: InstrumentState, now_s: float) -> Judgement:
    """Judge one instrument by the rules above."""
    counting = f1_counting(state, each.instrument_type)
    proven, cause, reason = _decide(state, each, counting, now_s)
    quantity = sum((row.quantity_contracts for row in each.rows), NOTHING) if counting else None
    notional = None if not counting else each.notional_usdt if each.rows else NOTHING
    return Judgement(each.instrument_id, proven, cause, reason, quantity, notional)


def _decide(  # noqa: C901 - the rules of flat, one after the other
    state: State, each: InstrumentState, counting: list[SeenPositions], now_s: float
) -> tuple[Proven, str, str]:
    if not counting:
        cause = "SEEN_OPEN" if each.rows else "NOT_READ"
        return Proven.UNVERIFIED, cause, "no positions read began late enough after the last call"
    if each.rows:
        return Proven.RESIDUAL, _find_cause(state, each, now_s), "still open in the newest read that counts"
    if f8_is_unlisted(state, each):
        return Proven.UNVERIFIED, "UNLISTED", "the exchange does not list it, so a close could be a silent no-op"
    if each.instrument_type not in state.listed and not each.was_open:
        return Proven.UNVERIFIED, "NO_LISTING", "the exchange's list of instruments was not read, so its name may be wrong"
    if f3_is_doubtful(counting):
        return Proven.UNVERIFIED, "UNREADABLE_ROW", "a row of the positions cannot be read or placed"
    if not f2_is_absent(state, each, counting):
        return Proven.UNVERIFIED, "ONE_READ", "one read shows it flat; two are needed"
    if f4_has_opening_order(state, each):
        return Proven.RESTING_ORDER_LEFT, "ORDER_LEFT", "no position is open, and an order is left that can open one"
    for order_list in _NEEDED_LISTS:
        if is_list_missing(state, order_list, each):
            return Proven.UNVERIFIED, "LIST_MISSING", f"no list of {order_list.lower()} orders proves anything"
    if counting[-1].started_s < f6_positions_from_s(state, each):
        return Proven.UNVERIFIED, "NO_LATER_READ", "no positions read followed the order lists"
    if not f7_is_shown_closed(state, each):
        return Proven.FLAT_UNCONFIRMED, "HISTORY", "the exchange's history does not show closed what was seen open"
    if not each.was_open and each.calls == 0 and (each.dust or not each.owed):
        left = "what is left cannot be sold and is worth little" if each.dust else "two reads show no open position"
        return Proven.ALREADY_FLAT, "", f"{left}; no close was sent"
    return Proven.FLAT, "", "two reads after the last call show no open position, and the history shows it closed"


def _find_cause(state: State, each: InstrumentState, now_s: float) -> str:
    """Why it is still open: what kept it from being closed, the nearest first."""
    if not state.limits.close_copy_trading and all(row.is_of_copy_trading for row in each.rows):
        return "COPY_TRADING"
    if not state.is_read:
        return "NOT_READ"
    if f8_is_unlisted(state, each):
        return "UNLISTED"
    if each.rejected or each.same_codes >= state.limits.same_code_limit:
        return each.last_code or "REJECTED"
    if each.attempts >= state.limits.max_attempts:
        return "MAX_ATTEMPTS"
    stop = rules.s1_find_stop(state, now_s)
    if stop is not None and stop[0] != "SENDING_ENDED":
        return stop[0]
    if rules.s8_find_excess(state) is not None:
        return "ABOVE_CAP"
    is_new = all(row.position_id not in each.first_ids for row in each.rows)
    return "REOPENED" if is_new else "OPEN"


# -- positions --------------------------------------------------------------------------------------------------------


def f1_counts_from_s(state: State) -> float:
    """The earliest start of a positions read that counts; infinity while a call is in flight."""
    return math.inf if state.in_flight else state.settled_s + state.limits.settle_s


def f1_counting(state: State, instrument_type: InstrumentType) -> list[SeenPositions]:
    """The positions reads of a type that count, oldest first."""
    from_s = f1_counts_from_s(state)
    return [read for read in state.positions.get(instrument_type, ()) if read.started_s >= from_s]


def f2_is_absent(state: State, each: InstrumentState, counting: list[SeenPositions]) -> bool:
    """Whether two counting reads, a gap apart, show nothing open, with none between them or after. Dust is nothing."""
    left, clean_s = sum((row.quantity_contracts for row in each.dust), NOTHING) if each.dust else NOTHING, math.inf
    for read in counting:
        shown = read.contracts.get(each.instrument_id)
        if shown is not None and shown > left:
            clean_s = math.inf
        elif clean_s == math.inf:
            clean_s = read.started_s
    return counting[-1].started_s - clean_s >= state.limits.read_gap_s


def f3_is_doubtful(counting: list[SeenPositions]) -> bool:
    """Whether a counting read has a row that cannot be read or placed: it may be any instrument of the type."""
    return any(read.unreadable for read in counting)


def f8_is_unlisted(state: State, each: InstrumentState) -> bool:
    """Whether the exchange's list was read and does not name the instrument; its close could be a silent no-op."""
    listed = state.listed.get(each.instrument_type)
    return listed is not None and each.instrument_id not in listed


def needs_positions(state: State, instrument_type: InstrumentType) -> bool:
    """Whether one more counting read may prove an instrument of the type flat that looks flat."""
    counting = f1_counting(state, instrument_type)
    if not counting:
        return True
    own = (each for each in state.instruments.values() if each.instrument_type is instrument_type)
    return any(not each.rows and not f2_is_absent(state, each, counting) for each in own)


# -- order lists ------------------------------------------------------------------------------------------------------


@once
def f4_counts_from_s(state: State, order_list: OrderList, each: InstrumentState) -> float:
    """The earliest start of a list that counts for an instrument; infinity while a call about it is in flight.

    It began a settle time after the flatten opened, after the instrument's own last close, and after the last cancel of
    such orders of it. A trigger order that fires may leave a resting order: the resting list also follows the trigger list.
    """
    if each.in_flight is not None or any(order.in_flight for order in each.orders.values()):
        return math.inf
    from_s = max(each.settled_s + state.limits.settle_s, _list_shows_from_s(state, order_list, each))
    if order_list is OrderList.RESTING:
        from_s = max(from_s, quiet_since_s(state, OrderList.TRIGGER, each) + state.limits.settle_s)
    return from_s


def _list_shows_from_s(state: State, order_list: OrderList, each: InstrumentState) -> float:
    """From when a list shows what waited when the flatten opened, and what the last cancel did."""
    return max(state.opened_s, each.cancelled_s.get(order_list, NEVER_S)) + state.limits.settle_s


def _lists_about(state: State, order_list: OrderList, each: InstrumentState) -> list[SeenList]:
    return state.lists.get((order_list, None if order_list is OrderList.RESTING else each.instrument_id), [])


@once
def _counting_lists(state: State, order_list: OrderList, each: InstrumentState) -> list[SeenList]:
    lists = _lists_about(state, order_list, each)
    if not lists:
        return lists
    from_s = f4_counts_from_s(state, order_list, each)
    return [seen for seen in lists if seen.started_s >= from_s]


def f4_has_opening_order(state: State, each: InstrumentState) -> bool:
    """Whether the newest list that counts shows an order of the instrument that can open a position."""
    counting = (_counting_lists(state, order_list, each) for order_list in _NEEDED_LISTS)
    return any(lists and each.instrument_id in lists[-1].opening for lists in counting)


@once
def is_list_missing(state: State, order_list: OrderList, each: InstrumentState) -> bool:
    """Whether no list that counts shows an opening order, or proves that there is none."""
    counting = _counting_lists(state, order_list, each)
    if not counting:
        return True
    return each.instrument_id not in counting[-1].opening and not f5_is_whole(counting, each, state.limits.settle_s)


def f5_is_whole(counting: list[SeenList], each: InstrumentState, settle_s: float) -> bool:
    """Whether the newest list can prove that an order is not there: not cut, and of one answer or confirmed.

    An order that leaves a page after it was read moves another one into no page. Where a list that began a settle time
    later still shows all of a list, none has left while that one was read.
    """
    newest = counting[-1]
    if not newest.is_exhaustive or not newest.ids:
        return newest.is_exhaustive
    return any(
        each.instrument_id not in before.opening and before.ids <= newest.ids
        for before in counting[:-1]
        if before.arrived_s + settle_s <= newest.started_s
    )


@once
def quiet_since_s(state: State, order_list: OrderList, each: InstrumentState) -> float:
    """The start of the earliest list since which none showed an order that can open; the past where none is quiet.

    An earlier list than the newest counts only if it is whole: an order that it left out may have filled after it.
    """
    since_s, from_s = NEVER_S, _list_shows_from_s(state, order_list, each)
    later: list[SeenList] = []
    for seen in reversed(_lists_about(state, order_list, each)):
        if seen.started_s < from_s or each.instrument_id in seen.opening:
            break
        if not later or _was_whole(seen, later, state.limits.settle_s):
            since_s = seen.started_s
        later.append(seen)
    return since_s


def _was_whole(seen: SeenList, later: list[SeenList], settle_s: float) -> bool:
    """Whether a list was not cut, and of one answer or still shown in full a settle time later."""
    if not seen.is_exhaustive or not seen.ids:
        return seen.is_exhaustive
    return any(seen.arrived_s + settle_s <= each.started_s and seen.ids <= each.ids for each in later)


@once
def f6_positions_from_s(state: State, each: InstrumentState) -> float:
    """The earliest start of a positions read that shows whatever an order did before it was seen to be gone."""
    return max(quiet_since_s(state, order_list, each) for order_list in _NEEDED_LISTS) + state.limits.settle_s


def positions_from_s(state: State, instrument_type: InstrumentType) -> float:
    """The same over a type, once its lists are there; infinity while one is missing that can still come."""
    from_s = NEVER_S
    for each in state.instruments.values():
        if each.instrument_type is not instrument_type:
            continue
        for order_list in _NEEDED_LISTS:
            if is_list_missing(state, order_list, each) and not is_of_no_use(state, list_read(order_list, each)):
                return math.inf
        from_s = max(from_s, f6_positions_from_s(state, each))
    return from_s


def is_of_no_use(state: State, read: f.Read) -> bool:
    """Whether a read failed in a way that asking again cannot change."""
    failing = state.failing.get(read)
    return failing is not None and failing.is_final


# -- history ----------------------------------------------------------------------------------------------------------


@once
def f7_is_shown_closed(state: State, each: InstrumentState) -> bool:
    """Whether the history shows closed all that was seen open, and how each order ended that could open a position.

    What an order opened before it was gone counts as seen open, whether a read ever showed it or not.
    """
    ended = [order for order in each.orders.values() if order.order.can_open]
    if any(order.end is None for order in ended):
        return False
    history = state.history.get(each.instrument_type)
    rows = [row for row in history.rows if row.instrument_id == each.instrument_id] if history else []
    left = sum((row.quantity_contracts for row in each.dust), NOTHING)
    is_spot = each.product_group is ProductGroup.SPOT  # of which fills name no position

    def is_closed(owed: Owed, key: str = "") -> bool:
        since_s = owed.since_s - min(_CLOCK_ERROR_S, state.limits.settle_s)
        own = (row for row in rows if row.closed_s >= since_s and (not key or is_spot or row_key(row) == key))
        return sum((row.closed_contracts for row in own), left) >= owed.contracts

    if not all(is_closed(owed, key) for key, owed in each.owed.items()):
        return False
    filled = [order for order in ended if order.filled_contracts]
    if not filled:
        return True
    base = min((each.base_of(order) for order in filled), key=lambda base: base.since_s)
    return is_closed(Owed(sum((order.filled_contracts for order in filled), base.contracts), base.since_s))


def needs_history(state: State, instrument_type: InstrumentType) -> bool:
    """Whether a later history may confirm an instrument of the type that looks flat."""
    own = (each for each in state.instruments.values() if each.instrument_type is instrument_type)
    return any(
        not each.rows and each.in_flight is None and (each.owed or each.orders) and not f7_is_shown_closed(state, each)
        for each in own
    )


# -- the end ----------------------------------------------------------------------------------------------------------


def proof_ends_s(state: State) -> float:
    """When what is unproven stays so: a bounded time after the last call was settled, a short one after a stop."""
    limits = state.limits
    if not state.is_read:
        return min(state.opened_s + limits.sending_time_s, state.stopped_s + limits.interrupt_s)
    quiet_s = max(state.settled_s, state.first_read_s) + limits.settle_s
    ends_s = quiet_s + limits.proof_time_s + len(state.instruments) * limits.list_time_s
    return min(ends_s, max(state.stopped_s, state.settled_s + limits.settle_s) + limits.interrupt_s)


def presence_ends_s(state: State) -> float:
    """When the history was waited for long enough; at once after a stop."""
    wait_s = 0.0 if state.stopped_s < math.inf else state.limits.presence_s
    return state.settled_s + state.limits.settle_s + wait_s


def is_settled(state: State, now_s: float) -> bool:
    """Whether no call is in flight, and time brings no better verdict or is up."""
    if state.in_flight:
        return False
    if now_s >= proof_ends_s(state):
        return True
    if not state.is_read or any(state.positions[each][-1].started_s < f1_counts_from_s(state) for each in state.types):
        return False
    return all(_is_settled(state, each, now_s) for each in state.instruments.values())


def _is_settled(state: State, each: InstrumentState, now_s: float) -> bool:
    judgement = judge_one(state, each, now_s)
    match judgement.proven:
        case Proven.FLAT_UNCONFIRMED:
            is_denied = is_of_no_use(state, f.Read(lane=f.Lane.HISTORY, instrument_type=each.instrument_type))
            return now_s >= presence_ends_s(state) or is_denied
        case Proven.UNVERIFIED:
            return judgement.cause == "UNLISTED"
        case _:
            return True
