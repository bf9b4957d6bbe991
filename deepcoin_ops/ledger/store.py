"""The ledger's file: creating it, opening it, bringing it to this version's schema. What is in it is not known here.

One SQLite file with a write-ahead log (`sqlite_file`) and `synchronous=EXTRA`: a commit that returned survives a power
cut, and a reader never makes one wait. A write transaction takes the file's write lock as it begins, so that what it
reads cannot be outdated when it commits.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from sqlite3 import Connection as FileConnection
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, QueuePool, create_engine, event, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.model import Venue
from deepcoin_ops.ledger.identity import create_identity, read_identity
from deepcoin_ops.ledger.schema import TRIGGERS
from deepcoin_ops.ledger.sqlite_file import (
    check_driver,
    connect,
    connect_reading,
    copy,
    driver,
    read_state,
    use_write_ahead_log,
)
from deepcoin_ops.state_files import create_private_file, make_private_folder

_TRIGGERS = text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
_DAMAGE = text("PRAGMA integrity_check(10)")
_MIGRATIONS = Path(__file__).parent / "migrations"


class Store:
    """An existing ledger file and the transactions on it. Opening a store creates nothing.

    Attributes:
        path: The file.
        is_read_only: Whether every change is refused.
    """

    def __init__(self, path: Path, *, is_read_only: bool = False):
        """Prepare connections to a file.

        Args:
            path: The file.
            is_read_only: Refuse every change. What a killed writer left half done is still cleared away.

        Raises:
            LedgerError: The SQLite at hand may lose records.
        """
        check_driver(path)
        self.path = path
        self.is_read_only = is_read_only
        # The log lies next to the file itself, wherever a link to it is.
        self._file = file = path.resolve()
        self._least_bytes = 0

        def open_file() -> FileConnection:
            return connect_reading(file) if is_read_only else connect(file)

        self._engine = create_engine(
            "sqlite+pysqlite://", module=driver, creator=open_file, poolclass=QueuePool, hide_parameters=True
        )
        self._writer = self._engine.execution_options(is_write=True)

        @event.listens_for(self._engine, "connect")
        def prepare(connection: FileConnection, record: Any) -> None:
            state = read_state(file)
            connection.text_factory = _decode
            # EXTRA is FULL where the log is on: one sync a commit.
            for pragma in ("synchronous=EXTRA", "foreign_keys=ON", f"query_only={int(is_read_only)}"):
                connection.execute(f"PRAGMA {pragma}").close()
            # Reading a page is what opens the log.
            connection.execute("PRAGMA schema_version").close()
            opened = read_state(file)
            record.info["opened"] = opened
            record.info["alone"] = state if is_read_only and opened.log is None else None

        @event.listens_for(self._engine, "begin")
        def begin(connection: Connection) -> None:
            is_write = connection.get_execution_options().get("is_write", False)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One write transaction: committed at the end of the block, rolled back when it raises.

        Raises:
            LedgerError: The database refused, was busy for 30 s, or cannot be reached.
        """
        try:
            with self._writer.begin() as connection:
                now = read_state(self._file)
                replaced = connection.info["opened"].describe_replacement(now, self._least_bytes)
                if replaced is not None:
                    raise self._build_refusal(replaced)
                yield connection
        except (SQLAlchemyError, OverflowError, UnicodeDecodeError) as error:
            # A tool may have written the largest number there is, after which none can come.
            raise self._build_refusal(describe(error)) from error
        # Its log may just have been written into the file.
        self._least_bytes = max(self._least_bytes, read_state(self._file).size_bytes)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One read transaction: everything read in the block is of one moment.

        Raises:
            LedgerError: The file cannot be read as a ledger, or was written to while it was read without its log.
        """
        alone = None
        try:
            with self._engine.begin() as connection:
                alone = connection.info["alone"]
                yield connection
        except (SQLAlchemyError, UnicodeDecodeError) as error:
            # Of a damaged file even the database's message may be no text.
            raise self._build_unreadable(describe(error)) from error
        finally:
            if alone is not None:
                # Such a connection does not notice what is written after it.
                self._engine.dispose()
        if alone is not None and not alone.is_unwritten(read_state(self._file)):
            raise self._build_unreadable("it was written to meanwhile; read again")

    def has_tables(self) -> bool:
        """Whether the file holds anything, a schema included."""
        with self.reading() as connection:
            return bool(inspect(connection).get_table_names())

    def find_missing_triggers(self) -> list[str]:
        """Name the triggers that keep the table append-only and are not in the file."""
        with self.reading() as connection:
            found = {name for name, statement in connection.execute(_TRIGGERS) if statement == TRIGGERS.get(name)}
        return sorted(TRIGGERS.keys() - found)

    def find_damage(self) -> list[str]:
        """Find what the database itself says is wrong with its file, the indexes by which entries are found included."""
        with self.reading() as connection:
            found = [str(line) for (line,) in connection.execute(_DAMAGE)]
        return [] if found == ["ok"] else found

    def migrate(self, venue: Venue, now: datetime) -> None:
        """Bring the file to this version's schema, and stamp a new one with its venue. All of it or nothing.

        Args:
            venue: The venue this process works on.
            now: When a new ledger is created.

        Raises:
            LedgerError: The file is no ledger, comes from a newer version, or belongs to another venue; nothing was
                written.
        """
        with self.reading() as connection:
            revision = self._read_revision(connection)
            if revision is not None:
                self._check_venue(connection, venue)
        try:
            use_write_ahead_log(self._file)
        except (driver.Error, OSError) as error:
            raise self._build_refusal(str(error)) from error
        # A copy may have taken the place of the file that was read.
        self._engine.dispose()
        if revision == _head_revision():
            return
        with self.writing() as connection:
            # Read again under the write lock: another process may have just created the schema.
            revision = self._read_revision(connection)
            if revision is not None:
                self._check_venue(connection, venue)
            configuration = _build_configuration()
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, "head")
            if revision is None:
                create_identity(connection, venue, now)

    def check(self, venue: Venue) -> None:
        """Refuse a file that this version cannot read, or that belongs to another venue.

        Raises:
            LedgerError: The schema is not this version's, or the venue differs.
        """
        with self.reading() as connection:
            if self._read_revision(connection) != _head_revision():
                raise LedgerError(
                    f"The ledger {self.path} has an older version's schema and cannot be read yet. Nothing was "
                    f"changed. The next flatten brings it up to date."
                )
            self._check_venue(connection, venue)

    def copy(self, target: Path) -> None:
        """Write a whole copy of the ledger as it is now, whatever is being written or read meanwhile.

        Raises:
            LedgerError: The target exists or cannot be written, or the ledger cannot be read.
        """
        try:
            copy(self._file, target)
        except (driver.Error, OSError) as error:
            raise LedgerError(
                f"The ledger {self.path} was not copied to {target}: {getattr(error, 'strerror', None) or error}. The "
                f"ledger stands as it was. Name a file that does not exist yet, in a folder that can be written."
            ) from error

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _build_refusal(self, reason: str) -> LedgerError:
        return LedgerError(
            f"The ledger {self.path} could not record: {reason}. Nothing of this entry is on record, and "
            f"nothing more is sent without a record; what was sent before may have been executed. Check the disk "
            f"and the permissions of the ledger, then look at the positions and flatten again."
        )

    def _build_unreadable(self, reason: str) -> LedgerError:
        return LedgerError(
            f"The ledger {self.path} could not be read: {reason}. Nothing was changed, and nothing is "
            f"known from it about the positions. Check the file and its permissions. If it is damaged, docs/runbook.md "
            "says how to go on, under 'Ledger unreadable'."
        )

    def _check_venue(self, connection: Connection, venue: Venue) -> None:
        identity = read_identity(connection)
        if identity is None:
            raise LedgerError(
                f"The ledger {self.path} does not say which venue it is of: its first entry is missing or is not what was "
                "recorded. Nothing was sent or written. docs/runbook.md says how to go on, under 'Ledger altered'."
            )
        if identity.venue is not venue:
            raise LedgerError(
                f"The ledger {self.path} belongs to the venue {identity.venue.value!r}, and this process works on "
                f"{venue.value!r}. Nothing was sent or written. Keep a ledger file for each venue."
            )

    def _read_revision(self, connection: Connection) -> str | None:
        revision = MigrationContext.configure(connection).get_current_revision()
        if revision is None and inspect(connection).get_table_names():
            raise LedgerError(
                f"The file {self.path} is a database, but not a ledger. Nothing was sent or written. Name another file."
            )
        if revision is not None and revision not in _known_revisions():
            raise LedgerError(
                f"The ledger {self.path} was written by a newer version (its schema is {revision!r}). Nothing was sent "
                f"or written. Install that version, or name another ledger."
            )
        return revision


def create_file(path: Path) -> None:
    """Create the ledger's folder (mode 0700) and its empty file (mode 0600) where they are missing.

    Raises:
        LedgerError: The folder or the file cannot be created.
    """
    try:
        make_private_folder(path.parent)
        # Exclusive, because opening and closing a file that exists would drop this process's SQLite locks on it.
        os.close(create_private_file(path))
    except OSError as error:
        if path.is_file():
            return
        raise LedgerError(
            f"The ledger {path} cannot be created: {error.strerror}. Nothing was sent; without a ledger nothing is. "
            f"Name a file in a folder that can be written."
        ) from error


def _decode(text: bytes) -> str | bytes:
    """A text cell; as it is where it is none, since one such cell must not keep every other one from being read."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text


def describe(error: Exception) -> str:
    """The database's own words, without the statement around them."""
    return str(getattr(error, "orig", None) or error)


@cache
def _head_revision() -> str | None:
    return _scripts().get_current_head()


@cache
def _known_revisions() -> frozenset[str]:
    return frozenset(script.revision for script in _scripts().walk_revisions())


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_build_configuration())


def _build_configuration() -> Config:
    configuration = Config()
    # Alembic interpolates option values, so that a percent sign in the path has to be doubled.
    configuration.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return configuration
