"""Nights about the pace: requests that travel unevenly, lanes that share a limit, and lists in the documented tiers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from deepcoin_ops.core.judge import Proven
from deepcoin_ops.domain import facts as f
from deepcoin_ops.simulation.night import Night, Result
from deepcoin_ops.simulation.script import Habits, LimitLaw, Script

NIGHTS = 40
INSTRUMENTS = tuple(f"C{number:03d}-USDT-SWAP" for number in range(12))


def play(seed: int, habits: Habits, *, is_quick: bool = False) -> Result:
    """Play a night of twelve open instruments."""
    positions = tuple((name, "long", Decimal(100)) for name in INSTRUMENTS)
    result = Night(Script(seed, INSTRUMENTS, positions, habits=habits, is_quick=is_quick)).play()
    assert result.violations == []
    assert result.worst is Proven.FLAT
    return result


def count_throttled_closes(result: Result) -> int:
    """The closes that were throttled."""
    closes = {fact.call_id for fact in result.facts if isinstance(fact, f.CallIntended) and fact.call.kind.is_close}
    return sum(isinstance(fact, f.CallAnswered) and fact.is_throttled and fact.call_id in closes for fact in result.facts)


def test_uneven_travel_costs_a_throttled_close_at_most() -> None:
    """Requests travel 25 to 150 ms to an exchange that allows not a moment less than a second."""
    results = [play(seed, Habits(up_s=(0.025, 0.15))) for seed in range(NIGHTS)]
    assert max(count_throttled_closes(result) for result in results) <= 1


def test_uneven_travel_does_not_make_it_slower_than_a_loop_that_sleeps_a_second() -> None:
    """Such a loop waits a second after each answer."""
    round_trip_s = (0.025 + 0.15) / 2 + (0.02 + 0.1) / 2
    for seed in range(NIGHTS):
        result = play(seed, Habits(up_s=(0.025, 0.15)))
        sent = [fact.at_s for fact in result.facts if isinstance(fact, f.CallIntended)]
        assert sent[-1] - sent[0] < (len(INSTRUMENTS) - 1) * (1.0 + round_trip_s) + 2.0  # of which a throttle may cost two


def test_lanes_that_share_a_limit_find_out() -> None:
    """All endpoints together allow one request a second; after some throttles the lanes take turns."""
    for seed in range(NIGHTS):
        result = play(seed, Habits(law=LimitLaw.SHARED))
        throttled = [
            fact.at_s for fact in result.facts if isinstance(fact, f.CallAnswered | f.ReadFailed) and fact.is_throttled
        ]
        assert len(throttled) <= 12


@pytest.mark.parametrize("law", [LimitLaw.TIERED, LimitLaw.OWN])
def test_lists_in_the_documented_tier_are_read_faster_and_no_throttle_takes_the_proof_away(law: LimitLaw) -> None:
    """Where the tier does not hold, the throttled lane slows down."""
    for seed in range(NIGHTS):
        quick, usual = play(seed, Habits(law=law), is_quick=True), play(seed, Habits(law=law))
        if law is LimitLaw.TIERED:
            assert quick.throttled == 0
            assert quick.ended_s < usual.ended_s
