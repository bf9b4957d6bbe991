"""Orders over real sockets: every endpoint signed, metered and struck by faults like the others, and the truth knows it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from deepcoin_ops.domain.model import PositionSide
from deepcoin_ops.domain.paper_credentials import paper_credentials
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.order_records import OrderKind, PaperOrder
from deepcoin_ops.paper.scenario import LimitSettings, PaperAccount, PaperBot, PaperPosition, Scenario, build_demo_scenario
from deepcoin_ops.paper.server import PaperExchange
from deepcoin_ops.paper.signing import sign

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
TRADE = "/deepcoin/trade/"
LISTED = build_demo_scenario().instruments
QUICK = LimitSettings(period_s=0.0001)
PATIENT_S = 20.0


def order(order_id: str, instrument_id: str = BTC, size: int = 4, **fields: Any) -> PaperOrder:
    """An order of four contracts long that would open, unless told otherwise."""
    return PaperOrder(instrument_id, fields.pop("position_side", LONG), Decimal(size), order_id=order_id, **fields)


ORDERS = (
    *(order(f"R{number}") for number in range(7)),
    order("CLOSE", is_closing=True, size=4, position_side=SHORT),
    order("ISOLATED", margin_mode="isolated"),
    order("SPLIT", merge_mode="split"),
    order("TRIGGER", kind=OrderKind.TRIGGER),
    order("PROTECT", kind=OrderKind.PROTECTION, size=0),
    order("TRAIL", kind=OrderKind.TRAILING, size=0),
)
POSITIONS = (PaperPosition(BTC, LONG, Decimal(10)), PaperPosition(BTC, SHORT, Decimal(10)))
CASES = {
    "v2/orders-pending": {"instId": BTC, "index": 1},
    "orders-pending": {"instType": "SWAP"},
    "trigger-orders-pending": {"instType": "SWAP", "instId": BTC},
    "trace-order-list": {"instId": BTC},
    "cancel-order": {"instId": BTC, "ordId": "R0"},
    "batch-cancel-order": {"OrderSysIDs": ["R0", "R1"]},
    "swap/cancel-all": {"InstrumentID": "BTCUSDT", "ProductGroup": "SwapU", "IsCrossMargin": 1, "IsMergeMode": 1},
    "cancel-trigger-order": {"instId": BTC, "ordId": "TRIGGER"},
    "swap/cancel-trigger-all": {"ProductGroup": "SwapU"},
    "cancel-position-sltp": {"instType": "SWAP", "instId": BTC, "ordId": "PROTECT"},
    "trace-order": {"instId": BTC, "retracePoint": "1", "triggerPrice": "0", "posSide": "long"},
}
"""Each endpoint with parameters that do what it is for."""
READS = {"v2/orders-pending", "orders-pending", "trigger-orders-pending", "trace-order-list"}
CANCELS = sorted(CASES.keys() - READS)


def build_scenario(*orders: PaperOrder, limits: LimitSettings = QUICK, **settings: Any) -> Scenario:
    """Two positions in one instrument, and orders around them."""
    bots = settings.pop("bots", ())
    return replace(Scenario(LISTED, (PaperAccount("main", POSITIONS, orders, bots),), limits=limits), **settings)


@pytest.fixture
def paper() -> Iterator[PaperExchange]:
    """Every kind of order, none of which fills by itself."""
    with PaperExchange(build_scenario(*ORDERS)) as exchange:
        yield exchange


def call(
    paper: PaperExchange, name: str, parameters: dict[str, Any] | None = None, timeout_s: float = PATIENT_S, **changed: str
) -> requests.Response:
    """One signed request to an endpoint; `changed` spoils headers."""
    parameters = CASES[name] if parameters is None else parameters
    is_read, credentials = name in READS, paper_credentials("main")
    target = TRADE + name + (f"?{urlencode(parameters)}" if is_read else "")
    body = b"" if is_read else json.dumps(parameters).encode()
    method, stamp = "GET" if is_read else "POST", datetime.now(UTC).isoformat(timespec="milliseconds")
    stamp = stamp.replace("+00:00", "Z")
    headers = {
        "DC-ACCESS-KEY": credentials.api_key,
        "DC-ACCESS-PASSPHRASE": credentials.passphrase,
        "DC-ACCESS-TIMESTAMP": stamp,
        "DC-ACCESS-SIGN": sign(credentials.secret_key, stamp, method, target, body),
        **changed,
    }
    return requests.request(method, paper.url + target, data=body or None, headers=headers, timeout=timeout_s)


def ids(answer: requests.Response) -> list[str]:
    """The order ids of a list."""
    return [row["ordId"] for row in answer.json()["data"]]


def truth(paper: PaperExchange) -> dict[str, Any]:
    """What really happened to the main account."""
    told: dict[str, Any] = paper.truth()["accounts"]["main"]
    return told


def working(paper: PaperExchange) -> set[str]:
    """The orders that still wait."""
    return {each["order_id"] for each in truth(paper)["orders"] if each["is_working"]}


def wait_until_open(paper: PaperExchange, sizes: list[str]) -> None:
    """Wait until the rows have these sizes, however slow the machine."""
    ends_s = time.monotonic() + PATIENT_S
    while [row["quantity_contracts"] for row in truth(paper)["open"]] != sizes:
        assert time.monotonic() < ends_s, truth(paper)["open"]
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("cancel-order", {"R0"}),
        ("batch-cancel-order", {"R0", "R1"}),
        ("swap/cancel-all", {"R0", "R1", "R2", "R3", "R4", "R5", "R6", "CLOSE"}),
        ("cancel-trigger-order", {"TRIGGER"}),
        ("swap/cancel-trigger-all", {"TRIGGER"}),
        ("cancel-position-sltp", {"PROTECT"}),
        ("trace-order", {"TRAIL"}),
    ],
)
def test_each_cancel_ends_its_own_orders_and_no_others(paper: PaperExchange, name: str, gone: set[str]) -> None:
    """And the truth channel says which request did it."""
    before = working(paper)
    answer = call(paper, name)
    assert (answer.status_code, answer.json()["code"], answer.headers["X-Paper"]) == (200, "0", "1")
    assert before - working(paper) == gone
    [request] = truth(paper)["cancel_requests"]
    assert (request["path"], request["is_executed"], request["status"]) == (TRADE + name, True, 200)
    assert truth(paper)["close_requests"] == []
    cancelled = {each["order_id"] for each in truth(paper)["orders"] if each["cancel_arrival"] == request["arrival"]}
    assert cancelled == gone


@pytest.mark.parametrize("name", sorted(CASES))
def test_each_endpoint_wants_a_signature_and_its_own_verb(paper: PaperExchange, name: str) -> None:
    """An unsigned cancel is as bad as an unsigned close."""
    before = working(paper)
    answer = call(paper, name, **{"DC-ACCESS-SIGN": "bm90aGluZw=="})
    assert (answer.status_code, answer.json()["code"]) == (401, "50111")
    verb = "POST" if name in READS else "GET"
    wrong = requests.request(verb, paper.url + TRADE + name, timeout=PATIENT_S)
    assert (wrong.status_code, wrong.json()["code"]) == (405, "50115")
    assert working(paper) == before


def test_each_endpoint_has_a_lane_of_its_own() -> None:
    """Cancelling costs the closes no slot; only the single trigger cancel is metered more generously."""
    with PaperExchange(build_scenario(*ORDERS, limits=LimitSettings(period_s=60.0))) as paper:
        firsts = {name: call(paper, name).json()["code"] for name in CASES}
        seconds = {name: call(paper, name).json()["code"] for name in CASES}
    assert set(firsts.values()) == {"0"}
    assert {name for name, code in seconds.items() if code != "50000"} == {"cancel-trigger-order"}


def test_one_shared_budget_has_no_generous_lane() -> None:
    """Whether the budget is shared is not known; if it is, it is shared by all."""
    limits = LimitSettings(period_s=60.0, is_shared=True)
    with PaperExchange(build_scenario(*ORDERS, limits=limits)) as paper:
        assert call(paper, "cancel-trigger-order").json()["code"] == "0"
        assert call(paper, "cancel-trigger-order").json()["code"] == "50000"
        assert call(paper, "v2/orders-pending").json()["code"] == "50000"


@pytest.mark.parametrize("name", CANCELS)
def test_a_cancel_that_is_never_answered_may_have_happened(paper: PaperExchange, name: str) -> None:
    """The client sees the same timeout both ways."""
    before = working(paper)
    paper.add_fault(Fault(FaultAction.HANG, endpoint=name, is_executed=False))
    paper.add_fault(Fault(FaultAction.HANG, endpoint=name))
    for is_done in (False, True):
        with pytest.raises(requests.ReadTimeout):
            call(paper, name, timeout_s=0.2)
        assert (working(paper) != before) is is_done


@pytest.mark.parametrize("name", sorted(CASES))
def test_each_endpoint_can_be_throttled_and_broken_by_script(paper: PaperExchange, name: str) -> None:
    """A fault names the endpoint by the end of its path, and the log keeps which one struck."""
    paper.add_fault(Fault(FaultAction.THROTTLE, endpoint=name))
    paper.add_fault(Fault(FaultAction.SERVER_ERROR, endpoint=name))
    answers = [call(paper, name) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 502, 200]
    assert answers[0].json()["code"] == "50000"
    assert [arrival.fault for arrival in paper.arrivals()] == ["throttle", "server_error", None]


def test_a_fault_can_name_the_instrument_of_a_cancel_of_all(paper: PaperExchange) -> None:
    """Though the request names it without dashes."""
    paper.add_fault(Fault(FaultAction.SERVER_ERROR, endpoint="swap/cancel-all", instrument_id=ETH))
    assert call(paper, "swap/cancel-all").status_code == 200
    assert call(paper, "swap/cancel-all", CASES["swap/cancel-all"] | {"InstrumentID": "ETHUSDT"}).status_code == 502
    assert [arrival.instrument_id for arrival in paper.arrivals()] == [BTC, ETH]


def test_all_pages_together_are_the_list(paper: PaperExchange) -> None:
    """Ten resting orders in pages of four; the fourth page is empty."""
    pages = [ids(call(paper, "v2/orders-pending", {"index": index, "limit": 4})) for index in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [4, 4, 2, 0]
    assert {name for page in pages for name in page} == working(paper) - {"TRIGGER", "PROTECT", "TRAIL"}
    assert ids(call(paper, "orders-pending")) == []
    assert call(paper, "v2/orders-pending", {"index": 0}).json()["code"] == "51"


def test_orders_that_come_and_go_between_two_pages_shift_the_list(paper: PaperExchange) -> None:
    """One comes twice, one is never shown: only a read that starts again can be whole."""
    first = ids(call(paper, "v2/orders-pending", {"index": 1, "limit": 5}))
    paper.place_order("main", order("NEW"))
    assert ids(call(paper, "v2/orders-pending", {"index": 2, "limit": 5}))[0] == first[-1]
    call(paper, "batch-cancel-order", {"OrderSysIDs": [*first[:3], "NEW"]})
    second = ids(call(paper, "v2/orders-pending", {"index": 2, "limit": 5}))
    assert (first, second) == (["SPLIT", "ISOLATED", "CLOSE", "R6", "R5"], ["R1", "R0"])
    assert {"R2", "R3", "R4"} <= working(paper)


def test_a_close_finds_frozen_size_until_the_order_is_cancelled(paper: PaperExchange) -> None:
    """The whole way over the wire: insufficient, cancelled, closed."""
    close = {"productGroup": "SwapU", "instId": BTC}
    [item] = call(paper, "batch-close-position", close).json()["data"]["errorList"]
    assert (item["errorCode"], item["posiDirection"]) == (51020, "short")
    call(paper, "batch-cancel-order", {"OrderSysIDs": ["CLOSE"]})
    assert call(paper, "batch-close-position", close).json()["data"] == {"errorList": []}
    assert truth(paper)["open"] == []
    assert [request["path"].rpartition("/")[2] for request in truth(paper)["close_requests"]] == [
        "batch-close-position"
    ] * 2


def test_scripted_fills_and_the_bot_move_positions_without_any_request() -> None:
    """An order that fills, one that fills behind the first close, and a bot that opens again."""
    bot = PaperBot(PaperPosition(ETH, LONG, Decimal(2)), opens_after_s=(0.1,), follows_close_s=0.1)
    orders = (order("SOON", fills_after_s=0.1), order("AFTER", fills_after_close_s=0.1, size=1), order("NEVER"))
    with PaperExchange(build_scenario(*orders, bots=(bot,))) as paper:
        wait_until_open(paper, ["14", "10", "2"])
        assert call(paper, "batch-cancel-order", {"OrderSysIDs": ["NEVER"]}).json()["data"] == {"errorList": []}
        for instrument_id in (BTC, ETH):
            close = {"productGroup": "SwapU", "instId": instrument_id}
            assert call(paper, "batch-close-position", close).json()["data"] == {"errorList": []}
        ends_s = time.monotonic() + PATIENT_S
        while len(truth(paper)["open"]) < 2:
            assert time.monotonic() < ends_s
            time.sleep(0.02)
        told = truth(paper)
    assert {row["quantity_contracts"] for row in told["open"]} == {"1", "2"}
    assert [(fill["order_id"], fill["quantity_contracts"]) for fill in told["order_fills"]] == [
        ("SOON", "4"),
        ("AFTER", "1"),
    ]
    states = {each["order_id"]: each["state"] for each in told["orders"]}
    assert states == {"SOON": "filled", "AFTER": "filled", "NEVER": "canceled"}


def test_an_order_can_be_placed_through_the_truth_channel(paper: PaperExchange) -> None:
    """For a paper exchange that runs in another process."""
    wanted = {"instrument_id": BTC, "position_side": "long", "quantity_contracts": "3"}
    told = requests.post(paper.url + "/__paper/orders", json={"account": "main", "order": wanted}, timeout=PATIENT_S)
    assert told.json()["order_id"] in working(paper)
    wrong = wanted | {"quantity_contracts": "0"}
    told = requests.post(paper.url + "/__paper/orders", json={"account": "main", "order": wrong}, timeout=PATIENT_S)
    assert told.status_code == 400
