"""What keeps a close or a cancel back, seen from the lane that would send it."""

from __future__ import annotations

import math
from decimal import Decimal

import msgspec
import pytest
from core_facts import (
    OWN,
    SPOT,
    A,
    B,
    admitted,
    after,
    answered,
    cancel,
    close,
    listed,
    listing,
    opened,
    order_of,
    positions,
    priced,
    row_of,
    sent,
    start,
)

from deepcoin_ops.core import choose, reads, rules
from deepcoin_ops.core.reads import Wait
from deepcoin_ops.core.state import fold
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.model import InstrumentType, Outcome

C = "XRP-USDT-SWAP"
BOTH = (row_of(A), row_of(B, 5, "2"))


def test_an_order_that_the_newest_list_does_not_show_is_not_cancelled() -> None:
    """Also if it was chosen before that list came."""
    state = after(start(row_of(A)), listing(1.2, order_of(A)))
    call = choose.next_call(state, f.Lane.CANCEL_RESTING, 1.4)
    assert isinstance(call, f.Call)
    after(state, listing(1.5))
    assert isinstance(choose.next_call(state, f.Lane.CANCEL_RESTING, 1.7), Wait)
    assert not choose.may_still_send(state, call, 1.4, 1.7)


def test_a_close_that_was_chosen_does_not_leave_once_an_order_is_seen_that_may_hold_its_size() -> None:
    """It is chosen again when the order is gone."""
    state = after(start(row_of(A)), listing(1.2))
    call = choose.next_call(state, f.Lane.CLOSE, 5.0)
    assert isinstance(call, f.Call)
    after(state, listing(5.0, order_of(A)))
    assert not choose.may_still_send(state, call, 5.0, 5.2)
    after(state, listing(5.3))
    assert choose.may_still_send(state, call, 5.0, 5.5)


def test_a_close_that_was_chosen_does_not_leave_if_now_it_would_be_another_one() -> None:
    """An answer named the rows that are left, so that they would be closed by their ids."""
    state = after(start(row_of(A)), listing(1.2))
    call = choose.next_call(state, f.Lane.CLOSE, 5.0)
    assert isinstance(call, f.Call)
    assert call.kind is f.CallKind.BATCH_CLOSE
    state.instruments[A].names_rows = True
    assert not choose.may_still_send(state, call, 5.0, 5.1)


def test_the_lane_waits_for_the_earliest_of_what_is_blocked() -> None:
    """Two instruments wait for cancels; the order of the first was seen later."""
    state = after(start(*BOTH), listing(1.2, order_of(B, "b")), listing(1.6, order_of(A, "a"), order_of(B, "b")))
    assert choose.next_call(state, f.Lane.CLOSE, 5.0) == Wait(1.3 + state.limits.hold_s)
    call = choose.next_call(state, f.Lane.CLOSE, 1.3 + state.limits.hold_s)
    assert not isinstance(call, f.Call)  # its read is too old by then
    after(state, positions(36.0, *BOTH))
    again = choose.next_call(state, f.Lane.CLOSE, 36.4)
    assert isinstance(again, f.Call)
    assert again.instrument_ids == (B,)


def test_no_more_closes_wait_for_their_answers_than_may() -> None:
    """The next one leaves when an answer comes."""
    rows = [row_of(name, position_id=name) for name in (A, B, C)]
    state = after(start(*rows, max_in_flight=2), listing(1.2), close(5.0, "a", A), close(5.0, "b", B))
    assert choose.next_call(state, f.Lane.CLOSE, 5.1) == Wait(math.inf)
    after(state, answered(5.2, call_id="a"))
    call = choose.next_call(state, f.Lane.CLOSE, 5.3)
    assert isinstance(call, f.Call)
    assert call.instrument_ids == (C,)


def test_cancels_take_no_room_from_closes() -> None:
    """An account may await the answers of some closes, and of cancels beside them."""
    state = after(start(*BOTH, max_in_flight=1), listing(1.2, order_of(A)), cancel(2.0))
    call = choose.next_call(state, f.Lane.CLOSE, 5.0)
    assert isinstance(call, f.Call)
    assert call.instrument_ids == (B,)


def test_a_cancel_is_no_first_close() -> None:
    """The first close waits for prices all the same, and what is opened meanwhile counts as there at first."""
    state = after(start(*BOTH), listing(1.2, order_of(A)), cancel(1.4), answered(1.5, call_id="k"))
    assert choose.next_call(state, f.Lane.CLOSE, 1.6) == Wait(4.1)
    after(state, positions(1.7, *BOTH, row_of(A, 1, "9")), *sent(4.2, name=B), positions(4.4, *BOTH, row_of(A, 1, "10")))
    assert state.instruments[A].first_ids == {"1", "9"}


@pytest.mark.parametrize("cause", ["unknown", "cap"])
def test_a_rule_about_the_whole_account_keeps_every_close_back(cause: str) -> None:
    """Also one that was chosen before it held; nothing is wrong with the instrument."""
    state = after(start(*BOTH, row_of(C, 5, "3"), cap_open_instruments=3), listing(1.2))
    call = choose.next_call(state, f.Lane.CLOSE, 5.0)
    assert isinstance(call, f.Call)
    if cause == "cap":
        after(state, positions(5.1, *BOTH, row_of(C, 5, "3")))
        state.limits = start(row_of(A), cap_open_instruments=2).limits
    else:
        for number in range(3):
            after(state, *sent(5.0 + number / 10, Outcome.UNKNOWN, f"c{number}", C if number else B))
    assert choose.next_call(state, f.Lane.CLOSE, 5.4) == Wait(math.inf)
    assert not choose.may_still_send(state, call, 5.0, 5.4)


def test_a_pause_makes_a_read_due_that_begins_after_the_last_unknown_outcome() -> None:
    """At once: with nothing else to close, nothing else would ask for it so soon."""
    names = [f"C{number}-USDT-SWAP" for number in range(4)]
    state = start(*(row_of(name, position_id=name) for name in names))
    for number, name in enumerate(names[:3]):
        after(state, *sent(2.0 + number, Outcome.UNKNOWN, f"c{number}", name))
    assert isinstance(reads.next_read(state, f.Lane.POSITIONS, 4.1), Wait)
    assert isinstance(reads.next_read(state, f.Lane.POSITIONS, 4.1001), f.Read)


def test_what_is_dust_is_no_news_of_what_is_open() -> None:
    """It is worth little at first, and a fortune once the price is right."""
    state = after(start(row_of(SPOT, 5)), listed(SPOT, min_size="9"), priced(sol="1"))
    each = state.instruments[SPOT]
    assert (each.rows, state.ranked) == ((), [])
    after(state, f.PricesRead(**OWN, at_s=2.0, prices={SPOT: Decimal(1000)}))
    assert each.rows
    assert state.ranked == [each]
    after(state, priced(sol="1"), positions(3.0, kind=InstrumentType.SPOT))
    assert (each.rows, each.dust) == ((), ())


def test_what_the_exchange_does_not_list_is_never_closed() -> None:
    """Also not what was chosen before the list came; without a list it may be."""
    state = after(start(row_of(A)), listing(1.2))
    call = choose.next_call(state, f.Lane.CLOSE, 5.0)
    assert isinstance(call, f.Call)
    after(state, listed(B))
    assert choose.next_call(state, f.Lane.CLOSE, 5.0) == Wait(math.inf)
    assert not choose.may_still_send(state, call, 5.0, 5.0)
    assert not choose.may_act(state, 5.0)


def test_a_flatten_that_only_reads_sends_nothing() -> None:
    """A plan looks at the same and chooses nothing."""
    facts = [msgspec.structs.replace(opened(A), may_send=False), positions(1.0, row_of(A)), admitted(), listing(1.2)]
    state = fold([*facts, listing(1.3, order_of(A))])
    for lane in (f.Lane.CLOSE, f.Lane.CANCEL_RESTING):
        assert choose.next_call(state, lane, 5.0) == Wait(math.inf)
    assert rules.s1_find_stop(state, 5.0) == ("READ_ONLY", "this flatten only reads")
