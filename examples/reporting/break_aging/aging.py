"""From the reconciliations of many days to one row for each break: since when, how old, cleared or not. Pure, no files.

`aging.sql` says the same in SQL, and the asset check `sql_agrees` and the tests hold the two together.

The rules, for a break row of the reconciliation; `subject` is the break's identity on every day:

* A later day **clears** it if it is not a day with `FLATTEN_MISSING` for the account, and
  - the subject's own row is there and is no break, or
  - its instrument has the verdict FLAT or ALREADY_FLAT, or
  - for a finding about the whole account, or a position that is not configured: the account was seen whole, which is a
    verdict on at least one instrument, and none that is UNVERIFIED.
* Every other day says nothing about it: no tick was due, nobody looked, nothing was proven, or the file is missing. It is
  neither cleared nor seen then, and the day is counted as what it was.
* A break that comes back after it was cleared is another one, with a row of its own.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa

READ_COLUMNS = """trading_day account subject instrument_id position_side flatten_id quantity_after_contracts
notional_after_usdt error_codes verdict break_type is_break severity reason what_to_do""".split()

_DECIMAL = pa.decimal128(38, 18)
_COLUMNS: tuple[tuple[str, pa.DataType, bool, str], ...] = (
    ("as_of", pa.string(), False, "Last trading day that was read; the ages are those at its end."),
    ("account", pa.string(), False, "The account."),
    ("subject", pa.string(), False, "What the break is about: account/instrument/side, or account/finding."),
    ("instrument_id", pa.string(), True, "Which instrument; missing for the whole account."),
    ("position_side", pa.string(), True, "long or short; missing where no side was seen."),
    ("status", pa.string(), False, "OPEN: seen on as_of. UNKNOWN: not seen since last_seen, nor cleared. CLEARED."),
    ("age_bucket", pa.string(), False, "days_open as a range of days."),
    ("days_open", pa.int64(), False, "Trading days on whose end it was not cleared: the sum of the three below."),
    ("days_seen", pa.int64(), False, "Days with a break row of the subject."),
    ("days_not_looked", pa.int64(), False, "Days with a file that says nothing about it."),
    ("days_missing", pa.int64(), False, "Days without a file."),
    ("last_in_order", pa.string(), True, "Last day before it that shows the subject in order; missing if none was read."),
    ("first_seen", pa.string(), False, "First trading day with a break row."),
    ("last_seen", pa.string(), False, "Last trading day with a break row."),
    ("cleared_on", pa.string(), True, "First later trading day that shows it in order; missing until then."),
    ("break_type", pa.string(), False, "On last_seen."),
    ("break_types", pa.string(), False, "All it has been, by name, comma between."),
    ("severity", pa.string(), False, "ERROR or WARN, on last_seen."),
    ("first_severity", pa.string(), False, "On first_seen."),
    ("worst_severity", pa.string(), False, "The worst it has been."),
    ("quantity_contracts", _DECIMAL, True, "Size left open on last_seen; missing where nobody knows it."),
    ("notional_usdt", _DECIMAL, True, "Value left open on last_seen; missing where nobody knows it."),
    ("first_notional_usdt", _DECIMAL, True, "The same on first_seen."),
    ("largest_notional_usdt", _DECIMAL, True, "The largest it has been."),
    ("flatten_id", pa.string(), True, "The flatten that decided on last_seen."),
    ("error_codes", pa.string(), False, "The exchange's codes on last_seen; empty without any."),
    ("reason", pa.string(), False, "What was seen on last_seen, in words."),
    ("what_to_do", pa.string(), True, "What the owner of the break does."),
)
OPEN_BREAKS = pa.schema(
    [pa.field(name, kind, is_nullable, {"description": text}) for name, kind, is_nullable, text in _COLUMNS]
)
AGE_BUCKETS = ((1, "1 day"), (3, "2-3 days"), (7, "4-7 days"), (30, "8-30 days"))
_OLDEST = "over 30 days"

_Row = Mapping[str, Any]
_Key = tuple[str, ...]


@dataclass(frozen=True)
class DayRange:
    """The trading days that are looked at, both ends included, and those of them that have a file."""

    first_day: str
    last_day: str
    on_disk: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """The days of the range without a file. Every calendar date is a trading day, one without a tick too."""
        have = set(self.on_disk)
        return tuple(day for day in list_dates(self.first_day, self.last_day) if day not in have)


def list_dates(first_day: str, last_day: str) -> Iterator[str]:
    """Every date from the first to the last, as text."""
    starts, ends = date.fromisoformat(first_day), date.fromisoformat(last_day)
    return ((starts + timedelta(days=number)).isoformat() for number in range((ends - starts).days + 1))


def build_open_breaks(rows: pd.DataFrame, days: DayRange) -> pd.DataFrame:
    """Every break of a range of days with its age, one row for each; key `subject`, `first_seen`.

    Args:
        rows: All rows of the reconciliation in the range, at least with `READ_COLUMNS`; without breaks too, because they
            are what clears one.
        days: The range.

    Returns:
        A frame with the schema `OPEN_BREAKS`, by subject and day, cleared ones included. Zero rows mean that no day that
        was read has a break; whether every day was read is in `days.missing`.
    """
    records = pa.Table.from_pandas(rows[READ_COLUMNS], preserve_index=False).to_pylist()
    clearing = _find_clearing_days(records)
    by_subject: dict[str, list[_Row]] = defaultdict(list)
    for row in sorted(records, key=lambda row: (row["subject"], row["trading_day"])):
        if row["is_break"]:
            by_subject[row["subject"]].append(row)
    built = [
        _build_open_break(episode, clearing, days)
        for own in by_subject.values()
        for episode in _part_by_clearing(own, clearing)
    ]
    return to_frame(pa.Table.from_pylist(built, schema=OPEN_BREAKS))


def to_frame(table: pa.Table) -> pd.DataFrame:
    """A table with the schema's types and order as a frame that keeps them: decimals stay decimals."""
    rows = table.select(OPEN_BREAKS.names).cast(OPEN_BREAKS)
    frame: pd.DataFrame = rows.to_pandas(types_mapper=pd.ArrowDtype, use_threads=False)
    return frame


def order_for_people(open_breaks: pd.DataFrame) -> pd.DataFrame:
    """What has to be worked on first: not cleared, money at risk, oldest."""
    keyed = open_breaks.assign(is_cleared=open_breaks["status"] == "CLEARED")
    ordered = keyed.sort_values(["is_cleared", "severity", "first_seen", "subject"])  # ERROR comes before WARN
    return ordered.drop(columns="is_cleared").reset_index(drop=True)


def _find_clearing_days(records: Iterable[_Row]) -> Mapping[_Key, Sequence[str]]:
    """The days on which a subject, an instrument or an account was seen in order, ascending."""
    listed = list(records)
    unflattened = {(row["account"], row["trading_day"]) for row in listed if row["break_type"] == "FLATTEN_MISSING"}
    found: dict[_Key, set[str]] = defaultdict(set)
    verdicts: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in listed:
        account, day = row["account"], row["trading_day"]
        if (account, day) in unflattened:
            continue
        if not row["is_break"]:
            found["subject", row["subject"]].add(day)
        if row["verdict"] in ("ALREADY_FLAT", "FLAT"):
            found["instrument", account, row["instrument_id"]].add(day)
        if row["verdict"] is not None:
            verdicts[account, day].add(row["verdict"])
    for (account, day), told in verdicts.items():
        if "UNVERIFIED" not in told:
            found["account", account].add(day)
    return {key: sorted(each) for key, each in found.items()}


def _list_keys(row: _Row) -> list[_Key]:
    """By what a break row can be cleared."""
    keys: list[_Key] = [("subject", row["subject"])]
    if row["instrument_id"] is not None:
        keys.append(("instrument", row["account"], row["instrument_id"]))
    if row["instrument_id"] is None or row["break_type"] == "UNCONFIGURED_POSITION":
        keys.append(("account", row["account"]))
    return keys


def _find_cleared_on(row: _Row, clearing: Mapping[_Key, Sequence[str]]) -> str | None:
    """The first day after a break row that clears it."""
    told = (clearing.get(key, ()) for key in _list_keys(row))
    return min((days[at] for days in told if (at := bisect_right(days, row["trading_day"])) < len(days)), default=None)


def _find_last_in_order(row: _Row, clearing: Mapping[_Key, Sequence[str]]) -> str | None:
    """The last day before a break row that shows its subject in order."""
    told = (clearing.get(key, ()) for key in _list_keys(row))
    return max((days[at - 1] for days in told if (at := bisect_left(days, row["trading_day"]))), default=None)


def _part_by_clearing(own: Sequence[_Row], clearing: Mapping[_Key, Sequence[str]]) -> Iterator[list[_Row]]:
    """The break rows of one subject, ascending, parted wherever a day between two of them cleared it."""
    episode = [own[0]]
    for row in own[1:]:
        cleared_on = _find_cleared_on(episode[-1], clearing)
        if cleared_on is not None and cleared_on < row["trading_day"]:
            yield episode
            episode = []
        episode.append(row)
    yield episode


def _build_open_break(episode: Sequence[_Row], clearing: Mapping[_Key, Sequence[str]], days: DayRange) -> dict[str, Any]:
    first, last = episode[0], episode[-1]
    first_seen, last_seen = first["trading_day"], last["trading_day"]
    cleared_on = _find_cleared_on(last, clearing)
    through = date.fromisoformat(cleared_on or days.last_day) - timedelta(days=1 if cleared_on else 0)
    open_on = list(list_dates(first_seen, through.isoformat()))
    missing = len(set(open_on) & set(days.missing))
    notionals = [row["notional_after_usdt"] for row in episode if row["notional_after_usdt"] is not None]
    return {
        "as_of": days.last_day,
        **{name: last[name] for name in ("account", "subject", "instrument_id", "position_side")},
        "status": "CLEARED" if cleared_on else "OPEN" if last_seen == days.last_day else "UNKNOWN",
        "age_bucket": next((name for most, name in AGE_BUCKETS if len(open_on) <= most), _OLDEST),
        "days_open": len(open_on),
        "days_seen": len(episode),
        "days_not_looked": len(open_on) - len(episode) - missing,
        "days_missing": missing,
        "last_in_order": _find_last_in_order(first, clearing),
        "first_seen": first_seen,
        "last_seen": last_seen,
        "cleared_on": cleared_on,
        "break_type": last["break_type"],
        "break_types": ", ".join(sorted({row["break_type"] for row in episode})),
        "severity": last["severity"],
        "first_severity": first["severity"],
        "worst_severity": min(row["severity"] for row in episode),  # ERROR comes before WARN
        "quantity_contracts": last["quantity_after_contracts"],
        "notional_usdt": last["notional_after_usdt"],
        "first_notional_usdt": first["notional_after_usdt"],
        "largest_notional_usdt": max(notionals, default=None),
        **{name: last[name] for name in ("flatten_id", "error_codes", "reason", "what_to_do")},
    }
