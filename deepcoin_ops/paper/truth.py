"""The channel beside the exchange: what really happened, for tests and the demo to compare a ledger with.

Never signed, never logged, never throttled; nothing on the real exchange corresponds to it.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from deepcoin_ops.domain.model import ProductGroup
from deepcoin_ops.paper.desk import Arrival, Desk
from deepcoin_ops.paper.market import ExecutedClose, OpenRow


def build_truth(desk: Desk) -> dict[str, Any]:
    """What every account holds, what was executed, and which close requests came in.

    Returns:
        `{"accounts": {name: {"uid", "open": [...], "closes": [...], "close_requests": [...]}}}`; amounts are decimal
        text, instants ISO text in UTC, `arrival` the number of the arrival that did it.
    """
    return {"accounts": {name: _account_truth(desk, name) for name in desk.market.books}}


def build_log(desk: Desk, since: int = 0) -> list[dict[str, Any]]:
    """Every arrival after the one with number `since`, in order."""
    return [asdict(arrival) for arrival in desk.arrivals[since:]]


def _account_truth(desk: Desk, account: str) -> dict[str, Any]:
    book = desk.market.books[account]
    return {
        "uid": book.account.uid,
        "open": [_open_row(row) for row in desk.market.all_rows(account)],
        "closes": [_executed(close) for close in book.closes],
        "close_requests": [_close_request(arrival) for arrival in desk.arrivals if _is_close_of(arrival, account)],
    }


def _is_close_of(arrival: Arrival, account: str) -> bool:
    return arrival.account == account and arrival.method == "POST"


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


def _close_request(arrival: Arrival) -> dict[str, Any]:
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
