"""A market with one account and a clock that moves when the test says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from deepcoin_ops.domain.model import PositionSide
from deepcoin_ops.paper.calls import Call, ParameterFault
from deepcoin_ops.paper.clock import PaperClock
from deepcoin_ops.paper.endpoints import ENDPOINTS
from deepcoin_ops.paper.faults import Fault
from deepcoin_ops.paper.listing import LISTED
from deepcoin_ops.paper.market import Market
from deepcoin_ops.paper.order_records import PaperOrder
from deepcoin_ops.paper.scenario import PaperAccount, PaperBot, PaperPosition, Scenario

BTC = "BTC-USDT-SWAP"


class Stage:
    """A market, its clock and short ways to ask it."""

    def __init__(self, account: PaperAccount, settings: dict[str, Any]) -> None:
        self.elapsed_s = 0.0
        start = datetime(2026, 1, 2, tzinfo=UTC)
        clock = PaperClock(0.0, lambda: self.elapsed_s, lambda: start + timedelta(seconds=self.elapsed_s))
        self.market = Market(replace(Scenario(LISTED, (account,)), **settings), clock)

    def ask(self, path: str, fault: Fault | None = None, arrival: int = 1, **parameters: Any) -> dict[str, Any]:
        """The payload of one call, refused or not."""
        try:
            call = Call("main", parameters, arrival, fault)
            return ENDPOINTS["/deepcoin/trade/" + path].answer(self.market, call)
        except ParameterFault as refusal:
            return refusal.payload

    def close(self, instrument_id: str = BTC, fault: Fault | None = None) -> list[int]:
        """One batch close; the codes of its items."""
        failures = self.market.batch_close("main", self.market.instruments[instrument_id], 1, fault)
        return [failure.code for failure in failures]

    def sizes(self) -> list[Decimal]:
        """What is open, row by row."""
        return [row.position.quantity_contracts for row in self.market.all_rows("main")]

    def working(self) -> list[str]:
        """The ids of the orders that still wait."""
        self.market.let_time_pass()
        return [name for name, held in self.market.orders.books["main"].orders.items() if held.is_working]

    def state(self, order_id: str) -> str:
        """Where an order stands."""
        self.market.let_time_pass()
        return self.market.orders.books["main"].orders[order_id].state.value


@pytest.fixture
def set_stage() -> Callable[..., Stage]:
    """Build a stage from positions, orders and bots in any order, and settings of the scenario."""

    def build(*things: PaperPosition | PaperOrder | PaperBot, **settings: Any) -> Stage:
        return Stage(
            PaperAccount(
                "main",
                tuple(each for each in things if isinstance(each, PaperPosition)),
                tuple(each for each in things if isinstance(each, PaperOrder)),
                tuple(each for each in things if isinstance(each, PaperBot)),
            ),
            settings,
        )

    return build


@pytest.fixture
def position() -> Callable[..., PaperPosition]:
    """A position of ten contracts long, unless told otherwise."""

    def build(instrument_id: str = BTC, size: str = "10", **fields: Any) -> PaperPosition:
        return replace(PaperPosition(instrument_id, PositionSide.LONG, Decimal(size)), **fields)

    return build


@pytest.fixture
def order() -> Callable[..., PaperOrder]:
    """A resting order that would open four contracts long, named `A`, unless told otherwise."""

    def build(order_id: str = "A", size: str = "4", instrument_id: str = BTC, **fields: Any) -> PaperOrder:
        return PaperOrder(
            instrument_id=instrument_id,
            position_side=fields.pop("position_side", PositionSide.LONG),
            quantity_contracts=Decimal(size),
            order_id=order_id,
            **fields,
        )

    return build
