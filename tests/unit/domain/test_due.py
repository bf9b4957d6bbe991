"""When a flatten was due: by the cron and the calendar alone, with the clock given."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from deepcoin_ops.domain.day import DueTick
from deepcoin_ops.domain.due import find_ended_days, find_preflight, find_tick, plan_due
from deepcoin_ops.domain.trading_day import TradingCalendar

NEW_YORK = TradingCalendar("America/New_York", time(17))
RUN_S = 3600.0


def due_at(now: datetime, trading_day: str = "2026-03-09", cron: str = "30 16 * * *") -> DueTick | None:
    """What was due on a day of a desk that began on the fifth of January."""
    return plan_due(NEW_YORK, cron, "2026-01-05", RUN_S, trading_day, now)


def test_the_tick_is_the_one_inside_the_days_window() -> None:
    """The day that starts on Sunday evening ends on Monday afternoon: its tick is Monday's."""
    tick = find_tick(NEW_YORK, "30 16 * * *", "2026-03-08")
    assert tick is not None
    assert tick.astimezone(UTC) == datetime(2026, 3, 9, 20, 30, tzinfo=UTC)


@pytest.mark.parametrize("trading_day", ["2026-03-07", "2026-10-31"], ids=["spring", "autumn"])
def test_a_window_with_a_clock_change_has_its_tick(trading_day: str) -> None:
    """A day of 23 or 25 hours is due like any other, at the hour on the wall."""
    tick = find_tick(NEW_YORK, "30 16 * * *", trading_day)
    assert tick is not None
    assert (tick.hour, tick.minute) == (16, 30)
    starts, ends = NEW_YORK.window(trading_day)
    assert starts.timestamp() < tick.timestamp() < ends.timestamp()


def test_the_deadline_is_an_absolute_time_after_the_tick() -> None:
    """A run that may take an hour is not late for a clock that was put forward meanwhile."""
    night = TradingCalendar("America/New_York", time(12))
    due = plan_due(night, "30 1 * * *", "2026-01-05", RUN_S, "2026-03-07", datetime(2026, 3, 8, 12, tzinfo=UTC))
    assert due is not None
    assert due.deadline_at.astimezone(UTC) - due.scheduled_at.astimezone(UTC) == timedelta(seconds=RUN_S)


@pytest.mark.parametrize(("late_s", "is_past"), [(-1, False), (0, True), (1, True)])
def test_a_deadline_is_past_when_it_has_come(late_s: int, is_past: bool) -> None:
    """Before it a flatten may still be at work."""
    tick = find_tick(NEW_YORK, "30 16 * * *", "2026-03-09")
    assert tick is not None
    due = due_at(tick.astimezone(UTC) + timedelta(seconds=RUN_S + late_s))
    assert due is not None
    assert due.is_past is is_past


def test_nothing_is_due_before_the_first_trading_day_or_on_a_day_without_a_tick() -> None:
    """A desk that started in January owes nothing for December, and nothing for a weekend that its cron leaves out."""
    now = datetime(2027, 1, 1, tzinfo=UTC)
    assert due_at(now, "2026-01-04") is None
    assert due_at(now, "2026-01-05") is not None
    assert due_at(now, "2026-03-06", cron="30 16 * * 1-5") is None  # Friday evening to Saturday afternoon


def test_the_ended_days_are_those_before_the_running_one() -> None:
    """At half past six in the evening the day that ended at five is over, and the one that began at five is not."""
    now = datetime(2026, 3, 9, 22, 30, tzinfo=UTC)
    assert NEW_YORK.day_of(now) == "2026-03-09"
    assert find_ended_days(NEW_YORK, now, 3) == ["2026-03-06", "2026-03-07", "2026-03-08"]


@pytest.mark.parametrize(
    ("now", "lead_minutes"),
    [
        ("2026-03-06T20:29:59", None),
        ("2026-03-06T20:30:00", 60),
        ("2026-03-06T21:19:59", 60),
        ("2026-03-06T21:20:00", 10),
        ("2026-03-06T21:29:59", 10),
        ("2026-03-06T21:30:00", None),
        ("2026-03-07T21:00:00", None),
    ],
)
def test_a_preflight_is_due_an_hour_and_ten_minutes_before_a_tick(now: str, lead_minutes: int | None) -> None:
    """Late ones too, as long as they come before the flatten; on a day without a tick none is due."""
    calendar = TradingCalendar("America/New_York", time(17))
    found = find_preflight(calendar, "30 16 * * 1-5", datetime.fromisoformat(now).replace(tzinfo=UTC))
    if lead_minutes is None:
        assert found is None
    else:
        assert found is not None
        tick, lead = found
        assert (tick.astimezone(UTC), lead) == (datetime(2026, 3, 6, 21, 30, tzinfo=UTC), timedelta(minutes=lead_minutes))


def test_a_preflight_is_an_hour_before_the_tick_when_clocks_change() -> None:
    """An hour of the wall clock would be two, or none."""
    calendar = TradingCalendar("Europe/Berlin", time(12))
    tick = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)  # 03:30 local time; clocks went from 02:00 to 03:00 half an hour before
    found = find_preflight(calendar, "30 3 * * *", tick - timedelta(minutes=59))
    assert found is not None
    assert found[0].astimezone(UTC) == tick
    assert find_preflight(calendar, "30 3 * * *", tick - timedelta(minutes=61)) is None
