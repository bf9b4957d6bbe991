"""Rows of the three order lists: what each becomes, and what makes a whole page unreadable."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deepcoin_ops.domain.model import PositionSide
from deepcoin_ops.domain.orders import Order, OrderKind
from deepcoin_ops.exchange import wire
from deepcoin_ops.exchange.wire_orders import parse_resting_orders, parse_trailing_orders, parse_trigger_orders
from deepcoin_ops.exchange.wire_values import UnreadableAnswer

PAYLOADS = Path(__file__).parents[2] / "payloads"
BTC = "BTC-USDT-SWAP"
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
RESTING_ROW = {"instType": "SWAP", "instId": BTC, "ordId": "7", "px": "90000", "sz": "35", "side": "buy", "posSide": "long"}
TRIGGER_ROW = {"instType": "SWAP", "instId": BTC, "ordId": "8", "sz": "2", "triggerOrderType": "Conditional"}
TRAILING_ROW = {"triggerPrice": "87195", "retracePoint": "1500", "isTriggered": 1, "posSide": "long"}

Parse = Callable[[Any], tuple[tuple[Order, ...], tuple[str, ...]]]
parse_triggers: Parse = partial(parse_trigger_orders, instrument_id=BTC)
parse_trailing: Parse = partial(parse_trailing_orders, instrument_id=BTC)
LISTS = [
    pytest.param(parse_resting_orders, RESTING_ROW, "resting", id="resting"),
    pytest.param(parse_triggers, TRIGGER_ROW, "trigger", id="trigger"),
    pytest.param(parse_trailing, TRAILING_ROW, "trailing", id="trailing"),
]


def read_data(name: str) -> Any:
    """The `data` of a documented answer, through the same door as a real one."""
    body = json.loads((PAYLOADS / f"{name}.json").read_text("utf-8"))["body"]
    return wire.parse_envelope(json.dumps(body).encode()).data


def resting(**change: Any) -> Order:
    """The order that a changed row becomes."""
    (order,), _notes = parse_resting_orders([RESTING_ROW | change])
    return order


def trigger(**change: Any) -> Order:
    """The same for a row of the trigger list."""
    (order,), _notes = parse_triggers([TRIGGER_ROW | change])
    return order


def test_documented_resting_orders_are_read_whole() -> None:
    """A contract order and a spot order, whose side of a position is empty."""
    orders, notes = parse_resting_orders(read_data("orders_pending"))
    contract, spot = orders
    assert contract == Order(
        kind=OrderKind.RESTING,
        instrument_id=BTC,
        order_id="1000777000000101",
        side="buy",
        position_side=LONG,
        quantity_contracts=Decimal(95000),
        price=Decimal(1),
        margin_mode="cross",
        state="live",
    )
    assert (spot.instrument_id, spot.position_side, spot.margin_mode) == ("ETH-USDT", None, "cash")
    assert (spot.quantity_contracts, spot.can_open) == (Decimal("0.004"), True)
    assert notes == ()


def test_documented_trigger_orders_are_read_whole() -> None:
    """One list holds what may open and what can only close, and their cancels go to different endpoints."""
    (protection, conditional), notes = parse_triggers(read_data("trigger_orders_pending"))
    assert protection == Order(
        kind=OrderKind.PROTECTION,
        instrument_id=BTC,
        order_id="1000777000000201",
        side="sell",
        position_side=LONG,
        quantity_contracts=Decimal(0),
        price=Decimal(0),
        trigger_price=Decimal(110001),
        trigger_type="TPSL",
        margin_mode="cross",
    )
    assert (conditional.kind, conditional.trigger_type) == (OrderKind.TRIGGER, "Conditional")
    assert (conditional.price, conditional.trigger_price) == (Decimal(130000), Decimal(150000))
    assert (conditional.quantity_contracts, conditional.can_open, protection.can_open) == (Decimal(200), True, False)
    assert notes == ()


def test_documented_trailing_orders_are_read_whole() -> None:
    """They have no id and no size; the distance stays the text that the cancel repeats."""
    orders, notes = parse_trailing(read_data("trace_order_list"))
    assert orders == (
        Order(
            kind=OrderKind.TRAILING,
            instrument_id=BTC,
            order_id="",
            side="",
            position_side=LONG,
            quantity_contracts=None,
            price=None,
            trigger_price=Decimal(87195),
            retrace_point="1500",
        ),
    )
    assert notes == ()


@pytest.mark.parametrize(("parse", "row", "_name"), LISTS)
def test_an_empty_list_is_readable(parse: Parse, row: dict[str, Any], _name: str) -> None:
    """This one, and only this one, says that nothing waits."""
    assert parse([]) == ((), ())
    assert len(parse([row, row])[0]) == 2


@pytest.mark.parametrize("data", [None, {}, "", 0, {"rows": []}, [None], [[]], [RESTING_ROW | TRAILING_ROW, "x"]], ids=repr)
@pytest.mark.parametrize(("parse", "_row", "_name"), LISTS)
def test_what_is_no_list_of_rows_is_unreadable(parse: Parse, _row: dict[str, Any], _name: str, data: Any) -> None:
    """Taking it for an empty list would leave an order behind that opens a position after the flatten."""
    with pytest.raises(UnreadableAnswer):
        parse(data)


@pytest.mark.parametrize("value", ["", None, True, [], {}, "  "], ids=repr)
@pytest.mark.parametrize("field", ["instId", "ordId"])
@pytest.mark.parametrize(("parse", "row", "_name"), LISTS[:2])
def test_one_row_without_a_name_makes_the_whole_page_unreadable(
    parse: Parse, row: dict[str, Any], _name: str, field: str, value: Any
) -> None:
    """A row that was passed over is an order that nobody cancels."""
    with pytest.raises(UnreadableAnswer, match="instrument or id"):
        parse([row, row | {field: value}])
    with pytest.raises(UnreadableAnswer, match="instrument or id"):
        parse([{key: kept for key, kept in row.items() if key != field}])


def test_an_id_that_is_a_number_is_text() -> None:
    """Ids are text on the pages; a number must not become another order's name on its way to the cancel."""
    assert resting(ordId=1000777000000101).order_id == "1000777000000101"


@pytest.mark.parametrize(
    ("change", "quantity"),
    [
        ({"sz": "35.000000", "accFillSz": "0.000000"}, Decimal(35)),
        ({"accFillSz": "12.5"}, Decimal("22.5")),
        ({"accFillSz": 12}, Decimal(23)),
        ({"accFillSz": "35"}, Decimal(0)),
        ({"accFillSz": ""}, Decimal(35)),
        ({"accFillSz": None}, Decimal(35)),
        ({"accFillSz": "36"}, None),
        ({"accFillSz": "some"}, None),
        ({"sz": ""}, None),
        ({"sz": "many"}, None),
        ({"sz": None, "accFillSz": "1"}, None),
    ],
    ids=repr,
)
def test_the_quantity_of_a_resting_order_is_what_has_not_filled(change: dict[str, Any], quantity: Decimal | None) -> None:
    """That is what it still holds or opens; one that cannot be told is none, and the order stays on the list."""
    assert resting(**change).quantity_contracts == quantity


@pytest.mark.parametrize(
    ("change", "side", "position_side"),
    [
        ({"side": "SELL", "posSide": "Short"}, "sell", SHORT),
        ({"side": "Buy", "posSide": "0"}, "buy", LONG),
        ({"side": "buy", "posSide": ""}, "buy", None),
        ({"side": "", "posSide": None}, "", None),
        ({"side": "sell", "posSide": "net"}, "sell", None),
    ],
    ids=repr,
)
def test_sides_are_read_in_any_case_or_not_at_all(
    change: dict[str, Any], side: str, position_side: PositionSide | None
) -> None:
    """A side that was guessed could turn an order that opens into one that only closes."""
    for order in (resting(**change), trigger(**change)):
        assert (order.side, order.position_side) == (side, position_side)


@pytest.mark.parametrize("trigger_type", ["Conditional", "Serial", "Tracking", "Line", "Next", "tpsl", "", None])
def test_whatever_is_not_the_type_of_a_protection_may_open(trigger_type: str | None) -> None:
    """Calling an unknown type harmless would leave it waiting under a verdict of flat."""
    order = trigger(triggerOrderType=trigger_type, slTriggerPrice="1", triggerPx="5")
    assert (order.kind, order.trigger_type) == (OrderKind.TRIGGER, trigger_type or "")
    assert (order.can_open, order.trigger_price) == (True, Decimal(5))


@pytest.mark.parametrize(
    ("stop", "profit", "price"),
    [
        ("110001", "170001", Decimal(110001)),
        ("110001", "0", Decimal(110001)),
        ("0", "170001", Decimal(170001)),
        ("", "170001", Decimal(170001)),
        ("0", "0", None),
        (None, None, None),
    ],
)
def test_a_protection_waits_for_the_price_of_its_stop_or_its_profit(
    stop: str | None, profit: str | None, price: Decimal | None
) -> None:
    """The page shows both fields in each row, and 0 for the one that is not set."""
    order = trigger(triggerOrderType="TPSL", slTriggerPrice=stop, tpTriggerPrice=profit, triggerPx="0")
    assert order.trigger_price == price


@pytest.mark.parametrize(
    "change", [{"instId": "ETH-USDT-SWAP"}, {"instId": "btc-usdt-swap"}, {"instType": "SPOT"}], ids=str
)
def test_trigger_rows_of_something_else_make_the_page_unreadable(change: dict[str, Any]) -> None:
    """An exchange that ignores what is asked for may have left out what is."""
    with pytest.raises(UnreadableAnswer, match="asked for SWAP BTC-USDT-SWAP"):
        parse_triggers([TRIGGER_ROW, TRIGGER_ROW | change])


def test_a_trigger_row_without_its_type_of_instrument_is_what_was_asked_for() -> None:
    """The id names the instrument; the type adds nothing."""
    assert trigger(instType="").instrument_id == BTC


def test_resting_rows_are_of_any_instrument() -> None:
    """The list is asked for all of them, oddly named ones included: an order in one may open it."""
    rows = [RESTING_ROW | {"instId": name} for name in (BTC, "ETH-USDT", "BTC-USDT-261225")]
    orders, _notes = parse_resting_orders(rows)
    assert [order.instrument_id for order in orders] == [BTC, "ETH-USDT", "BTC-USDT-261225"]


def test_a_trailing_row_that_names_another_instrument_is_unreadable() -> None:
    """No row was shown to name one; if they begin to, a wrong one must not be cancelled under this name."""
    assert parse_trailing([TRAILING_ROW | {"instId": BTC}])[0][0].instrument_id == BTC
    with pytest.raises(UnreadableAnswer, match="asked for BTC-USDT-SWAP"):
        parse_trailing([TRAILING_ROW | {"instId": "ETH-USDT-SWAP"}])


@pytest.mark.parametrize(
    ("written", "kept"), [('"0.50"', "0.50"), ("0.5", "0.5"), ("1500", "1500"), ('""', ""), ("null", ""), ("[1]", "")]
)
def test_the_distance_of_a_trailing_exit_is_kept_as_it_was_written(written: str, kept: str) -> None:
    """Its cancel has to repeat it, and a number would come back in another spelling."""
    body = b'{"code":"0","data":[{"posSide":"short","retracePoint":%s}]}' % written.encode()
    ((order,), _notes) = parse_trailing(wire.parse_envelope(body).data)
    assert (order.retrace_point, order.position_side) == (kept, SHORT)


@pytest.mark.parametrize(("parse", "row", "name"), LISTS)
def test_a_new_field_is_noticed_and_harmless(parse: Parse, row: dict[str, Any], name: str) -> None:
    """A changed exchange shows first in a new field; it is said, and the read stays good."""
    orders, notes = parse([row, row | {"reduceOnly": "true"}])
    assert len(orders) == 2
    assert notes == (f"{name} order row with unknown field(s): reduceOnly",)


@pytest.mark.parametrize(
    ("listed", "change"),
    [
        (0, {"sz": "many"}),
        (0, {"accFillSz": [1]}),
        (0, {"px": "market"}),
        (0, {"side": "hold"}),
        (0, {"posSide": "net"}),
        (0, {"state": {"live": 1}}),
        (1, {"triggerPx": "soon"}),
        (1, {"ordPx": "NaN"}),
        (1, {"triggerOrderType": ["TPSL"]}),
        (1, {"slTriggerPrice": "low"}),
        (2, {"posSide": "net"}),
        (2, {"retracePoint": [1]}),
        (2, {"triggerPrice": "now"}),
    ],
    ids=str,
)
def test_a_value_of_another_type_is_noticed_and_counts_as_missing(listed: int, change: dict[str, Any]) -> None:
    """The order is still there to be cancelled; that the exchange writes something else now must not go unseen."""
    parse, row, name = LISTS[listed].values
    orders, notes = parse([row | change])
    assert len(orders) == 1
    assert notes == (f"{name} order row with unreadable value(s) of: {next(iter(change))}",)
