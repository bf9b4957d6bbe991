"""Records to rows and back: the only place that knows how a Decimal, an instant or a list is stored. No SQL, no disk.

A record's fields and a table's columns have the same names, so the translation goes by the type of the value and, on
the way back, by the type of the field.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

from deepcoin_ops.domain.model import RawAnswer

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Stored = str | int | float | bytes | None
Row = dict[str, Stored]

RecordT = TypeVar("RecordT", bound="DataclassInstance")


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
    """The record a row stands for. Fields in `others` are taken from there; columns that are no field are ignored."""
    hints = _field_types(record_type)
    stored = {name: _build_value(row[name], hint) for name, hint in hints.items() if name not in others}
    return record_type(**stored, **others)


def _build_storable_text(text: str) -> str:
    # An exchange's message may hold half a surrogate pair or a NUL, which databases refuse as text: such a message must
    # not cost the record of what was answered. The raw body keeps it as it came.
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "\\x00")


@cache
def _field_types(record_type: type[DataclassInstance]) -> dict[str, Any]:
    return get_type_hints(record_type)


def _build_value(stored: Any, hint: Any) -> object:
    if stored is None:
        return None
    if get_origin(hint) is UnionType:
        hint = next(option for option in get_args(hint) if option is not type(None))
    if hint is datetime:
        return datetime.fromisoformat(stored)
    origin = get_origin(hint)
    if origin is not None:
        items = json.loads(stored)
        return tuple(items) if origin is tuple else items
    if hint in (Decimal, bool) or issubclass(hint, Enum):
        return hint(stored)
    return stored
