"""Which crons may be configured: those that Dagster fires, that `ticks` places alike, and that mean what a person reads.

The library reads more than a person expects: `5-5` as every day, `R` as another number each time, `@daily` as midnight.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from croniter import CroniterError, croniter

from deepcoin_ops.domain.ticks import list_ticks

_SAMPLE = '"30 23 * * *"'
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_LAST_MINUTE, _LAST_HOUR = 59, 23
# In March of a leap year Dagster looks past 29 February for the tick before, finds an older one and ends in an error. Not
# so with one of these days as well: with the first it looks no farther, from the 28th and the last it counts right.
_LEAP_DAY, _FEBRUARY = 29, 2
_DAYS_THAT_HELP = frozenset({1, 28, "l"})


class CronRefused(ValueError):
    """A cron that is not to be used: what was expected, and what to write instead."""

    def __init__(self, expected: str, cure: str):
        super().__init__(f"expected {expected}; {cure}")
        self.expected = expected
        self.cure = cure


@dataclass(frozen=True)
class _Field:
    """One of the three fields that name days: its lowest and highest number, and the words that stand for numbers."""

    name: str
    low: int
    high: int
    words: tuple[str, ...]
    special: str
    cure: str

    def number(self, text: str) -> int:
        """The number of an item's end, a word's too."""
        return self.low + self.words.index(text) if text in self.words else int(text)


_FIELDS = (
    _Field("day of month", 1, 31, (), r"L", "L is the last day of a month"),
    _Field("month", 1, 12, _MONTHS, r"(?!)", "1 to 12, or JAN to DEC"),
    _Field("day of week", 0, 7, _WEEKDAYS, r"L[0-6]|[0-6]#[1-5]", "L5 is the last Friday of a month, 5#2 the second"),
)


def check_cron(cron: str) -> None:
    """Refuse a cron that Dagster does not fire, or not when a person would read it to.

    Args:
        cron: Minute, hour, day of month, month and day of week, apart by spaces, in upper or lower case.

    Raises:
        CronRefused: With what to write instead.
    """
    fields = cron.upper().split()
    if len(fields) != 5:
        expected = f"five cron fields: minute, hour, day of month, month, day of week, such as {_SAMPLE}"
        raise CronRefused(expected, "write all five, and no name such as @daily")
    _check_time_of_day(fields[0], fields[1])
    for field, text in zip(_FIELDS, fields[2:], strict=True):
        for item in text.split(",") if text not in ("*", "?") else ():
            _check_item(field, item)
    _check_days_together(cron, days=fields[2], weekdays=fields[4])


def read_time_of_day(cron: str) -> tuple[int, int]:
    """The hour and minute on the wall at which an accepted cron fires on a day without a clock change."""
    minute, hour = cron.split()[:2]
    return int(hour), int(minute)


def _check_time_of_day(minute: str, hour: str) -> None:
    for text, name, last in ((minute, "minute", _LAST_MINUTE), (hour, "hour", _LAST_HOUR)):
        if not re.fullmatch(r"[0-9]{1,2}", text) or int(text) > last:
            expected = f"at most one tick in a trading day: one number from 0 to {last} as the {name}"
            raise CronRefused(expected, f"write the {name} itself, as in {_SAMPLE}")


def _check_item(field: _Field, item: str) -> None:
    """One item of a list: a number, a range, a step of one of the two, or what the field has beside these."""
    if re.fullmatch(field.special, item):
        return
    end = "|".join(("[0-9]{1,2}", *field.words))
    parts = re.fullmatch(rf"(?:\*|(?P<low>{end})(?:-(?P<high>{end}))?)(?:/(?P<step>[0-9]{{1,2}}))?", item)
    expected = f"{field.name} as numbers, ranges such as {field.low}-5, steps such as */2, or a list of them"
    if parts is None or item == "*":
        raise CronRefused(f"{expected}, not {item}", field.cure)
    low, high, step = parts["low"], parts["high"], parts["step"]
    first = field.number(low) if low else field.low
    last = field.number(high) if high else first
    if not low:
        first, last = field.low, field.high
    if not (field.low <= first <= field.high and field.low <= last <= field.high):
        raise CronRefused(f"{field.name} from {field.low} to {field.high}, not {item}", field.cure)
    if high and first == last:
        cure = f"write {low}; as a range it would be every {field.name}"
        raise CronRefused(f"a range from one {field.name} to another, not {item}", cure)
    if step is not None:
        _check_step(field, item, first, last, int(step))


def _check_step(field: _Field, item: str, first: int, last: int, step: int) -> None:
    if first >= last or (field.words is _WEEKDAYS and last == field.high and not item.startswith("*")):
        raise CronRefused(f"a step of a range that rises, not {item}", f"write out each {field.name} as a list")
    if not 1 <= step <= last - first:
        raise CronRefused(f"a step from 1 to {last - first}, not {item}", f"write out each {field.name} as a list")


def _check_days_together(cron: str, days: str, weekdays: str) -> None:
    """What is good in one field and not with the others."""
    counted = [item for item in weekdays.split(",") if re.search("[L#]", item)]
    if counted and (days not in ("*", "?") or len(counted) < len(weekdays.split(","))):
        cure = f"write only such weekdays as {counted[0]} and * as the day of month, or none of them"
        raise CronRefused("weekdays counted in the month alone, with no other days", cure)
    try:
        expanded, *_more = croniter.expand(cron)
        next(list_ticks(cron, "UTC", datetime(2026, 1, 1, tzinfo=UTC)))
    except CroniterError:
        raise CronRefused("days that Dagster finds in a calendar", "there is no such day in these months") from None
    days_found, months = set(expanded[2]), expanded[3]
    if _LEAP_DAY in days_found and not days_found & _DAYS_THAT_HELP and (months == ["*"] or _FEBRUARY in months):
        cure = "write 28, or L for the last day of a month"
        raise CronRefused("no 29th, which stops Dagster in March of a leap year", cure)
