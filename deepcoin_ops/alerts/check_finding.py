"""What checks of accounts give rise to: findings in time to act, an arming that ends, a cap passed over. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Set
from datetime import timedelta

from deepcoin_ops.alerts.alert import Alert, AlertKind
from deepcoin_ops.alerts.facts import AlertFacts
from deepcoin_ops.alerts.words import NOT_KNOWN, build_alert, describe_moment, list_lines
from deepcoin_ops.domain.breaks import Severity
from deepcoin_ops.domain.checks import AccountCheck, CheckPurpose, Finding, FindingKind
from deepcoin_ops.domain.model import FlattenResult
from deepcoin_ops.ledger.records import CheckRecord

ARMING_WARNING = timedelta(days=14)

# Each purpose with those whose checks ask at least as much.
_ASKED_AGAIN_BY = {
    CheckPurpose.CREDENTIALS: frozenset(CheckPurpose),
    CheckPurpose.PREFLIGHT: frozenset({CheckPurpose.PREFLIGHT, CheckPurpose.FLATTEN}),
}
# What the exchange's two answers about a key mean, because what to do about them is not the same.
_KEYS = {
    FindingKind.KEY_UNKNOWN: "KEY_UNKNOWN: the exchange does not know the key. It deletes keys that may trade and are "
    "bound to no address after 30 idle days; make a new one, and bind it to this machine's address.",
    FindingKind.ADDRESS_REFUSED: "ADDRESS_REFUSED: the key exists and is bound to other addresses than this machine's. Add "
    "this machine's address to the key at the exchange, or run where it is bound to.",
}
# What a flatten does not ask for before it sends, and what it leaves alone: it may end FLAT with them.
_PREFLIGHT_ASKS = frozenset({FindingKind.NOT_WATCHED})
_LEFT_ALONE = frozenset({FindingKind.UNCONFIGURED_POSITION, FindingKind.UNCONFIGURED_ORDER}) | _PREFLIGHT_ASKS
_OVER_THE_CAP = frozenset({FindingKind.CAP_EXCEEDED, FindingKind.NOTIONAL_UNKNOWN})


def find_check_alerts(facts: AlertFacts) -> Iterator[Alert]:
    """What the checks of all accounts give rise to."""
    for account in dict.fromkeys(record.account for record in facts.checks):
        own = [record for record in facts.checks if record.account == account]
        for number, record in enumerate(own):
            if record.check.purpose is CheckPurpose.FLATTEN:
                yield from _judge_cap(facts, record)
            else:
                yield from _judge_check(facts, record, own[number + 1 :])
        if account in facts.accounts:
            yield from _judge_arming(facts, own)


def find_flatten_check(facts: AlertFacts, flatten_id: str) -> AccountCheck | None:
    """The last check that decided about a flatten, if one is on record."""
    found = [record.check for record in facts.checks if record.flatten_id == flatten_id]
    return found[-1] if found else None


def describe_last_check(facts: AlertFacts, account: str) -> str:
    """What the account's last check with a positions read saw open, to be put behind other words; empty without one."""
    found = [record for record in facts.checks if record.account == account and record.check.open_instruments is not None]
    if not found:
        return ""
    check = found[-1].check
    worth = NOT_KNOWN if check.notional_usdt is None else f"{check.notional_usdt:,.0f} USDT"
    return f" (a check at {describe_moment(check.checked_at)} saw {check.open_instruments} instrument(s) open, {worth})"


def _judge_check(facts: AlertFacts, record: CheckRecord, later: list[CheckRecord]) -> Iterator[Alert]:
    check, findings = record.check, _without_arming(record.check)
    if not findings:
        return
    kinds = {finding.kind for finding in findings}
    deciding = _ASKED_AGAIN_BY[check.purpose]
    if _is_more_than_guards_ask(kinds):
        deciding = frozenset({CheckPurpose.PREFLIGHT})
    passed = [
        each
        for each in later
        if each.check.purpose in deciding
        # What was found in a positions read is not settled by a check that had none.
        and (check.open_instruments is None or each.check.open_instruments is not None)
        and not kinds & {finding.kind for finding in each.check.findings}
    ]
    names = ", ".join(sorted(kinds))
    told = [*(finding.text for finding in findings), *(_KEYS[kind] for kind in sorted(kinds) if kind in _KEYS)]
    will = "the next flatten will go on all the same"
    if check.doubts:
        will = "the next flatten will close what it can and NOT END FLAT"
    if check.blocking:
        will = "the next flatten will be refused"
    yield build_alert(
        facts.venue,
        AlertKind.CHECK_FAILED,
        # The hour is part of it: what was found an hour before a flatten is told again ten minutes before, and not each
        # time that somebody checks whether it is mended.
        [record.account, check.purpose, f"{check.checked_at:%Y-%m-%dT%H}", "+".join(sorted(kinds))],
        record.account,
        f"{check.purpose.lower()} found {names}: {will}",
        happened=f"the {check.purpose.lower()} check at {describe_moment(check.checked_at)} found {names}; {will}.",
        still_open=[_describe_open(check)],
        notional=_describe_worth(check),
        more=list_lines("What was found", told),
        where=["`deepcoin-ops preflight`", "`deepcoin-ops status`"],
        trading_day=record.trading_day,
        severity=Severity.WARN if check.would_end_flat else Severity.ERROR,
        settled=_describe_passed(passed[-1]) if passed else _find_flatten_since(facts, record, kinds),
    )


def _is_more_than_guards_ask(kinds: Set[FindingKind]) -> bool:
    return any(kind.follows_from_plan or kind in _PREFLIGHT_ASKS for kind in kinds)


def _find_flatten_since(facts: AlertFacts, record: CheckRecord, kinds: Set[FindingKind]) -> str | None:
    """Which later flatten of the account shows that what was found is over; None when none does.

    One that ended FLAT shows it of everything that keeps a flatten from that. One that sent was admitted, which is all that
    shows it on the paper venue: a check that finds nothing is not recorded there.
    """
    configured = set(facts.accounts.get(record.account, ()))
    for flatten in facts.flattens:
        request, closing = flatten.request, flatten.closing
        if request.account != record.account or request.is_dry_run or flatten.opened_at < record.check.checked_at:
            continue
        own = [each.check for each in facts.checks if each.flatten_id == request.flatten_id]
        if any(kinds & {finding.kind for finding in check.findings} for check in own):
            continue
        is_whole = configured <= set(request.instruments)
        if closing is not None and closing.result is FlattenResult.FLAT and is_whole and not kinds & _LEFT_ALONE:
            return f"flatten {request.flatten_id} ended FLAT"
        has_sent = any(attempt.sent_at is not None for attempt in flatten.attempts)
        if has_sent and not _is_more_than_guards_ask(kinds):
            return f"flatten {request.flatten_id} was admitted and sent its closes"
    return None


def _judge_cap(facts: AlertFacts, record: CheckRecord) -> Iterator[Alert]:
    over = [each for each in record.check.findings if each.kind in _OVER_THE_CAP and not each.is_blocking]
    if not over or not record.check.is_passed:
        return
    cap = "" if record.check.cap_usdt is None else f", the cap is {record.check.cap_usdt:,.0f} USDT"
    yield build_alert(
        facts.venue,
        AlertKind.CAP_EXCEEDED,
        [record.flatten_id or record.recorded_at.isoformat()],
        record.account,
        f"over the cap and closed anyway: {_describe_worth(record.check)}{cap}",
        happened=f"flatten {record.flatten_id} began at {describe_moment(record.check.checked_at)} although a cap was "
        "exceeded, as the settings want it.",
        still_open=[f"before the first close: {_describe_open(record.check)}"],
        notional=f"{_describe_worth(record.check)} before the first close{cap}; you hear of its end only if it is not flat",
        more=list_lines("What was found", [finding.text for finding in over]),
        where=[f"`deepcoin-ops ledger show {record.trading_day}`", "table flatten_summary"],
        trading_day=record.trading_day,
    )


def _judge_arming(facts: AlertFacts, own: list[CheckRecord]) -> Iterator[Alert]:
    looked = [record.check for record in own if record.check.armed_until is not None]
    if not looked or looked[-1].armed_until is None:
        return
    ends_at = looked[-1].armed_until
    left = ends_at - facts.now
    if left > ARMING_WARNING:
        return
    account, days = own[-1].account, math.ceil(left / timedelta(days=1))
    is_over = left <= timedelta(0)
    yield build_alert(
        facts.venue,
        AlertKind.ARMING_ENDING,
        [account, facts.today],
        account,
        "the arming has ended: every flatten is refused" if is_over else f"the arming ends in {days} day(s)",
        happened=f"the account is armed until {describe_moment(ends_at)}. Told once a day until it is armed anew.",
        still_open=[_describe_open(looked[-1])],
        notional=_describe_worth(looked[-1]),
        where=["`deepcoin-ops status`"],
        severity=Severity.ERROR if is_over else None,
    )


def _without_arming(check: AccountCheck) -> list[Finding]:
    return [finding for finding in check.findings if finding.kind is not FindingKind.ARMING_ENDING]


def _describe_passed(record: CheckRecord) -> str:
    moment = describe_moment(record.check.checked_at)
    return f"the {record.check.purpose.lower()} check at {moment} did not find it any more"


def _describe_open(check: AccountCheck) -> str:
    return NOT_KNOWN if check.open_instruments is None else f"{check.open_instruments} instrument(s) when it was checked"


def _describe_worth(check: AccountCheck) -> str:
    return NOT_KNOWN if check.notional_usdt is None else f"{check.notional_usdt:,.0f} USDT"
