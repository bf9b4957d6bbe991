"""What the disk, other processes and the clock may do to the ledger: nothing is lost, and what is not recorded is said."""

from __future__ import annotations

import dataclasses
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ledger_reader import ledger_reader

from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.facts import StopAsked
from deepcoin_ops.domain.model import RawAnswer, Venue
from deepcoin_ops.ledger import sqlite_file
from deepcoin_ops.ledger.checked import verify
from deepcoin_ops.ledger.encoding import pack_answers, unpack_answers
from deepcoin_ops.ledger.history import History
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.ledger.records import NewFact
from deepcoin_ops.ledger.sqlite_file import driver

DAY = "2026-03-01"


def build_stop(reason: str = "x", raw: bytes | None = None) -> NewFact:
    """Build a fact of the account."""
    return NewFact("main", DAY, StopAsked(flatten_id="F1", at_s=1.0, reason=reason), raw)


@contextmanager
def keep_locked(path: Path) -> Iterator[None]:
    """Hold the ledger's write lock, as another process that hangs in the middle of a record."""
    with closing(driver.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def count_pages(ledger: Ledger, limit: int | None = None) -> int:
    """Count the file's pages, and let it have no more than so many: the disk is full then."""
    with ledger._store.reading() as connection:
        if limit is not None:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {limit}")
        return int(connection.exec_driver_sql("PRAGMA page_count").scalar() or 0)


def test_a_full_disk_costs_what_does_not_fit_and_nothing_else(ledger: Ledger, samples: Any) -> None:
    """Nothing of it is in the ledger, what was there is read, and with room again it goes on."""
    ledger.record_flatten(samples.request, "{}")
    count_pages(ledger, count_pages(ledger))
    with pytest.raises(
        LedgerError, match=r"could not record: database or disk is full\. Nothing of this entry is on record"
    ):
        ledger.append([build_stop(), build_stop("y" * 100_000)])
    assert ledger.read(StopAsked) == []
    count_pages(ledger, 2**30)
    assert ledger.append([build_stop()]) == [3]
    assert verify(ledger) == []


def test_all_that_wait_hear_of_a_locked_file_at_once(path: Path, samples: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would wait as long as the first did, one after the other, and the answers of the night with them."""
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_S", 0.5)
    heard: list[str] = []

    def record() -> None:
        try:
            ledger.append([build_stop()])
        except LedgerError as error:
            heard.append(str(error))

    with Ledger.open(path, Venue.PAPER) as ledger:
        ledger.record_flatten(samples.request, "{}")
        with keep_locked(path):
            assert len(ledger.read_flattens(DAY)) == 1
            threads = [threading.Thread(target=record) for _ in range(6)]
            with ledger._one_writer:
                for thread in threads:
                    thread.start()
                while ledger._waiting.qsize() < 6:
                    time.sleep(0.001)
                began_s = time.monotonic()
            for thread in threads:
                thread.join()
            assert time.monotonic() - began_s < 2.0
        assert len(heard) == 6
        assert all("database is locked" in each for each in heard)
        assert ledger.append([build_stop()]) == [3]


def test_a_reader_that_stays_makes_no_record_wait(ledger: Ledger, samples: Any, path: Path) -> None:
    """The log grows beyond the size at which it is written into the file, and is gone with the last that closes."""
    ledger.record_flatten(samples.request, "{}")
    with ledger_reader(path) as reader:
        took_s = []
        for _ in range(300):
            began_s = time.monotonic()
            ledger.append([build_stop("y" * 20_000)])
            took_s.append(time.monotonic() - began_s)
        assert path.with_name("ledger.sqlite-wal").stat().st_size > 2 * 1000 * 4096
        assert max(took_s) < sqlite_file.BUSY_TIMEOUT_S / 10
        assert reader.look_again() == 2
    assert ledger.read_altered_entry("main") is None
    ledger.close()
    assert sorted(each.name for each in path.parent.iterdir()) == ["ledger.mark.json", "ledger.sqlite"]


def test_a_large_answer_is_one_record(ledger: Ledger, samples: Any) -> None:
    """Megabytes of text and of bytes come back as they were."""
    ledger.record_flatten(samples.request, "{}")
    body = bytes(range(256)) * 2**14
    described, raw = pack_answers([RawAnswer(200, body, len(body))])
    ledger.append([build_stop("é\x00" * 2**20, raw)])
    [read] = ledger.read(StopAsked)
    assert read.fact.reason == "é\x00" * 2**20
    assert unpack_answers(described, read.raw)[0].body == body
    assert verify(ledger) == []


def test_a_clock_that_is_set_back_changes_no_order(path: Path, samples: Any) -> None:
    """The number decides which came first; and what is recent is looked for among all entries."""
    now = [datetime(2026, 3, 1, 12, tzinfo=UTC)]
    with Ledger.open(path, Venue.PAPER, lambda: now[0]) as ledger:
        ledger.record_flatten(samples.request, "{}")
        ledger.record_intent("F1", samples.intent)
        now[0] -= timedelta(hours=5)
        ledger.record_intent("F1", dataclasses.replace(samples.intent, attempt_id="A2"))
        assert [each.intent.attempt_id for each in ledger.read_attempts(DAY)] == ["A1", "A2"]
        recent = ledger.read_attempts_since("main", now[0] - timedelta(seconds=40))
        assert [each.intent.attempt_id for each in recent] == ["A1", "A2"]
        assert (ledger.read_head(DAY).seq, verify(ledger)) == (4, [])
    with Ledger.open(path, Venue.PAPER) as again:
        assert again.read_setback() is None


def test_a_process_that_died_between_the_record_and_its_mark_left_a_record(
    ledger: Ledger, samples: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark follows what is durable and may lag; it never names what is not there."""
    ledger.record_flatten(samples.request, "{}")

    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("deepcoin_ops.ledger.mark.LedgerMark.write", die)
        with pytest.raises(KeyboardInterrupt):
            ledger.record_intent("F1", samples.intent)
    with Ledger.open(path, Venue.PAPER) as again:
        assert [each.intent.attempt_id for each in again.read_open_calls("main")[0]] == ["A1"]
        again.record_outcome("A1", samples.answer)
        again.record_closing(samples.closing)
    assert verify(ledger) == []


def test_a_process_that_died_before_its_commit_left_nothing(
    ledger: Ledger, samples: Any, path: Path, monkeypatch: pytest.MonkeyPatch, sql: Callable[..., list[Any]]
) -> None:
    """Neither an entry nor a mark of one, and the next takes the number."""
    ledger.record_flatten(samples.request, "{}")

    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("deepcoin_ops.ledger.mark.LedgerMark.build", die)
        with pytest.raises(KeyboardInterrupt):
            ledger.record_intent("F1", samples.intent)
    assert sql("SELECT count(*) FROM facts") == [(2,)]
    assert ledger.record_intent("F1", samples.intent) == 3
    assert Ledger.open(path, Venue.PAPER).read_setback() is None


@pytest.fixture
def at_rest(ledger: Ledger, samples: Any, path: Path) -> Path:
    """A ledger with a fact of each kind that no process has open."""
    samples.record_all_kinds(ledger)
    ledger.close()
    return path


@pytest.mark.parametrize("seed", range(3))
def test_a_file_with_any_byte_changed_is_read_or_refused_in_words(at_rest: Path, seed: int) -> None:
    """A disk does that; no reader ends with a traceback, and `verify` names what an entry has lost."""
    whole, chosen = at_rest.read_bytes(), random.Random(seed)
    with closing(driver.connect(at_rest)) as connection:
        recorded = connection.execute("SELECT * FROM facts ORDER BY seq").fetchall()
    silent = 0
    for _ in range(40):
        at = chosen.randrange(len(whole))
        at_rest.write_bytes(whole[:at] + chosen.randbytes(8) + whole[at + 8 :])
        try:
            with History.open_existing(at_rest, Venue.PAPER) as reader:
                named = [*verify(reader), *reader.find_damage(), *reader.find_missing_triggers(), *reader.unreadable]
                assert [reader.read_head(day) for day in reader.read_days()]
                reader.read_attempts(DAY)
        except LedgerError:
            continue
        if not named:
            silent += 1
            with closing(driver.connect(at_rest)) as connection:
                assert connection.execute("SELECT * FROM facts ORDER BY seq").fetchall() == recorded
    assert silent


def test_a_message_of_the_database_that_is_no_text_is_a_sentence_too(at_rest: Path) -> None:
    """It quotes the damaged place, byte by byte."""
    whole = at_rest.read_bytes()
    assert whole.count(b"CREATE TABLE alembic_version") == 1
    at_rest.write_bytes(whole.replace(b"CREATE TABLE alembic_version (\n\tv", b"CREATE TABLE alembic_version (\n\xd9("))
    for open_it in (Ledger.open, Ledger.open_existing):
        with pytest.raises(LedgerError, match="could not be read"):
            open_it(at_rest, Venue.PAPER)


def test_an_index_that_has_lost_an_entry_is_named(at_rest: Path) -> None:
    """The chain is whole, and a close would not be found by its account."""
    with closing(driver.connect(at_rest)) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = sql || ' WHERE seq != 5' WHERE name = 'facts_by_account_and_kind'"
        )
    with closing(driver.connect(at_rest)) as connection, connection:
        connection.execute("REINDEX facts_by_account_and_kind")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, ' WHERE seq != 5', '')")
    with History.open_existing(at_rest, Venue.PAPER) as reader:
        assert verify(reader) == []
        assert "facts_by_account_and_kind" in reader.find_damage()[0]


def test_a_trigger_without_teeth_is_named(
    ledger: Ledger, sql: Callable[..., list[Any]], drop_triggers: Callable[[], None]
) -> None:
    """By what it does and not by its name."""
    assert ledger.find_missing_triggers() == []
    drop_triggers()
    sql("CREATE TRIGGER facts_no_update BEFORE UPDATE ON facts BEGIN SELECT 1; END")
    assert ledger.find_missing_triggers() == ["facts_no_delete", "facts_no_update"]


def test_a_copy_that_is_interrupted_leaves_no_half_of_one(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would look like a backup."""

    def interrupt(_path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sqlite_file, "connect", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ledger.copy(tmp_path / "copy.sqlite")
    assert not (tmp_path / "copy.sqlite").exists()
