"""Records to rows and back: the only place that knows how a Decimal, an instant or a list is stored. No SQL, no disk.

A record's fields and a table's columns have the same names, so the translation goes by the type of the value and, on
the way back, by the type of the field.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

from deepcoin_ops.domain.model import RawAnswer

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Stored = str | int | float | bytes | None
Row = dict[str, Stored]

RecordT = TypeVar("RecordT", bound="DataclassInstance")


class MisfitRow(ValueError):
    """A row that is not what was recorded: a record cannot be built from it. Says which cell, and not what is in it."""


def build_row(record: DataclassInstance, *, without: tuple[str, ...] = ()) -> Row:
    """The stored form of a record's fields, by field name, leaving out the fields named in `without`."""
    names = (field.name for field in fields(record))
    return {name: build_stored(getattr(record, name)) for name in names if name not in without}


def build_stored(value: object) -> Stored:
    """The stored form of one value.

    Raises:
        ValueError: An instant without timezone.
        TypeError: A kind of value that the ledger does not store.
    """
    match value:
        case None | bytes():
            return value
        case float():
            # NaN and infinity say nothing, and databases disagree on them.
            return value if math.isfinite(value) else None
        case bool() | int():
            return int(value)
        case str():
            return _build_storable_text(value)
        case Decimal():
            # Never with an exponent: the text is also what a person and another database read.
            return format(value, "f")
        case datetime():
            return build_utc_text(value)
        case tuple():
            return json.dumps([_build_storable_text(item) for item in value])
        case Mapping():
            return json.dumps({_build_storable_text(k): _build_storable_text(v) for k, v in value.items()}, sort_keys=True)
    raise TypeError(f"the ledger does not store a {type(value).__name__}")


def build_utc_text(instant: datetime) -> str:
    """An aware instant as text of fixed width, so that the order of the texts is the order of the instants.

    Raises:
        ValueError: The instant has no timezone.
    """
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} has no timezone")
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def build_raw_row(raw: RawAnswer | None) -> Row:
    """The columns of a raw answer; all empty when there was none."""
    if raw is None:
        return {}
    return {
        "http_status": raw.http_status,
        "body": zlib.compress(raw.body),
        "body_length": raw.length,
        "body_sha256": hashlib.sha256(raw.body).hexdigest(),
        "is_body_truncated": int(raw.is_truncated),
    }


def build_record(record_type: type[RecordT], row: Mapping[str, Any], **others: object) -> RecordT:
    """The record a row stands for. Fields in `others` are taken from there; columns that are no field are ignored.

    Raises:
        MisfitRow: A cell does not hold what its field is made of, or the record refuses the cells together.
    """
    stored = {
        name: _build_value(name, row[name], hint) for name, hint in _field_types(record_type).items() if name not in others
    }
    try:
        return record_type(**stored, **others)
    except ValueError as error:
        raise MisfitRow(str(error)) from error


def _build_storable_text(text: str) -> str:
    # An exchange's message may hold half a surrogate pair or a NUL, which databases refuse as text: such a message must
    # not cost the record of what was answered. The raw body keeps it as it came.
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "\\x00")


@cache
def _field_types(record_type: type[DataclassInstance]) -> dict[str, Any]:
    return get_type_hints(record_type)


def _build_value(name: str, stored: Any, hint: Any) -> object:
    """One cell as its field wants it. A cell may hold anything that a tool has written into it."""
    is_optional = get_origin(hint) is UnionType
    if is_optional:
        hint = next(option for option in get_args(hint) if option is not type(None))
    if stored is None and is_optional:
        return None
    wanted = get_origin(hint) or hint
    try:
        value: object = _BUILDERS.get(wanted, wanted)(stored)
    except (ValueError, TypeError, RecursionError) as error:
        raise MisfitRow(f"its {name} is no {getattr(wanted, '__name__', wanted)}") from error
    return value


def _build_text(stored: Any) -> str:
    if not isinstance(stored, str):
        raise TypeError("no text")
    return stored


def _build_whole_number(stored: Any) -> int:
    if not isinstance(stored, int):
        raise TypeError("no whole number")
    return stored


def _build_seconds(stored: Any) -> float:
    if not isinstance(stored, int | float) or not math.isfinite(stored):
        raise ValueError("no number")
    return stored


def _build_yes_or_no(stored: Any) -> bool:
    if stored not in (0, 1):
        raise ValueError("neither 0 nor 1")
    return bool(stored)


def _build_amount(stored: Any) -> Decimal:
    # As it is written above, and no more: an exponent can ask for all memory, and NaN refuses to be compared.
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", _build_text(stored)):
        raise ValueError("no decimal number")
    return Decimal(stored)


def _build_instant(stored: Any) -> datetime:
    instant = datetime.fromisoformat(_build_text(stored))
    if instant.tzinfo is None:
        raise ValueError("no timezone")
    return instant


def _build_texts(stored: Any) -> tuple[str, ...]:
    items = json.loads(_build_text(stored))
    if not isinstance(items, list):
        raise TypeError("no list")
    return tuple(_build_text(item) for item in items)


def _build_words(stored: Any) -> dict[str, str]:
    items = json.loads(_build_text(stored))
    if not isinstance(items, dict):
        raise TypeError("no mapping")
    return {name: _build_text(item) for name, item in items.items()}


_BUILDERS: dict[Any, Callable[[Any], object]] = {
    str: _build_text,
    int: _build_whole_number,
    float: _build_seconds,
    bool: _build_yes_or_no,
    Decimal: _build_amount,
    datetime: _build_instant,
    tuple: _build_texts,
    Mapping: _build_words,
}
