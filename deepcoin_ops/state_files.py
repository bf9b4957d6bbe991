"""Folders, files and locks of the state folder: for their owner alone, from the first moment and under every umask.

A lock file that another user can open is a lock that another user can hold, and positions stay open meanwhile. What is kept
in the files is decided elsewhere.
"""

from __future__ import annotations

import errno
import os
import pwd
import stat
from pathlib import Path

from filelock import FileLock

_PRIVATE_FOLDER, _PRIVATE_FILE = 0o700, 0o600
_LOCK_TABLE, _PROCESSES = Path("/proc/locks"), Path("/proc")


def make_private_folder(folder: Path) -> None:
    """Make a folder that its owner alone can enter, and what is missing above it. Writes.

    A folder that is there is closed to others; those above it stay as they are. What root makes in another user's folder
    is given to that user, who could not enter it otherwise.

    Raises:
        OSError: It cannot be made, is no folder, or belongs to another user; `strerror` says which.
    """
    if not folder.parent.exists():
        make_private_folder(folder.parent)
    try:
        folder.mkdir(_PRIVATE_FOLDER)
    except FileExistsError:
        found = folder.stat()
        if not stat.S_ISDIR(found.st_mode):
            raise
        _check_owner(folder, found)
    else:
        found = folder.stat()
        _give_to_owner_above(folder)
    if stat.S_IMODE(found.st_mode) & 0o777 != _PRIVATE_FOLDER:
        folder.chmod(_PRIVATE_FOLDER)


def create_private_file(path: Path) -> int:
    """Create an empty file that its owner alone can open; the descriptor to write it with. Writes.

    Raises:
        FileExistsError: Something of this name is there.
        OSError: It cannot be created.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, _PRIVATE_FILE)
    os.fchmod(descriptor, _PRIVATE_FILE)
    _give_to_owner_above(path)
    return descriptor


def write_private_file(path: Path, content: bytes) -> None:
    """Write a small file over an earlier one, for its owner alone. Writes; a crash may leave half of it.

    Raises:
        OSError: It cannot be written.
    """
    with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, _PRIVATE_FILE), "wb") as file:
        os.fchmod(file.fileno(), _PRIVATE_FILE)
        file.write(content)


def build_lock(path: Path, *, is_shared_by_threads: bool = False, wait_s: float = -1) -> FileLock:
    """Build a lock on a file that no other user can open; its folder has to be there when it is taken.

    Args:
        path: The lock file; created when the lock is first taken.
        is_shared_by_threads: Whether another thread may give back what one has taken.
        wait_s: Seconds to wait for it at most; negative for ever.
    """
    return FileLock(path, wait_s, mode=_PRIVATE_FILE, thread_local=not is_shared_by_threads)


def find_lock_holder(path: Path) -> int | None:
    """The process that holds a lock file, as the kernel says; None where it is free, or where that cannot be known.

    The kernel hides holders in other containers, and has such a list on Linux alone.
    """
    try:
        found = path.stat()
        table = _LOCK_TABLE.read_text()
    except OSError:
        return None
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    for line in table.splitlines():
        # `1: FLOCK ADVISORY WRITE 4711 fe:00:131 0 EOF`; one that only waits has an arrow behind its number.
        fields = line.split()
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == place and fields[4].isdigit():
            return int(fields[4])
    return None


def find_pid_namespace() -> str:
    """What tells the process numbers here from those of another container; empty where that cannot be known."""
    try:
        return str((_PROCESSES / "self" / "ns" / "pid").readlink())
    except OSError:
        return ""


def describe_process(process_id: int) -> str:
    """A process in words: its number, and name and user where they can be seen. Never its arguments."""
    folder = _PROCESSES / str(process_id)
    try:
        name = (folder / "comm").read_text(errors="replace").strip()
        owner = find_user_name(folder.stat().st_uid)
    except OSError:
        return f"process {process_id}"
    shown = "".join(letter if letter.isprintable() else "?" for letter in name)
    return f"process {process_id} ({shown}, user {owner})"


def find_user_name(uid: int) -> str:
    """The name of a user; `uid 1000` for one without a name, such as a container's."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _check_owner(folder: Path, found: os.stat_result) -> None:
    own = os.geteuid()
    if own not in (0, found.st_uid):
        owner = find_user_name(found.st_uid)
        text = f"it belongs to user {owner}, and this is user {find_user_name(own)}; run it as {owner}"
        raise PermissionError(errno.EACCES, text, str(folder))


def _give_to_owner_above(path: Path) -> None:
    above = path.parent.stat()
    if os.geteuid() == 0 and above.st_uid != 0:
        os.chown(path, above.st_uid, above.st_gid)
