"""The end of the day: which days it rebuilds, and when."""

from __future__ import annotations

from datetime import datetime
from itertools import takewhile
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import cron_string_iterator

from deepcoin_ops.domain.due import find_ended_days, plan_due
from deepcoin_ops.orchestration.day_jobs import build_day_tables_job
from deepcoin_ops.orchestration.day_schedules import build_day_end
from deepcoin_ops.orchestration.partitions import build_trading_days
from deepcoin_ops.settings import Settings

NEW_YORK = ZoneInfo("America/New_York")


def end_day(settings: Settings, fired_at: datetime) -> dg.SkipReason | list[dg.RunRequest]:
    """What `day_end` asks for at a tick of its own."""
    schedule = build_day_end(settings, build_day_tables_job(), build_trading_days(settings))
    with dg.DagsterInstance.ephemeral() as instance:
        told = schedule(dg.build_schedule_context(instance=instance, scheduled_execution_time=fired_at))
    assert isinstance(told, dg.SkipReason | list)
    return told


def test_the_end_of_the_day_rebuilds_the_days_that_have_ended_though_nobody_flattened(settings: Settings) -> None:
    """A weekend without a daemon costs no day its tables, and a day without a flatten is not silently absent."""
    requests = end_day(settings, datetime(2026, 3, 9, 19, 33, tzinfo=NEW_YORK))
    assert isinstance(requests, list)
    assert [request.partition_key for request in requests] == ["2026-03-06", "2026-03-07", "2026-03-08"]
    assert len({request.run_key for request in requests}) == 3
    assert all(request.run_config == {} for request in requests)


def test_the_end_of_the_day_has_nothing_to_do_before_the_first_trading_day(settings: Settings) -> None:
    """A day before the first one has no partition, and a run for it would fail every evening."""
    assert isinstance(end_day(settings, datetime(2026, 1, 5, 19, 33, tzinfo=NEW_YORK)), dg.SkipReason)
    second = end_day(settings, datetime(2026, 1, 6, 19, 33, tzinfo=NEW_YORK))
    assert isinstance(second, list)
    assert [request.partition_key for request in second] == ["2026-01-05"]


@pytest.mark.parametrize("cron", ["30 16 * * *", "16 17 * * *", "44 16 * * *"])
def test_the_end_of_the_day_comes_after_the_deadline_of_every_tick(settings: Settings, cron: str) -> None:
    """A flatten that is still at work must not be called missing, over a clock change either."""
    schedule = build_day_end(settings, build_day_tables_job(), build_trading_days(settings))
    first = datetime(2028, 3, 1, tzinfo=NEW_YORK)
    fired = cron_string_iterator(first.timestamp(), str(schedule.cron_schedule), "America/New_York")
    for fired_at in takewhile(lambda at: at.timestamp() < first.timestamp() + 300 * 86400, fired):
        [day] = find_ended_days(settings.calendar, fired_at, 1)
        due = plan_due(settings.calendar, cron, "2026-01-05", settings.max_run_time_s, day, fired_at)
        assert due is not None
        assert due.is_past
