"""The demonstration's comparison of the ledger with what the exchange really holds."""

from __future__ import annotations

from typing import Any

import pytest
from account_days import BTC, build_verdict

from deepcoin_ops.demo import compare
from deepcoin_ops.domain.model import Verdict

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
