"""What a lane of reads asks for, and when: failed reads, reads that stay fresh, lists after a cancel or a gap."""

from __future__ import annotations

import math

import pytest
from core_facts import (
    OWN,
    A,
    B,
    admitted,
    after,
    answered,
    cancel,
    close,
    listing,
    opened,
    order_of,
    positions,
    row_of,
    start,
)

from deepcoin_ops.core import choose, reads
from deepcoin_ops.core.reads import Wait
from deepcoin_ops.core.state import State, fold
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.model import InstrumentType
from deepcoin_ops.domain.orders import OrderKind, OrderList

POSITIONS = f.Read(lane=f.Lane.POSITIONS, instrument_type=InstrumentType.SWAP)
HISTORY = f.Read(lane=f.Lane.HISTORY, instrument_type=InstrumentType.SWAP)
RESTING = f.Read(lane=f.Lane.RESTING, order_list=OrderList.RESTING)


def failed(at_s: float, read: f.Read = POSITIONS, **more: bool) -> f.ReadFailed:
    """A read that brought no answer."""
    return f.ReadFailed(**OWN, at_s=at_s, started_s=at_s, read=read, reason="no answer", **more)


def wake_s(state: State, lane: f.Lane, now_s: float) -> float:
    """The moment before which a lane has nothing to do; the present where it has."""
    found = choose.next_call(state, lane, now_s)
    return found.until_s if isinstance(found, Wait) else now_s


@pytest.mark.parametrize(("failures", "pause_s"), [(1, 1.0), (2, 2.0), (3, 4.0), (4, 4.0), (50, 4.0)])
def test_a_read_that_failed_is_tried_again_after_a_pause_that_doubles(failures: int, pause_s: float) -> None:
    """From one second up to four."""
    state = fold([opened(A), *(failed(float(number)) for number in range(failures))])
    assert wake_s(state, f.Lane.POSITIONS, failures - 1.0) == failures - 1.0 + pause_s
    assert reads.next_read(state, f.Lane.POSITIONS, failures - 1.0 + pause_s) == POSITIONS


def test_the_pause_begins_anew_after_a_success() -> None:
    """Failures are counted since the last answer."""
    state = fold([opened(A), failed(0.0), failed(1.0), positions(3.0, row_of(A)), failed(9.0)])
    assert reads.r4_not_before_s(state, POSITIONS) == 10.0


def test_a_read_of_which_asking_again_is_of_no_use_is_not_tried_again() -> None:
    """The list of an instrument that may not be read."""
    state = fold([opened(A), failed(0.0, is_final=True)])
    assert wake_s(state, f.Lane.POSITIONS, 99.0) == math.inf


def test_what_is_open_and_may_be_closed_is_read_again_long_before_its_read_grows_old() -> None:
    """After a third of the freshness limit, so that one failed read holds no close back; also while B is closed."""
    state = after(start(row_of(A), row_of(B, 5, "2")), close(2.0, name=B))
    assert wake_s(state, f.Lane.POSITIONS, 2.1) == 1.0 + state.limits.freshness_s / 3


def test_a_close_is_followed_by_a_read_that_shows_what_it_did() -> None:
    """A settle time after its answer, and no sooner."""
    state = after(start(row_of(A)), close(5.0), answered(5.1))
    assert wake_s(state, f.Lane.POSITIONS, 5.2) == 5.1 + state.limits.settle_s


def test_a_gap_of_the_scheduler_makes_every_read_that_a_send_needs_due_at_once() -> None:
    """The positions, and the lists of orders that are to be cancelled."""
    trigger = order_of(A, "t", OrderKind.TRIGGER)
    state = after(
        start(row_of(A)),
        listing(1.0, order_of(A)),
        listing(1.0, trigger, about=A),
        f.SchedulerGap(**OWN, at_s=2.5, gap_s=9.0),
    )
    assert reads.next_read(state, f.Lane.POSITIONS, 2.5) == POSITIONS
    assert reads.next_read(state, f.Lane.RESTING, 2.5) == RESTING
    found = reads.next_read(state, f.Lane.TRIGGER, 2.5)
    assert isinstance(found, f.Read)
    assert found.order_list is OrderList.TRIGGER


def test_a_cancel_is_followed_by_a_list_that_shows_what_it_did() -> None:
    """A settle time after its answer."""
    state = after(
        start(row_of(A)), listing(1.0, order_of(A)), listing(1.0, about=A), cancel(2.0), answered(2.1, call_id="k")
    )
    assert wake_s(state, f.Lane.RESTING, 2.2) == 2.1 + state.limits.settle_s


def test_trailing_exits_are_looked_for_once_the_position_is_gone() -> None:
    """Whatever was worked out while it was open."""
    state = after(start(row_of(A)), listing(0.5), listing(1.1, about=A), close(2.0), answered(2.1))
    due_s = 2.1 + state.limits.settle_s
    assert isinstance(reads.next_read(state, f.Lane.TRIGGER, due_s - 0.1), Wait)
    found = reads.next_read(after(state, positions(due_s)), f.Lane.TRIGGER, due_s + 0.1)
    assert isinstance(found, f.Read)
    assert found.order_list is OrderList.TRAILING


def test_lists_of_what_is_open_come_first() -> None:
    """A is the smaller one; what was asked for already waits behind what was not."""
    state = start(row_of(A, 1), row_of(B, 9, "2"))
    first = reads.next_read(state, f.Lane.TRIGGER, 2.0)
    assert isinstance(first, f.Read)
    assert first.about == A  # neither has a price yet, so that the name decides
    after(state, listing(2.0, about=A))
    second = reads.next_read(state, f.Lane.TRIGGER, 2.2)
    assert isinstance(second, f.Read)
    assert second.about == B


def test_history_is_asked_for_at_once_and_then_every_two_seconds() -> None:
    """From the last effect on, until it shows what is owed."""
    state = after(start(row_of(A)), close(2.0), answered(2.1), positions(5.2))
    assert wake_s(state, f.Lane.HISTORY, 2.0) == 2.1
    assert reads.next_read(state, f.Lane.HISTORY, 5.3) == HISTORY
    after(state, f.HistoryRead(**OWN, at_s=5.5, started_s=5.3, instrument_type=InstrumentType.SWAP, rows=()))
    assert wake_s(state, f.Lane.HISTORY, 5.5) == 7.3


def test_how_an_order_ended_is_asked_for_every_two_seconds_from_when_it_is_gone() -> None:
    """The answer may not name it at first; while a list shows it, there is nothing to ask."""
    shown = after(start(row_of(A)), listing(1.0, order_of(A)))
    assert wake_s(shown, f.Lane.ORDER_END, 9.0) == math.inf
    state = after(fold([opened(A), positions(0.5), admitted()]), listing(1.0, order_of(A)), listing(4.0))
    found = reads.next_read(state, f.Lane.ORDER_END, 4.1)
    assert isinstance(found, f.Read)
    assert (found.lane, found.order_list) == (f.Lane.ORDER_END, OrderList.RESTING)
    ends = f.OrderEndsRead(
        **OWN, at_s=4.3, started_s=4.1, instrument_type=InstrumentType.SWAP, order_list=OrderList.RESTING, ended=()
    )
    assert wake_s(after(state, ends), f.Lane.ORDER_END, 4.3) == 6.1
