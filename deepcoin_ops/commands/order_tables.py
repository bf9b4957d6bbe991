"""The command line's tables about waiting orders: what a flatten would do to them, and what became of its cancels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from deepcoin_ops.commands.layout import (
    BAD,
    STYLES,
    add_row,
    build_cell,
    build_table,
    describe_amount,
    describe_names,
    plain,
)
from deepcoin_ops.domain.orders import CancelAttempt
from deepcoin_ops.domain.planned_orders import NOT_READ_FOR_A_PLAN, PlannedOrders

_MOST_ORDERS = 20


def build_planned_orders(planned: PlannedOrders) -> list[RenderableType]:
    """The resting orders with what a flatten would do to each, the first of them as a table; then how many there are."""
    told: list[RenderableType] = []
    if planned.orders:
        headers = ("instrument", "order", "side", "size", "price", "if it is left", "a flatten")
        table = build_table("resting orders", *headers, right=("size", "price"))
        for each in planned.orders[:_MOST_ORDERS]:
            order = each.order
            side = " ".join(filter(None, (order.side, order.position_side)))
            size, price = describe_amount(order.quantity_contracts), describe_amount(order.price)
            fate = "cancels it" if each.is_cancelled else "leaves it"
            add_row(table, order.instrument_id, order.order_id, side, size, price, each.effect, fate)
        told.append(table)
        if (more := len(planned.orders) - _MOST_ORDERS) > 0:
            told.append(plain(f"... and {more} more"))
    style = BAD if planned.orders is None else ""
    return [*told, plain(f"{planned.describe()} {NOT_READ_FOR_A_PLAN}", style)]


def build_cancels(cancels: Sequence[CancelAttempt]) -> list[RenderableType]:
    """The cancels with their outcomes as a table; none when there are none."""
    headers = ("#", "kind", "instruments", "orders", "outcome", "reason", "error codes")
    table = build_table("cancels of waiting orders", *headers, right=("#", "orders"))
    for cancel in cancels:
        intent = cancel.intent
        table.add_row(
            plain(str(intent.send_number)),
            plain(intent.kind),
            build_cell(describe_names(intent.instrument_ids)),
            plain(str(len(intent.order_ids) or "all")),
            plain(cancel.outcome, STYLES[cancel.outcome]),
            build_cell(cancel.reason),
            _list_codes(cancel),
        )
    return [table] if cancels else []


def describe_cancel(cancel: CancelAttempt) -> str:
    """What a cancel is about, in words."""
    intent = cancel.intent
    return f"{len(intent.order_ids) or 'all'} {intent.kind.lower()} order(s) of {describe_names(intent.instrument_ids)}"


def _list_codes(cancel: CancelAttempt) -> Text:
    """The codes of the orders that were not cancelled, each with how often it came."""
    counted = Counter(error.error_code for error in cancel.cancel_errors)
    return build_cell(", ".join(code if times == 1 else f"{code} ({times} times)" for code, times in counted.items()))
