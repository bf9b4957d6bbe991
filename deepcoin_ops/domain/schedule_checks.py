"""Whether day boundary and cron fit each other in every year that comes. Pure: calendar, cron and first day are given.

On a day without a clock change the clock on the wall decides alone. The days with one are looked at each, for as many years
as it takes until every date has been every weekday.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from deepcoin_ops.domain.cron_syntax import read_time_of_day
from deepcoin_ops.domain.ticks import list_ticks
from deepcoin_ops.domain.trading_day import TradingCalendar

_BOUNDARY_MARGIN = timedelta(minutes=15)
_CHECKED_YEARS = 28
# A change that comes farther from a tick on the wall neither moves it nor comes between it and a boundary near it.
_REACH = timedelta(hours=4)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
# No zone has changed its clocks twice within less.
_WEEK = timedelta(days=7)
_ANY_DATE = date(2028, 1, 1)
_CURE = "choose a time at which no clocks change"


@dataclass(frozen=True)
class ScheduleTrouble:
    """Why a boundary or a cron cannot be used: what was expected, what was found, what to do."""

    expected: str
    found: str
    cure: str


def find_boundary_trouble(calendar: TradingCalendar, first_day: date) -> ScheduleTrouble | None:
    """What is wrong with a day boundary from a first trading day on; None when it comes once a day.

    A time that a clock change skips or repeats has two offsets; calendars differ on what it then means.
    """
    zone = ZoneInfo(calendar.timezone)
    for change in _list_clock_changes(zone, first_day):
        for day in (change.date() - _DAY, change.date(), change.date() + _DAY):
            first, second = (datetime.combine(day, calendar.day_boundary.replace(fold=fold), zone) for fold in (0, 1))
            if first.utcoffset() != second.utcoffset():
                found = f"{calendar.day_boundary:%H:%M}, not once on {day}"
                return ScheduleTrouble("a time at which no clocks change", found, "move it an hour")
    return None


def find_tick_trouble(calendar: TradingCalendar, cron: str, first_day: date) -> ScheduleTrouble | None:
    """What is wrong with an accepted cron beside its day boundary, from a first trading day on.

    Args:
        calendar: The desk's trading days, their boundary without trouble of its own.
        cron: A cron that `check_cron` accepts.
        first_day: The first trading day.

    Returns:
        The first thing that is wrong; None when every tick is well inside a trading day, and alone in it.
    """
    nominal = time(*read_time_of_day(cron))
    if _apart(nominal, calendar.day_boundary) <= _BOUNDARY_MARGIN:
        return _too_near(calendar, f"{nominal:%H:%M}")
    for change in _list_clock_changes(ZoneInfo(calendar.timezone), first_day):
        if _apart(nominal, change.time()) <= _REACH:
            trouble = _find_change_trouble(calendar, cron, nominal, change)
            if trouble is not None:
                return trouble
    return None


def _find_change_trouble(calendar: TradingCalendar, cron: str, nominal: time, change: datetime) -> ScheduleTrouble | None:
    """What is wrong with the ticks around one clock change."""
    days: set[str] = set()
    ticks = list_ticks(cron, calendar.timezone, after=change - 2 * _DAY)
    for tick in takewhile(lambda tick: tick < change + 3 * _DAY, ticks):
        day, shown = calendar.day_of(tick), f"{tick:%H:%M} on {tick:%Y-%m-%d}"
        # A tick that is moved belongs after the change.
        if tick.time() != nominal and tick.timestamp() <= change.timestamp():
            expected = "a time that Dagster does not bring forward when clocks change"
            return ScheduleTrouble(expected, f"{nominal:%H:%M}, which it fires at {shown}", _CURE)
        starts, ends = (edge.astimezone(UTC) for edge in calendar.window(day))
        if min(tick.astimezone(UTC) - starts, ends - tick.astimezone(UTC)) <= _BOUNDARY_MARGIN:
            return _too_near(calendar, shown)
        if day in days:
            # The schedule's run key is account and day: a second tick would be dropped without a word.
            return ScheduleTrouble("at most one tick in a trading day", f"a second one at {shown}", _CURE)
        days.add(day)
    return None


def _too_near(calendar: TradingCalendar, shown: str) -> ScheduleTrouble:
    expected = f"ticks more than 15 minutes from the day boundary {calendar.day_boundary:%H:%M}"
    return ScheduleTrouble(expected, f"one at {shown}", "move one of the two")


def _list_clock_changes(zone: ZoneInfo, first_day: date) -> Iterator[datetime]:
    """The local times, within the hour before, at which the clocks of a zone change in the years checked."""
    week = datetime.combine(first_day, time(), UTC) - _WEEK
    last = week + timedelta(days=366 * _CHECKED_YEARS)
    while week < last:
        if _changes(zone, week, _WEEK):
            day = next(day for number in range(7) if _changes(zone, day := week + number * _DAY, _DAY))
            yield next(hour.astimezone(zone) for number in range(24) if _changes(zone, hour := day + number * _HOUR, _HOUR))
        week += _WEEK


def _changes(zone: ZoneInfo, instant: datetime, span: timedelta) -> bool:
    return instant.astimezone(zone).utcoffset() != (instant + span).astimezone(zone).utcoffset()


def _apart(one: time, other: time) -> timedelta:
    """How far two times are apart on the wall, the shorter way round."""
    span = abs(datetime.combine(_ANY_DATE, one) - datetime.combine(_ANY_DATE, other))
    return min(span, _DAY - span)
