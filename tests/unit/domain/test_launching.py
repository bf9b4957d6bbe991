"""When a launch may act: for every age, every scheduled time and every step of the clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcoin_ops.domain.launching import (
    LAUNCHED_TOLERANCE_S,
    SCHEDULED_TOLERANCE_S,
    Launch,
    SeenSchedule,
    find_launch_objection,
    find_schedule_start,
)
from deepcoin_ops.domain.trading_day import TradingCalendar

NEW_YORK = ZoneInfo("America/New_York")
CALENDAR = TradingCalendar("America/New_York", time(17))
TICK = datetime(2026, 3, 9, 16, 30, tzinfo=NEW_YORK).astimezone(UTC)
LIMIT_S = 1800.0
SECOND = timedelta(seconds=1)

seconds = st.floats(-4e6, 4e6)


def ask(launch: Launch, *readings: datetime, limit_s: float = LIMIT_S) -> str | None:
    """Why a launch may not act."""
    return find_launch_objection(launch, readings, CALENDAR, limit_s)


def after(launched_s: float, scheduled_s: float | None = None) -> Launch:
    """A launch so long after the tick, for a scheduled time so long after it."""
    scheduled_at = None if scheduled_s is None else TICK + timedelta(seconds=scheduled_s)
    return Launch(TICK + timedelta(seconds=launched_s), scheduled_at)


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=3), timedelta(minutes=29, seconds=59)])
def test_a_tick_in_time_may_act_until_its_trading_day_is_over(late: timedelta) -> None:
    """The normal evening, which the refusals below would otherwise pass by denying everything."""
    assert ask(Launch(TICK + late, TICK), TICK + late) is None


@pytest.mark.parametrize("ahead", [timedelta(seconds=SCHEDULED_TOLERANCE_S + 1), timedelta(hours=5), timedelta(days=300)])
def test_a_scheduled_time_that_has_not_come_is_denied(ahead: timedelta) -> None:
    """Tonight's runs, launched at noon, would close what the desk holds on purpose until tonight."""
    assert "ahead: a flatten acts for now" in str(ask(Launch(TICK - ahead, TICK), TICK - ahead))


def test_a_scheduled_time_older_than_the_limit_is_denied_and_one_as_old_is_not() -> None:
    """Half an hour by default."""
    morning = datetime(2026, 3, 9, 9, 0, tzinfo=NEW_YORK)
    limit = timedelta(seconds=LIMIT_S)
    assert ask(Launch(morning + limit, morning), morning + limit) is None
    objection = str(ask(Launch(morning + limit + SECOND, morning), morning + limit + SECOND))
    assert "is 30 minutes late, more than the 30 minutes allowed" in objection


def test_a_scheduled_time_whose_trading_day_is_over_is_denied_within_the_limit_too() -> None:
    """Fifteen minutes behind the boundary the next day's positions are there."""
    boundary = datetime(2026, 3, 9, 17, 0, tzinfo=NEW_YORK)
    assert ask(Launch(TICK, TICK), boundary - SECOND) is None
    assert "is of trading day 2026-03-08, and it is 2026-03-09" in str(ask(Launch(TICK, TICK), boundary))


def test_a_launch_by_hand_has_an_age_and_no_trading_day() -> None:
    """Launched while nothing took runs from the queue, and begun hours later."""
    before_the_boundary = datetime(2026, 3, 9, 16, 59, tzinfo=NEW_YORK)
    launch = Launch(before_the_boundary)
    assert ask(launch, before_the_boundary + timedelta(minutes=30)) is None
    objection = str(ask(launch, before_the_boundary + timedelta(hours=3)))
    assert "is 180 minutes old, more than the 30 minutes allowed" in objection


def test_a_fresh_launch_for_an_old_scheduled_time_and_an_old_one_for_a_fresh_time_are_both_denied() -> None:
    """An old run executed again has a launch of its own and keeps its scheduled time; a tag can be typed by hand."""
    now = TICK
    assert "late" in str(ask(Launch(now, now - timedelta(hours=2)), now))
    assert "old" in str(ask(Launch(now - timedelta(hours=2), now), now))


def test_a_launch_from_the_future_is_denied_beyond_what_two_hosts_may_differ_by() -> None:
    """The clock was set back since, so that its age is not known."""
    assert ask(Launch(TICK + timedelta(seconds=LAUNCHED_TOLERANCE_S)), TICK) is None
    assert "ahead of this machine's clock" in str(ask(Launch(TICK + timedelta(seconds=LAUNCHED_TOLERANCE_S + 1)), TICK))


@pytest.mark.parametrize("zone", [UTC, NEW_YORK, timezone(timedelta(hours=14))], ids=str)
def test_the_age_is_counted_in_absolute_time_over_a_clock_change(zone: timezone) -> None:
    """Two local times of one zone are an hour off when they are subtracted as they show."""
    scheduled_at = datetime(2028, 11, 5, 5, 50, tzinfo=UTC)  # 01:50 in New York, an hour before it is 01:50 once more
    now = (scheduled_at + timedelta(hours=1)).astimezone(zone)
    assert "is 60 minutes late" in str(ask(Launch(now, scheduled_at.astimezone(zone)), now))


@pytest.mark.parametrize("instant", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)], ids=str)
def test_the_first_and_the_last_time_there_is_are_denied(instant: datetime) -> None:
    """What a tag can say must not end in an error that leaves the flatten without a closing row."""
    assert ask(Launch(TICK, instant), TICK)
    assert ask(Launch(instant), TICK)


@given(launched_s=seconds, scheduled_s=st.none() | seconds, now_s=seconds, ages_s=st.floats(0, 4e6))
def test_what_was_denied_for_its_age_stays_denied(
    launched_s: float, scheduled_s: float | None, now_s: float, ages_s: float
) -> None:
    """Time going by never makes a launch fit again that was too old."""
    launch, now = after(launched_s, scheduled_s), TICK + timedelta(seconds=now_s)
    if now_s >= max(launched_s, scheduled_s or launched_s) and ask(launch, now):
        assert ask(launch, now + timedelta(seconds=ages_s))


@given(launched_s=seconds, scheduled_s=seconds, now_s=seconds, limit_s=st.floats(0, 4e6))
def test_what_may_act_is_neither_ahead_nor_old_nor_of_another_day(
    launched_s: float, scheduled_s: float, now_s: float, limit_s: float
) -> None:
    """Whatever the limits: it acts for now."""
    launch, now = after(launched_s, scheduled_s), TICK + timedelta(seconds=now_s)
    if ask(launch, now, limit_s=limit_s) is None:
        assert -SCHEDULED_TOLERANCE_S - 1e-6 <= now_s - scheduled_s <= limit_s + 1e-6
        assert -LAUNCHED_TOLERANCE_S - 1e-6 <= now_s - launched_s <= limit_s + 1e-6
        assert CALENDAR.day_of(now) == CALENDAR.day_of(launch.scheduled_at or now)


@given(scheduled_s=st.none() | seconds, first=st.lists(seconds, min_size=1), more=st.lists(seconds))
def test_a_further_reading_of_the_clock_only_denies(
    scheduled_s: float | None, first: Sequence[float], more: Sequence[float]
) -> None:
    """A clock that was set gives two readings; what either denies is denied."""
    launch = after(0, scheduled_s)
    readings = [[TICK + timedelta(seconds=each) for each in some] for some in (first, more)]
    if ask(launch, *readings[0]):
        assert ask(launch, *readings[0], *readings[1])
    if all(ask(launch, reading) is None for reading in [*readings[0], *readings[1]]):
        assert ask(launch, *readings[0], *readings[1]) is None


@given(since_s=seconds)
def test_a_time_older_than_the_schedule_is_denied(since_s: float) -> None:
    """What a new cron would have fired before it was there was never scheduled."""
    launch = Launch(TICK, TICK, schedule_since=TICK + timedelta(seconds=since_s))
    assert (ask(launch, TICK) is None) is (launch.schedule_since is not None and launch.schedule_since <= TICK)


CURRENT = SeenSchedule("desk", "30 16 * * *", "America/New_York", TICK)
EARLIER = replace(CURRENT, since=TICK - timedelta(days=9))


def test_a_restart_is_no_change_of_the_schedule() -> None:
    """Loaded a minute ago and kept for nine days as the same: it is nine days old."""
    assert find_schedule_start(CURRENT, [EARLIER]) == EARLIER.since


@pytest.mark.parametrize(
    "seen",
    [
        [],
        [replace(EARLIER, cron="31 16 * * *")],
        [replace(EARLIER, timezone="UTC")],
        [replace(EARLIER, desk="another desk")],
        [EARLIER, replace(EARLIER, cron="31 16 * * *")],
    ],
    ids=["nothing", "another cron", "another timezone", "another desk", "two that differ"],
)
def test_without_proof_that_it_is_the_same_the_schedule_is_as_old_as_its_loading(seen: list[SeenSchedule]) -> None:
    """A new one, a changed one, and one that was renamed."""
    assert find_schedule_start(CURRENT, seen) == CURRENT.since


def test_what_a_code_location_that_is_gone_left_behind_does_not_count() -> None:
    """Renamed months ago, with another cron; a restart over tonight's scheduled time is made up for all the same."""
    left = replace(EARLIER, cron="0 1 * * *", since=EARLIER.since - timedelta(days=90))
    assert find_schedule_start(CURRENT, [left, EARLIER]) == EARLIER.since
    assert find_schedule_start(CURRENT, [EARLIER, left]) == EARLIER.since


def test_another_desk_of_the_same_dagster_changes_nothing() -> None:
    """Paper and live may stand beside each other."""
    other = replace(CURRENT, desk="another desk", cron="0 1 * * *")
    assert find_schedule_start(CURRENT, [other, EARLIER]) == EARLIER.since
