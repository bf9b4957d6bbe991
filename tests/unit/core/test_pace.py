"""When a lane may send: its windows, its margin, throttles, and lanes that share."""

from __future__ import annotations

import pytest

from deepcoin_ops.core.pace import Pace, Window

SECOND = (Window(1, 1.0),)
DAY_S = 86_400.0


def pace(**windows: tuple[Window, ...]) -> Pace:
    """The pace of three lanes, one send a second each, without a margin."""
    return Pace({"a": SECOND, "b": SECOND, "c": SECOND, **windows}, margin_s=0.0)


def test_a_window_allows_its_sends_and_no_more() -> None:
    """The next one waits for the oldest of them."""
    own = pace(a=(Window(2, 1.0),))
    own.note_send("a", 10.0)
    assert own.due_s("a", 10.0) < 10.0
    own.note_send("a", 10.4)
    assert own.due_s("a", 10.4) == 11.0
    own.note_send("a", 11.0)
    assert own.due_s("a", 11.0) == 11.4


def test_all_windows_of_a_lane_hold_at_once() -> None:
    """The slower one decides once it is full."""
    own = pace(a=(Window(1, 1.0), Window(2, 10.0)))
    own.note_send("a", 0.0)
    assert own.due_s("a", 0.0) == 1.0
    own.note_send("a", 1.0)
    assert own.due_s("a", 1.0) == 10.0


def test_the_margin_grows_with_the_spread_of_round_trips_and_not_with_slow_answers() -> None:
    """An answer that took seconds says nothing of the way; the spread counts up to a quarter of a second."""
    own = pace()
    for seconds in (0.1, 1.5, 30.0):
        own.note_trip(seconds)
    assert own.margin_s == 0.0
    own.note_trip(0.22)
    assert own.margin_s == pytest.approx(0.12)
    own.note_send("a", 10.0)
    assert own.due_s("a", 10.0) == pytest.approx(11.12)
    own.note_trip(0.9)
    assert own.margin_s == 0.25


def test_a_margin_does_not_shrink() -> None:
    """Round trips that are even for a while say nothing of the next."""
    own = pace()
    for seconds in (0.1, 0.2, *(0.1,) * 40):
        own.note_trip(seconds)
    assert own.margin_s == pytest.approx(0.1)


@pytest.mark.parametrize(("retry_after_s", "due_s"), [(None, 102.0), (1.0, 102.0), (7.0, 107.0), (600.0, 160.0)], ids=str)
def test_a_throttle_delays_its_lane_by_two_windows_or_what_the_answer_asks_for(
    retry_after_s: float | None, due_s: float
) -> None:
    """A minute at most; the other lanes go on."""
    own = pace()
    own.note_throttle("a", 100.0, retry_after_s)
    assert own.due_s("a", 100.0) == due_s
    assert own.due_s("b", 100.0) < 100.0
    assert own.margin_s == 0.05


def test_a_second_throttle_does_not_shorten_the_wait_of_the_first() -> None:
    """The later of the two moments counts."""
    own = pace()
    own.note_throttle("a", 100.0, 30.0)
    own.note_throttle("a", 101.0, None)
    assert own.due_s("a", 101.0) == 130.0


def test_throttles_widen_the_margin_up_to_half_a_second() -> None:
    """However many there are."""
    own = pace()
    for number in range(20):
        own.note_throttle("a", 100.0 * number, None)
    assert own.margin_s == pytest.approx(0.5)


@pytest.mark.parametrize(("apart_s", "shares"), [(9.9, True), (10.0, False)])
def test_two_lanes_that_are_throttled_close_together_share(apart_s: float, shares: bool) -> None:
    """What one of them sends then keeps the other one back."""
    own = pace()
    own.note_throttle("a", 100.0, None)
    own.note_throttle("b", 100.0 + apart_s, None)
    assert own.sharing == (frozenset("ab") if shares else frozenset())
    own.note_send("a", 120.0)
    assert (own.due_s("b", 120.0) > 120.0) is shares


def test_one_lane_that_is_throttled_twice_shares_with_none() -> None:
    """It is throttled for its own sends."""
    own = pace()
    own.note_throttle("a", 100.0, None)
    own.note_throttle("a", 101.0, None)
    assert own.sharing == frozenset()


def test_a_lane_that_joins_those_that_share_takes_none_of_them_out() -> None:
    """The third is throttled long after the first, and a moment after the second."""
    own = pace()
    for lane, at_s in (("a", 100.0), ("b", 105.0), ("c", 112.0)):
        own.note_throttle(lane, at_s, None)
    assert own.sharing == frozenset("abc")


def test_lanes_that_share_take_turns_by_the_slowest_of_their_windows() -> None:
    """The newest send of any of them counts, and a delay of any of them delays all."""
    own = pace(b=(Window(1, 3.0),))
    own.note_throttle("a", 100.0, None)
    own.note_throttle("b", 100.0, 20.0)
    assert own.due_s("a", 100.0) == 120.0
    own.margin_s = 0.0
    own.note_send("b", 121.0)
    own.note_send("a", 125.0)
    assert own.due_s("a", 125.0) == own.due_s("b", 125.0) == 128.0


def test_a_day_without_a_throttle_ends_the_sharing() -> None:
    """Each throttle of a lane that shares begins it anew."""
    own = pace()
    own.note_throttle("a", 0.0, None)
    own.note_throttle("b", 0.0, None)
    own.note_throttle("a", 1000.0, None)
    own.note_send("a", DAY_S + 999.5)
    assert own.due_s("b", DAY_S + 999.9) > DAY_S + 999.9
    assert own.due_s("b", DAY_S + 1000.0) < DAY_S
