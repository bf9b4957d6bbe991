"""The kill switch on disk: what counts as on, what it tells, and that it never reads as off by mistake."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deepcoin_ops.domain.errors import KillSwitchFailed
from deepcoin_ops.flattening.kill_switch import LONGEST_REASON, KillSwitch, find_strays, read_all_notes

NOW = datetime(2026, 11, 23, 15, 4, 5, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the switches are; nobody has made it yet."""
    return tmp_path / "paper" / "kill"


@pytest.fixture
def main(folder: Path) -> KillSwitch:
    return KillSwitch(folder, "main")


@pytest.fixture
def every(folder: Path) -> KillSwitch:
    return KillSwitch(folder, None)


def test_where_nobody_ever_put_one_on_it_is_off(main: KillSwitch, folder: Path) -> None:
    """A fresh state folder stops nothing, and looking makes none."""
    assert main.read_notes() == ()
    assert main.read_reason() is None
    assert not folder.exists()


def test_it_tells_who_when_why_and_how_to_end_it(main: KillSwitch) -> None:
    """Whoever finds an account stopped at night has to know whom to ask."""
    assert main.put_on("ann@desk", "the feed is broken", NOW)
    [note] = main.read_notes()
    assert (note.account, note.by, note.since, note.reason, note.doubt) == (
        "main",
        "ann@desk",
        NOW,
        "the feed is broken",
        "",
    )
    reason = main.read_reason()
    assert reason is not None
    for told in ("ann@desk", "2026-11-23 15:04:05 UTC", "the feed is broken", "deepcoin-ops resume --account main"):
        assert told in reason


def test_the_first_note_stays(main: KillSwitch) -> None:
    """A second person in a hurry must not wipe out who stopped it first and why."""
    main.put_on("ann@desk", "the feed is broken", NOW)
    assert not main.put_on("bob@desk", "", NOW)
    assert [note.by for note in main.read_notes()] == ["ann@desk"]


def test_one_of_every_account_stops_each_and_one_of_an_account_only_that(
    main: KillSwitch, every: KillSwitch, folder: Path
) -> None:
    """The one is for the night on which nothing may move, the other for one strategy."""
    other = KillSwitch(folder, "other")
    main.put_on("ann@desk", "", NOW)
    assert (bool(main.read_notes()), other.read_notes(), every.read_notes()) == (True, (), ())
    every.put_on("bob@desk", "", NOW)
    assert [note.account for note in main.read_notes()] == [None, "main"]
    assert [note.account for note in other.read_notes()] == [None]
    assert every.take_off()
    assert [note.account for note in main.read_notes()] == ["main"]
    assert main.take_off()
    assert main.read_notes() == ()
    assert not main.take_off()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'"text"',
        b'{"by": 1, "since": "2026-11-23T15:04:05+00:00", "reason": ""}',
        b'{"by": "a", "since": "2026-11-23T15:04:05", "reason": ""}',
        b'{"by": "a", "since": "0001-01-01T00:00:00+14:00", "reason": ""}',
        b'{"by": "a", "since": null, "reason": ""}',
        b'{"by": "a", "since": "2026-11-23',
        b"[" * 9_000,
    ],
)
def test_a_file_without_a_readable_note_is_on_and_names_its_owner(main: KillSwitch, content: bytes) -> None:
    """In an emergency somebody uses `touch`; and a disk that is full tears what is written."""
    main.path.parent.mkdir(parents=True)
    main.path.write_bytes(content)
    os.utime(main.path, (NOW.timestamp(), NOW.timestamp()))
    [note] = main.read_notes()
    assert note.since == NOW
    assert note.by
    assert "no readable note" in note.doubt
    assert not main.put_on("ann@desk", "", NOW)


def test_whatever_else_bears_the_name_is_on(main: KillSwitch) -> None:
    """A folder, a link into nowhere and a pipe, which would be waited for if it were read."""
    main.path.parent.mkdir(parents=True)
    for make in (main.path.mkdir, lambda: main.path.symlink_to("nowhere"), lambda: os.mkfifo(main.path)):
        make()
        assert len(main.read_notes()) == 1
        main.path.rmdir() if main.path.is_dir() else main.path.unlink()
    assert main.read_notes() == ()


def test_what_cannot_be_looked_at_is_on(main: KillSwitch, folder: Path, tmp_path: Path) -> None:
    """A folder that is a file, that links to itself, or that links to where nothing is: somebody may have meant a stop."""
    folder.parent.mkdir()
    for make in (folder.touch, lambda: folder.symlink_to(folder), lambda: folder.symlink_to(tmp_path / "unmounted")):
        make()
        [note] = main.read_notes()
        assert "counts as on" in note.doubt
        assert not main.put_on("ann@desk", "", NOW), "it was on already"
        folder.unlink()
    assert main.read_notes() == ()


def test_a_file_that_may_not_be_looked_at_is_on(main: KillSwitch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of another user, who made it in the emergency."""

    def refuse(_path: Path) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    main.path.parent.mkdir(parents=True)
    monkeypatch.setattr(Path, "lstat", refuse)
    assert [note.doubt for note in main.read_notes()] == [
        "it cannot be looked at: Permission denied, and that counts as on"
    ] * 2


def test_a_switch_that_cannot_be_removed_says_that_it_stays_on(main: KillSwitch) -> None:
    """Whoever resumes must not believe that sends go on."""
    main.path.mkdir(parents=True)
    with pytest.raises(KillSwitchFailed, match="stays ON"):
        main.take_off()
    assert main.read_notes()


def test_a_switch_that_cannot_be_put_on_says_so_and_what_to_do(main: KillSwitch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever kills must not believe that it worked."""

    def refuse(*_arguments: object, **_more: object) -> int:
        raise OSError(30, "Read-only file system")

    main.path.parent.mkdir(parents=True)
    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(KillSwitchFailed, match=r"could NOT be put on.*Read-only"):
        main.put_on("ann@desk", "", NOW)
    assert main.read_notes() == ()


def test_where_a_note_cannot_be_written_an_empty_file_stops_all_the_same(
    main: KillSwitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk has room for a name; a file system without links for a file."""

    def refuse(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", refuse)
    assert main.put_on("ann@desk", "", NOW)
    assert len(main.read_notes()) == 1
    assert [path.name for path in main.path.parent.iterdir()] == ["main.json"]


def test_what_somebody_typed_can_be_printed_and_recorded(main: KillSwitch) -> None:
    """A lone surrogate comes from an argument that is no text; the ledger could not write it in the middle of a flatten."""
    main.put_on("ann@desk", "a\nb\x1b[2J\udcff" + "z" * 100_000, NOW)
    [note] = main.read_notes()
    assert note.reason.startswith("a?b?[2J?zzz")
    assert len(note.reason) == LONGEST_REASON
    assert note.doubt == ""
    note.describe().encode()


def test_the_note_is_plain_json_and_nothing_is_left_beside_it(main: KillSwitch, every: KillSwitch) -> None:
    """Other tools may write and read it too."""
    main.put_on("ann@desk", "why", NOW)
    every.put_on("ann@desk", "", NOW)
    assert sorted(path.name for path in main.path.parent.iterdir()) == ["every.account.json", "main.json"]
    told = json.loads(main.path.read_text())
    assert told == {"account": "main", "by": "ann@desk", "since": "2026-11-23T15:04:05+00:00", "reason": "why"}


def test_a_file_of_no_account_is_named_as_one_that_stops_nothing(folder: Path, main: KillSwitch) -> None:
    """A misspelt name, made by hand, looks like a stop and is none."""
    assert find_strays(folder, ("main",)) == ()
    main.put_on("ann@desk", "", NOW)
    for name in ("mian.json", "every.account.json"):
        (folder / name).touch()
    assert [path.name for path in find_strays(folder, ("main",))] == ["mian.json"]


@pytest.mark.parametrize("name", ["main", "Main.json", "every.account", "EVERY.ACCOUNT.JSON", "stop everything", "live"])
def test_a_name_that_no_account_can_have_stops_every_account(main: KillSwitch, folder: Path, name: str) -> None:
    """Made by hand at night, in capitals or without its ending, it was meant as a stop. `resume` does not remove it."""
    folder.mkdir(parents=True)
    (folder / name).touch()
    for switch in (main, KillSwitch(folder, "other"), KillSwitch(folder, None)):
        [note] = switch.read_notes()
        assert (note.account, note.path) == (None, folder / name)
        assert note.cure.startswith("rm ")
        assert not switch.take_off()
    assert find_strays(folder, ("main",)) == ()
    (folder / name).unlink()
    (folder / ".swap").touch()
    assert main.read_notes() == ()


def test_a_folder_that_cannot_be_listed_is_on(main: KillSwitch, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name in it may have been meant as a stop."""
    folder.mkdir(parents=True)

    def refuse(_folder: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert ["cannot be listed" in note.doubt for note in main.read_notes()] == [True]


def test_every_switch_of_a_venue_is_read_whatever_the_settings_name(
    main: KillSwitch, every: KillSwitch, folder: Path
) -> None:
    """Another settings file may have accounts that this one has not."""
    assert read_all_notes(folder) == ()
    for switch in (main, KillSwitch(folder, "other"), every):
        switch.put_on("ann@desk", "", NOW)
    (folder / "Main.json").touch()
    assert [note.account for note in read_all_notes(folder)] == [None, None, "main", "other"]
    assert {note.cure for note in read_all_notes(folder)} >= {"deepcoin-ops resume --account other --venue paper"}


def test_what_this_user_alone_may_not_enter_is_no_stop(
    main: KillSwitch, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is the desk's; its flattens see no switch in it. Another user must not read that it was on already."""
    folder.mkdir(parents=True)

    def refuse(*_arguments: object, **_more: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(KillSwitchFailed, match=r"could NOT be put on.*as the user that runs the desk"):
        main.put_on("bob@desk", "", NOW)
