"""The schedules of what asks the exchange: one flattens at the end of the trading day, one looks at the keys.

Both are off until somebody switches them on; `credentials_check` only reads, once a day, whether the keys still work.
The schedule that asks nobody is in `day_schedules`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import dagster as dg

from deepcoin_ops.domain.launching import Launch, find_launch_objection, find_schedule_start
from deepcoin_ops.exchange.pace_clock import SYSTEM_CLOCK, PaceClock
from deepcoin_ops.orchestration import tags
from deepcoin_ops.orchestration.schedule_watch import FLATTEN_SCHEDULE, describe_schedule, read_seen_schedules
from deepcoin_ops.settings import Settings


def build_end_of_day_flatten(
    settings: Settings, job: dg.JobDefinition, clock: PaceClock = SYSTEM_CLOCK
) -> dg.ScheduleDefinition:
    """One run per account and scheduled time, or the reason why it is skipped. Evaluating it writes nothing.

    A daemon that was down fires the time it missed as soon as it is back, however late. One that finds another cron fires
    what that one would have fired within the last hour. Both would close what another moment holds.

    Args:
        settings: The accounts, the trading days and the limits.
        job: What it launches.
        clock: The time; it is asked now, too, for the moment from which this schedule is known.
    """
    loaded_at, loaded_s = clock.wall_now(), clock.now_s()

    def find_since(instance: Callable[[], dg.DagsterInstance], scheduled_at: datetime, now: datetime) -> datetime:
        # By the boot clock as well: a wall clock that was set forward must not make these definitions look old.
        since = max(loaded_at, now - timedelta(seconds=clock.now_s() - loaded_s))
        if scheduled_at >= since:
            return since
        return find_schedule_start(describe_schedule(settings, since), read_seen_schedules(instance()))

    @dg.schedule(
        name=FLATTEN_SCHEDULE,
        job=job,
        cron_schedule=settings.schedule.cron,
        execution_timezone=settings.schedule.timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Flatten every account at the end of the trading day.",
    )
    def end_of_day_flatten(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        scheduled_at, now = context.scheduled_execution_time.astimezone(UTC), clock.wall_now()
        launch = Launch(now, scheduled_at, find_since(lambda: context.instance, scheduled_at, now))
        objection = find_launch_objection(launch, [now], settings.calendar, settings.schedule.max_lateness_s)
        if objection is not None:
            return dg.SkipReason(f"{objection}; nothing was sent. Launch flatten_positions by hand to flatten now")
        trading_day = settings.calendar.day_of(scheduled_at)
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
