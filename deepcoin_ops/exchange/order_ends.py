"""Reading from the exchange's own history how orders ended. Sends reads only.

A list shows the newest hundred and is read once: what it does not name has not ended, as far as it tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepcoin_ops.domain.facts import EndedOrder, OrderEnd
from deepcoin_ops.domain.model import InstrumentType
from deepcoin_ops.domain.orders import OrderList
from deepcoin_ops.exchange.client import DeepcoinClient, Fetched
from deepcoin_ops.exchange.pacing import never
from deepcoin_ops.exchange.wire_values import UnreadableAnswer, parse_decimal, parse_rows, parse_text, shorten

PAGE_ROWS = 100
_ENDS = {"canceled": OrderEnd.CANCELLED, "cancelled": OrderEnd.CANCELLED, "filled": OrderEnd.FILLED}


@dataclass(frozen=True)
class _List:
    path: str
    lane: str


# Source: https://www.deepcoin.com/docs/DeepCoinTrade/ordersHistory and .../triggerOrdersHistory.
_LISTS: Mapping[OrderList, _List] = {
    OrderList.RESTING: _List("/deepcoin/trade/orders-history", "orders-history"),
    OrderList.TRIGGER: _List("/deepcoin/trade/trigger-orders-history", "trigger-orders-history"),
}
ORDER_END_LANES = tuple(each.lane for each in _LISTS.values())


def fetch_order_ends(
    client: DeepcoinClient, instrument_type: InstrumentType, order_list: OrderList
) -> Fetched[tuple[EndedOrder, ...]]:
    """Fetch how the newest orders of one type and list ended. Sends one GET.

    Args:
        client: The account's client.
        instrument_type: SWAP or SPOT.
        order_list: Of resting or of trigger orders; trailing exits have no ids to be known by.

    Raises:
        ReadFailed: Anything short of a readable list; that is never "not ended".
    """
    asked = _LISTS[order_list]
    query = {"instType": instrument_type.value, "limit": str(PAGE_ROWS)}
    return client.fetch_page(asked.lane, asked.path, query, parse_order_ends, never)


def parse_order_ends(data: Any) -> tuple[EndedOrder, ...]:
    """Parse the rows of a list of ended orders; a row whose state is no end is passed over.

    Raises:
        UnreadableAnswer: `data` is not a list, or the row of an end has no id or no readable filled size.
    """
    ends = []
    for row in parse_rows(data):
        end = _ENDS.get((parse_text(row.get("state")) or "").lower())
        if end is None:
            continue
        order_id, filled = parse_text(row.get("ordId")), parse_decimal(row.get("accFillSz"))
        if not order_id or filled is None:
            raise UnreadableAnswer(f"an ended order has no readable id or filled size: {shorten(row)}")
        ends.append(EndedOrder(order_id, end, filled))
    return tuple(ends)
