"""Rows that are too large, too small, frozen or of copy trading: each open question answered both ways."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from deepcoin_ops.domain.model import PositionSide
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.listing import LISTED
from deepcoin_ops.paper.open_questions import ClosingRules, CopyTradingAnswer, DustAnswer, FrozenAnswer, OversizeAnswer

BTC = "BTC-USDT-SWAP"


@pytest.mark.parametrize(
    ("answer", "codes", "left"),
    [
        (OversizeAnswer.WHOLE, [], []),
        (OversizeAnswer.CLAMPED, [], ["7"]),
        (OversizeAnswer.REFUSED, [193], ["200007"]),
    ],
)
def test_a_row_beyond_one_market_order(
    set_stage, position, answer: OversizeAnswer, codes: list[int], left: list[str]
) -> None:
    """The clamp is the trap: an empty errorList, and the position is still there."""
    stage = set_stage(position(size="200007"), closing=ClosingRules(oversize=answer))
    assert stage.close() == codes
    assert stage.sizes() == [Decimal(size) for size in left]


@pytest.mark.parametrize(
    ("answer", "codes", "left"),
    [(DustAnswer.CLOSED, [], []), (DustAnswer.LEFT, [], ["0.4"]), (DustAnswer.REFUSED, [44], ["10.4"])],
)
def test_a_contract_row_with_a_part_below_the_lot(
    set_stage, position, answer: DustAnswer, codes: list[int], left: list[str]
) -> None:
    """BTC-USDT-SWAP trades whole contracts; what is left of 0.4 cannot be closed by any order."""
    stage = set_stage(position(size="10.4"), closing=ClosingRules(dust=answer))
    assert stage.close() == codes
    assert stage.sizes() == [Decimal(size) for size in left]


def test_dust_that_was_left_is_reported_by_the_next_close(set_stage, position) -> None:
    """It is below the smallest order."""
    stage = set_stage(position(size="10.4"), closing=ClosingRules(dust=DustAnswer.LEFT))
    stage.close()
    assert stage.close() == [195]


@pytest.mark.parametrize("mark", ["is_leading", "is_following"])
@pytest.mark.parametrize(
    ("answer", "codes", "left"),
    [(CopyTradingAnswer.COVERED, [], 0), (CopyTradingAnswer.SPARED, [], 1), (CopyTradingAnswer.REFUSED, [51000], 1)],
)
def test_rows_of_copy_trading(
    set_stage, position, mark: str, answer: CopyTradingAnswer, codes: list[int], left: int
) -> None:
    """The ordinary row beside it is closed every time."""
    copied = position(size="5", margin_mode="isolated", **{mark: True})
    stage = set_stage(position(), copied, closing=ClosingRules(copy_trading=answer))
    assert stage.close() == codes
    assert stage.sizes() == [Decimal(5)] * left


@pytest.mark.parametrize(
    ("answer", "left"), [(FrozenAnswer.ROW_STAYS, Decimal(10)), (FrozenAnswer.FREE_PART_CLOSES, Decimal(4))]
)
def test_a_resting_close_order_freezes_its_size(set_stage, position, order, answer: FrozenAnswer, left: Decimal) -> None:
    """The batch close says insufficient position although the position is plainly there."""
    stage = set_stage(position(), order(is_closing=True), closing=ClosingRules(frozen=answer))
    assert stage.close() == [51020]
    assert stage.sizes() == [left]


def test_a_cancel_frees_what_was_frozen(set_stage, position, order) -> None:
    """Cancel first, close then: the order of things that the whole issue is about."""
    stage = set_stage(position(), order(is_closing=True))
    assert stage.close() == [51020]
    assert stage.ask("batch-cancel-order", OrderSysIDs=["A"])["data"] == {"errorList": []}
    assert stage.close() == []
    assert stage.sizes() == []


def test_only_closing_orders_of_the_same_kind_freeze(set_stage, position, order) -> None:
    """An order that would open holds margin, not size; one of the other margin mode holds another row."""
    stage = set_stage(position(), order(), order("B", is_closing=True, margin_mode="isolated"))
    assert stage.close() == []


def test_split_rows_are_frozen_by_name_or_in_their_order(set_stage, position, order) -> None:
    """An order that names a position holds that one; one that names none holds the first that fits."""
    split = {"merge_mode": "split"}
    first, second = position(position_id="P1", size="6", **split), position(position_id="P2", size="6", **split)
    named = set_stage(first, second, order(is_closing=True, position_id="P2", **split))
    assert (named.close(), named.sizes()) == ([51020], [Decimal(6)])
    loose = set_stage(
        first,
        second,
        order(size="8", is_closing=True, **split),
        closing=ClosingRules(frozen=FrozenAnswer.FREE_PART_CLOSES),
    )
    assert (loose.close(), loose.sizes()) == ([51020, 51020], [Decimal(6), Decimal(2)])


def test_nothing_freezes_where_the_scenario_says_so(set_stage, position, order) -> None:
    """That orders freeze size at all is read out of clients, not out of the pages."""
    stage = set_stage(position(), order(is_closing=True), closing=ClosingRules(freezes_size=False))
    assert stage.close() == []


def test_a_refusal_says_one_thing_only(set_stage, position, order) -> None:
    """A suspended instrument with a frozen row gives one item, and a scripted item goes before everything."""
    instruments = tuple(replace(item, state="suspend") if item.instrument_id == BTC else item for item in LISTED)
    stage = set_stage(position(), order(is_closing=True), instruments=instruments)
    assert stage.close() == [51000]
    assert stage.close(fault=Fault(FaultAction.ERROR_ITEMS, error_code=51008)) == [51008]


def test_a_close_may_take_half_of_each_row_and_say_nothing(set_stage, position) -> None:
    """The second close takes the rest."""
    stage = set_stage(position(size="10"), position(size="7", position_side=PositionSide.SHORT))
    assert stage.close(fault=Fault(FaultAction.HALF_CLOSED)) == []
    assert stage.sizes() == [Decimal(5), Decimal(3)]
    assert stage.close() == []
    assert stage.sizes() == []
