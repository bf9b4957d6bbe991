"""When Dagster fires: this project's answer is held against Dagster's own iterator, over clock changes above all."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from dagster._utils.schedules import schedule_execution_time_iterator
from dagster._vendored.croniter import croniter as dagsters_croniter
from generated_crons import generate_cron, generate_text

from deepcoin_ops.domain.cron_syntax import CronRefused, check_cron
from deepcoin_ops.domain.ticks import list_ticks

# Changes by an hour at night, at midnight, by half an hour, by two hours, on the quarter, and with a standard time in
# summer; rules that follow the moon; and zones that change nothing.
ZONES = (
    "UTC America/New_York Europe/Berlin Europe/London Europe/Dublin America/Havana Africa/Cairo Asia/Beirut "
    "America/Santiago Australia/Lord_Howe Antarctica/Troll Africa/Casablanca Asia/Kolkata America/St_Johns Pacific/Chatham "
    "Asia/Tehran Asia/Jerusalem Asia/Gaza Atlantic/Azores America/Scoresbysund America/Nuuk Australia/Sydney"
).split()
YEARS = (2026, 2027, 2028, 2031, 2036, 2040)
# Where Dagster's own search begins makes no difference to what it finds.
BEFORE_DAYS, AFTER_DAYS = (40, 9, 3, 1, 0), (2, 10, 30)
JUST_BEFORE = timedelta(microseconds=1)


def dagsters_ticks(cron: str, timezone: str, starts: datetime, ends: datetime) -> list[float]:
    """The instants at which Dagster's daemon would fire, seconds since 1970."""
    ticks = schedule_execution_time_iterator(starts.timestamp(), cron, timezone)
    return list(until(ends, (tick.timestamp() for tick in ticks)))


def our_ticks(cron: str, timezone: str, starts: datetime, ends: datetime) -> list[float]:
    """The instants that this project knows of in the same time."""
    return list(until(ends, (tick.timestamp() for tick in list_ticks(cron, timezone, starts - JUST_BEFORE))))


def until(ends: datetime, instants: Iterable[float]) -> Iterator[float]:
    """Those up to an end, which is included."""
    return takewhile(lambda instant: instant <= ends.timestamp(), instants)


def find_clock_changes(timezone: str, year: int) -> list[datetime]:
    """The UTC days on which the clocks of a zone change in a year; a day of its own where there is none."""
    zone = ZoneInfo(timezone)
    days = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=number) for number in range(366)]
    offsets = [day.astimezone(zone).utcoffset() for day in days]
    return [day for day, one, next_one in zip(days, offsets, offsets[1:], strict=False) if one != next_one] or days[::180]


def compare(chosen: random.Random, crons: int) -> int:
    """Compare so many crons, each in a zone around a clock change; how many ticks there were."""
    changes = {(zone, year): find_clock_changes(zone, year) for zone in ZONES for year in YEARS}
    compared = 0
    for _ in range(crons):
        cron, (zone, year) = generate_cron(chosen), chosen.choice(list(changes))
        change = chosen.choice(changes[zone, year])
        starts = change - timedelta(days=chosen.choice(BEFORE_DAYS), minutes=chosen.randrange(-1440, 1440))
        ends = change + timedelta(days=chosen.choice(AFTER_DAYS))
        expected = dagsters_ticks(cron, zone, starts, ends)
        assert our_ticks(cron, zone, starts, ends) == expected, f"{cron} in {zone} from {starts}"
        compared += len(expected)
    return compared


def test_ticks_are_those_of_dagster_around_every_kind_of_clock_change() -> None:
    """What is due and what is fired are one calendar, so that no alert is early and no day is forgotten."""
    assert compare(random.Random(20260329), crons=500) > 3_000


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(4))
def test_ticks_are_those_of_dagster_for_many_thousand_crons(seed: int) -> None:
    """The same, until chance has been everywhere."""
    assert compare(random.Random(seed), crons=10_000) > 75_000


@pytest.mark.parametrize("cron", ["30 0 * * *", "30 1 * * *", "0 2 * * *", "30 2 * * 0", "59 2 * 3,10,11 *", "0 3 L * *"])
def test_a_nightly_cron_is_fired_over_every_clock_change_when_dagster_fires_it(cron: str) -> None:
    """In every zone, twice a year; the ones with months and with the last day go Dagster's other way."""
    for zone in ZONES:
        for change in find_clock_changes(zone, 2027):
            starts, ends = change - timedelta(days=2), change + timedelta(days=3)
            assert our_ticks(cron, zone, starts, ends) == dagsters_ticks(cron, zone, starts, ends), (zone, change)


@pytest.mark.parametrize(
    ("cron", "ticks"),
    [("30 23 */2 * MON-FRI", 315), ("30 23 * * *", 365), ("30 23 * * 1-5", 261), ("30 23 1,15 * FRI", 74)],
)
def test_a_day_of_month_and_a_weekday_are_either_as_dagster_has_it(cron: str, ticks: int) -> None:
    """A desk that closes on odd days and on weekdays owes 315 flattens in 2026, and not the 132 days that are both."""
    starts, ends = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    found = our_ticks(cron, "UTC", starts, ends)
    assert len(found) == ticks
    assert found == dagsters_ticks(cron, "UTC", starts, ends)


def test_ticks_are_times_that_clocks_show() -> None:
    """A skipped time is shown as what it was moved to, or the trading day of the tick would be another one."""
    [tick] = takewhile(
        lambda tick: tick.date() == date(2026, 3, 8),
        list_ticks("30 2 * * *", "America/New_York", datetime(2026, 3, 8, 5, tzinfo=UTC)),
    )
    assert tick.isoformat() == "2026-03-08T03:00:00-04:00"


def test_an_accepted_cron_is_read_by_this_library_as_by_dagsters() -> None:
    """The two copies may part with a release of either; then the settings have to follow."""
    chosen, accepted = random.Random(7), 0
    for _ in range(3000):
        cron = generate_text(chosen)
        try:
            check_cron(cron)
        except CronRefused:
            continue
        accepted += 1
        ends = datetime(2036, 1, 1, tzinfo=UTC)
        starts = ends - timedelta(days=chosen.randrange(1, 400))
        assert dagsters_croniter.is_valid(cron), cron
        assert our_ticks(cron, "UTC", starts, ends) == dagsters_ticks(cron, "UTC", starts, ends), cron
    assert accepted > 75
