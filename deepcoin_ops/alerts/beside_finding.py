"""What is open at the end of a flatten in instruments that the settings do not name, and what puts an end to it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from deepcoin_ops.alerts.alert import Alert, AlertKind
from deepcoin_ops.alerts.facts import AlertFacts
from deepcoin_ops.alerts.words import build_alert, describe_moment, list_places
from deepcoin_ops.domain.checks import CheckPurpose, FindingKind
from deepcoin_ops.domain.day import DayFlatten
from deepcoin_ops.domain.model import FlattenResult
from deepcoin_ops.domain.planning import instrument_types_of

_MOST_IN_TITLE = 3
_HAS_LOOKED = frozenset({FlattenResult.FLAT, FlattenResult.NOT_FLAT, FlattenResult.UNVERIFIED})
_FOUND_BY_CHECKS = frozenset({FindingKind.UNCONFIGURED_POSITION, FindingKind.ROW_UNPLACED})


def find_beside(facts: AlertFacts) -> Iterator[Alert]:
    """One alert for each account, trading day and set of such instruments, however many flattens showed it."""
    newest: dict[tuple[str, ...], DayFlatten] = {}
    for flatten in facts.flattens:
        closing, request = flatten.closing, flatten.request
        if closing is None or closing.result not in _HAS_LOOKED or (flatten.closed_at or flatten.opened_at) < facts.since:
            continue
        if closing.unconfigured:
            newest[request.account, request.trading_day, *sorted(closing.unconfigured)] = flatten
    for (account, trading_day, *names), flatten in newest.items():
        yield _build(facts, flatten, account, trading_day, names)


def _build(facts: AlertFacts, flatten: DayFlatten, account: str, trading_day: str, names: list[str]) -> Alert:
    unconfigured = flatten.closing.unconfigured if flatten.closing else {}
    lines = [f"{name} {size}" for name, size in unconfigured.items()]
    listed = ", ".join(lines) if len(lines) <= _MOST_IN_TITLE else f"positions in {len(lines)} instruments"
    ended_at = flatten.closed_at or flatten.opened_at
    return build_alert(
        facts.venue,
        AlertKind.UNCONFIGURED_POSITION,
        [account, trading_day, "+".join(names)],
        account,
        f"OPEN AND NOT CONFIGURED, never closed: {listed}",
        happened=f"flatten {flatten.request.flatten_id} ended at {describe_moment(ended_at)}. Its last read shows "
        "positions in instruments that the settings neither close nor expect to stay open.",
        still_open=lines,
        notional="in the lines above; not known where none is given",
        where=list_places(flatten, "reconciliation", "positions_after"),
        trading_day=trading_day,
        settled=_find_end(facts, flatten, names),
    )


def _find_end(facts: AlertFacts, flatten: DayFlatten, names: list[str]) -> str | None:
    """Which later read of the account no longer shows them, or finds them named in the settings; None when none does.

    Only a read of at least as much counts: a flatten of contracts alone does not see spot holdings.
    """
    account, ended_at = flatten.request.account, flatten.closed_at or flatten.opened_at
    kinds, left = set(instrument_types_of(flatten.request.instruments)), set(names)
    for later in sorted(facts.flattens, key=lambda each: each.closed_at or each.opened_at):
        if later.request.account != account or later.closing is None or (later.closed_at or ended_at) <= ended_at:
            continue
        has_looked = later.closing.result in _HAS_LOOKED | {FlattenResult.DRY_RUN}
        if has_looked and kinds <= set(instrument_types_of(later.request.instruments)):
            left &= set(later.closing.unconfigured)
            if not left:
                return _describe_end(f"flatten {later.request.flatten_id}")
    if not kinds <= set(instrument_types_of(facts.accounts.get(account, ()))):
        return None
    for record in facts.checks:
        check = record.check
        has_looked = check.purpose is CheckPurpose.PREFLIGHT and check.open_instruments is not None
        is_later = record.account == account and check.checked_at > ended_at
        if has_looked and is_later and not _FOUND_BY_CHECKS & {finding.kind for finding in check.findings}:
            return _describe_end(f"the preflight at {describe_moment(check.checked_at)}")
    return None


def _describe_end(reader: str) -> str:
    return f"{reader} found nothing open in an instrument that the settings do not name"
