"""The evening tick: which runs it asks for, for which trading day, and when for none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import cron_string_iterator

from deepcoin_ops.ledger.history import History
from deepcoin_ops.orchestration.jobs import build_flatten_job
from deepcoin_ops.orchestration.partitions import build_trading_days
from deepcoin_ops.orchestration.schedules import build_end_of_day_flatten
from deepcoin_ops.settings import Settings

NEW_YORK = ZoneInfo("America/New_York")
TICK = datetime(2026, 3, 9, 16, 30, tzinfo=NEW_YORK)


def fire(settings: Settings, tick: datetime, late: timedelta = timedelta(seconds=3)) -> dg.SkipReason | list[dg.RunRequest]:
    """What the schedule answers when a tick is evaluated so late."""
    schedule = build_end_of_day_flatten(settings, build_flatten_job(settings), lambda: tick.astimezone(UTC) + late)
    with dg.DagsterInstance.ephemeral() as instance:
        told = schedule(dg.build_schedule_context(instance=instance, scheduled_execution_time=tick))
    assert isinstance(told, dg.SkipReason | list)
    return told


def fire_in_time(settings: Settings, tick: datetime, late: timedelta = timedelta(seconds=3)) -> list[dg.RunRequest]:
    """The runs that a tick asks for."""
    told = fire(settings, tick, late)
    assert isinstance(told, list)
    return told


def test_a_tick_asks_for_one_run_per_account_of_its_trading_day(settings: Settings) -> None:
    """The run key is what keeps one daemon from launching twice, the tags are what queue and op go by."""
    main, hedge = fire_in_time(settings, TICK)
    assert (main.run_key, hedge.run_key) == ("main:2026-03-08", "hedge:2026-03-08")
    assert main.run_config == {"ops": {"plan_closes": {"config": {"account": "main", "dry_run": False}}}}
    assert main.tags == {
        "deepcoin_ops/account": "main",
        "deepcoin_ops/trading_day": "2026-03-08",
        "deepcoin_ops/scheduled_at": "2026-03-09T20:30:00+00:00",
    }
    assert main.partition_key is None


@pytest.mark.parametrize("cron", ["30 16 * * *", "30 2 * * *"])
@pytest.mark.parametrize("change", [datetime(2028, 3, 12, tzinfo=NEW_YORK), datetime(2028, 11, 5, tzinfo=NEW_YORK)])
def test_over_a_clock_change_every_trading_day_has_one_tick_and_its_partition(
    settings: Settings, cron: str, change: datetime
) -> None:
    """An hour that is missing or comes twice must cost no day its flatten and give none two, at half past two either."""
    first, last = change - timedelta(days=3), change + timedelta(days=4)
    ticks = cron_string_iterator(first.timestamp(), cron, "America/New_York")
    in_time = takewhile(lambda tick: tick.timestamp() < last.timestamp(), ticks)
    keys = [fire_in_time(settings, tick)[0].run_key for tick in in_time]
    days = [(first.date() + timedelta(days=number - 1)).isoformat() for number in range(7)]
    assert keys == [f"main:{day}" for day in days]
    partitions = build_trading_days(settings).get_partition_keys(current_time=last)
    assert set(days) <= set(partitions)


@pytest.mark.parametrize(
    ("local_time", "trading_day"), [("16:59:59", "2026-03-08"), ("17:00:00", "2026-03-09"), ("17:00:01", "2026-03-09")]
)
def test_a_tick_belongs_to_the_day_whose_window_holds_its_own_time(
    settings: Settings, local_time: str, trading_day: str
) -> None:
    """The day starts at the boundary itself, and its key is the date on which it starts."""
    tick = datetime.fromisoformat(f"2026-03-09T{local_time}").replace(tzinfo=NEW_YORK)
    assert fire_in_time(settings, tick)[0].tags["deepcoin_ops/trading_day"] == trading_day


def test_a_tick_evaluated_behind_the_boundary_still_belongs_to_the_day_it_was_for(settings: Settings) -> None:
    """A busy daemon must not move a flatten into the next day's tables."""
    main, _hedge = fire_in_time(settings, TICK + timedelta(minutes=14), late=timedelta(minutes=20))
    assert main.tags["deepcoin_ops/trading_day"] == "2026-03-08"


def test_a_tick_fired_eight_hours_late_launches_nothing_and_is_recorded_for_every_account(settings: Settings) -> None:
    """A daemon that comes back in the morning fires the evening's tick; closing then would flatten the next day."""
    told = fire(settings, TICK, late=timedelta(hours=8))
    assert isinstance(told, dg.SkipReason)
    assert "480 minutes late" in str(told.skip_message)
    with History.open_existing(settings.ledger_path, settings.venue) as history:
        ticks = history.read_skipped_ticks("2026-03-08")
    assert [(tick.account, tick.scheduled_at) for tick in ticks] == [("main", TICK), ("hedge", TICK)]


@pytest.mark.parametrize(("late", "is_skipped"), [(timedelta(minutes=30), False), (timedelta(minutes=30, seconds=1), True)])
def test_the_allowed_lateness_is_the_settings_one(settings: Settings, late: timedelta, is_skipped: bool) -> None:
    """Half an hour by default: up to it a restart costs nothing, beyond it a person decides."""
    assert isinstance(fire(settings, TICK, late), dg.SkipReason) is is_skipped
