"""The exchange's JSON shapes: field names, types and oddities as documented. Records in, plain dictionaries out.

Numbers are strings and "" stands for "does not apply"; `code` is the string "0" while `errorCode` is a number.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from deepcoin_ops.domain.model import PositionSide, ProductGroup
from deepcoin_ops.paper.book import AccountBook, CloseFailure, OpenRow
from deepcoin_ops.paper.listing import PaperInstrument
from deepcoin_ops.paper.scenario import PaperAccount

Payload = dict[str, Any]

TICK_SPREAD = Decimal("0.0001")


def envelope(data: Any, code: str = "0", message: str = "") -> Payload:
    """The frame around every answer."""
    return {"code": code, "msg": message, "data": data}


def number(amount: Decimal) -> str:
    """An amount as the exchange writes it: plain, without an exponent or padding zeros."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def milliseconds(instant: datetime) -> str:
    """Whole seconds padded to milliseconds, as the real rows show them."""
    return str(int(instant.timestamp()) * 1000)


def instrument_row(instrument: PaperInstrument) -> Payload:
    """Source: https://www.deepcoin.com/docs/DeepCoinMarket/getBaseInfo."""
    base, quote = instrument.currencies
    is_spot = instrument.product_group is ProductGroup.SPOT
    return {
        "instType": instrument.product_group.instrument_type.value,
        "instId": instrument.instrument_id,
        "uly": "" if is_spot else f"{base}-{quote}",
        "baseCcy": base,
        "quoteCcy": quote,
        "ctVal": number(instrument.contract_size),
        "ctValCcy": "",
        "listTime": "0",
        "lever": "1" if is_spot else str(instrument.leverage),
        "tickSz": number(instrument.tick_size),
        "lotSz": number(instrument.lot_size),
        "minSz": number(instrument.min_size),
        "ctType": "",
        "alias": "",
        "state": instrument.state,
        "maxLmtSz": number(instrument.max_market_size),
        "maxMktSz": number(instrument.max_market_size),
    }


def ticker_row(instrument: PaperInstrument, now_ms: int) -> Payload:
    """Source: https://www.deepcoin.com/docs/DeepCoinMarket/getMarketTickers."""
    last = instrument.last_price
    return {
        "instType": instrument.product_group.instrument_type.value,
        "instId": instrument.instrument_id,
        "last": number(last),
        "lastSz": "",
        "askPx": number(last * (1 + TICK_SPREAD)),
        "askSz": "1000",
        "bidPx": number(last * (1 - TICK_SPREAD)),
        "bidSz": "1000",
        "open24h": number(last),
        "high24h": number(last),
        "low24h": number(last),
        "volCcy24h": "0",
        "vol24h": "0",
        "sodUtc0": "",
        "sodUtc8": "",
        "ts": str(now_ms),
    }


def mark_price_row(instrument: PaperInstrument, now_ms: int) -> Payload:
    """Source: https://www.deepcoin.com/docs/DeepCoinMarket/getMarkPrice."""
    return {
        "instType": instrument.product_group.instrument_type.value,
        "instId": instrument.instrument_id,
        "markPx": number(instrument.last_price),
        "ts": str(now_ms),
    }


def position_row(row: OpenRow) -> Payload:
    """One row of the positions read, with the undocumented fields that live answers carry too.

    Source: https://www.deepcoin.com/docs/DeepCoinAccount/accountPositions.
    """
    position, instrument = row.position, row.instrument
    base, quote = instrument.currencies
    is_spot = instrument.product_group is ProductGroup.SPOT
    is_inverse = instrument.product_group is ProductGroup.SWAP
    value = position.quantity_contracts * instrument.contract_size * (1 if is_inverse else position.average_price)
    margin = value / position.leverage / (position.average_price if is_inverse else 1)
    return {
        "instType": instrument.product_group.instrument_type.value,
        "mgnMode": "cash" if is_spot else position.margin_mode,
        "instId": position.instrument_id,
        "posId": position.position_id,
        "posSide": "" if is_spot else position.position_side.value,
        "pos": number(position.quantity_contracts),
        "avgPx": number(position.average_price),
        "lever": "" if is_spot else str(position.leverage),
        "liqPx": "" if is_spot else "0",
        "useMargin": "" if is_spot else number(round(margin, 8)),
        "unrealizedProfit": "" if is_spot else number(round(row.unrealized_profit, 8)),
        "mrgPosition": "" if is_spot else position.merge_mode,
        "ccy": base if is_spot or is_inverse else quote,
        "uTime": milliseconds(row.updated_at),
        "cTime": milliseconds(row.created_at),
        "lastPx": number(instrument.last_price),
        "tpTriggerPx": "",
        "slTriggerPx": "",
        "isLeading": position.is_leading,
        "isFollow": position.is_following,
    }


def balance_rows(book: AccountBook, is_spot: bool) -> list[Payload]:
    """One row per currency: cash and holdings of the spot wallet, or margin and profit of the swap wallet.

    Source: https://www.deepcoin.com/docs/DeepCoinAccount/getAccountBalance.
    """
    totals = dict(book.spot_balances if is_spot else book.swap_balances)
    profits: dict[str, Decimal] = {}
    for row in book.rows:
        base, quote = row.instrument.currencies
        group = row.instrument.product_group
        if is_spot and group is ProductGroup.SPOT:
            totals[base] = totals.get(base, Decimal(0)) + row.position.quantity_contracts
        elif not is_spot and group is not ProductGroup.SPOT:
            currency = base if group is ProductGroup.SWAP else quote
            profits[currency] = profits.get(currency, Decimal(0)) + row.unrealized_profit
    return [_balance_row(ccy, totals.get(ccy, Decimal(0)), profits.get(ccy)) for ccy in sorted({*totals, *profits})]


def _balance_row(currency: str, total: Decimal, profit: Decimal | None) -> Payload:
    return {
        "ccy": currency,
        "bal": number(total),
        "frozenBal": "0",
        "availBal": number(total),
        "unrealizedProfit": number(round(profit or Decimal(0), 8)),
        "equity": number(round(total + (profit or Decimal(0)), 8)),
    }


def error_list(account: PaperAccount, failures: Iterable[CloseFailure]) -> Payload:
    """The data of a close answer; an empty list says that everything was accepted.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/batchClosePosition.
    """
    return {
        "errorList": [
            {
                "memberId": account.uid,
                "accountId": f"PAPER-ACC-{account.name}",
                "tradeUnitId": failure.position_id,
                "instId": failure.instrument_id,
                "posiDirection": _direction(failure.position_side),
                "errorCode": failure.code,
                "errorMsg": failure.message,
            }
            for failure in failures
        ]
    }


def _direction(position_side: PositionSide | None) -> str:
    return "" if position_side is None else position_side.value
