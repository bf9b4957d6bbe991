"""Which trading day an instant belongs to. The key is the local date on which the day's window starts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

# Days that a desk can mean. Earlier ones would only be empty partitions; later ones are slips of the keyboard.
EARLIEST_DAY, LATEST_DAY = date(2020, 1, 1), date(2099, 12, 31)


@dataclass(frozen=True)
class TradingCalendar:
    """The desk's timezone and the local time at which one trading day ends and the next begins."""

    timezone: str
    day_boundary: time

    def day_of(self, instant: datetime) -> str:
        """The key (`YYYY-MM-DD`) of the trading day whose window holds an aware instant."""
        local = instant.astimezone(ZoneInfo(self.timezone))
        started_today = local.time().replace(tzinfo=None) >= self.day_boundary
        return (local.date() if started_today else local.date() - timedelta(days=1)).isoformat()

    def window(self, trading_day: str) -> tuple[datetime, datetime]:
        """The aware start (included) and end (excluded) of a trading day; 23 to 25 hours apart over a clock change."""
        first = date.fromisoformat(trading_day)
        zone = ZoneInfo(self.timezone)
        starts, ends = (datetime.combine(day, self.day_boundary, zone) for day in (first, first + timedelta(days=1)))
        return starts, ends


def parse_day(text: str) -> date | None:
    """Read a trading day that a person wrote as `YYYY-MM-DD`; None where the text is no day that a desk can mean."""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if EARLIEST_DAY <= day <= LATEST_DAY else None


def list_days(first_day: str, last_day: str) -> list[str]:
    """The trading days from one key to another, both included; every calendar date is one."""
    first, last = date.fromisoformat(first_day), date.fromisoformat(last_day)
    return [(first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1)]
