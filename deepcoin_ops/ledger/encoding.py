"""Facts to rows and back: the only place that knows how a fact, an instant or a raw answer is stored. No SQL, no disk."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from deepcoin_ops.domain.facts import (
    Answer,
    AnyFact,
    Call,
    CallAnswered,
    CallIntended,
    Fact,
    FlattenEnded,
    FlattenOpened,
    LedgerCreated,
)
from deepcoin_ops.domain.model import RawAnswer, product_group_of
from deepcoin_ops.ledger.chain import describe_alteration
from deepcoin_ops.ledger.records import NewFact, Recorded

Row = Mapping[str, Any]
UNKNOWN_KIND = "its kind is unknown to this version"

_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER: msgspec.json.Decoder[AnyFact] = msgspec.json.Decoder(AnyFact)
# An amount with a long exponent asks for all memory as soon as it is written out; NaN refuses to be compared, and so does
# an instant without a timezone.
_MOST_DIGITS = 9_999
_ODD_VALUE = re.compile(rb'"(-?[0-9.]+E[-+][0-9]{5,}|-?s?NaN[0-9]*|-?Infinity|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+)"')
_EPOCH = datetime.fromtimestamp(0, UTC)


def kind_of(fact_type: type[Fact]) -> str:
    """Name the kind under which facts of this type are stored, such as `positions_read/1`."""
    return str(fact_type.__struct_config__.tag)


def build_utc_text(instant: datetime) -> str:
    """Build text of fixed width from an aware instant, so that the order of texts is the order of instants.

    Raises:
        ValueError: The instant has no timezone.
    """
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} has no timezone")
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def build_cells(new: NewFact) -> dict[str, Any]:
    """Build what is stored of a new fact, but for its place in the ledger.

    Raises:
        ValueError: It could not be read back.
    """
    kind = kind_of(type(new.fact))
    return {
        "account": new.account,
        "trading_day": new.trading_day,
        "flatten_id": new.fact.flatten_id or None,
        "kind": kind,
        "once_key": build_once_key(new.fact),
        "body": build_body(new.fact),
        "raw": new.raw,
    }


def build_body(fact: AnyFact) -> str:
    """Build the canonical JSON text of a fact.

    Raises:
        ValueError: It could not be read back, because a number is none or an instant has no timezone.
    """
    try:
        body = _ENCODER.encode(fact).decode()
    except UnicodeEncodeError:
        # An exchange's message may hold half a surrogate pair. It must not cost the record of what was answered; the raw
        # answer keeps it as it came.
        body = _ENCODER.encode(_replace_surrogates(msgspec.to_builtins(fact))).decode()
        return _ENCODER.encode(_read_body(kind_of(type(fact)), body)).decode()
    _read_body(kind_of(type(fact)), body)
    return body


def build_once_key(fact: AnyFact) -> str | None:
    """Build what no two facts may share: a flatten's opening and ending, a call's intent and answer; None for the rest."""
    match fact:
        case LedgerCreated():
            return "ledger"
        case FlattenOpened():
            return build_opening_key(fact.flatten_id)
        case FlattenEnded():
            return build_ending_key(fact.flatten_id)
        case CallIntended():
            return build_intent_key(fact.call_id)
        case CallAnswered():
            return build_answer_key(fact.call_id)
    return None


def build_opening_key(flatten_id: str) -> str:
    """Build the key of a flatten's opening."""
    return f"opened {flatten_id}"


def build_ending_key(flatten_id: str) -> str:
    """Build the key of a flatten's ending."""
    return f"ended {flatten_id}"


def build_intent_key(call_id: str) -> str:
    """Build the key of a call's intent."""
    return f"intended {call_id}"


def build_answer_key(call_id: str) -> str:
    """Build the key of a call's answer."""
    return f"answered {call_id}"


def pack_answers(
    answers: Sequence[RawAnswer | None], queries: Sequence[str] = ()
) -> tuple[tuple[Answer, ...], bytes | None]:
    """Put answers as they came into what a fact says of them and the bytes that are stored beside it."""
    came = [answer for answer in answers if answer is not None]
    if not came:
        return (), None
    asked = queries or [""] * len(came)
    described = tuple(
        Answer(raw.http_status, raw.length, len(raw.body), raw.is_truncated, query)
        for raw, query in zip(came, asked, strict=True)
    )
    return described, zlib.compress(b"".join(raw.body for raw in came))


def unpack_answers(answers: Sequence[Answer], raw: bytes | None) -> tuple[RawAnswer, ...]:
    """Take the answers apart again.

    Raises:
        ValueError: The bytes are not those of these answers.
    """
    length = sum(answer.kept for answer in answers)
    try:
        # Bounded: a few bytes can stand for all memory.
        kept = zlib.decompressobj().decompress(raw, length + 1) if raw else b""
    except (zlib.error, ValueError) as error:
        raise ValueError("the raw answers cannot be decompressed") from error
    if len(kept) != length or any(answer.kept < 0 for answer in answers):
        raise ValueError("the raw answers have another length")
    found = []
    for answer in answers:
        body, kept = kept[: answer.kept], kept[answer.kept :]
        found.append(RawAnswer(answer.http_status, body, answer.length, answer.is_truncated))
    return tuple(found)


def read_row(row: Row) -> Recorded:
    """Read a stored row. Without a fact, and with the reason, where it is not what was recorded or not readable."""
    fact, problem = None, describe_alteration(row)
    if problem is None:
        try:
            fact = _read_body(row["kind"], row["body"])
        except ValueError as error:
            problem = f"it cannot be read: {error}"
    return Recorded(
        seq=row["seq"],
        account=_text(row["account"]),
        trading_day=_text(row["trading_day"]),
        flatten_id=_text(row["flatten_id"]),
        kind=_text(row["kind"]),
        recorded_at=_read_instant(row["recorded_at"]),
        once_key=_text(row["once_key"]),
        fact_hash=_text(row["fact_hash"]),
        fact=fact,
        raw=row["raw"],
        problem=problem or "",
    )


def _read_body(kind: str, body: str | bytes) -> AnyFact:
    if kind not in KINDS:
        raise ValueError(UNKNOWN_KIND)
    try:
        fact = _DECODER.decode(body)
    except (msgspec.DecodeError, RecursionError, ArithmeticError) as error:
        raise ValueError(str(error)) from error
    if type(fact) is not KINDS[kind]:
        raise ValueError("its kind is another one than its content's")
    # Not in the body: a number can be spelled in many ways.
    if _ODD_VALUE.search(_ENCODER.encode(fact)):
        _check_values(fact)
    if isinstance(fact, CallIntended):
        _check_call(fact.call)
    return fact


def _check_call(call: Call) -> None:
    """Refuse a close that is not of one instrument: it could not be sent, and every list of closes would end at it."""
    if call.kind.is_close:
        if len(call.instrument_ids) != 1:
            raise ValueError(f"it is a close of {len(call.instrument_ids)} instruments")
        product_group_of(call.instrument_ids[0])


def _check_values(value: object) -> None:
    """Refuse an amount that is no number or would fill the memory, and an instant without a timezone."""
    match value:
        case Decimal():
            exponent = value.as_tuple().exponent
            if not isinstance(exponent, int) or abs(exponent) > _MOST_DIGITS:
                raise ValueError("it has an amount that is no usable number")
        case datetime():
            if value.tzinfo is None:
                raise ValueError(f"it has the instant {value}, which has no timezone")
        case Mapping():
            _check_values(tuple(value.values()))
        case tuple():
            for each in value:
                _check_values(each)
        case msgspec.Struct():
            _check_values(tuple(getattr(value, name) for name in value.__struct_fields__))
        case _ if is_dataclass(value):
            _check_values(tuple(getattr(value, each.name) for each in fields(value)))


def _replace_surrogates(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {_replace_surrogates(name): _replace_surrogates(each) for name, each in value.items()}
        case list() | tuple():
            return [_replace_surrogates(each) for each in value]
    return value


def _text(cell: Any) -> str:
    return cell if isinstance(cell, str) else ""


def _read_instant(cell: Any) -> datetime:
    try:
        instant = datetime.fromisoformat(cell)
    except (TypeError, ValueError):
        return _EPOCH
    return instant if instant.tzinfo is not None else _EPOCH


KINDS: dict[str, type[Fact]] = {kind_of(each): each for each in AnyFact.__args__}
