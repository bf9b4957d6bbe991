"""When an account has to have been flattened, from the schedule's cron. Pure: the clock is given.

The cron alone decides, not whether Dagster's schedule is switched on: a schedule that somebody forgot to switch on is
exactly the day that must not read as clean.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from deepcoin_ops.domain.checks import Finding, FindingKind
from deepcoin_ops.domain.day import DueTick
from deepcoin_ops.domain.ticks import list_ticks
from deepcoin_ops.domain.trading_day import TradingCalendar

# Once while there is time to mend a key or an arming, and once shortly before, for what has changed since.
PREFLIGHT_LEADS = (timedelta(hours=1), timedelta(minutes=10))


def find_tick(calendar: TradingCalendar, cron: str, trading_day: str) -> datetime | None:
    """The tick inside a trading day's window, aware, or None on a day without one."""
    starts, ends = calendar.window(trading_day)
    # A tick on the boundary itself is refused by the settings.
    tick = next(list_ticks(cron, calendar.timezone, after=starts))
    return tick if tick.timestamp() < ends.timestamp() else None


def plan_due(
    calendar: TradingCalendar,
    cron: str,
    first_trading_day: str,
    max_run_time_s: float,
    trading_day: str,
    now: datetime,
) -> DueTick | None:
    """What was due on a trading day.

    Args:
        calendar: The desk's trading days.
        cron: When the flatten is scheduled, in the calendar's timezone.
        first_trading_day: Nothing is due on the days before it.
        max_run_time_s: How long after the tick a flatten may still go on, in seconds.
        trading_day: The day asked about.
        now: The time to judge by, aware.

    Returns:
        The tick with its deadline, both in UTC, or None when nothing was due that day.
    """
    tick = find_tick(calendar, cron, trading_day) if trading_day >= first_trading_day else None
    if tick is None:
        return None
    # In UTC: adding to a local time is an hour off over a clock change, and forgets which of two times it is.
    scheduled_at = tick.astimezone(UTC)
    deadline_at = scheduled_at + timedelta(seconds=max_run_time_s)
    return DueTick(scheduled_at, deadline_at, is_past=now >= deadline_at)


def find_preflight(calendar: TradingCalendar, cron: str, now: datetime) -> tuple[datetime, timedelta] | None:
    """The next tick of the schedule, when it is so near that somebody should know whether its flatten would be admitted.

    Args:
        calendar: The desk's trading days.
        cron: When the flatten is scheduled, in the calendar's timezone.
        now: The time, aware.

    Returns:
        The tick, and which of `PREFLIGHT_LEADS` has begun; None when the tick is farther away.
    """
    tick = next(list_ticks(cron, calendar.timezone, after=now))
    left = timedelta(seconds=tick.timestamp() - now.timestamp())
    begun = [lead for lead in PREFLIGHT_LEADS if left <= lead]
    return (tick, min(begun)) if begun else None


def find_unwatched(first_trading_day: date, today: str) -> Finding | None:
    """What a person has to know as long as nothing is due; None from the first trading day on.

    Args:
        first_trading_day: Nothing is due on the days before it.
        today: The running trading day.
    """
    if today >= first_trading_day.isoformat():
        return None
    text = (
        f"Nothing is watched before {first_trading_day}, the first trading day. Until then no alert says that a flatten is "
        "missing or did not start. Set schedule.first_trading_day to the day on which the desk begins."
    )
    return Finding(FindingKind.NOT_WATCHED, False, text)


def find_ended_days(calendar: TradingCalendar, now: datetime, count: int) -> list[str]:
    """The keys of the last trading days whose windows are over, oldest first."""
    starts, _ends = calendar.window(calendar.day_of(now))
    return [calendar.day_of(starts - timedelta(days=back) + timedelta(hours=1)) for back in range(count, 0, -1)]
