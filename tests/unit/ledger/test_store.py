"""Opening the file: what is created, and what is refused."""

import logging
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.model import Venue
from deepcoin_ops.ledger.chain import build_fact_hash
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.ledger.sqlite_file import driver


def test_the_file_and_its_folder_are_for_their_owner_alone(ledger: Ledger) -> None:
    """The ledger tells what a desk holds."""
    assert stat.S_IMODE(ledger.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(ledger.path.parent.stat().st_mode) == 0o700


def test_a_commit_is_made_to_survive_a_power_cut(ledger: Ledger) -> None:
    """An intent that vanished with the power would leave a send that nobody knows of."""
    with ledger._store.reading() as connection:
        found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")}
    assert found == {"journal_mode": "wal", "synchronous": 3}


def test_a_path_with_odd_characters_is_taken_literally(tmp_path: Path) -> None:
    """The path becomes an address and a configuration value on its way, both of which give some characters a meaning."""
    path = tmp_path / "a b%20?#x" / "ledger.sqlite"
    Ledger.open(path, Venue.PAPER).close()
    assert path.stat().st_size > 0


def test_a_ledger_of_the_other_venue_is_refused(ledger: Ledger) -> None:
    """A paper record among live ones would make both worthless."""
    for open_it in (Ledger.open, Ledger.open_existing):
        with pytest.raises(LedgerError, match="belongs to the venue 'paper'"):
            open_it(ledger.path, Venue.LIVE)


def test_a_ledger_of_a_newer_version_is_refused_and_left_alone(
    ledger: Ledger, sql: Callable[..., list[Any]], path: Path
) -> None:
    """This version does not know what the newer one keeps there."""
    sql("UPDATE alembic_version SET version_num = '0999'")
    ledger.close()
    before = path.read_bytes()
    for open_it in (Ledger.open, Ledger.open_existing):
        with pytest.raises(LedgerError, match="newer version"):
            open_it(path, Venue.PAPER)
    assert path.read_bytes() == before


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A mistyped path must not plant our tables into somebody's data."""
    path = tmp_path / "theirs.sqlite"
    with closing(driver.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    for open_it in (Ledger.open, Ledger.open_existing):
        with pytest.raises(LedgerError, match="not a ledger"):
            open_it(path, Venue.PAPER)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Same mistake, other kind of file."""
    path = tmp_path / "notes.txt"
    path.write_text("remember the milk\n" * 100)
    with pytest.raises(LedgerError, match="not a database"):
        Ledger.open(path, Venue.PAPER)
    assert path.read_text().startswith("remember")


def test_a_place_where_no_file_can_be_is_said_so(tmp_path: Path) -> None:
    """The message has to name the path, because nothing is sent until it is mended."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "ledger.sqlite"):
        with pytest.raises(LedgerError, match=f"The ledger {path} cannot be created"):
            Ledger.open(path, Venue.PAPER)


def test_opening_for_reading_creates_nothing(path: Path) -> None:
    """A status command or a sensor must not leave a ledger behind that says that nothing ever happened."""
    assert Ledger.open_existing(path, Venue.PAPER) is None
    assert not path.parent.exists()


def test_a_file_that_was_only_just_created_reads_as_no_ledger(path: Path) -> None:
    """Between creating the file and its schema a reader may look; an error would alarm somebody over nothing."""
    path.parent.mkdir()
    path.touch()
    assert Ledger.open_existing(path, Venue.PAPER) is None


def test_a_ledger_opened_for_reading_refuses_to_record(ledger: Ledger, samples: Any) -> None:
    """Whoever only reads cannot write by mistake."""
    with Ledger.open_existing(ledger.path, Venue.PAPER) as reader:
        with pytest.raises(LedgerError, match="readonly"):
            reader.record_flatten(samples.request, "{}")
        assert reader.read_flattens("2026-03-01") == []


@pytest.mark.parametrize("is_connected", [True, False])
def test_a_ledger_whose_file_vanished_refuses_to_record(
    is_connected: bool, ledger: Ledger, samples: Any, path: Path
) -> None:
    """Records that go to a deleted file, or to a fresh one in its place, are no records."""
    if not is_connected:
        ledger.close()
    path.unlink()
    with pytest.raises(LedgerError, match="could not record"):
        ledger.record_flatten(samples.request, "{}")
    assert not path.exists()


def test_a_creation_that_fails_half_way_leaves_nothing_behind(path: Path) -> None:
    """Tables without a stamp would be a ledger of no venue, which nothing could open any more."""
    with pytest.raises(ValueError, match="no timezone"):
        Ledger.open(path, Venue.PAPER, clock=lambda: datetime(2026, 3, 1))  # noqa: DTZ001 - fails after the migration
    assert Ledger.open_existing(path, Venue.PAPER) is None
    Ledger.open(path, Venue.PAPER).close()


def test_reopening_keeps_the_identity_and_writes_nothing(ledger: Ledger, path: Path) -> None:
    """The stamp is set once."""
    ledger.close()
    before = path.read_bytes()
    Ledger.open(path, Venue.PAPER).close()
    assert path.read_bytes() == before


def test_threads_that_create_a_ledger_at_once_get_one_ledger(path: Path, sql: Callable[..., list[Any]]) -> None:
    """The schema and the stamp are made once, whoever comes first."""
    barrier = threading.Barrier(4)
    failures: list[Exception] = []

    def open_it() -> None:
        barrier.wait()
        try:
            Ledger.open(path, Venue.PAPER).close()
        except LedgerError as error:
            failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sql("SELECT count(*) FROM facts WHERE kind = 'ledger_created/1'") == [(1,)]


def test_migrating_leaves_the_logging_of_the_program_alone(path: Path) -> None:
    """Alembic's usual setup replaces handlers and silences loggers, Dagster's among them."""
    logger = logging.getLogger("deepcoin_ops.test")
    before = (logging.root.level, list(logging.root.handlers), logger.disabled)
    Ledger.open(path, Venue.PAPER).close()
    assert (logging.root.level, list(logging.root.handlers), logger.disabled) == before


@pytest.mark.parametrize("is_hashed_anew", [False, True])
def test_a_ledger_that_was_relabelled_with_another_venue_is_refused(
    is_hashed_anew: bool,
    ledger: Ledger,
    samples: Any,
    path: Path,
    sql: Callable[..., list[Any]],
    drop_triggers: Callable[[], None],
) -> None:
    """The venue is a fact under the hash. Who writes the hash anew as well has made a ledger of the other venue of it."""
    ledger.record_flatten(samples.request, "{}")
    ledger.close()
    drop_triggers()
    sql("""UPDATE facts SET body = replace(body, '"paper"', '"live"') WHERE seq = 1""")
    if is_hashed_anew:
        with closing(driver.connect(path)) as connection, connection:
            connection.row_factory = driver.Row
            row = dict(connection.execute("SELECT * FROM facts WHERE seq = 1").fetchone())
            connection.execute("UPDATE facts SET fact_hash = ? WHERE seq = 1", [build_fact_hash(row)])
    for open_it in (Ledger.open, Ledger.open_existing):
        for venue in (Venue.PAPER,) if is_hashed_anew else tuple(Venue):
            with pytest.raises(LedgerError, match=r"does not say which venue|belongs to the venue 'live'|old copy"):
                open_it(path, venue)
