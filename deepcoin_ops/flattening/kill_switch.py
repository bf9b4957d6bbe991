"""The kill switch: a file on disk that stops every close and every cancel of an account, or of all of them.

It is on as soon as something of the right name is there: a note written by `deepcoin-ops kill`, a file made by hand with
`touch`, a torn one. What cannot be looked at counts as on too, because a stop that nobody can read may have been meant.
It is asked before each send and never remembered. It stops sends only; reads and records go on.
"""

from __future__ import annotations

import json
import os
import pwd
import stat
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deepcoin_ops.domain.errors import KillSwitchFailed

# An account's name cannot hold a dot, so this is nobody's.
_EVERY_ACCOUNT = "every.account"
LONGEST_REASON = 500  # characters of a reason that are kept
_LONGEST_NOTE_BYTES = 16_384
_NO_NOTE = "it holds no readable note, so owner and time are those of the file"


@dataclass(frozen=True)
class KillNote:
    """One file that stops sends: who put it there, when, and why.

    Attributes:
        path: The file.
        account: Whose sends it stops; None for every account's.
        by: `user@host`, or the owner of a file without a note; empty where that cannot be told.
        since: When it was put on; None where that cannot be told.
        reason: Why, in the words of whoever did it; empty where nothing was said.
        doubt: Why its note could not be read; empty when it could.
    """

    path: Path
    account: str | None
    by: str = ""
    since: datetime | None = None
    reason: str = ""
    doubt: str = ""

    @property
    def scope(self) -> str:
        """What it stops, in words."""
        return "every account" if self.account is None else f"account {self.account}"

    @property
    def cure(self) -> str:
        """The command that switches it off."""
        return "deepcoin-ops resume" + (f" --account {self.account}" if self.account else "")

    def describe(self) -> str:
        """Who, when and why, in words."""
        facts = [
            self.scope,
            f"by {self.by}" if self.by else "",
            f"since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else "",
            f"reason: {self.reason}" if self.reason else "",
            self.doubt,
            f"file {self.path}",
        ]
        return ", ".join(fact for fact in facts if fact)


class KillSwitch:
    """The kill switch of one account, or the one of every account.

    Args:
        folder: Where this venue's switches are. It need not exist, which means that all are off.
        account: Whose; None for that of every account.
    """

    def __init__(self, folder: Path, account: str | None):
        self._folder = folder
        self._account = account
        self.path = folder / f"{account or _EVERY_ACCOUNT}.json"
        scopes = (None,) if account is None else (None, account)
        self._paths = {scope: folder / f"{scope or _EVERY_ACCOUNT}.json" for scope in scopes}

    def read_notes(self) -> tuple[KillNote, ...]:
        """What stops the account now: the note of every account's switch, then its own. Empty when it is off."""
        try:
            is_folder = stat.S_ISDIR(self._folder.stat().st_mode)
        except FileNotFoundError:
            if not self._folder.is_symlink():
                return ()
            return (self._build_doubtful(self._folder, self._account, "the folder that it links to is not there"),)
        except OSError as error:
            return (self._build_doubtful(self._folder, self._account, f"it cannot be looked at: {error.strerror}"),)
        if not is_folder:
            return (self._build_doubtful(self._folder, self._account, "it is no folder"),)
        notes = (self._read_note(scope, path) for scope, path in self._paths.items())
        return tuple(note for note in notes if note is not None)

    def read_reason(self) -> str | None:
        """Why nothing may be sent for the account now, and what to do; None when it is off."""
        notes = self.read_notes()
        if not notes:
            return None
        told = "; ".join(note.describe() for note in notes)
        cures = " and ".join(f"`{note.cure}`" for note in notes)
        return f"the kill switch is on ({told}). When sends are wanted again: {cures}, then flatten anew"

    def put_on(self, by: str, reason: str, now: datetime) -> bool:
        """Switch it on, durably. Writes. A note that is there already stays as it is.

        Args:
            by: Who does it.
            reason: Why; may be empty.
            now: When.

        Returns:
            Whether it was off before.

        Raises:
            KillSwitchFailed: Nothing could be written, not even an empty file.
        """
        note = {
            "account": self._account,
            "by": by,
            "since": now.astimezone(UTC).isoformat(),
            "reason": reason[:LONGEST_REASON],
        }
        try:
            self._folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.mkdir(exist_ok=True)
            is_new = self._link_note(json.dumps(note, indent=2).encode())
        except OSError:
            # A disk without room for a note, or a file system without links, may still have room for a name.
            is_new = self._touch()
        for folder in (self._folder, self._folder.parent):
            _sync_folder(folder)
        return is_new

    def take_off(self) -> bool:
        """Switch it off: remove its file. Writes.

        Returns:
            Whether it was on.

        Raises:
            KillSwitchFailed: The file cannot be removed, so it stays on.
        """
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise KillSwitchFailed(
                f"The kill switch stays ON: {self.path} cannot be removed ({error.strerror}). Nothing is sent while it is "
                f"there. Remove it by hand as its owner, or mend the folder {self._folder}."
            ) from error
        _sync_folder(self._folder)
        return True

    def _link_note(self, text: bytes) -> bool:
        """Put the whole note under its name in one step; False when the name is taken."""
        draft = self._folder / f".{uuid.uuid4().hex}.draft"
        try:
            with draft.open("xb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, self.path)
        except FileExistsError:
            return False
        finally:
            with suppress(OSError):
                draft.unlink()
        return True

    def _touch(self) -> bool:
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        except FileExistsError:
            return False
        except OSError as error:
            if self.read_notes():
                return False  # what cannot be looked at stops sends as well
            raise KillSwitchFailed(
                f"The kill switch could NOT be put on: {self.path} cannot be written ({error.strerror}). A running flatten "
                "goes on sending. Interrupt it (Ctrl-C, Terminate in Dagster's page), or make that file by hand: any file "
                "of this name stops it."
            ) from error
        return True

    def _read_note(self, account: str | None, path: Path) -> KillNote | None:
        try:
            found = path.lstat()
        except FileNotFoundError:
            return None
        except OSError as error:
            return self._build_doubtful(path, account, f"it cannot be looked at: {error.strerror}")
        # A pipe of this name would be waited for, so that only a file is read.
        note = _read_json(path) if stat.S_ISREG(found.st_mode) else None
        if note is None:
            return KillNote(path, account, _find_owner(found.st_uid), _find_time(found.st_mtime), doubt=_NO_NOTE)
        by, since, reason = note
        return KillNote(path, account, by, since, reason)

    def _build_doubtful(self, path: Path, account: str | None, doubt: str) -> KillNote:
        return KillNote(path, account, doubt=f"{doubt}, and that counts as on")


def find_strays(folder: Path, accounts: tuple[str, ...]) -> tuple[Path, ...]:
    """Files beside the switches that stop nothing, such as one of a misspelt account; none when the folder is not there."""
    names = {f"{name}.json" for name in (*accounts, _EVERY_ACCOUNT)}
    try:
        found = sorted(folder.iterdir())
    except OSError:
        return ()
    return tuple(path for path in found if path.name not in names and not path.name.endswith(".draft"))


def _read_json(path: Path) -> tuple[str, datetime, str] | None:
    try:
        with path.open("rb") as file:
            note = json.loads(file.read(_LONGEST_NOTE_BYTES))
        by, reason, since = note["by"], note["reason"], datetime.fromisoformat(note["since"])
        if since.tzinfo is None or not isinstance(by, str) or not isinstance(reason, str):
            return None
        return _clean(by), since.astimezone(UTC), _clean(reason)
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def _clean(text: str) -> str:
    """One line that can be printed and recorded, whatever somebody typed."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:LONGEST_REASON]


def _find_time(moment_s: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(moment_s, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _find_owner(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a container's user need not have a name
        return f"uid {uid}"


def _sync_folder(folder: Path) -> None:
    """Make names durable. Where a file system cannot, the switch works all the same until the machine goes down."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
