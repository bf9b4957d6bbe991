"""How orders ended, by the exchange's own history."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from order_bench import OrderBench, open_bench, paper_order

from deepcoin_ops.domain.errors import ReadFailed
from deepcoin_ops.domain.facts import EndedOrder, OrderEnd
from deepcoin_ops.domain.model import InstrumentType
from deepcoin_ops.domain.orders import OrderList
from deepcoin_ops.exchange import wire_cancels
from deepcoin_ops.exchange.order_ends import fetch_order_ends, parse_order_ends
from deepcoin_ops.exchange.wire_values import UnreadableAnswer
from deepcoin_ops.paper.faults import FaultAction
from deepcoin_ops.paper.order_records import OrderKind

SWAP = InstrumentType.SWAP


@pytest.fixture
def bench() -> Iterator[OrderBench]:
    """Three orders: one that is filled, one that waits, one trigger order."""
    orders = [paper_order("F", fills_after_s=0.0), paper_order("W"), paper_order("T", kind=OrderKind.TRIGGER)]
    with open_bench(orders) as opened:
        yield opened


def test_an_order_that_was_filled_or_cancelled_says_so(bench: OrderBench) -> None:
    """What still waits is not named."""
    client = bench.client()
    client.send_cancel(wire_cancels.CANCEL_TRIGGER, wire_cancels.cancel_trigger_body("BTC-USDT-SWAP", "T"))
    filled = EndedOrder("F", OrderEnd.FILLED, Decimal(4))
    assert fetch_order_ends(client, SWAP, OrderList.RESTING).parsed == (filled,)
    assert fetch_order_ends(client, SWAP, OrderList.TRIGGER).parsed == (EndedOrder("T", OrderEnd.CANCELLED, Decimal(0)),)


def test_what_cannot_be_read_is_no_end(bench: OrderBench) -> None:
    """An answer without rows is not taken for an empty list."""
    bench.spoil(FaultAction.DATA_NOT_A_LIST, "orders-history")
    with pytest.raises(ReadFailed):
        fetch_order_ends(bench.client(), SWAP, OrderList.RESTING)


def test_a_state_that_is_no_end_is_passed_over() -> None:
    """Such an order may still fill."""
    row = {"ordId": "1", "state": "partially_filled", "accFillSz": "1"}
    assert parse_order_ends([row]) == ()


@pytest.mark.parametrize("broken", [{"ordId": ""}, {"accFillSz": "n/a"}, {"accFillSz": None}], ids=str)
def test_an_end_without_an_id_or_a_size_makes_the_list_unreadable(broken: dict[str, str | None]) -> None:
    """A filled size that was passed over would look like an order that opened nothing."""
    with pytest.raises(UnreadableAnswer):
        parse_order_ends([{"ordId": "1", "state": "filled", "accFillSz": "4", **broken}])
