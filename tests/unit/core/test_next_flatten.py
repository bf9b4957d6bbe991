"""What an earlier flatten of the account leaves to the next one: calls in flight, what settles, orders, what is owed."""

from __future__ import annotations

import math
from decimal import Decimal

import msgspec
import pytest
from core_facts import OWN, A, B, after, answered, cancel, close, listing, opened, order_of, positions, row_of, sent, start

from deepcoin_ops.core import judge, rules
from deepcoin_ops.core.known import Owed
from deepcoin_ops.core.state import fold
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.limits import Limits
from deepcoin_ops.domain.model import InstrumentType, Outcome
from deepcoin_ops.domain.orders import OrderList

SETTLE_S, HOLD_S = Limits().settle_s, Limits().gap_s + Limits().unknown_hold_s
OTHER = "another"


def test_a_close_that_was_answered_a_moment_ago_is_seen_by_the_next_flatten_a_settle_time_after_its_answer() -> None:
    """A read that began earlier shows what was open before it, and nothing is closed on that."""
    state = after(start(row_of(A)), *sent(2.0), opened(A, at_s=2.5, flatten_id="two"))
    each = state.instruments[A]
    assert each.evidence_from_s == 2.1 + SETTLE_S
    assert each.settled_s == 2.1
    for started_s, has_evidence in ((5.0, False), (5.2, True)):
        assert rules.s5_has_evidence(after(state, _seen(started_s)), each) is has_evidence


@pytest.mark.parametrize(
    ("boot_id", "settled_s"), [("", 2.0 + HOLD_S), (OTHER, 50.0 + HOLD_S)], ids=["the same boot", "another boot"]
)
def test_a_call_without_an_answer_is_held_from_its_intent_or_from_the_opening(boot_id: str, settled_s: float) -> None:
    """The clock of another boot says nothing of when it left."""
    opened_s = 50.0 if boot_id else 3.0
    state = after(start(row_of(A)), close(2.0), opened(A, at_s=opened_s, flatten_id="two", boot_id=boot_id))
    assert state.settled_s == state.acted_s == settled_s
    each = state.instruments[A]
    assert (each.settled_s, each.evidence_from_s) == (settled_s, settled_s + SETTLE_S)
    assert not state.in_flight


def test_a_call_that_was_lost_long_ago_settles_with_the_opening() -> None:
    """No proof begins before that."""
    state = after(start(row_of(A)), close(2.0), opened(A, at_s=90.0, flatten_id="two"))
    assert state.settled_s == 90.0
    assert judge.f1_counts_from_s(state) == 90.0 + SETTLE_S


@pytest.mark.parametrize("boot_id", ["", OTHER])
def test_a_cancel_without_an_answer_holds_the_proof_and_no_close(boot_id: str) -> None:
    """It closes nothing, and another cancel of the order is no harm."""
    state = after(start(row_of(A)), listing(1.2, order_of(A)), cancel(2.0))
    after(state, opened(A, at_s=3.0, flatten_id="two", boot_id=boot_id))
    assert state.settled_s == (3.0 if boot_id else 2.0) + HOLD_S
    assert state.instruments[A].evidence_from_s == -math.inf
    assert state.instruments[A].orders["o"].in_flight is None


def test_moments_of_another_boot_begin_with_the_opening_and_last_no_longer_than_their_rule() -> None:
    """Its clock may be days ahead or behind."""
    state = after(start(row_of(A)), *sent(2.0), opened(A, at_s=-700.0, flatten_id="two", boot_id=OTHER))
    each = state.instruments[A]
    assert each.settled_s == -700.0 + 2.1
    assert each.evidence_from_s == pytest.approx(-700.0 + 2.1 + SETTLE_S)
    late = after(start(row_of(A)), *sent(900.0), opened(A, at_s=5.0, flatten_id="two", boot_id=OTHER))
    assert late.instruments[A].settled_s == 5.0 + HOLD_S
    assert late.instruments[A].evidence_from_s == 5.0 + HOLD_S + SETTLE_S


def test_moments_of_another_boot_are_counted_from_the_opening_of_their_own_flatten() -> None:
    """Two seconds after it opened are two seconds after the next one did."""
    state = fold([opened(A, at_s=600.0), positions(601.0, row_of(A)), *sent(602.0)])
    after(state, opened(A, at_s=5.0, flatten_id="two", boot_id=OTHER))
    assert state.instruments[A].settled_s == pytest.approx(5.0 + 2.1)
    assert state.instruments[A].evidence_from_s == pytest.approx(5.0 + 2.1 + SETTLE_S)


def test_attempts_stops_deadlines_and_reads_begin_anew() -> None:
    """What one flatten gave up, the next one may try."""
    state = after(start(row_of(A), row_of(B, 5, "2")), *sent(2.0, Outcome.UNKNOWN), f.StopAsked(**OWN, at_s=3.0, reason=""))
    after(state, opened(A, at_s=9.0, flatten_id="two"))
    each = state.instruments[A]
    assert set(state.instruments) == {A}
    assert (each.attempts, each.calls, each.rows, each.was_open, state.closes, state.opened) == (0, 0, (), False, 0, 0)
    assert (state.stop, state.stopped_s, state.is_admitted, state.is_read) == (None, math.inf, False, False)
    assert (state.unknown_streak, state.positions, state.lists, state.deadline_s) == (0, {}, {}, math.inf)


def test_an_order_that_could_open_is_looked_for_until_its_end_is_known() -> None:
    """One that can only close is not, and neither is one whose end the history has shown."""
    orders = (order_of(A), order_of(A, "x", side="sell"), order_of(A, "ended"))
    ended = f.OrderEndsRead(
        **OWN,
        at_s=4.5,
        started_s=4.4,
        instrument_type=InstrumentType.SWAP,
        order_list=OrderList.RESTING,
        ended=(f.EndedOrder("ended", f.OrderEnd.CANCELLED),),
    )
    state = after(start(row_of(A)), listing(1.2, *orders), cancel(2.0), answered(2.1, call_id="k"), listing(4.0), ended)
    after(state, opened(A, at_s=5.0, flatten_id="two"))
    assert set(state.instruments[A].orders) == {"o"}
    order = state.instruments[A].orders["o"]
    assert (order.attempts, order.in_flight, order.gone_s, order.seen_s) == (0, None, 4.0, -math.inf)
    assert order.settled_s == 2.1


def test_an_order_that_still_waits_is_not_gone_because_another_flatten_begins() -> None:
    """Its list has to be read again."""
    state = after(start(row_of(A)), listing(1.2, order_of(A)), opened(A, at_s=5.0, flatten_id="two"))
    assert state.instruments[A].orders["o"].gone_s == math.inf


def test_a_close_of_another_flatten_is_no_close_of_this_one() -> None:
    """It is awaited like an own one, and does not end the wait for prices."""
    intended = msgspec.structs.replace(close(2.0), flatten_id="zero")
    state = after(start(row_of(A)), intended)
    assert (state.closes, state.closes_in_flight, state.instruments[A].in_flight) == (0, 1, "c")
    assert after(state, answered(2.1)).closes_in_flight == 0


def test_what_is_owed_lasts_over_flattens_that_prove_nothing() -> None:
    """However many there are."""
    state = after(start(row_of(A)), positions(2.0))
    for number in range(3):
        after(state, opened(A, at_s=9.0 + number, flatten_id=f"flatten {number}"))
    assert state.instruments[A].owed == {"1": Owed(Decimal(5), 1.0)}


def _seen(started_s: float) -> f.PositionsRead:
    """A read of the second flatten that shows A open."""
    return f.PositionsRead(
        flatten_id="two",
        at_s=started_s + 0.1,
        started_s=started_s,
        instrument_type=InstrumentType.SWAP,
        rows=(row_of(A),),
    )
