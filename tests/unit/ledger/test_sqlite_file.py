"""The ledger's file as SQLite sees it: which SQLite may open it, what stands in the way of its log, whole copies."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ledger_reader import ledger_reader

from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.model import Venue
from deepcoin_ops.ledger import sqlite_file
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.ledger.sqlite_file import LOG_SUFFIXES, driver, is_sound
from deepcoin_ops.ledger.store import Store

DAY = "2026-03-01"


@pytest.fixture
def in_rollback_journal(ledger: Ledger, samples: Any, path: Path) -> Path:
    """A ledger with an entry, as an earlier version or a tool that copies tables leaves it."""
    ledger.record_flatten(samples.request, "{}")
    ledger.close()
    with closing(driver.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)
    return path


@pytest.fixture
def without_log(ledger: Ledger, samples: Any, path: Path) -> Path:
    """A ledger with an entry that no process has open, where the files of a log cannot be made."""
    ledger.record_flatten(samples.request, "{}")
    ledger.close()
    forbid_log(path)
    return path


def forbid_log(path: Path) -> None:
    """Take the names of the log's files, so that they can be made by no user, the superuser included."""
    for suffix in LOG_SUFFIXES:
        path.with_name(path.name + suffix).symlink_to(path.parent / "nowhere" / "nothing")


def allow_log(path: Path) -> None:
    """Give the names back."""
    for suffix in LOG_SUFFIXES:
        path.with_name(path.name + suffix).unlink()


def mode_of(path: Path) -> str:
    """The journal mode that a file is kept in."""
    with closing(driver.connect(path)) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


@pytest.mark.parametrize(
    ("version", "is_good"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 4), True),
    ],
)
def test_a_sqlite_that_can_lose_commits_is_known_by_its_version(version: tuple[int, ...], is_good: bool) -> None:
    """The fault came with the write-ahead log and was fixed in three lines of versions."""
    assert is_sound(version) == is_good


def test_the_ledger_is_opened_with_a_sound_sqlite() -> None:
    """Whatever Python brings along."""
    assert is_sound(driver.sqlite_version_info)


def test_a_sqlite_that_can_lose_commits_is_refused_with_what_to_install(
    ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for writing nor for reading: who closes a ledger last writes to it."""
    monkeypatch.setattr(sqlite_file, "driver", SimpleNamespace(sqlite_version="3.40.1", sqlite_version_info=(3, 40, 1)))
    for open_it in (Ledger.open, Ledger.open_existing):
        with pytest.raises(
            LedgerError, match=r"SQLite 3\.40\.1 can lose records.* Install the package pysqlite3"
        ) as refused:
            open_it(path, Venue.PAPER)
        assert "\n" not in str(refused.value)


def test_the_files_of_the_log_are_for_their_owner_alone_and_go_with_the_last_that_closes(
    ledger: Ledger, samples: Any
) -> None:
    """They hold what the ledger holds. At rest there is one file."""
    ledger.record_flatten(samples.request, "{}")
    logs = [ledger.path.with_name(ledger.path.name + suffix) for suffix in LOG_SUFFIXES]
    assert [stat.S_IMODE(log.stat().st_mode) for log in logs] == [0o600, 0o600]
    ledger.close()
    assert [log.exists() for log in logs] == [False, False]


def test_a_ledger_with_a_rollback_journal_gets_a_log(in_rollback_journal: Path, samples: Any) -> None:
    """By the first that writes; one that only reads changes nothing."""
    before = in_rollback_journal.read_bytes()
    with Ledger.open_existing(in_rollback_journal, Venue.PAPER) as reader:
        assert len(reader.read_flattens(DAY)) == 1
    assert in_rollback_journal.read_bytes() == before
    with Ledger.open(in_rollback_journal, Venue.PAPER) as ledger:
        ledger.record_intent(samples.request.flatten_id, samples.intent)
    assert mode_of(in_rollback_journal) == "wal"


def test_a_reader_in_the_way_of_the_log_stops_no_record(in_rollback_journal: Path, samples: Any) -> None:
    """A copy that was put back and is being looked at. The reader keeps its file, a copy of that takes its place."""
    in_rollback_journal.chmod(0o640)
    with ledger_reader(in_rollback_journal) as reader:
        with Ledger.open(in_rollback_journal, Venue.PAPER) as ledger:
            ledger.record_intent(samples.request.flatten_id, samples.intent)
            assert ledger.read_head(DAY).seq == 3
            assert ledger.read_altered_entry("main") is None
        assert (reader.seen, reader.look_again()) == (2, 2)
    assert mode_of(in_rollback_journal) == "wal"
    assert stat.S_IMODE(in_rollback_journal.stat().st_mode) == 0o640
    assert not list(in_rollback_journal.parent.glob("*.tmp"))
    with Ledger.open_existing(in_rollback_journal, Venue.PAPER) as ledger:
        assert len(ledger.read_attempts(DAY)) == 1


def test_what_still_has_the_old_file_open_can_write_nothing_into_it(in_rollback_journal: Path, samples: Any) -> None:
    """A process of an earlier version, say: its records would go into a file that is not the ledger any more."""
    with (
        closing(driver.connect(in_rollback_journal, isolation_level=None)) as earlier,
        ledger_reader(in_rollback_journal),
    ):
        earlier.execute("SELECT count(*) FROM facts").fetchone()
        with Ledger.open(in_rollback_journal, Venue.PAPER) as ledger:
            ledger.record_intent(samples.request.flatten_id, samples.intent)
        with pytest.raises(driver.OperationalError, match="readonly"):
            earlier.execute(
                "INSERT INTO facts (account, trading_day, kind, recorded_at, body, previous_hash, fact_hash) "
                "VALUES ('', '', '', '', '', '', '')"
            )


def test_where_no_log_can_be_made_the_file_alone_is_read_and_nothing_is_made(without_log: Path) -> None:
    """A folder of another user, a disk mounted for reading, a full one."""
    before = sorted(without_log.parent.iterdir())
    with Ledger.open_existing(without_log, Venue.PAPER) as ledger:
        assert len(ledger.read_flattens(DAY)) == 1
    assert sorted(without_log.parent.iterdir()) == before


def test_a_reader_of_the_file_alone_sees_what_is_written_later(without_log: Path, samples: Any) -> None:
    """SQLite itself would not look again."""
    with Ledger.open_existing(without_log, Venue.PAPER) as reader:
        assert reader.read_attempts(DAY) == []
        allow_log(without_log)
        with Ledger.open(without_log, Venue.PAPER) as ledger:
            ledger.record_intent(samples.request.flatten_id, samples.intent)
        forbid_log(without_log)
        assert len(reader.read_attempts(DAY)) == 1


def test_a_file_that_is_written_to_while_it_is_read_alone_proves_nothing(without_log: Path) -> None:
    """Half of one moment and half of another."""
    store = Store(without_log, is_read_only=True)

    def read_slowly() -> None:
        with store.reading() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM facts")
            os.utime(without_log)

    with pytest.raises(LedgerError, match="written to meanwhile; read again"):
        read_slowly()
    assert store.has_tables()
    store.close()


def test_a_file_with_half_an_entry_is_not_read_alone(without_log: Path) -> None:
    """A process of an earlier version was killed in the middle, and who reads may not clear that away."""
    # A folder, as the superuser could take a file away.
    without_log.with_name(f"{without_log.name}-journal").mkdir()
    with pytest.raises(LedgerError, match="could not be read"):
        Ledger.open_existing(without_log, Venue.PAPER)


def test_a_ledger_that_cannot_have_a_log_records_nothing(without_log: Path) -> None:
    """Readers may do without, writers may not."""
    with pytest.raises(LedgerError, match="could not"):
        Ledger.open(without_log, Venue.PAPER)


def test_a_copy_is_whole_although_the_file_alone_is_not(
    ledger: Ledger, samples: Any, path: Path, tmp_path: Path, sql: Callable[..., list[Any]]
) -> None:
    """Taken in the middle of a flatten, with a reader that keeps the log from being written into the file."""
    sql("PRAGMA wal_checkpoint")
    with ledger_reader(path):
        ledger.record_flatten(samples.request, "{}")
        ledger.record_intent(samples.request.flatten_id, samples.intent)
        copied = tmp_path / "backup.sqlite"
        ledger.copy(copied)
        half = tmp_path / "half.sqlite"
        half.write_bytes(path.read_bytes())
    assert stat.S_IMODE(copied.stat().st_mode) == 0o600
    assert sorted(tmp_path.glob("backup*")) == [copied]
    counted = {}
    for each in (copied, half):
        # As a person looks at it, with what the machine has.
        with closing(sqlite3.connect(each)) as connection:
            counted[each] = connection.execute("SELECT count(*) FROM facts").fetchone()[0]
    assert counted == {copied: 3, half: 1}
    with pytest.raises(LedgerError, match=r"was not copied to .*: File exists"):
        ledger.copy(copied)
