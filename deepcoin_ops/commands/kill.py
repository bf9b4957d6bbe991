"""Switching the kill switch on and off by hand: what is done, and what a person is told about it. Asks no exchange."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

from deepcoin_ops.commands.flatten import describe_user
from deepcoin_ops.domain.errors import SettingsError
from deepcoin_ops.domain.model import Venue
from deepcoin_ops.flattening.kill_switch import KillNote, KillSwitch
from deepcoin_ops.settings import Settings
from deepcoin_ops.settings_environment import ENVIRONMENT
from deepcoin_ops.settings_variables import find_kill_folder, read_variables

_EFFECT = (
    "From the next slot on no close and no cancel is sent{where}, by whatever launched it. A flatten at work awaits the "
    "answers on their way, verifies and ends; a new one is refused. Positions that are open STAY OPEN."
)


@dataclass(frozen=True)
class Switched:
    """What was done and is told. `is_as_asked` is False when an account that was to be resumed is still stopped."""

    text: str
    is_as_asked: bool = True


def kill(settings: Settings, account: str | None, reason: str) -> Switched:
    """Put the kill switch on, durably. Writes.

    Args:
        settings: Where it is, and which accounts there are.
        account: Which one is stopped; None for every one.
        reason: Why; may be empty.

    Raises:
        SettingsError: There is no such account.
        KillSwitchFailed: It could not be put on.
    """
    switch = _find_switch(settings, account)
    is_new = switch.put_on(describe_user(), reason, datetime.now(UTC))
    where = f" for account {account}" if account else ""
    notes = _describe(switch.read_notes())
    head = f"KILL SWITCH ON, {settings.venue} venue."
    if not is_new:
        head += " It was on already, and the note that was there stays."
    effect = _EFFECT.format(where=f"{where} on the {settings.venue} venue")
    cure = f"`deepcoin-ops resume{f' --account {account}' if account else ''}` switches it off."
    return Switched("\n".join([head, *_warn_of_live(settings, account), *notes, effect, cure]))


def refuse_blindly(why_blind: str, account: str) -> NoReturn:
    """Refuse to stop one account while the settings cannot be read: a misspelt name would stop nothing and look as if.

    Raises:
        SettingsError: Always. Nothing was written.
    """
    raise SettingsError(
        f"NOT STOPPED: the name of account {account} cannot be checked against settings that cannot be used; "
        f"`deepcoin-ops kill` without --account stops every account of both venues.\n{why_blind}"
    )


def kill_blindly(why_blind: str, reason: str) -> Switched:
    """Put the kill switch of every account on although the settings cannot be read, on either venue. Writes.

    Whoever stops everything must not have to mend a file first. One account is not stopped like this, see
    `refuse_blindly`.

    Args:
        why_blind: What is wrong with the settings.
        reason: Why it is stopped; may be empty.

    Raises:
        KillSwitchFailed: It could not be put on.
    """
    variables, _problems = read_variables(ENVIRONMENT)
    switches = [KillSwitch(find_kill_folder(variables.state_folder, venue), None) for venue in Venue]
    for switch in switches:
        switch.put_on(describe_user(), reason, datetime.now(UTC))
    notes = [line for switch in switches for line in _describe(switch.read_notes())]
    head = "KILL SWITCH ON, for every account of both venues, because the settings cannot be read:"
    cure = "Mend the settings, then `deepcoin-ops resume` switches off the one of the venue in use."
    return Switched("\n".join([head, why_blind, *notes, _EFFECT.format(where=" below this state folder"), cure]))


def resume(settings: Settings, account: str | None) -> Switched:
    """Switch the kill switch off. Writes. Sends nothing, and starts no flatten.

    Each switch is switched off by itself: the one of every account leaves those of single accounts as they are.

    Args:
        settings: Where it is, and which accounts there are.
        account: Which one is resumed; None removes the switch of every account.

    Raises:
        SettingsError: There is no such account.
        KillSwitchFailed: It could not be removed.
    """
    switch = _find_switch(settings, account)
    was_on = switch.take_off()
    whose = f"of {f'account {account}' if account else 'every account'} on the {settings.venue} venue"
    parts = [f"The kill switch {whose} is off." if was_on else f"The kill switch {whose} was not on ({switch.path})."]
    names = (account,) if account else tuple(settings.accounts)
    stopped = {name: notes for name in names if (notes := KillSwitch(settings.kill_folder, name).read_notes())}
    for name, notes in stopped.items():
        cures = " and ".join(f"`{note.cure}`" for note in notes)
        parts += [f"STILL STOPPED: account {name}. {cures} would resume it.", *_describe(notes)]
    if was_on and len(stopped) < len(names):
        parts.append("Closes and cancels may be sent again. A flatten that was stopped does not go on; flatten anew.")
    return Switched("\n".join(parts), is_as_asked=not stopped)


def _warn_of_live(settings: Settings, account: str | None) -> list[str]:
    """What whoever wanted to stop the live venue has to hear, in a shell that does not have its variables."""
    live_folder = settings.state_folder / Venue.LIVE
    if settings.venue is Venue.LIVE or not live_folder.is_dir():
        return []
    command = f"DEEPCOIN_OPS_VENUE=live deepcoin-ops kill{f' --account {account}' if account else ''}"
    return [f"NOT STOPPED: the live venue, whose state is in {live_folder}. This shell is on paper; `{command}` stops it."]


def _find_switch(settings: Settings, account: str | None) -> KillSwitch:
    if account is not None:
        settings.account(account)  # a misspelt one would stop nothing
    return KillSwitch(settings.kill_folder, account)


def _describe(notes: tuple[KillNote, ...]) -> list[str]:
    return [f"  {note.describe()}" for note in notes]
