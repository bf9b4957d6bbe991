"""Asking, while there is time to act, whether a flatten would be admitted and would end FLAT. Only reads; recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from deepcoin_ops.domain.checks import AccountCheck, CheckPurpose, Finding, FindingKind
from deepcoin_ops.domain.errors import GuardRefused, ReadFailed, SettingsError
from deepcoin_ops.domain.planning import MarketData, PlanLine
from deepcoin_ops.exchange.pacing import never
from deepcoin_ops.flattening.admission import build_check, find_armed
from deepcoin_ops.flattening.clock_correction import ClockCorrection
from deepcoin_ops.flattening.desk import Desk, open_desk
from deepcoin_ops.flattening.key_probe import KeyProbe
from deepcoin_ops.flattening.observation import fetch_plan
from deepcoin_ops.flattening.progress import Progress
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.settings import Settings, resolve_credentials
from deepcoin_ops.settings_environment import ENVIRONMENT

# A preflight comes minutes before a flatten; one that waits longer for the exchange than this says so instead.
_PATIENCE_S = 30.0


def check_account(
    settings: Settings,
    account: str | None,
    purpose: CheckPurpose,
    report: Callable[[Progress], None],
    environ: Mapping[str, str] = ENVIRONMENT,
) -> AccountCheck:
    """Check one account, and record what was found. Sends GETs only. Writes a check.

    Args:
        settings: The loaded settings.
        account: Its name; None where there is exactly one.
        purpose: `PREFLIGHT` asks all that a flatten would; `CREDENTIALS` only whether the key works.
        report: Told what happens.
        environ: Where credentials are looked up.

    Raises:
        SettingsError: No such account.
        LedgerError: The ledger cannot be used.
    """
    name = settings.account(account).name
    trading_day = settings.calendar.day_of(datetime.now(UTC))
    try:
        resolve_credentials(settings, settings.account(name), environ)
        with open_desk(settings, name, environ) as desk:
            check = _ask(desk, purpose, report)
    except SettingsError as error:
        check = _build_unasked(settings, purpose, FindingKind.CREDENTIALS_MISSING, str(error))
    except GuardRefused as error:
        # The address itself is not trusted, or the pace cannot be kept.
        check = _build_unasked(settings, purpose, FindingKind.ACCOUNT_UNREADABLE, str(error))
    unwatched = settings.find_unwatched(check.checked_at) if purpose is CheckPurpose.PREFLIGHT else None
    if unwatched is not None:
        check = replace(check, findings=(*check.findings, unwatched))
    with Ledger.open(settings.ledger_path, settings.venue) as ledger:
        ledger.record_check(name, trading_day, check)
    return check


def _ask(desk: Desk, purpose: CheckPurpose, report: Callable[[Progress], None]) -> AccountCheck:
    clock = ClockCorrection(desk.client, desk.settings.exchange.max_clock_offset_s, never, report)
    probe = KeyProbe(desk, clock, never, _PATIENCE_S)
    lines: tuple[PlanLine, ...] | None = None
    market = MarketData({}, {})
    foreseen: tuple[Finding, ...] = ()
    try:
        probe.start()
        if purpose is CheckPurpose.PREFLIGHT:
            lines, market, foreseen = _read_open(desk)
        probed = probe.wait()
    finally:
        probe.close()
    arming, findings = find_armed(desk, probed)
    kept = findings if purpose is CheckPurpose.PREFLIGHT else ()
    return build_check(desk, purpose, probed, (arming, (*kept, *foreseen)), lines, market)


def _read_open(desk: Desk) -> tuple[tuple[PlanLine, ...] | None, MarketData, tuple[Finding, ...]]:
    """What is open, the market it is priced by, and what keeps a flatten from ending FLAT; or why none of it is known."""
    try:
        found = fetch_plan(desk, desk.account.instruments, reads_triggers=True)
    except ReadFailed as failure:
        text = f"its positions could not be read: {failure}. Look whether the exchange answers, then try again."
        return None, MarketData({}, {}), (Finding(FindingKind.ACCOUNT_UNREADABLE, True, text),)
    return found.plan.lines, found.market, found.findings


def _build_unasked(settings: Settings, purpose: CheckPurpose, kind: FindingKind, why: str) -> AccountCheck:
    finding = Finding(kind, True, why)
    return AccountCheck(purpose, datetime.now(UTC), settings.base_url, findings=(finding,))
