"""Opening, closing and looking back, with an injected clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from deepcoin_ops.domain.model import InstrumentType, PositionSide
from deepcoin_ops.paper.clock import PaperClock
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.listing import LISTED
from deepcoin_ops.paper.market import Market
from deepcoin_ops.paper.open_questions import ClosingRules, NoPositionAnswer, OversizeAnswer
from deepcoin_ops.paper.scenario import PaperAccount, PaperPosition, Scenario

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
BTC = "BTC-USDT-SWAP"


class HandClock:
    """A clock that moves when the test says so."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0

    def paper_clock(self) -> PaperClock:
        """The same time for both of the exchange's clocks."""
        start = datetime(2026, 1, 2, tzinfo=UTC)
        return PaperClock(0.0, lambda: self.elapsed_s, lambda: start + timedelta(seconds=self.elapsed_s))


def position(instrument_id: str = BTC, side: PositionSide = LONG, size: str = "10", **fields: object) -> PaperPosition:
    """A position of ten contracts, unless told otherwise."""
    return replace(PaperPosition(instrument_id, side, Decimal(size)), **fields)


def build_market(*positions: PaperPosition, hand: HandClock | None = None, **settings: object) -> Market:
    """A market with one account, `main`."""
    scenario = replace(Scenario(LISTED, (PaperAccount("main", positions),)), **settings)
    return Market(scenario, (hand or HandClock()).paper_clock())


def open_sizes(market: Market) -> dict[str, Decimal]:
    """Size by position id."""
    return {row.position.position_id: row.position.quantity_contracts for row in market.all_rows("main")}


def test_a_batch_close_closes_every_row_of_the_instrument_and_nothing_else() -> None:
    """Both sides, both margin modes and each split position go; the other instrument stays."""
    market = build_market(
        position(side=LONG),
        position(side=SHORT),
        position(side=LONG, margin_mode="isolated"),
        position(side=LONG, margin_mode="isolated", merge_mode="split"),
        position("ETH-USDT-SWAP"),
    )
    assert market.batch_close("main", market.instruments[BTC], arrival=7) == []
    assert [row.position.instrument_id for row in market.all_rows("main")] == ["ETH-USDT-SWAP"]
    assert [close.arrival for close in market.books["main"].closes] == [7, 7, 7, 7]


def test_a_spared_side_stays_open_and_is_named() -> None:
    """A partial failure closes the rest."""
    market = build_market(position(side=LONG), position(side=SHORT))
    fault = Fault(FaultAction.ERROR_ITEMS, position_side=SHORT, error_code=51008)
    failures = market.batch_close("main", market.instruments[BTC], 1, fault)
    assert [(failure.position_side, failure.code) for failure in failures] == [(SHORT, 51008)]
    assert [row.position.position_side for row in market.all_rows("main")] == [SHORT]


@pytest.mark.parametrize(("choice", "codes"), [(NoPositionAnswer.EMPTY, []), (NoPositionAnswer.ERROR_ITEM, [51020])])
def test_closing_nothing_is_answered_as_the_scenario_says(choice: NoPositionAnswer, codes: list[int]) -> None:
    """The real answer is not known, so both are possible here."""
    market = build_market(no_position_answer=choice)
    failures = market.batch_close("main", market.instruments[BTC], 1)
    assert [failure.code for failure in failures] == codes


def test_closing_by_ids_reports_ids_that_are_not_open_and_closes_the_others_once() -> None:
    """Unlike the batch close, this one is documented to say that a position is gone."""
    market = build_market(position(merge_mode="split"), position(merge_mode="split"))
    first, second = open_sizes(market)
    failures = market.close_by_ids("main", market.instruments[BTC], [first, first, "PAPER-9"], 1)
    assert [(failure.position_id, failure.code) for failure in failures] == [("PAPER-9", 51404)]
    assert list(open_sizes(market)) == [second]
    assert len(market.books["main"].closes) == 1


def test_merged_rows_grow_and_split_rows_stand_side_by_side() -> None:
    """Several rows per instrument are normal, and a merged row keeps its id."""
    market = build_market(position(average_price=Decimal(100)))
    grown = market.open_position("main", position(size="30", average_price=Decimal(200)))
    split = market.open_position("main", position(size="5", merge_mode="split"))
    assert open_sizes(market) == {grown: Decimal(40), split: Decimal(5)}
    assert market.all_rows("main")[0].position.average_price == Decimal(175)


def test_a_lagging_read_shows_the_world_as_it_was() -> None:
    """The exchange's reads were seen to trail its writes by seconds."""
    hand = HandClock()
    market = build_market(position(), hand=hand)
    hand.elapsed_s = 10.0
    market.batch_close("main", market.instruments[BTC], 1)
    hand.elapsed_s = 12.0
    assert market.rows("main", InstrumentType.SWAP) == ()
    assert len(market.rows("main", InstrumentType.SWAP, lag_s=3.0)) == 1
    assert market.rows("main", InstrumentType.SWAP, lag_s=2.0) == ()
    assert len(market.rows("main", InstrumentType.SWAP, lag_s=1000.0)) == 1


def test_a_reopened_position_comes_back_later_with_a_new_id() -> None:
    """As a strategy that was not told to stop would bring it back."""
    hand = HandClock()
    market = build_market(position(), hand=hand)
    before = set(open_sizes(market))
    market.batch_close("main", market.instruments[BTC], 1, Fault(FaultAction.REOPEN, delay_s=2.0))
    hand.elapsed_s = 1.9
    assert open_sizes(market) == {}
    hand.elapsed_s = 2.0
    assert list(open_sizes(market).values()) == [Decimal(10)]
    assert not before & set(open_sizes(market))


def test_an_instrument_that_is_not_live_keeps_its_positions() -> None:
    """Its code is not documented and comes from the scenario."""
    instruments = tuple(replace(item, state="suspend") if item.instrument_id == BTC else item for item in LISTED)
    market = build_market(position(), instruments=instruments, untradable_code=77)
    failures = market.batch_close("main", market.instruments[BTC], 1)
    assert [failure.code for failure in failures] == [77]
    assert len(open_sizes(market)) == 1


def test_a_clamped_close_leaves_what_exceeds_one_market_order() -> None:
    """Whether the real exchange splits a large close is not documented."""
    market = build_market(position(size="200007"), closing=ClosingRules(oversize=OversizeAnswer.CLAMPED))
    assert market.batch_close("main", market.instruments[BTC], 1) == []
    assert list(open_sizes(market).values()) == [Decimal(7)]


def test_a_spot_close_sells_whole_lots_and_reports_dust() -> None:
    """A holding below the smallest size cannot be sold."""
    market = build_market(position("SOL-USDT", size="4.2507"))
    sol = market.instruments["SOL-USDT"]
    assert market.batch_close("main", sol, 1) == []
    assert list(open_sizes(market).values()) == [Decimal("0.0007")]
    assert market.books["main"].spot_balances["USDT"] == Decimal(10000) + Decimal("4.250") * sol.last_price
    assert [failure.code for failure in market.batch_close("main", sol, 2)] == [195]


@pytest.mark.parametrize(
    ("instrument_id", "side", "price", "currency", "profit"),
    [
        (BTC, LONG, "97150.5", "USDT", Decimal(1)),
        (BTC, SHORT, "97150.5", "USDT", Decimal(-1)),
        ("ETH-USD-SWAP", LONG, "1654.9", "ETH", Decimal(100) / Decimal("3309.8")),
    ],
)
def test_a_close_books_its_profit_in_the_margin_currency(
    instrument_id: str, side: PositionSide, price: str, currency: str, profit: Decimal
) -> None:
    """Linear contracts settle in the quote currency, inverse ones in the base currency."""
    market = build_market(position(instrument_id, side, average_price=Decimal(price)))
    before = market.books["main"].swap_balances.get(currency, Decimal(0))
    market.batch_close("main", market.instruments[instrument_id], 1)
    booked = market.books["main"].swap_balances[currency] - before
    assert round(booked, 12) == round(profit, 12)
