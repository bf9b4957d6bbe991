"""One flatten per account at a time, on this host: an OS file lock that dies with its process."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from deepcoin_ops.domain.errors import GuardRefused, LockTimeout, SendWithdrawn
from deepcoin_ops.flattening.progress import Progress

logger = logging.getLogger(__name__)

_POLL_S = 0.1
_SILENT_S = 1.0  # a wait that is over by then needs no words


def _say_nothing(_progress: Progress) -> None:
    """For whoever has nobody to tell that it waits."""


class AccountLock:
    """The flatten lock of one account. The kernel frees it when its process ends, however it ends.

    Args:
        folder: Where the lock files of this venue live; every process of this host has to use the same folder.
        account: The account's name in the settings.
    """

    def __init__(self, folder: Path, account: str):
        self._folder = folder
        self._account = account
        self._holder_file = folder / f"{account}.holder"
        self._lock_file = folder / f"{account}.lock"
        self._lock = FileLock(self._lock_file, thread_local=False)

    def acquire(
        self,
        holder: str,
        wait_s: float,
        is_stopped: Callable[[], bool],
        report: Callable[[Progress], None] = _say_nothing,
    ) -> None:
        """Wait for the lock and take it.

        Args:
            holder: Who takes it, for the message somebody else may see.
            wait_s: Seconds to wait at most.
            is_stopped: Asked while waiting.
            report: Told once whom it waits for, and for how long, unless the lock is soon free.

        Raises:
            GuardRefused: The lock file or its folder cannot be used; nothing was sent.
            LockTimeout: Somebody else held it for the whole wait; nothing was sent.
            SendWithdrawn: Stopping was asked for while waiting.
        """
        began_s = time.monotonic()
        deadline, is_told = began_s + wait_s, False
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._build_refusal(self._folder, error) from error
        while True:
            try:
                self._lock.acquire(timeout=_POLL_S, poll_interval=_POLL_S / 2)
                break
            except Timeout:
                self._check_wait(deadline, wait_s, is_stopped)
                if not is_told and time.monotonic() - began_s >= _SILENT_S:
                    is_told = True
                    report(Progress(self._describe_wait(wait_s)))
            except OSError as error:
                raise self._build_refusal(self._lock_file, error) from error
        self._leave_note(holder)

    def is_held(self) -> bool:
        """Whether a flatten of the account is at work now. Looks by taking the lock for an instant."""
        try:
            with self._lock.acquire(blocking=False):
                return False
        except Timeout:
            return True

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        self._lock.release()

    def _leave_note(self, holder: str) -> None:
        try:
            self._holder_file.write_text(f"{holder} (process {os.getpid()})")
        except OSError as error:
            # The kernel holds the lock; the note only tells who waits for whom.
            logger.warning(
                "account %s: %s cannot be written: %s. The flatten goes on, and whoever waits for it may be told another "
                "name. Remove it, or make it this user's.",
                self._account,
                self._holder_file,
                error.strerror,
            )

    def _build_refusal(self, path: Path, error: OSError) -> GuardRefused:
        return GuardRefused(
            f"account {self._account}: its flatten lock cannot be taken: {path}: {error.strerror}. Nothing was sent and "
            "all positions stay open. Make it a file or folder of the user who runs this, or remove it while no flatten "
            "of the account is at work; then flatten anew."
        )

    def _check_wait(self, deadline: float, wait_s: float, is_stopped: Callable[[], bool]) -> None:
        if is_stopped():
            raise SendWithdrawn(f"stopped while waiting for the flatten lock of account {self._account}; nothing was sent")
        if time.monotonic() > deadline:
            raise LockTimeout(
                f"account {self._account}: {LockTimeout.IN_WORDS} for {wait_s:.0f} s: {self._read_holder()}. "
                "This one sent nothing; look at that one's result before launching again."
            )

    def _describe_wait(self, wait_s: float) -> str:
        return (
            f"account {self._account}: another flatten holds the lock: {self._read_holder()}. It is waited for, up to "
            f"{wait_s:.0f} s in all; nothing is sent until it ends"
        )

    def _read_holder(self) -> str:
        try:
            return re.sub(r"[^\x20-\x7e]", "?", self._holder_file.read_text())[:200]
        except OSError:
            return "its holder left no name"
