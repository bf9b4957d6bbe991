"""What a plan shows that keeps a flatten from ending FLAT, in time to act. Pure; shared by `plan` and the preflight.

No finding of a plan blocks. An instrument that cannot be closed holds back only itself (decision 0012), and whatever else
is open is better closed than left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from deepcoin_ops.domain.checks import Finding, FindingKind
from deepcoin_ops.domain.model import ResidualCause, product_group_of
from deepcoin_ops.domain.planned_orders import PlannedOrders
from deepcoin_ops.domain.planning import ClosePlan, MarketData, describe_lines
from deepcoin_ops.domain.showing import CELL, show_text

# A concern that may keep a close from taking an instrument whole, as a finding, with what to do about it. Copy trading is
# none of them: what the settings leave is a finding of its own, and what they close has been decided.
_CONCERNS = {
    ResidualCause.NOT_TRADING: (
        FindingKind.NOT_TRADING,
        "It cannot be closed while the exchange does not trade it. Close it while it trades, or hedge elsewhere.",
    ),
    ResidualCause.OVERSIZED: (
        FindingKind.OVERSIZED,
        "Whether one close takes it whole is not documented. Reduce it by hand, or watch the flatten.",
    ),
    ResidualCause.ODD_LOT: (
        FindingKind.ODD_LOT,
        "Whether a close takes the odd part is not documented. Close that part by hand, or watch the flatten.",
    ),
}
_MOST_NAMED = 10


@dataclass(frozen=True)
class PlanFacts:
    """What is known when a flatten is planned.

    Attributes:
        plan: What is open.
        market: The lists and prices that could be read.
        held_back: Configured instruments that no close would be sent for (`planning.find_held_back`).
        left_open: Instruments with rows of copy trading that the settings leave open, each with which and why.
        named: The instruments that the settings name: those that are closed, and those expected to stay open.
        orders: What would become of the waiting orders.
        closing_s: Seconds that the closes of a first round take, without incidents.
        deadline_s: Seconds for which a flatten of what is open goes on sending.
    """

    plan: ClosePlan
    market: MarketData
    held_back: Mapping[str, str]
    left_open: Mapping[str, str]
    named: Collection[str]
    orders: PlannedOrders
    closing_s: float
    deadline_s: float


def find_plan_findings(facts: PlanFacts) -> tuple[Finding, ...]:
    """What of a plan keeps a flatten from ending FLAT, each with what to do; then what it leaves open beside its own."""
    found = [
        *_find_unlisted(facts),
        *_find_concerns(facts.plan),
        *_find_left_open(facts),
        *_find_orders(facts),
        *_find_late(facts),
        *_find_unplaced(facts.plan),
        *_find_unconfigured(facts),
    ]
    return tuple(Finding(kind, False, text) for kind, text in found)


def _find_unlisted(facts: PlanFacts) -> Iterator[tuple[FindingKind, str]]:
    listed_types, instruments = facts.market.listed_types, facts.market.instruments
    unlisted = [name for name in facts.held_back if product_group_of(name).instrument_type in listed_types]
    if unlisted:
        yield (
            FindingKind.INSTRUMENT_UNLISTED,
            f"the exchange does not list {_name(unlisted)}. A flatten sends nothing for it and ends UNVERIFIED, with "
            "everything else closed. Correct the spelling in the settings, or remove it from `instruments`.",
        )
    delisted = [
        line.instrument_id
        for line in facts.plan.lines
        if line.instrument_id not in instruments and line.product_group.instrument_type in listed_types
    ]
    if delisted:
        yield (
            FindingKind.INSTRUMENT_UNLISTED,
            f"the exchange does not list {_name(delisted)}, where a position is open. Whether it can be closed is not "
            "known. Look at it at the exchange.",
        )
    unread = [name for name in facts.held_back if name not in unlisted]
    if unread:
        yield (
            FindingKind.LISTING_UNREAD,
            f"the exchange's instrument list could not be read, so it is not known whether it has {_name(unread)}. A "
            "flatten that cannot read it either ends UNVERIFIED. Run the preflight again.",
        )


def _find_concerns(plan: ClosePlan) -> Iterator[tuple[FindingKind, str]]:
    for cause, (kind, what_to_do) in _CONCERNS.items():
        lines = [line for line in plan.lines if cause in line.concerns]
        if lines:
            yield kind, f"{describe_lines(lines)}. {what_to_do}"


def _find_left_open(facts: PlanFacts) -> Iterator[tuple[FindingKind, str]]:
    if facts.left_open:
        listed = "; ".join(f"{name}: {words}" for name, words in facts.left_open.items())
        yield (
            FindingKind.COPY_TRADING_LEFT,
            f"{listed}. A flatten leaves them open and ends NOT_FLAT. Close them where they belong, or set "
            "close_copy_trading: true.",
        )


def _find_orders(facts: PlanFacts) -> Iterator[tuple[FindingKind, str]]:
    orders, opened = facts.orders, {line.instrument_id for line in facts.plan.lines}
    opening = [f"{order.instrument_id} {order.describe()}" for order in orders.left if order.can_open]
    if opening:
        yield (
            FindingKind.ORDER_LEFT,
            f"a flatten leaves {_name(opening)} (cancel_orders is {orders.cancel_orders}). What can open a position keeps "
            "the account from being flat. Cancel by hand before, or change cancel_orders.",
        )
    holding = [
        f"{order.instrument_id} {order.describe()}"
        for order in orders.left
        if not order.can_open and order.instrument_id in opened
    ]
    if holding:
        yield (
            FindingKind.ORDER_HOLDS_SIZE,
            f"a flatten leaves {_name(holding)} (cancel_orders is {orders.cancel_orders}). It may hold the size that a "
            "close would take. Cancel by hand before, or change cancel_orders.",
        )
    for what, failure in (("resting orders", orders.failure), ("trigger orders", orders.trigger_failure)):
        if failure is not None:
            yield (
                FindingKind.ORDERS_UNREADABLE,
                f"a list of {what} could not be read: {failure}. Without it nothing is proven flat. Look whether the key "
                "may read orders, then run the preflight again.",
            )


def _find_late(facts: PlanFacts) -> Iterator[tuple[FindingKind, str]]:
    if facts.closing_s > facts.deadline_s:
        yield (
            FindingKind.DEADLINE_TOO_SHORT,
            f"closing what is open takes about {facts.closing_s:.0f} s at this pace, and a flatten sends for "
            f"{facts.deadline_s:.0f} s: the smallest positions stay open. Raise flatten.max_deadline_s, or close some "
            "before.",
        )


def _find_unplaced(plan: ClosePlan) -> Iterator[tuple[FindingKind, str]]:
    unplaced = sorted({row.instrument_id for row in plan.unconfigured if row.product_group is None})
    if unplaced:
        yield (
            FindingKind.ROW_UNPLACED,
            f"a position is open in {_name(unplaced)}, an id of no known spelling. It may be a configured instrument under "
            "another name, and is never closed. Look at it at the exchange.",
        )


def _find_unconfigured(facts: PlanFacts) -> Iterator[tuple[FindingKind, str]]:
    open_here = sorted({row.instrument_id for row in facts.plan.unconfigured if row.product_group is not None})
    if open_here:
        yield (
            FindingKind.UNCONFIGURED_POSITION,
            f"a position is open in {_name(open_here)}, which the settings do not name: it stays open. Add it to "
            "`instruments`, close it by hand, or name it in `expected_positions`.",
        )
    elsewhere = [order for order in facts.orders.opening_elsewhere if order.instrument_id not in facts.named]
    waiting = [f"{order.instrument_id} {order.describe()}" for order in elsewhere]
    if waiting:
        yield (
            FindingKind.UNCONFIGURED_ORDER,
            f"orders that can open a position wait in instruments that the settings do not name: {_name(waiting)}. No "
            "flatten cancels them. Cancel by hand what is not meant.",
        )


def _name(names: Iterable[str]) -> str:
    """Names in a row, at most so many of them."""
    listed = [show_text(name, CELL) for name in names]
    more = f" and {len(listed) - _MOST_NAMED} more" if len(listed) > _MOST_NAMED else ""
    return ", ".join(listed[:_MOST_NAMED]) + more
