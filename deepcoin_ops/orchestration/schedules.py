"""The schedules: one flattens at the end of the trading day, and is off until somebody switches it on; two only read.

`day_end` rebuilds the tables of the days that have ended, so that a day nobody flattened is there as exactly that.
`credentials_check`, off as well, asks once a day whether the keys still work.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import dagster as dg

from deepcoin_ops.domain.due import find_ended_days
from deepcoin_ops.flattening.guards import describe_lateness
from deepcoin_ops.ledger.journal import Ledger, utc_now
from deepcoin_ops.orchestration import tags
from deepcoin_ops.settings import Settings

# Past the deadline of any tick of the day, an hour that a clock change may take away included.
_BESIDE_THE_DEADLINE = timedelta(hours=1)
# A daemon that was down over a weekend fires only the last tick it missed.
_DAYS_PER_TICK = 3


def build_end_of_day_flatten(
    settings: Settings, job: dg.JobDefinition, clock: Callable[[], datetime] = utc_now
) -> dg.ScheduleDefinition:
    """One run per account and tick. A tick that comes too late is skipped, with a row in the ledger that says so.

    A daemon that was down fires the tick it missed as soon as it is back, however late; closing then would flatten the next
    trading day.
    """

    @dg.schedule(
        name="end_of_day_flatten",
        job=job,
        cron_schedule=settings.schedule.cron,
        execution_timezone=settings.schedule.timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Flatten every account at the end of the trading day.",
    )
    def end_of_day_flatten(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        scheduled_at = context.scheduled_execution_time.astimezone(UTC)
        trading_day = settings.calendar.day_of(scheduled_at)
        lateness = describe_lateness(scheduled_at, clock(), settings.schedule.max_lateness_s)
        if lateness is not None:
            _record_skipped(settings, trading_day, scheduled_at, lateness)
            return dg.SkipReason(f"Nothing was sent: {lateness}. Launch flatten_positions by hand to flatten now.")
        return [
            dg.RunRequest(
                run_key=f"{account}:{trading_day}",
                run_config={"ops": {"plan_closes": {"config": {"account": account, "dry_run": False}}}},
                tags={
                    tags.ACCOUNT: account,
                    tags.TRADING_DAY: trading_day,
                    tags.SCHEDULED_AT: scheduled_at.isoformat(),
                },
            )
            for account in settings.accounts
        ]

    return end_of_day_flatten


def build_credentials_check(settings: Settings, job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Ask once a day whether the exchange still takes the keys.

    It deletes trading keys without a bound address after 30 idle days, and a desk that pauses its flatten is idle.
    Source: https://www.deepcoin.com/docs/authentication. Off until somebody switches it on, as it asks the exchange.
    """
    at = settings.schedule.credentials_check
    return dg.ScheduleDefinition(
        name="credentials_check",
        job=job,
        cron_schedule=f"{at.minute} {at.hour} * * *",
        execution_timezone=settings.schedule.timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Asks once a day whether the exchange still takes the keys. Only reads.",
    )


def build_day_end(settings: Settings, job: object, trading_days: dg.PartitionsDefinition[str]) -> dg.ScheduleDefinition:
    """Rebuild the tables of the days that have just ended, once no flatten of theirs can be at work. Only reads."""

    @dg.schedule(
        name="day_end",
        job=job,  # type: ignore[arg-type]
        cron_schedule=build_day_end_cron(settings),
        execution_timezone=settings.schedule.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
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


def _record_skipped(settings: Settings, trading_day: str, scheduled_at: datetime, reason: str) -> None:
    with Ledger.open(settings.ledger_path, settings.venue) as ledger:
        for account in settings.accounts:
            ledger.record_skipped_tick(account, trading_day, scheduled_at, reason)
