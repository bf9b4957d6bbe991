"""Which crons may be configured, and what a person is advised to write instead of one that may not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from dagster._check import CheckError
from dagster._utils.schedules import is_valid_cron_schedule, schedule_execution_time_iterator
from dagster._vendored.croniter import croniter as dagsters_croniter

from deepcoin_ops.domain.cron_syntax import CronRefused, check_cron, read_time_of_day

GOOD = (
    "30 23 * * *",
    "05 7 * * *",
    "30 23 */2 * MON-FRI",
    "30 23 ? * mon-fri",
    "30 23 * nov-feb 0-7",
    "30 23 1,15,L * *",
    "30 23 28,29 * *",
    "30 23 29 4-12 *",
    "30 23 1-31/2 * *",
    "30 23 * * FRI-MON",
    "30 23 * * L5",
    "30 23 * * 1#1,1#3",
    "30  23 * * *",
)
REFUSED = {
    "Quartz's last Friday": ("30 23 * * 5L", "L5 is the last Friday"),
    "Quartz's last weekday": ("30 23 LW * *", "L is the last day"),
    "a name": ("@daily", "write all five"),
    "a random minute": ("R 23 * * *", "write the minute itself"),
    "a hashed hour": ("30 H * * *", "write the hour itself"),
    "seconds": ("0 30 23 * * *", "write all five"),
    "two hours": ("30 8,20 * * *", "at most one tick in a trading day"),
    "every minute": ("* 23 * * *", "at most one tick in a trading day"),
    "no such minute": ("60 23 * * *", "from 0 to 59"),
    "no such hour": ("0 24 * * *", "from 0 to 23"),
    "no such day": ("30 23 32 * *", "from 1 to 31"),
    "no such month": ("30 23 * 0 *", "from 1 to 12"),
    "no such weekday": ("30 23 * * 8", "from 0 to 7"),
    "30 February": ("30 23 30 2 *", "no such day"),
    "31 April or a Monday": ("30 23 31 4 1", "no such day"),
    "a range of one day, which is read as every day": ("30 23 5-5 * *", "write 5"),
    "a step from the last day, which is read as every second": ("30 23 * * 6/2", "as a list"),
    "a step over the end of the week": ("30 23 * * 1-7/2", "as a list"),
    "a step of no days": ("30 23 */0 * *", "a step from 1"),
    "a step that never comes": ("30 23 */31 * *", "a step from 1 to 30"),
    "a star in a list": ("30 23 *,3 * *", "day of month as numbers"),
    "nothing in a list": ("30 23 * * 1,", "day of week as numbers"),
    "a counted weekday beside days": ("30 23 15 * 5#2", "write only such weekdays as 5#2"),
    "a counted weekday beside weekdays": ("30 23 * * 1,L5", "write only such weekdays as L5"),
    "a sixth Friday": ("30 23 * * 5#6", "5#2 the second"),
    "digits of another script": ("٣٠ 23 * * *", "from 0 to 59"),
    "the 29th alone": ("30 23 29 * *", "in March of a leap year"),
    "the 29th after another day": ("30 23 11,29 * *", "in March of a leap year"),
    "nothing": ("", "five cron fields"),
}


@pytest.mark.parametrize("cron", GOOD)
def test_what_a_crontab_may_say_is_accepted_when_dagster_accepts_it(cron: str) -> None:
    """Lists, ranges, steps, names, last days and counted weekdays all mean what they say."""
    check_cron(cron)
    assert is_valid_cron_schedule(cron)


@pytest.mark.parametrize(("cron", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_fired_as_it_reads_is_refused_with_what_to_write(cron: str, words: str) -> None:
    """The code location would not load, or the flatten would come on other days than a person expects."""
    with pytest.raises(CronRefused) as caught:
        check_cron(cron)
    assert words in str(caught.value)
    assert caught.value.cure


def test_a_range_of_one_day_is_every_day_to_the_library() -> None:
    """The reason for which it is refused."""
    assert dagsters_croniter.expand("30 23 5-5 * *")[0][2] == ["*"]


@pytest.mark.parametrize("cron", ["30 23 29 * *", "30 23 11,29 * *"])
def test_the_29th_stops_dagster_in_march_of_a_leap_year(cron: str) -> None:
    """The reason for which it is refused: its daemon raises at every look until the next tick has passed."""
    starts = datetime(2028, 3, 5, tzinfo=UTC).timestamp()
    with pytest.raises(CheckError):
        next(schedule_execution_time_iterator(starts, cron, "UTC"))


def test_the_time_of_day_is_the_one_on_the_wall() -> None:
    """Minute first, as crons have it."""
    assert read_time_of_day("05 7 * * MON") == (7, 5)
