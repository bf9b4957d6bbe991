"""A flatten acts for now: whether a launch may still, or already, act, and since when a schedule is as it is. Pure.

A close is a command about the positions of this moment. A launch that waited in a queue speaks of another moment. So do a
scheduled time that has not come and one that is older than the schedule. Each of them is denied.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from deepcoin_ops.domain.trading_day import TradingCalendar

# Daemon and worker read one host's clock, so only a step back between the two can make a scheduled time look ahead.
SCHEDULED_TOLERANCE_S = 5.0
# Web server or daemon stamps a launch, on another host perhaps. Within this the clocks differ; beyond it one was set back.
LAUNCHED_TOLERANCE_S = 60.0


@dataclass(frozen=True)
class Launch:
    """When a flatten was launched and what for; times are aware.

    Attributes:
        launched_at: When it was asked for: each re-execution has a time of its own.
        scheduled_at: The scheduled time it was launched for; None for a launch by hand.
        schedule_since: Since when the schedule is known to be as it is; None where nothing depends on it.
    """

    launched_at: datetime
    scheduled_at: datetime | None = None
    schedule_since: datetime | None = None


@dataclass(frozen=True)
class SeenSchedule:
    """A schedule as it was last seen: of which desk, with which cron in which timezone, and since when (aware)."""

    desk: str
    cron: str
    timezone: str
    since: datetime

    def is_same(self, other: SeenSchedule) -> bool:
        """Whether both have the same scheduled times."""
        return (self.desk, self.cron, self.timezone) == (other.desk, other.cron, other.timezone)


def find_launch_objection(
    launch: Launch, readings: Sequence[datetime], calendar: TradingCalendar, max_age_s: float
) -> str | None:
    """Decide whether a launch may act now.

    Args:
        launch: What was launched.
        readings: What the time may be, aware; at least one. Where the wall clock may have been set meanwhile there are two,
            and the launch has to be allowed at each: a step of the clock can only deny.
        calendar: The desk's trading days.
        max_age_s: How old scheduled time and launch may be, in seconds.

    Returns:
        A sentence without its full stop that says why not, or None when it may.
    """
    objections = (_find_objection(launch, now, calendar, max_age_s) for now in readings)
    return next((objection for objection in objections if objection is not None), None)


def _find_objection(launch: Launch, now: datetime, calendar: TradingCalendar, max_age_s: float) -> str | None:
    scheduled_at, since = launch.scheduled_at, launch.schedule_since
    if scheduled_at is not None:
        named, late_s = f"the scheduled time {scheduled_at.isoformat()}", _count_s(scheduled_at, now)
        if late_s < -SCHEDULED_TOLERANCE_S:
            return f"{named} is {_describe(-late_s)} ahead: a flatten acts for now, and closing now would be too early"
        if late_s > max_age_s:
            return (
                f"{named} is {_describe(late_s)} late, more than the {_describe(max_age_s)} allowed: closing now would "
                "flatten the next trading day"
            )
        trading_day, today = calendar.day_of(scheduled_at), calendar.day_of(now)
        if trading_day != today:
            return f"{named} is of trading day {trading_day}, and it is {today}: closing now would flatten another day"
        if since is not None and _count_s(since, scheduled_at) < 0:
            return (
                f"{named} is older than what is known of the schedule, which is as it is since {since.isoformat()}: a time "
                "from before a change is not made up for"
            )
    age_s = _count_s(launch.launched_at, now)
    if age_s < -LAUNCHED_TOLERANCE_S:
        return f"the launch of {launch.launched_at.isoformat()} is {_describe(-age_s)} ahead of this machine's clock"
    if age_s > max_age_s:
        return (
            f"the launch of {launch.launched_at.isoformat()} is {_describe(age_s)} old, more than the "
            f"{_describe(max_age_s)} allowed: what is open now may not be what it was launched for"
        )
    return None


def find_schedule_start(current: SeenSchedule, seen: Iterable[SeenSchedule]) -> datetime:
    """Find since when a schedule is known to be as it is.

    Args:
        current: The schedule as it was loaded, since that moment.
        seen: What was kept of the same schedule before, of any desk.

    Returns:
        The moment of loading; or an earlier one, where what was kept last of this desk's schedule is what it is now. So a
        restart is no change, and a schedule of which nothing was kept is a new one.
    """
    kept = [each for each in seen if each.desk == current.desk]
    # A code location that is gone leaves what it kept behind, so that only the newest counts.
    newest = [each for each in kept if each.since == max(each.since for each in kept)]
    if not newest or not all(each.is_same(current) for each in newest):
        return current.since
    return min(current.since, newest[0].since, key=datetime.timestamp)


def _count_s(since: datetime, until: datetime) -> float:
    # By timestamps: two times of one zone are subtracted as what its clocks show, an hour off over a clock change.
    return until.timestamp() - since.timestamp()


def _describe(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} s"
