"""Whether day boundary and cron fit each other, in every year and over every kind of clock change."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise, takewhile

import pytest

from deepcoin_ops.domain.schedule_checks import find_boundary_trouble, find_tick_trouble
from deepcoin_ops.domain.ticks import list_ticks
from deepcoin_ops.domain.trading_day import TradingCalendar

FIRST = date(2026, 1, 1)
MARGIN = timedelta(minutes=15)
ZONES = (
    "UTC America/New_York Europe/Berlin Europe/Dublin America/Havana Africa/Cairo Asia/Beirut America/Santiago "
    "Australia/Lord_Howe Antarctica/Troll Africa/Casablanca Asia/Kolkata"
).split()


def find_trouble(timezone: str, boundary: str, cron: str) -> str | None:
    """What is wrong with a boundary, else with a cron beside it, in words."""
    calendar = TradingCalendar(timezone, time.fromisoformat(boundary))
    trouble = find_boundary_trouble(calendar, FIRST) or find_tick_trouble(calendar, cron, FIRST)
    return trouble and f"{trouble.expected}: {trouble.found}: {trouble.cure}"


GOOD = {
    "an afternoon": ("America/New_York", "17:00", "30 16 * * 1-5"),
    "the end of the day": ("UTC", "00:00", "30 23 * * *"),
    "a skipped hour far from the boundary": ("America/New_York", "12:00", "30 2 * * *"),
    "a skipped midnight far from the boundary": ("America/Havana", "02:00", "30 0 * * *"),
    "two hours skipped": ("Antarctica/Troll", "12:00", "30 2 * * *"),
    "half an hour skipped": ("Australia/Lord_Howe", "12:00", "15 2 * * *"),
    "working days only, and clocks that change on Sundays": ("Europe/Dublin", "12:00", "30 1 * * 1-5"),
    "moved over midnight, and still in its day": ("America/Nuuk", "12:00", "30 23 * * *"),
    "either side of the boundary": ("UTC", "00:00", "16 0 * * *"),
}
BAD = {
    "a boundary that is skipped": ("Europe/Zurich", "02:30", "30 16 * * *", "02:30, not once on 2026-03-29"),
    "a boundary that comes twice": ("America/New_York", "01:00", "30 16 * * *", "01:00, not once on 2026-11-01"),
    "a midnight that is skipped": ("Africa/Cairo", "00:00", "30 16 * * *", "00:00, not once on 2026-04-24"),
    "before the boundary": ("UTC", "00:00", "45 23 * * *", "one at 23:45"),
    "after the boundary": ("UTC", "00:00", "15 0 * * *", "one at 00:15"),
    "moved to the boundary": ("America/New_York", "03:10", "30 2 * * *", "one at 03:00 on 2026-03-08"),
    "an hour lost before the boundary": ("America/New_York", "03:10", "58 1 * * *", "one at 01:58 on 2026-03-08"),
    "moved over the boundary": ("America/Havana", "01:00", "30 0 * * *", "a second one at 00:30 on 2026-03-09"),
    "brought forward by Dagster": ("Europe/Dublin", "12:00", "30 1 * * *", "which it fires at 00:00 on 2026-03-29"),
    "brought forward by the moon": ("Africa/Casablanca", "12:00", "30 2 * * *", "which it fires at 01:00 on 2026-03-22"),
}


@pytest.mark.parametrize(("timezone", "boundary", "cron"), GOOD.values(), ids=GOOD)
def test_a_tick_well_inside_its_trading_day_is_good_in_every_year(timezone: str, boundary: str, cron: str) -> None:
    """A desk may close at night too, where Dagster's ticks stay in their days."""
    assert find_trouble(timezone, boundary, cron) is None


@pytest.mark.parametrize(("timezone", "boundary", "cron", "found"), BAD.values(), ids=BAD)
def test_a_tick_that_a_clock_change_takes_out_of_its_day_is_refused(
    timezone: str, boundary: str, cron: str, found: str
) -> None:
    """Once a year is enough for a trading day without a flatten, or with two."""
    assert found in str(find_trouble(timezone, boundary, cron))


@pytest.mark.parametrize("timezone", ZONES)
@pytest.mark.parametrize("boundary", ["00:00", "03:10"])
def test_what_is_good_has_one_tick_a_day_well_inside_it_on_every_day(timezone: str, boundary: str) -> None:
    """The checks look at few days; this looks at each of some years."""
    calendar, ends = TradingCalendar(timezone, time.fromisoformat(boundary)), datetime(2027, 1, 1, tzinfo=UTC)
    if find_boundary_trouble(calendar, FIRST) is not None:
        return
    for cron in ("30 0 * * *", "58 1 * * *", "30 2 * * *", "0 3 * * *"):
        if find_tick_trouble(calendar, cron, FIRST) is not None:
            continue
        found = list_ticks(cron, timezone, datetime(2026, 2, 1, tzinfo=UTC))
        ticks = list(takewhile(lambda tick: tick < ends, found))
        days = [date.fromisoformat(calendar.day_of(tick)) for tick in ticks]
        assert all(following - day == timedelta(days=1) for day, following in pairwise(days))
        for tick in ticks:
            opens, closes = (edge.astimezone(UTC) for edge in calendar.window(calendar.day_of(tick)))
            assert min(tick.astimezone(UTC) - opens, closes - tick.astimezone(UTC)) > MARGIN
