"""Order lists, picked and put together."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from account_days import BTC, ETH, TICK, build_flatten, build_list, build_order

from deepcoin_ops.domain.model import FlattenResult
from deepcoin_ops.domain.order_lists import find_newest_list, find_orders, find_orders_left, merge_lists
from deepcoin_ops.domain.orders import OrderList

LATER = TICK + timedelta(minutes=5)


def test_the_orders_of_an_instrument_are_picked_from_every_list() -> None:
    """One list shows all instruments, two show one each."""
    limit, trigger, other = build_order(order_id="1"), build_order(order_id="2"), build_order(ETH)
    pages = [build_list(other, limit), build_list(trigger, instrument_id=BTC)]
    assert find_orders(pages, BTC) == (limit, trigger)
    assert find_orders([], BTC) == ()


def test_no_list_of_an_instrument_is_not_one_without_orders() -> None:
    """Another instrument's trigger orders say nothing about this one's."""
    assert find_orders_left([], BTC) is None
    assert find_orders_left([build_list(build_order(ETH), instrument_id=ETH)], BTC) is None
    assert find_orders_left([build_list(build_order(ETH))], BTC) == ()
    assert find_orders_left([build_list(build_order(), instrument_id=BTC)], BTC) == (build_order(),)


def test_the_newest_page_of_each_list_counts_in_whatever_order_they_come() -> None:
    """A list of one instrument replaces neither that of another one nor another kind of it."""
    old, new = build_list(build_order()), replace(build_list(), started_at=LATER)
    of_btc, of_eth = build_list(instrument_id=BTC), build_list(instrument_id=ETH)
    trailing = build_list(instrument_id=BTC, kind=OrderList.TRAILING)
    for pages in ((new, old, of_btc, of_eth, trailing), (of_btc, old, trailing, of_eth, new)):
        assert set(merge_lists(*pages)) == {new, of_btc, of_eth, trailing}


def test_the_newest_list_of_all_instruments_is_of_a_flatten_that_looked() -> None:
    """A rehearsal says nothing about the account, and a list of one instrument nothing about the others."""
    first = build_flatten(orders_after=(build_list(),))
    second = build_flatten(number=1, opened_at=LATER, orders_after=(build_list(), build_list(instrument_id=BTC)))
    dry = build_flatten(number=2, opened_at=LATER + timedelta(hours=1), is_dry_run=True, orders_after=(build_list(),))
    refused = build_flatten(number=3, result=FlattenResult.REFUSED, orders_after=(build_list(),))
    assert find_newest_list([second, first, dry, refused]) == (second, second.orders_after[0])
    assert find_newest_list([dry, refused, build_flatten(orders_after=(build_list(instrument_id=BTC),))]) is None
