"""Nights drawn from seeds go right, and reach what can go wrong."""

from __future__ import annotations

import pytest

from deepcoin_ops.core.judge import Proven
from deepcoin_ops.simulation import report

NIGHTS = 10_000  # `make simulate` plays as many as there is time for


@pytest.fixture(scope="module")
def tally() -> report.Tally:
    """The nights, played once in two processes."""
    return report.play_side_by_side(10_000, NIGHTS, 2)


def test_no_night_goes_wrong(tally: report.Tally) -> None:
    """Each is watched by every oracle."""
    assert tally.wrong == []
    assert tally.nights == NIGHTS


def test_every_rule_cause_and_outcome_is_reached(tally: report.Tally) -> None:
    """Nothing wrong says little where nothing happens."""
    assert report.find_rare(tally) == []
    assert set(tally.results) == set(Proven)


def test_every_oracle_looked(tally: report.Tally) -> None:
    """One that is never asked finds nothing wrong."""
    assert [name for name in report.NAMES if not tally.checked[name]] == []


def test_the_report_says_what_was_counted(tally: report.Tally) -> None:
    """Nights, coverage, oracles, speed, exposure and times, and that nothing went wrong."""
    lines = list(report.describe(tally))
    assert lines[0].startswith("10,000 nights, ")
    assert lines[-1] == "wrong verdicts: 0, wrong nights: 0"
    assert "rare: none" in lines[-2]
    assert any(line.startswith("exposure against the limit: p50 1.0") for line in lines)
