"""Whose word on an instrument counts at the end of a day. Pure, and part of `reconcile`, whose header has the rules."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from deepcoin_ops.domain.day import AccountDay, DayFlatten, OrderPage, PositionPage
from deepcoin_ops.domain.instrument_days import find_verdict
from deepcoin_ops.domain.model import InstrumentVerdict, Verdict
from deepcoin_ops.domain.order_lists import find_newest_list, find_orders, merge_lists
from deepcoin_ops.domain.position_rows import find_rows, list_open


def is_flatten_missing(day: AccountDay) -> bool:
    """Whether a flatten was due, its deadline has passed, and none that looked ended after the tick."""
    due = day.due
    if due is None or not due.is_past:
        return False
    return not any(
        flatten.has_looked and flatten.closed_at is not None and flatten.closed_at >= due.scheduled_at
        for flatten in day.counting
    )


def find_left_out(day: AccountDay) -> list[str]:
    """Configured instruments that no flatten of the evening was asked for, once its deadline has passed.

    Configured as the last of these flattens had it, and as the day has it. Empty where nobody flattened at all: see
    `is_flatten_missing`.
    """
    due = day.due
    if due is None or not due.is_past:
        return []
    evening = [
        flatten
        for flatten in day.counting
        if flatten.has_looked and flatten.closed_at is not None and flatten.closed_at >= due.scheduled_at
    ]
    asked = {instrument_id for flatten in evening for instrument_id in flatten.request.instruments}
    configured = evening[-1].configured if evening else ()
    return [each for each in configured if each in day.instruments and each not in asked]


def find_deciding(day: AccountDay, instrument_id: str) -> DayFlatten | None:
    """The flatten whose word on an instrument counts, None where nobody asked for it; what only showed it may stand in."""
    asked = _find_asked(day, instrument_id)
    for flatten, page in find_newest_pages(day):
        is_newer = asked is None or page.started_at > asked.stands_at
        is_asked = instrument_id in flatten.request.instruments
        if is_newer and not is_asked and instrument_id in list_open(page) and is_of_the_evening(day, page):
            return _build_witness(flatten, page, instrument_id, asked)
    return _add_later_orders(day, asked, instrument_id)


def _find_asked(day: AccountDay, instrument_id: str) -> DayFlatten | None:
    """The last flatten that asked for an instrument, of those that count."""
    scheduled_at = day.due.scheduled_at if day.due is not None else None

    def standing(numbered: tuple[int, DayFlatten]) -> tuple[object, ...]:
        number, flatten = numbered
        is_of_the_evening = scheduled_at is not None and flatten.has_looked and flatten.stands_at >= scheduled_at
        return (is_of_the_evening, flatten.stands_at, number)

    # What was flat at noon says nothing about the evening, once there is an evening to speak of.
    is_over = day.due is not None and day.due.is_past and not is_flatten_missing(day)
    asking = [
        (number, flatten)
        for number, flatten in enumerate(day.counting)
        if (flatten.has_looked or flatten.is_refused)
        and not flatten.request.is_dry_run
        and instrument_id in flatten.request.instruments
        and not (is_over and scheduled_at is not None and flatten.stands_at < scheduled_at)
    ]
    return max(asking, key=standing)[1] if asking else None


def find_newest_pages(day: AccountDay) -> list[tuple[DayFlatten, PositionPage]]:
    """The newest complete page of each instrument type that any flatten which counts has read, with that flatten."""
    read = [(flatten, page) for flatten in day.counting if flatten.has_looked for page in flatten.after]
    newest = {page.instrument_type: (flatten, page) for flatten, page in sorted(read, key=lambda each: each[1].started_at)}
    return list(newest.values())


def is_of_the_evening(day: AccountDay, page: PositionPage | OrderPage) -> bool:
    """Whether what a page shows should not be: before the tick a desk holds positions, and has orders, on purpose."""
    return day.due is None or page.started_at >= day.due.scheduled_at


def _build_witness(flatten: DayFlatten, page: PositionPage, instrument_id: str, asked: DayFlatten | None) -> DayFlatten:
    """A flatten as the one that decides on an instrument which it was not asked to close, and saw open."""
    rows = find_rows([page], instrument_id)
    was_closed = find_verdict(asked, instrument_id).verdict.is_closed
    orders_after = merge_lists(*(asked.orders_after if asked else ()), *flatten.orders_after)
    quantity = sum((row.quantity_contracts for row in rows), Decimal(0))
    reason = f"open in a read of flatten {flatten.request.flatten_id}, which was not asked to close it"
    verdict = InstrumentVerdict(
        instrument_id,
        Verdict.RESIDUAL,
        quantity_before_contracts=None,
        notional_before_usdt=None,
        quantity_after_contracts=quantity,
        notional_after_usdt=None,
        attempts=0,
        reason=reason,
        reopened_position_ids=tuple(row.position_id for row in rows) if was_closed else (),
    )
    return replace(flatten, verdicts=(verdict,), after=(page,), orders_after=orders_after)


def _add_later_orders(day: AccountDay, asked: DayFlatten | None, instrument_id: str) -> DayFlatten | None:
    """The flatten that was asked, with what a later list of all instruments shows."""
    newest = find_newest_list(day.counting)
    if asked is None or newest is None:
        return asked
    flatten, page = newest
    orders = find_orders([page], instrument_id)
    if not orders or page.started_at <= asked.stands_at or not is_of_the_evening(day, page):
        return asked
    orders_after = merge_lists(*asked.orders_after, page)
    verdict = find_verdict(asked, instrument_id)
    if not verdict.verdict.is_flat or not any(order.can_open for order in orders):
        return replace(asked, orders_after=orders_after)
    reason = (
        f"proven flat by flatten {asked.request.flatten_id}; an order waits in a later list of flatten "
        f"{flatten.request.flatten_id}, which was not asked to cancel it"
    )
    left = replace(verdict, verdict=Verdict.RESTING_ORDER_LEFT, reason=reason)
    return replace(flatten, verdicts=(left,), after=(), orders_after=orders_after)
