"""The evening tick: which runs it asks for, for which trading day, and when for none. Evaluating it leaves no trace."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorType
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorType, SensorInstigatorData
from dagster._utils.schedules import cron_string_iterator
from set_clock import SetClock

from deepcoin_ops.orchestration.jobs import build_flatten_job
from deepcoin_ops.orchestration.partitions import build_trading_days
from deepcoin_ops.orchestration.schedule_watch import WatchCursor, describe_schedule
from deepcoin_ops.orchestration.schedules import build_end_of_day_flatten
from deepcoin_ops.settings import Settings, load_settings

NEW_YORK = ZoneInfo("America/New_York")
TICK = datetime(2026, 3, 9, 16, 30, tzinfo=NEW_YORK)


def fire(
    settings: Settings,
    tick: datetime,
    late: timedelta = timedelta(seconds=3),
    loaded: timedelta = timedelta(days=-9),
    instance: dg.DagsterInstance | None = None,
) -> dg.SkipReason | list[dg.RunRequest]:
    """What the schedule answers when a tick is evaluated so late, by a process that loaded it so long after the tick."""
    clock = SetClock(tick.astimezone(UTC) + loaded)
    schedule = build_end_of_day_flatten(settings, build_flatten_job(settings), clock)
    clock.pass_time(late - loaded)
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=tick) as context:
        answer = schedule(context)
    assert isinstance(answer, dg.SkipReason | list)
    assert not settings.state_folder.exists()
    return answer


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
    assert fire_in_time(settings, tick, timedelta(0))[0].tags["deepcoin_ops/trading_day"] == trading_day


def read_skip(settings: Settings, tick: datetime, late: timedelta, **more: Any) -> str:
    """Why a tick is skipped."""
    answer = fire(settings, tick, late, **more)
    assert isinstance(answer, dg.SkipReason)
    return str(answer.skip_message)


def test_a_tick_evaluated_behind_the_boundary_is_skipped(settings: Settings) -> None:
    """A daemon that is twenty minutes late finds the next day's positions."""
    assert "it is 2026-03-09" in read_skip(settings, TICK + timedelta(minutes=14), late=timedelta(minutes=20))


def test_a_tick_fired_eight_hours_late_launches_nothing(settings: Settings) -> None:
    """A daemon that comes back in the morning fires the evening's tick; closing then would flatten the next day."""
    assert "480 minutes late" in read_skip(settings, TICK, late=timedelta(hours=8))


def test_a_preview_of_tonight_gives_nothing_that_could_be_launched(settings: Settings) -> None:
    """The page shows what a schedule would launch at any time, with a button that launches it at once."""
    assert "is 300 minutes ahead" in read_skip(settings, TICK, late=timedelta(hours=-5))


@pytest.mark.parametrize(("late", "is_skipped"), [(timedelta(minutes=30), False), (timedelta(minutes=30, seconds=1), True)])
def test_the_allowed_lateness_is_the_settings_one(settings: Settings, late: timedelta, is_skipped: bool) -> None:
    """Half an hour by default: up to it a restart costs nothing, beyond it a person decides."""
    noon = TICK.replace(hour=12)
    assert isinstance(fire(settings, noon, late), dg.SkipReason) is is_skipped


MINUTE = timedelta(minutes=1)


def keep(instance: dg.DagsterInstance, settings: Settings, since: datetime) -> None:
    """Have Dagster keep what the watching sensor has seen of the schedule."""
    cursor = WatchCursor(describe_schedule(settings, since.astimezone(UTC))).format()
    location = RegisteredCodeLocationOrigin("desk")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "repository"), "schedule_watch")
    data = SensorInstigatorData(cursor=cursor, sensor_type=SensorType.STANDARD)
    instance.add_instigator_state(InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data))


def test_a_cron_that_is_edited_to_a_minute_ago_closes_nothing(
    settings: Settings, dagster: dg.DagsterInstance, settings_file: Callable[..., dict[str, str]]
) -> None:
    """Dagster fires the past time of a new cron once, within the hour. What it had before is known from the sensor."""
    before = settings.source_path.read_text().replace("30 16 * * *", "0 16 * * *")
    keep(dagster, load_settings(settings_file("http://127.0.0.1:1", before)), TICK - timedelta(days=9))
    skipped = read_skip(settings, TICK, 2 * MINUTE, loaded=MINUTE, instance=dagster)
    assert "a time from before a change is not made up for" in skipped


def test_a_change_that_the_sensor_has_seen_already_closes_nothing_either(
    settings: Settings, dagster: dg.DagsterInstance
) -> None:
    """It keeps the moment of the change, which a later restart of the code server finds."""
    keep(dagster, settings, TICK + MINUTE)
    assert "a time from before a change" in read_skip(settings, TICK, 5 * MINUTE, loaded=3 * MINUTE, instance=dagster)


def test_a_restart_of_the_code_server_still_makes_up_for_the_tick_it_missed(
    settings: Settings, dagster: dg.DagsterInstance
) -> None:
    """The machine restarts over the end of the day, and the account is flat all the same."""
    keep(dagster, settings, TICK - timedelta(days=9))
    assert isinstance(fire(settings, TICK, 5 * MINUTE, loaded=3 * MINUTE, instance=dagster), list)


def test_a_schedule_that_was_never_seen_makes_up_for_nothing(settings: Settings, dagster: dg.DagsterInstance) -> None:
    """A new installation beside an account that is at work."""
    assert "a time from before a change" in read_skip(settings, TICK, 5 * MINUTE, loaded=3 * MINUTE, instance=dagster)


def test_a_wall_clock_that_was_set_forward_does_not_make_the_schedule_old(
    settings: Settings, dagster: dg.DagsterInstance
) -> None:
    """Loaded by a clock that was an hour behind: the tick looks younger than the loading, and is not."""
    clock = SetClock(TICK.astimezone(UTC) - timedelta(hours=1))
    schedule = build_end_of_day_flatten(settings, build_flatten_job(settings), clock)
    clock.pass_time(MINUTE)
    clock.set_wall(TICK.astimezone(UTC) + 2 * MINUTE)
    with dg.build_schedule_context(instance=dagster, scheduled_execution_time=TICK) as context:
        assert isinstance(schedule(context), dg.SkipReason)
