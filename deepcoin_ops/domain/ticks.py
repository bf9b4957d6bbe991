"""When Dagster fires a cron. Everything that asks when a tick comes asks here.

The days come from the library that Dagster has a copy of; the instants are placed as Dagster places them over a clock
change. Its rules are in `dagster/_utils/schedules.py`, which is not imported here: it costs a second. A test compares both.
Which crons may be configured is not decided here but in `cron_syntax`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter

# Dagster moves a skipped time, and takes the second of two, in these hours only.
_CLOCK_CHANGE_HOURS = (1, 2, 3)
# Dagster has rules of its own for a day of the month that every month has.
_LAST_DAY_OF_EVERY_MONTH = 28
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


class _Croniter(croniter):  # type: ignore[misc] # it has no types
    """The library's crons, each taken apart once."""

    expand = staticmethod(functools.lru_cache(maxsize=128)(croniter.expand))


def list_ticks(cron: str, timezone: str, after: datetime) -> Iterator[datetime]:
    """Yield the ticks of a cron as Dagster fires them, without end.

    Args:
        cron: A cron with one minute and one hour, as `check_cron` accepts it.
        timezone: The IANA name of the zone whose clocks it follows.
        after: Ticks come later than this; aware.

    Yields:
        Aware local times that exist, earliest first.

    Raises:
        CroniterBadDateError: It never fires.
    """
    zone, is_simple = ZoneInfo(timezone), _is_simple(cron)
    last = after.timestamp()
    # From the midnight that began yesterday on, so that none is overlooked that was moved past the moment asked about.
    # Always a midnight, because the library remembers each moment it was ever asked about.
    nominal = _Croniter(cron, datetime.combine(after.astimezone(zone) - _DAY, time()))
    while True:
        tick = _place(nominal.get_next(datetime), zone, is_simple=is_simple)
        if tick.timestamp() > last:
            last = tick.timestamp()
            yield tick


def _is_simple(cron: str) -> bool:
    """Whether Dagster computes the ticks itself: daily, by weekdays, or on one day of every month."""
    (_minutes, _hours, days, months, weekdays), nth_weekdays, *_more = _Croniter.expand(cron)
    if nth_weekdays or months != ["*"]:
        return False
    is_monthly = len(days) == 1 and isinstance(days[0], int) and days[0] <= _LAST_DAY_OF_EVERY_MONTH
    return days == ["*"] or (is_monthly and weekdays == ["*"])


def _place(local: datetime, zone: ZoneInfo, *, is_simple: bool) -> datetime:
    """The instant of a local time without a zone, where a clock change skips it or brings it twice too."""
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    gained_s = first.timestamp() - second.timestamp()
    is_in_hours = local.hour in _CLOCK_CHANGE_HOURS
    if gained_s < 0:  # it comes twice
        tick = second if is_in_hours or not is_simple else first
    elif gained_s > 0 and is_in_hours:
        tick = _move_out_of_gap(first, is_simple=is_simple)
    else:
        tick = first
    # A skipped time names an instant, but not by the clock on the wall.
    return tick.astimezone(UTC).astimezone(zone)


def _move_out_of_gap(skipped: datetime, *, is_simple: bool) -> datetime:
    """The end of the gap, as Dagster computes it: right for a gap that begins on the hour and is what summer time adds."""
    moved = skipped.replace(minute=0) + ((skipped + _HOUR).dst() or timedelta())
    # Where summer time is the zone's standard, the computation stays inside the gap, and a simple cron comes too early.
    return moved.replace(fold=1) if is_simple and moved.hour in _CLOCK_CHANGE_HOURS else moved
