"""A real third-party client, CCXT's deepcoin class, against the paper exchange. It knows nothing about this project."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from deepcoin_ops.domain.model import PositionSide
from deepcoin_ops.domain.paper_credentials import paper_credentials
from deepcoin_ops.paper.open_questions import InstrumentForm, OrderRules
from deepcoin_ops.paper.order_records import OrderKind, PaperOrder
from deepcoin_ops.paper.scenario import LimitSettings, build_demo_scenario
from deepcoin_ops.paper.server import PaperExchange


@pytest.fixture
def paper() -> Iterator[PaperExchange]:
    """The demonstration without faults and with limits that no client of a test reaches."""
    limits = LimitSettings(period_s=0.001, private_per_period=1000, market_per_period=1000)
    with PaperExchange(replace(build_demo_scenario(), faults=(), latency_ms=(0.0, 0.0), limits=limits)) as exchange:
        yield exchange


@pytest.fixture
def client(paper: PaperExchange) -> Any:
    """CCXT, pointed at the paper exchange and at nothing else."""
    credentials = paper_credentials("main")
    exchange = ccxt.deepcoin(
        {
            "apiKey": credentials.api_key,
            "secret": credentials.secret_key,
            "password": credentials.passphrase,
            "enableRateLimit": False,
        }
    )
    exchange.urls["api"] = {"public": paper.url, "private": paper.url}
    return exchange


def open_instruments(paper: PaperExchange) -> set[str]:
    """What the main account holds, asked beside the exchange."""
    return {row["instrument_id"] for row in paper.truth()["accounts"]["main"]["open"]}


def test_ccxt_loads_the_markets(client: Any) -> None:
    """Instruments carry every field that a general parser needs."""
    markets = client.load_markets()
    linear, inverse, spot = markets["BTC/USDT:USDT"], markets["XRP/USD:XRP"], markets["SOL/USDT"]
    assert (linear["id"], linear["linear"], linear["contractSize"]) == ("BTC-USDT-SWAP", True, 0.001)
    assert (inverse["id"], inverse["inverse"], inverse["contractSize"]) == ("XRP-USD-SWAP", True, 10.0)
    assert (spot["spot"], spot["active"], spot["limits"]["amount"]["min"]) == (True, True, 0.01)


def test_ccxt_reads_positions(client: Any) -> None:
    """Both sides of one instrument arrive as two positions."""
    positions = {(item["symbol"], item["side"]): item for item in client.fetch_positions(["ETH/USDT:USDT"])}
    assert positions["ETH/USDT:USDT", "long"]["contracts"] == 140.5
    assert positions["ETH/USDT:USDT", "short"]["entryPrice"] == 3365.4
    assert positions["ETH/USDT:USDT", "short"]["marginMode"] == "cross"


def test_ccxt_reads_balances(client: Any) -> None:
    """The swap wallet's cash, and a spot holding as a coin."""
    assert client.fetch_balance({"type": "swap"})["USDT"]["free"] == 250000.0
    assert client.fetch_balance({"type": "spot"})["SOL"]["total"] == 42.5


def test_ccxt_reads_a_ticker(client: Any) -> None:
    """The last price with a spread around it."""
    ticker = client.fetch_ticker("SOL/USDT:USDT")
    assert ticker["last"] == 184.36
    assert ticker["bid"] < ticker["last"] < ticker["ask"]


@pytest.mark.parametrize(
    ("symbol", "instrument_id"),
    [("BTC/USDT:USDT", "BTC-USDT-SWAP"), ("XRP/USD:XRP", "XRP-USD-SWAP"), ("SOL/USDT", "SOL-USDT")],
)
def test_ccxt_really_closes_a_position(client: Any, paper: PaperExchange, symbol: str, instrument_id: str) -> None:
    """In each product group; the truth channel says so, because CCXT's own answer says nothing."""
    before = open_instruments(paper)
    client.close_position(symbol)
    assert before - open_instruments(paper) == {instrument_id}


def test_ccxt_closes_one_position_by_its_id(client: Any, paper: PaperExchange) -> None:
    """Position ids survive the way there and back as text."""
    positions = client.fetch_positions(["SOL/USDT:USDT"])
    client.close_position("SOL/USDT:USDT", params={"positionId": positions[0]["id"]})
    left = [row["position_id"] for row in paper.truth()["accounts"]["main"]["open"]]
    assert positions[0]["id"] not in left
    assert positions[1]["id"] in left


@pytest.fixture
def with_orders(paper: PaperExchange) -> PaperExchange:
    """Three resting orders in one instrument and a trigger order beside them."""
    for order_id, kind in (("A", "resting"), ("B", "resting"), ("C", "resting"), ("T", "trigger")):
        order = PaperOrder(
            "BTC-USDT-SWAP", PositionSide.LONG, Decimal(4), OrderKind(kind), price=Decimal("90000.5"), order_id=order_id
        )
        paper.place_order("main", order)
    return paper


def waiting(paper: PaperExchange) -> list[str]:
    """The orders in the instrument of these tests that still wait, asked beside the exchange."""
    orders = paper.truth()["accounts"]["main"]["orders"]
    return [each["order_id"] for each in orders if each["is_working"] and each["instrument_id"] == "BTC-USDT-SWAP"]


def test_ccxt_reads_open_orders_and_trigger_orders(client: Any, with_orders: PaperExchange) -> None:
    """Two lists; whoever asks for one does not see the other."""
    [newest, *_] = sorted(client.fetch_open_orders("BTC/USDT:USDT"), key=lambda order: order["id"], reverse=True)
    assert (newest["id"], newest["status"], newest["side"], newest["price"]) == ("C", "open", "buy", 90000.5)
    assert (newest["amount"], newest["filled"], newest["type"]) == (4.0, 0.0, "limit")
    [trigger] = client.fetch_open_orders("BTC/USDT:USDT", params={"trigger": True})
    assert (trigger["id"], trigger["side"], trigger["price"]) == ("T", "buy", 90000.5)
    pages = [client.fetch_open_orders("BTC/USDT:USDT", limit=2, params={"index": index}) for index in (1, 2, 3)]
    assert [len(page) for page in pages] == [2, 1, 0]


def test_ccxt_cancels_one_order_and_several(client: Any, with_orders: PaperExchange) -> None:
    """By id, each kind by its own endpoint; a second cancel raises."""
    client.cancel_order("A", "BTC/USDT:USDT")
    client.cancel_order("T", "BTC/USDT:USDT", {"trigger": True})
    assert waiting(with_orders) == ["B", "C"]
    client.cancel_orders(["B", "C"], "BTC/USDT:USDT")
    assert waiting(with_orders) == []
    with pytest.raises(ccxt.ExchangeError):
        client.cancel_order("A", "BTC/USDT:USDT")
    with pytest.raises(ccxt.ExchangeError):
        client.cancel_orders(["B"], "BTC/USDT:USDT")


def test_ccxt_cannot_cancel_all_where_only_the_documented_form_is_taken(client: Any, with_orders: PaperExchange) -> None:
    """It names the instrument with dashes, the pages show it without; which the real exchange takes is not known."""
    with pytest.raises(ccxt.ExchangeError):
        client.cancel_all_orders("BTC/USDT:USDT")
    assert waiting(with_orders) == ["A", "B", "C", "T"]


def test_ccxt_cancels_all_orders_where_its_form_is_taken(client: Any) -> None:
    """Resting orders of one margin and merge mode; the trigger order stays."""
    order = PaperOrder("BTC-USDT-SWAP", PositionSide.LONG, Decimal(4), order_id="A")
    trigger = PaperOrder("BTC-USDT-SWAP", PositionSide.LONG, Decimal(4), OrderKind.TRIGGER, order_id="T")
    scenario = build_demo_scenario()
    owner = replace(scenario.accounts[0], orders=(order, replace(order, order_id="I", margin_mode="isolated"), trigger))
    rules = OrderRules(instrument_form=InstrumentForm.ANY)
    limits = LimitSettings(period_s=0.001)
    with PaperExchange(replace(scenario, accounts=(owner,), faults=(), limits=limits, ordering=rules)) as paper:
        client.urls["api"] = {"public": paper.url, "private": paper.url}
        client.cancel_all_orders("BTC/USDT:USDT")
        assert waiting(paper) == ["I", "T"]
        client.cancel_all_orders("BTC/USDT:USDT", {"marginMode": "isolated"})
        assert waiting(paper) == ["T"]
