"""What proves an instrument flat, what proves nothing, why it is open, and when a flatten is over."""

from __future__ import annotations

import math
from decimal import Decimal

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

from deepcoin_ops.core import choose, judge
from deepcoin_ops.core.judge import Proven
from deepcoin_ops.core.known import Owed
from deepcoin_ops.core.state import State, fold
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.model import InstrumentType, Position
from deepcoin_ops.domain.orders import OrderList

SETTLE_S = 3.0


def quiet() -> State:
    """A flatten of A, which never was open, with lists that count and one positions read that began at 10."""
    facts = [opened(A), admitted(0.1), listed(A), positions(0.2), listing(3.1, about=A), listing(6.5), positions(10.0)]
    return fold(facts)


def proven(state: State, now_s: float = 20.0, name: str = A) -> tuple[Proven, str]:
    """What is proven of an instrument, and the cause."""
    found = judge.judge_one(state, state.instruments[name], now_s)
    return found.proven, found.cause


def history(started_s: float, *rows: f.ClosedRow, kind: InstrumentType = InstrumentType.SWAP) -> f.HistoryRead:
    """What the exchange's history shows closed."""
    return f.HistoryRead(**OWN, at_s=started_s + 0.1, started_s=started_s, instrument_type=kind, rows=rows)


@pytest.mark.parametrize(("second_s", "is_flat"), [(11.05, False), (11.2, True)])
def test_two_reads_a_gap_apart_prove_absence(second_s: float, is_flat: bool) -> None:
    """The gap is between their starts, however long they took."""
    state = fold([opened(A), listed(A), positions(0.2), listing(3.1, about=A), listing(6.5)])
    after(state, positions(10.0, arrived_s=10.9), positions(second_s, arrived_s=13.0))
    f1_reads = [read for read in judge.f1_counting(state, InstrumentType.SWAP) if read.started_s >= 10.0]
    assert judge.f2_is_absent(state, state.instruments[A], f1_reads) is is_flat


@pytest.mark.parametrize("row", [None, row_of(A)], ids=["never seen", "seen between"])
def test_a_row_between_two_reads_without_it_begins_the_gap_anew(row: Position | None) -> None:
    """Two reads after it are needed."""
    state = after(quiet(), positions(11.2, *((row,) if row else ())), positions(12.4))
    reads = judge.f1_counting(state, InstrumentType.SWAP)
    assert judge.f2_is_absent(state, state.instruments[A], reads) is (row is None)
    assert judge.f2_is_absent(
        after(state, positions(13.6)), state.instruments[A], judge.f1_counting(state, InstrumentType.SWAP)
    )


@pytest.mark.parametrize(("started_s", "is_late"), [(9.4, False), (9.6, True)])
def test_the_last_read_that_counts_begins_a_settle_time_after_the_lists(started_s: float, is_late: bool) -> None:
    """Its start decides: what arrives late was asked for early."""
    facts = [opened(A), listed(A), positions(0.2), positions(4.0), listing(3.1, about=A), listing(6.5)]
    state = fold([*facts, positions(started_s, arrived_s=12.0)])
    assert proven(state) == ((Proven.ALREADY_FLAT, "") if is_late else (Proven.UNVERIFIED, "NO_LATER_READ"))


@pytest.mark.parametrize(("second_s", "is_whole"), [(11.9, False), (12.1, True)])
def test_a_list_of_several_answers_is_confirmed_by_one_that_began_a_settle_time_after_it_was_read(
    second_s: float, is_whole: bool
) -> None:
    """From its last answer on: an order may have left a page before the next one was asked for."""
    other = order_of(B)
    facts = [opened(A), listed(A), positions(0.2), listing(3.1, about=A)]
    state = fold([*facts, listing(6.5, other, pages=2, arrived_s=9.0), listing(second_s, other, pages=2)])
    lists = state.lists[OrderList.RESTING, None]
    assert judge.f5_is_whole(lists, state.instruments[A], SETTLE_S) is is_whole


def test_a_list_of_one_answer_needs_no_other_to_confirm_it() -> None:
    """Nothing can have moved from one page to another."""
    state = fold([opened(A), listing(6.5, order_of(B))])
    assert judge.f5_is_whole(state.lists[OrderList.RESTING, None], state.instruments[A], SETTLE_S)


def test_a_list_that_may_be_cut_says_of_no_order_that_it_is_gone() -> None:
    """It may be behind the cut; a whole list says so."""
    state = after(start(row_of(A)), listing(1.2, order_of(A)), listing(4.0, is_exhaustive=False))
    order = state.instruments[A].orders["o"]
    assert order.gone_s == math.inf
    after(state, listing(5.0))
    assert order.gone_s == 5.0


def test_a_list_that_began_before_the_last_cancel_shows_proves_nothing() -> None:
    """Neither does one that began before what was there at the opening shows."""
    state = after(start(row_of(A)), listing(1.2, order_of(A)))
    each = state.instruments[A]
    assert judge.f4_counts_from_s(state, OrderList.TRIGGER, each) == SETTLE_S
    after(state, cancel(9.0))
    assert judge.f4_counts_from_s(state, OrderList.RESTING, each) == math.inf
    after(state, answered(9.1, call_id="k"))
    assert judge.f4_counts_from_s(state, OrderList.RESTING, each) == 9.1 + SETTLE_S
    assert judge.f4_counts_from_s(state, OrderList.TRIGGER, each) == SETTLE_S


def test_absence_counts_from_the_first_quiet_list_after_the_newest_that_showed_an_order() -> None:
    """What an order did before it was gone shows a settle time after that list."""
    state = after(quiet(), listing(9.0, order_of(A)), listing(12.0), listing(14.0))
    each = state.instruments[A]
    assert judge.quiet_since_s(state, OrderList.RESTING, each) == 12.0
    assert judge.quiet_since_s(state, OrderList.TRIGGER, each) == 3.1
    assert judge.f6_positions_from_s(state, each) == 12.0 + SETTLE_S
    assert judge.positions_from_s(state, InstrumentType.SWAP) == 12.0 + SETTLE_S
    assert judge.positions_from_s(state, InstrumentType.SPOT) == -math.inf


def test_an_order_that_is_gone_has_to_be_shown_ended_and_what_it_opened_closed() -> None:
    """It may have filled while no read showed its position."""
    state = after(quiet(), listing(11.0, order_of(A)), listing(14.0), positions(17.1), positions(18.3))
    each = state.instruments[A]
    assert proven(state) == (Proven.FLAT_UNCONFIRMED, "HISTORY")
    assert judge.needs_history(state, InstrumentType.SWAP)
    ended = f.EndedOrder("o", f.OrderEnd.FILLED, Decimal(3))
    ends = f.OrderEndsRead(
        **OWN,
        at_s=19.0,
        started_s=18.9,
        instrument_type=InstrumentType.SWAP,
        order_list=OrderList.RESTING,
        ended=(ended,),
    )
    assert proven(after(state, ends)) == (Proven.FLAT_UNCONFIRMED, "HISTORY")
    for contracts, verdict in ((2, Proven.FLAT_UNCONFIRMED), (3, Proven.ALREADY_FLAT)):
        row = f.ClosedRow(A, "7", "long", "split", Decimal(contracts), 15.0)
        assert proven(after(state, history(19.0 + contracts, row)))[0] is verdict
    assert not each.owed


def test_what_was_open_when_an_order_waited_has_to_be_closed_beside_what_it_opened() -> None:
    """The newest read before the list that last showed it says how much that was."""
    state = after(start(row_of(A)), listing(1.2, order_of(A)))
    order = state.instruments[A].orders["o"]
    assert order.base == Owed(Decimal(5), 1.0)
    after(state, positions(2.0, row_of(A, 8)), listing(1.9, order_of(A)))
    assert order.base == Owed(Decimal(5), 1.0)
    after(state, listing(2.0, order_of(A)))
    assert order.base == Owed(Decimal(8), 2.0)


def test_a_type_is_read_again_while_an_instrument_that_looks_flat_is_not_proven_absent() -> None:
    """What is open needs no second read."""
    state = start(row_of(A))
    for read, is_needed in (
        (positions(2.0), True),
        (positions(4.0, row_of(A)), False),
        (positions(6.0), True),
        (positions(6.5), True),
        (positions(7.2), False),
    ):
        assert judge.needs_positions(after(state, read), InstrumentType.SWAP) is is_needed


def test_what_is_left_as_dust_need_not_be_shown_sold() -> None:
    """Five were held, four sold; the rest cannot be sold and is worth little."""
    state = after(start(row_of(SPOT, 5)), listed(SPOT, min_size="2"), priced(sol="1"), *sent(2.0, name=SPOT))
    after(state, positions(5.0, row_of(SPOT, 1), kind=InstrumentType.SPOT))
    each = state.instruments[SPOT]
    assert each.dust
    for contracts, is_shown in ((3, False), (4, True)):
        sold = f.ClosedRow(SPOT, "", "sell", "", Decimal(contracts), 2.2)
        assert (
            judge.f7_is_shown_closed(after(state, history(6.0 + contracts, sold, kind=InstrumentType.SPOT)), each)
            is is_shown
        )


@pytest.mark.parametrize(
    ("copied", "cause"),
    [((True, True), "COPY_TRADING"), ((True, False), "OPEN"), ((False, False), "OPEN")],
    ids=["all", "one of two", "none"],
)
def test_copy_trading_is_the_cause_only_where_all_that_is_open_is_of_it(copied: tuple[bool, bool], cause: str) -> None:
    """What is beside it was to be closed, and something else kept it open."""
    rows = [row_of(A, 5, str(number), is_leading=each) for number, each in enumerate(copied)]
    state = after(start(*rows), positions(4.0, *rows))
    assert proven(state, 5.0) == (Proven.RESIDUAL, cause)
    call = choose.rules.choose_target(state, state.instruments[A])
    assert (call is None) is (cause == "COPY_TRADING")


@pytest.mark.parametrize(("wait_s", "is_over"), [(19.9, False), (20.0, True)])
def test_the_history_is_waited_for_from_the_moment_at_which_the_last_close_shows(wait_s: float, is_over: bool) -> None:
    """A settle time after its answer, and then twenty seconds."""
    state = after(start(row_of(A)), listed(A), *sent(2.0))
    shows_s = 2.1 + SETTLE_S
    after(state, listing(5.2, about=A), listing(8.3), positions(11.4), positions(12.6))
    assert proven(state) == (Proven.FLAT_UNCONFIRMED, "HISTORY")
    assert judge.is_settled(state, shows_s + wait_s) is is_over


def test_after_a_stop_the_history_is_not_waited_for() -> None:
    """What is unproven then stays so."""
    state = after(start(row_of(A)), listed(A), *sent(2.0))
    after(state, listing(5.2, about=A), listing(8.3), positions(11.4), positions(12.6))
    assert not judge.is_settled(state, 12.8)
    assert judge.is_settled(after(state, f.StopAsked(**OWN, at_s=12.8, reason="")), 12.8)


def test_reads_go_on_after_a_stop_until_the_first_of_them_counts_and_some_seconds_more() -> None:
    """The last close was answered a second before; a stop is no reason to end without a look."""
    state = after(start(row_of(A)), listed(A), *sent(2.0), f.StopAsked(**OWN, at_s=3.0, reason=""))
    assert judge.proof_ends_s(state) == 2.1 + SETTLE_S + state.limits.interrupt_s
    late = after(start(row_of(A)), listed(A), *sent(2.0), f.StopAsked(**OWN, at_s=9.0, reason=""))
    assert judge.proof_ends_s(late) == 9.0 + late.limits.interrupt_s


def test_a_second_stop_does_not_begin_the_last_seconds_anew() -> None:
    """Nor does the end of sending, which comes with it."""
    state = after(start(row_of(A)), f.KillSwitchSeen(**OWN, at_s=9.0, reason=""))
    ends_s = judge.proof_ends_s(state)
    after(state, f.StopAsked(**OWN, at_s=12.0, reason=""), f.SendingEnded(**OWN, at_s=12.1, reason=""))
    assert judge.proof_ends_s(state) == ends_s


def test_the_end_of_sending_is_no_reason_to_end_the_proof_early() -> None:
    """It comes when nothing is left to send, in every good night."""
    state = start(row_of(A))
    ends_s = judge.proof_ends_s(state)
    assert judge.proof_ends_s(after(state, f.SendingEnded(**OWN, at_s=2.0, reason=""))) == ends_s
    stopped = after(state, f.StopAsked(**OWN, at_s=4.0, reason=""))
    assert judge.proof_ends_s(stopped) == 4.0 + state.limits.interrupt_s


def test_a_flatten_is_not_over_before_every_type_was_read_late_enough() -> None:
    """What is open of one type may stay so; the other one was not looked at since the last close."""
    state = after(start(row_of(A), row_of(SPOT)), f.StopAsked(**OWN, at_s=2.0, reason=""))
    after(state, positions(3.1, row_of(A)))
    assert not judge.is_settled(state, 3.3)
    after(state, positions(3.4, row_of(SPOT), kind=InstrumentType.SPOT))
    assert judge.is_settled(state, 3.6)


def test_nothing_counts_while_a_call_is_in_flight() -> None:
    """It may be carried out at any moment."""
    state = after(quiet(), positions(11.2))
    assert proven(state) == (Proven.ALREADY_FLAT, "")
    assert proven(after(state, close(12.0)))[0] is Proven.UNVERIFIED
