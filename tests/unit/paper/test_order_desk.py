"""Orders that wait: when they fill, what that does, and that a cancelled one never does."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from deepcoin_ops.domain.model import InstrumentType, PositionSide
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.listing import LISTED
from deepcoin_ops.paper.open_questions import OrderRules
from deepcoin_ops.paper.order_records import OrderKind, PaperOrder
from deepcoin_ops.paper.scenario import PaperPosition

BTC = "BTC-USDT-SWAP"


@pytest.mark.parametrize("kind", [OrderKind.RESTING, OrderKind.TRIGGER])
def test_an_order_fills_at_its_time_and_enlarges_the_position(set_stage, position, order, kind: OrderKind) -> None:
    """A merged row grows; its id stays."""
    stage = set_stage(position(), order(kind=kind, fills_after_s=2.0))
    stage.elapsed_s = 1.9
    assert (stage.sizes(), stage.working()) == ([Decimal(10)], ["A"])
    stage.elapsed_s = 2.0
    assert (stage.sizes(), stage.working(), stage.state("A")) == ([Decimal(14)], [], "filled")


def test_a_fill_is_dated_when_it_was_due_not_when_somebody_looked(set_stage, order) -> None:
    """A lagging read must not show an older world because nobody asked in between."""
    stage = set_stage(order(fills_after_s=2.0))
    stage.elapsed_s = 10.0
    [row] = stage.market.rows("main", InstrumentType.SWAP, lag_s=8.0)
    assert row.created_at.second == 2
    assert stage.market.rows("main", InstrumentType.SWAP, lag_s=8.1) == ()
    [fill] = stage.market.orders.books["main"].fills
    assert (fill.filled_s, fill.position_id) == (2.0, row.position.position_id)


def test_an_order_can_fill_after_the_first_close_of_its_instrument(set_stage, position, order) -> None:
    """The account was flat for half a second: exactly what one clean read would have believed."""
    stage = set_stage(position(), position("ETH-USDT-SWAP"), order(fills_after_close_s=0.5))
    stage.close("ETH-USDT-SWAP")
    stage.elapsed_s = 5.0
    assert stage.close() == []
    assert stage.sizes() == []
    stage.elapsed_s = 5.5
    assert stage.sizes() == [Decimal(4)]


def test_a_cancelled_order_never_fills(set_stage, order) -> None:
    """Not at its time, not after a close."""
    stage = set_stage(order(fills_after_s=2.0, fills_after_close_s=0.0))
    stage.ask("cancel-order", instId=BTC, ordId="A", arrival=7)
    stage.elapsed_s = 9.0
    assert (stage.sizes(), stage.state("A")) == ([], "canceled")
    assert stage.market.orders.books["main"].orders["A"].arrival == 7


def test_a_partial_fill_leaves_the_rest_waiting(set_stage, order) -> None:
    """What is left can be cancelled, what was filled stays open."""
    stage = set_stage(order(fills_after_s=1.0, fill_contracts=Decimal(1)))
    stage.elapsed_s = 1.0
    assert (stage.sizes(), stage.state("A"), stage.working()) == ([Decimal(1)], "partially_filled", ["A"])
    stage.ask("cancel-order", instId=BTC, ordId="A")
    assert (stage.sizes(), stage.state("A")) == ([Decimal(1)], "canceled")


def test_a_closing_order_shrinks_the_position_and_enters_the_history(set_stage, position, order) -> None:
    """A close that no request did is arrival 0 and carries the order's id."""
    stage = set_stage(position(), order(is_closing=True, fills_after_s=1.0))
    stage.elapsed_s = 1.0
    assert stage.sizes() == [Decimal(6)]
    [closed] = stage.market.books["main"].history
    assert (closed.close.arrival, closed.order_id, closed.close.executed_s) == (0, "A", 1.0)
    assert stage.close() == []


def test_a_closing_order_without_a_position_ends_unfilled(set_stage, order) -> None:
    """It must not open the other side."""
    stage = set_stage(order(is_closing=True, fills_after_s=1.0))
    stage.elapsed_s = 1.0
    assert (stage.sizes(), stage.state("A")) == ([], "canceled")


def test_nothing_fills_in_a_suspended_instrument(set_stage, order) -> None:
    """The order goes on waiting."""
    instruments = tuple(replace(item, state="suspend") if item.instrument_id == BTC else item for item in LISTED)
    stage = set_stage(order(fills_after_s=1.0), instruments=instruments)
    stage.elapsed_s = 2.0
    assert (stage.sizes(), stage.working()) == ([], ["A"])


@pytest.mark.parametrize(("ends", "waiting"), [(True, []), (False, ["A", "T"])])
def test_protection_leaves_with_its_position(set_stage, position, order, ends: bool, waiting: list[str]) -> None:
    """Seen for split positions; what it would close is gone."""
    protection = order(size="0", kind=OrderKind.PROTECTION)
    trailing = order("T", size="0", kind=OrderKind.TRAILING)
    stage = set_stage(position(), protection, trailing, ordering=OrderRules(protection_ends=ends))
    assert stage.working() == ["A", "T"]
    assert stage.close() == []
    assert stage.working() == waiting


def test_protection_without_a_size_closes_the_whole_position(set_stage, position, order) -> None:
    """And it freezes nothing before that."""
    stage = set_stage(position(), order(size="0", kind=OrderKind.PROTECTION, fills_after_s=1.0))
    stage.elapsed_s = 1.0
    assert (stage.sizes(), stage.state("A")) == ([], "filled")


def test_a_reopened_cancel_comes_back_as_a_new_order(set_stage, order) -> None:
    """As a strategy that quotes again at once."""
    stage = set_stage(order())
    stage.ask("cancel-order", Fault(FaultAction.REOPEN, delay_s=1.0), instId=BTC, ordId="A")
    assert stage.working() == []
    stage.elapsed_s = 1.0
    [again] = stage.working()
    assert again != "A"


def test_an_order_is_refused_that_cannot_be(set_stage, order) -> None:
    """A scenario that says something impossible must not run."""
    with pytest.raises(ValueError, match="is taken"):
        set_stage(order(), order())
    with pytest.raises(ValueError, match="without a size"):
        PaperOrder(BTC, PositionSide.LONG)


def test_a_spot_buy_adds_to_the_holding(set_stage, position, order) -> None:
    """Spot orders rest in the same list."""
    stage = set_stage(position("SOL-USDT", "2"), order(instrument_id="SOL-USDT", fills_after_s=1.0))
    stage.elapsed_s = 1.0
    assert stage.sizes() == [Decimal(6)]
    assert isinstance(stage.market.all_rows("main")[0].position, PaperPosition)
