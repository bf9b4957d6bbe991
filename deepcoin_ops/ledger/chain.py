"""The hash chain: each entry's hash covers the entry, its details and the hash of the account's entry before it. Pure.

It shows an edited row, a lost entry, an added detail. It cannot show that the newest entries are gone, nor a chain
rewritten as a whole: for those, compare with a day's head hash that was kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

FIRST_PREVIOUS_HASH = "0" * 64

_ENTRY_FIELDS = ("previous_hash", "seq", "kind", "account", "trading_day", "flatten_id", "recorded_at")


def build_entry_hash(entry: Mapping[str, Any], details: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The sha256 (hex) over an entry and its detail rows.

    Args:
        entry: The entry's columns as stored; `entry_hash` itself is left out.
        details: Stored detail rows by table name, in the order of their index.

    Returns:
        The hash over one canonical JSON text. Empty columns and empty tables are left out of it, so that columns and
        tables added by a later version leave old hashes as they are.
    """
    content = {
        "entry": [_build_canonical(entry[name]) for name in _ENTRY_FIELDS],
        "details": {table: [_build_canonical_row(row) for row in rows] for table, rows in details.items() if rows},
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def build_misfit(entry: Mapping[str, Any], details: Mapping[str, Sequence[Mapping[str, Any]]], previous: str) -> str | None:
    """Why a stored entry does not fit, in words, or None when it does.

    Args:
        entry: The entry's columns as stored.
        details: Its detail rows as stored.
        previous: The hash of the account's entry before it.
    """
    if entry["previous_hash"] != previous:
        return "it does not follow the account's entry before it: an entry between them is missing or was added"
    if entry["entry_hash"] != build_entry_hash(entry, details):
        return "the entry or one of its detail rows is not what was recorded"
    return None


def _build_canonical_row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _build_canonical(value) for name, value in row.items() if value is not None}


def _build_canonical(value: Any) -> Any:
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # never recorded, and JSON has no word for it
    if isinstance(value, float) and value.is_integer():
        # Databases give back 3.0 for a 3 that was put into a column of floats.
        return int(value)
    return value
