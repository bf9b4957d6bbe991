"""The facts of a flatten that works in rounds, built from its own records. Pure; `folds` reads them back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any, NamedTuple

import msgspec

from deepcoin_ops.domain.evidence import EvidencePage, EvidenceRead
from deepcoin_ops.domain.facts import (
    Call,
    CallAnswered,
    CallIntended,
    CallKind,
    FlattenOpened,
    HistoryCollected,
    Lane,
    OrdersRead,
    PositionsRead,
    Read,
    ReadFailed,
    ReadNotes,
    VerdictsReached,
)
from deepcoin_ops.domain.limits import Limits
from deepcoin_ops.domain.model import CloseAnswer, CloseIntent, FlattenRequest, InstrumentType, InstrumentVerdict, RawAnswer
from deepcoin_ops.domain.model import PositionsRead as RecordOfPositions
from deepcoin_ops.domain.orders import CancelAnswer, CancelIntent, OrderKind, OrderList
from deepcoin_ops.domain.orders import OrdersRead as RecordOfOrders
from deepcoin_ops.ledger.encoding import pack_answers
from deepcoin_ops.ledger.records import read_names

_BY_IDS = "close-position-by-ids"
_LANES = {OrderList.RESTING: Lane.RESTING, OrderList.TRIGGER: Lane.TRIGGER, OrderList.TRAILING: Lane.TRIGGER}


class Moment(NamedTuple):
    """When a fact became known: on the boot clock, of which boot, and by the wall clock."""

    at_s: float
    boot_id: str
    at: datetime


def build_opening(request: FlattenRequest, settings_json: str, limits: Limits, moment: Moment) -> FlattenOpened:
    """Build the fact that a flatten begins."""
    return FlattenOpened(
        flatten_id=request.flatten_id,
        **moment._asdict(),
        instruments=request.instruments,
        configured=tuple(dict.fromkeys([*read_names(settings_json, request.account, "instruments"), *request.instruments])),
        limits=limits,
        may_send=not request.is_dry_run,
        request=request,
        settings_json=settings_json,
        tool_version=version("deepcoin-ops"),
    )


def build_positions_read(
    flatten_id: str, purpose: str, round_number: int, read: RecordOfPositions, started_s: float, moment: Moment
) -> tuple[PositionsRead, bytes | None]:
    """Build the fact of a complete positions read, and its raw answer."""
    answers, raw = pack_answers([read.raw])
    notes = ReadNotes(
        purpose=purpose,
        round_number=round_number,
        started_at=read.started_at,
        finished_at=read.finished_at,
        notes=read.notes,
        answers=answers,
    )
    fact = PositionsRead(
        flatten_id=flatten_id,
        **moment._asdict(),
        instrument_type=read.instrument_type,
        started_s=started_s,
        rows=read.positions,
        of_read=notes,
    )
    return fact, raw


def build_orders_read(
    flatten_id: str, purpose: str, read: RecordOfOrders, started_s: float, moment: Moment
) -> tuple[OrdersRead, bytes | None]:
    """Build the fact of an order list that was answered whole, and its raw answers."""
    answers, raw = pack_answers(read.pages)
    notes = ReadNotes(
        purpose=purpose,
        round_number=0,
        started_at=read.started_at,
        finished_at=read.finished_at,
        notes=read.notes,
        answers=answers,
    )
    fact = OrdersRead(
        flatten_id=flatten_id,
        **moment._asdict(),
        order_list=read.order_list,
        instrument_id=read.instrument_id,
        started_s=started_s,
        orders=read.orders,
        is_exhaustive=read.is_exhaustive,
        pages=max(1, len(read.pages)),
        of_read=notes,
    )
    return fact, raw


def build_failed_read(
    flatten_id: str, wanted: Read, reason: str, notes: ReadNotes, raw: RawAnswer | None, started_s: float, moment: Moment
) -> tuple[ReadFailed, bytes | None]:
    """Build the fact that a read proves nothing, and the answer that it failed at."""
    answers, packed = pack_answers([raw])
    of_read = msgspec.structs.replace(notes, answers=answers)
    fact = ReadFailed(
        flatten_id=flatten_id, **moment._asdict(), read=wanted, started_s=started_s, reason=reason, of_read=of_read
    )
    return fact, packed


def of_positions(instrument_type: InstrumentType) -> Read:
    """Name a positions read."""
    return Read(lane=Lane.POSITIONS, instrument_type=instrument_type)


def of_orders(order_list: OrderList, instrument_id: str | None) -> Read:
    """Name a read of an order list; `instrument_id` is None for that of all instruments."""
    return Read(lane=_LANES[order_list], order_list=order_list, about=instrument_id or "")


def build_close_intent(flatten_id: str, intent: CloseIntent, moment: Moment) -> CallIntended:
    """Build the fact that a close is about to be sent."""
    is_by_ids = intent.endpoint.endswith(_BY_IDS)
    call = Call(
        kind=CallKind.CLOSE_BY_IDS if is_by_ids else CallKind.BATCH_CLOSE,
        lane=Lane.CLOSE,
        instrument_ids=(intent.instrument_id,),
        ids=_read_ids(intent.request_body) if is_by_ids else (),
        quantity_contracts=intent.quantity_contracts,
        notional_usdt=intent.notional_usdt,
    )
    return CallIntended(
        flatten_id=flatten_id,
        **moment._asdict(),
        call_id=intent.attempt_id,
        call=call,
        round_number=intent.round_number,
        send_number=intent.send_number,
        endpoint=intent.endpoint,
        request_body=intent.request_body,
    )


def build_cancel_intent(flatten_id: str, intent: CancelIntent, moment: Moment) -> CallIntended:
    """Build the fact that a cancel is about to be sent."""
    call = Call(
        kind=CallKind.CANCEL,
        lane=Lane.CANCEL_RESTING if intent.kind is OrderKind.RESTING else Lane.CANCEL_SINGLE,
        instrument_ids=intent.instrument_ids,
        ids=intent.order_ids,
        order_kind=intent.kind,
    )
    return CallIntended(
        flatten_id=flatten_id,
        **moment._asdict(),
        call_id=intent.cancel_id,
        call=call,
        send_number=intent.send_number,
        endpoint=intent.endpoint,
        request_body=intent.request_body,
    )


def build_answer(
    flatten_id: str, call_id: str, answer: CloseAnswer | CancelAnswer, moment: Moment
) -> tuple[CallAnswered, bytes | None]:
    """Build the fact of what became of a call, and its raw answer."""
    answers, raw = pack_answers([answer.raw])
    items: dict[str, Any] = {}
    codes = [answer.error_code or ""]
    if isinstance(answer, CloseAnswer):
        items["close_errors"] = answer.close_errors
        codes += [item.error_code for item in answer.close_errors]
    else:
        items["cancel_errors"] = answer.cancel_errors
        items["failed_ids"] = tuple(item.order_id for item in answer.cancel_errors)
        codes += [item.error_code for item in answer.cancel_errors]
    fact = CallAnswered(
        flatten_id=flatten_id,
        **moment._asdict(),
        call_id=call_id,
        outcome=answer.outcome,
        reason=answer.reason,
        refusal=answer.refusal,
        # "0" says that the call was understood; what was left is in the items then.
        code=next((code for code in codes if code not in ("", "0")), ""),
        retry_after_s=answer.retry_after_s,
        is_throttled=answer.is_throttled,
        error_code=answer.error_code,
        sent_at=answer.sent_at,
        answered_at=answer.answered_at,
        notes=answer.notes,
        answers=answers,
        **items,
    )
    return fact, raw


def build_verdicts(flatten_id: str, verdicts: Sequence[InstrumentVerdict], moment: Moment) -> VerdictsReached:
    """Build the fact of what was proven about each instrument."""
    flat = tuple(each.instrument_id for each in verdicts if each.verdict.is_flat)
    return VerdictsReached(flatten_id=flatten_id, **moment._asdict(), flat=flat, verdicts=tuple(verdicts))


def build_history(
    read: EvidenceRead, pages: Sequence[EvidencePage], moment: Moment
) -> tuple[HistoryCollected, bytes | None]:
    """Build the fact of what the exchange's history says of a day, and the raw pages."""
    answers, raw = pack_answers([page.raw for page in pages], [page.query for page in pages])
    return HistoryCollected(flatten_id="", **moment._asdict(), history=read, answers=answers), raw


def _read_ids(request_body: str) -> tuple[str, ...]:
    try:
        ids = json.loads(request_body).get("positionIds", ())
    except (ValueError, AttributeError):
        return ()
    return tuple(str(each) for each in ids) if isinstance(ids, list) else ()
