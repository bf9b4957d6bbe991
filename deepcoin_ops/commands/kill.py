"""Switching the kill switch on and off by hand: what is done, and what a person reads about it. Asks no exchange.

Stopping takes in whatever may be meant; resuming takes the one switch that is named. A stop that holds nothing must never
look like one that holds, so the answer names the state folder, what is at work in it, and what goes on elsewhere.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deepcoin_ops.commands.flatten import describe_user
from deepcoin_ops.domain.errors import KillSwitchFailed, SettingsError
from deepcoin_ops.domain.model import Venue
from deepcoin_ops.flattening.account_lock import find_held_locks
from deepcoin_ops.flattening.arming import list_armed_state_folders
from deepcoin_ops.flattening.kill_switch import KillNote, KillSwitch, read_all_notes
from deepcoin_ops.settings import Settings, load_settings
from deepcoin_ops.settings_environment import ENVIRONMENT
from deepcoin_ops.settings_variables import (
    StateFolder,
    find_default_state_folders,
    find_kill_folder,
    find_ledger_path,
    find_locks_folder,
    find_state_folder,
    read_variables,
)

# Live first: should the second one fail, the first one holds.
_VENUES = (Venue.LIVE, Venue.PAPER)
_EFFECT = (
    "From the next slot on no close and no cancel is sent there, by whatever launched it. A flatten at work awaits the "
    "answers on their way, verifies and ends; a new one is refused. Positions that are open STAY OPEN."
)


@dataclass(frozen=True)
class Switched:
    """What was done, in words. `is_as_asked` is False when it may not be what was wanted: then the text says why."""

    text: str
    is_as_asked: bool = True


def kill(account: str | None, venue: Venue | None, reason: str) -> Switched:
    """Put the kill switch on, durably, also where the settings cannot be read. Writes.

    Args:
        account: Which one is stopped; None for every one.
        venue: On which venue; None for both.
        reason: Why; may be empty.

    Raises:
        SettingsError: There is no such account, or which state folder is meant is not known. Nothing was written.
        KillSwitchFailed: It could not be switched on, on one venue or on both; the message says where.
    """
    state = find_state_folder(ENVIRONMENT)
    if state.path is None:
        raise SettingsError("\n  ".join(["NOT STOPPED: it is not known which state folder is meant.", *state.problems]))
    venues = (venue,) if venue else _VENUES
    blindness = _check_settings(account)
    switches = {each: KillSwitch(find_kill_folder(state.path, each), account) for each in venues}
    notes = _put_on(switches, reason)
    at_work = [_describe_at_work(state.path, each, switches.get(each), account) for each in _VENUES]
    elsewhere, is_at_work_elsewhere = _describe_elsewhere(state.path)
    is_known = any(_is_used(state.path, each) for each in venues) or (state.path / "dagster").exists()
    whose = f"account {account}" if account else "every account"
    lines = [
        *([] if is_known else [_describe_unused(state, venues)]),
        f"KILL SWITCH ON for {whose}, {_join(venues)} venue.",
        f"State folder: {_describe_folder(state.path)}, {state.origin}.",
        *blindness,
        *notes,
        *([line for lines in at_work for line in lines] or ["No flatten is at work in this state folder now."]),
        *elsewhere,
        _EFFECT,
        f"It holds on this machine ({socket.gethostname()}) for what uses this state folder. Another machine, container or "
        "state folder goes on.",
        "To switch it off: "
        + " and ".join(f"`deepcoin-ops resume{_option(account)} --venue {each}`" for each in venues)
        + ".",
    ]
    return Switched("\n".join(lines), is_as_asked=is_known and not is_at_work_elsewhere)


def resume(settings: Settings, account: str | None, venue: Venue | None) -> Switched:
    """Switch one kill switch off. Writes. Sends nothing, and starts no flatten.

    Each switch is switched off by itself: the one of every account leaves those of single accounts as they are, and the
    one of a venue leaves that of the other.

    Args:
        settings: Where it is, which venue is in use, and which accounts there are.
        account: Which one is resumed; None removes the switch of every account.
        venue: On which venue; None for the one in use.

    Raises:
        SettingsError: There is no such account.
        KillSwitchFailed: It could not be removed.
    """
    if account is not None:
        settings.account(account)
    chosen = venue or settings.venue
    folder = find_kill_folder(settings.state_folder, chosen)
    switch = KillSwitch(folder, account)
    was_on = switch.take_off()
    whose = f"of {f'account {account}' if account else 'every account'} on the {chosen} venue"
    parts = [f"The kill switch {whose} is off." if was_on else f"The kill switch {whose} was not on ({switch.path})."]
    names = (account,) if account else tuple(settings.accounts)
    stopped = {name: notes for name in names if (notes := KillSwitch(folder, name).read_notes())}
    for name, notes in stopped.items():
        cures = " and ".join(f"`{note.cure}`" for note in notes)
        parts += [f"STILL STOPPED: account {name}. {cures} would resume it.", *_describe(notes)]
    if was_on and len(stopped) < len(names):
        parts.append("Closes and cancels may be sent again. A flatten that was stopped does not go on; flatten anew.")
    other = Venue.PAPER if chosen is Venue.LIVE else Venue.LIVE
    others = read_all_notes(find_kill_folder(settings.state_folder, other))
    if others:
        cures = " and ".join(f"`{note.cure}`" for note in others)
        parts += [
            f"The {other} venue stays stopped, which this does not change. {cures} would resume it.",
            *_describe(others),
        ]
    return Switched("\n".join(parts), is_as_asked=not stopped)


def _check_settings(account: str | None) -> list[str]:
    """What has to be said of settings that cannot be read; refuses an account that they do not name.

    A misspelt account's switch would stop nothing and look as if it did. To stop everything nothing has to be repaired.
    """
    everything = "`deepcoin-ops kill` without --account stops every account of both venues."
    try:
        settings = load_settings()
    except SettingsError as error:
        if account is None:
            return ["The settings cannot be read; it was switched on all the same:", str(error)]
        doubt = f"the name of account {account} cannot be checked against settings that cannot be used"
        raise SettingsError(f"NOT STOPPED: {doubt}; {everything}\n{error}") from error
    if account is not None and account not in settings.accounts:
        try:
            settings.account(account)
        except SettingsError as error:
            doubt = f"the settings file {settings.source_path} has no account {account}"
            raise SettingsError(f"NOT STOPPED: {doubt}; {everything}\n{error}") from error
    return []


def _put_on(switches: Mapping[Venue, KillSwitch], reason: str) -> list[str]:
    """Put every switch on, and raise only after all of them were tried; what is said of each."""
    lines, failures = [], []
    for venue, switch in switches.items():
        try:
            is_new = switch.put_on(describe_user(), reason, datetime.now(UTC))
        except KillSwitchFailed as error:
            failures.append(f"{venue} venue: {error}")
            continue
        before = "" if is_new else " It was on already, and the note that was there stays."
        lines += [f"{venue} venue: on.{before}", *_describe(switch.read_notes())]
    if failures:
        raise KillSwitchFailed("\n".join([*failures, *lines]))
    return lines


def _describe_at_work(state_folder: Path, venue: Venue, switch: KillSwitch | None, account: str | None) -> list[str]:
    """What is at work on a venue, and whether this switch stops it."""
    try:
        held = find_held_locks(find_locks_folder(state_folder, venue))
    except OSError as error:
        return [f"Whether a flatten is at work on the {venue} venue cannot be seen: {error.strerror}."]
    lines = []
    for name, (holder, is_flatten) in held.items():
        is_stopped = switch is not None and account in (None, name)
        end = "It stops at its next slot." if is_flatten else "If it is a flatten, it stops at its next slot."
        end = end if is_stopped else "THIS DOES NOT STOP IT."
        lines.append(f"AT WORK: account {name} on the {venue} venue: {holder}. {end}")
    return lines


def _describe_elsewhere(state_folder: Path) -> tuple[list[str], bool]:
    """Other state folders that are known, which this stop does not reach; and whether a flatten is at work in one."""
    arming_folder = read_variables(ENVIRONMENT)[0].arming_folder
    armed = list_armed_state_folders(arming_folder)
    lines, is_any_at_work = [], False
    for folder in sorted({*find_default_state_folders(), *armed}):
        with suppress(OSError, RuntimeError):  # what this user may not look at, or links in a circle, is no known desk
            if folder.resolve() == state_folder.resolve() or not any(_is_used(folder, each) for each in Venue):
                continue
            at_work = [line for venue in _VENUES for line in _describe_at_work(folder, venue, None, None)]
            is_any_at_work = is_any_at_work or bool(at_work)
            why = ", which is armed for live" if folder in armed else ""
            command = f"DEEPCOIN_OPS_STATE={folder} deepcoin-ops kill"
            lines += [f"Not reached by this: the state folder {folder}{why}; `{command}` stops it.", *at_work]
    return lines, is_any_at_work


def _is_used(state_folder: Path, venue: Venue) -> bool:
    """Whether anything of a venue was ever run here. Kill switches and alerts are no sign: wrong folders have them too."""
    ledger = find_ledger_path(state_folder, venue)
    signs = (ledger, ledger.with_suffix(".mark.json"), find_locks_folder(state_folder, venue))
    return any(sign.exists() for sign in signs)


def _describe_unused(state: StateFolder, venues: Sequence[Venue]) -> str:
    return (
        f"NOTHING THAT IS KNOWN IS STOPPED BY THIS: nothing was ever run on the {_join(venues)} venue in the state folder "
        f"{state.path}, {state.origin}. If sends go on, run this with the desk's own DEEPCOIN_OPS_STATE, as its user."
    )


def _describe_folder(folder: Path) -> str:
    """A folder, and where it really is if links lead to it."""
    with suppress(OSError, RuntimeError):
        if folder.resolve() != folder:
            return f"{folder} (a link to {folder.resolve()})"
    return str(folder)


def _join(venues: Sequence[Venue]) -> str:
    return " and ".join(venues)


def _option(account: str | None) -> str:
    return f" --account {account}" if account else ""


def _describe(notes: tuple[KillNote, ...]) -> list[str]:
    return [f"  {note.describe()}" for note in notes]
