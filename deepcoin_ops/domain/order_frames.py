"""A trading day's waiting orders and their cancels as frames. Pure; as in `day_frames`, the contracts are in `tables`."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from deepcoin_ops.domain.day import AccountDay, DayFlatten, OrderPage
from deepcoin_ops.domain.frames import Row
from deepcoin_ops.domain.orders import CancelAttempt, Order
from deepcoin_ops.domain.tables import CANCEL_ATTEMPTS, ORDERS_AFTER


def build_cancel_attempts(trading_day: str, days: Sequence[AccountDay]) -> pd.DataFrame:
    """The day's cancels, one row per send, by account and flatten in the order of the ledger; see `CANCEL_ATTEMPTS`."""
    return CANCEL_ATTEMPTS.build(list_cancel_attempts(trading_day, days))


def list_cancel_attempts(trading_day: str, days: Sequence[AccountDay]) -> list[Row]:
    """The rows of `build_cancel_attempts`."""
    return [
        _build_cancel_row(trading_day, cancel) for day in days for flatten in day.flattens for cancel in flatten.cancels
    ]


def build_orders_after(trading_day: str, days: Sequence[AccountDay]) -> pd.DataFrame:
    """What each flatten of the day saw waiting last, one row per order; see `ORDERS_AFTER`."""
    return ORDERS_AFTER.build(list_orders_after(trading_day, days))


def list_orders_after(trading_day: str, days: Sequence[AccountDay]) -> list[Row]:
    """The rows of `build_orders_after`."""
    rows: list[Row] = []
    for flatten in (flatten for day in days for flatten in day.flattens):
        listed = [(page, order) for page in flatten.orders_after for order in page.orders]
        rows += [
            _build_order_row(trading_day, flatten, page, order) | {"row_index": index}
            for index, (page, order) in enumerate(listed)
        ]
    return rows


def _build_cancel_row(trading_day: str, cancel: CancelAttempt) -> Row:
    intent = cancel.intent
    return {
        "trading_day": trading_day,
        "account": cancel.account,
        "flatten_id": cancel.flatten_id,
        "cancel_id": intent.cancel_id,
        "order_kind": intent.kind.value,
        "instrument_ids": ", ".join(intent.instrument_ids),
        "order_ids": ", ".join(intent.order_ids),
        "orders": len(intent.order_ids),
        "send_number": intent.send_number,
        "endpoint": intent.endpoint,
        "intent_at": cancel.intent_at,
        "sent_at": cancel.sent_at,
        "answered_at": cancel.answered_at,
        "outcome": cancel.outcome.value,
        "reason": cancel.reason,
        "error_code": cancel.error_code,
        "http_status": cancel.http_status,
        "cancel_errors": len(cancel.cancel_errors),
        "error_codes": ", ".join(dict.fromkeys(item.error_code for item in cancel.cancel_errors)),
    }


def _build_order_row(trading_day: str, flatten: DayFlatten, page: OrderPage, order: Order) -> Row:
    return {
        "trading_day": trading_day,
        "account": flatten.request.account,
        "flatten_id": flatten.request.flatten_id,
        "order_list": page.order_list.value,
        "order_kind": order.kind.value,
        "instrument_id": order.instrument_id,
        "order_id": order.order_id,
        "side": order.side,
        "position_side": order.position_side and order.position_side.value,
        "quantity_contracts": order.quantity_contracts,
        "price": order.price,
        "trigger_price": order.trigger_price,
        "trigger_type": order.trigger_type,
        "can_open": order.can_open,
        "is_configured": order.instrument_id in flatten.configured,
        "is_dry_run": flatten.request.is_dry_run,
        "read_purpose": page.purpose,
        "read_started_at": page.started_at,
        "read_finished_at": page.finished_at,
    }
