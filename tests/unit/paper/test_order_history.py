"""Which ended orders the paper exchange shows, and how each of them ended."""

from __future__ import annotations

from typing import Any

import pytest

from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.order_records import OrderKind

RESTING, TRIGGERS = "orders-history", "trigger-orders-history"


def ends(payload: dict[str, Any]) -> list[tuple[str, str, float]]:
    """Id, state and filled size of each row, in the order of the list."""
    return [(row["ordId"], row["state"], float(row["accFillSz"])) for row in payload["data"]]


def cancel(stage: Any, path: str, order_id: str) -> None:
    """Cancel one order by its id."""
    stage.ask(path, instId="BTC-USDT-SWAP", ordId=order_id)


def test_an_order_is_shown_once_it_has_ended_and_says_how(set_stage, order) -> None:
    """The newest end goes first; what still waits is not there."""
    stage = set_stage(order("A"), order("B", fills_after_s=5.0), order("C"))
    cancel(stage, "cancel-order", "A")
    stage.elapsed_s = 10.0
    assert ends(stage.ask(RESTING, instType="SWAP")) == [("B", "filled", 4.0), ("A", "canceled", 0.0)]


def test_the_lists_of_resting_and_of_trigger_orders_are_two(set_stage, order) -> None:
    """None of them shows what is in the other one."""
    stage = set_stage(order("A"), order("T", kind=OrderKind.TRIGGER))
    cancel(stage, "cancel-order", "A")
    cancel(stage, "cancel-trigger-order", "T")
    assert ends(stage.ask(RESTING, instType="SWAP")) == [("A", "canceled", 0.0)]
    assert ends(stage.ask(TRIGGERS, instType="SWAP")) == [("T", "canceled", 0.0)]


@pytest.mark.parametrize(
    ("parameters", "shown"),
    [
        ({"instType": "SPOT"}, ["S"]),
        ({"instType": "SWAP"}, ["B", "A"]),
        ({"instType": "SWAP", "limit": "1"}, ["B"]),
        ({"instType": "SWAP", "instId": "ETH-USDT-SWAP"}, []),
        ({"instType": "SWAP", "state": "filled"}, ["B"]),
    ],
)
def test_parameters_filter_what_is_shown(set_stage, order, parameters: dict[str, str], shown: list[str]) -> None:
    """By type, instrument and state, a limited number of them."""
    stage = set_stage(order("A", fills_after_s=None), order("B", fills_after_s=5.0), order("S", instrument_id="SOL-USDT"))
    cancel(stage, "cancel-order", "A")
    stage.ask("cancel-order", instId="SOL-USDT", ordId="S")
    stage.elapsed_s = 10.0
    assert [name for name, _state, _filled in ends(stage.ask(RESTING, **parameters))] == shown


def test_a_history_may_lag(set_stage, order) -> None:
    """It shows the ends of some seconds ago."""
    stage = set_stage(order("A"))
    stage.elapsed_s = 10.0
    cancel(stage, "cancel-order", "A")
    late = Fault(FaultAction.STALE_READ, endpoint=RESTING, delay_s=3.0)
    stage.elapsed_s = 12.0
    assert ends(stage.ask(RESTING, late, instType="SWAP")) == []
    stage.elapsed_s = 13.0
    assert ends(stage.ask(RESTING, late, instType="SWAP")) == [("A", "canceled", 0.0)]
