"""Which orders go, in what order, and who waits for it."""

from __future__ import annotations

import time
from dataclasses import replace
from decimal import Decimal

import pytest

from deepcoin_ops.domain.model import PositionSide, ProductGroup, product_group_of
from deepcoin_ops.domain.orders import CancelOrders, CancelTriggers, Order, OrderKind, OrderList
from deepcoin_ops.domain.planning import ClosePlan, PlanLine
from deepcoin_ops.flattening.cancel_queue import CancelQueue
from deepcoin_ops.settings import AccountSettings

BTC, ETH, COIN, SPOT = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "ETH-USD-SWAP", "SOL-USDT"
NAMES = (BTC, ETH, COIN, SPOT)
FLAT = ClosePlan((), ())


def order(order_id: str, instrument_id: str = BTC, side: str = "buy", kind: OrderKind = OrderKind.RESTING) -> Order:
    """An order about the long side; one that buys can open."""
    return Order(kind, instrument_id, order_id, side, PositionSide.LONG, Decimal(1), None)


def plan(*instrument_ids: str) -> ClosePlan:
    """What is open, largest first."""
    lines = (PlanLine(name, product_group_of(name), Decimal(1), Decimal(1), (), "live") for name in instrument_ids)
    return ClosePlan(tuple(lines), ())


def queue(
    mode: CancelOrders = CancelOrders.ALL,
    instruments: tuple[str, ...] = NAMES,
    read: set[tuple[OrderList, str]] | None = None,
    longest_hold_s: float = 60.0,
    **more: object,
) -> CancelQueue:
    """A queue of the configured instruments that may be taken from, nothing open; `read` are the lists that count."""
    account = AccountSettings("main", "DEEPCOIN", close_spot=True, instruments=NAMES, cancel_orders=mode, **more)
    found = CancelQueue(account, instruments, 2, longest_hold_s, lambda *key: read is None or key in read)
    found.follow(FLAT)
    found.allow()
    return found


def test_the_orders_of_the_largest_position_go_first_and_fifty_are_fifty() -> None:
    """What is closed first has to be freed first."""
    waiting = queue()
    waiting.follow(plan(ETH, BTC))
    waiting.note_list(OrderList.RESTING, None, [order("c", COIN), order("b", BTC), order("e", ETH)])
    assert [each.order_id for each in waiting.take_resting(2)] == ["e", "b"]
    assert [each.order_id for each in waiting.take_resting(2)] == ["c"]
    assert waiting.take_resting(2) == []


def test_an_instrument_is_held_up_until_the_last_of_its_orders_was_answered() -> None:
    """A half freed size gives the same error item as a frozen one."""
    waiting = queue()
    waiting.hold_up([order("1"), order("2"), order("3", ETH)])
    waiting.note_list(OrderList.RESTING, None, [order("1"), order("2")])
    assert (waiting.is_held_up(BTC), waiting.is_held_up(ETH)) == (True, False)
    first, second = waiting.take_resting(1), waiting.take_resting(1)
    waiting.note_answered(first)
    # The second one is at work, and no order is left to be taken.
    assert waiting.has_work()
    waiting.note_answered(second)
    assert (waiting.is_held_up(BTC), waiting.has_work()) == (False, False)


def test_another_orders_answer_lets_go_of_nobody_else() -> None:
    """A trigger order's cancel was answered while the resting orders of another instrument were still on their way."""
    waiting = queue()
    waiting.hold_up([order("1")])
    waiting.note_list(OrderList.RESTING, None, [order("1")])
    waiting.note_list(OrderList.TRIGGER, ETH, [order("t", ETH, kind=OrderKind.TRIGGER)])
    taken, single = waiting.take_resting(50), waiting.take_single()
    assert single is not None
    waiting.note_answered([single])
    assert waiting.is_held_up(BTC)
    waiting.note_answered(taken)
    assert not waiting.is_held_up(BTC)


def test_an_order_that_is_being_cancelled_is_not_taken_a_second_time() -> None:
    """Another thread reads its list meanwhile, and it still shows."""
    waiting, trigger = queue(), order("t", kind=OrderKind.TRIGGER)
    waiting.note_list(OrderList.TRIGGER, BTC, [trigger])
    taken = waiting.take_single()
    waiting.note_list(OrderList.TRIGGER, BTC, [trigger])
    assert (taken, waiting.take_single()) == (trigger, None)
    waiting.note_answered([trigger])
    waiting.note_list(OrderList.TRIGGER, BTC, [trigger])
    assert waiting.take_single() == trigger


def test_nothing_is_held_up_for_longer_than_an_answer_may_take() -> None:
    """An exchange that takes one order at a time would keep a position open until the deadline."""
    waiting = queue(longest_hold_s=0.05)
    waiting.hold_up([order("1")])
    assert waiting.is_held_up(BTC)
    time.sleep(0.06)
    waiting.note_list(OrderList.RESTING, None, [order("1")])
    assert not waiting.is_held_up(BTC)
    assert waiting.take_resting(50) == [order("1")]


def test_a_trailing_exit_that_names_no_side_is_left() -> None:
    """Its cancel has to name the side; and it can only close."""
    waiting = queue()
    nameless = replace(order("", kind=OrderKind.TRAILING), position_side=None)
    waiting.note_list(OrderList.TRAILING, BTC, [nameless])
    assert waiting.take_single() is None


def test_nothing_is_held_up_by_what_may_not_be_cancelled() -> None:
    """Before the guards have let it, after an interrupt, and where the settings say none: the closes do not wait."""
    for waiting in (queue(CancelOrders.NONE), queue(instruments=(ETH,)), queue()):
        waiting.hold_up([order("1")])
        waiting.note_list(OrderList.RESTING, None, [order("1")])
        if waiting.is_held_up(BTC):
            waiting.forbid()
        assert not waiting.is_held_up(BTC)
        assert waiting.take_resting(50) == []
        assert not waiting.has_work()


def test_a_list_that_broke_off_holds_up_nothing() -> None:
    """Its pages are no list; the next one may take long."""
    waiting = queue()
    waiting.hold_up([order("1")])
    waiting.note_failed_list()
    assert not waiting.is_held_up(BTC)


@pytest.mark.parametrize(
    ("mode", "taken"), [(CancelOrders.ALL, ["buy", "sell"]), (CancelOrders.OPENING, ["buy"]), (CancelOrders.NONE, [])]
)
def test_the_mode_says_which_go(mode: CancelOrders, taken: list[str]) -> None:
    """Opening alone leaves what can only close."""
    waiting = queue(mode)
    waiting.note_list(OrderList.RESTING, None, [order("buy"), order("sell", side="sell")])
    assert [each.order_id for each in waiting.take_resting(50)] == taken


def test_exits_wait_until_their_position_is_gone_and_a_list_shows_them_still() -> None:
    """A stop cancelled before the close leaves the position without one; and it may leave by itself with the position.

    The list may be read before or after the positions that show the close: neither order may lose the exit.
    """
    read: set[tuple[OrderList, str]] = set()
    waiting, stop = queue(read=read), order("stop", kind=OrderKind.PROTECTION, side="sell")
    waiting.follow(plan(BTC))
    waiting.note_list(OrderList.TRIGGER, BTC, [stop])
    assert waiting.take_single() is None
    waiting.follow(FLAT)
    assert waiting.take_single() is None
    waiting.follow(plan(BTC))
    waiting.note_list(OrderList.TRIGGER, BTC, [stop])
    read.add((OrderList.TRIGGER, BTC))
    assert waiting.take_single() is None
    assert not waiting.has_work()
    waiting.follow(FLAT)
    assert waiting.has_work()
    assert waiting.take_single() == stop


def test_before_the_first_read_everything_counts_as_open() -> None:
    """Nobody knows yet which exits belong to a position."""
    account = AccountSettings("main", "DEEPCOIN", close_spot=True, instruments=NAMES)
    waiting = CancelQueue(account, NAMES, 2, 60.0, lambda *_key: True)
    waiting.allow()
    waiting.note_list(OrderList.TRIGGER, BTC, [order("stop", kind=OrderKind.PROTECTION)])
    assert waiting.take_single() is None


def test_an_order_that_a_newer_list_does_not_show_is_not_cancelled() -> None:
    """It filled or was cancelled by its owner; a cancel would only cost a call and a settle time."""
    waiting = queue()
    waiting.note_list(OrderList.TRIGGER, BTC, [order("t", kind=OrderKind.TRIGGER)])
    waiting.note_list(OrderList.TRIGGER, ETH, [order("e", ETH, kind=OrderKind.TRIGGER)])
    waiting.note_list(OrderList.TRIGGER, BTC, [])
    assert [waiting.take_single(), waiting.take_single()] == [order("e", ETH, kind=OrderKind.TRIGGER), None]


def test_an_order_is_tried_so_often_and_no_more() -> None:
    """One that cannot be cancelled must not keep the flatten at work until its deadline."""
    waiting = queue()
    for _ in range(2):
        waiting.note_list(OrderList.RESTING, None, [order("1")])
        waiting.note_answered(waiting.take_resting(50))
    waiting.note_list(OrderList.RESTING, None, [order("1")])
    assert waiting.take_resting(50) == []
    assert not waiting.is_held_up(BTC)


def test_what_was_taken_and_not_sent_is_still_to_be_done() -> None:
    """Stopping came first; and nothing may take the queue for done meanwhile."""
    waiting = queue()
    waiting.note_list(OrderList.RESTING, None, [order("1")])
    taken = waiting.take_resting(50)
    assert waiting.has_work()
    waiting.put_back(taken)
    assert waiting.take_resting(50) == taken


@pytest.mark.parametrize(
    ("instruments", "groups"), [(NAMES, [ProductGroup.SWAP_U, ProductGroup.SWAP]), ((BTC,), []), ((SPOT,), [])]
)
def test_a_product_group_is_cancelled_whole_only_by_a_flatten_of_the_whole_account(
    instruments: tuple[str, ...], groups: list[ProductGroup]
) -> None:
    """And spot has no such call."""
    waiting = queue(instruments=instruments, cancel_triggers=CancelTriggers.BY_PRODUCT_GROUP)
    taken = []
    while (group := waiting.take_group()) is not None:
        taken.append(group)
        assert waiting.awaits_group_cancel
        waiting.note_group_answered()
    assert taken == groups
    assert not waiting.awaits_group_cancel
