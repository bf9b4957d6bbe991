"""The ledger's file: creating it, opening it, bringing it to this version's schema. What is in it is not known here.

One SQLite file with a rollback journal and `synchronous=EXTRA`: a commit that returned survives a power cut. The
write-ahead log is avoided because SQLite before 3.51.3 can lose commits under it when several processes write
(Source: https://www.sqlite.org/wal.html#walresetbug). A write transaction takes the file's write lock as it begins, so
that what it reads cannot be outdated when it commits.
"""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, QueuePool, create_engine, event, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.model import Venue
from deepcoin_ops.ledger.rows import build_utc_text
from deepcoin_ops.ledger.schema import ledger_identity

_BUSY_TIMEOUT_S = 30.0
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
            is_read_only: Refuse every change. What a killed writer left half done can still be rolled back.
        """
        self.path = path
        self.is_read_only = is_read_only
        # `mode=rw` in both cases: a file that vanished must be an error, not a fresh and empty ledger.
        address = f"{path.absolute().as_uri()}?mode=rw"

        def connect() -> sqlite3.Connection:
            return sqlite3.connect(address, uri=True, timeout=_BUSY_TIMEOUT_S, check_same_thread=False)

        self._engine = create_engine("sqlite+pysqlite://", creator=connect, poolclass=QueuePool, hide_parameters=True)
        self._writer = self._engine.execution_options(is_write=True)

        @event.listens_for(self._engine, "connect")
        def prepare(connection: sqlite3.Connection, _: object) -> None:
            # Python's driver would begin transactions by itself, too late and never IMMEDIATE.
            connection.isolation_level = None
            connection.text_factory = _decode
            for pragma in ("journal_mode=DELETE", "synchronous=EXTRA", "foreign_keys=ON"):
                connection.execute(f"PRAGMA {pragma}").close()
            connection.execute(f"PRAGMA query_only={int(is_read_only)}").close()

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
                yield connection
        except SQLAlchemyError as error:
            raise LedgerError(
                f"The ledger {self.path} could not record: {describe(error)}. Nothing of this entry is on record, and "
                f"nothing more is sent without a record; what was sent before may have been executed. Check the disk "
                f"and the permissions of the ledger, then look at the positions and flatten again."
            ) from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One read transaction: everything read in the block is of one moment.

        Raises:
            LedgerError: The file cannot be read as a ledger.
        """
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise LedgerError(
                f"The ledger {self.path} could not be read: {describe(error)}. Nothing was changed, and nothing is "
                f"known from it about the positions. Check the file and its permissions. If it is damaged, docs/runbook.md "
                "says how to go on, under 'Ledger unreadable'."
            ) from error

    def has_tables(self) -> bool:
        """Whether the file holds anything, a schema included."""
        with self.reading() as connection:
            return bool(inspect(connection).get_table_names())

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
            if self._read_revision(connection) == _head_revision():
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
                stamp = {"ledger_id": uuid.uuid4().hex, "venue": venue.value, "created_at": build_utc_text(now)}
                connection.execute(ledger_identity.insert().values(stamp))

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

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _check_venue(self, connection: Connection, venue: Venue) -> None:
        stamped = connection.execute(select(ledger_identity.c.venue)).scalar()
        if stamped != venue.value:
            raise LedgerError(
                f"The ledger {self.path} belongs to the venue {stamped!r}, and this process works on {venue.value!r}. "
                f"Nothing was sent or written. Keep a ledger file for each venue."
            )

    def _read_revision(self, connection: Connection) -> str | None:
        revision = MigrationContext.configure(connection).get_current_revision()
        if revision is None and inspect(connection).get_table_names():
            raise LedgerError(
                f"The file {self.path} is a database, but not a ledger. Nothing was sent or written. Name another file."
            )
        known = {script.revision for script in _scripts().walk_revisions()}
        if revision is not None and revision not in known:
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
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Exclusive, because opening and closing a file that exists would drop this process's SQLite locks on it.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
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


def describe(error: SQLAlchemyError) -> str:
    """The database's own words, without the statement around them."""
    return str(getattr(error, "orig", None) or error)


def _head_revision() -> str | None:
    return _scripts().get_current_head()


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_build_configuration())


def _build_configuration() -> Config:
    configuration = Config()
    # Alembic interpolates option values, so that a percent sign in the path has to be doubled.
    configuration.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return configuration
