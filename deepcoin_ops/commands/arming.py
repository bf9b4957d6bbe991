"""Arming an account by hand: what would be armed is looked at first, and somebody has to type whose account it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from deepcoin_ops.commands.flatten import describe_user
from deepcoin_ops.commands.reports import PlanReport, fetch_plan_report
from deepcoin_ops.domain.caps import find_excess
from deepcoin_ops.domain.checks import Finding, describe_findings
from deepcoin_ops.domain.errors import GuardRefused, NotArmed
from deepcoin_ops.domain.model import Venue
from deepcoin_ops.exchange.pacing import never
from deepcoin_ops.flattening.admission import find_caps
from deepcoin_ops.flattening.arming import (
    Arming,
    ArmingUnusable,
    describe_state_folder,
    read_arming,
    remove_arming,
    write_arming,
)
from deepcoin_ops.flattening.clock_correction import ClockCorrection
from deepcoin_ops.flattening.desk import ReadingDesk, open_reading_desk
from deepcoin_ops.flattening.key_probe import KeyProbe
from deepcoin_ops.flattening.progress import Progress
from deepcoin_ops.settings import Settings

_PATIENCE_S = 30.0


@dataclass(frozen=True)
class ArmingProposal:
    """What would be armed, for somebody to look at.

    Attributes:
        arming: What would be written.
        current: The arming that this one would take the place of; None when there is none that can be used.
        plan: What is open, and what a flatten would do now.
        excess: What of it is more than the account's caps and this one allow.
    """

    arming: Arming
    current: Arming | None
    plan: PlanReport
    excess: tuple[Finding, ...]


def propose_arming(
    settings: Settings, account: str | None, cap_usdt: Decimal, days: int, trusted_url: str | None
) -> ArmingProposal:
    """Look at what an arming would be for. Sends GETs only, writes no arming.

    Args:
        settings: The loaded settings.
        account: Its name; None where there is exactly one.
        cap_usdt: The most notional that one flatten may close.
        days: For how long, 1 to 90.
        trusted_url: The address to arm for, where that is not the exchange's own; it has to be the one in use.

    Raises:
        GuardRefused: The paper venue is in use, another address than the one named, or the key cannot be used.
        ReadFailed: The positions cannot be read: nobody arms what cannot be seen.
    """
    if settings.venue is Venue.PAPER:
        raise GuardRefused(
            "the paper venue needs no arming. Nothing was written. Set DEEPCOIN_OPS_VENUE=live to arm an account of the "
            "live exchange."
        )
    if trusted_url is not None and trusted_url.rstrip("/") != settings.base_url:
        raise GuardRefused(
            f"--trust-url is not the address in use, which is {settings.base_url}. Nothing was sent or written."
        )
    with open_reading_desk(settings, account, trusted_url=settings.base_url if trusted_url else None) as desk:
        uid = _fetch_uid(desk)
        plan = fetch_plan_report(desk, ())
    now = datetime.now(UTC)
    arming = Arming(
        account=desk.account.name,
        uid=uid,
        cap_usdt=cap_usdt,
        base_url=settings.base_url,
        state_folder=describe_state_folder(settings),
        armed_at=now,
        armed_by=describe_user(),
        expires_at=now + timedelta(days=days),
    )
    excess = find_excess(plan.plan.lines, plan.market, find_caps(desk, arming))
    return ArmingProposal(arming, _find_current(settings, desk.account.name), plan, excess)


def describe_effect(proposal: ArmingProposal) -> str:
    """What a flatten does once this is armed, going by what was open when it was proposed."""
    if proposal.plan.kill_reason:
        return f"It sends nothing yet: {proposal.plan.kill_reason}."
    told = describe_findings(proposal.excess)
    if any(finding.is_blocking for finding in proposal.excess):
        return f"A flatten now would be refused: {told}"
    return f"A flatten of it now sends real closes. {told}".rstrip()


def confirm_arming(settings: Settings, proposal: ArmingProposal, typed_uid: str) -> Path:
    """Write the arming when the uid that somebody typed is the account's. Writes; the file.

    Raises:
        NotArmed: It is another uid, the uid is armed under another name, or the file cannot be written.
    """
    arming = proposal.arming
    if typed_uid.strip() != arming.uid:
        raise NotArmed(
            f"account {arming.account}: that is not its uid. Nothing was written; what was armed before still is."
        )
    return write_arming(settings, arming)


def disarm_accounts(settings: Settings, account: str | None) -> dict[str, bool]:
    """Disarm one account, or all of them. Removes arming files.

    Returns:
        Account by account, whether it had an arming file.

    Raises:
        NotArmed: A file could not be removed; the others were.
    """
    names = [settings.account(account).name] if account else list(settings.accounts)
    removed, failures = {}, []
    for name in names:
        try:
            removed[name] = remove_arming(settings, name)
        except NotArmed as error:
            failures.append(str(error))
    if failures:
        raise NotArmed("\n".join(failures))
    return removed


def _fetch_uid(desk: ReadingDesk) -> str:
    clock = ClockCorrection(desk.client, desk.settings.exchange.max_clock_offset_s, never, _say_nothing)
    probe = KeyProbe(desk, clock, never, _PATIENCE_S)
    try:
        probed = probe.wait()
    finally:
        probe.close()
    if probed.uid is None or probed.findings:
        raise GuardRefused(f"account {desk.account.name}: {describe_findings(probed.findings)} Nothing was written.")
    return probed.uid


def _find_current(settings: Settings, account: str) -> Arming | None:
    try:
        return read_arming(settings, account)
    except ArmingUnusable:
        return None


def _say_nothing(_progress: Progress) -> None:
    """A corrected clock is no news to whoever arms."""
