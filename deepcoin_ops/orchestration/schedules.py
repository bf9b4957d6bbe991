"""The schedules of what asks the exchange: one flattens at the end of the trading day, one looks at the keys.

Both are off until somebody switches them on; `credentials_check` only reads, once a day, whether the keys still work.
The schedule that asks nobody is in `day_schedules`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg

from deepcoin_ops.flattening.guards import describe_lateness
from deepcoin_ops.ledger.journal import Ledger, utc_now
from deepcoin_ops.orchestration import tags
from deepcoin_ops.settings import Settings


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


def _record_skipped(settings: Settings, trading_day: str, scheduled_at: datetime, reason: str) -> None:
    with Ledger.open(settings.ledger_path, settings.venue) as ledger:
        for account in settings.accounts:
            ledger.record_skipped_tick(account, trading_day, scheduled_at, reason)
