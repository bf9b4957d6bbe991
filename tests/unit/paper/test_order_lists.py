"""What the order lists show: pages, filters, lag, and the first version that shows nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.open_questions import FirstOrderList, OrderRules
from deepcoin_ops.paper.order_records import OrderKind

PAYLOADS = Path(__file__).parents[2] / "payloads"
BTC = "BTC-USDT-SWAP"
LIST, FIRST, TRIGGERS, TRAILING = "v2/orders-pending", "orders-pending", "trigger-orders-pending", "trace-order-list"


def documented(name: str) -> dict[str, Any]:
    """The body of a documented answer."""
    body: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text("utf-8"))["body"]
    return body


def ids(payload: dict[str, Any]) -> list[str]:
    """The order ids of a list, in its order."""
    return [row["ordId"] for row in payload["data"]]


@pytest.mark.parametrize(
    ("path", "parameters", "payload"),
    [
        (LIST, {"index": "1"}, "orders_pending"),
        (TRIGGERS, {"instType": "SWAP", "instId": BTC}, "trigger_orders_pending"),
        (TRAILING, {"instId": BTC}, "trace_order_list"),
    ],
)
def test_a_row_has_the_documented_fields_and_types(
    set_stage, order, path: str, parameters: dict[str, str], payload: str
) -> None:
    """In the documented order too; a number where the pages show text is a different exchange."""
    stage = set_stage(
        order(),
        order("S", instrument_id="SOL-USDT"),
        order("T", kind=OrderKind.TRIGGER),
        order("P", size="0", kind=OrderKind.PROTECTION),
        order("R", size="0", kind=OrderKind.TRAILING),
    )
    shown = stage.ask(path, **parameters)["data"]
    [expected, *_] = documented(payload)["data"]
    assert shown
    for row in shown:
        assert {name: type(value) for name, value in row.items()} == {name: type(value) for name, value in expected.items()}
        assert list(row) == list(expected)


def test_protection_has_size_zero_and_nothing_that_names_its_position(set_stage, order) -> None:
    """Nobody can tell from the list which position it belongs to."""
    stage = set_stage(order(size="0", kind=OrderKind.PROTECTION, position_id="P1"))
    [row] = stage.ask(TRIGGERS, instType="SWAP", instId=BTC)["data"]
    assert (row["sz"], row["triggerOrderType"], row["side"], row["posSide"]) == ("0", "TPSL", "sell", "long")
    assert "P1" not in row.values()


def test_the_list_comes_newest_first_in_pages_of_thirty_counted_from_one(set_stage, order) -> None:
    """Nothing in an answer says whether there is another page."""
    stage = set_stage(*(order(f"N{number}") for number in range(65)))
    pages = [ids(stage.ask(LIST, index=str(index))) for index in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [30, 30, 5, 0]
    assert pages[0][0] == "N64"
    assert pages[2][-1] == "N0"
    assert len(ids(stage.ask(LIST, index="1", limit="100"))) == 65


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "The index field is required"),
        ({"index": "0"}, "The index value `0`"),
        ({"index": "-1"}, "is not a number"),
        ({"index": "1", "limit": "101"}, "must be equal or lesser than 100"),
        ({"index": "1", "limit": "0"}, "must be equal or lesser than 100"),
    ],
)
def test_a_wrong_page_is_refused(set_stage, parameters: dict[str, str], message: str) -> None:
    """Index 0 was seen to be refused; that it means the first page is an easy mistake."""
    payload = set_stage().ask(LIST, **parameters)
    assert (payload["code"], payload["data"]) == ("51", None)
    assert message in payload["msg"]


def test_a_list_that_shrinks_between_two_pages_skips_an_order(set_stage, order) -> None:
    """Cancelling the first page while reading on is how an order is lost."""
    stage = set_stage(*(order(f"N{number}") for number in range(4)))
    first = ids(stage.ask(LIST, index="1", limit="2"))
    stage.ask("batch-cancel-order", OrderSysIDs=first)
    assert ids(stage.ask(LIST, index="2", limit="2")) == []
    assert stage.working() == ["N0", "N1"]


def test_a_list_that_grows_between_two_pages_shows_an_order_twice(set_stage, order) -> None:
    """A new order pushes the others down."""
    stage = set_stage(*(order(f"N{number}") for number in range(4)))
    assert ids(stage.ask(LIST, index="1", limit="2")) == ["N3", "N2"]
    stage.market.orders.place("main", order("NEW"))
    assert ids(stage.ask(LIST, index="2", limit="2")) == ["N2", "N1"]


def test_lists_filter_by_instrument_and_id(set_stage, order) -> None:
    """Without an instrument the second version shows all of them, spot as well."""
    stage = set_stage(order(), order("S", instrument_id="SOL-USDT"), order("T", kind=OrderKind.TRIGGER))
    assert ids(stage.ask(LIST, index="1")) == ["S", "A"]
    assert ids(stage.ask(LIST, index="1", instId=BTC)) == ["A"]
    assert ids(stage.ask(LIST, index="1", ordId="S")) == ["S"]
    assert ids(stage.ask(TRIGGERS, instType="SWAP", instId=BTC)) == ["T"]
    assert ids(stage.ask(TRIGGERS, instType="SWAP", instId="ETH-USDT-SWAP")) == []
    assert stage.ask(TRIGGERS, instType="SWAP")["code"] == "51"
    assert stage.ask(TRAILING)["code"] == "51"


def test_the_first_version_shows_nothing_unless_the_scenario_believes_in_it(set_stage, order) -> None:
    """Live limit orders were seen to be missing from it: an empty answer proves nothing."""
    assert ids(set_stage(order()).ask(FIRST, instType="SWAP")) == []
    believed = set_stage(order(), order("S", instrument_id="SOL-USDT"), ordering=OrderRules(first_list=FirstOrderList.TRUE))
    assert ids(believed.ask(FIRST, instType="SWAP")) == ["A"]
    assert believed.ask(FIRST)["code"] == "51"


def test_a_lagging_list_shows_what_was_cancelled_and_not_what_is_new(set_stage, order) -> None:
    """Exact reads were seen to be wrong for seconds after a cancel."""
    stage = set_stage(order(), ordering=OrderRules(list_lag_s=2.0))
    stage.elapsed_s = 10.0
    stage.ask("cancel-order", instId=BTC, ordId="A")
    stage.market.orders.place("main", order("B"))
    stage.elapsed_s = 11.9
    assert ids(stage.ask(LIST, index="1")) == ["A"]
    stage.elapsed_s = 12.0
    assert ids(stage.ask(LIST, index="1")) == ["B"]


def test_faults_repeat_a_page_or_show_an_old_one(set_stage, order) -> None:
    """A server that ignores the index would be read for ever by who waits for a short page."""
    stage = set_stage(*(order(f"N{number}") for number in range(4)))
    repeated = Fault(FaultAction.REPEATED_PAGE, endpoint=LIST)
    assert ids(stage.ask(LIST, repeated, index="2", limit="2")) == ["N3", "N2"]
    stage.elapsed_s = 5.0
    stage.ask("batch-cancel-order", OrderSysIDs=["N0", "N1", "N2", "N3"])
    assert ids(stage.ask(LIST, index="1")) == []
    assert len(ids(stage.ask(LIST, Fault(FaultAction.STALE_READ, delay_s=1.0), index="1"))) == 4


def test_trigger_orders_filter_by_what_they_become(set_stage, order) -> None:
    """A limit order when they have a price of their own, a market order otherwise; nothing pages beyond a hundred."""
    orders = [order(f"L{number}", kind=OrderKind.TRIGGER, price="5") for number in range(101)]
    stage = set_stage(*orders, order("M", kind=OrderKind.TRIGGER))
    ask = {"instType": "SWAP", "instId": BTC}
    assert ids(stage.ask(TRIGGERS, orderType="market", **ask)) == ["M"]
    assert len(ids(stage.ask(TRIGGERS, orderType="limit", **ask))) == 100
    assert stage.ask(TRIGGERS, limit="101", **ask)["code"] == "51"
