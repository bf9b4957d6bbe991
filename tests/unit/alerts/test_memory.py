"""What processes remember of each other: kept with the alerts, or elsewhere where that cannot be written."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deepcoin_ops.alerts import memory
from deepcoin_ops.alerts.memory import Memory

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run of the timer is a new process, which remembers nothing by itself."""
    monkeypatch.setattr(memory, "_of_this_process", {})


def test_it_lasts_an_hour_and_is_forgotten_when_asked(tmp_path: Path) -> None:
    """In an empty file, for which a full disk has room."""
    Memory(tmp_path / "alerts").note("a", NOW)
    kept = Memory(tmp_path / "alerts")
    assert [kept.is_within("a", NOW + later, HOUR) for later in (timedelta(0), HOUR)] == [True, False]
    assert not kept.is_within("b", NOW, HOUR)
    assert [path.stat().st_size for path in (tmp_path / "alerts").iterdir()] == [0]
    kept.forget("a")
    assert kept.read_first("a") is None


def test_a_moment_still_to_come_silences_nothing(tmp_path: Path) -> None:
    """A clock that ran ahead for an evening must not cost the night after it was set right."""
    Memory(tmp_path).note("a", NOW + timedelta(days=300))
    assert not Memory(tmp_path).is_within("a", NOW, HOUR)


def test_where_its_folder_cannot_be_written_the_folder_for_temporary_files_takes_it(tmp_path: Path) -> None:
    """It is this folder's memory there, and no other one's."""
    for name in ("state", "other"):
        (tmp_path / name).write_text("a file in its place")
    Memory(tmp_path / "state").note("a", NOW)
    assert Memory(tmp_path / "state").is_within("a", NOW, HOUR)
    assert not Memory(tmp_path / "other").is_within("a", NOW, HOUR)


@pytest.mark.parametrize("kind", ["link", "folder", "other user"])
def test_what_another_user_puts_into_the_folder_for_temporary_files_silences_nothing(tmp_path: Path, kind: str) -> None:
    """Everybody may write there."""
    (tmp_path / "state").write_text("a file in its place")
    Memory(tmp_path / "state").note("a", NOW)
    [path] = Path(tempfile.gettempdir()).iterdir()
    if kind == "other user":
        os.chown(path, 12345, 12345)
    else:
        path.unlink()
        path.symlink_to(tmp_path / "state") if kind == "link" else path.mkdir()
    assert not Memory(tmp_path / "state").is_within("a", NOW, HOUR)


def test_where_nothing_can_be_written_the_process_remembers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sensor looks every fifteen seconds."""
    (tmp_path / "state").write_text("a file in its place")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "state"))
    Memory(tmp_path / "state").note("a", NOW)
    assert Memory(tmp_path / "state").is_within("a", NOW, HOUR)
