"""The mark beside the ledger: an old copy is noticed, and nothing else is taken for one."""

import dataclasses
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.model import Venue
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.ledger.mark import read_setback


@pytest.fixture
def mark_path(path: Path) -> Path:
    return path.with_name("ledger.mark.json")


@pytest.fixture
def old_copy(ledger: Ledger, samples: Any, path: Path, tmp_path: Path) -> Path:
    """A copy from before the close was sent; the ledger itself has gone on and is closed."""
    ledger.record_flatten(samples.request, "{}")
    copy = tmp_path / "copy.sqlite"
    ledger.copy(copy)
    ledger.record_intent(samples.request.flatten_id, samples.intent)
    ledger.close()
    return copy


def test_the_mark_names_the_entry_after_which_something_is_sent_or_said_to_be_over(
    ledger: Ledger, samples: Any, mark_path: Path, sql: Callable[..., list[Any]]
) -> None:
    """An opening, an intent of a close or a cancel, a closing; reads and outcomes may be repeated or are found out."""

    def marked() -> int:
        told = json.loads(mark_path.read_text())
        [(fact_hash,)] = sql("SELECT fact_hash FROM facts WHERE seq = ?", told["seq"])
        assert (told["ledger_id"], told["fact_hash"]) == (ledger.read_ledger_id(), fact_hash)
        return told["seq"]

    flatten_id = samples.request.flatten_id
    assert not mark_path.exists()
    for record in (
        lambda: ledger.record_flatten(samples.request, "{}"),
        lambda: ledger.record_intent(flatten_id, samples.intent),
        lambda: ledger.record_cancel_intent(flatten_id, samples.cancel_intent),
    ):
        seq = record()
        assert marked() == seq
    read = ledger.record_read(flatten_id, "snapshot", 0, samples.read)
    assert marked() == read - 1
    seq = ledger.record_closing(samples.closing)
    assert marked() == seq
    assert len(mark_path.read_bytes()) == 512


def test_an_old_copy_is_refused_and_left_as_it_was(old_copy: Path, path: Path, mark_path: Path) -> None:
    """What was sent since is unknown to it, and its chain is intact; the message says what to look at and what to do."""
    shutil.copy(old_copy, path)
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(LedgerError, match="old copy") as refused:
            Ledger.open(path, Venue.PAPER)
        for told in (str(path), str(mark_path), "entry 3", "Look at the positions", "remove", "flatten anew"):
            assert told in str(refused.value)
    assert path.read_bytes() == before


def test_an_old_copy_that_went_on_with_other_entries_is_refused_too(
    old_copy: Path, path: Path, mark_path: Path, samples: Any, tmp_path: Path
) -> None:
    """The same number is not the same entry."""
    kept = shutil.copy(mark_path, tmp_path / "kept")
    shutil.copy(old_copy, path)
    mark_path.unlink()
    with Ledger.open(path, Venue.PAPER) as ledger:
        ledger.record_closing(samples.closing)
    shutil.copy(kept, mark_path)
    with pytest.raises(LedgerError, match="entry 3"):
        Ledger.open(path, Venue.PAPER)


def test_removing_the_mark_goes_on_with_the_old_copy_and_marks_it_anew(
    old_copy: Path, path: Path, mark_path: Path, samples: Any
) -> None:
    """A person has looked at the exchange; the way on must not need an editor."""
    shutil.copy(old_copy, path)
    mark_path.unlink()
    with Ledger.open(path, Venue.PAPER) as ledger:
        ledger.record_intent(samples.request.flatten_id, samples.intent)
    assert json.loads(mark_path.read_text())["seq"] == 3
    Ledger.open(path, Venue.PAPER).close()


def test_putting_the_newer_ledger_back_ends_it_too(old_copy: Path, path: Path, tmp_path: Path) -> None:
    """It was only moved away."""
    path.rename(tmp_path / "newer.sqlite")
    shutil.copy(old_copy, path)
    with pytest.raises(LedgerError):
        Ledger.open(path, Venue.PAPER)
    (tmp_path / "newer.sqlite").replace(path)
    Ledger.open(path, Venue.PAPER).close()


@pytest.mark.parametrize("is_empty", [True, False])
def test_a_ledger_that_is_gone_is_not_begun_anew(old_copy: Path, path: Path, is_empty: bool) -> None:
    """A fresh one would know of nothing that was sent; that is the oldest copy there is."""
    path.unlink()
    if is_empty:
        path.touch()
    with pytest.raises(LedgerError, match="does not have entry 3"):
        Ledger.open(path, Venue.PAPER)
    assert path.exists() == is_empty


def test_another_ledger_in_its_place_is_refused(old_copy: Path, path: Path, tmp_path: Path, samples: Any) -> None:
    """One of another machine, say."""
    other = tmp_path / "other" / "ledger.sqlite"
    with Ledger.open(other, Venue.PAPER) as ledger:
        ledger.record_flatten(samples.request, "{}")
        ledger.record_intent(samples.request.flatten_id, samples.intent)
    shutil.copy(other, path)
    with pytest.raises(LedgerError, match="another ledger"):
        Ledger.open(path, Venue.PAPER)


@pytest.mark.parametrize("way", ["copied over it", "moved over it", "copied over it, its log removed"])
def test_an_old_copy_put_in_place_under_a_running_process_is_refused_at_its_next_send(
    ledger: Ledger, samples: Any, path: Path, mark_path: Path, tmp_path: Path, sql: Callable[..., list[Any]], way: str
) -> None:
    """The mark would be overwritten otherwise, and with it the only trace."""
    ledger.record_flatten(samples.request, "{}")
    copy = tmp_path / "copy.sqlite"
    ledger.copy(copy)
    for number in range(60):
        # From time to time the log is written into the file and begins anew; then the file holds what the log does not.
        assert sql("PRAGMA wal_checkpoint")[0][0] == 0
        ledger.record_intent(samples.request.flatten_id, dataclasses.replace(samples.intent, attempt_id=f"A{number}"))
    before = mark_path.read_bytes()
    if way == "moved over it":
        copy.replace(path)
    else:
        path.write_bytes(copy.read_bytes())
    if way == "copied over it, its log removed":
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink()
    with pytest.raises(LedgerError, match=r"old copy|moved or replaced"):
        ledger.record_cancel_intent(samples.request.flatten_id, samples.cancel_intent)
    assert mark_path.read_bytes() == before


def test_an_old_copy_over_a_ledger_whose_log_still_holds_everything_loses_nothing(
    ledger: Ledger, samples: Any, path: Path, tmp_path: Path
) -> None:
    """What is in the log counts before what is in the file."""
    ledger.record_flatten(samples.request, "{}")
    old = path.read_bytes()
    ledger.record_intent(samples.request.flatten_id, samples.intent)
    path.write_bytes(old)
    ledger.record_cancel_intent(samples.request.flatten_id, samples.cancel_intent)
    ledger.close()
    with Ledger.open(path, Venue.PAPER) as again:
        assert again.read_head("2026-03-01").seq == 4
        assert again.read_altered_entry("main") is None


@pytest.mark.parametrize("content", [b"", b"\x00" * 512, b"[]", b"{}", b'{"seq": 1', b"\xff", b"[" * 5_000])
def test_a_torn_mark_is_told_and_keeps_nobody_from_flattening(
    old_copy: Path, path: Path, mark_path: Path, samples: Any, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It is written without a sync, so that a power cut may tear it; a position must not stay open for that."""
    mark_path.write_bytes(content)
    with caplog.at_level(logging.WARNING), Ledger.open(path, Venue.PAPER) as ledger:
        assert "torn" in caplog.text
        ledger.record_closing(samples.closing)
    assert json.loads(mark_path.read_bytes()[:512])["seq"] == 4
    Ledger.open(path, Venue.PAPER).close()
    assert caplog.text.count("is torn;") == 1


def test_a_mark_with_halves_of_two_is_torn(ledger: Ledger, samples: Any, path: Path, mark_path: Path) -> None:
    """One that is read while it is overwritten must not pass for a mark of an entry that never was."""
    ledger.record_flatten(samples.request, "{}")
    told = json.loads(mark_path.read_text())
    mark_path.write_text(json.dumps(told | {"seq": 9}))
    Ledger.open(path, Venue.PAPER).close()


def test_a_mark_that_cannot_be_written_loses_no_record(
    ledger: Ledger, samples: Any, mark_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The record is what counts for the send; the trouble is told once and not for each send."""
    mark_path.mkdir()
    with caplog.at_level(logging.WARNING):
        ledger.record_flatten(samples.request, "{}")
        ledger.record_intent(samples.request.flatten_id, samples.intent)
    assert len(ledger.read_open_calls("main")[0]) == 1
    assert caplog.text.count("cannot be written") == 1


def test_a_mark_that_lags_is_no_setback(ledger: Ledger, samples: Any, path: Path, mark_path: Path) -> None:
    """Another process may have recorded since, or have written the older mark last."""
    ledger.record_flatten(samples.request, "{}")
    lagging = mark_path.read_bytes()
    ledger.record_intent(samples.request.flatten_id, samples.intent)
    mark_path.write_bytes(lagging)
    with Ledger.open(path, Venue.PAPER) as again:
        assert again.read_setback() is None


def test_whoever_only_reads_is_told_and_may_read_on(old_copy: Path, path: Path) -> None:
    """The old copy is still what there is to look at."""
    with Ledger.open_existing(path, Venue.PAPER) as newer:
        assert newer.read_setback() is None
    shutil.copy(old_copy, path)
    with Ledger.open_existing(path, Venue.PAPER) as older:
        setback = older.read_setback()
        assert setback is not None
        assert "entry 3" in setback
        assert len(older.read_flattens("2026-03-01")) == 1
    path.unlink()
    assert "entry 3" in str(read_setback(path, None))


@pytest.mark.parametrize("is_more_recorded", [False, True])
def test_a_cut_tail_is_no_ledger_to_send_by(
    is_more_recorded: bool,
    ledger: Ledger,
    samples: Any,
    path: Path,
    sql: Callable[..., list[Any]],
    drop_triggers: Callable[[], None],
) -> None:
    """The account's chain is whole in itself, and lacks the close that was sent last; another entry may have its number."""
    ledger.record_flatten(samples.request, "{}")
    ledger.record_intent("F1", samples.intent)
    mark = path.with_name("ledger.mark.json").read_bytes()
    drop_triggers()
    sql("DELETE FROM facts WHERE seq = 3")
    if is_more_recorded:
        path.with_name("ledger.mark.json").unlink()
        with Ledger.open(path, Venue.PAPER) as other:
            other.record_skipped_tick("main", "2026-03-01", samples.start, "late")
        path.with_name("ledger.mark.json").write_bytes(mark)
    assert ledger.read_altered_entry("main") is None
    with pytest.raises(LedgerError, match="old copy"):
        ledger.record_closing(samples.closing)
    with pytest.raises(LedgerError, match="does not have entry 3"):
        Ledger.open(path, Venue.PAPER)
    with Ledger.open_existing(path, Venue.PAPER) as reader:
        assert "entry 3" in str(reader.read_setback())
