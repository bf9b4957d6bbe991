"""The kill switch: a file on disk that stops every close and every cancel of an account, or of all of them.

It is on as soon as something of the right name is there: a note written by `deepcoin-ops kill`, a file made by hand with
`touch`, a torn one. A name that can be no account's stops every account, and what cannot be looked at counts as on too: a
stop that cannot be read may have been meant.
It is asked before each send and never remembered. It stops sends only; reads and records go on.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import uuid
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from deepcoin_ops.domain.errors import KillSwitchFailed
from deepcoin_ops.state_files import create_private_file, find_user_name, make_private_folder

# An account's name cannot hold a dot, so this is nobody's.
_EVERY_ACCOUNT = "every.account"
LONGEST_REASON = 500  # characters of a reason that are kept
_LONGEST_NOTE_BYTES = 16_384
_SWITCH_OF_ONE = re.compile(r"([a-z0-9_-]{1,32})\.json")  # the names that accounts may have
_ODD_NAME = "its name is no account's, so it stops all of them"
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
        cure: The command that switches it off. It names the venue, because the reader's shell may be on the other one.
    """

    path: Path
    account: str | None
    by: str = ""
    since: datetime | None = None
    reason: str = ""
    doubt: str = ""
    cure: str = ""

    @property
    def scope(self) -> str:
        """What it stops, in words."""
        return "every account" if self.account is None else f"account {self.account}"

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
        """What stops the account now: the note of every account's switch, its own, then odd names. Empty when it is off."""
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
        notes = [self._read_note(scope, path) for scope, path in self._paths.items()]
        try:
            notes += [self._read_odd(path) for path in _list_odd(self._folder)]
        except OSError as error:
            notes.append(self._build_doubtful(self._folder, None, f"it cannot be listed: {error.strerror}"))
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
            make_private_folder(self._folder.parent)
            make_private_folder(self._folder)
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
            with os.fdopen(create_private_file(draft), "wb") as file:
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
            os.close(create_private_file(self.path))
        except FileExistsError:
            return False
        except OSError as error:
            # What no user can look at stops sends as well. What this user alone may not enter stops nothing for its owner.
            if not isinstance(error, PermissionError) and self.read_notes():
                return False
            raise KillSwitchFailed(
                f"The kill switch could NOT be put on: {self.path} cannot be written ({error.strerror}"
                f"{_describe_owner(self.path)}). A running flatten goes on sending. Run this as the user that runs the "
                "desk, interrupt the flatten (Ctrl-C, Terminate in Dagster's page), or make that file by hand: any file of "
                "this name stops it."
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
            owner, since = find_user_name(found.st_uid), _find_time(found.st_mtime)
            return KillNote(path, account, owner, since, doubt=_NO_NOTE, cure=self._build_cure(account))
        by, since, reason = note
        return KillNote(path, account, by, since, reason, cure=self._build_cure(account))

    def _read_odd(self, path: Path) -> KillNote | None:
        note = self._read_note(None, path)
        return None if note is None else replace(note, doubt=_ODD_NAME, cure=f"rm {shlex.quote(str(path))}")

    def _build_doubtful(self, path: Path, account: str | None, doubt: str) -> KillNote:
        return KillNote(path, account, doubt=f"{doubt}, and that counts as on", cure=self._build_cure(account))

    def _build_cure(self, account: str | None) -> str:
        return f"deepcoin-ops resume{f' --account {account}' if account else ''} --venue {self._folder.parent.name}"


def find_strays(folder: Path, accounts: tuple[str, ...]) -> tuple[Path, ...]:
    """Find switches of accounts that are not configured, such as a misspelt one; none when the folder is not there."""
    try:
        return tuple(path for name, path in _list_switches(folder).items() if name not in accounts)
    except OSError:
        return ()


def read_all_notes(folder: Path) -> tuple[KillNote, ...]:
    """Read every switch of a venue, of whatever account; empty when all are off."""
    found = {note.path: note for note in KillSwitch(folder, None).read_notes()}
    with suppress(OSError):  # then the folder itself is among the notes
        for name in _list_switches(folder):
            found |= {note.path: note for note in KillSwitch(folder, name).read_notes()}
    return tuple(found.values())


def _list_switches(folder: Path) -> dict[str, Path]:
    """The switches of single accounts, by the account's name."""
    found = ((_SWITCH_OF_ONE.fullmatch(path.name), path) for path in _list_files(folder))
    return {match.group(1): path for match, path in found if match}


def _list_odd(folder: Path) -> list[Path]:
    """Files whose name is no switch's: `main` without its ending, `Main.json`. They may have been meant as a stop."""
    every = f"{_EVERY_ACCOUNT}.json"
    return [path for path in _list_files(folder) if path.name != every and not _SWITCH_OF_ONE.fullmatch(path.name)]


def _list_files(folder: Path) -> list[Path]:
    """List what lies in the folder, but for hidden files, which are left by programs: drafts, editors, file systems."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _describe_owner(path: Path) -> str:
    """Whose folder it is that a switch cannot be put into, as far as that can be seen."""
    for folder in path.parents:
        with suppress(OSError):
            return f"; {folder} belongs to user {find_user_name(folder.stat().st_uid)}"
    return ""


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


def _sync_folder(folder: Path) -> None:
    """Make names durable. Where a file system cannot, the switch works all the same until the machine goes down."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
