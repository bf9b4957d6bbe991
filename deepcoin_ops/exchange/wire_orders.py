"""The exchange's three lists of waiting orders, read at the border into records. Pure.

A row without an instrument or an id makes the page unreadable: an order that was passed over can open a position after the
flatten. What a row says beyond that may be missing, and is then None; an oddity is noticed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from deepcoin_ops.domain.model import product_group_of
from deepcoin_ops.domain.orders import Order, OrderKind
from deepcoin_ops.exchange.wire_values import (
    UnreadableAnswer,
    notice_fields,
    notice_values,
    parse_decimal,
    parse_rows,
    parse_side,
    parse_text,
    shorten,
)

_RESTING_FIELDS = frozenset(
    "instType instId tgtCcy ccy ordId clOrdId tag px sz pnl ordType side posSide tdMode accFillSz fillPx tradeId fillSz "
    "fillTime avgPx state lever tpTriggerPx tpTriggerPxType tpOrdPx slTriggerPx slTriggerPxType slOrdPx feeCcy fee "
    "rebateCcy source rebate category uTime cTime".split()
)
_TRIGGER_FIELDS = frozenset(
    "instType instId ordId triggerPx ordPx sz ordType side posSide tdMode triggerOrderType triggerPxType lever slPrice "
    "slTriggerPrice tpPrice tpTriggerPrice closeSLTriggerPrice closeTPTriggerPrice cTime uTime".split()
)
_TRAILING_FIELDS = frozenset("triggerPrice breakPrice retracePoint isTriggered posSide createTime".split())
_PROTECTION_TYPE = "TPSL"

ParsedOrders = tuple[tuple[Order, ...], tuple[str, ...]]
_Readers = Mapping[str, Callable[[Any], Any]]


def parse_resting_orders(data: Any) -> ParsedOrders:
    """The rows of one page of the list of resting orders of all instruments, and notes on what was not expected.

    Args:
        data: The answer's `data`.

    Raises:
        UnreadableAnswer: `data` is not a list, or a row lacks its instrument or id.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/ordersPendingV2; spot rows have an empty position side.
    """
    rows = parse_rows(data)
    return tuple(map(_parse_resting, rows)), _notice("resting order row", rows, _RESTING_FIELDS, _RESTING_VALUES)


def parse_trigger_orders(data: Any, instrument_id: str) -> ParsedOrders:
    """The trigger and protection orders of one instrument, and notes on what was not expected.

    A type that is not the one of protections is a trigger order, unknown and empty ones included: it may open.

    Args:
        data: The answer's `data`.
        instrument_id: What was asked for, together with its instrument type.

    Raises:
        UnreadableAnswer: As `parse_resting_orders`, or a row is of another instrument or type than asked for.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/triggerOrdersPending; that a protection has the size 0 and no
    position id was observed too.
    """
    rows = parse_rows(data)
    orders = tuple(_parse_trigger(row, instrument_id) for row in rows)
    return orders, _notice("trigger order row", rows, _TRIGGER_FIELDS, _TRIGGER_VALUES)


def parse_trailing_orders(data: Any, instrument_id: str) -> ParsedOrders:
    """The trailing exits of one instrument, and notes on what was not expected. Their rows name neither id nor instrument.

    Args:
        data: The answer's `data`.
        instrument_id: What was asked for.

    Raises:
        UnreadableAnswer: `data` is not a list, or a row names another instrument after all.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/traceOrder.
    """
    rows = parse_rows(data)
    orders = tuple(_parse_trailing(row, instrument_id) for row in rows)
    return orders, _notice("trailing order row", rows, _TRAILING_FIELDS, _TRAILING_VALUES)


def _parse_resting(row: Mapping[str, Any]) -> Order:
    instrument_id, order_id = _parse_names(row)
    return Order(
        kind=OrderKind.RESTING,
        instrument_id=instrument_id,
        order_id=order_id,
        side=_parse_direction(row),
        position_side=parse_side(row.get("posSide")),
        quantity_contracts=_parse_rest(row),
        price=parse_decimal(row.get("px")),
        margin_mode=parse_text(row.get("tdMode")) or "",
        state=parse_text(row.get("state")) or "",
    )


def _parse_trigger(row: Mapping[str, Any], instrument_id: str) -> Order:
    named, order_id = _parse_names(row)
    instrument_type = product_group_of(instrument_id).instrument_type
    is_other_type = (parse_text(row.get("instType")) or instrument_type) != instrument_type
    if named != instrument_id or is_other_type:
        raise UnreadableAnswer(f"asked for {instrument_type} {instrument_id}, a row is of another one: {shorten(row)}")
    trigger_type = parse_text(row.get("triggerOrderType")) or ""
    is_protection = trigger_type == _PROTECTION_TYPE
    return Order(
        kind=OrderKind.PROTECTION if is_protection else OrderKind.TRIGGER,
        instrument_id=instrument_id,
        order_id=order_id,
        side=_parse_direction(row),
        position_side=parse_side(row.get("posSide")),
        quantity_contracts=parse_decimal(row.get("sz")),
        price=parse_decimal(row.get("ordPx")),
        trigger_price=_parse_protected_price(row) if is_protection else parse_decimal(row.get("triggerPx")),
        trigger_type=trigger_type,
        margin_mode=parse_text(row.get("tdMode")) or "",
    )


def _parse_trailing(row: Mapping[str, Any], instrument_id: str) -> Order:
    if (parse_text(row.get("instId")) or instrument_id) != instrument_id:
        raise UnreadableAnswer(f"asked for {instrument_id}, a row is of another instrument: {shorten(row)}")
    return Order(
        kind=OrderKind.TRAILING,
        instrument_id=instrument_id,
        order_id="",
        side="",
        position_side=parse_side(row.get("posSide")),
        quantity_contracts=None,
        price=None,
        trigger_price=parse_decimal(row.get("triggerPrice")),
        # Kept as it was written, because the cancel has to repeat it.
        retrace_point=parse_text(row.get("retracePoint")) or "",
    )


def _parse_names(row: Mapping[str, Any]) -> tuple[str, str]:
    instrument_id, order_id = parse_text(row.get("instId")), parse_text(row.get("ordId"))
    if not instrument_id or not order_id:
        raise UnreadableAnswer(f"an order row has no readable instrument or id: {shorten(row)}")
    return instrument_id, order_id


def _parse_direction(row: Mapping[str, Any]) -> str:
    return (parse_text(row.get("side")) or "").lower()


def _parse_rest(row: Mapping[str, Any]) -> Decimal | None:
    """What has not filled; None when that cannot be told, because a rest that is wrong looks like one that is right."""
    filled = row.get("accFillSz")
    size, done = parse_decimal(row.get("sz")), Decimal(0) if filled in (None, "") else parse_decimal(filled)
    return size - done if size is not None and done is not None and done <= size else None


def _parse_protected_price(row: Mapping[str, Any]) -> Decimal | None:
    """The stop loss' trigger price, or else the take profit's; 0 stands for none on the page."""
    prices = (parse_decimal(row.get(name)) for name in ("slTriggerPrice", "tpTriggerPrice"))
    return next((price for price in prices if price), None)


def _notice(what: str, rows: list[dict[str, Any]], known: frozenset[str], readers: _Readers) -> tuple[str, ...]:
    return (*notice_fields(what, rows, known), *notice_values(what, rows, readers))


def _known_direction(value: Any) -> str | None:
    return text if (text := (parse_text(value) or "").lower()) in ("buy", "sell") else None


_SHARED_VALUES = {"sz": parse_decimal, "side": _known_direction, "posSide": parse_side, "tdMode": parse_text}
_RESTING_VALUES: _Readers = {**_SHARED_VALUES, "accFillSz": parse_decimal, "px": parse_decimal, "state": parse_text}
_TRIGGER_VALUES: _Readers = {
    **_SHARED_VALUES,
    **dict.fromkeys(("ordPx", "triggerPx", "slTriggerPrice", "tpTriggerPrice"), parse_decimal),
    "triggerOrderType": parse_text,
}
_TRAILING_VALUES: _Readers = {"posSide": parse_side, "triggerPrice": parse_decimal, "retracePoint": parse_text}
