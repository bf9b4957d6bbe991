"""Crons by chance: such as the settings accept, and text that looks like one."""

from __future__ import annotations

import random

from deepcoin_ops.domain.cron_syntax import CronRefused, check_cron

_MONTHS = ("*", "*", "*", "*", "JAN", "3", "NOV-FEB", "3-11", "2,3,10,11", "*/2", "1,4,7,10")
_WEEKDAYS = ("*", "*", "*", "SUN", "MON", "6", "7", "MON-FRI", "1-5", "FRI-MON", "0,6", "*/2", "1-5/2", "5-7", "0-6", "0-7")
_COUNTED = ("L0", "L5", "5#2", "0#1,0#3", "6#5")
# Where clocks change, and where they never do.
_HOURS = (0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 16, 22, 23)
_MINUTES = (0, 0, 15, 30, 45, 59)
_PIECES = (
    "1",
    "5",
    "15",
    "30",
    "*",
    "*",
    "*",
    "*/2",
    "1-5",
    "0",
    "1",
    "5",
    "29",
    "30",
    "31",
    "60",
    "*",
    "*/2",
    "1-5",
    "5-5",
    "6/2",
    "MON",
    "L",
    "L5",
    "5L",
    "5#2",
    "?",
    "W",
    "H",
)


def generate_cron(chosen: random.Random) -> str:
    """A cron that the settings accept."""
    while True:
        days, months, weekdays = _choose_days(chosen), chosen.choice(_MONTHS), chosen.choice(_WEEKDAYS)
        if days == "*" and chosen.random() < 0.1:
            weekdays = chosen.choice(_COUNTED)
        if chosen.random() < 0.3:
            days, months = "*", "*"
        minute = chosen.choice((*_MINUTES, chosen.randrange(60)))
        cron = f"{minute} {chosen.choice(_HOURS)} {days} {months} {weekdays}"
        try:
            check_cron(cron)
        except CronRefused:
            continue
        return cron


def generate_text(chosen: random.Random) -> str:
    """Five fields of lists that may be good or not; minute and hour are."""
    fields = (",".join(chosen.choice(_PIECES) for _ in range(chosen.choice((1, 1, 1, 1, 2)))) for _ in range(3))
    return f"{chosen.randrange(60)} {chosen.randrange(24)} {' '.join(fields)}"


def _choose_days(chosen: random.Random) -> str:
    low, high = sorted(chosen.sample(range(1, 32), 2))
    some = ",".join(str(day) for day in chosen.sample(range(1, 32), chosen.randrange(2, 5)))
    return chosen.choice(
        ("*", "*", "?", str(chosen.randrange(1, 32)), "L", f"1,{low},L", f"*/{low}", f"{low}-{high}", some)
    )
