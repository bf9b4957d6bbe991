"""When lists are read again: to confirm, to count, to follow others; and what each type of positions is read for."""

from __future__ import annotations

import dataclasses
import math

import pytest
from core_facts import (
    OWN,
    SPOT,
    A,
    B,
    admitted,
    after,
    close,
    listed,
    listing,
    opened,
    order_of,
    positions,
    row_of,
    sent,
    start,
)

from deepcoin_ops.core import choose, reads, rules
from deepcoin_ops.core.reads import Wait
from deepcoin_ops.core.state import State, fold
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.model import InstrumentType, Outcome, Position, PositionSide, Refusal
from deepcoin_ops.domain.orders import OrderKind, OrderList


def wake_s(state: State, lane: f.Lane, now_s: float) -> float:
    """The moment before which a lane has nothing to do; the present where it has."""
    found = choose.next_call(state, lane, now_s)
    return found.until_s if isinstance(found, Wait) else now_s


def test_a_list_of_several_answers_is_read_again_a_settle_time_after_its_last_one() -> None:
    """To confirm it; one of a single answer needs nothing more."""
    facts = [opened(A), listed(A), positions(0.2), listing(3.1, about=A)]
    assert wake_s(fold([*facts, listing(6.5, order_of(B))]), f.Lane.RESTING, 6.6) == math.inf
    several = fold([*facts, listing(6.5, order_of(B), pages=2, arrived_s=8.0)])
    assert wake_s(several, f.Lane.RESTING, 8.0) == 8.0 + several.limits.settle_s


def test_the_list_of_resting_orders_follows_those_of_trigger_orders() -> None:
    """While one of them is missing it is read now and then; then a settle time after the last of them."""
    state = fold([opened(A, B), listed(A, B), positions(0.2), listing(1.0), listing(3.1, about=A)])
    assert wake_s(state, f.Lane.RESTING, 3.2) == 6.0
    after(state, listing(4.1, about=B))
    assert wake_s(state, f.Lane.RESTING, 4.2) == 4.1 + state.limits.settle_s


def test_a_trigger_list_that_counts_is_not_read_again() -> None:
    """One that began too early is, once it would count."""
    state = fold([opened(A), listed(A), positions(0.2), listing(1.0, about=A)])
    assert wake_s(state, f.Lane.TRIGGER, 1.2) == state.limits.settle_s
    after(state, listing(3.1, about=A))
    assert wake_s(state, f.Lane.TRIGGER, 3.2) == math.inf


def test_trailing_exits_are_listed_once() -> None:
    """And again only to show what a cancel did."""
    state = after(start(row_of(A)), listing(0.5), *sent(2.0), positions(5.2), listing(5.3, about=A))
    found = reads.next_read(state, f.Lane.TRIGGER, 5.4)
    assert isinstance(found, f.Read)
    assert found.order_list is OrderList.TRAILING
    after(state, listing(5.4, about=A, of=OrderList.TRAILING))
    assert wake_s(state, f.Lane.TRIGGER, 5.6) == math.inf


def test_a_type_is_read_for_its_own_instruments() -> None:
    """Nothing is open of spot, so that its read need not be fresh."""
    state = start(row_of(A), row_of(B, 5, "2"), row_of(SPOT))
    after(state, positions(1.3, kind=InstrumentType.SPOT), close(2.0, name=A))
    assert reads.r1_positions_due_s(state, InstrumentType.SWAP, 2.1) == 1.0 + state.limits.freshness_s / 3
    assert reads.r1_positions_due_s(state, InstrumentType.SPOT, 2.1) == math.inf


def test_nothing_is_sent_before_every_type_was_read_and_the_flatten_was_admitted() -> None:
    """Whatever is open of the other type may be larger."""
    state = fold([opened(A, SPOT), listing(0.5), admitted(0.6), positions(1.0, row_of(A)), listing(1.2, order_of(B))])
    assert not rules.s2_is_ready(state)
    assert choose.next_call(state, f.Lane.CLOSE, 5.0) == Wait(math.inf)
    after(state, positions(2.0, kind=InstrumentType.SPOT))
    assert isinstance(choose.next_call(state, f.Lane.CLOSE, 5.5), f.Call)
    waiting = fold([opened(A), positions(1.0, row_of(A)), listing(1.2)])
    assert choose.next_call(waiting, f.Lane.CLOSE, 5.0) == Wait(math.inf)


def test_a_fatal_refusal_ends_sends_and_its_code_is_the_cause() -> None:
    """A key that is locked out answers every call so; without a code it is called fatal."""
    for code, cause in (("50113", "50113"), ("", "FATAL")):
        refused = f.CallAnswered(
            **OWN, at_s=2.1, call_id="c", outcome=Outcome.REFUSED, reason="", refusal=Refusal.FATAL, code=code
        )
        state = after(start(row_of(A)), close(2.0), refused)
        stop = rules.s1_find_stop(state, 2.1)
        assert stop is not None
        assert stop[0] == cause


def test_a_trailing_exit_without_a_side_is_not_cancelled() -> None:
    """Its cancel would have to name one."""
    for side, is_cancelled in ((PositionSide.LONG, True), (None, False)):
        order = dataclasses.replace(order_of(A, "", OrderKind.TRAILING, side="sell"), position_side=side)
        facts = (listing(0.5), *sent(2.0), positions(5.2), listing(5.3, order, about=A, of=OrderList.TRAILING))
        found = choose.next_call(after(start(row_of(A)), *facts), f.Lane.CANCEL_SINGLE, 5.5)
        assert isinstance(found, f.Call) is is_cancelled


@pytest.mark.parametrize("rows", [(), (row_of(A),)], ids=["gone", "open"])
def test_an_exit_stays_while_a_close_is_in_flight(rows: tuple[Position, ...]) -> None:
    """The position may be there again with its answer."""
    exit_ = order_of(A, "e", OrderKind.PROTECTION, side="sell")
    state = after(start(row_of(A)), listing(1.2, exit_, about=A), close(2.0), positions(2.2, *rows))
    after(state, listing(2.5, exit_, about=A))
    assert isinstance(choose.next_call(state, f.Lane.CANCEL_SINGLE, 2.7), Wait)
