"""What a plan says of the resting orders: which would go, which would stay, and what it does not know."""

from __future__ import annotations

from decimal import Decimal

import pytest
from account_days import BTC, DOT, ETH, build_order

from deepcoin_ops.domain.model import ProductGroup
from deepcoin_ops.domain.orders import CancelOrders, Order
from deepcoin_ops.domain.planned_orders import PlannedOrders, plan_orders
from deepcoin_ops.domain.planning import ClosePlan, PlanLine

OPENING, CLOSING = build_order(BTC, order_id="OPEN"), build_order(BTC, order_id="CLOSE", side="sell")
NOTHING_OPEN = ClosePlan((), ())
ETH_OPEN = ClosePlan((PlanLine(ETH, ProductGroup.SWAP_U, Decimal(1), None, (), "live"),), ())


@pytest.mark.parametrize(
    ("setting", "cancelled", "told"),
    [
        (CancelOrders.ALL, {"OPEN", "CLOSE"}, "2 (1 of them can open) would be cancelled, 0 left (cancel_orders is all)"),
        (CancelOrders.OPENING, {"OPEN"}, "1 (1 of them can open) would be cancelled, 1 left (cancel_orders is opening)"),
        (CancelOrders.NONE, set(), "0 would be cancelled, 2 (1 of them can open) left (cancel_orders is none)"),
    ],
)
def test_the_setting_decides_which_orders_go(setting: CancelOrders, cancelled: set[str], told: str) -> None:
    """An order that can open and is left keeps the account from being flat, so it is counted by itself."""
    planned = plan_orders(setting, (BTC,), (OPENING, CLOSING), NOTHING_OPEN)
    assert planned.orders is not None
    assert {each.order.order_id for each in planned.orders if each.is_cancelled} == cancelled
    assert [each.effect for each in planned.orders] == ["can open", "can only close"]
    assert told in planned.describe()


def test_orders_of_the_largest_position_come_first_and_others_are_only_counted() -> None:
    """A long list is cut at its end; what nobody asked about is never cancelled, but a desk should know of it."""

    def listed(*instrument_ids: str) -> list[Order]:
        return [build_order(each, order_id=f"{number}") for number, each in enumerate(instrument_ids)]

    planned = plan_orders(CancelOrders.ALL, (BTC, ETH), listed(BTC, DOT, ETH, BTC, DOT), ETH_OPEN)
    assert [each.order.order_id for each in planned.orders or ()] == ["2", "0", "3"]
    assert planned.elsewhere == 2
    assert "2 order(s) in other instruments would stay" in planned.describe()


def test_no_orders_and_no_list_are_told_apart() -> None:
    """Failure that reads as success begins with an empty list that nobody proved."""
    assert plan_orders(CancelOrders.ALL, (BTC,), (), NOTHING_OPEN).describe() == "Resting orders: none."
    unknown = PlannedOrders(CancelOrders.ALL, None, None, "timed out").describe()
    assert "could not be read: timed out." in unknown
    assert "none" not in unknown
