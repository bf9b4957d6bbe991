"""What recorded facts add up to: flattens, attempts, cancels, pages, checks. Pure; facts come in the order of their seq.

A call without an answer reads as UNKNOWN, a flatten without an ending as still open. A fact that cannot be read is left
out, and what it would have said counts as not known: an answer that cannot be read leaves its call UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import TypedDict, TypeVar

from deepcoin_ops.domain.day import OrderPage, PositionPage
from deepcoin_ops.domain.facts import (
    CallAnswered,
    CallIntended,
    CheckMade,
    Fact,
    FlattenEnded,
    FlattenOpened,
    HistoryCollected,
    OrdersRead,
    PositionsRead,
    TickSkipped,
    VerdictsReached,
)
from deepcoin_ops.domain.model import CloseAttempt, CloseIntent, InstrumentVerdict, Outcome, product_group_of
from deepcoin_ops.domain.orders import CancelAttempt, CancelIntent, OrderKind
from deepcoin_ops.ledger.encoding import build_answer_key, build_ending_key
from deepcoin_ops.ledger.records import CheckRecord, EvidenceRecord, FlattenRecord, Recorded, SkippedTick

NO_OUTCOME_REASON = "no outcome is on record: the process ended or still waits; the close may have happened"
NO_CANCEL_OUTCOME_REASON = "no outcome is on record: the process ended or still waits; the order may have been cancelled"
_UNREADABLE_REASON = "its outcome on record cannot be read"

_FactT = TypeVar("_FactT", bound=Fact)


def fold_flattens(recorded: Iterable[Recorded]) -> list[FlattenRecord]:
    """Put openings and endings together, oldest opening first."""
    found = list(recorded)
    by_key = {each.once_key: each for each in found}
    flattens = []
    for each, opened in _each(FlattenOpened, found):
        if opened.request is None:
            continue
        ending = by_key.get(build_ending_key(opened.flatten_id))
        closing = ending.fact.closing if ending is not None and isinstance(ending.fact, FlattenEnded) else None
        flattens.append(
            FlattenRecord(
                seq=each.seq,
                request=opened.request,
                settings_json=opened.settings_json,
                tool_version=opened.tool_version,
                opened_at=each.recorded_at,
                closing=closing,
                closed_at=ending.recorded_at if ending is not None else None,
            )
        )
    return flattens


def fold_attempts(recorded: Iterable[Recorded]) -> list[CloseAttempt]:
    """Put the intents of closes and their answers together, in the order of the intents."""
    attempts = []
    for each, intended, answer in _each_call(recorded):
        if not intended.call.kind.is_close:
            continue
        instrument_id = intended.call.instrument_ids[0]
        intent = CloseIntent(
            attempt_id=intended.call_id,
            instrument_id=instrument_id,
            product_group=product_group_of(instrument_id),
            round_number=intended.round_number,
            send_number=intended.send_number,
            endpoint=intended.endpoint,
            request_body=intended.request_body,
            quantity_contracts=intended.call.quantity_contracts or Decimal(0),
            notional_usdt=intended.call.notional_usdt,
        )
        fact = answer.fact if answer is not None and isinstance(answer.fact, CallAnswered) else None
        attempts.append(
            CloseAttempt(
                account=each.account,
                flatten_id=each.flatten_id,
                intent=intent,
                intent_at=each.recorded_at,
                outcome=fact.outcome if fact else Outcome.UNKNOWN,
                reason=fact.reason if fact else _describe_missing(answer, NO_OUTCOME_REASON),
                close_errors=fact.close_errors if fact else (),
                **_describe_answer(fact),
            )
        )
    return attempts


def fold_cancels(recorded: Iterable[Recorded]) -> list[CancelAttempt]:
    """Put the intents of cancels and their answers together, in the order of the intents."""
    cancels = []
    for each, intended, answer in _each_call(recorded):
        if intended.call.kind.is_close:
            continue
        intent = CancelIntent(
            cancel_id=intended.call_id,
            kind=intended.call.order_kind or OrderKind.RESTING,
            instrument_ids=intended.call.instrument_ids,
            order_ids=intended.call.ids,
            send_number=intended.send_number,
            endpoint=intended.endpoint,
            request_body=intended.request_body,
        )
        fact = answer.fact if answer is not None and isinstance(answer.fact, CallAnswered) else None
        cancels.append(
            CancelAttempt(
                account=each.account,
                flatten_id=each.flatten_id,
                intent=intent,
                intent_at=each.recorded_at,
                outcome=fact.outcome if fact else Outcome.UNKNOWN,
                reason=fact.reason if fact else _describe_missing(answer, NO_CANCEL_OUTCOME_REASON),
                cancel_errors=fact.cancel_errors if fact else (),
                **_describe_answer(fact),
            )
        )
    return cancels


def fold_verdicts(recorded: Iterable[Recorded]) -> list[InstrumentVerdict]:
    """Find the newest verdicts of a flatten's facts, in the order given; empty when there are none."""
    newest: tuple[InstrumentVerdict, ...] = ()
    for _each_row, fact in _each(VerdictsReached, recorded):
        newest = fact.verdicts
    return list(newest)


def fold_position_pages(recorded: Iterable[Recorded]) -> list[PositionPage]:
    """Find the positions reads that were complete, in their order."""
    return [
        PositionPage(
            purpose=fact.of_read.purpose,
            round_number=fact.of_read.round_number,
            instrument_type=fact.instrument_type,
            started_at=fact.of_read.started_at,
            finished_at=fact.of_read.finished_at,
            positions=fact.rows,
            notes=fact.of_read.notes,
        )
        for _each_row, fact in _each(PositionsRead, recorded)
        if fact.of_read is not None
    ]


def fold_order_pages(recorded: Iterable[Recorded]) -> list[OrderPage]:
    """Find the order lists that were read whole, in their order."""
    return [
        OrderPage(
            purpose=fact.of_read.purpose,
            order_list=fact.order_list,
            instrument_id=fact.instrument_id,
            started_at=fact.of_read.started_at,
            finished_at=fact.of_read.finished_at,
            is_exhaustive=fact.is_exhaustive,
            orders=fact.orders,
            notes=fact.of_read.notes,
        )
        for _each_row, fact in _each(OrdersRead, recorded)
        if fact.of_read is not None
    ]


def fold_ticks(recorded: Iterable[Recorded]) -> list[SkippedTick]:
    """Find the scheduled times that launched nothing, oldest first."""
    return [
        SkippedTick(
            seq=each.seq,
            account=each.account,
            trading_day=each.trading_day,
            scheduled_at=fact.scheduled_at,
            reason=fact.reason,
            recorded_at=each.recorded_at,
        )
        for each, fact in _each(TickSkipped, recorded)
    ]


def fold_checks(recorded: Iterable[Recorded]) -> list[CheckRecord]:
    """Find the checks of accounts, oldest first."""
    return [
        CheckRecord(
            seq=each.seq,
            account=each.account,
            trading_day=each.trading_day,
            flatten_id=each.flatten_id or None,
            recorded_at=each.recorded_at,
            check=fact.check,
        )
        for each, fact in _each(CheckMade, recorded)
    ]


def fold_histories(recorded: Iterable[Recorded]) -> list[EvidenceRecord]:
    """Find what the exchange's history said of a day, oldest first."""
    return [
        EvidenceRecord(
            seq=each.seq,
            account=each.account,
            trading_day=each.trading_day,
            recorded_at=each.recorded_at,
            read=fact.history,
        )
        for each, fact in _each(HistoryCollected, recorded)
    ]


def _each(fact_type: type[_FactT], recorded: Iterable[Recorded]) -> Iterator[tuple[Recorded, _FactT]]:
    for each in recorded:
        if isinstance(each.fact, fact_type):
            yield each, each.fact


def _each_call(recorded: Iterable[Recorded]) -> Iterator[tuple[Recorded, CallIntended, Recorded | None]]:
    found = list(recorded)
    by_key = {each.once_key: each for each in found}
    for each, intended in _each(CallIntended, found):
        yield each, intended, by_key.get(build_answer_key(intended.call_id))


def _describe_missing(answer: Recorded | None, no_answer: str) -> str:
    return no_answer if answer is None else _UNREADABLE_REASON


class _Answered(TypedDict):
    sent_at: datetime | None
    answered_at: datetime | None
    error_code: str | None
    http_status: int | None
    is_throttled: bool
    notes: tuple[str, ...]


def _describe_answer(fact: CallAnswered | None) -> _Answered:
    return _Answered(
        sent_at=fact.sent_at if fact else None,
        answered_at=fact.answered_at if fact else None,
        error_code=fact.error_code if fact else None,
        http_status=fact.answers[0].http_status if fact and fact.answers else None,
        is_throttled=fact.is_throttled if fact else False,
        notes=fact.notes if fact else (),
    )
