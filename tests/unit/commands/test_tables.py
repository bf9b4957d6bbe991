"""What the command line prints."""

from __future__ import annotations

import dataclasses
import io
from decimal import Decimal

import pytest
from account_days import BTC, build_attempt, build_item, build_verdict
from rich.cells import cell_len
from rich.console import Console

from deepcoin_ops.commands.layout import build_facts
from deepcoin_ops.commands.tables import build_close_errors, build_verdicts
from deepcoin_ops.domain.model import Outcome, ResidualCause, Verdict


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_is_printed_and_one_that_is_not_flat_with_its_reason(verdict: Verdict) -> None:
    """A word without a style would end the command after everything was sent, and show nothing."""
    attempts = [build_attempt(number, outcome) for number, outcome in enumerate(Outcome)]
    printed = io.StringIO()
    Console(file=printed, width=200).print(build_verdicts([build_verdict(BTC, verdict, reason="because")], attempts))
    assert verdict.value in printed.getvalue()
    assert ("because" in printed.getvalue()) is not verdict.is_flat


@pytest.mark.parametrize("cause", ResidualCause)
def test_what_is_still_open_is_printed_with_its_cause(cause: ResidualCause) -> None:
    """The cause decides what to do next; a table without one has no column for it."""
    printed = io.StringIO()
    verdicts = [build_verdict(BTC, Verdict.RESIDUAL, cause=cause), build_verdict("ETH-USDT-SWAP")]
    Console(file=printed, width=200).print(build_verdicts(verdicts, []), build_verdicts(verdicts[1:], []))
    assert f"│ {cause.value}" in printed.getvalue()
    assert printed.getvalue().count("┃ cause") == 1


def print_at(width: int, *shown: object) -> str:
    """What a window of that width shows."""
    printed = io.StringIO()
    Console(file=printed, width=width).print(*shown)
    return printed.getvalue()


@pytest.mark.parametrize("width", [30, 40, 60, 80, 160])
def test_no_window_cuts_a_figure_or_an_id(width: int) -> None:
    """In a terminal of 40 columns a size of 123456.5 stood as 1234, and nothing said that it was cut."""
    sizes = {"quantity_before_contracts": Decimal("123456.5"), "notional_before_usdt": Decimal("12006206.25")}
    verdicts = [build_verdict(BTC, Verdict.RESIDUAL, reason="a reason " * 20, cause=ResidualCause.NOT_TRADING, **sizes)]
    attempts = [build_attempt(number, outcome) for number, outcome in enumerate(Outcome)]
    shown = print_at(width, build_verdicts(verdicts, attempts))
    for whole in ("123,456.5", "12,006,206", BTC, "RESIDUAL", "NOT_TRADING"):
        assert whole in shown
    assert all(cell_len(line) <= width for line in shown.splitlines())
    assert "…" not in shown


@pytest.mark.parametrize("width", [20, 40, 80])
def test_what_is_too_long_for_a_line_goes_on_in_the_next(width: int) -> None:
    """A path or a hash has to be whole to be of use."""
    path = "/home/desk/" + "state/" * 30 + "ledger.sqlite"
    shown = print_at(width, build_facts({"ledger": path}))
    assert path in "".join(line.removeprefix("ledger").strip() for line in shown.splitlines())


def test_a_message_cannot_fill_or_steer_the_terminal() -> None:
    """A million letters, line feeds, an escape sequence and U+202E came as an error message."""
    texts = ["x" * 1_000_000, "a\nFLAT: all is well", "\x1b[2Jgone", "\u202eTDSU-CTB"]
    items = [dataclasses.replace(build_item(number), error_message=text) for number, text in enumerate(texts)]
    shown = print_at(400, *build_close_errors([build_attempt(items=items)]))
    assert len(shown) < 10_000
    for part in ("[cut: 1,000,000 letters in all]", "a<U+000A>FLAT: all is well", "<U+001B>[2Jgone", "<U+202E>TDSU-CTB"):
        assert part in shown


def test_more_rows_than_a_terminal_is_for_are_counted() -> None:
    """Ten thousand error items are in the table of the day."""
    items = [build_item(number) for number in range(1000)]
    shown = print_at(160, *build_close_errors([build_attempt(items=items)]))
    assert "... and 700 more" in shown
