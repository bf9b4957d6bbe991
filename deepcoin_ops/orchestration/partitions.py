"""The trading days as partitions: one key per day, today's included, in the desk's timezone."""

from __future__ import annotations

import dagster as dg

from deepcoin_ops.settings import Settings


def build_trading_days(settings: Settings) -> dg.DailyPartitionsDefinition:
    """Daily partitions whose windows begin at the desk's day boundary; the key is the date on which a window starts.

    The running day is a partition too (`end_offset`), because a flatten happens inside its day.
    """
    schedule = settings.schedule
    return dg.DailyPartitionsDefinition(
        start_date=schedule.first_trading_day.isoformat(),
        timezone=schedule.timezone,
        hour_offset=schedule.day_boundary.hour,
        minute_offset=schedule.day_boundary.minute,
        end_offset=1,
    )
