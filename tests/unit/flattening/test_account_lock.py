"""One flatten per account, however its process ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deepcoin_ops.domain.errors import LockTimeout, SendWithdrawn
from deepcoin_ops.flattening.account_lock import AccountLock

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


def test_accounts_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """Each account has a lock of its own."""
    locks = [AccountLock(tmp_path, name) for name in ("one", "two")]
    for lock in locks:
        lock.acquire("me", 0.2, lambda: False)
    for lock in locks:
        lock.release()
