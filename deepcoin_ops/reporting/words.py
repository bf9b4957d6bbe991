"""Numbers and moments as a person reads them on the page and in its plots. Missing is said, never left blank."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from deepcoin_ops.domain.showing import show_figure, show_usdt

NOT_KNOWN = "not known"
_HOUR_S, _DAY_S = 3600, 86400


def format_usdt(amount: Decimal | None) -> str:
    """Whole USDT with thousands separators; what is less than one is not called nothing."""
    return NOT_KNOWN if amount is None else show_usdt(amount)


def format_size(quantity: Decimal | None) -> str:
    """A size with every digit it has."""
    return show_figure(quantity, NOT_KNOWN)


def format_seconds(duration_s: float | None, missing: str = "never") -> str:
    """Seconds with one digit behind the point."""
    return missing if duration_s is None else f"{duration_s:,.1f} s"


def format_age(age_s: float | None) -> str:
    """How long something has lasted, in the two largest units."""
    if age_s is None:
        return NOT_KNOWN
    if age_s < 60:
        return f"{age_s:.0f} s"
    if age_s < _HOUR_S:
        return f"{age_s // 60:.0f} min"
    if age_s < _DAY_S:
        return f"{age_s // _HOUR_S:.0f} h {age_s % _HOUR_S // 60:.0f} min"
    return f"{age_s // _DAY_S:,.0f} d {age_s % _DAY_S // _HOUR_S:.0f} h"


def format_moment(moment: datetime | None, timezone: str) -> str:
    """A moment in the desk's timezone, to the second, with the zone's name at that moment."""
    if moment is None:
        return NOT_KNOWN
    local = moment.astimezone(ZoneInfo(timezone))
    return f"{local:%Y-%m-%d %H:%M:%S %Z}"


def format_count(count: int, one: str, many: str | None = None) -> str:
    """A count and what is counted."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
