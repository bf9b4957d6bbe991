"""The schedule that only reads: it rebuilds the tables of the days that have ended.

So a day nobody flattened is there as exactly that. It knows no exchange and no desk.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg

from deepcoin_ops.domain.due import find_ended_days
from deepcoin_ops.settings import Settings

# Past the deadline of any tick of the day, an hour that a clock change may take away included.
_BESIDE_THE_DEADLINE = timedelta(hours=1)
# A daemon that was down over a weekend fires only the last tick it missed.
_DAYS_PER_TICK = 3


def build_day_end(
    settings: Settings, job: object, trading_days: dg.PartitionsDefinition[str], *, is_on: bool = True
) -> dg.ScheduleDefinition:
    """Rebuild the tables of the days that have just ended, once no flatten of theirs can be at work. Only reads."""

    @dg.schedule(
        name="day_end",
        job=job,  # type: ignore[arg-type]
        cron_schedule=build_day_end_cron(settings),
        execution_timezone=settings.schedule.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING if is_on else dg.DefaultScheduleStatus.STOPPED,
        description="Rebuilds the tables of ended trading days, so that a day nobody flattened shows. Only reads.",
    )
    def day_end(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        fired_at = context.scheduled_execution_time
        ended = find_ended_days(settings.calendar, fired_at, _DAYS_PER_TICK)
        known = [day for day in ended if trading_days.has_partition_key(day)]
        if not known:
            return dg.SkipReason(f"No trading day has ended since {settings.schedule.first_trading_day}, the first one.")
        return [dg.RunRequest(run_key=f"{fired_at.isoformat()}:{day}", partition_key=day) for day in known]

    return day_end


def build_day_end_cron(settings: Settings) -> str:
    """When `day_end` fires, daily, in the desk's timezone: a run's longest time after the day boundary, and an hour.

    A tick lies before the boundary of its day, so that its deadline has passed by then.
    """
    boundary = settings.schedule.day_boundary
    midnight = datetime(2028, 1, 1, tzinfo=UTC)
    at = midnight.replace(hour=boundary.hour, minute=boundary.minute) + _BESIDE_THE_DEADLINE
    at += timedelta(seconds=settings.max_run_time_s + 60)
    return f"{at.minute} {at.hour} * * *"
