"""Nights about order lists: of several answers, cut, or not to be had."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from deepcoin_ops.core.judge import Proven
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.limits import Limits
from deepcoin_ops.domain.orders import CancelOrders, OrderKind, OrderList
from deepcoin_ops.simulation.night import Night, Result
from deepcoin_ops.simulation.script import Habits, Placed, Script
from deepcoin_ops.simulation.strikes import Fate, Strike

A = "C000-USDT-SWAP"
NIGHTS = 20


def play(seed: int, **more: object) -> Result:
    """Play a night of one open position, and see that nothing but its verdict could be wrong."""
    result = Night(Script(**{"seed": seed, "instruments": (A,), "positions": ((A, "long", Decimal(100)),), **more})).play()
    assert result.violations == []
    return result


@pytest.mark.parametrize("page_size", [20, 50])
def test_orders_that_stay_are_seen_however_many_answers_a_list_takes(page_size: int) -> None:
    """A hundred and forty orders, of which one can open a position; others take some away while the list is read."""
    orders = tuple(Placed(A, OrderKind.RESTING, can_open=number == 77) for number in range(140))
    limits = msgspec.structs.replace(Limits(), cancel_orders=CancelOrders.NONE)
    for seed in range(NIGHTS):
        habits, removals = Habits(page_size=page_size), (3.0 + seed / 4, 9.0 + seed / 4)
        result = play(seed, orders=orders, habits=habits, limits=limits, removals=removals)
        assert result.worst is Proven.RESTING_ORDER_LEFT


def test_a_list_that_says_it_was_cut_proves_nothing() -> None:
    """Each list is cut, so that no absence is proven."""
    result = play(1, habits=Habits(cuts=1.0))
    assert [(each.proven, each.cause) for each in result.judgements] == [(Proven.UNVERIFIED, "LIST_MISSING")]


def test_a_list_of_trailing_exits_that_fails_holds_nothing_back() -> None:
    """It can only close, so that it changes no verdict."""
    for seed in range(NIGHTS):
        usual = play(seed)
        tries = [
            number
            for number, fact in enumerate(each for each in usual.facts if _is_single_list(each))
            if fact.order_list is OrderList.TRAILING
        ]
        failing = play(seed, strikes=(Strike(Fate.FAILED, f.Lane.TRIGGER, A, first=tries[0] + 1, last=tries[0] + 1),))
        assert failing.worst is Proven.FLAT
        assert failing.ended_s <= usual.ended_s + 3.0


def test_what_waits_of_an_instrument_whose_list_is_not_to_be_had_is_never_proven() -> None:
    """Its positions are closed all the same."""
    result = play(1, listless=frozenset({A}))
    assert [(each.proven, each.cause) for each in result.judgements] == [(Proven.UNVERIFIED, "LIST_MISSING")]
    assert any(isinstance(fact, f.CallAnswered) for fact in result.facts)


def _is_single_list(fact: object) -> bool:
    return isinstance(fact, f.OrdersRead) and fact.instrument_id is not None
