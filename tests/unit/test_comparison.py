"""The comparison of the ledger with what the paper exchange really holds, did, and was asked."""

from __future__ import annotations

from typing import Any

import pytest
from account_days import BTC, DOT, build_cancel, build_verdict

from deepcoin_ops.comparison import compare, compare_orders, pair_cancels
from deepcoin_ops.domain.model import Outcome, Verdict

OPEN = {"instrument_id": BTC, "position_side": "long", "quantity_contracts": "4"}


@pytest.mark.parametrize(
    ("verdict", "truly_open", "agrees"),
    [
        (Verdict.FLAT, [], True),
        (Verdict.FLAT, [OPEN], False),
        (Verdict.RESTING_ORDER_LEFT, [], True),
        (Verdict.RESTING_ORDER_LEFT, [OPEN], False),
        (Verdict.RESIDUAL, [OPEN], True),
        (Verdict.RESIDUAL, [], False),
        (Verdict.UNVERIFIED, [], False),
    ],
)
def test_a_verdict_agrees_with_the_positions_that_the_exchange_holds(
    verdict: Verdict, truly_open: list[dict[str, Any]], agrees: bool
) -> None:
    """An order that waits is no open position; a verdict that knows nothing agrees with nothing."""
    [compared] = compare([build_verdict(BTC, verdict)], [], {"open": truly_open, "close_requests": []})
    assert compared.agrees is agrees


def build_truth(*executed: bool) -> dict[str, Any]:
    """The cancels that reached the exchange, and whether each was executed."""
    return {"cancel_requests": [{"path": "/cancel", "is_executed": was} for was in executed]}


@pytest.mark.parametrize(
    ("outcomes", "executed", "agrees"),
    [
        ([], [], True),
        ([Outcome.ACCEPTED], [True], True),
        ([Outcome.ACCEPTED], [False], False),
        ([Outcome.REFUSED, Outcome.ACCEPTED], [False, True], True),
        ([Outcome.REFUSED], [True], False),
        ([Outcome.UNKNOWN, Outcome.UNKNOWN], [True, False], True),
        ([Outcome.NOT_SENT], [], True),
        ([Outcome.NOT_SENT], [True], False),
        ([], [True], False),
        ([Outcome.ACCEPTED], [], False),
    ],
)
def test_every_cancel_of_the_ledger_reached_the_exchange_and_the_other_way_round(
    outcomes: list[Outcome], executed: list[bool], agrees: bool
) -> None:
    """A cancel that nobody recorded would be as bad as a close that nobody recorded."""
    cancels = [build_cancel(number, outcome) for number, outcome in enumerate(outcomes)]
    pairs, do_agree = pair_cancels(cancels, build_truth(*executed))
    assert do_agree is agrees
    assert len(pairs) == min(len([each for each in outcomes if each is not Outcome.NOT_SENT]), len(executed))


def build_true_order(instrument_id: str = BTC, **changes: Any) -> dict[str, Any]:
    """An order as the exchange knows it: one that could open and was cancelled by its second arrival."""
    order = {
        "order_id": "7001",
        "kind": "resting",
        "instrument_id": instrument_id,
        "is_closing": False,
        "is_working": False,
        "state": "canceled",
        "cancel_arrival": 2,
    }
    return order | changes


WAITS = {"is_working": True, "state": "live", "cancel_arrival": None}


@pytest.mark.parametrize(
    ("verdict", "outcome", "changes", "agrees"),
    [
        (Verdict.FLAT, Outcome.ACCEPTED, {}, True),
        (Verdict.FLAT, Outcome.UNKNOWN, {}, True),
        (Verdict.FLAT, None, {}, False),
        (Verdict.FLAT, None, WAITS, False),
        (Verdict.FLAT, Outcome.UNKNOWN, WAITS, False),
        (Verdict.FLAT, None, WAITS | {"is_closing": True}, True),
        (Verdict.RESTING_ORDER_LEFT, None, WAITS, True),
        (Verdict.RESTING_ORDER_LEFT, Outcome.REFUSED, WAITS, True),
        (Verdict.RESTING_ORDER_LEFT, Outcome.ACCEPTED, WAITS, False),
    ],
)
def test_an_order_of_a_flattened_instrument_is_gone_where_the_ledger_says_so(
    verdict: Verdict, outcome: Outcome | None, changes: dict[str, Any], agrees: bool
) -> None:
    """An opener that waits behind a verdict of flat, and an order gone by a request that nobody knows, are both a lie."""
    pairs = [(build_cancel(1, outcome), outcome is not Outcome.REFUSED)] if outcome else []
    [compared] = compare_orders([build_verdict(BTC, verdict)], pairs, {"orders": [build_true_order(**changes)]})
    assert compared.agrees is agrees


@pytest.mark.parametrize(("changes", "agrees"), [(WAITS, True), ({}, False), ({"order_id": "7001"} | WAITS, False)])
def test_an_order_of_an_instrument_that_was_not_flattened_still_waits(changes: dict[str, Any], agrees: bool) -> None:
    """Whoever placed it asked for nothing: it has to be there, and no cancel may even have named it."""
    order = build_true_order(DOT, **({"order_id": "STRANGER"} | changes))
    [compared] = compare_orders([build_verdict(BTC)], [(build_cancel(), True)], {"orders": [order]})
    assert compared.agrees is agrees
