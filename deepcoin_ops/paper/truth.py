"""The channel beside the exchange: what really happened, for tests and the demo to compare a ledger with.

Never signed, never logged, never throttled; nothing on the real exchange corresponds to it.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from deepcoin_ops.domain.model import ProductGroup
from deepcoin_ops.paper.book import ExecutedClose, OpenRow
from deepcoin_ops.paper.desk import Arrival, Desk
from deepcoin_ops.paper.order_book import OrderFill, WorkingOrder

CLOSE_PATHS = ("/batch-close-position", "/close-position-by-ids")


def build_truth(desk: Desk) -> dict[str, Any]:
    """What every account holds, what was executed, and which close requests came in.

    Returns:
        `{"accounts": {name: {"uid", "open": [...], "closes": [...], "close_requests": [...], "orders": [...],
        "order_fills": [...], "cancel_requests": [...]}}}`; amounts are decimal text, instants ISO text in UTC, `arrival` is
        the number of the arrival that did it: 0 for a close by an order's fill.
    """
    return {"accounts": {name: _account_truth(desk, name) for name in desk.market.books}}


def build_log(desk: Desk, since: int = 0) -> list[dict[str, Any]]:
    """Every arrival after the one with number `since`, in order."""
    return [asdict(arrival) for arrival in desk.arrivals[since:]]


def _account_truth(desk: Desk, account: str) -> dict[str, Any]:
    book, orders = desk.market.books[account], desk.market.orders.books[account]
    sent = [arrival for arrival in desk.arrivals if arrival.account == account and arrival.method == "POST"]
    # Asked first: it lets everything happen that was due.
    rows = desk.market.all_rows(account)
    return {
        "uid": book.account.uid,
        "open": [_open_row(row) for row in rows],
        "closes": [_executed(close) for close in book.closes],
        "close_requests": [_request(arrival) for arrival in sent if arrival.path.endswith(CLOSE_PATHS)],
        "orders": [_order(held) for held in orders.orders.values()],
        "order_fills": [_order_fill(fill) for fill in orders.fills],
        "cancel_requests": [_request(arrival) for arrival in sent if not arrival.path.endswith(CLOSE_PATHS)],
    }


def _open_row(row: OpenRow) -> dict[str, str]:
    position, group = row.position, row.instrument.product_group
    return {
        "instrument_id": position.instrument_id,
        "product_group": group.value,
        "position_id": position.position_id,
        "position_side": position.position_side.value,
        "quantity_contracts": str(position.quantity_contracts),
        "margin_mode": "cash" if group is ProductGroup.SPOT else position.margin_mode,
        "merge_mode": "" if group is ProductGroup.SPOT else position.merge_mode,
    }


def _executed(close: ExecutedClose) -> dict[str, Any]:
    return {
        **asdict(close),
        "executed_at": close.executed_at.isoformat(),
        "position_side": close.position_side.value,
        "quantity_contracts": str(close.quantity_contracts),
    }


def _order(held: WorkingOrder) -> dict[str, Any]:
    order = held.order
    return {
        "order_id": order.order_id,
        "kind": order.kind.value,
        "instrument_id": order.instrument_id,
        "position_side": order.position_side.value,
        "is_closing": order.closes,
        "quantity_contracts": str(order.quantity_contracts),
        "filled_contracts": str(held.filled_contracts),
        "state": held.state.value,
        "is_working": held.is_working,
        "cancel_arrival": held.arrival,
        "placed_at": held.placed_at.isoformat(),
        "updated_at": held.updated_at.isoformat(),
    }


def _order_fill(fill: OrderFill) -> dict[str, Any]:
    return {
        **asdict(fill),
        "filled_at": fill.filled_at.isoformat(),
        "quantity_contracts": str(fill.quantity_contracts),
    }


def _request(arrival: Arrival) -> dict[str, Any]:
    return {
        "arrival": arrival.number,
        "arrived_s": arrival.arrived_s,
        "path": arrival.path,
        "instrument_id": arrival.instrument_id,
        "is_accepted": arrival.is_accepted,
        "is_executed": arrival.is_executed,
        "status": arrival.status,
        "fault": arrival.fault,
    }
