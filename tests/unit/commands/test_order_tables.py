"""The command line's tables about waiting orders."""

from __future__ import annotations

import io

import pytest
from account_days import ACCOUNT, BTC, DOT, ETH, build_cancel
from rich.console import Console, Group, RenderableType

from deepcoin_ops.commands.order_tables import build_cancels, describe_cancel
from deepcoin_ops.domain.model import Outcome
from deepcoin_ops.domain.orders import CancelAttempt, CancelError, CancelIntent, OrderKind


def print_wide(parts: list[RenderableType]) -> str:
    """What is printed in a wide window."""
    printed = io.StringIO()
    Console(file=printed, width=200).print(Group(*parts))
    return printed.getvalue()


def build_large_cancel(*codes: str) -> CancelAttempt:
    """A cancel of fifty orders in five instruments, with an error item for each code."""
    names = (BTC, ETH, DOT, "ADA-USDT-SWAP", "XRP-USDT-SWAP")
    intent = CancelIntent("F0-C9", OrderKind.RESTING, names, tuple(map(str, range(50))), 9, "/cancel", "{}")
    errors = tuple(CancelError(index, str(index), code, "no", "1", "2", "{}") for index, code in enumerate(codes))
    return build_cancel(intent=intent, cancel_errors=errors)


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_of_a_cancel_is_printed(outcome: Outcome) -> None:
    """A word without a style would end the command after everything was sent, and show nothing."""
    assert outcome.value in print_wide(build_cancels([build_cancel(outcome=outcome, reason="because")]))


def test_a_cancel_of_many_orders_stays_one_short_row() -> None:
    """Fifty ids and five instruments would fill a screen; the ledger's document has them."""
    shown = print_wide(build_cancels([build_large_cancel("24", "31", "24")]))
    row = next(line for line in shown.splitlines() if BTC in line)
    cells = [cell.strip() for cell in row.split("│")[1:-1]]
    assert cells[1:4] == ["RESTING", f"{BTC}, {ETH}, {DOT} and 2 more", "50"]
    assert cells[-1] == "24 (2 times), 31"
    assert describe_cancel(build_large_cancel()) == f"50 resting order(s) of {BTC}, {ETH}, {DOT} and 2 more"


def test_a_cancel_that_names_no_order_is_one_of_all_of_them() -> None:
    """A product group's trigger orders go in one call; 0 orders would read as none."""
    intent = CancelIntent("F0-C1", OrderKind.TRIGGER, (BTC,), (), 1, "/cancel-all", "{}")
    cancel = CancelAttempt(ACCOUNT, "F0", intent, build_cancel().intent_at, Outcome.ACCEPTED, "", None, None, "0", 200)
    assert describe_cancel(cancel) == f"all trigger order(s) of {BTC}"
    assert " all " in print_wide(build_cancels([cancel]))


def test_no_cancels_are_no_table() -> None:
    """Most evenings have none."""
    assert build_cancels([]) == []
