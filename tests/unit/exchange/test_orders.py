"""Order lists read whole or not at all: against the paper exchange, and against servers that no exchange should be."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from order_bench import BTC, OrderBench, open_bench, paper_order
from raw_server import RawServer, Script, answer

from deepcoin_ops.domain.errors import ReadFailed, ReadRefused, SendWithdrawn
from deepcoin_ops.domain.model import PositionSide, Refusal
from deepcoin_ops.domain.orders import Order, OrderKind, OrderList
from deepcoin_ops.exchange.orders import (
    MOST_PAGES,
    ORDER_LANES,
    PAGE_ROWS,
    fetch_resting_orders,
    fetch_trailing_orders,
    fetch_trigger_orders,
)
from deepcoin_ops.paper.faults import FaultAction
from deepcoin_ops.paper.order_records import OrderKind as PaperKind

RESTING, TRIGGERS, TRAILINGS = "v2/orders-pending", "trigger-orders-pending", "trace-order-list"
FETCHES = [
    pytest.param(fetch_resting_orders, RESTING, id="resting"),
    pytest.param(lambda client, **more: fetch_trigger_orders(client, BTC, **more), TRIGGERS, id="trigger"),
    pytest.param(lambda client, **more: fetch_trailing_orders(client, BTC, **more), TRAILINGS, id="trailing"),
]
INSTRUMENTS = (BTC, "ETH-USDT-SWAP", "SOL-USDT")


@pytest.fixture
def bench() -> Iterator[OrderBench]:
    """An exchange on which 250 limit orders of three instruments wait, and one order of each other kind."""
    orders = [paper_order(f"R{number:03d}", INSTRUMENTS[number % 3]) for number in range(250)]
    orders += [
        paper_order("T1", kind=PaperKind.TRIGGER, trigger_price=Decimal(80000)),
        paper_order("T2", "ETH-USDT-SWAP", kind=PaperKind.TRIGGER),
        paper_order("P1", size="0", kind=PaperKind.PROTECTION, trigger_price=Decimal(70000)),
        paper_order("X1", size="0", kind=PaperKind.TRAILING, position_side=PositionSide.SHORT),
    ]
    with open_bench(orders) as opened:
        yield opened


def row(number: int, **change: Any) -> dict[str, Any]:
    """A row of the list of resting orders."""
    return {"instType": "SWAP", "instId": BTC, "ordId": str(number), "sz": "1", "side": "buy", "posSide": "long"} | change


def serve(*pages: list[dict[str, Any]]) -> tuple[RawServer, list[int]]:
    """A server that answers these pages one after the other, whatever is asked, and keeps count."""
    served: list[int] = []

    def script(connection: Any) -> None:
        page = pages[min(len(served), len(pages) - 1)]
        served.append(len(page))
        body = json.dumps({"code": "0", "msg": "", "data": page}).encode()
        connection.sendall(answer(body, headers="X-Paper: 1\r\n"))

    typed: Script = script
    return RawServer(typed), served


def queries(bench: OrderBench) -> list[str]:
    """What was asked of the exchange, in order."""
    return [arrival.path for arrival in bench.exchange.arrivals()]


def test_all_pages_of_the_resting_orders_make_one_read(bench: OrderBench) -> None:
    """250 orders are three pages; the first that is not full is the last."""
    read = fetch_resting_orders(bench.client())
    assert [order.order_id for order in read.orders] == [f"R{number:03d}" for number in reversed(range(250))]
    assert {order.instrument_id for order in read.orders} == set(INSTRUMENTS)
    assert {order.kind for order in read.orders} == {OrderKind.RESTING}
    assert (read.order_list, read.instrument_id, read.is_exhaustive) == (OrderList.RESTING, None, True)
    assert (len(read.pages), read.notes) == (3, ())
    assert all(b"ordId" in page.body for page in read.pages)
    assert bench.pace.slots == bench.pace.clean == ["orders-pending"] * 3
    assert queries(bench) == ["/deepcoin/trade/v2/orders-pending"] * 3


def test_each_page_is_told_as_it_comes(bench: OrderBench) -> None:
    """Orders that open something can be cancelled while the rest of a long list is still being read."""
    told: list[tuple[int, int]] = []

    def tell(orders: tuple[Order, ...]) -> None:
        told.append((len(orders), len(bench.pace.slots)))

    fetch_resting_orders(bench.client(), on_page=tell)
    assert told == [(100, 1), (100, 2), (50, 3)]


@pytest.mark.parametrize("count", [0, 99, 100, 200])
def test_a_list_ends_with_its_first_page_that_is_not_full(count: int) -> None:
    """A full last page costs one more request, because nothing says how many pages there are."""
    with open_bench([paper_order(f"R{number}") for number in range(count)]) as bench:
        read = fetch_resting_orders(bench.client())
    assert len(read.orders) == count
    assert len(read.pages) == count // PAGE_ROWS + 1


def test_a_repeated_page_voids_the_read(bench: OrderBench) -> None:
    """An exchange that ignores the page asked for shows a hundred orders for ever, and hides the others."""
    bench.spoil(FaultAction.REPEATED_PAGE, RESTING, call=2)
    told: list[int] = []
    with pytest.raises(ReadFailed, match="page 2 repeats") as failed:
        fetch_resting_orders(bench.client(), on_page=lambda orders: told.append(len(orders)))
    assert failed.value.raw is not None
    assert told == [100]
    assert len(bench.pace.slots) == 2


@pytest.mark.parametrize(
    "action",
    [
        FaultAction.SERVER_ERROR,
        FaultAction.RESET,
        FaultAction.DATA_NULL,
        FaultAction.DATA_NOT_A_LIST,
        FaultAction.STRANGE_ROW,
        FaultAction.TRUNCATED_BODY,
        FaultAction.UNMARKED,
    ],
)
def test_a_failed_second_page_voids_the_read(action: FaultAction, bench: OrderBench) -> None:
    """The first hundred orders alone would read as if there were no others."""
    bench.spoil(action, RESTING, call=2)
    told: list[int] = []
    with pytest.raises(ReadFailed, match="index=2"):
        fetch_resting_orders(bench.client(), on_page=lambda orders: told.append(len(orders)))
    assert told == [100]
    assert len(bench.pace.slots) == 2


def test_an_order_that_shifted_onto_the_next_page_is_kept_once_as_seen_last() -> None:
    """A list that grows while it is read pushes rows down; they come twice and none is missed."""
    first = [row(number) for number in range(PAGE_ROWS)]
    second = [row(99, accFillSz="0.4"), row(100)]
    server, _served = serve(first, second)
    with open_bench() as bench, server:
        read = fetch_resting_orders(bench.client(server.url))
    assert [order.order_id for order in read.orders] == [str(number) for number in range(101)]
    assert read.orders[99].quantity_contracts == Decimal("0.6")


def test_equal_ids_of_two_instruments_are_two_orders() -> None:
    """Nothing says that an id is unique beyond its instrument, and a lost order is one that nobody cancels."""
    server, _served = serve([row(1), row(1, instId="ETH-USDT-SWAP")])
    with open_bench() as bench, server:
        read = fetch_resting_orders(bench.client(server.url))
    assert len(read.orders) == 2


def test_a_list_that_does_not_end_voids_the_read() -> None:
    """New orders on every page for ever would keep a flatten reading until its deadline."""
    pages = [[row(page * PAGE_ROWS + number) for number in range(PAGE_ROWS)] for page in range(MOST_PAGES + 1)]
    server, served = serve(*pages)
    with open_bench() as bench, server:
        client = bench.client(server.url)
        with pytest.raises(ReadFailed, match=f"after {MOST_PAGES}"):
            fetch_resting_orders(client)
    assert len(served) == MOST_PAGES


def test_notes_of_several_pages_are_kept_once(bench: OrderBench) -> None:
    """The same new field on each page is one piece of news."""
    bench.spoil(FaultAction.UNKNOWN_FIELDS, RESTING, call=None)
    read = fetch_resting_orders(bench.client())
    assert read.notes == ("resting order row with unknown field(s): nested, traceId",)


def test_trigger_and_protection_orders_of_one_instrument_are_one_read(bench: OrderBench) -> None:
    """They share a list and part again at their cancels."""
    read = fetch_trigger_orders(bench.client(), BTC)
    assert {(order.order_id, order.kind) for order in read.orders} == {
        ("T1", OrderKind.TRIGGER),
        ("P1", OrderKind.PROTECTION),
    }
    assert (read.order_list, read.instrument_id, read.is_exhaustive) == (OrderList.TRIGGER, BTC, True)
    assert (len(read.pages), read.notes, bench.pace.slots) == (1, (), ["trigger-orders"])


@pytest.mark.parametrize(("count", "shown", "is_exhaustive"), [(99, 99, True), (100, 100, False), (130, 100, False)])
def test_a_full_list_of_trigger_orders_may_have_been_cut(count: int, shown: int, is_exhaustive: bool) -> None:
    """There is no second page; an order that a full one does not show may still wait."""
    with open_bench([paper_order(f"T{number}", kind=PaperKind.TRIGGER) for number in range(count)]) as bench:
        read = fetch_trigger_orders(bench.client(), BTC)
    assert (len(read.orders), read.is_exhaustive) == (shown, is_exhaustive)


def test_trigger_orders_of_another_instrument_are_no_answer() -> None:
    """An exchange that ignores what is asked for may have left out what is."""
    server, _served = serve([row(1), row(2, instId="ETH-USDT-SWAP")])
    with open_bench() as bench, server:
        client = bench.client(server.url)
        with pytest.raises(ReadFailed, match="asked for SWAP BTC-USDT-SWAP"):
            fetch_trigger_orders(client, BTC)


def test_trigger_orders_of_a_spot_instrument_are_asked_for_by_their_type() -> None:
    """A wrong type would list nothing, which reads as nothing waiting."""
    with open_bench([paper_order("T1", "SOL-USDT", kind=PaperKind.TRIGGER)]) as bench:
        (order,) = fetch_trigger_orders(bench.client(), "SOL-USDT").orders
    assert (order.order_id, order.position_side, order.can_open) == ("T1", None, True)


def test_trailing_exits_are_read_with_the_distance_that_their_cancel_repeats(bench: OrderBench) -> None:
    """Everything else about them is missing from the list."""
    read = fetch_trailing_orders(bench.client(), BTC)
    (order,) = read.orders
    assert (order.kind, order.order_id, order.position_side) == (OrderKind.TRAILING, "", PositionSide.SHORT)
    assert Decimal(order.retrace_point) > 0
    assert (read.order_list, read.instrument_id, read.is_exhaustive) == (OrderList.TRAILING, BTC, True)
    assert (read.notes, bench.pace.slots) == ((), ["trailing-orders"])
    assert fetch_trailing_orders(bench.client(), "ETH-USDT-SWAP").orders == ()


def test_the_lanes_are_those_that_the_reads_use(bench: OrderBench) -> None:
    """A lane that nobody built is an error in the middle of a flatten."""
    for parameters in FETCHES:
        parameters.values[0](bench.client())
    assert tuple(dict.fromkeys(bench.pace.slots)) == ORDER_LANES


@pytest.mark.parametrize(("fetch", "_endpoint"), FETCHES)
def test_a_read_begins_when_its_first_request_is_sent(fetch: Callable[..., Any], _endpoint: str, bench: OrderBench) -> None:
    """It proves something about the time after it began; the wait for its slot must not count as reading."""
    clock = [datetime(2026, 1, 2, tzinfo=UTC)]
    slots_s: list[float] = []

    def pass_time() -> None:
        time.sleep(0.02)
        clock[0] = datetime.now(UTC)
        slots_s.append(time.monotonic())

    bench.pace.on_slot = pass_time
    read = fetch(bench.client(now=lambda: clock[0]))
    assert slots_s[0] <= read.started_monotonic_s <= (slots_s[1:] or [time.monotonic()])[0]
    assert read.started_at > datetime(2026, 1, 2, tzinfo=UTC)
    assert read.started_at <= read.finished_at == clock[0]


@pytest.mark.parametrize(
    "action",
    [
        FaultAction.DATA_NULL,
        FaultAction.DATA_NOT_A_LIST,
        FaultAction.HTML,
        FaultAction.DISCONNECT,
        FaultAction.NOT_AN_OBJECT,
        FaultAction.TOO_MANY_REQUESTS,
        FaultAction.UNAUTHORIZED_HTML,
    ],
)
@pytest.mark.parametrize(("fetch", "endpoint"), FETCHES)
def test_an_incomplete_read_raises_and_is_never_empty(
    fetch: Callable[..., Any], endpoint: str, action: FaultAction, bench: OrderBench
) -> None:
    """A damaged answer must not read as nothing waiting."""
    bench.spoil(action, endpoint)
    with pytest.raises(ReadFailed, match=endpoint):
        fetch(bench.client())


@pytest.mark.parametrize(("fetch", "endpoint"), FETCHES)
def test_a_throttled_read_says_so_and_pushes_its_lane(fetch: Callable[..., Any], endpoint: str, bench: OrderBench) -> None:
    """The flatten goes on after a throttle, more slowly."""
    bench.spoil(FaultAction.THROTTLE, endpoint)
    with pytest.raises(ReadRefused) as refused:
        fetch(bench.client())
    assert refused.value.refusal is Refusal.THROTTLED
    assert [lane for lane, _retry_after_s in bench.pace.pushes] == bench.pace.slots


@pytest.mark.parametrize(("fetch", "_endpoint"), FETCHES)
def test_a_stop_withdraws_the_read(fetch: Callable[..., Any], _endpoint: str, bench: OrderBench) -> None:
    """Whoever asks for a stop expects that nothing more leaves."""
    with pytest.raises(SendWithdrawn):
        fetch(bench.client(), is_stopped=lambda: True)
    assert bench.exchange.arrivals() == []


def test_a_stop_between_two_pages_withdraws_the_rest(bench: OrderBench) -> None:
    """Half a list is none."""
    with pytest.raises(SendWithdrawn):
        fetch_resting_orders(bench.client(), is_stopped=lambda: len(bench.pace.slots) == 1)
    assert len(bench.exchange.arrivals()) == 1
