"""The tables on disk: one Parquet file per table and trading day, with a fixed schema and its ledger head.

A rebuild never goes back: a file built from a newer ledger head is kept. Files appear whole or not at all.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock
from upath import UPath

from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.frames import Table

_HEAD_KEY = b"deepcoin_ops.ledger_head"
_LOCK_WAIT_S = 120


@dataclass(frozen=True)
class TableHead:
    """The ledger head that a file was built from.

    `seq` 0 means that the ledger had nothing on that day, an empty `ledger_id` that there was no ledger.
    """

    ledger_id: str
    seq: int
    hashes: Mapping[str, str]


@dataclass(frozen=True)
class StoredTable:
    """What `TableStore.write` left in place. `is_kept` tells that a newer file was there already and stays."""

    path: str
    head: TableHead
    frame: pd.DataFrame
    is_kept: bool


class TableStore:
    """Writes and reads the tables of one venue.

    Args:
        url: A local folder or any URL that fsspec knows.
        locks_folder: Where the lock per table and day lives, on this host.
    """

    def __init__(self, url: str, locks_folder: Path):
        self._root = UPath(url)
        self._locks_folder = locks_folder / "tables"

    def path(self, table: Table, trading_day: str) -> UPath:
        """Where the file of a table and day is."""
        return self._root / table.name / f"{trading_day}.parquet"

    def list_days(self, table: Table) -> list[str]:
        """The trading days that have a file of this table, oldest first."""
        folder = self._root / table.name
        if not folder.exists():
            return []
        return sorted(path.stem for path in folder.iterdir() if path.suffix == ".parquet")

    def write(self, table: Table, trading_day: str, frame: pd.DataFrame, head: TableHead) -> StoredTable:
        """Write a day's table, unless one from a newer ledger head is there.

        Raises:
            ValueError: The frame is not one of this table.
            LedgerError: A file that was built from another ledger is there; it may be the last trace of that one.
            filelock.Timeout: Somebody else held this file for two minutes.
        """
        path = self.path(table, trading_day)
        content = table.to_arrow(frame)
        content = content.replace_schema_metadata({_HEAD_KEY: json.dumps(asdict(head))})
        self._locks_folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self._locks_folder / f"{table.name}-{trading_day}.lock", timeout=_LOCK_WAIT_S):
            stored = self.read(table, trading_day)
            if stored is not None and _is_to_be_kept(stored.head, head, path):
                return StoredTable(str(path), stored.head, stored.frame, is_kept=True)
            _write_whole(path, content)
        return StoredTable(str(path), head, frame, is_kept=False)

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
            stored = pq.read_table(pa.BufferReader(content))
            head = TableHead(**json.loads(stored.schema.metadata[_HEAD_KEY]))
            return StoredTable(str(path), head, table.from_arrow(stored), is_kept=True)
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError):
            return None


def _is_to_be_kept(stored: TableHead, head: TableHead, path: UPath) -> bool:
    """Whether the file that is there knows more than the ledger that it would be built from now."""
    if not stored.seq or stored.ledger_id == head.ledger_id:
        return stored.seq > head.seq
    if not head.seq:
        return True
    raise LedgerError(
        f"{path} was built from another ledger ({stored.ledger_id}) than the one in use now ({head.ledger_id}), so it was "
        "not replaced. If the other ledger is gone for good, move the file away and rebuild the day."
    )


def _write_whole(path: UPath, content: pa.Table) -> None:
    """Write a file that is complete when it appears: renamed into place locally, one put on an object store."""
    if not isinstance(path, Path):
        with path.open("wb") as file:
            pq.write_table(content, file)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            pq.write_table(content, file)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).replace(path)
    finally:
        Path(beside).unlink(missing_ok=True)


def build_table_metadata(table: Table, stored: StoredTable) -> dict[str, Any]:
    """What a person sees of a day's table beside its rows, without anything secret: counts, head, where it is."""
    return {
        "path": stored.path,
        "row_count": len(stored.frame),
        "ledger_head_seq": stored.head.seq,
        "ledger_head_hashes": dict(stored.head.hashes),
        "built_from_newer_head": stored.is_kept,
        "row_is": table.row_is,
        "zero_rows_mean": table.zero_rows_mean,
    }
