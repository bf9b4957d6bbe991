"""From what was sent to what is true: one account's trading day in, its reconciliation rows out. Pure.

Which of a day's facts count:

* For each instrument the *deciding* flatten is the last one that asked for it and looked at the account. Dry runs never
  count. One that a guard refused looked at nothing: it decides only where no flatten that looked ended after it, and never
  against one that ended after the day's tick. One without a closing row (killed, or still running) proves nothing, and
  still takes the proof away from an earlier one. A later one that did not ask for the instrument decides too, when its last
  read shows it open and was begun after the tick, or on a day without one: what it saw is there. Likewise when the list of
  all instruments' orders that it read shows one that can open a position, where the one that asked had proven it flat.
* A flatten that was opened after the day's window says nothing about this day, whatever tick it repeats.
* Sizes before are those of the first flatten that read the instrument, sizes after those of the deciding one.
* Orders left are those of the deciding flatten's last complete order lists, and of a later list of all instruments. A list
  that shows nothing clears no verdict, and one that was not read says nothing: the verdict then does.
* Attempts and error items are those of the whole day: each item is explained by exactly one row, that of its side.
* A day whose tick is past its deadline needs a flatten that looked and ended at or after the tick, even if late. An earlier
  one says nothing about the end of the day, and decides nothing once there is a later one.
* The exchange's own lists are compared with all flattens of the day that looked, instrument by instrument and side by side;
  without such lists nothing is broken, and the row says that they are missing.

Invariants, kept by property tests:

* each attempt is in exactly one outcome;
* once the deadline has passed, there is no break exactly when every configured instrument is proven flat by a flatten that
  ended after the tick, no order that can open a position is left in one, nothing is open that is neither configured nor
  expected, no list of the exchange contradicts the reads, and every value fits its cell;
* every error item is explained by exactly one row, and so is every order left;
* a verdict that is not flat has a row of severity ERROR that says so, whatever is on record beside it;
* the same day gives the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext

from deepcoin_ops.domain.breaks import DEFINITIONS, BreakType, ReconciliationRow, Severity, rank_findings
from deepcoin_ops.domain.day import AccountDay, DayFlatten
from deepcoin_ops.domain.deciding import find_deciding, find_newest_pages, is_flatten_missing, is_of_the_evening
from deepcoin_ops.domain.errors import LockTimeout
from deepcoin_ops.domain.evidence_match import EvidenceFinding, SizeKey, match_evidence
from deepcoin_ops.domain.frames import Misfit
from deepcoin_ops.domain.instrument_days import SIDES, TOLD_BY, InstrumentView, Sizes, find_verdict
from deepcoin_ops.domain.model import PositionSide
from deepcoin_ops.domain.order_lists import find_orders_left
from deepcoin_ops.domain.position_rows import find_rows, list_open, sum_by_side

# Sums of any two cells are exact, and a number too large to be added ends no day: it becomes Infinity, which no cell holds.
_ANY_NUMBER = Context(prec=60, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
_MOST_MISFITS = 20


def reconcile(day: AccountDay, misfits: Sequence[Misfit] = ()) -> list[ReconciliationRow]:
    """The rows of one account's day: first the whole account, then each instrument, then the rest.

    Zero rows mean that nobody flattened the account and that it was not due, or not yet.

    Args:
        day: The day.
        misfits: The values of the day that no cell of a table can hold.
    """
    with localcontext(_ANY_NUMBER):
        account_rows = [*_judge_altered(day), *_judge_due(day), *_judge_lock_timeouts(day), *_judge_drift(day, misfits)]
        evidence = match_evidence(day.flattens, day.evidence)
        instrument_rows = [
            row for instrument_id in _find_instruments(day) for row in _judge_instrument(day, instrument_id, evidence)
        ]
        return [*account_rows, *instrument_rows, *_judge_unconfigured(day)]


# -- the whole account ------------------------------------------------------------------------------------------------


def _judge_altered(day: AccountDay) -> list[ReconciliationRow]:
    if not day.altered:
        return []
    since_at = min((flatten.opened_at for flatten in day.flattens), default=day.ends_at)
    return [_build_account_row(day, BreakType.LEDGER_ALTERED, day.altered, since_at)]


def _judge_due(day: AccountDay) -> list[ReconciliationRow]:
    if day.due is None or not is_flatten_missing(day):
        return []
    told = [f"the tick of {day.due.scheduled_at.isoformat()} had until {day.due.deadline_at.isoformat()}"]
    told += [f"a tick was skipped: {reason}" for reason in day.skipped_ticks]
    told += [f"flatten {flatten.request.flatten_id} {_describe_end(flatten, day.ends_at)}" for flatten in day.flattens]
    return [_build_account_row(day, BreakType.FLATTEN_MISSING, "; ".join(told), day.due.deadline_at)]


def _describe_end(flatten: DayFlatten, day_ends_at: datetime) -> str:
    if flatten.request.is_dry_run:
        return "was a dry run"
    if flatten.closing is None:
        return "has no closing row: it still runs, or was killed"
    if flatten.is_refused:
        return f"was refused: {flatten.closing.reason}"
    if flatten.opened_at >= day_ends_at:
        return f"was opened after the day had ended: {flatten.closing.result}"
    return f"had ended before the tick: {flatten.closing.result}"


def _judge_lock_timeouts(day: AccountDay) -> list[ReconciliationRow]:
    timed_out = [
        flatten
        for flatten in day.flattens
        if not flatten.request.is_dry_run
        and flatten.is_refused
        and flatten.closing is not None
        and LockTimeout.IN_WORDS in flatten.closing.reason
    ]
    if not timed_out:
        return []
    deciding = {
        (decides.request.flatten_id, instrument_id)
        for flatten in timed_out
        for instrument_id in flatten.request.instruments
        if (decides := find_deciding(day, instrument_id)) is not None
    }
    is_deciding = any(
        (flatten.request.flatten_id, instrument_id) in deciding
        for flatten in timed_out
        for instrument_id in flatten.request.instruments
    )
    reason = "; ".join(flatten.closing.reason for flatten in timed_out if flatten.closing is not None)
    since_at = timed_out[0].opened_at
    return [_build_account_row(day, BreakType.LOCK_TIMEOUT, reason, since_at, is_settled=not is_deciding)]


def _judge_drift(day: AccountDay, misfits: Sequence[Misfit]) -> list[ReconciliationRow]:
    noticed = [
        (flatten.opened_at, note)
        for flatten in day.flattens
        for notes in (
            flatten.notes,
            *(attempt.notes for attempt in flatten.attempts),
            *(cancel.notes for cancel in flatten.cancels),
        )
        for note in notes
    ]
    noticed += [(read.started_at, note) for read in day.evidence for note in read.notes]
    if not noticed and not misfits:
        return []
    found = [misfit.describe() for misfit in misfits[:_MOST_MISFITS]]
    if len(misfits) > _MOST_MISFITS:
        found.append(f"and {len(misfits) - _MOST_MISFITS} more cells")
    found += dict.fromkeys(note for _at, note in noticed)
    began = [at for at, _note in noticed] or [flatten.opened_at for flatten in day.flattens] or [day.ends_at]
    row = _build_account_row(day, BreakType.SCHEMA_DRIFT, "; ".join(found), min(began))
    # An unknown field was passed over; a figure that is missing in a table has to be looked up.
    return [replace(row, severity=Severity.WARN) if misfits else row]


def _build_account_row(
    day: AccountDay, kind: BreakType, reason: str, since_at: datetime, *, is_settled: bool = False
) -> ReconciliationRow:
    [(_kind, severity)] = rank_findings([kind], is_settled=is_settled)
    return ReconciliationRow(day.account, findings=(kind,), severity=severity, since_at=since_at, reason=reason)


# -- instruments ------------------------------------------------------------------------------------------------------


def _find_instruments(day: AccountDay) -> list[str]:
    """What the day has to answer for: what was asked for, sent or configured and seen open, after the deadline all."""
    asked = {each for flatten in day.flattens if not flatten.request.is_dry_run for each in flatten.request.instruments}
    asked |= {attempt.intent.instrument_id for attempt in day.attempts}
    seen = [page for _flatten, page in find_newest_pages(day) if is_of_the_evening(day, page)]
    asked |= {each for page in seen for each in list_open(page)} & set(day.instruments)
    if day.due is not None and day.due.is_past and not is_flatten_missing(day):
        asked |= set(day.instruments)
    return [*(each for each in day.instruments if each in asked), *sorted(asked - set(day.instruments))]


def _judge_instrument(
    day: AccountDay, instrument_id: str, evidence: Mapping[SizeKey, EvidenceFinding]
) -> list[ReconciliationRow]:
    deciding = find_deciding(day, instrument_id)
    first = next((each for each in day.flattens if each.has_looked and _has_verdict_or_read(each, instrument_id)), None)
    view = InstrumentView(
        day.account,
        instrument_id,
        deciding.request.flatten_id if deciding else None,
        find_verdict(deciding, instrument_id),
        Sizes.build(first, instrument_id, is_before=True),
        Sizes.build(deciding, instrument_id, is_before=False),
        tuple(attempt for attempt in day.attempts if attempt.intent.instrument_id == instrument_id),
        _find_reopened_sides(deciding, instrument_id),
        {side: finding for (of_instrument, side), finding in evidence.items() if of_instrument == instrument_id},
        deciding.stands_at if deciding else _find_last_moment(day),
        find_orders_left(deciding.orders_after, instrument_id) if deciding else None,
    )
    rows = [view.build_row(side) for side in view.find_sides()]
    told = TOLD_BY.get(view.verdict.verdict)
    if told is not None and not any(told in row.findings and row.severity is Severity.ERROR for row in rows):
        # The verdict says that something is left, and nothing on record says on which side.
        rows = [row for row in rows if row.position_side is not None] + [view.build_row(None, is_by_verdict=True)]
    return rows


def _find_last_moment(day: AccountDay) -> datetime:
    """Since when nobody's word counts for the end of the day: its deadline, or else the last flatten that did not look."""
    if day.due is not None and day.due.is_past:
        return day.due.deadline_at
    return max((flatten.opened_at for flatten in day.flattens), default=day.ends_at)


def _has_verdict_or_read(flatten: DayFlatten, instrument_id: str) -> bool:
    return instrument_id in flatten.request.instruments and bool(flatten.before or flatten.verdicts)


def _find_reopened_sides(deciding: DayFlatten | None, instrument_id: str) -> set[PositionSide | None]:
    reopened = set(find_verdict(deciding, instrument_id).reopened_position_ids)
    rows = find_rows(deciding.after if deciding else (), instrument_id)
    return {row.position_side for row in rows if row.position_id in reopened}


# -- what is not configured -------------------------------------------------------------------------------------------


def _judge_unconfigured(day: AccountDay) -> list[ReconciliationRow]:
    rows = []
    for flatten, page in find_newest_pages(day):
        named = {*day.instruments, *flatten.configured, *_find_instruments(day)}
        for instrument_id in sorted(list_open(page) - named):
            is_expected = instrument_id in flatten.expected
            found = BreakType.EXPECTED_POSITION if is_expected else BreakType.UNCONFIGURED_POSITION
            before, after = (sum_by_side(find_rows(pages, instrument_id)) for pages in (flatten.before, [page]))
            rows += [
                ReconciliationRow(
                    account=day.account,
                    instrument_id=instrument_id,
                    position_side=side,
                    flatten_id=flatten.request.flatten_id,
                    quantity_before_contracts=before.get(side, Decimal(0)),
                    quantity_after_contracts=after[side],
                    findings=(found,),
                    severity=DEFINITIONS[found].severity,
                    since_at=flatten.opened_at,
                    reason=f"open in the last complete read, and {'expected' if is_expected else 'not configured'}",
                )
                for side in SIDES
                if side in after
            ]
    return sorted(rows, key=lambda row: row.instrument_id or "")
