"""The hash chain: each fact's hash covers every stored byte of it and the hash of the account's fact before it. Pure.

It shows an edited cell, a lost fact, an added one. It cannot show that the newest facts are gone, nor a chain rewritten as
a whole: for those, compare with the mark, or with a day's head hash that was kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

FIRST_PREVIOUS_HASH = "0" * 64

_COVERED = (
    "previous_hash",
    "seq",
    "account",
    "trading_day",
    "flatten_id",
    "kind",
    "recorded_at",
    "once_key",
    "body",
    "raw",
)


def build_fact_hash(row: Mapping[str, Any]) -> str:
    """Build the sha256 (hex) over a row as stored; `fact_hash` itself is left out."""
    text = json.dumps([_build_canonical(row[name]) for name in _COVERED], separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def describe_alteration(row: Mapping[str, Any]) -> str | None:
    """Say why a stored row is not what was recorded, by itself; None when it is."""
    if row["fact_hash"] != build_fact_hash(row):
        return "it is not what was recorded"
    return None


def describe_misfit(row: Mapping[str, Any], previous: str) -> str | None:
    """Say why a stored row does not fit into its account's chain; None when it does.

    Args:
        row: The row as stored.
        previous: The hash of the account's fact before it.
    """
    if row["previous_hash"] != previous:
        return "it does not follow the account's entry before it: an entry between them is missing or was added"
    return describe_alteration(row)


def _build_canonical(value: Any) -> Any:
    # Bytes in the place of a text are hashed as bytes, so that they differ from every text.
    if isinstance(value, bytes):
        return {"sha256": hashlib.sha256(value).hexdigest()}
    # A tool may have written a number without end, for which JSON has no word.
    return str(value) if isinstance(value, float) else value
