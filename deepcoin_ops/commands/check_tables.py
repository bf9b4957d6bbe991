"""The command line's tables about arming and checks, for people: records in, rich renderables out. Nothing is gathered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.text import Text

from deepcoin_ops.commands.layout import BAD, DOUBTFUL, GOOD, build_facts, describe_instant, plain
from deepcoin_ops.commands.reports import AccountStatus
from deepcoin_ops.domain.checks import AccountCheck, Finding
from deepcoin_ops.domain.planning import describe_notional


def build_check_tables(checks: Mapping[str, AccountCheck]) -> RenderableType:
    """What `preflight` shows."""
    return Group(*(part for name, check in checks.items() for part in _build_check(name, check)))


def build_standing(account: AccountStatus) -> Iterator[RenderableType]:
    """Whether an account's closes may be sent, as far as files and ledger tell."""
    if account.arming is not None:
        arming = account.arming
        told = f"armed until {arming.describe_expiry(datetime.now(UTC))}, uid {arming.uid}, by {arming.armed_by}"
        yield plain(f"{told}, {describe_notional(arming.cap_usdt)} in one flatten")
    for finding in account.arming_findings:
        yield plain(finding.text, BAD if finding.is_blocking else DOUBTFUL)
    if account.last_check is not None:
        check = account.last_check.check
        verdict = "passed" if check.would_end_flat else "FAILED"
        shown = f"last check ({check.purpose.lower()}) {describe_instant(check.checked_at)}: {verdict}"
        yield plain(shown, "" if check.would_end_flat else BAD)


def _build_check(name: str, check: AccountCheck) -> Iterator[RenderableType]:
    yield plain(f"account {name}: {_describe_ending(check)}", "bold")
    open_now = "not known" if check.open_instruments is None else f"{check.open_instruments} instrument(s)"
    facts = {
        "exchange": check.base_url,
        "uid": check.uid or "not known",
        "open": f"{open_now}, {describe_notional(check.notional_usdt)}",
        "cap": "none" if check.cap_usdt is None else f"{describe_notional(check.cap_usdt)} in one flatten",
        "armed until": f"{check.armed_until:%Y-%m-%d %H:%M} UTC" if check.armed_until else "not armed",
        "clock": "not known" if check.clock_offset_s is None else f"the exchange's is {check.clock_offset_s:+.3f} s ahead",
    }
    yield build_facts(facts)
    for finding in check.findings:
        yield build_finding(finding)
    if not check.findings:
        yield plain("nothing was found", GOOD)


def build_finding(finding: Finding) -> Text:
    """A finding, as loud as what follows from it."""
    is_bad = finding.is_blocking or finding.kind.keeps_from_flat
    return plain(f"{finding.kind}: {finding.text}", BAD if is_bad else DOUBTFUL)


def _describe_ending(check: AccountCheck) -> str:
    if not check.is_passed:
        return "NOTHING WOULD BE SENT"
    return f"a flatten would be admitted{'' if check.would_end_flat else ' and WOULD NOT END FLAT'}"
