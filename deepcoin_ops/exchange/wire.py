"""The exchange's spelling, read at the border: bytes in, frozen records out. Pure; wire names go no further than this file.

Two rules hold throughout. What cannot be read completely is said to be unreadable, never empty. Fields nobody needs are
passed over but noticed, because a new field is the first sign of a changed exchange.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from deepcoin_ops.domain.error_codes import explain_code, refusal_of
from deepcoin_ops.domain.model import (
    CloseError,
    Instrument,
    InstrumentType,
    Outcome,
    Position,
    PositionSide,
    Refusal,
    product_group_of,
)
from deepcoin_ops.exchange.wire_values import (
    UnreadableAnswer,
    notice_fields,
    notice_values,
    parse_decimal,
    parse_flag,
    parse_quantity,
    parse_rows,
    parse_side,
    parse_text,
    shorten,
)

_POSITION_FIELDS = frozenset(
    "instType mgnMode instId posId posSide pos avgPx lever liqPx useMargin unrealizedProfit mrgPosition ccy uTime cTime "
    "lastPx tpTriggerPx slTriggerPx isLeading isFollow".split()
)
_POSITION_VALUES = {"avgPx": parse_decimal, "posSide": parse_side, "isLeading": parse_flag, "isFollow": parse_flag}
_ERROR_ITEM_FIELDS = frozenset("memberId accountId tradeUnitId instId posiDirection errorCode errorMsg".split())
_ERROR_ITEM_VALUES = {"posiDirection": parse_side, "errorCode": parse_text, "instId": parse_text, "errorMsg": parse_text}


@dataclass(frozen=True)
class Envelope:
    """The outer object of every answer. `has_data` tells a missing `data` from a null one."""

    code: str
    message: str
    data: Any
    has_data: bool

    @property
    def is_success(self) -> bool:
        """Whether the outer code says success, which does not speak for what is nested inside."""
        return self.code == "0"


@dataclass(frozen=True)
class Reading:
    """What an HTTP answer to a request that changes something amounts to."""

    outcome: Outcome
    reason: str
    refusal: Refusal | None = None
    error_code: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CloseReading(Reading):
    """What an HTTP answer to a close request amounts to, with the items of its errorList."""

    close_errors: tuple[CloseError, ...] = ()


def write_body(fields: Mapping[str, Any]) -> str:
    """The exact text of a request's body, in the order given: it is signed, recorded and sent as it is."""
    return json.dumps(fields, separators=(",", ":"))


def close_body(instrument_id: str) -> str:
    """The exact text of a batch close request, with the product group that the instrument's id belongs to.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/batchClosePosition.
    """
    return write_body({"productGroup": product_group_of(instrument_id).value, "instId": instrument_id})


def close_by_ids_body(instrument_id: str, position_ids: Iterable[str]) -> str:
    """The exact text of a request closing the named positions of one instrument.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/closePositionByIds.
    """
    group = product_group_of(instrument_id).value
    return write_body({"productGroup": group, "instId": instrument_id, "positionIds": list(position_ids)})


def parse_envelope(body: bytes) -> Envelope:
    """The outer object of an answer.

    Raises:
        UnreadableAnswer: Not UTF-8, not JSON, not an object, a key twice, or no readable `code`.
    """
    try:
        answer = json.loads(body.decode(), parse_float=Decimal, parse_constant=_refuse, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise UnreadableAnswer(f"the body is not readable JSON ({error})") from error
    if not isinstance(answer, dict):
        raise UnreadableAnswer("the body is JSON but not an object")
    code = parse_text(answer.get("code"))
    if code is None:
        raise UnreadableAnswer("the answer has no code")
    return Envelope(code, parse_text(answer.get("msg")) or "", answer.get("data"), "data" in answer)


def read_close_answer(http_status: int, body: bytes) -> CloseReading:
    """Classify the answer to a close request. Everything that is not proof is UNKNOWN.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/batchClosePosition for the two readable shapes;
    `domain.error_codes.refusal_of` for what proves a refusal.
    """
    outer = read_outer(http_status, body)
    if isinstance(outer, Reading):
        return CloseReading(**vars(outer))
    reading, items = read_error_list("close", outer.data, _ERROR_ITEM_FIELDS, _ERROR_ITEM_VALUES)
    errors = tuple(_parse_close_error(index, item) for index, item in enumerate(items))
    return CloseReading(**vars(reading), close_errors=errors)


def read_outer(
    http_status: int, body: bytes, is_answer: Callable[[Envelope], bool] = lambda envelope: envelope.is_success
) -> Envelope | Reading:
    """What the outside of an answer to a request that changes something proves.

    Args:
        http_status: Status of the answer.
        body: Its bytes.
        is_answer: Whether an envelope says by its code that the request was processed and its `data` tells how it went.

    Returns:
        The envelope, if its `data` decides; else the whole reading: REFUSED for a proven refusal, or UNKNOWN.
    """
    try:
        envelope = parse_envelope(body)
    except UnreadableAnswer as error:
        return Reading(Outcome.UNKNOWN, f"HTTP {http_status}: {error}")
    code = envelope.code
    refusal = refusal_of(http_status, code, is_data_null=envelope.has_data and envelope.data is None)
    if refusal is not None:
        reason = f"HTTP {http_status}, code {code}: {explain_code(code).meaning} {envelope.message}".strip()
        return Reading(Outcome.REFUSED, reason, refusal, code)
    if http_status != 200 or not is_answer(envelope):
        reason = f"HTTP {http_status}, code {code}, which does not prove that nothing was done: {envelope.message}"
        return Reading(Outcome.UNKNOWN, reason.rstrip(": "), None, code)
    return envelope


def read_error_list(
    what: str, data: Any, fields: frozenset[str], values: Mapping[str, Callable[[Any], Any]]
) -> tuple[Reading, list[Any]]:
    """What the errorList inside a processed answer amounts to, and its items as they came.

    Args:
        what: The kind of request, for the notes.
        data: The answer's `data`.
        fields: The fields of an item that are known.
        values: A reader for each of those whose values are read.
    """
    items = data.get("errorList") if isinstance(data, dict) else None
    if not isinstance(items, list):
        reason = "code 0, but errorList is missing or not a list"
        return Reading(Outcome.UNKNOWN, reason, None, "0", (f"{what} answer with {reason}",)), []
    if not items:
        return Reading(Outcome.ACCEPTED, "code 0 and an empty errorList", None, "0"), []
    known = [item for item in items if isinstance(item, dict)]
    named = {parse_text(item.get("errorCode")) or "no code" for item in known}
    codes = ", ".join(sorted(named | ({"no code"} if len(known) < len(items) else set())))
    strange = ("errorList item that is no object",) if len(known) < len(items) else ()
    notes = (
        *strange,
        *notice_fields("errorList item", known, fields),
        *notice_values("errorList item", known, values),
    )
    return Reading(Outcome.PARTIAL, f"{len(items)} errorList item(s): {codes}", None, "0", notes), items


def _parse_close_error(index: int, item: Any) -> CloseError:
    """One item; an item that is no object is kept whole in `raw_json` with nothing else known about it."""
    fields = item if isinstance(item, dict) else {}
    return CloseError(
        item_index=index,
        instrument_id=parse_text(fields.get("instId")) or "",
        position_side=parse_side(fields.get("posiDirection")),
        error_code=parse_text(fields.get("errorCode")) or "",
        error_message=parse_text(fields.get("errorMsg")) or "",
        member_id=parse_text(fields.get("memberId")) or "",
        exchange_account_id=parse_text(fields.get("accountId")) or "",
        trade_unit_id=parse_text(fields.get("tradeUnitId")) or "",
        raw_json=json.dumps(item, default=str),
    )


def parse_positions(data: Any, instrument_type: InstrumentType) -> tuple[tuple[Position, ...], tuple[str, ...]]:
    """The rows of a positions answer, and notes on fields that were not expected.

    Args:
        data: The answer's `data`.
        instrument_type: What was asked for.

    Raises:
        UnreadableAnswer: `data` is not a list, a row lacks its instrument or size, or is of another type than asked for:
            the read is not complete.

    Source: https://www.deepcoin.com/docs/DeepCoinAccount/accountPositions; spot rows have an empty side.
    """
    rows = parse_rows(data)
    positions = tuple(_parse_position(row, instrument_type) for row in rows)
    fields = notice_fields("positions row", rows, _POSITION_FIELDS)
    return positions, (*fields, *notice_values("positions row", rows, _POSITION_VALUES))


def _parse_position(row: Mapping[str, Any], instrument_type: InstrumentType) -> Position:
    instrument_id = parse_text(row.get("instId"))
    quantity = parse_decimal(row.get("pos"))
    if not instrument_id or quantity is None:
        raise UnreadableAnswer(f"a positions row has no readable instrument or size: {shorten(row)}")
    if (parse_text(row.get("instType")) or instrument_type) != instrument_type:
        raise UnreadableAnswer(f"asked for {instrument_type} positions, a row is of another type: {shorten(row)}")
    is_spot = instrument_type is InstrumentType.SPOT
    side = PositionSide.LONG if is_spot else parse_side(row.get("posSide"))
    try:
        group = product_group_of(instrument_id)
    except ValueError:
        group = None
    return Position(
        instrument_id=instrument_id,
        product_group=group,
        position_id=parse_text(row.get("posId")) or "",
        position_side=side,
        # The size is documented as unsigned; the side carries the sign, so a sign here would say nothing new.
        quantity_contracts=abs(quantity),
        margin_mode=parse_text(row.get("mgnMode")) or "",
        merge_mode=parse_text(row.get("mrgPosition")) or "",
        average_price=parse_decimal(row.get("avgPx")),
        margin_currency=parse_text(row.get("ccy")) or "",
        is_leading=parse_flag(row.get("isLeading")),
        is_following=parse_flag(row.get("isFollow")),
    )


def parse_instruments(data: Any) -> dict[str, Instrument]:
    """The exchange's instrument list by id; rows whose id has no known spelling are passed over.

    Raises:
        UnreadableAnswer: `data` is not a list of objects.

    Source: https://www.deepcoin.com/docs/DeepCoinMarket/getBaseInfo.
    """
    instruments = {}
    for row in parse_rows(data):
        instrument_id = parse_text(row.get("instId")) or ""
        try:
            group = product_group_of(instrument_id)
        except ValueError:
            continue
        is_spot = group.instrument_type is InstrumentType.SPOT
        instruments[instrument_id] = Instrument(
            instrument_id=instrument_id,
            product_group=group,
            contract_size=Decimal(1) if is_spot else parse_quantity(row.get("ctVal")),
            lot_size=parse_quantity(row.get("lotSz")),
            min_size=parse_quantity(row.get("minSz")) or Decimal(0),
            max_market_size=parse_quantity(row.get("maxMktSz")),
            state=parse_text(row.get("state")) or "",
        )
    return instruments


def parse_last_prices(data: Any) -> dict[str, Decimal]:
    """Last traded price per instrument id; rows without a price that can be one are passed over.

    Raises:
        UnreadableAnswer: `data` is not a list of objects.

    Source: https://www.deepcoin.com/docs/DeepCoinMarket/getMarketTickers.
    """
    prices = {}
    for row in parse_rows(data):
        instrument_id, price = parse_text(row.get("instId")), parse_quantity(row.get("last"))
        if instrument_id and price is not None:
            prices[instrument_id] = price
    return prices


def parse_server_time(data: Any) -> datetime:
    """The exchange's clock, from milliseconds since 1970.

    Raises:
        UnreadableAnswer: No readable `ts`.

    Source: https://www.deepcoin.com/docs (server time).
    """
    milliseconds = parse_decimal(data.get("ts")) if isinstance(data, dict) else None
    if milliseconds is None:
        raise UnreadableAnswer("the server time has no readable ts")
    try:
        return datetime.fromtimestamp(float(milliseconds / 1000), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise UnreadableAnswer(f"the server time {shorten(data)} is no time") from error


def parse_uid(data: Any) -> str:
    """The account's uid as text.

    Raises:
        UnreadableAnswer: No uid in the answer.
    """
    uid = parse_text(data.get("uid")) if isinstance(data, dict) else None
    if not uid:
        raise UnreadableAnswer("the answer has no uid")
    return uid


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        # The second of two errorLists would hide the first one.
        raise ValueError("a key stands twice in one object")
    return fields
