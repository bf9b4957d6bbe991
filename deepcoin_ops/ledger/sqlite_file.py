"""The ledger's file as SQLite sees it: which SQLite opens it, its write-ahead log, whole copies. Knows no tables.

With a write-ahead log (the files `-wal` and `-shm` next to the ledger while it is open) a reader never makes a commit wait,
however long it stays. SQLite before 3.51.3 can lose commits under it when several processes write, so that such a SQLite
is refused (Source: https://www.sqlite.org/wal.html#walresetbug). The package pysqlite3 brings a newer one than most
Pythons have.

One process must not open the ledger with two SQLites: closing it in one takes the locks of the other away
(Source: https://www.sqlite.org/howtocorrupt.html). Whatever shares a process with a ledger opens it with `driver`.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import cast

from deepcoin_ops.domain.errors import LedgerError

BUSY_TIMEOUT_S = 30.0
LOG_SUFFIXES = ("-wal", "-shm")
_DRIVERS = ("pysqlite3.dbapi2", "sqlite3")
# A log is switched on in milliseconds where no reader is in the way.
_SWITCH_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class FileState:
    """What lies under the ledger's names.

    Attributes:
        main: Device and inode of the ledger's file; None when it is missing, as with the next two.
        log: The same of its log.
        index: The same of the log's index.
        size_bytes: The size of the ledger's file; 0 when it is missing.
        written_at_ns: When it was last written to, which the log is from time to time.
    """

    main: tuple[int, int] | None
    log: tuple[int, int] | None
    index: tuple[int, int] | None
    size_bytes: int
    written_at_ns: int

    def describe_replacement(self, now: FileState, least_bytes: int) -> str | None:
        """What of these files is not what it was; None when all of them are.

        Args:
            now: What lies there now.
            least_bytes: How large the file was before. A ledger only grows: a smaller file was copied over it.
        """
        if (self.main, self.log, self.index) != (now.main, now.log, now.index):
            return "its file, or a file of its log, was moved or replaced since it was opened"
        if now.size_bytes < least_bytes:
            return "its file is smaller than it was: an old copy was put in its place"
        return None

    def is_unwritten(self, now: FileState) -> bool:
        """Whether the ledger's file is the same, and nothing was written to it."""
        return (self.main, self.size_bytes, self.written_at_ns) == (now.main, now.size_bytes, now.written_at_ns)


def is_sound(version: tuple[int, ...]) -> bool:
    """Whether this SQLite keeps every commit when several processes write with a write-ahead log."""
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)


def _choose_driver() -> ModuleType:
    for name in _DRIVERS:
        with suppress(ImportError):
            module = import_module(name)
            if is_sound(module.sqlite_version_info):
                return module
    return sqlite3


driver = _choose_driver()


def check_driver(path: Path) -> None:
    """Refuse to open a ledger with a SQLite that may lose its records.

    Raises:
        LedgerError: There is no other SQLite here; nothing was sent or written.
    """
    if not is_sound(driver.sqlite_version_info):
        raise LedgerError(
            f"The ledger {path} was not opened: SQLite {driver.sqlite_version} can lose records when several processes "
            f"write. Nothing was sent or written. Install the package pysqlite3, or a Python with SQLite 3.51.3 or newer."
        )


def connect(path: Path) -> sqlite3.Connection:
    """Open an existing file for reading and writing, in autocommit; a file that vanished is an error, not a fresh one."""
    return _connect(path, "mode=rw")


def connect_reading(path: Path) -> sqlite3.Connection:
    """Open an existing file for reading, also where neither the file nor its folder can be written.

    The files of the log are made by the first that opens the ledger and removed by the last that closes it. Where they
    are missing and cannot be made, the file alone is whole for as long as it is not written to. With a journal next to it,
    which only a ledger of an earlier version has, it is not.
    """
    connection = connect(path)
    try:
        connection.execute("PRAGMA schema_version").fetchone()
    except driver.OperationalError:
        connection.close()
        if not path.exists() or any(path.with_name(path.name + suffix).exists() for suffix in ("-wal", "-journal")):
            raise
        return _connect(path, "mode=ro&immutable=1")
    except driver.Error:
        connection.close()
        raise
    return connection


def read_state(path: Path) -> FileState:
    """What lies under the ledger's names at this moment."""
    main, log, index = (_stat(f"{path}{suffix}") for suffix in ("", *LOG_SUFFIXES))
    return FileState(
        _read_id(main), _read_id(log), _read_id(index), main.st_size if main else 0, main.st_mtime_ns if main else 0
    )


def use_write_ahead_log(path: Path) -> None:
    """Switch a file to the write-ahead log, if it has none: a copy that was put back, or a ledger of an earlier version.

    A reader of such a file stands in the way. It keeps the file that it has open, and a copy takes its place.

    Raises:
        LedgerError: The file's disk offers no shared memory, as network disks do not; nothing was written.
        driver.Error: The file cannot be read or written.
        OSError: The same of its folder.
    """
    before = read_state(path).main
    with closing(connect(path)) as connection:
        if _read_journal_mode(connection) == "wal":
            return
        connection.execute(f"PRAGMA busy_timeout={int(_SWITCH_TIMEOUT_S * 1000)}")
        with suppress(driver.OperationalError):
            if _switch(connection, path):
                return
        connection.execute(f"PRAGMA busy_timeout={int(BUSY_TIMEOUT_S * 1000)}")
        # From here on no other process writes to this file.
        connection.execute("BEGIN IMMEDIATE")
        is_still_it = before == read_state(path).main
        if is_still_it and _read_journal_mode(connection) != "wal":
            _replace_by_copy(path)
        connection.rollback()
    if not is_still_it:
        use_write_ahead_log(path)


def copy(path: Path, target: Path) -> None:
    """Write a whole copy (mode 0600) of a ledger that may be in use; it is durable when this returns.

    Raises:
        driver.Error: The ledger cannot be read, or the copy cannot be written.
        OSError: The target exists, or cannot be made.
    """
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    is_whole = False
    try:
        with closing(connect(path)) as source, closing(connect(target)) as copied:
            source.backup(copied)
        is_whole = True
    finally:
        # After an interrupt too: half of one would look like a backup.
        if not is_whole:
            target.unlink()
    _sync_folder(target.parent)


def _connect(path: Path, how: str) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?{how}"
    # Without an isolation level: the driver would begin transactions by itself, too late and never IMMEDIATE.
    connection = driver.connect(address, uri=True, timeout=BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None)
    return cast("sqlite3.Connection", connection)


def _switch(connection: sqlite3.Connection, path: Path) -> bool:
    # EXTRA, so that the journal of the switch itself cannot come back after a power cut.
    connection.execute("PRAGMA synchronous=EXTRA").close()
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise LedgerError(
            f"The ledger {path} was not opened: its disk cannot keep a write-ahead log (journal mode {mode!r}). Nothing "
            f"was sent or written. Keep the state folder on a local disk."
        )
    return True


def _replace_by_copy(path: Path) -> None:
    """Put a copy with a write-ahead log in the file's place; its write lock is held."""
    copied = path.with_name(f"{path.name}.copy.tmp")
    copied.unlink(missing_ok=True)
    copy(path, copied)
    with closing(connect(copied)) as connection:
        _switch(connection, path)
    # Who could read the old file can read this one.
    shutil.copymode(path, copied)
    copied.replace(path)
    _sync_folder(path.parent)


def _read_journal_mode(connection: sqlite3.Connection) -> str:
    return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - asked before every commit
    except FileNotFoundError:
        return None


def _read_id(status: os.stat_result | None) -> tuple[int, int] | None:
    return (status.st_dev, status.st_ino) if status else None


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
