"""One flatten per account, however its process ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from deepcoin_ops.domain.errors import GuardRefused, LockTimeout, SendWithdrawn
from deepcoin_ops.flattening.account_lock import AccountLock, find_held_locks
from deepcoin_ops.flattening.progress import Progress

_HOLDER = """
import sys
from pathlib import Path
from deepcoin_ops.flattening.account_lock import AccountLock
lock = AccountLock(Path(sys.argv[1]), "main")
lock.acquire("flatten one", 1, lambda: False)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_killed_holder_frees_the_lock(tmp_path: Path) -> None:
    """The kernel gives it back; no stale lock keeps tomorrow's flatten from running."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        lock = AccountLock(tmp_path, "main")
        with pytest.raises(LockTimeout, match="flatten one"):
            lock.acquire("flatten two", 0.2, lambda: False)
        holder.kill()
        holder.wait()
        lock.acquire("flatten two", 5, lambda: False)
        lock.release()


def test_waiting_ends_when_stopping_is_asked_for(tmp_path: Path) -> None:
    """A terminated run does not sit in the queue of the lock."""
    holder, waiter = AccountLock(tmp_path, "main"), AccountLock(tmp_path, "main")
    holder.acquire("one", 1, lambda: False)
    with pytest.raises(SendWithdrawn):
        waiter.acquire("two", 60, lambda: True)
    holder.release()


def test_a_wait_that_takes_longer_says_once_for_whom_and_for_how_long(tmp_path: Path) -> None:
    """Half an hour without a word looks like a flatten that hangs, and somebody would start a third one."""
    holder, waiter = AccountLock(tmp_path, "main"), AccountLock(tmp_path, "main")
    holder.acquire("flatten one", 1, lambda: False)
    told: list[Progress] = []
    with pytest.raises(LockTimeout):
        waiter.acquire("flatten two", 2, lambda: False, told.append)
    holder.release()
    waiter.acquire("flatten two", 2, lambda: False, told.append)
    waiter.release()
    [progress] = told
    assert "flatten one (process " in progress.text
    assert "up to 2 s" in progress.text


def test_a_holder_without_a_note_is_named_as_a_process_and_no_old_flatten_is_blamed(tmp_path: Path) -> None:
    """Another program holds the lock, and the note is that of a flatten that was killed last night."""
    lock, said = AccountLock(tmp_path, "main"), list[Progress]()
    (tmp_path / "main.holder").write_text("flatten of yesterday, ann@desk (process 999999999)")
    with FileLock(tmp_path / "main.lock"), pytest.raises(GuardRefused) as refused:
        lock.acquire("flatten two", 1.3, lambda: False, said.append)
    assert not isinstance(refused.value, LockTimeout)
    seen = f"process {os.getpid()} (" if Path("/proc/locks").exists() else "a process that cannot be seen from here"
    for text in (str(refused.value), said[0].text):
        assert LockTimeout.IN_WORDS not in text
        assert "another flatten" not in text
        assert seen in text
        assert "an earlier holder left: flatten of yesterday" in text
    assert "all positions stay open" in str(refused.value)


def test_a_flatten_in_another_container_is_believed_by_its_note(tmp_path: Path) -> None:
    """Process numbers of two containers cannot be compared, and a healthy flatten must not be ended as a stranger."""
    lock = AccountLock(tmp_path, "main")
    (tmp_path / "main.holder").write_text("flatten one, ann@desk (process 1, pid:[1])")
    with (
        FileLock(tmp_path / "main.lock"),
        pytest.raises(LockTimeout, match=r"flatten one, .* \(process 1\), in another container"),
    ):
        lock.acquire("flatten two", 0.2, lambda: False)


def test_the_note_goes_with_its_flatten_and_a_lock_that_was_never_taken_is_free(tmp_path: Path) -> None:
    """Looking leaves nothing behind, and a note that stays would name a flatten that has ended."""
    lock = AccountLock(tmp_path / "locks", "main")
    assert not lock.is_held()
    assert find_held_locks(tmp_path / "locks") == {}
    assert list(tmp_path.iterdir()) == []
    lock.acquire("flatten one", 1, lambda: False)
    assert find_held_locks(tmp_path / "locks") == {"main": (f"flatten one (process {os.getpid()})", True)}
    lock.release()
    lock.release()
    assert not (tmp_path / "locks" / "main.holder").exists()
    assert find_held_locks(tmp_path / "locks") == {}


def test_accounts_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """Each account has a lock of its own."""
    locks = [AccountLock(tmp_path, name) for name in ("one", "two")]
    for lock in locks:
        lock.acquire("me", 0.2, lambda: False)
    for lock in locks:
        lock.release()


@pytest.mark.parametrize("in_the_way", ["locks/main.lock", "locks"])
def test_a_lock_that_cannot_be_used_is_a_refusal_that_says_what_to_do(tmp_path: Path, in_the_way: str) -> None:
    """Another user's file is in the way as this is, and the evening's flatten must not end without a word to act on."""
    path = tmp_path / in_the_way
    if in_the_way == "locks":
        path.touch()
    else:
        path.mkdir(parents=True)
    lock = AccountLock(tmp_path / "locks", "main")
    with pytest.raises(GuardRefused, match=r"Nothing was sent and all positions stay open.*remove it") as refused:
        lock.acquire("flatten one", 1, lambda: False)
    assert f"{path}: " in str(refused.value)


def test_a_note_that_cannot_be_written_keeps_nobody_from_the_lock(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is there for whoever waits; positions are not left open for it."""
    (tmp_path / "main.holder").mkdir()
    lock = AccountLock(tmp_path, "main")
    lock.acquire("flatten one", 1, lambda: False)
    assert AccountLock(tmp_path, "main").is_held()
    lock.release()
    assert str(tmp_path / "main.holder") in caplog.text
