"""One flatten per account at a time, on this host: an OS file lock that dies with its process."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import Timeout

from deepcoin_ops.domain.errors import GuardRefused, LockTimeout, SendWithdrawn
from deepcoin_ops.flattening.progress import Progress
from deepcoin_ops.state_files import (
    build_lock,
    describe_process,
    find_lock_holder,
    find_pid_namespace,
    make_private_folder,
    write_private_file,
)

logger = logging.getLogger(__name__)

_POLL_S = 0.1
_LONGEST_NOTE = 400  # characters of it that are shown
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
        self._lock = build_lock(self._lock_file, is_shared_by_threads=True)

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
            GuardRefused: The lock file or its folder cannot be used, or what held it is no flatten; nothing was sent.
            LockTimeout: Another flatten held it for the whole wait; nothing was sent.
            SendWithdrawn: Stopping was asked for while waiting.
        """
        began_s = time.monotonic()
        deadline, is_told = began_s + wait_s, False
        try:
            make_private_folder(self._folder)
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
        if not self._lock_file.exists():
            return False
        try:
            with self._lock.acquire(blocking=False):
                return False
        except Timeout:
            return True

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._lock.is_locked:
            # A later holder that leaves no note must not be taken for this flatten.
            with suppress(OSError):
                self._holder_file.unlink()
        self._lock.release()

    def _leave_note(self, holder: str) -> None:
        try:
            where = f", {namespace}" if (namespace := find_pid_namespace()) else ""
            write_private_file(self._holder_file, f"{holder} (process {os.getpid()}{where})".encode())
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
            holder, is_flatten = self.find_holder()
            if is_flatten:
                raise LockTimeout(
                    f"account {self._account}: {LockTimeout.IN_WORDS} for {wait_s:.0f} s: {holder}. "
                    "This one sent nothing; look at that one's result before launching again."
                )
            raise GuardRefused(
                f"account {self._account}: its flatten lock {self._lock_file} was held for {wait_s:.0f} s by {holder}. "
                "Nothing was sent and all positions stay open. Find out what that process is, end it, then flatten anew."
            )

    def _describe_wait(self, wait_s: float) -> str:
        holder, is_flatten = self.find_holder()
        held = "another flatten holds the lock" if is_flatten else f"its flatten lock {self._lock_file} is held"
        return (
            f"account {self._account}: {held}: {holder}. It is waited for, up to {wait_s:.0f} s in all; nothing is sent "
            "until it ends"
        )

    def find_holder(self) -> tuple[str, bool]:
        """Who holds the lock, in words, and whether that is a flatten by its own note.

        What another process left is no note of it. A holder in another container has other numbers there, so that only its
        note can be gone by.
        """
        try:
            note = re.sub(r"[^\x20-\x7e]", "?", self._holder_file.read_text(errors="replace"))
        except OSError:
            note = ""
        written = re.search(r"\(process (\d+)(?:, (pid:\S+))?\)$", note)
        noted_id = int(written.group(1)) if written else None
        namespace = written.group(2) if written else None
        # The number of a container means nothing to a person, and a note that is no flatten's may be of any length.
        note = (note[: written.start()] + f"(process {noted_id})" if written else note)[:_LONGEST_NOTE]
        if namespace not in (None, find_pid_namespace()):
            return f"{note}, in another container", True
        holder_id = find_lock_holder(self._lock_file)
        if noted_id is not None and (holder_id == noted_id or (holder_id is None and _is_alive(noted_id))):
            return note, True
        who = "a process that cannot be seen from here" if holder_id is None else describe_process(holder_id)
        return f"{who}, which left no note of its own{f'; an earlier holder left: {note}' if note else ''}", False


def find_held_locks(folder: Path) -> dict[str, tuple[str, bool]]:
    """The accounts at work in a locks folder, each with its `find_holder`; looks by taking each lock for an instant.

    Raises:
        OSError: The folder or a lock cannot be looked at.
    """
    try:
        names = sorted(path.stem for path in folder.iterdir() if path.suffix == ".lock")
    except FileNotFoundError:
        return {}
    locks = {name: AccountLock(folder, name) for name in names}
    return {name: lock.find_holder() for name, lock in locks.items() if lock.is_held()}


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True
