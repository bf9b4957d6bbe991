"""What the endpoints answer: shapes, and the parameters they refuse."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from deepcoin_ops.domain.model import PositionSide
from deepcoin_ops.paper.calls import Call, ParameterFault, read_parameters
from deepcoin_ops.paper.clock import PaperClock
from deepcoin_ops.paper.endpoints import ENDPOINTS
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.market import Market
from deepcoin_ops.paper.open_questions import MismatchAnswer
from deepcoin_ops.paper.scenario import PaperAccount, PaperPosition, Scenario, build_demo_scenario

CLOSE = "/deepcoin/trade/batch-close-position"
CLOSE_BY_IDS = "/deepcoin/trade/close-position-by-ids"
POSITIONS = "/deepcoin/account/positions"
DEMO = build_demo_scenario()


def ask(path: str, parameters: dict[str, Any], scenario: Scenario = DEMO) -> dict[str, Any]:
    """The payload of one call on a fresh market, refused or not."""
    try:
        return ENDPOINTS[path].answer(Market(scenario, PaperClock()), Call("main", parameters, arrival=1))
    except ParameterFault as refusal:
        return refusal.payload


@pytest.mark.parametrize(
    ("path", "parameters", "code", "message"),
    [
        (CLOSE, {"instId": "BTC-USDT-SWAP"}, "51", "The productGroup field is required"),
        (CLOSE, {"productGroup": "SwapU"}, "51", "The instId field is required"),
        (CLOSE, {"productGroup": "swapu", "instId": "BTC-USDT-SWAP"}, "51", "not in acceptable range"),
        (CLOSE, {"productGroup": "SwapU", "instId": 5}, "51", "The instId field is required"),
        (CLOSE, {"productGroup": "SwapU", "instId": "NO-USDT-SWAP"}, "50", "expected(1) got(0)"),
        (CLOSE_BY_IDS, {"productGroup": "SwapU", "instId": "BTC-USDT-SWAP"}, "51", "The positionIds field is required"),
        (POSITIONS, {}, "51", "The instType field is required"),
        (POSITIONS, {"instType": "swap"}, "51", "The instType value `swap` is not in acceptable range: SPOT,SWAP"),
    ],
)
def test_a_wrong_parameter_is_refused_as_the_exchange_does(
    path: str, parameters: dict[str, Any], code: str, message: str
) -> None:
    """HTTP 200 with a small code and no data: seen in the wild, in no official table."""
    payload = ask(path, parameters)
    assert (payload["code"], payload["data"]) == (code, None)
    assert message in payload["msg"]


def test_a_body_that_is_not_an_object_is_refused() -> None:
    """A close without readable parameters must not guess any."""
    for body in (b"", b"[]", b"{"):
        with pytest.raises(ParameterFault):
            read_parameters("POST", {}, body)


def test_a_close_in_the_wrong_product_group_looks_like_success_and_closes_nothing() -> None:
    """The trap that a client has to avoid before it sends."""
    market = Market(DEMO, PaperClock())
    call = Call("main", {"productGroup": "Swap", "instId": "BTC-USDT-SWAP"}, arrival=1)
    assert ENDPOINTS[CLOSE].answer(market, call)["data"] == {"errorList": []}
    assert market.books["main"].closes == []


def test_a_scenario_can_refuse_the_wrong_product_group_instead() -> None:
    """Which of the two the real exchange does is not known."""
    scenario = Scenario(DEMO.instruments, DEMO.accounts, mismatch_answer=MismatchAnswer.REFUSE)
    assert ask(CLOSE, {"productGroup": "Swap", "instId": "BTC-USDT-SWAP"}, scenario)["code"] == "50"


def test_a_position_row_has_the_documented_fields_and_types() -> None:
    """Sizes are unsigned text, and only the two copy-trading marks are booleans."""
    [row] = ask(POSITIONS, {"instType": "SWAP", "instId": "DOGE-USDT-SWAP"})["data"]
    assert (row["posSide"], row["pos"], row["mgnMode"], row["mrgPosition"], row["ccy"]) == (
        "long",
        "240",
        "cross",
        "merge",
        "USDT",
    )
    assert len(row) == 20
    assert row["uTime"].endswith("000")
    assert {name for name, value in row.items() if not isinstance(value, str)} == {"isLeading", "isFollow"}


def test_a_spot_holding_leaves_what_does_not_apply_empty() -> None:
    """Spot rows have no side, leverage or merge mode."""
    [row] = ask(POSITIONS, {"instType": "SPOT"})["data"]
    assert (row["instId"], row["mgnMode"], row["pos"]) == ("SOL-USDT", "cash", "42.5")
    assert {row[name] for name in ("posSide", "lever", "liqPx", "useMargin", "mrgPosition")} == {""}


def test_swap_reads_hold_both_kinds_of_contracts_and_no_spot() -> None:
    """One read covers coin-margined and USDT-margined contracts."""
    names = {row["instId"] for row in ask(POSITIONS, {"instType": "SWAP"})["data"]}
    assert {"ETH-USD-SWAP", "BTC-USDT-SWAP"} <= names
    assert "SOL-USDT" not in names


def test_balances_hold_cash_holdings_and_profit() -> None:
    """The spot wallet counts the coins; the swap wallet shows the profit that is not booked yet."""
    account = PaperAccount(
        "main",
        (
            PaperPosition("SOL-USDT", PositionSide.LONG, Decimal("2.5")),
            PaperPosition("SOL-USDT-SWAP", PositionSide.LONG, Decimal(10), Decimal("180.36")),
        ),
        spot_balances={"USDT": Decimal(100)},
        swap_balances={"USDT": Decimal(1000)},
    )
    scenario = Scenario(DEMO.instruments, (account,))
    spot = ask("/deepcoin/account/balances", {"instType": "SPOT"}, scenario)["data"]
    assert {row["ccy"]: row["bal"] for row in spot} == {"SOL": "2.5", "USDT": "100"}
    [swap] = ask("/deepcoin/account/balances", {"instType": "SWAP"}, scenario)["data"]
    assert (swap["unrealizedProfit"], swap["equity"]) == ("40", "1040")


def test_an_error_item_has_the_documented_fields_and_a_numeric_code() -> None:
    """`errorCode` is a number although `code` is text."""
    parameters = {"productGroup": "SwapU", "instId": "BTC-USDT-SWAP", "positionIds": ["PAPER-0"]}
    [item] = ask(CLOSE_BY_IDS, parameters)["data"]["errorList"]
    assert item == {
        "memberId": "PAPER-UID-main",
        "accountId": "PAPER-ACC-main",
        "tradeUnitId": "PAPER-0",
        "instId": "BTC-USDT-SWAP",
        "posiDirection": "",
        "errorCode": 51404,
        "errorMsg": "Position does not exist",
    }


def test_an_instrument_that_is_not_listed_can_be_held_and_has_a_price() -> None:
    """The list of instruments does not name it; its positions, prices and closes are as before."""
    hidden = tuple(
        replace(each, is_listed=False) if each.instrument_id == "BTC-USDT-SWAP" else each for each in DEMO.instruments
    )
    scenario = replace(DEMO, instruments=hidden)

    def names(path: str) -> set[str]:
        return {row["instId"] for row in ask(path, {"instType": "SWAP"}, scenario)["data"]}

    assert "BTC-USDT-SWAP" not in names("/deepcoin/market/instruments")
    assert "ETH-USDT-SWAP" in names("/deepcoin/market/instruments")
    assert "BTC-USDT-SWAP" in names("/deepcoin/market/tickers")
    assert "BTC-USDT-SWAP" in names(POSITIONS)


def test_a_list_of_positions_may_leave_rows_of_a_side_out() -> None:
    """It looks like one that is whole."""
    fault = Fault(FaultAction.LEFT_OUT, endpoint="account/positions", position_side=PositionSide.LONG)
    call = Call("main", {"instType": "SWAP"}, 1, fault)
    sides = {row["posSide"] for row in ENDPOINTS[POSITIONS].answer(Market(DEMO, PaperClock()), call)["data"]}
    assert sides == {"short"}
