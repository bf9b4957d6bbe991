"""One instrument's rows where orders wait: whose side, how serious, and what a verdict says without a recorded order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from account_days import (
    BTC,
    ETH,
    build_attempt,
    build_day,
    build_flatten,
    build_item,
    build_list,
    build_order,
    build_page,
    build_protection,
    build_verdict,
)

from deepcoin_ops.domain.breaks import BreakType, ReconciliationRow, Severity
from deepcoin_ops.domain.day import DayFlatten
from deepcoin_ops.domain.model import FlattenResult, Outcome, PositionSide, ResidualCause, Verdict
from deepcoin_ops.domain.orders import Order
from deepcoin_ops.domain.reconcile import reconcile

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
ETH_FLAT = build_verdict(ETH, Verdict.ALREADY_FLAT)
LEFT = BreakType.RESTING_ORDER_LEFT


def build(verdict: Verdict, *orders: Order, **changes: object) -> DayFlatten:
    """A flatten that read its order lists, with this verdict on BTC."""
    result = FlattenResult.FLAT if verdict.is_flat else FlattenResult.NOT_FLAT
    return build_flatten(
        build_verdict(BTC, verdict), ETH_FLAT, **{"result": result, "orders_after": (build_list(*orders),), **changes}
    )


def rows_of(flatten: DayFlatten) -> dict[PositionSide | None, ReconciliationRow]:
    """BTC's rows by side."""
    return {row.position_side: row for row in reconcile(build_day(flatten)) if row.instrument_id == BTC}


@pytest.mark.parametrize("verdict", [Verdict.FLAT, Verdict.ALREADY_FLAT, Verdict.RESTING_ORDER_LEFT])
def test_an_order_that_can_open_is_an_error_although_no_position_is_open(verdict: Verdict) -> None:
    """A proof of no positions says nothing about the one that the order makes of it tonight."""
    flatten = build(verdict, build_order(position_side=LONG))
    row = rows_of(flatten)[LONG]
    assert (row.break_type, row.severity) == (LEFT, Severity.ERROR)
    assert row.since_at == flatten.stands_at
    assert row.reason == f"left: resting order 7001: buy long 2.5 at 60,000.5; {BTC} is {verdict}"


@pytest.mark.parametrize(
    ("verdict", "severity"),
    [(Verdict.FLAT, Severity.INFO), (Verdict.UNVERIFIED, Severity.ERROR), (Verdict.RESIDUAL, Severity.ERROR)],
)
def test_an_order_that_can_only_close_is_settled_by_the_proof_alone(verdict: Verdict, severity: Severity) -> None:
    """It opens nothing, and holds the size of what is still open."""
    row = rows_of(build(verdict, build_protection(position_side=LONG), after=(build_page((BTC, LONG, "4")),)))[LONG]
    assert LEFT in row.findings
    assert row.severity is severity


def test_on_the_side_that_closed_it_is_information_and_on_no_known_side_it_is_not() -> None:
    """A short's stop loss does not hold the long; one that names no side may."""
    orders = (build_protection(position_side=SHORT), build_protection(position_side=None))
    rows = rows_of(build(Verdict.RESIDUAL, *orders, after=(build_page((BTC, LONG, "4")),)))
    assert {side: (row.findings, row.severity) for side, row in rows.items()} == {
        LONG: ((BreakType.RESIDUAL_POSITION,), Severity.ERROR),
        SHORT: ((LEFT,), Severity.INFO),
        None: ((LEFT,), Severity.ERROR),
    }


def test_each_side_tells_its_own_orders_and_one_without_a_side_has_a_row() -> None:
    """Whoever cancels them has to find each once; a read of no order is not the same as no read."""
    orders = (
        build_order(position_side=LONG, order_id="1"),
        build_protection(position_side=LONG, order_id="2"),
        build_order(position_side=None),
    )
    rows = rows_of(build(Verdict.RESTING_ORDER_LEFT, *orders, before=(build_page((BTC, SHORT, "5")),)))
    told = {side: [order.order_id for order in row.orders or ()] for side, row in rows.items()}
    assert told == {LONG: ["1", "2"], SHORT: [], None: ["7001"]}
    assert "resting order 1" in rows[LONG].reason
    assert "protection order 2" in rows[LONG].reason
    assert "7001" not in rows[LONG].reason
    assert [row.orders for row in rows_of(build_flatten(build_verdict(), ETH_FLAT)).values()] == [None]


def test_orders_in_another_instrument_are_not_this_ones() -> None:
    """One list shows all instruments."""
    assert rows_of(build(Verdict.ALREADY_FLAT, build_order(ETH)))[None].findings == (BreakType.ALREADY_FLAT,)


@pytest.mark.parametrize(
    "orders", [(), (build_protection(position_side=LONG),), (build_protection(position_side=None),)], ids=len
)
def test_the_verdict_that_an_order_is_left_is_an_error_without_a_recorded_one(orders: tuple[Order, ...]) -> None:
    """The verdict was given by lists that counted; an order that is missing in the record must not hide it."""
    for flatten in (build(Verdict.RESTING_ORDER_LEFT, *orders), build(Verdict.RESTING_ORDER_LEFT, orders_after=())):
        row = rows_of(flatten)[None]
        assert (row.break_type, row.severity) == (LEFT, Severity.ERROR)


def test_what_the_closes_left_open_is_settled_where_only_an_order_is_left() -> None:
    """Two reads proved that no position is open: what the closes brought back is over."""
    attempts = (build_attempt(1, Outcome.UNKNOWN), build_attempt(2, Outcome.PARTIAL, [build_item(side=SHORT)]))
    rows = rows_of(build(Verdict.RESTING_ORDER_LEFT, build_order(position_side=LONG), attempts=attempts))
    assert (rows[LONG].findings, rows[LONG].severity) == ((LEFT, BreakType.UNKNOWN_OUTCOME), Severity.ERROR)
    assert (rows[SHORT].break_type, rows[SHORT].severity) == (BreakType.UNKNOWN_OUTCOME, Severity.INFO)
    assert rows[LONG].quantity_after_contracts == 0


def test_the_reason_names_an_order_once() -> None:
    """The flatten's own words may name it already."""
    order = build_order(position_side=LONG)
    words = f"no position is open, and an order waits: {order.describe()}"
    flatten = build(Verdict.RESTING_ORDER_LEFT, order)
    told = replace(flatten, verdicts=(build_verdict(BTC, Verdict.RESTING_ORDER_LEFT, reason=words), ETH_FLAT))
    assert rows_of(told)[LONG].reason == words


def test_the_cause_stands_at_the_side_that_is_still_open() -> None:
    """Why something is open is nothing to say of a side that is not."""
    verdict = build_verdict(BTC, Verdict.RESIDUAL, cause=ResidualCause.FROZEN)
    pages = {"before": (build_page((BTC, LONG, "4"), (BTC, SHORT, "3")),), "after": (build_page((BTC, LONG, "4")),)}
    rows = rows_of(build_flatten(verdict, ETH_FLAT, result=FlattenResult.NOT_FLAT, **pages))
    assert {side: row.residual_cause for side, row in rows.items()} == {LONG: ResidualCause.FROZEN, SHORT: None}
    unrecorded = rows_of(build_flatten(verdict, ETH_FLAT, result=FlattenResult.NOT_FLAT))
    assert unrecorded[None].residual_cause is ResidualCause.FROZEN
