"""The trading days as partitions: the same days, with the same windows, as the rest of the project knows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time
from zoneinfo import ZoneInfo

import pytest

from deepcoin_ops.domain.trading_day import EARLIEST_DAY, LATEST_DAY
from deepcoin_ops.orchestration.partitions import build_trading_days
from deepcoin_ops.settings import Settings

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize("day", ["2026-03-06", "2026-03-07", "2026-03-08", "2026-10-31", "2026-11-01", "2026-06-30"])
def test_a_partition_has_the_window_of_its_trading_day(settings: Settings, day: str) -> None:
    """Dagster and the ledger count days by themselves; over both clock changes they have to agree."""
    window = build_trading_days(settings).time_window_for_partition_key(day)
    assert (window.start, window.end) == settings.calendar.window(day)


@pytest.mark.parametrize(("local_time", "newest"), [("16:59:59", "2026-03-08"), ("17:00:00", "2026-03-09")])
def test_the_running_day_is_a_partition(settings: Settings, local_time: str, newest: str) -> None:
    """A flatten happens inside its day, and its tables are wanted the same evening."""
    now = datetime.fromisoformat(f"2026-03-09T{local_time}").replace(tzinfo=NEW_YORK)
    assert build_trading_days(settings).get_partition_keys(current_time=now)[-1] == newest
    assert settings.calendar.day_of(now) == newest


def test_the_first_trading_day_is_the_first_partition(settings: Settings) -> None:
    """It comes from the settings, so that a desk's history does not begin in years that never were."""
    assert build_trading_days(settings).get_first_partition_key() == "2026-01-05"


def test_the_days_that_a_desk_can_mean_make_a_bounded_number_of_partitions(settings: Settings) -> None:
    """Dagster counts them all for its page; seven hundred thousand would be a day per day since the year one."""
    desk = replace(settings, schedule=settings.schedule.model_copy(update={"first_trading_day": EARLIEST_DAY}))
    now = datetime.combine(LATEST_DAY, time(), NEW_YORK)
    assert len(build_trading_days(desk).get_partition_keys(current_time=now)) < 30_000
