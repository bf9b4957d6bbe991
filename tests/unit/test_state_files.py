"""What lies in the state folder is for its owner alone, whatever the umask and the folders that were there."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deepcoin_ops import state_files
from deepcoin_ops.domain.errors import KillSwitchFailed
from deepcoin_ops.flattening.account_lock import AccountLock
from deepcoin_ops.flattening.kill_switch import KillSwitch
from deepcoin_ops.instance import prepare_instance, prepare_viewer_folder
from deepcoin_ops.ledger.store import create_file
from deepcoin_ops.settings import load_settings
from deepcoin_ops.state_files import (
    build_lock,
    create_private_file,
    describe_process,
    find_lock_holder,
    make_private_folder,
    write_private_file,
)

NOBODY = 65534
LOCKING = """
import fcntl, sys
file = open(sys.argv[1])
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Run under a umask."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user may enter, as `/srv` is; the test's own temporary folder is closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="deepcoin_ops_shared_"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def modes_below(folder: Path) -> dict[str, int]:
    """The modes of everything below a folder, and of the folder."""
    return {str(path.relative_to(folder)): mode_of(path) for path in [folder, *folder.rglob("*")] if not path.is_symlink()}


def can_another_user(work: Callable[[], object]) -> bool:
    """Whether another user of the machine can do something, tried in a process of its own; this user has to be root."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def can_another_user_lock(path: Path) -> bool:
    """Whether another user can hold a lock on a file. Tried for real where this user may become another."""
    if os.geteuid() != 0:
        return all(mode_of(each) & 0o001 for each in path.parents) and bool(mode_of(path) & 0o004)
    return can_another_user(lambda: fcntl.flock(os.open(path, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB))


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o277])
def test_folders_and_files_are_private_from_the_first_moment_under_every_umask(tmp_path: Path, mask: int) -> None:
    """A folder that is closed a moment later was open for that moment."""
    with umask(mask):
        make_private_folder(tmp_path / "state" / "live" / "locks")
        os.close(create_private_file(tmp_path / "state" / "made"))
        write_private_file(tmp_path / "state" / "written", b"x")
        with build_lock(tmp_path / "state" / "live" / "locks" / "main.lock"):
            found = modes_below(tmp_path / "state")
    assert found == {
        ".": 0o700,
        "live": 0o700,
        "live/locks": 0o700,
        "live/locks/main.lock": 0o600,
        "made": 0o600,
        "written": 0o600,
    }


def test_what_an_earlier_version_left_open_is_closed_and_what_is_above_it_stays(tmp_path: Path) -> None:
    """A desk that is updated is as closed as a new one; a folder of the machine is not the desk's to change."""
    folder = tmp_path / "above" / "locks"
    folder.mkdir(parents=True)
    (tmp_path / "above").chmod(0o755)
    folder.chmod(0o755)
    (folder / "note").write_text("old")
    (folder / "note").chmod(0o644)
    make_private_folder(folder)
    write_private_file(folder / "note", b"new")
    assert modes_below(tmp_path / "above") == {".": 0o755, "locks": 0o700, "locks/note": 0o600}


@pytest.mark.parametrize(("make", "error"), [("file", FileExistsError), ("dangling link", FileNotFoundError)])
def test_what_is_no_folder_is_an_error(tmp_path: Path, make: str, error: type[OSError]) -> None:
    """It is not replaced."""
    path = tmp_path / "locks"
    path.touch() if make == "file" else path.symlink_to(tmp_path / "unmounted")
    with pytest.raises(error):
        make_private_folder(path)


def test_a_folder_of_another_user_is_refused_with_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner alone can let this user in, or run it."""
    (tmp_path / "locks").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 7)
    with pytest.raises(PermissionError, match=r"it belongs to user .*; run it as "):
        make_private_folder(tmp_path / "locks")


def test_what_root_makes_belongs_to_the_owner_of_the_folder_above(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sudo deepcoin-ops kill` must not leave a folder that the desk's user can never enter again."""
    given: list[tuple[Path, int, int]] = []
    owner = shared.stat()
    other = os.stat_result((*owner[:4], NOBODY, NOBODY, *owner[6:]))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda path, uid, gid: given.append((path, uid, gid)))
    stat = Path.stat
    monkeypatch.setattr(Path, "stat", lambda path, **more: other if path == shared else stat(path, **more))
    make_private_folder(shared / "live")
    os.close(create_private_file(shared / "note"))
    assert given == [(shared / "live", NOBODY, NOBODY), (shared / "note", NOBODY, NOBODY)]


def test_another_user_can_hold_no_lock_of_a_desk_in_a_folder_that_is_open_to_all(shared: Path) -> None:
    """A state folder under /srv with mode 0755, as a person makes it: what is in it is closed all the same."""
    open_file = shared / "open.lock"
    open_file.touch(0o644)
    assert can_another_user_lock(open_file), "or the trial shows nothing"
    settings = load_settings({"DEEPCOIN_OPS_STATE": str(shared)})
    with umask(0o000):
        lock = AccountLock(settings.locks_folder, "main")
        lock.acquire("flatten one", 1, lambda: False)
        create_file(settings.ledger_path)
        KillSwitch(settings.kill_folder, None).put_on("ann@desk", "", settings.calendar.window("2026-01-06")[0])
        dagster, viewer = prepare_instance(settings), prepare_viewer_folder(settings)
        (dagster / "runs.db").touch()
    below = modes_below(settings.ledger_path.parent)
    lock.release()
    for path in (settings.locks_folder / "main.lock", settings.ledger_path, dagster / "runs.db"):
        assert not can_another_user_lock(path)
    assert (mode_of(dagster), mode_of(viewer)) == (0o700, 0o700)
    assert "locks/main.holder" in below
    assert {name: mode for name, mode in below.items() if mode & 0o077} == {}


def test_a_stop_by_a_user_who_may_not_enter_the_state_folder_fails_and_never_reads_as_on(shared: Path) -> None:
    """It said that the switch was on already, because what cannot be looked at counts as on; the desk saw none."""
    state = shared / "state"
    make_private_folder(state / "live")
    switch = KillSwitch(state / "live" / "kill", None)

    def stop() -> None:
        switch.put_on("bob@desk", "", datetime.now(UTC))

    if os.geteuid() == 0:
        assert not can_another_user(stop)
    else:
        state.chmod(0o000)
        with pytest.raises(KillSwitchFailed, match="as the user that runs the desk"):
            stop()
        state.chmod(0o700)
    assert switch.read_notes() == ()


def test_the_holder_of_a_lock_is_found_where_the_kernel_lists_it(tmp_path: Path) -> None:
    """A process that freezes with it has to be found at night; one that only waits for it does not hold it."""
    path = tmp_path / "pace.lock"
    assert find_lock_holder(path) is None
    path.touch()
    command = [sys.executable, "-c", LOCKING, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        found = find_lock_holder(path)
        if state_files._LOCK_TABLE.exists():
            assert found == holder.pid
            assert describe_process(holder.pid).startswith(f"process {holder.pid} (python")
        else:
            assert found is None
        holder.kill()
    assert find_lock_holder(path) is None
    assert describe_process(2**30) == f"process {2**30}"
