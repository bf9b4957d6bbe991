"""The exchange's lists of what was closed and executed, read at the border into records. Pure.

A row that cannot be read wholly makes the page unreadable: a closed size that was passed over would look like a close that
never happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from deepcoin_ops.domain.evidence import ClosedPosition, Fill
from deepcoin_ops.domain.model import InstrumentType, ProductGroup, product_group_of
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

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOSED_FIELDS = frozenset(
    "instType instId mgnMode mrgPosition posId posSide avgPx closeAvgPx pos closePos pnl fee fundingFee lever ccy cTime "
    "uTime".split()
)
_FILL_FIELDS = frozenset(
    "instType instId tradeId ordId clOrdId billId tag fillPx fillSz side posSide execType feeCcy fee ts".split()
)


def parse_closed_positions(
    data: Any, instrument_type: InstrumentType
) -> tuple[tuple[ClosedPosition, ...], tuple[str, ...]]:
    """The rows of a positions history page, and notes on fields that were not expected.

    Args:
        data: The answer's `data`.
        instrument_type: What was asked for.

    Raises:
        UnreadableAnswer: `data` is not a list, or a row lacks its instrument, closed size or times, is of another type, or
            holds a number that is none.

    Source: https://www.deepcoin.com/docs/DeepCoinAccount/accountPositionsHistory.
    """
    rows = parse_rows(data)
    closed = tuple(_parse_closed_position(row, instrument_type) for row in rows)
    what = "positions history row"
    return closed, (*notice_fields(what, rows, _CLOSED_FIELDS), *notice_values(what, rows, {"posSide": parse_side}))


def parse_fills(data: Any, instrument_type: InstrumentType) -> tuple[tuple[Fill, ...], tuple[str, ...]]:
    """The rows of a fills page, and notes on fields that were not expected.

    Args:
        data: The answer's `data`.
        instrument_type: What was asked for.

    Raises:
        UnreadableAnswer: As `parse_closed_positions`, for instrument, size, price, side and time.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/tradeFills.
    """
    rows = parse_rows(data)
    return tuple(_parse_fill(row, instrument_type) for row in rows), notice_fields("fills row", rows, _FILL_FIELDS)


def _parse_closed_position(row: Mapping[str, Any], instrument_type: InstrumentType) -> ClosedPosition:
    instrument_id = _parse_instrument(row, instrument_type)
    times = sorted((_parse_instant(row, "cTime"), _parse_instant(row, "uTime")))
    return ClosedPosition(
        instrument_id=instrument_id,
        product_group=_find_group(instrument_id),
        position_id=parse_text(row.get("posId")) or "",
        position_side=parse_side(row.get("posSide")),
        quantity_contracts=_parse_optional(row, "pos"),
        closed_contracts=abs(_parse_required(row, "closePos")),
        average_open_price=_parse_optional(row, "avgPx"),
        average_close_price=_parse_optional(row, "closeAvgPx"),
        pnl=_parse_optional(row, "pnl"),
        fee=_parse_optional(row, "fee"),
        funding_fee=_parse_optional(row, "fundingFee"),
        currency=parse_text(row.get("ccy")) or "",
        margin_mode=parse_text(row.get("mgnMode")) or "",
        merge_mode=parse_text(row.get("mrgPosition")) or "",
        opened_at=times[0],
        closed_at=times[1],
    )


def _parse_fill(row: Mapping[str, Any], instrument_type: InstrumentType) -> Fill:
    instrument_id = _parse_instrument(row, instrument_type)
    side = (parse_text(row.get("side")) or "").lower()
    if side not in ("buy", "sell"):
        raise UnreadableAnswer(f"a fill is neither bought nor sold: {shorten(row)}")
    return Fill(
        instrument_id=instrument_id,
        product_group=_find_group(instrument_id),
        trade_id=parse_text(row.get("tradeId")) or "",
        order_id=parse_text(row.get("ordId")) or "",
        bill_id=parse_text(row.get("billId")) or "",
        side=side,
        position_side=parse_side(row.get("posSide")),
        price=_parse_required(row, "fillPx"),
        quantity_contracts=abs(_parse_required(row, "fillSz")),
        execution_type=parse_text(row.get("execType")) or "",
        fee=_parse_optional(row, "fee"),
        fee_currency=parse_text(row.get("feeCcy")) or "",
        filled_at=_parse_instant(row, "ts"),
    )


def _parse_instrument(row: Mapping[str, Any], instrument_type: InstrumentType) -> str:
    instrument_id = parse_text(row.get("instId"))
    if not instrument_id:
        raise UnreadableAnswer(f"a row names no instrument: {shorten(row)}")
    if (parse_text(row.get("instType")) or instrument_type) != instrument_type:
        raise UnreadableAnswer(f"asked for {instrument_type}, a row is of another type: {shorten(row)}")
    return instrument_id


def _find_group(instrument_id: str) -> ProductGroup | None:
    try:
        return product_group_of(instrument_id)
    except ValueError:
        return None


def _parse_required(row: Mapping[str, Any], name: str) -> Decimal:
    number = parse_decimal(row.get(name))
    if number is None:
        raise UnreadableAnswer(f"a row has no readable {name}: {shorten(row)}")
    return number


def _parse_optional(row: Mapping[str, Any], name: str) -> Decimal | None:
    """A number, or None where the row is empty or silent; other text is no emptiness."""
    return _parse_required(row, name) if row.get(name) not in (None, "") else None


def _parse_instant(row: Mapping[str, Any], name: str) -> datetime:
    """An instant from milliseconds since 1970, written as text or as a number."""
    milliseconds = _parse_required(row, name)
    try:
        return _EPOCH + timedelta(milliseconds=int(milliseconds))
    except OverflowError as error:
        raise UnreadableAnswer(f"a row's {name} is no time: {shorten(row)}") from error
