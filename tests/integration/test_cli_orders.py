"""What the command line tells of waiting orders, of concerns and of causes: plan, flatten, ledger, status."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from command_line import run, run_json, started, wait_until
from flatten_lab import SETTINGS, build_scenario, position, stubborn

from deepcoin_ops.domain.model import PositionSide
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.order_records import OrderKind, PaperOrder
from deepcoin_ops.paper.scenario import Scenario
from deepcoin_ops.paper.server import PaperExchange

BTC, ETH, XRP, DOT = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "XRP-USDT-SWAP", "DOT-USDT-SWAP"
LONG = PositionSide.LONG
LIST, BATCH = "v2/orders-pending", "batch-cancel-order"
POSITIONS = [position(BTC, "1", "500"), position(ETH, "2", "90.5", "short"), position(DOT, "4", "7")]
ORDERS = [
    PaperOrder(XRP, LONG, Decimal(5), order_id="ADD", price=Decimal("2.1")),
    PaperOrder(BTC, LONG, Decimal(500), order_id="TAKE", is_closing=True, price=Decimal(99000)),
    PaperOrder(ETH, LONG, Decimal(3), OrderKind.TRIGGER, order_id="TRIGGER"),
    PaperOrder(DOT, LONG, Decimal(9), order_id="STRANGER"),
]
SPARED = position(BTC, "3", "20", merge_mode="split", is_leading=True)

Tell = Callable[..., tuple[PaperExchange, dict[str, str]]]


@pytest.fixture
def environ(paper: Callable[[Scenario], PaperExchange], settings_file: Callable[..., dict[str, str]]) -> Tell:
    """Starts a paper exchange with orders, and writes settings that differ from the others in some words."""

    def start(*faults: Fault, positions: Any = POSITIONS, orders: Any = ORDERS, old: str = "", new: str = "") -> Any:
        exchange = paper(build_scenario(positions, faults, orders=orders))
        return exchange, settings_file(exchange.url, SETTINGS.replace(old, new) if old else SETTINGS)

    return start


def cells(shown: str, *words: str) -> list[str]:
    """The cells of the first row that has all these words."""
    row = next(line for line in shown.splitlines() if all(word in line for word in words))
    return [cell.strip() for cell in row.split("│")[1:-1]]


def posts(exchange: PaperExchange) -> list[str]:
    """The paths of the requests that change something."""
    return [arrival.path for arrival in exchange.arrivals() if arrival.method == "POST"]


def test_plan_tells_what_would_become_of_each_resting_order(environ: Tell) -> None:
    """Those of the largest position come first; a stranger's is counted, and what is not read is said to be not read."""
    exchange, variables = environ()
    code, document = run_json(variables, "plan")
    orders = document["orders"]
    told = [(each["order_id"], each["instrument_id"], each["can_open"], each["is_cancelled"]) for each in orders["resting"]]
    assert (code, told) == (0, [("TAKE", BTC, False, True), ("ADD", XRP, True, True)])
    assert (orders["elsewhere"], orders["failure"], orders["cancel_orders"]) == (1, None, "all")
    assert "not read for a plan" in orders["not_read"]
    shown = run(variables, "plan").stdout
    assert cells(shown, "TAKE") == [BTC, "TAKE", "sell long", "500", "99,000", "can only close", "cancels it"]
    assert "2 (1 of them can open) would be cancelled, 0 left (cancel_orders is all); 1 order(s) in other" in shown
    assert "Trigger orders" in shown
    assert posts(exchange) == []
    assert not any("trigger-orders-pending" in arrival.path for arrival in exchange.arrivals())


@pytest.mark.parametrize(("setting", "left"), [("opening", {"TAKE"}), ("none", {"TAKE", "ADD"})])
def test_plan_tells_which_orders_the_settings_leave(environ: Tell, setting: str, left: set[str]) -> None:
    """What is left may hold the size of a close, or open a position again."""
    _, variables = environ(old="close_spot: true", new=f"close_spot: true\n    cancel_orders: {setting}")
    _, document = run_json(variables, "plan", BTC, XRP)
    assert {each["order_id"] for each in document["orders"]["resting"] if not each["is_cancelled"]} == left
    assert f"(cancel_orders is {setting})" in run(variables, "plan").stdout


def test_plan_without_the_order_list_is_a_plan_that_says_so(environ: Tell) -> None:
    """Not knowing of orders is not the same as there being none, and keeps nobody from seeing the closes."""
    _, variables = environ(Fault(FaultAction.SERVER_ERROR, LIST, call=None))
    code, document = run_json(variables, "plan")
    assert (code, len(document["closes"])) == (0, 2)
    assert (document["orders"]["resting"], document["orders"]["elsewhere"]) == (None, None)
    assert "orders-pending" in document["orders"]["failure"]
    shown = " ".join(run(variables, "plan").stdout.split())
    assert "list of resting orders could not be read" in shown
    assert "Whether orders wait is not known" in shown
    assert "Resting orders:" not in shown


def test_plan_without_orders_says_that_there_are_none(environ: Tell) -> None:
    """A list that was read and is empty is worth a sentence: it is what the flatten hopes for."""
    _, variables = environ(orders=[])
    assert run_json(variables, "plan")[1]["orders"]["resting"] == []
    assert "Resting orders: none." in run(variables, "plan").stdout


def test_plan_shows_many_orders_as_a_beginning_and_a_count(environ: Tell) -> None:
    """Hundreds of rows would push the closes off the screen; the document has them all."""
    _, variables = environ(orders=[PaperOrder(BTC, LONG, Decimal(1), order_id=f"O{number:03d}") for number in range(130)])
    assert len(run_json(variables, "plan")[1]["orders"]["resting"]) == 130
    shown = run(variables, "plan").stdout
    assert shown.count("cancels it") == 20
    assert "... and 110 more" in shown
    assert "130 (130 of them can open) would be cancelled" in shown


def test_plan_and_dry_run_tell_concerns_and_what_the_settings_leave_open(environ: Tell) -> None:
    """A desk has to see before the evening's end that a row will stay, and which setting keeps it."""
    exchange, variables = environ(positions=[*POSITIONS, SPARED, position(XRP, "5", "7", is_following=True)])
    code, document = run_json(variables, "plan")
    [btc] = [each for each in document["closes"] if each["instrument_id"] == BTC]
    assert btc["concerns"] == {"COPY_TRADING": "copy-trading position(s) 3"}
    assert document["left_open"] == {
        BTC: "copy-trading position(s) 3 (close_copy_trading is false)",
        XRP: "copy-trading position(s) 5 (close_copy_trading is false); no close would be sent for it",
    }
    # Two closes of 80 ms: nothing is sent for XRP.
    assert (code, document["expected_time_to_last_close_s"]) == (0, 0.16)
    for command in (("plan",), ("flatten", "--dry-run")):
        shown = run(variables, *command).stdout
        assert cells(shown, BTC, "520")[-1] == "copy-trading position(s) 3"
        assert "left open by the settings" in shown
        assert "no close would be sent for it" in shown
    assert run_json(variables, "flatten", "--dry-run")[1]["left_open"] == document["left_open"]
    assert posts(exchange) == []


def test_nothing_is_left_open_where_the_settings_close_copy_trading(environ: Tell) -> None:
    """The concern stays: what the exchange does with such rows is not documented."""
    _, variables = environ(
        positions=[*POSITIONS, SPARED], old="close_spot: true", new="close_spot: true\n    close_copy_trading: true"
    )
    _, document = run_json(variables, "plan")
    assert document["left_open"] == {}
    assert document["closes"][0]["concerns"] == {"COPY_TRADING": "copy-trading position(s) 3"}
    assert "left open by the settings" not in run(variables, "plan").stdout


def test_flatten_and_ledger_tell_of_every_cancel(environ: Tell) -> None:
    """Which orders of mine are gone, and by whose hand, is asked as often as what was closed."""
    exchange, variables = environ()
    code, document = run_json(variables, "flatten")
    assert (code, document["result"]) == (0, "FLAT")
    told = {(each["kind"], tuple(each["order_ids"]), each["outcome"]) for each in document["cancels"]}
    assert told == {("RESTING", ("TAKE", "ADD"), "ACCEPTED"), ("TRIGGER", ("TRIGGER",), "ACCEPTED")}
    assert len(posts(exchange)) == len(document["cancels"]) + len(document["attempts"])
    assert document["cancel_errors"] == []
    day = run_json(variables, "ledger", "show", "today")[1]
    assert (day["cancels"], day["cancel_errors"]) == (document["cancels"], [])
    shown = run(variables, "ledger", "show", "today").stdout
    assert cells(shown, "RESTING", "ACCEPTED")[1:5] == ["RESTING", f"{BTC}, {XRP}", "2", "ACCEPTED"]


def test_flatten_tells_which_orders_a_cancel_did_not_cancel(environ: Tell) -> None:
    """A resting order filled before its cancel: its code is what tells a desk so."""
    filled = PaperOrder(XRP, LONG, Decimal(5), order_id="FILLED", fills_before_cancel=True)
    _, variables = environ(orders=[filled, *ORDERS[1:]])
    shown = run(variables, "flatten").stdout
    assert cells(shown, "RESTING", "PARTIAL")[3] == "2"
    assert cells(shown, "RESTING", "PARTIAL")[-1] == "24"
    [item] = run_json(variables, "ledger", "show", "today")[1]["cancel_errors"]
    assert (item["order_id"], item["error_code"]) == ("FILLED", "24")


def test_flatten_shows_the_cause_of_what_is_still_open(environ: Tell) -> None:
    """Why it stayed decides what to do next; where all is flat there is no such column."""
    _, variables = environ(*stubborn(ETH), orders=[], old="max_rounds: 5", new="max_rounds: 2")
    shown = run(variables, "flatten").stdout
    assert cells(shown, "RESIDUAL")[-2:] == ["RESIDUAL", "OTHER"]
    assert "┃ cause" in shown
    _, fine = environ(orders=[])
    assert "┃ cause" not in run(fine, "flatten").stdout


def test_a_killed_flatten_shows_its_cancel_as_one_that_may_have_happened(environ: Tell) -> None:
    """An order may be gone without a record of it: whoever comes next has to look."""
    exchange, variables = environ(Fault(FaultAction.DELAY, BATCH, delay_s=1.5))
    with started(variables, "flatten", stderr=subprocess.PIPE) as process:
        wait_until(lambda: any(path.endswith(BATCH) for path in posts(exchange)))
        process.kill()
        process.communicate(timeout=60)
    [account] = run_json(variables, "status")[1]["accounts"]
    # On a busy machine the trigger order's cancel is under way as well.
    assert ("UNKNOWN", ["TAKE", "ADD"]) in [(each["outcome"], each["order_ids"]) for each in account["open_cancels"]]
    shown = run(variables, "status").stdout
    assert "cancels without a recorded answer" in shown
    assert f"2 resting order(s) of {BTC}, {XRP}" in shown
