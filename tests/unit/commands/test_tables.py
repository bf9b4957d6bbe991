"""What the command line prints."""

from __future__ import annotations

import io

import pytest
from account_days import BTC, build_attempt, build_verdict
from rich.console import Console

from deepcoin_ops.commands.tables import build_verdicts
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
