"""How an alert reads: the same few lines for every kind, so that whoever is woken finds what is open in the same place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from deepcoin_ops.alerts.alert import DEFINITIONS, RUNBOOK, Alert, AlertKind
from deepcoin_ops.domain.breaks import Severity
from deepcoin_ops.domain.day import DayFlatten
from deepcoin_ops.domain.model import CloseAttempt, InstrumentVerdict, Outcome
from deepcoin_ops.domain.orders import CancelAttempt
from deepcoin_ops.domain.planning import describe_notional
from deepcoin_ops.domain.position_rows import find_rows, list_open, sum_by_side
from deepcoin_ops.domain.showing import CELL, show_figure, show_text

NOT_KNOWN = "not known"
# A message that a chat cuts off in the middle tells less than one that ends in time.
_MOST_LISTED = 20
_MOST_LETTERS = 500


def build_alert(
    venue: str,
    kind: AlertKind,
    key: Sequence[str],
    account: str,
    title: str,
    *,
    happened: str,
    still_open: Sequence[str],
    notional: str,
    where: Sequence[str],
    trading_day: str | None = None,
    more: Sequence[str] = (),
    what_to_do: str | None = None,
    severity: Severity | None = None,
    settled: str | None = None,
) -> Alert:
    """An alert with its text.

    Args:
        venue: The venue it is about, in words.
        kind: What it is.
        key: What tells the fact from others of its kind.
        account: Whose; empty for all.
        title: What has to fit on a telephone; venue and account go before it.
        happened: What happened.
        still_open: What is open, a line for each.
        notional: What that is worth, in words.
        where: Where to look, beside the runbook.
        trading_day: The day it belongs to, if it does to one.
        more: Further lines.
        what_to_do: What to do, if not what is written for the kind.
        severity: Likewise.
        settled: What has put an end to it.
    """
    definition = DEFINITIONS[kind]
    of_whom = f"Account {account}" if account else "All accounts"
    of_day = f", trading day {trading_day}" if trading_day else ""
    listed = [show_text(each, _MOST_LETTERS) for each in still_open[:_MOST_LISTED]]
    if len(still_open) > _MOST_LISTED:
        listed.append(f"and {len(still_open) - _MOST_LISTED} more")
    shown = f" {listed[0]}" if len(listed) == 1 else "".join(f"\n- {each}" for each in listed)
    lines = [
        f"{of_whom} on the {venue} venue{of_day}.",
        f"What happened: {show_text(happened, 2 * _MOST_LETTERS)}",
        f"Open:{shown or f' {NOT_KNOWN}'}",
        f"Notional left open: {show_text(notional, _MOST_LETTERS)}",
        *(show_text(line, _MOST_LETTERS) for line in more),
        f"What to do: {what_to_do or definition.what_to_do}",
        f"Where to look: {'; '.join([*where, f'{RUNBOOK}#{definition.anchor}'])}",
    ]
    return Alert(
        key=":".join([kind, *key]),
        kind=kind,
        severity=severity or definition.severity,
        account=account,
        title=show_text(f"[{venue}] {account or 'all accounts'}: {title}", CELL),
        text="\n".join(lines),
        settled=settled,
    )


def describe_moment(moment: datetime) -> str:
    """A moment for a person who may sit anywhere."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def describe_left(flatten: DayFlatten) -> list[str]:
    """What is open, or not proven flat, after a flatten that has its verdicts, largest first; a line for each."""
    left = [verdict for verdict in flatten.verdicts if not verdict.verdict.is_flat]
    left.sort(key=lambda each: (find_notional(each) is not None, -(find_notional(each) or Decimal(0))))
    return [_describe_verdict(flatten, verdict) for verdict in left]


def find_notional(verdict: InstrumentVerdict) -> Decimal | None:
    """What is known of an instrument's notional: after the last read, or else before the first send."""
    is_read = verdict.quantity_after_contracts is not None
    return verdict.notional_after_usdt if is_read else verdict.notional_before_usdt


def total_left(flatten: DayFlatten) -> str:
    """The notional of what is open after a flatten, in words; what it leaves out is said."""
    left = [verdict for verdict in flatten.verdicts if not verdict.verdict.is_flat]
    notionals = [find_notional(verdict) for verdict in left]
    known = [notional for notional in notionals if notional is not None]
    if not known:
        return NOT_KNOWN
    unread = any(verdict.quantity_after_contracts is None for verdict in left)
    told = f"{sum(known, Decimal(0)):,.0f} USDT" + (", as it was before the first close" if unread else "")
    unknown = len(notionals) - len(known)
    return f"{told}, and {unknown} instrument(s) without a known notional" if unknown else told


def describe_rows(flatten: DayFlatten) -> list[str]:
    """What the last complete read of a flatten shows open, a line for each instrument."""
    opened = sorted({each for page in flatten.after for each in list_open(page)})
    return [f"{each} {_describe_sides(flatten, each)}" for each in opened]


def describe_unknown(flatten: DayFlatten) -> list[str]:
    """The closes and cancels of a flatten that may have happened, a line for each."""
    return [f"{_describe_send(each)} at {describe_moment(each.intent_at)}: {each.reason}" for each in find_unknown(flatten)]


def list_sends(flatten: DayFlatten) -> list[CloseAttempt | CancelAttempt]:
    """The closes and cancels of a flatten."""
    return [*flatten.attempts, *flatten.cancels]


def find_unknown(flatten: DayFlatten) -> list[CloseAttempt | CancelAttempt]:
    """The closes and cancels whose outcome is not known, those without any outcome on record among them."""
    return [each for each in list_sends(flatten) if each.outcome is Outcome.UNKNOWN]


def list_lines(title: str, lines: Iterable[str]) -> list[str]:
    """A heading with its lines; nothing where there are none."""
    listed = list(lines)
    more = [f"- and {len(listed) - _MOST_LISTED} more"] if len(listed) > _MOST_LISTED else []
    return [f"{title}:", *(f"- {line}" for line in listed[:_MOST_LISTED]), *more] if listed else []


def list_places(flatten: DayFlatten, *tables: str) -> list[str]:
    """Where a flatten can be looked at."""
    run_id = flatten.request.run_id
    run = [f"run {run_id} in Dagster's page"] if run_id else []
    return [
        f"`deepcoin-ops ledger show {flatten.request.trading_day}`",
        f"table{'s' if len(tables) > 1 else ''} {', '.join(tables)}",
        *run,
    ]


def _describe_verdict(flatten: DayFlatten, verdict: InstrumentVerdict) -> str:
    notional = describe_notional(find_notional(verdict))
    if verdict.quantity_after_contracts is not None:
        sides = _describe_sides(flatten, verdict.instrument_id) or _describe_size(verdict.quantity_after_contracts)
        size = f"{sides} ({notional})"
    elif verdict.quantity_before_contracts is not None:
        sides = _describe_sides(flatten, verdict.instrument_id, is_before=True)
        size = f"not read again; before: {sides or _describe_size(verdict.quantity_before_contracts)} ({notional})"
    else:
        size = NOT_KNOWN
    cause = f", {verdict.cause}" if verdict.cause else ""
    return f"{verdict.instrument_id} {size}: {verdict.verdict}{cause}; {verdict.reason}"


def _describe_sides(flatten: DayFlatten, instrument_id: str, *, is_before: bool = False) -> str:
    sizes = sum_by_side(find_rows(flatten.before if is_before else flatten.after, instrument_id))
    return ", ".join(f"{side or 'side unknown'} {_describe_size(size)}" for side, size in sizes.items())


def _describe_size(quantity: Decimal) -> str:
    return show_figure(quantity)


def _describe_send(send: CloseAttempt | CancelAttempt) -> str:
    if isinstance(send, CloseAttempt):
        return f"close {send.intent.send_number} of {send.intent.instrument_id}"
    of_what = ", ".join(send.intent.instrument_ids) or "a whole product group"
    return f"cancel {send.intent.send_number} of {send.intent.kind.lower()} orders of {of_what}"
