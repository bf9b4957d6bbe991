"""The order lists: two versions for resting orders, one for trigger and TP/SL orders, one for trailing exits."""

from __future__ import annotations

from collections.abc import Mapping

from deepcoin_ops.paper import order_wire
from deepcoin_ops.paper.calls import (
    Call,
    Endpoint,
    ParameterFault,
    read_instrument_type,
    read_lag_s,
    read_number,
    read_text,
)
from deepcoin_ops.paper.faults import FaultAction
from deepcoin_ops.paper.market import Market
from deepcoin_ops.paper.open_questions import FirstOrderList
from deepcoin_ops.paper.order_book import WorkingOrder
from deepcoin_ops.paper.order_records import OrderKind
from deepcoin_ops.paper.wire import Payload, envelope

MOST_ROWS = 100
ROWS_UNLESS_SAID = 30


def _second_list(market: Market, call: Call) -> Payload:
    """One page, counted from 1, of what is resting at this moment, newest first.

    A list that changes between two pages shifts: rows come twice or not at all. Nothing says how many pages there are.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/ordersPendingV2 (an instrument used to be required; 0 was seen to be
    refused).
    """
    index, limit = read_number(call, "index"), read_limit(call, ROWS_UNLESS_SAID)
    if index is None:
        raise ParameterFault("The index field is required")
    if index < 1:
        raise ParameterFault(f"The index value `{index}` must be equal or greater than 1")
    if call.fault is not None and call.fault.action is FaultAction.REPEATED_PAGE:
        index = 1
    rows = [order_wire.resting_row(held) for held in _shown(market, call, OrderKind.RESTING)]
    return envelope(rows[(index - 1) * limit : index * limit])


def _first_list(market: Market, call: Call) -> Payload:
    """The first version, which has no page any more and was seen to show nothing at all. It is never proof of anything."""
    wanted, limit = read_instrument_type(call), read_limit(call, MOST_ROWS)
    if market.scenario.ordering.first_list is FirstOrderList.EMPTY:
        return envelope([])
    rows = [
        order_wire.resting_row(held)
        for held in _shown(market, call, OrderKind.RESTING)
        if held.instrument.product_group.instrument_type is wanted
    ]
    return envelope(rows[:limit])


def _trigger_list(market: Market, call: Call) -> Payload:
    """Trigger and TP/SL orders of one instrument, the newest hundred; there is no way to ask for more.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/triggerOrdersPending.
    """
    read_instrument_type(call)
    read_text(call, "instId")
    limit = read_limit(call, MOST_ROWS)
    shown = _shown(market, call, OrderKind.TRIGGER, OrderKind.PROTECTION)
    kind = call.parameters.get("orderType")
    if kind in ("limit", "market"):
        # A trigger order without a price of its own becomes a market order.
        shown = [held for held in shown if (kind == "limit") is bool(held.order.price)]
    return envelope([order_wire.trigger_row(held) for held in shown][:limit])


def _trailing_list(market: Market, call: Call) -> Payload:
    """Trailing exits of one instrument.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/traceOrder.
    """
    read_text(call, "instId")
    return envelope([order_wire.trailing_row(held) for held in _shown(market, call, OrderKind.TRAILING)])


def _shown(market: Market, call: Call, *kinds: OrderKind) -> list[WorkingOrder]:
    """What a list shows that the parameters do not filter out, newest first."""
    market.let_time_pass()
    is_stale = call.fault is not None and call.fault.action is FaultAction.STALE_READ
    lag_s = read_lag_s(market, call) if is_stale else market.scenario.ordering.list_lag_s
    shown = market.orders.books[call.account].shown(kinds, market.clock.monotonic_s() - lag_s)
    instrument_id, order_id = (call.parameters.get(name) or None for name in ("instId", "ordId"))
    return [
        held
        for held in shown
        if instrument_id in (None, held.order.instrument_id) and order_id in (None, held.order.order_id)
    ]


def read_limit(call: Call, unless_said: int) -> int:
    """Read how many rows a list is asked for at most."""
    limit = read_number(call, "limit")
    if limit is not None and not 1 <= limit <= MOST_ROWS:
        raise ParameterFault(f"The limit value `{limit}` must be equal or lesser than {MOST_ROWS}")
    return unless_said if limit is None else limit


ORDER_LISTS: Mapping[str, Endpoint] = {
    "/deepcoin/trade/v2/orders-pending": Endpoint("GET", is_private=True, answer=_second_list),
    "/deepcoin/trade/orders-pending": Endpoint("GET", is_private=True, answer=_first_list),
    "/deepcoin/trade/trigger-orders-pending": Endpoint("GET", is_private=True, answer=_trigger_list),
    "/deepcoin/trade/trace-order-list": Endpoint("GET", is_private=True, answer=_trailing_list),
}
