"""What a plan shows that keeps a flatten from ending FLAT: each kind, what it says to do, and that none of them blocks."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from account_days import BTC, DOT, ETH, build_order

from deepcoin_ops.domain.checks import FindingKind
from deepcoin_ops.domain.model import Instrument, InstrumentType, Position, PositionSide, ProductGroup
from deepcoin_ops.domain.orders import CancelOrders, Order
from deepcoin_ops.domain.plan_findings import PlanFacts, find_plan_findings
from deepcoin_ops.domain.planned_orders import plan_orders
from deepcoin_ops.domain.planning import MarketData, find_held_back, plan_closes

SWAP = frozenset({InstrumentType.SWAP})


def row(instrument_id: str, group: ProductGroup | None = ProductGroup.SWAP_U, **more: Any) -> Position:
    """A long position of ten contracts."""
    fields = (instrument_id, group, "1", PositionSide.LONG, Decimal(10), "cross", "merge", None, "USDT")
    return replace(Position(*fields), **more)


def plan_of(
    *rows: Position,
    listed: tuple[str, ...] = (BTC, ETH),
    listed_types: frozenset[InstrumentType] = SWAP,
    cancels: CancelOrders = CancelOrders.ALL,
    orders: tuple[Order, ...] = (),
    expected: tuple[str, ...] = (),
    **changes: Any,
) -> PlanFacts:
    """The plan of an account with BTC and ETH configured."""
    lists = {name: Instrument(name, ProductGroup.SWAP_U, Decimal(1), None, Decimal(1), None, "live") for name in listed}
    market = MarketData(lists, {}, listed_types)
    plan = plan_closes((BTC, ETH), rows, market, (BTC, ETH), expected)
    held_back = find_held_back((BTC, ETH), {line.instrument_id for line in plan.lines}, market)
    planned = plan_orders(cancels, (BTC, ETH), orders, plan)
    return replace(PlanFacts(plan, market, held_back, {}, {BTC, ETH, *expected}, planned, 10.0, 120.0), **changes)


CLOSING = build_order(BTC, order_id="CLOSE", side="sell")
KEPT = {
    "unlisted": (plan_of(listed=(BTC,)), FindingKind.INSTRUMENT_UNLISTED, ETH, "remove it from `instruments`"),
    "open and unlisted": (plan_of(row(ETH), listed=(BTC,)), FindingKind.INSTRUMENT_UNLISTED, ETH, "is open"),
    "no list": (plan_of(row(BTC), listed=(), listed_types=frozenset()), FindingKind.LISTING_UNREAD, ETH, "again"),
    "left open": (plan_of(left_open={BTC: "rows"}), FindingKind.COPY_TRADING_LEFT, BTC, "close_copy_trading: true"),
    "opens": (plan_of(cancels=CancelOrders.NONE, orders=(build_order(ETH),)), FindingKind.ORDER_LEFT, ETH, "by hand"),
    "holds": (
        plan_of(row(BTC), cancels=CancelOrders.OPENING, orders=(CLOSING,)),
        FindingKind.ORDER_HOLDS_SIZE,
        BTC,
        "change cancel_orders",
    ),
    "late": (plan_of(row(BTC), closing_s=130.0), FindingKind.DEADLINE_TOO_SHORT, "130 s", "max_deadline_s"),
    "unplaced": (plan_of(row("BTCUSDT", None)), FindingKind.ROW_UNPLACED, "BTCUSDT", "Look at it at the exchange"),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_keeps_a_flatten_from_ending_flat_is_found_with_what_to_do(name: str) -> None:
    """It blocks nothing: whatever else is open is better closed than left."""
    facts, kind, named, what_to_do = KEPT[name]
    [finding] = find_plan_findings(facts)
    may_end_flat = kind in (FindingKind.OVERSIZED, FindingKind.ODD_LOT)
    assert (finding.kind, finding.is_blocking, finding.kind.keeps_from_flat) == (kind, False, not may_end_flat)
    assert named in finding.text
    assert what_to_do in finding.text


def test_what_ends_flat_finds_nothing() -> None:
    """A closing order that holds nothing, an opening one that is cancelled, a position that is meant to stay."""
    orders = (CLOSING, build_order(ETH), build_order(DOT))
    assert find_plan_findings(plan_of(row(DOT), orders=orders, expected=(DOT,))) == ()
    assert find_plan_findings(plan_of(cancels=CancelOrders.OPENING, orders=(CLOSING,))) == ()


def test_what_is_open_or_waits_outside_the_configured_instruments_is_named_and_keeps_nothing_from_flat() -> None:
    """A flatten of the configured instruments ends FLAT with it, and no flatten ever closes it."""
    found = find_plan_findings(plan_of(row(DOT), orders=(build_order(DOT), build_order(DOT, side="sell"))))
    assert [each.kind for each in found] == [FindingKind.UNCONFIGURED_POSITION, FindingKind.UNCONFIGURED_ORDER]
    assert not any(each.kind.keeps_from_flat or each.is_blocking for each in found)
    assert all(DOT in each.text for each in found)


def test_many_names_are_cut() -> None:
    """A finding is read on a telephone."""
    orders = tuple(build_order(ETH, order_id=f"{number}") for number in range(30))
    [finding] = find_plan_findings(plan_of(cancels=CancelOrders.NONE, orders=orders))
    assert "and 20 more" in finding.text
