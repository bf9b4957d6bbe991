"""What the paper exchange remembers of closes and of fills that opened: which a read shows, newest first, and their rows.

One row for each of them. Whether the real list has one row for each close or one for each position is not known.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from deepcoin_ops.domain.model import InstrumentType, PositionSide, ProductGroup
from deepcoin_ops.paper.book import ClosedRow
from deepcoin_ops.paper.market import Market
from deepcoin_ops.paper.wire import Payload, milliseconds, number

PAGE_ROWS = 100


def select(
    market: Market,
    account: str,
    instrument_type: InstrumentType,
    window_ms: tuple[int | None, int | None],
    lag_s: float,
) -> list[ClosedRow]:
    """The closes of one instrument type that a read shows.

    Args:
        market: The world.
        account: Whose closes.
        instrument_type: SWAP or SPOT.
        window_ms: First and last time, both included, in milliseconds since 1970; None leaves that end open.
        lag_s: Closes of the last so many seconds are not shown yet.
    """
    market.let_time_pass()
    starts_ms, ends_ms = window_ms
    kept_since = market.clock.now() - timedelta(seconds=market.scenario.history_kept_s)
    visible_s = market.clock.monotonic_s() - lag_s
    return [
        closed
        for closed in reversed(market.books[account].shown_history)
        if closed.row.instrument.product_group.instrument_type is instrument_type
        and closed.close.executed_at >= kept_since
        and closed.close.executed_s <= visible_s
        and (starts_ms is None or _shown_ms(closed.close.executed_at) >= starts_ms)
        and (ends_ms is None or _shown_ms(closed.close.executed_at) <= ends_ms)
    ]


def position_row(closed: ClosedRow) -> Payload:
    """Source: https://www.deepcoin.com/docs/DeepCoinAccount/accountPositionsHistory."""
    position, instrument = closed.row.position, closed.row.instrument
    base, quote = instrument.currencies
    return {
        "instType": instrument.product_group.instrument_type.value,
        "instId": position.instrument_id,
        "mgnMode": position.margin_mode,
        "mrgPosition": position.merge_mode,
        "posId": position.position_id,
        "posSide": position.position_side.value,
        "avgPx": number(position.average_price),
        "closeAvgPx": number(closed.price),
        "pos": number(position.quantity_contracts),
        "closePos": number(closed.close.quantity_contracts),
        "pnl": number(round(closed.profit, 8)),
        "fee": "0",
        "fundingFee": "0",
        "lever": str(position.leverage),
        "ccy": base if instrument.product_group is ProductGroup.SWAP else quote,
        "cTime": milliseconds(closed.row.created_at),
        "uTime": milliseconds(closed.close.executed_at),
    }


def fill_row(closed: ClosedRow) -> Payload:
    """Source: https://www.deepcoin.com/docs/DeepCoinTrade/tradeFills."""
    position, instrument = closed.row.position, closed.row.instrument
    _base, quote = instrument.currencies
    is_spot = instrument.product_group is ProductGroup.SPOT
    return {
        "instType": instrument.product_group.instrument_type.value,
        "instId": position.instrument_id,
        "tradeId": f"PAPER-T{closed.number}",
        "ordId": closed.order_id or f"PAPER-O{closed.number}",
        "clOrdId": "",
        "billId": str(closed.number),
        "tag": "",
        "fillPx": number(closed.price),
        "fillSz": number(closed.close.quantity_contracts),
        "side": "buy" if (position.position_side is PositionSide.LONG) is closed.is_opening else "sell",
        "posSide": "" if is_spot else position.position_side.value,
        "execType": "T",
        "feeCcy": quote,
        "fee": "0",
        "ts": milliseconds(closed.close.executed_at),
    }


def _shown_ms(instant: datetime) -> int:
    return int(milliseconds(instant))
