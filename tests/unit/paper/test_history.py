"""What the paper exchange shows of the closes it executed: windows, pages, filters, and what it has forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from deepcoin_ops.domain.model import PositionSide
from deepcoin_ops.paper.calls import Call, ParameterFault
from deepcoin_ops.paper.clock import PaperClock
from deepcoin_ops.paper.endpoints import ENDPOINTS
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.listing import LISTED
from deepcoin_ops.paper.market import Market
from deepcoin_ops.paper.scenario import PaperAccount, PaperPosition, Scenario

HISTORY, FILLS = "/deepcoin/account/positions-history", "/deepcoin/trade/fills"
START = datetime(2026, 3, 9, 23, 30, tzinfo=UTC)
CLOSES = (("SwapU", "BTC-USDT-SWAP"), ("Swap", "ETH-USD-SWAP"), ("Spot", "SOL-USDT"))
SCENARIO = Scenario(
    LISTED,
    (
        PaperAccount(
            "main",
            (
                PaperPosition("BTC-USDT-SWAP", PositionSide.LONG, Decimal(850), Decimal(90000), position_id="1"),
                PaperPosition("BTC-USDT-SWAP", PositionSide.SHORT, Decimal(120), position_id="2"),
                PaperPosition("ETH-USD-SWAP", PositionSide.SHORT, Decimal(2600), Decimal(3250), position_id="3"),
                PaperPosition("SOL-USDT", PositionSide.LONG, Decimal("42.5"), position_id="4"),
            ),
        ),
    ),
)


class World:
    """A market on which everything was closed, an instrument every ten seconds, and a clock that is moved by hand."""

    def __init__(self, scenario: Scenario = SCENARIO):
        self.elapsed_s = 0.0
        clock = PaperClock(0.0, lambda: self.elapsed_s, lambda: START + timedelta(seconds=self.elapsed_s))
        self.market = Market(scenario, clock)
        for group, instrument_id in CLOSES:
            self.elapsed_s += 10
            self.ask("/deepcoin/trade/batch-close-position", productGroup=group, instId=instrument_id)

    def ask(self, path: str, fault: Fault | None = None, **parameters: str) -> Any:
        """The data of one answer, or the refusal's message."""
        try:
            return ENDPOINTS[path].answer(self.market, Call("main", parameters, 1, fault))["data"]
        except ParameterFault as refusal:
            return refusal.payload["msg"]


def at(seconds: float) -> str:
    """So many seconds after the start, as a parameter."""
    return str(int((START.timestamp() + seconds) * 1000))


def test_the_history_lists_closed_contracts_newest_first_with_the_documented_fields() -> None:
    """Another implementation of the same page, to read against."""
    rows = World().ask(HISTORY, instType="SWAP")
    assert [(row["posId"], row["posSide"], row["closePos"]) for row in rows] == [
        ("3", "short", "2600"),
        ("2", "short", "120"),
        ("1", "long", "850"),
    ]
    assert set(rows[0]) == set(
        "instType instId mgnMode mrgPosition posId posSide avgPx closeAvgPx pos closePos pnl fee fundingFee lever ccy "
        "cTime uTime".split()
    )
    assert (rows[0]["ccy"], rows[2]["ccy"], rows[2]["uTime"]) == ("ETH", "USDT", at(10))
    assert all(isinstance(value, str) for row in rows for value in row.values())


def test_the_profit_of_a_row_is_what_was_booked() -> None:
    """The history and the balance tell of the same close."""
    world = World()
    rows = [row for row in world.ask(HISTORY, instType="SWAP") if row["ccy"] == "USDT"]
    booked = world.market.books["main"].swap_balances["USDT"] - Decimal(250000)
    assert sum(Decimal(row["pnl"]) for row in rows) == booked != 0


def test_fills_list_sales_of_spot_which_the_history_does_not() -> None:
    """A holding is no position."""
    world = World()
    [row] = world.ask(FILLS, instType="SPOT")
    assert (row["side"], row["posSide"], row["fillSz"], row["ts"]) == ("sell", "", "42.5", at(30))
    assert world.ask(HISTORY, instType="SPOT") == []
    assert [row["side"] for row in world.ask(FILLS, instType="SWAP")] == ["buy", "buy", "sell"]


@pytest.mark.parametrize(
    ("first_s", "last_s", "count"), [(0, 100, 3), (10, 20, 3), (11, 100, 1), (0, 19, 2), (21, 100, 0), (0, 9, 0)]
)
def test_a_window_holds_both_of_its_ends(first_s: int, last_s: int, count: int) -> None:
    """Both lists are paged by it."""
    world = World()
    assert len(world.ask(HISTORY, instType="SWAP", startTime=at(first_s), endTime=at(last_s))) == count
    assert len(world.ask(FILLS, instType="SWAP", begin=at(first_s), end=at(last_s))) == count


def test_a_page_holds_at_most_its_limit_and_bills_go_on_from_there() -> None:
    """Newest first; the next page begins after the last bill of this one."""
    world = World()
    page = world.ask(FILLS, instType="SWAP", limit="2")
    rest = world.ask(FILLS, instType="SWAP", limit="2", after=page[-1]["billId"])
    assert [row["instId"] for row in page + rest] == ["ETH-USD-SWAP", "BTC-USDT-SWAP", "BTC-USDT-SWAP"]
    assert world.ask(FILLS, instType="SWAP", before=page[0]["billId"]) == []
    assert len(world.ask(HISTORY, instType="SWAP", limit="2")) == 2


def test_the_lists_can_be_asked_for_one_instrument_or_position() -> None:
    """As documented; the client does not use it."""
    world = World()
    assert [row["posId"] for row in world.ask(HISTORY, instType="SWAP", instId="BTC-USDT-SWAP", posId="2")] == ["2"]
    assert len(world.ask(FILLS, instType="SWAP", instId="ETH-USD-SWAP")) == 1


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({}, "The instType field is required"),
        ({"instType": "SWAP", "limit": "101"}, "equal or lesser than 100"),
        ({"instType": "SWAP", "startTime": "yesterday"}, "is not a number"),
    ],
)
def test_a_wrong_parameter_is_refused(parameters: dict[str, str], told: str) -> None:
    """With a small code and no data, like the other endpoints."""
    assert told in World().ask(HISTORY, **parameters)


def test_what_is_older_than_it_is_kept_is_forgotten_without_a_word() -> None:
    """The trap: an empty list for an old day looks like a day without closes."""
    world = World(replace(SCENARIO, history_kept_s=25.0))
    world.elapsed_s = 36.0
    assert [row["instId"] for row in world.ask(HISTORY, instType="SWAP")] == ["ETH-USD-SWAP"]
    world.elapsed_s = 3600.0
    assert world.ask(HISTORY, instType="SWAP") == world.ask(FILLS, instType="SPOT") == []


def test_the_lists_lag_like_the_positions_read() -> None:
    """Read at once after a close they may not show it yet."""
    world = World(replace(SCENARIO, read_lag_s=5.0))
    assert world.ask(FILLS, instType="SPOT") == []
    world.elapsed_s += 5
    assert len(world.ask(FILLS, instType="SPOT")) == 1
    stale = Fault(FaultAction.STALE_READ, endpoint="trade/fills", delay_s=60.0)
    assert world.ask(FILLS, stale, instType="SPOT") == []


def test_the_fill_of_an_order_is_listed_with_its_side_and_never_as_a_close(set_stage, position, order) -> None:
    """Whoever adds up fills must see that this one went the other way."""
    stage = set_stage(
        position(size="10"),
        order("OPEN", size="4", fills_after_s=1.0),
        order("CLOSE", size="3", is_closing=True, fills_after_s=2.0),
    )
    stage.elapsed_s = 3.0

    def ask(path: str) -> list[dict[str, str]]:
        rows: list[dict[str, str]] = ENDPOINTS[path].answer(stage.market, Call("main", {"instType": "SWAP"}, 1))["data"]
        return rows

    assert [(row["ordId"], row["side"], row["posSide"], row["fillSz"]) for row in ask(FILLS)] == [
        ("CLOSE", "sell", "long", "3"),
        ("OPEN", "buy", "long", "4"),
    ]
    assert [row["closePos"] for row in ask(HISTORY)] == ["3"]
    assert [close.quantity_contracts for close in stage.market.books["main"].closes] == [3]


def test_a_reset_opens_the_positions_again_and_forgets_no_close() -> None:
    """Evidence of a day with a reset in it would otherwise contradict every close that came before."""
    world = World()
    before = world.ask(HISTORY, instType="SWAP")
    world.market = Market(SCENARIO, world.market.clock, world.market)
    assert world.market.books["main"].closes == []
    assert len(world.market.all_rows("main")) == 4
    assert world.ask(HISTORY, instType="SWAP") == before
    world.elapsed_s += 10
    world.ask("/deepcoin/trade/batch-close-position", productGroup="SwapU", instId="BTC-USDT-SWAP")
    after = world.ask(HISTORY, instType="SWAP")
    assert [row["closePos"] for row in after] == ["120", "850", *(row["closePos"] for row in before)]
    fills = world.ask(FILLS, instType="SWAP")
    assert len({row["tradeId"] for row in fills}) == len(fills) == 5


def test_after_a_reset_no_id_is_given_a_second_time() -> None:
    """The history shows the first position of an id closed, while another one of that id would be open."""
    scenario = Scenario(LISTED, (PaperAccount("main", (PaperPosition("BTC-USDT-SWAP", PositionSide.LONG, Decimal(1)),)),))
    clock = PaperClock(0.0, lambda: 0.0, lambda: START)
    first = Market(scenario, clock)
    second = Market(scenario, clock, first)
    [[before], [after]] = [[row.position.position_id for row in each.all_rows("main")] for each in (first, second)]
    assert before != after
