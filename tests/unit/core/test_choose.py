"""What is sent next, and what may still leave: closes, cancels, and the lanes that a fact wakes."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from core_facts import (
    COIN,
    OWN,
    SPOT,
    A,
    B,
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

from deepcoin_ops.core import choose, rules
from deepcoin_ops.core.reads import Wait
from deepcoin_ops.core.state import State, fold
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.model import InstrumentType, Outcome, Refusal
from deepcoin_ops.domain.orders import OrderKind


def call_of(state: State, lane: f.Lane, now_s: float) -> f.Call:
    """The call that a lane sends now."""
    found = choose.next_call(state, lane, now_s)
    assert isinstance(found, f.Call)
    return found


def test_what_was_recorded_too_long_ago_does_not_leave() -> None:
    """Another process takes it for lost a hold time after its record, so that it leaves within the gap or not at all."""
    state = start(row_of(A))
    call = call_of(state, f.Lane.CLOSE, 5.0)
    assert choose.may_still_send(state, call, 5.0, 5.0 + state.limits.gap_s)
    assert not choose.may_still_send(state, call, 5.0, 5.1 + state.limits.gap_s)
    after(state, listing(5.0, order_of(A)))
    cancels = call_of(state, f.Lane.CANCEL_RESTING, 5.2)
    assert choose.may_still_send(state, cancels, 5.2, 5.2 + state.limits.gap_s)
    assert not choose.may_still_send(state, cancels, 5.2, 5.3 + state.limits.gap_s)


def test_an_order_whose_cancel_is_in_flight_is_not_cancelled_beside_it() -> None:
    """Two cancels of one order say nothing of which of them was late."""
    state = after(start(row_of(A)), listing(1.2, order_of(A)), listing(1.2, order_of(A, "t", OrderKind.TRIGGER), about=A))
    assert call_of(state, f.Lane.CANCEL_RESTING, 2.0).ids == ("o",)
    after(state, cancel(2.0))
    assert isinstance(choose.next_call(state, f.Lane.CANCEL_RESTING, 2.1), Wait)
    assert call_of(state, f.Lane.CANCEL_SINGLE, 2.1).ids == ("t",)


def test_nothing_is_cancelled_on_a_list_from_before_a_gap_of_the_scheduler() -> None:
    """Also not what was chosen before it."""
    state = after(start(row_of(A)), listing(1.2, order_of(A)))
    call = call_of(state, f.Lane.CANCEL_RESTING, 2.0)
    after(state, f.SchedulerGap(**OWN, at_s=3.0, gap_s=1.0))
    assert isinstance(choose.next_call(state, f.Lane.CANCEL_RESTING, 3.1), Wait)
    assert not choose.may_still_send(state, call, 2.0, 3.1)
    after(state, listing(3.2, order_of(A)))
    assert call_of(state, f.Lane.CANCEL_RESTING, 3.4).ids == ("o",)


def test_an_order_is_cancelled_again_only_on_a_list_that_shows_what_the_last_cancel_did() -> None:
    """It began a settle time after the answer."""
    state = after(start(row_of(A)), listing(1.2, order_of(A)), cancel(2.0), answered(2.1, call_id="k"))
    after(state, listing(5.0, order_of(A)))
    assert isinstance(choose.next_call(state, f.Lane.CANCEL_RESTING, 5.2), Wait)
    after(state, listing(5.1, order_of(A)))
    assert call_of(state, f.Lane.CANCEL_RESTING, 5.3).rule == "K2"


def test_cancels_that_are_called_wrong_end() -> None:
    """As those that did nothing do: a throttled one does not count."""
    state = after(start(row_of(A), max_attempts=2), listing(1.2, order_of(A)))
    for number, refusal in enumerate((Refusal.THROTTLED, Refusal.PARAMETER, Refusal.PARAMETER)):
        at_s = 2.0 + 5 * number
        assert call_of(state, f.Lane.CANCEL_RESTING, at_s).ids == ("o",)
        refused = answered(at_s + 0.1, Outcome.REFUSED, "k", refusal=refusal)
        after(state, cancel(at_s), refused, listing(at_s + 4.0, order_of(A)))
    assert isinstance(choose.next_call(state, f.Lane.CANCEL_RESTING, 20.0), Wait)
    assert state.instruments[A].orders["o"].attempts == 2


def test_an_exit_goes_once_a_list_that_began_after_the_close_still_shows_it() -> None:
    """The exchange takes it away itself, with its position."""
    exit_ = order_of(A, "e", OrderKind.PROTECTION, side="sell")
    state = after(start(row_of(A)), listing(1.2, exit_, about=A))
    assert isinstance(choose.next_call(state, f.Lane.CANCEL_SINGLE, 1.5), Wait)
    after(state, *sent(2.0), listing(5.0, exit_, about=A), positions(5.2))
    assert isinstance(choose.next_call(state, f.Lane.CANCEL_SINGLE, 5.4), Wait)
    after(state, listing(5.5, exit_, about=A))
    assert call_of(state, f.Lane.CANCEL_SINGLE, 5.7).ids == ("e",)


def test_a_close_waits_while_a_cancel_of_its_resting_orders_is_on_its_way() -> None:
    """The first and each later one: the order may hold the size of the close until it is answered."""
    state = after(start(row_of(A)), listing(1.2, order_of(A)))
    held_until_s = 1.3 + state.limits.hold_s
    for number in range(2):
        after(state, cancel(2.0 + 5 * number))
        assert rules.s10_blocked_until_s(state, state.instruments[A]) == held_until_s
        after(state, answered(2.1 + 5 * number, call_id="k"), listing(6.0 + 5 * number, order_of(A)))
        assert rules.s10_blocked_until_s(state, state.instruments[A]) == -math.inf


def test_three_unknown_outcomes_pause_only_if_nothing_else_came_between() -> None:
    """A close whose outcome is known ends the row; one that was not sent says nothing."""
    names = [f"C{number}-USDT-SWAP" for number in range(6)]
    outcomes = [Outcome.UNKNOWN, Outcome.UNKNOWN, Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.UNKNOWN]
    state = start(*(row_of(name, position_id=name) for name in names))
    for number, (name, outcome) in enumerate(zip(names, outcomes, strict=False)):
        after(state, *sent(2.0 + number, outcome, f"c{number}", name))
        assert not rules.s6_is_paused(state)
    after(state, *sent(8.0, Outcome.NOT_SENT, "n", names[5]))
    assert not rules.s6_is_paused(state)
    after(state, *sent(9.0, Outcome.UNKNOWN, "u", names[5]))
    assert rules.s6_is_paused(state)


def test_a_pause_ends_with_a_read_that_began_after_the_last_unknown_outcome() -> None:
    """One that was on its way then may be as blind as the closes."""
    names = [f"C{number}-USDT-SWAP" for number in range(3)]
    rows = [row_of(name, position_id=name) for name in names]
    state = start(*rows)
    for number, name in enumerate(names):
        after(state, *sent(2.0 + number, Outcome.UNKNOWN, f"c{number}", name))
    after(state, positions(4.1, *rows))
    assert rules.s6_is_paused(state)
    after(state, positions(4.2, *rows))
    assert not rules.s6_is_paused(state)


@pytest.mark.parametrize(
    ("limits", "is_above"),
    [
        ({"cap_usdt": 30}, False),
        ({"cap_usdt": 29}, True),
        ({"cap_instrument_usdt": 20}, False),
        ({"cap_instrument_usdt": 19}, True),
        ({"cap_open_instruments": 2}, False),
        ({"cap_open_instruments": 1}, True),
    ],
    ids=str,
)
def test_what_is_open_may_reach_a_cap_and_not_pass_it(limits: dict[str, int], is_above: bool) -> None:
    """A is worth 10 USDT and B 20."""
    state = after(start(row_of(A, 10), row_of(B, 10, "2"), **limits), listed(A, B), priced(btc="1", eth="2"))
    assert (rules.s8_find_excess(state) is not None) is is_above


def test_a_coin_margined_contract_is_worth_its_size_in_usd() -> None:
    """Its contract size is in USD, so that it needs no price; a linear one without a price goes before it."""
    state = after(start(row_of(COIN, 7), row_of(A, 1, "2")), listed(A, COIN, contract_size="100"))
    assert state.instruments[COIN].notional_usdt == Decimal(700)
    assert [each.instrument_id for each in state.ranked] == [A, COIN]


def test_a_spot_rest_of_just_the_smallest_size_is_sold() -> None:
    """Only what is smaller cannot be."""
    for min_size, is_dust in (("5", False), ("5.1", True)):
        state = after(start(row_of(SPOT, 5)), listed(SPOT, min_size=min_size), priced(sol="1"))
        assert bool(state.instruments[SPOT].dust) is is_dust


@pytest.mark.parametrize("refusal", [Refusal.THROTTLED, None], ids=["throttled", "not sent"])
def test_what_says_nothing_of_an_instrument_does_not_end_its_attempts(refusal: Refusal | None) -> None:
    """Nor does it need a read that shows what it did."""
    state = start(row_of(A))
    outcome = Outcome.REFUSED if refusal else Outcome.NOT_SENT
    for number in range(5):
        at_s = 4.0 + number / 2
        after(state, close(at_s, f"c{number}"), answered(at_s + 0.1, outcome, f"c{number}", refusal=refusal, code="50011"))
    assert not rules.s7_is_spent(state, state.instruments[A])
    assert call_of(state, f.Lane.CLOSE, 7.0).instrument_ids == (A,)


def test_a_fact_wakes_each_lane_that_it_gives_something_to_do() -> None:
    """A list that came may be the last that a proof waited for, so that the positions are asked for as well."""
    woken = set(choose.lanes_after(listing(1.0)))
    assert woken == set(f.Lane)
    assert f.Lane.HISTORY in choose.lanes_after(positions(1.0))
    assert f.Lane.RESTING in choose.lanes_after(answered(1.0))
    failed = f.ReadFailed(
        **OWN, at_s=1.0, started_s=1.0, read=f.Read(lane=f.Lane.HISTORY, instrument_type=InstrumentType.SWAP), reason=""
    )
    assert set(choose.lanes_after(failed)) == {f.Lane.HISTORY, f.Lane.POSITIONS}
    assert choose.lanes_after(f.StopAsked(**OWN, at_s=1.0, reason="")) == ()


def test_the_first_close_waits_a_moment_for_prices_and_no_later_one_does() -> None:
    """Three seconds from the first complete read; then what is known has to do."""
    state = after(start(row_of(A), row_of(B, 5, "2")), listing(1.2))
    assert choose.next_call(state, f.Lane.CLOSE, 2.0) == Wait(4.1)
    assert call_of(state, f.Lane.CLOSE, 4.1).instrument_ids == (A,)
    after(state, listed(A, B), priced(btc="1", eth="2"))
    assert call_of(state, f.Lane.CLOSE, 2.0).instrument_ids == (B,)


def test_a_flatten_of_which_no_list_of_positions_comes_may_not_act_for_ever() -> None:
    """It ends with the time for sending."""
    state = fold([opened(A)])
    assert choose.may_act(state, state.limits.sending_time_s - 0.1)
    assert choose.is_over(state, state.limits.sending_time_s)
