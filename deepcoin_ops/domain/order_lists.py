"""Order lists of a day, picked and put together. Pure; what an order means for a day is decided in `instrument_days`."""

from __future__ import annotations

from collections.abc import Iterable

from deepcoin_ops.domain.day import DayFlatten, OrderPage
from deepcoin_ops.domain.orders import Order


def find_orders(pages: Iterable[OrderPage], instrument_id: str) -> tuple[Order, ...]:
    """The orders that lists show in an instrument."""
    return tuple(order for page in pages for order in page.orders if order.instrument_id == instrument_id)


def find_orders_left(pages: Iterable[OrderPage], instrument_id: str) -> tuple[Order, ...] | None:
    """The same, or None where no list that would show them was read."""
    read = [page for page in pages if page.instrument_id in (None, instrument_id)]
    return find_orders(read, instrument_id) if read else None


def merge_lists(*pages: OrderPage) -> tuple[OrderPage, ...]:
    """The newest page of each list."""
    by_age = sorted(pages, key=lambda page: page.started_at)
    return tuple({(page.order_list, page.instrument_id): page for page in by_age}.values())


def find_newest_list(flattens: Iterable[DayFlatten]) -> tuple[DayFlatten, OrderPage] | None:
    """The newest page of the list that shows all instruments, with the flatten that read it, of those that looked."""
    read = [
        (flatten, page)
        for flatten in flattens
        if flatten.has_looked
        for page in flatten.orders_after
        if page.instrument_id is None
    ]
    return max(read, key=lambda each: each[1].started_at, default=None)
