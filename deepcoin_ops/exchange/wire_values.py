"""Single values as the exchange writes them, and lists of rows: what every parser of its answers needs. Pure.

No field name lives here. What cannot be read is None, or raises where nothing can stand in for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from deepcoin_ops.domain.model import PositionSide

SIDES = {"long": PositionSide.LONG, "short": PositionSide.SHORT, "0": PositionSide.LONG, "1": PositionSide.SHORT}

# Beyond these nothing is traded: a price or a size outside is a slip, or meant to deceive.
_LEAST_QUANTITY, _MOST_QUANTITY = Decimal("1e-18"), Decimal("1e18")


class UnreadableAnswer(Exception):
    """An answer that is not what the exchange documents; the message says what is wrong with it."""


def parse_rows(data: Any) -> list[dict[str, Any]]:
    """The rows of a listing.

    Raises:
        UnreadableAnswer: It is not a list of objects; that is never an empty list.
    """
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        raise UnreadableAnswer(f"data is not a list of objects but {shorten(data)}")
    return data


def notice_fields(what: str, rows: Iterable[Mapping[str, Any]], known: frozenset[str]) -> tuple[str, ...]:
    """A note on fields that nobody expected, or none: a new field is the first sign of a changed exchange."""
    unknown = sorted({ascii(name)[1:-1] for row in rows for name in row if name not in known})
    return (f"{what} with unknown field(s): {', '.join(unknown)}",) if unknown else ()


def notice_values(
    what: str, rows: Iterable[Mapping[str, Any]], readers: Mapping[str, Callable[[Any], Any]]
) -> tuple[str, ...]:
    """A note on values that are there and cannot be read, or none: they count as missing, and the raw answer has them."""
    unreadable = {
        name
        for row in rows
        for name, read in readers.items()
        if row.get(name) not in (None, "") and read(row[name]) is None
    }
    return (f"{what} with unreadable value(s) of: {', '.join(sorted(unreadable))}",) if unreadable else ()


def parse_side(value: Any) -> PositionSide | None:
    """The side of a position; None for a name that is not known."""
    return SIDES.get((parse_text(value) or "").lower())


def parse_text(value: Any) -> str | None:
    """Text of a scalar: codes and ids come as text or as numbers, depending on the endpoint."""
    if value is None or isinstance(value, bool | list | dict):
        return None
    # Half of a surrogate pair is legal JSON and cannot be stored; the raw answer keeps it.
    return str(value).strip().encode(errors="replace").decode()


def parse_decimal(value: Any) -> Decimal | None:
    """A finite number written as text or as a number; None for anything else, emptiness included."""
    text = parse_text(value)
    if not text or "_" in text:  # which Python would take for a separator of digits
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def parse_quantity(value: Any) -> Decimal | None:
    """A number that can be a price or a size of something traded; None for zero, a negative or a senseless one.

    A worthless contract or price would make a notional of nothing, and pass under every cap.
    """
    number = parse_decimal(value)
    return number if number is not None and _LEAST_QUANTITY <= number <= _MOST_QUANTITY else None


def parse_flag(value: Any) -> bool | None:
    """True or false; None for anything else."""
    return value if isinstance(value, bool) else None


def shorten(value: Any) -> str:
    """The beginning of a value, for a message."""
    return repr(value)[:200]
