"""The tables on disk: one Parquet file per table and trading day, with a fixed schema and its ledger head.

A rebuild never goes back: a file built from a newer ledger head is kept. Files appear whole or not at all; see `day_files`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from deepcoin_ops.domain.frames import Table
from deepcoin_ops.domain.table_head import TableHead
from deepcoin_ops.orchestration.day_files import DayFiles

_HEAD_KEY = b"deepcoin_ops.ledger_head"
_SUFFIX = ".parquet"
_UNUSABLE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError)


@dataclass(frozen=True)
class StoredTable:
    """What `TableStore.write` left in place. `is_kept` tells that a file that knows more was there already and stays.

    `set_aside` names files of the day that had to make way and are kept beside it under another name.
    """

    path: str
    head: TableHead
    frame: pd.DataFrame
    is_kept: bool
    set_aside: tuple[str, ...] = ()


class TableStore:
    """Writes and reads the tables of one venue.

    Args:
        url: A local folder or any URL that fsspec knows.
        locks_folder: Where the lock per table and day lives, on this host.
    """

    def __init__(self, url: str, locks_folder: Path):
        self._files = DayFiles(url, locks_folder)

    def path(self, table: Table, trading_day: str) -> UPath:
        """Where the file of a table and day is."""
        return self._files.path(table.name, trading_day, _SUFFIX)

    def list_days(self, table: Table) -> list[str]:
        """The trading days that have a file of this table, oldest first."""
        return self._files.list_days(table.name, _SUFFIX)

    def write(self, table: Table, trading_day: str, frame: pd.DataFrame, head: TableHead) -> StoredTable:
        """Write a day's table, unless one from a newer ledger head is there.

        Raises:
            ValueError: The frame is not one of this table.
            LedgerError: A file that was built from another ledger is there; it may be the last trace of that one.
            filelock.Timeout: Somebody else held this file for two minutes.
        """
        path = self.path(table, trading_day)
        arrow = table.to_arrow(frame).replace_schema_metadata({_HEAD_KEY: head.to_json()})
        content = pa.BufferOutputStream()
        pq.write_table(arrow, content)
        kept = self._files.write(
            path,
            content.getvalue().to_pybytes(),
            head,
            lambda: self.read(table, trading_day),
            lambda: _read_head(path),
        )
        written = kept or StoredTable(str(path), head, frame, is_kept=False)
        return replace(written, set_aside=tuple(self._files.list_set_aside(path)))

    def read(self, table: Table, trading_day: str) -> StoredTable | None:
        """A day's table, or None when it was never built or its file cannot be used.

        A file that is not whole, has other columns or tells no head cannot be used, and is built anew. A folder that cannot
        be reached is an error: what lies there may be newer.
        """
        path = self.path(table, trading_day)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            # Not `read_table`: its threads can abort a process that ends soon afterwards, work done and all.
            stored = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
            head = TableHead.from_json(stored.schema.metadata[_HEAD_KEY])
            return StoredTable(str(path), head, table.from_arrow(stored), is_kept=True)
        except _UNUSABLE:
            return None


def _read_head(path: UPath) -> TableHead | None:
    """The head of a file with whatever columns; None when even that cannot be read."""
    try:
        return TableHead.from_json(pq.read_schema(pa.BufferReader(path.read_bytes())).metadata[_HEAD_KEY])
    except _UNUSABLE:
        return None


def build_table_metadata(table: Table, stored: StoredTable) -> dict[str, Any]:
    """What a person sees of a day's table beside its rows, without anything secret: counts, head, where it is."""
    return {
        "path": stored.path,
        "row_count": len(stored.frame),
        "ledger_head_seq": stored.head.seq,
        "ledger_head_hashes": dict(stored.head.hashes),
        "built_from_newer_head": stored.is_kept,
        **({"files_set_aside": list(stored.set_aside)} if stored.set_aside else {}),
        "row_is": table.row_is,
        "zero_rows_mean": table.zero_rows_mean,
    }
