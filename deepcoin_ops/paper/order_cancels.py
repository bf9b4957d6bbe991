"""The cancel endpoints: one order, up to fifty, all of an instrument, and each of the other lists in its own way.

A cancel that comes too late answers as if the order had never been there; only TP/SL orders tell the two apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from deepcoin_ops.domain.model import ProductGroup
from deepcoin_ops.paper import order_wire
from deepcoin_ops.paper.calls import Call, Endpoint, ParameterFault, read_choice, read_instrument_type, read_text
from deepcoin_ops.paper.listing import PaperInstrument
from deepcoin_ops.paper.market import Market
from deepcoin_ops.paper.open_questions import CancelAllAnswer, InstrumentForm, MismatchAnswer
from deepcoin_ops.paper.order_book import WorkingOrder
from deepcoin_ops.paper.order_desk import Cancel
from deepcoin_ops.paper.order_records import OrderKind
from deepcoin_ops.paper.order_wire import NO_ORDER, NO_TRIGGER_ORDER
from deepcoin_ops.paper.wire import Payload, envelope

MOST_IDS = 50
ANY = -1
Failure = tuple[str, int, str]


def _cancel_one(market: Market, call: Call) -> Payload:
    """Cancel one resting order. That a missing one answers code 24, as in a batch, is assumed.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/cancelOrder.
    """
    return _single(market, call, OrderKind.RESTING, NO_ORDER)


def _cancel_trigger(market: Market, call: Call) -> Payload:
    """Cancel one trigger order; a TP/SL order is none and was seen to need its own endpoint.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/cancelTriggerOrder.
    """
    return _single(market, call, OrderKind.TRIGGER, NO_TRIGGER_ORDER)


def _cancel_batch(market: Market, call: Call) -> Payload:
    """Cancel up to fifty resting orders of any instruments. The pages spell the parameter in two ways; both are taken.

    That more than fifty are refused, and how, is assumed.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/batchCancelOrder.
    """
    named = call.parameters.get("OrderSysIDs") or call.parameters.get("orderSysIDs")
    if not isinstance(named, list) or not named:
        raise ParameterFault("The OrderSysIDs field is required")
    if len(named) > MOST_IDS:
        raise ParameterFault(f"The OrderSysIDs value must be equal or lesser than {MOST_IDS}")
    market.let_time_pass()
    failures = []
    for order_id in map(str, named):
        failure = _cancel(market, call, order_id, _find(market, call, order_id, OrderKind.RESTING), NO_ORDER)
        failures += [failure] if failure else []
    return _items(market, call, failures)


def _cancel_all(market: Market, call: Call) -> Payload:
    """Cancel the resting orders of one instrument in one margin mode and one merge mode: four calls cover it whole.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/cancelAllOrder.
    """
    group = _read_group(call)
    instrument = _read_instrument(market, group, read_text(call, "InstrumentID"))
    modes = _read_flag(market, call, "IsCrossMargin"), _read_flag(market, call, "IsMergeMode")
    market.let_time_pass()
    resting = market.orders.books[call.account].working(OrderKind.RESTING)
    chosen = [held for held in resting if held.instrument is instrument and _has_modes(held, *modes)]
    payload = _items(market, call, _cancel_each(market, call, chosen, NO_ORDER))
    if market.scenario.ordering.cancel_all is CancelAllAnswer.EMPTY_OBJECT and not payload["data"]["errorList"]:
        return envelope({})
    return payload


def _cancel_all_triggers(market: Market, call: Call) -> Payload:
    """Cancel the trigger orders of a product group, or of one instrument, in all modes unless some are named.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/cancelTriggerOrderAll; item codes for it are not documented, that of
    the single cancel is assumed.
    """
    group, named = _read_group(call), call.parameters.get("InstrumentID")
    instrument = _read_instrument(market, group, str(named)) if named else None
    modes = _read_flag(market, call, "IsCrossMargin", ANY), _read_flag(market, call, "IsMergeMode", ANY)
    market.let_time_pass()
    covers_protection = market.scenario.ordering.trigger_all_covers_protection
    kinds = (OrderKind.TRIGGER, OrderKind.PROTECTION) if covers_protection else (OrderKind.TRIGGER,)
    chosen = [
        held
        for held in market.orders.books[call.account].working(*kinds)
        if (held.instrument is instrument if named else held.instrument.product_group is group) and _has_modes(held, *modes)
    ]
    return _items(market, call, _cancel_each(market, call, chosen, NO_TRIGGER_ORDER))


def _cancel_protection(market: Market, call: Call) -> Payload:
    """Cancel one TP/SL order; unlike the others it says whether the order was there once.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/cancelPositionSlTp.
    """
    read_instrument_type(call)
    instrument_id, order_id = read_text(call, "instId"), read_text(call, "ordId")
    market.let_time_pass()
    held = _find(market, call, order_id, OrderKind.PROTECTION, instrument_id)
    failure = _cancel(market, call, order_id, held, (51400, "Order does not exist"))
    if failure is None:
        return order_wire.protection_cancel(order_id)
    if held is not None and not held.is_working:
        return order_wire.protection_cancel(
            order_id, "51401", "Order already executed", "Order already executed or canceled"
        )
    return order_wire.protection_cancel(order_id, str(failure[1]), failure[2], failure[2])


def _trailing(market: Market, call: Call) -> Payload:
    """Cancel the trailing exits of one side by the price 0; placing one is not offered here.

    That the answer is the same when there was none is assumed: the page shows no other.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/traceOrder.
    """
    instrument_id, side = read_text(call, "instId"), read_choice(call, "posSide", ["long", "short"])
    read_text(call, "retracePoint")
    if read_text(call, "triggerPrice") != "0":
        raise ParameterFault("The triggerPrice value must be 0: the paper exchange places no trailing orders")
    market.let_time_pass()
    for held in market.orders.books[call.account].working(OrderKind.TRAILING):
        if (held.order.instrument_id, held.order.position_side.value) == (instrument_id, side):
            _cancel(market, call, held.order.order_id, held, NO_TRIGGER_ORDER)
    return envelope({})


def _single(market: Market, call: Call, kind: OrderKind, missing: tuple[int, str]) -> Payload:
    instrument_id, order_id = read_text(call, "instId"), read_text(call, "ordId")
    market.let_time_pass()
    failure = _cancel(market, call, order_id, _find(market, call, order_id, kind, instrument_id), missing)
    if failure is None:
        return order_wire.single_cancel(order_id)
    return order_wire.single_cancel("", str(failure[1]), failure[2])


def _cancel_each(market: Market, call: Call, chosen: Iterable[WorkingOrder], missing: tuple[int, str]) -> list[Failure]:
    failures = (_cancel(market, call, held.order.order_id, held, missing) for held in chosen)
    return [failure for failure in failures if failure is not None]


def _cancel(
    market: Market, call: Call, order_id: str, held: WorkingOrder | None, missing: tuple[int, str]
) -> Failure | None:
    """Cancel one order; what the answer says about it when it was not cancelled."""
    fault = call.fault
    if held is not None and fault is not None and fault.spares(held.order.position_side):
        return order_id, fault.error_code, fault.error_message
    if market.orders.cancel(held, Cancel(call.account, call.arrival, fault)):
        return None
    code, message = missing
    return order_id, code, message.format(order_id)


def _find(
    market: Market, call: Call, order_id: str, kind: OrderKind, instrument_id: str | None = None
) -> WorkingOrder | None:
    """The order with an id, waiting or ended, if it is of the kind and in the instrument."""
    held = market.orders.books[call.account].orders.get(order_id)
    if held is None or held.order.kind is not kind or instrument_id not in (None, held.order.instrument_id):
        return None
    return held


def _items(market: Market, call: Call, failures: Iterable[Failure]) -> Payload:
    return envelope(order_wire.cancel_items(market.books[call.account].account, failures))


def _read_group(call: Call) -> ProductGroup:
    return ProductGroup(read_choice(call, "ProductGroup", [ProductGroup.SWAP.value, ProductGroup.SWAP_U.value]))


def _read_instrument(market: Market, group: ProductGroup, named: str) -> PaperInstrument | None:
    """The instrument by the name these endpoints use; None when it trades in the other group and nothing is said of it."""
    is_any = market.scenario.ordering.instrument_form is InstrumentForm.ANY
    found = find_instrument(market.instruments, named)
    if found is None or (named == found.instrument_id and not is_any):
        raise ParameterFault("len(rows) expected(1) got(0) rows([])", code="50")
    if found.product_group is group:
        return found
    if market.scenario.mismatch_answer is MismatchAnswer.SILENT:
        return None
    raise ParameterFault("len(rows) expected(1) got(0) rows([])", code="50")


def find_instrument(instruments: Mapping[str, PaperInstrument], named: str) -> PaperInstrument | None:
    """The contract that `BTCUSDT` or `BTC-USDT-SWAP` names."""
    contracts = [held for held in instruments.values() if held.product_group is not ProductGroup.SPOT]
    return next((held for held in contracts if named in ("".join(held.currencies), held.instrument_id)), None)


def _read_flag(market: Market, call: Call, name: str, unless_said: int | None = None) -> int:
    """A whole number: 1, 0, or -1 where that is allowed and stands for both."""
    value: Any = call.parameters.get(name, unless_said)
    if value is None:
        raise ParameterFault(f"The {name} field is required")
    allowed = (0, 1) if unless_said is None else (ANY, 0, 1)
    if isinstance(value, str) and market.scenario.ordering.takes_text_flags and value in map(str, allowed):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value in allowed:
        return value
    raise ParameterFault(f"The {name} value `{value}` is not in acceptable range: {','.join(map(str, allowed))}")


def _has_modes(held: WorkingOrder, is_cross: int, is_merged: int) -> bool:
    order = held.order
    return is_cross in (ANY, int(order.margin_mode == "cross")) and is_merged in (ANY, int(order.merge_mode == "merge"))


def _untouched(call: Call) -> Payload:
    """What a single cancel answers when a fault kept it from being processed: the lie of a success."""
    return order_wire.single_cancel(str(call.parameters.get("ordId", "")))


TRADE = "/deepcoin/trade/"
ORDER_CANCELS: Mapping[str, Endpoint] = {
    TRADE + "cancel-order": Endpoint("POST", True, _cancel_one, unprocessed=_untouched),
    TRADE + "batch-cancel-order": Endpoint("POST", True, _cancel_batch),
    TRADE + "swap/cancel-all": Endpoint("POST", True, _cancel_all),
    # Documented as 60 in 2 s, per user and instrument type.
    TRADE + "cancel-trigger-order": Endpoint("POST", True, _cancel_trigger, per_period=30, unprocessed=_untouched),
    TRADE + "swap/cancel-trigger-all": Endpoint("POST", True, _cancel_all_triggers),
    TRADE + "cancel-position-sltp": Endpoint("POST", True, _cancel_protection, unprocessed=_untouched),
    TRADE + "trace-order": Endpoint("POST", True, _trailing, unprocessed=lambda _call: envelope({})),
}
