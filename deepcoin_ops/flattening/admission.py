"""Whether a flatten may send its closes: kill switch, arming, uid, clock, caps. Sends nothing itself.

Decided once for each flatten, after its first read and before its first send; a preflight (`preflight`) asks the same in
time for somebody to act. On the paper venue only kill switch and caps count. The kill switch is looked at again before
every send (`sending`, `cancelling`); here it refuses a flatten that has sent nothing yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from deepcoin_ops.domain.caps import EXCESS, Caps, OnCap, find_excess, has_unknown_notional
from deepcoin_ops.domain.checks import AccountCheck, CheckPurpose, Finding, FindingKind, describe_findings
from deepcoin_ops.domain.errors import GuardRefused, SendWithdrawn
from deepcoin_ops.domain.model import FlattenRequest, Venue
from deepcoin_ops.domain.planning import MarketData, PlanLine, describe_lines, total_notional
from deepcoin_ops.flattening.arming import Arming, find_arming
from deepcoin_ops.flattening.clock_correction import ClockCorrection
from deepcoin_ops.flattening.desk import Desk, ReadingDesk
from deepcoin_ops.flattening.key_probe import KeyProbe, Probed
from deepcoin_ops.flattening.observation import wait_until
from deepcoin_ops.flattening.progress import Progress

# Beside the few seconds that a first send waits anyway: without prices a cap cannot be told from none.
_PRICE_PATIENCE_S = 15.0
_PRICE_PAUSE_S = 1.0


class MarketPrices(Protocol):
    """What is needed of the market reads of a flatten."""

    def start_missing(self) -> None:
        """Begin fetching whatever is neither there nor on its way."""

    def wait(self, limit_s: float) -> None:
        """Wait for what is on its way."""

    def current(self) -> MarketData:
        """What has come in so far."""

    def price_lines(self, lines: Sequence[PlanLine]) -> list[PlanLine]:
        """The lines with what is known by now."""


class Admission:
    """The decision about one flatten. `start` it beside the first read, then `check` what that shows.

    Once it is admitted only the caps are looked at again, with each read (`find_objection`).

    Args:
        desk: The account.
        request: Which flatten.
        clock: Corrects the clock that signs.
        is_stopped: Asked while waiting.
        report: Told of what was found and does not block.
    """

    def __init__(
        self,
        desk: Desk,
        request: FlattenRequest,
        clock: ClockCorrection,
        is_stopped: Callable[[], bool],
        report: Callable[[Progress], None],
    ):
        self._desk = desk
        self._request = request
        self._is_stopped = is_stopped
        self._report = report
        self._is_live = desk.settings.venue is Venue.LIVE
        self._has_waited = False
        self._admitted: tuple[Probed | None, Arming | None] = (None, None)
        self._is_excess_told = False
        self._probe = KeyProbe(desk, clock, is_stopped, desk.settings.deadline_s(0))

    def start(self) -> None:
        """Begin asking whose key it is; on the live venue only."""
        if self._is_live:
            self._probe.start()

    def close(self) -> None:
        """End the threads."""
        self._probe.close()

    def check(self, open_lines: Sequence[PlanLine], market: MarketPrices) -> None:
        """Decide, and record on the live venue, or where something was found, why.

        Args:
            open_lines: What the newest read shows open.
            market: The market reads of this flatten; prices that a cap needs are waited for.

        Raises:
            GuardRefused: Nothing may be sent; the message says why, what is left open, and what to do.
            SendWithdrawn: Stopping was asked for.
            LedgerError: The decision could not be recorded.
        """
        probed = self._probe.wait() if self._is_live else None
        arming, found = find_armed(self._desk, probed)
        lines = self._price(open_lines, find_caps(self._desk, arming), market)
        if self._is_stopped():
            raise SendWithdrawn("stopped before it was decided whether anything may be sent")
        check = build_check(self._desk, CheckPurpose.FLATTEN, probed, (arming, found), lines, market.current())
        if self._is_live or check.findings:
            self._record(check)
        if not check.is_passed:
            raise GuardRefused(
                f"account {self._desk.account.name}: {describe_findings(check.blocking)} Nothing was sent; left open: "
                f"{describe_lines(lines)}; {_describe_total(lines)}."
            )
        self._admitted = probed, arming
        self._is_excess_told = any(finding.kind in EXCESS for finding in check.findings)
        for finding in check.findings:
            self._report(Progress(finding.text))

    def find_objection(self, open_lines: Sequence[PlanLine], market: MarketPrices) -> str | None:
        """Why no further close may be sent: a later read shows more open than the caps allow. None when it may.

        The first read may have shown an old world, and positions are opened during a flatten. Each read counts for itself:
        what was closed before is not added, because a close whose outcome is not known would count twice.

        Raises:
            LedgerError: What was found could not be recorded.
        """
        probed, arming = self._admitted
        lines = market.price_lines(open_lines)
        found = find_excess(lines, market.current(), find_caps(self._desk, arming))
        if found and not self._is_excess_told:
            self._is_excess_told = True
            self._record(build_check(self._desk, CheckPurpose.FLATTEN, probed, (arming, ()), lines, market.current()))
            for finding in found:
                self._report(Progress(finding.text))
        return describe_findings(finding for finding in found if finding.is_blocking) or None

    def _price(self, lines: Sequence[PlanLine], caps: Caps, market: MarketPrices) -> Sequence[PlanLine]:
        """The lines with the prices that a cap needs, as far as they come in time; they are waited for once."""
        is_priced = all(line.notional_usdt is not None for line in lines)
        if caps.need_notionals and not is_priced and not self._has_waited:
            self._has_waited = True
            ends_s = time.monotonic() + self._desk.settings.deadline_s(0)
            market.start_missing()
            market.wait(_PRICE_PATIENCE_S)
            # What no opening price stands in for either would be refused: that can wait as long as for the uid.
            while self._would_refuse(lines, caps, market) and time.monotonic() < ends_s:
                wait_until(time.monotonic() + _PRICE_PAUSE_S, self._is_stopped, time.sleep)
                market.start_missing()
                market.wait(_PRICE_PAUSE_S)
        return market.price_lines(lines)

    def _would_refuse(self, lines: Sequence[PlanLine], caps: Caps, market: MarketPrices) -> bool:
        is_unknown = has_unknown_notional(market.price_lines(lines), market.current())
        return caps.on_cap is OnCap.REFUSE and is_unknown and not self._is_stopped()

    def _record(self, check: AccountCheck) -> None:
        request = self._request
        self._desk.ledger.record_check(request.account, request.trading_day, check, request.flatten_id)


def find_caps(desk: ReadingDesk, arming: Arming | None) -> Caps:
    """The caps that hold for an account: those of the settings, and the arming's notional where that is lower."""
    caps = desk.account.caps
    notionals = [each for each in (caps.notional_usdt, arming.cap_usdt if arming else None) if each is not None]
    return replace(caps, notional_usdt=min(notionals, default=None))


def build_check(
    desk: Desk,
    purpose: CheckPurpose,
    probed: Probed | None,
    armed: tuple[Arming | None, tuple[Finding, ...]],
    lines: Sequence[PlanLine] | None,
    market: MarketData,
) -> AccountCheck:
    """Put together what is known about an account.

    Args:
        desk: The account.
        purpose: Why it was asked.
        probed: What the exchange said of the key; None when it was not asked.
        armed: The arming and what is wrong with it; nothing on the paper venue.
        lines: What is open; None when no complete read was had.
        market: Contract sizes, for the caps.
    """
    arming, findings = armed
    uid = probed.uid if probed else None
    caps = find_caps(desk, arming)
    told = [*findings, *(probed.findings if probed else ())]
    if uid is not None and desk.settings.venue is Venue.LIVE:
        told += _find_other_account(desk, uid, arming)
    if purpose is not CheckPurpose.CREDENTIALS:
        told += _find_stopped(desk)
    if lines is not None:
        told += find_excess(lines, market, caps)
    is_priced = lines is not None and all(line.notional_usdt is not None for line in lines)
    return AccountCheck(
        purpose=purpose,
        checked_at=datetime.now(UTC),
        base_url=desk.settings.base_url,
        uid=uid,
        open_instruments=None if lines is None else len(lines),
        notional_usdt=total_notional(lines) if lines is not None and is_priced else None,
        clock_offset_s=probed.clock_offset_s if probed else None,
        armed_until=arming.expires_at if arming else None,
        cap_usdt=caps.notional_usdt,
        findings=tuple(told),
    )


def find_armed(desk: Desk, probed: Probed | None) -> tuple[Arming | None, tuple[Finding, ...]]:
    """The account's arming and what is wrong with it; nothing of either on the paper venue, which needs none.

    It ends by the exchange's clock where that was read: this machine's may have been set back.
    """
    if desk.settings.venue is Venue.PAPER:
        return None, ()
    ahead_s = probed.clock_offset_s if probed else None
    return find_arming(desk.settings, desk.account.name, datetime.now(UTC) + timedelta(seconds=ahead_s or 0.0))


def _find_stopped(desk: Desk) -> list[Finding]:
    """What says that somebody has stopped the account."""
    reason = desk.kill_switch.read_reason()
    return [] if reason is None else [Finding(FindingKind.KILL_SWITCH_ON, True, f"{reason}.")]


def _describe_total(lines: Sequence[PlanLine]) -> str:
    unknown = sum(line.notional_usdt is None for line in lines)
    more = f" and {unknown} of unknown notional" if unknown else ""
    return f"{len(lines)} instrument(s), {total_notional(lines):,.0f} USDT{more} STAY OPEN" if lines else "nothing is open"


def _find_other_account(desk: Desk, uid: str, arming: Arming | None) -> list[Finding]:
    """What says that the key is another account's than it should be."""
    name = desk.account.name
    if arming is not None and arming.uid != uid:
        text = (
            f"armed for uid {arming.uid}, and its key belongs to uid {uid}: a close would go to another account. Put the "
            "right key in place, or arm it anew."
        )
        return [Finding(FindingKind.OTHER_UID, True, text)]
    last = desk.ledger.read_admitted_check(name)
    if last is None or last.check.uid == uid or (arming is not None and arming.armed_at > last.recorded_at):
        return []
    text = (
        f"its key belongs to uid {uid}, and belonged to {last.check.uid} when a flatten was last admitted, on "
        f"{last.recorded_at:%Y-%m-%d}. If that is meant, arm it anew; its arming is older than that flatten."
    )
    return [Finding(FindingKind.UID_CHANGED, True, text)]
