"""Reading the exchange's lists of waiting orders whole. Sends reads only.

There is a newer version of the list of resting orders and an older one. The older one, `/deepcoin/trade/orders-pending`,
was seen to show nothing while orders were live, and is never asked.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from deepcoin_ops.domain.errors import ReadFailed
from deepcoin_ops.domain.model import product_group_of
from deepcoin_ops.domain.orders import Order, OrderList, OrdersRead
from deepcoin_ops.exchange.client import DeepcoinClient, Fetched
from deepcoin_ops.exchange.pacing import never
from deepcoin_ops.exchange.wire_orders import (
    ParsedOrders,
    parse_resting_orders,
    parse_trailing_orders,
    parse_trigger_orders,
)

RESTING_LANE = "orders-pending"
TRIGGER_LANE = "trigger-orders"
TRAILING_LANE = "trailing-orders"
ORDER_LANES = (RESTING_LANE, TRIGGER_LANE, TRAILING_LANE)
PAGE_ROWS = 100
DEFAULT_ROWS = 30
# Ten thousand orders; a list that has more pages than that is more likely one that never ends.
MOST_PAGES = 100

_RESTING_PATH = "/deepcoin/trade/v2/orders-pending"
_TRIGGER_PATH = "/deepcoin/trade/trigger-orders-pending"
_TRAILING_PATH = "/deepcoin/trade/trace-order-list"
_Page = Fetched[ParsedOrders]


def _tell_nobody(_orders: tuple[Order, ...]) -> None:
    """Nobody waits for the pages."""


def fetch_resting_orders(
    client: DeepcoinClient,
    is_stopped: Callable[[], bool] = never,
    on_page: Callable[[tuple[Order, ...]], None] = _tell_nobody,
) -> OrdersRead:
    """The resting orders of all instruments, page by page until a page is not full. Sends one GET for each page.

    The list is a moving one. When it grows between two pages, rows shift down and come twice; an order seen twice is kept
    once, as it was seen last, and none is missed. When it shrinks, rows shift up and some may be on no page that was asked
    for. So what a read of several pages does not show is a weaker proof than what a single page does not show.

    Args:
        client: The account's client.
        is_stopped: Asked while waiting for the slot of each page.
        on_page: Told of each page's orders as they come, whatever becomes of the later pages.

    Raises:
        ReadFailed: A page is missing or unreadable; or a page repeats what was seen before, so that the exchange ignores
            which one is asked for; or the list does not end. The pages before it prove nothing either.
        SendWithdrawn: Stopping was asked for before a page was sent.
        GuardRefused: The pace cannot be kept.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/ordersPendingV2 (at most 100 rows, all instruments unless one is
    named); that the first page is 1, and 0 is refused, was observed.
    """
    orders: dict[tuple[str, str], Order] = {}
    pages: list[_Page] = []
    while True:
        query = {"index": str(len(pages) + 1), "limit": str(PAGE_ROWS)}
        page = client.fetch_page(RESTING_LANE, _RESTING_PATH, query, parse_resting_orders, is_stopped)
        pages.append(page)
        found = {(order.instrument_id, order.order_id): order for order in page.parsed[0]}
        if found and found.keys() <= orders.keys():
            raise ReadFailed(f"{_RESTING_PATH}: page {len(pages)} repeats earlier ones; the page was ignored", page.raw)
        on_page(page.parsed[0])
        orders |= found
        # A page of as many rows as there are by default may have been cut there, if the limit was not heeded.
        if len(page.parsed[0]) < PAGE_ROWS and len(page.parsed[0]) != DEFAULT_ROWS:
            return _build_read(OrderList.RESTING, None, tuple(orders.values()), pages)
        if len(pages) == MOST_PAGES:
            raise ReadFailed(f"{_RESTING_PATH}: still a full page after {MOST_PAGES} of them", page.raw)


def fetch_trigger_orders(client: DeepcoinClient, instrument_id: str, is_stopped: Callable[[], bool] = never) -> OrdersRead:
    """The trigger and protection orders of one instrument. Sends one GET.

    There is no second page to ask for: a full one may have been cut, and the read then is not exhaustive.

    Args:
        client: The account's client.
        instrument_id: Whose orders.
        is_stopped: Asked while waiting for the slot.

    Raises:
        ReadFailed: Anything short of a readable page; that is never "no orders".
        SendWithdrawn: Stopping was asked for before it was sent.
        GuardRefused: The pace cannot be kept.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/triggerOrdersPending.
    """
    instrument_type = product_group_of(instrument_id).instrument_type
    query = {"instType": instrument_type.value, "instId": instrument_id, "limit": str(PAGE_ROWS)}
    parse = partial(parse_trigger_orders, instrument_id=instrument_id)
    page = client.fetch_page(TRIGGER_LANE, _TRIGGER_PATH, query, parse, is_stopped)
    orders = page.parsed[0]
    return _build_read(OrderList.TRIGGER, instrument_id, orders, [page], is_exhaustive=len(orders) < PAGE_ROWS)


def fetch_trailing_orders(client: DeepcoinClient, instrument_id: str, is_stopped: Callable[[], bool] = never) -> OrdersRead:
    """The trailing exits of one instrument. Sends one GET; the page documents neither a limit nor a second page.

    Args:
        client: The account's client.
        instrument_id: Whose orders.
        is_stopped: Asked while waiting for the slot.

    Raises:
        ReadFailed: Anything short of a readable list; that is never "no orders".
        SendWithdrawn: Stopping was asked for before it was sent.
        GuardRefused: The pace cannot be kept.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/traceOrder.
    """
    parse = partial(parse_trailing_orders, instrument_id=instrument_id)
    page = client.fetch_page(TRAILING_LANE, _TRAILING_PATH, {"instId": instrument_id}, parse, is_stopped)
    return _build_read(OrderList.TRAILING, instrument_id, page.parsed[0], [page])


def _build_read(
    order_list: OrderList,
    instrument_id: str | None,
    orders: tuple[Order, ...],
    pages: list[_Page],
    *,
    is_exhaustive: bool = True,
) -> OrdersRead:
    """The read that these pages make up; it began when the first of them was sent."""
    return OrdersRead(
        order_list=order_list,
        instrument_id=instrument_id,
        orders=orders,
        started_at=pages[0].started_at,
        finished_at=pages[-1].finished_at,
        started_monotonic_s=pages[0].started_monotonic_s,
        pages=tuple(page.raw for page in pages),
        is_exhaustive=is_exhaustive,
        notes=tuple(dict.fromkeys(note for page in pages for note in page.parsed[1])),
    )
