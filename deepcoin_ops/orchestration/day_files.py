"""Files of trading days: a folder per kind, a file per day, whole or not at all, and never back to an older ledger head.

What is in them is known to `tables` and `reports`; both keep to the one rule here about which file may replace which.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from upath import UPath

from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.table_head import TableHead
from deepcoin_ops.state_files import build_lock, make_private_folder

_LOCK_WAIT_S = 120
_ASIDE = ".aside"


class DayFile(Protocol):
    """A file that can be read back, and says which ledger head it was built from."""

    @property
    def head(self) -> TableHead:
        """The ledger head in the file."""


_StoredT = TypeVar("_StoredT", bound=DayFile)


class DayFiles:
    """The files of one venue.

    Args:
        url: A local folder or any URL that fsspec knows.
        locks_folder: Where the lock per kind and day lives, on this host.
    """

    def __init__(self, url: str, locks_folder: Path):
        self._root = UPath(url)
        self._locks_folder = locks_folder / "tables"

    def path(self, kind: str, trading_day: str, suffix: str) -> UPath:
        """Where the file of a kind and day is."""
        return self._root / kind / f"{trading_day}{suffix}"

    def list_days(self, kind: str, suffix: str) -> list[str]:
        """The trading days that have a file of this kind, oldest first."""
        folder = self._root / kind
        if not folder.exists():
            return []
        return sorted(path.stem for path in folder.iterdir() if path.suffix == suffix)

    def list_set_aside(self, path: UPath) -> list[str]:
        """The files that lay at this path, had to make way, and were kept under another name."""
        if not path.parent.exists():
            return []
        return sorted(str(each) for each in path.parent.iterdir() if _is_set_aside(each.name, path))

    def write(
        self,
        path: UPath,
        content: bytes,
        head: TableHead,
        read_stored: Callable[[], _StoredT | None],
        read_head: Callable[[], TableHead | None] = lambda: None,
    ) -> _StoredT | None:
        """Write a file, unless one from a newer ledger head is there.

        Two kinds of files make way and are kept under another name: one that cannot be used, unless what is written knows
        all that it knew, and one of an intact ledger where the day's entries are not what was recorded any more.

        Args:
            path: Which file, from `path`.
            content: What is to be in it.
            head: The ledger head it was built from.
            read_stored: Reads the file that is there; None when there is none, or none that can be used.
            read_head: Reads the head alone, of a file that cannot be used otherwise too; None when that is unreadable.

        Returns:
            The file that was there and stays, or None when it was written.

        Raises:
            LedgerError: A file that was built from another ledger is there; it may be the last trace of that one.
            filelock.Timeout: Somebody else held this file for two minutes.
        """
        make_private_folder(self._locks_folder)
        with build_lock(self._locks_folder / f"{path.parent.name}-{path.stem}.lock", wait_s=_LOCK_WAIT_S):
            stored = read_stored()
            if stored is not None and _is_to_be_kept(stored.head, head, path):
                return stored
            if path.exists() and not _may_be_replaced(stored.head if stored is not None else read_head(), head):
                _set_aside(path)
            _write_whole(path, content)
        return None


def _is_to_be_kept(stored: TableHead, head: TableHead, path: UPath) -> bool:
    """Whether the file that is there knows more than the ledger that it would be built from now."""
    if not stored.seq or stored.ledger_id == head.ledger_id:
        return stored.knows_more_than(head)
    if not head.seq:
        return True
    raise LedgerError(
        f"{path} was built from another ledger ({stored.ledger_id}) than the one in use now ({head.ledger_id}), so it was "
        "not replaced. If the other ledger is gone for good, move the file away and rebuild the day."
    )


def _may_be_replaced(stored: TableHead | None, head: TableHead) -> bool:
    """Whether a file built now tells everything that the one that is there could tell, and as truly."""
    if stored is None or (stored.seq and stored.ledger_id != head.ledger_id):
        return False
    # What an intact ledger once told is not lost to what somebody has made of it.
    is_as_true = not head.altered or bool(stored.altered) or not stored.seq
    return stored.seq <= head.seq and is_as_true


def _is_set_aside(name: str, path: UPath) -> bool:
    return name.startswith(f".{path.stem}.") and name.endswith(_ASIDE)


def _set_aside(path: UPath) -> None:
    """Rename a file so that no reader of the folder takes it for a day's, under a name that its content decides."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    # The leading dot and the other ending keep it out of whatever reads the folder as one table.
    path.rename(path.with_name(f".{path.stem}.{digest}{_ASIDE}"))


def _write_whole(path: UPath, content: bytes) -> None:
    """Write a file that is complete when it appears: renamed into place locally, one put on an object store."""
    if not isinstance(path, Path):
        path.write_bytes(content)
        return
    if not path.parent.exists():
        # One that is there keeps its mode: outside the state folder a desk may share its tables.
        make_private_folder(path.parent)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).replace(path)
    finally:
        Path(beside).unlink(missing_ok=True)
