"""The arming file of an account, without which nothing that changes anything is sent to the live exchange.

One file per account, outside the checkout, for the eyes of its owner only. It names the exchange's uid of the account, so
that another key cannot close another account; the most notional that one flatten may close; the address and the state
folder it holds for; and when it ends. Nothing in it is secret, but who can write it can arm.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path

from deepcoin_ops.domain.checks import Finding, FindingKind
from deepcoin_ops.domain.errors import NotArmed
from deepcoin_ops.settings import Settings
from deepcoin_ops.state_files import make_private_folder

LONGEST = timedelta(days=90)
ENDS_SOON = timedelta(days=14)
_CURE = "Arm it with `deepcoin-ops arm`."
# A clock that was a little ahead when the file was written is no fraud; one that was set back to lengthen an arming is.
_CLOCK_SLACK = timedelta(minutes=5)
_MOST_BYTES = 10_000
_FIELDS = frozenset({"account", "uid", "cap_usdt", "base_url", "state_folder", "armed_at", "armed_by", "expires_at"})


@dataclass(frozen=True)
class Arming:
    """What an arming file says.

    Attributes:
        account: The account's name in the settings.
        uid: The exchange's own id of the account.
        cap_usdt: The most notional, in USDT, that one flatten may close.
        base_url: The exchange's address that it holds for.
        state_folder: The state folder that it holds for, as `describe_state_folder` names it: locks, pace and kill switch
            are in it, so that two folders would close one account side by side.
        armed_at: When it was written.
        armed_by: By whom, for people.
        expires_at: When it ends, at most 90 days later.
    """

    account: str
    uid: str
    cap_usdt: Decimal
    base_url: str
    state_folder: str
    armed_at: datetime
    armed_by: str
    expires_at: datetime

    def describe_expiry(self, now: datetime) -> str:
        """When it ends, and how long that is from now."""
        left = self.expires_at - now
        return f"{self.expires_at:%Y-%m-%d %H:%M} UTC ({left.days} days)" if left > timedelta(0) else "expired"


class ArmingUnusable(NotArmed):
    """There is an arming file, and it cannot be trusted. Nothing was sent."""


def describe_state_folder(settings: Settings) -> str:
    """The state folder as an arming names it, whatever links lead to it."""
    return str(settings.state_folder.resolve())


def arming_path(settings: Settings, account: str) -> Path:
    """Where the arming file of an account is."""
    return settings.arming_folder / f"{account}.json"


def read_arming(settings: Settings, account: str) -> Arming | None:
    """Read an arming file, whether or not it has expired; None when there is none.

    Raises:
        ArmingUnusable: It belongs to somebody else, others may read or write it, it is not what `write_arming` writes, or
            it is for another account, address or state folder.
    """
    path = arming_path(settings, account)
    try:
        arming = _parse(_read_private(path), path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}") from error
    if arming.account != account:
        raise _unusable(path, f"is for account {arming.account}, and not for {account}")
    if arming.base_url != settings.base_url:
        raise _unusable(path, f"is for {arming.base_url}, and not for {settings.base_url}")
    if arming.state_folder != describe_state_folder(settings):
        where = describe_state_folder(settings)
        raise _unusable(path, f"is for the state folder {arming.state_folder}, and not for {where}, which has other locks")
    return arming


def find_arming(settings: Settings, account: str, now: datetime) -> tuple[Arming | None, tuple[Finding, ...]]:
    """The arming of an account as far as the file alone tells, and what is wrong with it.

    Args:
        settings: Where it is kept, and the address it has to be for.
        account: The account's name.
        now: The time, aware.
    """
    try:
        arming = read_arming(settings, account)
    except ArmingUnusable as error:
        return None, (Finding(FindingKind.ARMING_UNUSABLE, True, str(error)),)
    if arming is None:
        text = f"not armed: there is no {arming_path(settings, account)}. {_CURE}"
        return None, (Finding(FindingKind.NOT_ARMED, True, text),)
    if arming.armed_at > now + _CLOCK_SLACK:
        text = f"its arming was written at {arming.armed_at.isoformat()}, which is still to come. {_CURE}"
        return None, (Finding(FindingKind.ARMING_UNUSABLE, True, text),)
    if arming.expires_at <= now:
        text = f"its arming ended at {arming.expires_at:%Y-%m-%d %H:%M} UTC. {_CURE}"
        return arming, (Finding(FindingKind.ARMING_EXPIRED, True, text),)
    if arming.expires_at - now <= ENDS_SOON:
        text = f"its arming ends at {arming.describe_expiry(now)}. {_CURE}"
        return arming, (Finding(FindingKind.ARMING_ENDING, False, text),)
    return arming, ()


def write_arming(settings: Settings, arming: Arming) -> Path:
    """Write an arming file, in place of the account's earlier one. Writes; its owner alone may read it.

    Raises:
        NotArmed: The uid is armed under another account's name already, or the file cannot be written.
    """
    others = [other for other in _read_others(settings, arming.account) if other.expires_at > arming.armed_at]
    twins = [other.account for other in others if other.uid == arming.uid]
    if twins:
        raise NotArmed(
            f"uid {arming.uid} is armed as account {', '.join(twins)} already. Two names for one account have two locks "
            "and two paces, so its closes would be sent twice. Nothing was written; disarm the other one, or mend the "
            f"settings. Where they do not name it any more, remove its file in {settings.arming_folder} by hand."
        )
    path = arming_path(settings, arming.account)
    text = json.dumps(
        {
            "account": arming.account,
            "uid": arming.uid,
            "cap_usdt": format(arming.cap_usdt, "f"),
            "base_url": arming.base_url,
            "state_folder": arming.state_folder,
            "armed_at": arming.armed_at.astimezone(UTC).isoformat(),
            "armed_by": arming.armed_by,
            "expires_at": arming.expires_at.astimezone(UTC).isoformat(),
        },
        indent=2,
    )
    try:
        make_private_folder(path.parent)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        with suppress(FileNotFoundError):
            beside.unlink()
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise NotArmed(f"the arming file {path} cannot be written: {error.strerror}. Nothing is armed by this.") from error
    return path


def remove_arming(settings: Settings, account: str) -> bool:
    """Disarm an account. Removes its arming file; False when there was none.

    Raises:
        NotArmed: The file cannot be removed, so the account may still be armed.
    """
    path = arming_path(settings, account)
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise NotArmed(
            f"the arming file {path} cannot be removed: {error.strerror}. ACCOUNT {account} MAY STILL BE ARMED. Remove the "
            "file by hand, or stop all sending with `deepcoin-ops kill`."
        ) from error
    return True


def list_armed_state_folders(folder: Path) -> frozenset[Path]:
    """List the state folders that the armings in a folder are for, expired ones too; unreadable armings are left out."""
    found = set()
    for path in folder.glob("*.json"):
        with suppress(ArmingUnusable, OSError):
            found.add(Path(_parse(_read_private(path), path).state_folder))
    return frozenset(found)


def _read_private(path: Path) -> str:
    """The content of a file that its owner alone may read or write, in a folder that nobody else may write to."""
    # Opened first and looked at then, so that it is one and the same file.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        found, folder = os.fstat(descriptor), path.parent.stat()
        if not stat.S_ISREG(found.st_mode):
            raise _unusable(path, "is no file")
        if found.st_uid != os.geteuid() or folder.st_uid not in (os.geteuid(), 0):
            raise _unusable(path, "or its folder belongs to another user than the one who runs this")
        if found.st_mode & 0o077:
            raise _unusable(
                path, f"may be read by others: its mode is {stat.S_IMODE(found.st_mode):04o} and has to be 0600"
            )
        if folder.st_mode & 0o022:
            raise _unusable(
                path, f"is in a folder that others may write to; its mode is {stat.S_IMODE(folder.st_mode):04o}"
            )
        return file.read(_MOST_BYTES).decode("utf-8", "replace")


def _parse(text: str, path: Path) -> Arming:
    try:
        told = json.loads(text)
    except ValueError as error:
        raise _unusable(path, "is not JSON") from error
    is_whole = isinstance(told, dict) and told.keys() == _FIELDS and all(isinstance(each, str) for each in told.values())
    if not is_whole or not told["uid"]:
        raise _unusable(path, f"does not have the keys {', '.join(sorted(_FIELDS))}, each a text")
    try:
        instants = [datetime.fromisoformat(told[name]) for name in ("armed_at", "expires_at")]
        cap_usdt = Decimal(told["cap_usdt"])
    except (ValueError, InvalidOperation) as error:
        raise _unusable(path, "has a time or an amount that is none") from error
    armed_at, expires_at = instants
    if armed_at.tzinfo is None or expires_at.tzinfo is None or not cap_usdt.is_finite() or cap_usdt <= 0:
        raise _unusable(path, "has a time without its offset, or a cap that is no amount above 0")
    if expires_at - armed_at > LONGEST:
        raise _unusable(path, f"is for longer than {LONGEST.days} days")
    return Arming(
        account=told["account"],
        uid=told["uid"],
        cap_usdt=cap_usdt,
        base_url=told["base_url"],
        state_folder=told["state_folder"],
        armed_at=armed_at,
        armed_by=told["armed_by"],
        expires_at=expires_at,
    )


def _read_others(settings: Settings, account: str) -> Iterator[Arming]:
    """The other armings in the folder, those of other settings files and for other addresses too; unreadable ones not."""
    for path in sorted(settings.arming_folder.glob("*.json")):
        if path != arming_path(settings, account):
            with suppress(ArmingUnusable, OSError):
                yield _parse(_read_private(path), path)


def _unusable(path: Path, what: str) -> ArmingUnusable:
    return ArmingUnusable(f"the arming file {path} {what}. It arms nothing. {_CURE}")
