"""Walking the hash chains: which entries are not what was recorded, do not follow the one before them, or are missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deepcoin_ops.ledger.chain import describe_misfit
from deepcoin_ops.ledger.encoding import read_row
from deepcoin_ops.ledger.queries import (
    Row,
    Selection,
    fetch,
    fetch_day_with_links,
    fetch_hash_before,
    fetch_newest_seq,
)
from deepcoin_ops.ledger.records import AlteredEntry, build_altered
from deepcoin_ops.ledger.store import Store

# A read transaction keeps the log from starting anew, so that a long walk is done in short ones.
_BATCH = 200


def walk(store: Store, after_seq: int | None = None, **selected: Any) -> Iterator[AlteredEntry]:
    """Walk entries and yield those that do not fit; each comes after the account's entry before it as it stands.

    Args:
        store: The ledger's file.
        after_seq: The walk begins behind this entry; at the first one without it.
        selected: Which entries; the fields of `queries.Selection`.
    """
    for row, previous in _walk_rows(store, after_seq, selected):
        misfit = describe_misfit(row, previous)
        if misfit is not None:
            yield build_altered(read_row(row), misfit)


def walk_whole(store: Store) -> list[AlteredEntry]:
    """Walk every entry: what is missing, and each account's first entry that does not fit, in their order.

    Each entry takes the next number, so that one which was deleted leaves a gap. The database remembers the last number
    that it gave, which shows the newest entries missing too.
    """
    misfits: dict[Any, AlteredEntry] = {}
    gaps: list[AlteredEntry] = []
    expected = 1
    for row, previous in _walk_rows(store, None, {}):
        misfit = describe_misfit(row, previous)
        if misfit is not None and row["account"] not in misfits:
            misfits[row["account"]] = build_altered(read_row(row), misfit)
        if row["seq"] > expected:
            gaps.append(_build_gap(expected, row["seq"] - 1))
        expected = row["seq"] + 1
    with store.reading() as connection:
        newest, ever = fetch_newest_seq(connection)
    if ever > newest:
        gaps.append(_build_gap(newest + 1, ever))
    return sorted((*misfits.values(), *gaps), key=lambda each: each.seq)


def find_altered_of_day(store: Store, trading_day: str, up_to_seq: int) -> list[AlteredEntry]:
    """Find each account's first entry of a day that is not what was recorded or does not follow the one before it."""
    found: dict[Any, AlteredEntry] = {}
    with store.reading() as connection:
        rows = fetch_day_with_links(connection, trading_day, up_to_seq)
    for row, previous in rows:
        misfit = describe_misfit(row, previous)
        if misfit is not None and row["account"] not in found:
            found[row["account"]] = build_altered(read_row(row), misfit)
    return list(found.values())


def _walk_rows(store: Store, after_seq: int | None, selected: dict[str, Any]) -> Iterator[tuple[Row, str]]:
    """Walk rows, each with the hash of its account's row before it as that stands."""
    hashes: dict[Any, str] = {}
    while True:
        with store.reading() as connection:
            batch = fetch(connection, Selection(after_seq=after_seq, limit=_BATCH, **selected))
            for row in batch:
                if row["account"] not in hashes:
                    hashes[row["account"]] = fetch_hash_before(connection, row["account"], row["seq"])
        for row in batch:
            yield row, hashes[row["account"]]
            after_seq, hashes[row["account"]] = row["seq"], row["fact_hash"]
        if len(batch) < _BATCH:
            return


def _build_gap(first: int, last: int) -> AlteredEntry:
    reason = "it is missing" if first == last else f"it and those up to {last} are missing"
    return AlteredEntry(first, "", "", "", reason)
