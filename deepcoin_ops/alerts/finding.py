"""From facts to alerts: which of them somebody has to hear of, and which are settled by what came later. Pure.

What a flatten left is settled by later flattens of the account that prove the same instruments flat; a check by a later one
that asks at least as much and passes. A settled fact is still found, so that whoever was told of it can hear the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from deepcoin_ops.alerts.alert import Alert, AlertKind
from deepcoin_ops.alerts.beside_finding import find_beside
from deepcoin_ops.alerts.check_finding import describe_last_check, find_check_alerts, find_flatten_check
from deepcoin_ops.alerts.facts import AlertFacts, DueDay
from deepcoin_ops.alerts.words import (
    NOT_KNOWN,
    build_alert,
    describe_left,
    describe_moment,
    describe_rows,
    describe_unknown,
    find_notional,
    find_unknown,
    list_lines,
    list_places,
    list_sends,
    total_left,
)
from deepcoin_ops.domain.breaks import Severity
from deepcoin_ops.domain.day import AccountDay, DayFlatten
from deepcoin_ops.domain.deciding import find_left_out, is_flatten_missing
from deepcoin_ops.domain.model import CloseAttempt, FlattenResult
from deepcoin_ops.ledger.records import AlteredEntry

# A title is read on a telephone; the text lists more.
_MOST_IN_TITLE = 3
_KIND_OF = {
    FlattenResult.NOT_FLAT: AlertKind.NOT_FLAT,
    FlattenResult.UNVERIFIED: AlertKind.UNVERIFIED,
    FlattenResult.REFUSED: AlertKind.REFUSED,
}


def find_alerts(facts: AlertFacts) -> list[Alert]:
    """Every fact that somebody should hear of, settled ones too; the most urgent first.

    The same facts give the same alerts with the same keys.
    """
    found = [
        *_judge_ledger(facts),
        *(_build_altered(facts, entry) for entry in facts.altered),
        *(alert for flatten in facts.flattens for alert in _judge_flatten(facts, flatten)),
        *(alert for day in facts.due_days for account in facts.accounts for alert in _judge_due(facts, day, account)),
        *_judge_skipped_ticks(facts),
        *find_check_alerts(facts),
        *find_beside(facts),
    ]
    by_severity, by_kind = list(Severity).index, list(AlertKind).index
    return sorted(found, key=lambda alert: (by_severity(alert.severity), by_kind(alert.kind), alert.key))


def _judge_ledger(facts: AlertFacts) -> Iterator[Alert]:
    if facts.ledger_problem:
        yield build_alert(
            facts.venue,
            AlertKind.LEDGER_UNREADABLE,
            [facts.today],
            "",
            "the ledger cannot be read, so that alerts are blind",
            happened=facts.ledger_problem,
            still_open=[],
            notional=NOT_KNOWN,
            where=["`deepcoin-ops status`"],
        )
    if facts.ledger_setback:
        yield build_alert(
            facts.venue,
            AlertKind.LEDGER_UNREADABLE,
            [facts.today, "setback"],
            "",
            "the ledger is an old copy or lost: NOTHING IS SENT until somebody has looked",
            happened=f"every flatten refuses the ledger: {facts.ledger_setback}.",
            still_open=[f"{NOT_KNOWN}: what was sent since is not in this ledger"],
            notional=NOT_KNOWN,
            what_to_do="Look at the positions and orders at the exchange now, then do what the message says. Nothing is "
            "sent until somebody has done so.",
            where=["`deepcoin-ops status`"],
        )


def _build_altered(facts: AlertFacts, entry: AlteredEntry) -> Alert:
    of_day = entry.trading_day or "a day that cannot be read"
    return build_alert(
        facts.venue,
        AlertKind.LEDGER_ALTERED,
        [entry.account, str(entry.seq)],
        entry.account,
        f"LEDGER ALTERED: an entry of {of_day} is not what was recorded",
        happened=f"{entry.describe()}.",
        still_open=[f"{NOT_KNOWN} from this entry; the other alerts are without it"],
        notional=NOT_KNOWN,
        where=[f"`deepcoin-ops ledger show {entry.trading_day or facts.today}`", "check ledger_chain_intact"],
        trading_day=entry.trading_day or None,
    )


# -- flattens ---------------------------------------------------------------------------------------------------------


def _judge_flatten(facts: AlertFacts, flatten: DayFlatten) -> Iterator[Alert]:
    is_killed = flatten.request.flatten_id in facts.killed | facts.overdue
    ended_at = flatten.closed_at or flatten.stands_at
    if flatten.request.is_dry_run or ended_at < facts.since or (flatten.closed_at is None and not is_killed):
        return
    if is_killed:
        yield _build_killed(facts, flatten)
    elif flatten.closing is not None and flatten.closing.result in _KIND_OF:
        yield _build_ended(facts, flatten)
    elif unproven := _find_unproven(facts, flatten):
        yield _build_unknown(facts, flatten, unproven)
    throttled = sum(each.is_throttled for each in list_sends(flatten))
    if throttled >= facts.throttled_often:
        yield _build_throttled(facts, flatten, throttled)


def _build_killed(facts: AlertFacts, flatten: DayFlatten) -> Alert:
    request = flatten.request
    sent = len(flatten.attempts)
    last_read_at = max((page.finished_at for page in flatten.after), default=None)
    by_instrument = {attempt.intent.instrument_id: attempt.intent.notional_usdt for attempt in reversed(flatten.attempts)}
    known = [notional for notional in by_instrument.values() if notional is not None]
    since = f"as its last complete read at {describe_moment(last_read_at)} shows" if last_read_at else "it never read"
    told = f"{sum(known, Decimal(0)):,.0f} USDT were sent to be closed; what is left is {NOT_KNOWN}" if known else NOT_KNOWN
    title, reason = "FLATTEN KILLED", "nobody works on it: its process was killed"
    if request.flatten_id in facts.overdue:
        title = "FLATTEN HAS NOT ENDED"
        reason = "should have ended long ago; the account's lock is held or cannot be looked at, so that a process may hang"
    return build_alert(
        facts.venue,
        AlertKind.KILLED,
        [request.flatten_id],
        request.account,
        f"{title}, what is open is not known",
        happened=f"flatten {request.flatten_id}, opened at {describe_moment(flatten.opened_at)} by {request.launched_by}, "
        f"has no closing row and {reason}. It had sent {sent} close(s); {since}.",
        still_open=describe_rows(flatten),
        notional=told,
        more=list_lines("May have happened", describe_unknown(flatten)),
        where=["`deepcoin-ops status`", *list_places(flatten, "reconciliation", "close_attempts")],
        trading_day=request.trading_day,
        settled=_find_end(facts, request.account, request.instruments, flatten.stands_at),
    )


def _build_ended(facts: AlertFacts, flatten: DayFlatten) -> Alert:
    closing, request = flatten.closing, flatten.request
    if closing is None:
        raise ValueError(f"flatten {request.flatten_id} has no closing row")
    kind, notional, more = _KIND_OF[closing.result], total_left(flatten), []
    still_open = describe_left(flatten)
    tables = ["reconciliation", "close_errors", "orders_after"]
    if closing.result is FlattenResult.REFUSED:
        title, tables = "FLATTEN REFUSED, nothing was closed", ["reconciliation"]
        check = find_flatten_check(facts, request.flatten_id)
        more += list_lines("What was found", [finding.text for finding in check.findings] if check else [])
        if check and check.notional_usdt is not None:
            notional = f"{check.notional_usdt:,.0f} USDT in {check.open_instruments} instrument(s)"
        elif closing.residual_notional_usdt is not None:
            notional = f"{closing.residual_notional_usdt:,.0f} USDT"
        elif all(find_notional(verdict) is None for verdict in flatten.verdicts):
            notional += describe_last_check(facts, request.account)
    elif closing.result is FlattenResult.NOT_FLAT:
        title = "NOT FLAT"
    else:
        title = "NOT VERIFIED FLAT"
    left = [verdict.instrument_id for verdict in flatten.verdicts if not verdict.verdict.is_flat]
    return build_alert(
        facts.venue,
        kind,
        [request.flatten_id],
        request.account,
        f"{title}; left open: {notional}",
        happened=f"flatten {request.flatten_id} by {request.launched_by} ended {closing.result} at "
        f"{describe_moment(flatten.closed_at or flatten.opened_at)}: {closing.reason}.",
        still_open=still_open,
        notional=notional,
        more=[
            *more,
            *list_lines("Open and not configured", (f"{name} {size}" for name, size in closing.unconfigured.items())),
            *list_lines("May have happened", describe_unknown(flatten)),
        ],
        where=list_places(flatten, *tables),
        trading_day=request.trading_day,
        # A refused one has seen nothing: whatever was proven since it was asked for is newer.
        settled=_find_end(facts, request.account, left or request.instruments, flatten.stands_at),
    )


def _find_unproven(facts: AlertFacts, flatten: DayFlatten) -> list[str]:
    """What closes and cancels of unknown outcome were about and no verdict of then or later shows flat."""
    unproven = []
    for send in find_unknown(flatten):
        instruments = [send.intent.instrument_id] if isinstance(send, CloseAttempt) else list(send.intent.instrument_ids)
        # One that names no instrument takes orders of others too, on which there is no verdict.
        if not instruments:
            unproven.append("orders of a whole product group")
        elif _find_end(facts, flatten.request.account, instruments, send.intent_at) is None:
            unproven += instruments
    return list(dict.fromkeys(unproven))


def _build_unknown(facts: AlertFacts, flatten: DayFlatten, unproven: list[str]) -> Alert:
    request = flatten.request
    return build_alert(
        facts.venue,
        AlertKind.UNKNOWN_OUTCOME,
        [request.flatten_id],
        request.account,
        f"what a close or cancel did is not known: {', '.join(unproven)}",
        happened=f"flatten {request.flatten_id} sent what may or may not have happened, and no later read settles it.",
        still_open=describe_left(flatten) or [NOT_KNOWN],
        notional=NOT_KNOWN,
        more=list_lines("May have happened", describe_unknown(flatten)),
        where=["`deepcoin-ops status`", *list_places(flatten, "close_attempts", "cancel_attempts")],
        trading_day=request.trading_day,
    )


def _build_throttled(facts: AlertFacts, flatten: DayFlatten, throttled: int) -> Alert:
    request, is_flat = flatten.request, flatten.closing is not None and flatten.closing.result is FlattenResult.FLAT
    return build_alert(
        facts.venue,
        AlertKind.THROTTLED_OFTEN,
        [request.flatten_id],
        request.account,
        f"{throttled} sends of a flatten were throttled",
        happened=f"the exchange refused {throttled} closes and cancels of flatten {request.flatten_id} for their rate; a "
        "paced flatten sees one at most.",
        still_open=["nothing: it was proven flat"] if is_flat else describe_left(flatten),
        notional="0 USDT" if is_flat else total_left(flatten),
        where=list_places(flatten, "close_attempts", "cancel_attempts"),
        trading_day=request.trading_day,
    )


# -- the schedule -----------------------------------------------------------------------------------------------------


def _judge_due(facts: AlertFacts, day: DueDay, account: str) -> Iterator[Alert]:
    own = tuple(
        each for each in facts.flattens if each.request.account == account and each.request.trading_day == day.trading_day
    )
    tick, ticks = day.tick, [each for each in facts.skipped_ticks if _is_of(each.account, each.trading_day, account, day)]
    place = [f"`deepcoin-ops ledger show {day.trading_day}`", "table reconciliation"]
    scheduled_at = describe_moment(tick.scheduled_at)
    settled = _find_end(facts, account, facts.accounts[account], tick.scheduled_at)
    if tick.is_past and tick.deadline_at >= facts.since:
        whole = AccountDay(day.trading_day, account, facts.accounts[account], day.ends_at, own, tick)
        left_out = find_left_out(whole)
        if left_out or is_flatten_missing(whole) or settled:
            reasons = [f"flatten {each.request.flatten_id}: {_describe_end(each)}" for each in own]
            reasons += [f"a tick was skipped: {each.reason}" for each in ticks]
            title, missing = "NOBODY FLATTENED by the deadline", "no flatten that looked at the account ended after it"
            still_open = [f"{NOT_KNOWN}: no flatten has looked since"]
            if left_out:
                named = ", ".join(left_out) if len(left_out) <= _MOST_IN_TITLE else f"{len(left_out)} instruments"
                title = f"NOT FLATTENED by the deadline: {named}"
                missing = (
                    f"of {len(facts.accounts[account])} configured instruments, nobody flattened {len(left_out)} after it"
                )
                still_open = [f"{each}: {NOT_KNOWN}" for each in left_out]
            yield build_alert(
                facts.venue,
                AlertKind.FLATTEN_MISSING,
                [account, day.trading_day],
                account,
                f"{title}; what is open is not known",
                happened=f"the tick of {scheduled_at} had until {describe_moment(tick.deadline_at)}, and {missing}.",
                still_open=still_open,
                notional=NOT_KNOWN + describe_last_check(facts, account),
                more=list_lines("On record for the day", reasons),
                where=place,
                trading_day=day.trading_day,
                settled=settled,
            )
    elif not (tick.is_past or ticks) and facts.now > tick.scheduled_at + timedelta(seconds=facts.max_lateness_s):
        begun = [each for each in own if not each.request.is_dry_run and each.opened_at >= tick.scheduled_at]
        if not begun:
            yield build_alert(
                facts.venue,
                AlertKind.NOT_STARTED,
                [account, day.trading_day],
                account,
                "NO FLATTEN HAS STARTED; what is open is not known",
                happened=f"the tick of {scheduled_at} is more than {facts.max_lateness_s / 60:.0f} minutes ago, and no "
                "flatten has been opened since.",
                still_open=[f"{NOT_KNOWN}: no flatten has looked since"],
                notional=NOT_KNOWN + describe_last_check(facts, account),
                where=place,
                trading_day=day.trading_day,
                settled=settled,
            )


def _judge_skipped_ticks(facts: AlertFacts) -> Iterator[Alert]:
    for tick in facts.skipped_ticks:
        instruments = facts.accounts.get(tick.account, ())
        yield build_alert(
            facts.venue,
            AlertKind.SKIPPED_TICK,
            [tick.account, tick.scheduled_at.isoformat()],
            tick.account,
            "TICK SKIPPED, nothing was closed; what is open is not known",
            happened=f"{tick.reason}.",
            still_open=[f"{NOT_KNOWN}: nobody has looked since"],
            notional=NOT_KNOWN + describe_last_check(facts, tick.account),
            where=[f"`deepcoin-ops ledger show {tick.trading_day}`", "table reconciliation"],
            trading_day=tick.trading_day,
            settled=_find_end(facts, tick.account, instruments, tick.scheduled_at) if instruments else None,
        )


def _is_of(account: str, trading_day: str, wanted: str, day: DueDay) -> bool:
    return account == wanted and trading_day == day.trading_day


def _describe_end(flatten: DayFlatten) -> str:
    if flatten.closing is None:
        return "no closing row: it still runs, or was killed"
    return f"{flatten.closing.result}: {flatten.closing.reason}"


def _find_end(facts: AlertFacts, account: str, instruments: Iterable[str], since: datetime) -> str | None:
    """How later flattens have proven all of these instruments flat, in words; None when they have not."""
    left = set(instruments)
    ended = [each for each in facts.flattens if each.request.account == account and each.closed_at is not None]
    for flatten in sorted(ended, key=lambda each: each.closed_at or each.opened_at):
        if flatten.request.is_dry_run or flatten.closed_at is None or flatten.closed_at <= since:
            continue
        left -= {verdict.instrument_id for verdict in flatten.verdicts if verdict.verdict.is_flat}
        if not left:
            return f"flatten {flatten.request.flatten_id} proved it flat at {describe_moment(flatten.closed_at)}"
    return None
