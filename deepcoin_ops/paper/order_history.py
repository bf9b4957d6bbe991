"""The lists of orders that ended, filled or cancelled: one for resting orders, one for trigger orders. Newest first."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from deepcoin_ops.paper import order_wire
from deepcoin_ops.paper.calls import Call, Endpoint, read_instrument_type, read_lag_s
from deepcoin_ops.paper.faults import FaultAction
from deepcoin_ops.paper.market import Market
from deepcoin_ops.paper.order_book import WorkingOrder
from deepcoin_ops.paper.order_lists import MOST_ROWS, read_limit
from deepcoin_ops.paper.order_records import OrderKind
from deepcoin_ops.paper.wire import Payload, envelope


def _resting_history(market: Market, call: Call) -> Payload:
    """List ended resting orders of one instrument type; rows like those that wait.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/ordersHistory. Its cursors are not offered here.
    """
    return _answer(market, call, order_wire.resting_row, OrderKind.RESTING)


def _trigger_history(market: Market, call: Call) -> Payload:
    """List ended trigger orders of one instrument type.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/triggerOrdersHistory; that a row tells its end as one of the other
    list does is assumed.
    """
    return _answer(market, call, order_wire.ended_trigger_row, OrderKind.TRIGGER)


def _answer(market: Market, call: Call, build_row: Callable[[WorkingOrder], Payload], kind: OrderKind) -> Payload:
    wanted, limit = read_instrument_type(call), read_limit(call, MOST_ROWS)
    is_stale = call.fault is not None and call.fault.action is FaultAction.STALE_READ
    market.let_time_pass()
    visible_s = market.clock.monotonic_s() - (read_lag_s(market, call) if is_stale else market.scenario.ordering.list_lag_s)
    instrument_id, state = (call.parameters.get(name) or None for name in ("instId", "state"))
    ended = [
        held
        for held in market.orders.books[call.account].orders.values()
        if held.order.kind is kind
        and held.ended_s is not None
        and held.ended_s <= visible_s
        and held.instrument.product_group.instrument_type is wanted
        and instrument_id in (None, held.order.instrument_id)
        and state in (None, held.state.value)
    ]
    ended.sort(key=lambda held: held.ended_s or 0.0, reverse=True)
    return envelope([build_row(held) for held in ended[:limit]])


ORDER_HISTORY: Mapping[str, Endpoint] = {
    "/deepcoin/trade/orders-history": Endpoint("GET", is_private=True, answer=_resting_history),
    "/deepcoin/trade/trigger-orders-history": Endpoint("GET", is_private=True, answer=_trigger_history),
}
