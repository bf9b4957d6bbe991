"""Which trading day an instant belongs to, over clock changes and at the very boundary."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcoin_ops.domain.trading_day import TradingCalendar

NEW_YORK = TradingCalendar("America/New_York", time(17))
ZONES = [
    "UTC",
    "America/New_York",
    "Europe/Zurich",
    "Asia/Shanghai",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
]
MICROSECOND = timedelta(microseconds=1)

days = st.dates(date(2015, 1, 1), date(2040, 12, 31)).map(date.isoformat)
# Whole hours: no zone here changes its clock in a way that makes one of them happen twice.
calendars = st.builds(TradingCalendar, st.sampled_from(ZONES), st.integers(0, 23).map(time))


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2026-01-02T21:59:59.999999+00:00", "2026-01-01"),
        ("2026-01-02T22:00:00+00:00", "2026-01-02"),
        ("2026-01-03T00:00:00+00:00", "2026-01-02"),
        ("2026-01-03T05:00:00+00:00", "2026-01-02"),
        ("2026-07-02T20:59:59.999999+00:00", "2026-07-01"),
        ("2026-07-02T21:00:00+00:00", "2026-07-02"),
        ("2026-01-03T06:00:00+08:00", "2026-01-02"),
    ],
)
def test_a_day_begins_at_the_boundary_and_keeps_its_date_over_midnight(instant: str, day: str) -> None:
    """The key is the local date of the start, whatever timezone the instant is written in."""
    assert NEW_YORK.day_of(datetime.fromisoformat(instant)) == day


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-06", 24), ("2026-03-07", 23), ("2026-03-08", 24), ("2026-10-31", 25), ("2026-11-01", 24)]
)
def test_a_day_over_a_clock_change_is_shorter_or_longer(day: str, hours: int) -> None:
    """New York changes its clock at two in the morning, inside the day that began on the evening before."""
    starts, ends = NEW_YORK.window(day)
    assert ends.astimezone(UTC) - starts.astimezone(UTC) == timedelta(hours=hours)


def test_a_window_is_local_time_with_its_zone() -> None:
    """It is shown to people next to the key."""
    starts, ends = NEW_YORK.window("2026-03-07")
    assert (starts.isoformat(), ends.isoformat()) == ("2026-03-07T17:00:00-05:00", "2026-03-08T17:00:00-04:00")


def test_a_boundary_at_midnight_is_the_calendar_day() -> None:
    """The default of a desk that says nothing."""
    calendar = TradingCalendar("UTC", time(0))
    assert calendar.day_of(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02"
    assert calendar.day_of(datetime(2026, 1, 2, tzinfo=UTC) - MICROSECOND) == "2026-01-01"


@pytest.mark.parametrize("text", ["", "2026-13-01", "yesterday", "2026-01-02T00:00"])
def test_a_key_that_is_no_date_is_refused(text: str) -> None:
    """A key comes from a person or a partition; a wrong one has no window."""
    with pytest.raises(ValueError, match=r"isoformat|month"):
        NEW_YORK.window(text)


@given(calendars, days)
def test_a_window_holds_its_start_and_the_last_moment_before_its_end(calendar: TradingCalendar, day: str) -> None:
    """Both ends of a window lead back to its key, over every clock change."""
    starts, ends = (instant.astimezone(UTC) for instant in calendar.window(day))
    assert calendar.day_of(starts) == day
    assert calendar.day_of(ends - MICROSECOND) == day


@given(calendars, days)
def test_windows_follow_each_other_without_gap_or_overlap(calendar: TradingCalendar, day: str) -> None:
    """A flatten in a gap would belong to no day, and one in an overlap to two."""
    ends = calendar.window(day)[1]
    following = (date.fromisoformat(day) + timedelta(days=1)).isoformat()
    assert ends == calendar.window(following)[0]
    assert calendar.day_of(ends) == following


@given(calendars, st.datetimes(datetime(2015, 1, 1), datetime(2040, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis takes naive bounds
def test_every_instant_lies_in_the_window_of_its_day(calendar: TradingCalendar, instant: datetime) -> None:
    """The two directions are one rule."""
    starts, ends = (bound.astimezone(UTC) for bound in calendar.window(calendar.day_of(instant)))
    assert starts <= instant < ends
