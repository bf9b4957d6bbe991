"""When something was last said, kept over processes: an empty file whose time of change is the moment.

A timer starts a new process every few minutes, and alerts that cannot be kept are not in the outbox. An empty file takes no
room on a full disk. Where the folder of the alerts cannot be written, the machine's folder for temporary files takes it.
Where that one cannot either, the process remembers by itself.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

_of_this_process: dict[Path, datetime] = {}


class Memory:
    """What processes of one user on this host remember of each other.

    Args:
        folder: Where the files are kept; made when something is first noted.
    """

    def __init__(self, folder: Path):
        self._folder = folder

    def is_within(self, name: str, now: datetime, pause: timedelta) -> bool:
        """Whether something was noted less than `pause` ago. A moment still to come is of a wrong clock, and is none."""
        return any(timedelta(0) <= now - at < pause for at in self._read_moments(name))

    def read_first(self, name: str) -> datetime | None:
        """When something was noted; None when it is not."""
        return min(self._read_moments(name), default=None)

    def note(self, name: str, now: datetime) -> None:
        """Note that it was now. Writes."""
        for path in self._list_paths(name):
            with suppress(OSError):
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
                os.utime(path, (now.timestamp(), now.timestamp()), follow_symlinks=False)
                return
        _of_this_process[self._folder / name] = now

    def forget(self, name: str) -> None:
        """Next time it is the first time. Writes."""
        _of_this_process.pop(self._folder / name, None)
        for path in self._list_paths(name):
            with suppress(OSError):
                if _read_moment(path) is not None:
                    path.unlink(missing_ok=True)

    def _read_moments(self, name: str) -> list[datetime]:
        found = [*map(_read_moment, self._list_paths(name)), _of_this_process.get(self._folder / name)]
        return [at for at in found if at is not None]

    def _list_paths(self, name: str) -> list[Path]:
        paths = [self._folder / f"{name}.said"]
        with suppress(OSError):  # it is none where nothing can be written into it, on a full disk
            digest = hashlib.sha256(os.fsencode(self._folder)).hexdigest()[:12]
            paths.append(Path(tempfile.gettempdir()) / f"deepcoin_ops-{os.geteuid()}-{digest}.{name}")
        return paths


def _read_moment(path: Path) -> datetime | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    # Everybody may write into the folder for temporary files: what another user put there silences nothing.
    is_ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
    return datetime.fromtimestamp(found.st_mtime, UTC) if is_ours else None
