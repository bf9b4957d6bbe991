"""The JSON shapes of orders and of cancel answers, as documented. Records in, plain dictionaries out.

Sizes and prices of resting orders are padded to six decimals, those of trigger orders are not: the pages show both.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from deepcoin_ops.domain.model import ProductGroup
from deepcoin_ops.paper.order_book import WorkingOrder
from deepcoin_ops.paper.order_records import OrderKind
from deepcoin_ops.paper.scenario import PaperAccount
from deepcoin_ops.paper.wire import Payload, envelope, milliseconds, number

NO_ORDER = (24, "OrderNotFound:{}")
NO_TRIGGER_ORDER = (1033201232, "Order not found")


def resting_row(held: WorkingOrder) -> Payload:
    """Source: https://www.deepcoin.com/docs/DeepCoinTrade/ordersPendingV2."""
    order, instrument = held.order, held.instrument
    is_spot = instrument.product_group is ProductGroup.SPOT
    price = order.price or instrument.last_price
    return {
        "instType": instrument.product_group.instrument_type.value,
        "instId": order.instrument_id,
        "tgtCcy": "",
        "ccy": "",
        "ordId": order.order_id,
        "clOrdId": "",
        "tag": "",
        "px": _padded(price),
        "sz": _padded(order.quantity_contracts),
        "pnl": _padded(Decimal(0)),
        "ordType": order.order_type,
        "side": order.side,
        "posSide": "" if is_spot else order.position_side.value,
        "tdMode": "cash" if is_spot else order.margin_mode,
        "accFillSz": _padded(held.filled_contracts),
        "fillPx": _padded(price) if held.filled_contracts else "",
        "tradeId": "",
        "fillSz": _padded(held.filled_contracts),
        "fillTime": milliseconds(held.updated_at),
        "avgPx": _padded(price) if held.filled_contracts else "",
        "state": held.state.value,
        "lever": "1" if is_spot else _padded(Decimal(order.leverage)),
        **dict.fromkeys("tpTriggerPx tpTriggerPxType tpOrdPx slTriggerPx slTriggerPxType slOrdPx".split(), ""),
        "feeCcy": instrument.currencies[0 if instrument.product_group is ProductGroup.SWAP else 1],
        "fee": _padded(Decimal(0)),
        "rebateCcy": "",
        "source": "",
        "rebate": "",
        "category": "normal",
        "uTime": milliseconds(held.updated_at),
        "cTime": milliseconds(held.placed_at),
    }


def trigger_row(held: WorkingOrder) -> Payload:
    """One trigger or TP/SL order; the latter with size 0 when it is about the whole position, and never with a position id.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/triggerOrdersPending.
    """
    order, instrument = held.order, held.instrument
    is_spot = instrument.product_group is ProductGroup.SPOT
    is_protection = order.kind is OrderKind.PROTECTION
    trigger_price = number(order.trigger_price or instrument.last_price)
    return {
        "instType": instrument.product_group.instrument_type.value,
        "instId": order.instrument_id,
        "ordId": order.order_id,
        "triggerPx": "0" if is_protection else trigger_price,
        "ordPx": "0" if is_protection else number(order.price),
        "sz": number(order.quantity_contracts),
        "ordType": "",
        "side": order.side,
        "posSide": "" if is_spot else order.position_side.value,
        "tdMode": "cash" if is_spot else order.margin_mode,
        "triggerOrderType": "TPSL" if is_protection else order.trigger_type,
        "triggerPxType": "last",
        "lever": "" if is_spot else str(order.leverage),
        "slPrice": "0" if is_protection else "",
        "slTriggerPrice": trigger_price if is_protection else "",
        "tpPrice": "0" if is_protection else "",
        "tpTriggerPrice": "0" if is_protection else "",
        "closeSLTriggerPrice": "",
        "closeTPTriggerPrice": "",
        "cTime": milliseconds(held.placed_at),
        "uTime": milliseconds(held.updated_at),
    }


def ended_trigger_row(held: WorkingOrder) -> Payload:
    """One trigger order that ended, with its state and what it filled.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/triggerOrdersHistory; the two fields are assumed.
    """
    return {**trigger_row(held), "accFillSz": number(held.filled_contracts), "state": held.state.value}


def trailing_row(held: WorkingOrder) -> Payload:
    """One trailing exit: no id, no size, whole numbers for flag and time, which is in seconds.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/traceOrder.
    """
    order = held.order
    return {
        "triggerPrice": number(order.trigger_price or held.instrument.last_price),
        "breakPrice": "0",
        "retracePoint": number(held.instrument.tick_size * 100),
        "isTriggered": 0,
        "posSide": order.position_side.value,
        "createTime": int(held.placed_at.timestamp()),
    }


def cancel_items(account: PaperAccount, failures: Iterable[tuple[str, int, str]]) -> Payload:
    """The data of an answer about several cancels: an item for each order id, code and message that failed.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/batchCancelOrder.
    """
    return {
        "errorList": [
            {
                "memberId": account.uid,
                "accountId": f"PAPER-ACC-{account.name}",
                "orderSysId": order_id,
                "errorCode": code,
                "errorMsg": message,
            }
            for order_id, code, message in failures
        ]
    }


def single_cancel(order_id: str, code: str = "0", message: str = "") -> Payload:
    """The answer about one cancel: its success or failure is in `sCode`, the outer code says 0 both ways.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/cancelOrder.
    """
    return envelope({"ordId": order_id, "clOrdId": "", "sCode": code, "sMsg": message})


def protection_cancel(order_id: str, code: str = "0", outer: str = "", inner: str = "") -> Payload:
    """The answer about one TP/SL order: a failure is in the outer code too, with words of its own.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/cancelPositionSlTp.
    """
    return envelope({"ordId": order_id, "sCode": code, "sMsg": inner}, code, outer)


def _padded(amount: Decimal) -> str:
    return f"{amount:.6f}"
