"""Events happen in the order in which they are due."""

from __future__ import annotations

from functools import partial

from deepcoin_ops.paper.timetable import Timetable


def test_events_happen_once_in_due_order_with_their_own_instant() -> None:
    """A look that comes late must find the same history as one that came in time."""
    timetable, happened = Timetable(), []
    for name, due_s in (("late", 3.0), ("first", 1.0), ("second", 1.0)):
        timetable.enter(due_s, partial(lambda name, at_s: happened.append((name, at_s)), name))
    timetable.run(0.5)
    assert happened == []
    timetable.run(3.0)
    timetable.run(9.0)
    assert happened == [("first", 1.0), ("second", 1.0), ("late", 3.0)]


def test_what_becomes_due_by_an_event_happens_in_the_same_run() -> None:
    """A fill closes a position, and the bot that follows may be due at once."""
    timetable, happened = Timetable(), []
    timetable.enter(1.0, lambda at_s: timetable.enter(at_s + 1.0, happened.append))
    timetable.run(2.0)
    assert happened == [2.0]
