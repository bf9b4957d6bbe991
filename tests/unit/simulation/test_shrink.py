"""The shrinker leaves the smallest script that still goes wrong."""

from __future__ import annotations

from deepcoin_ops.domain.limits import Limits
from deepcoin_ops.simulation import teeth
from deepcoin_ops.simulation.night import Night
from deepcoin_ops.simulation.script import Habits, Script, draw
from deepcoin_ops.simulation.shrink import shrink


def test_what_a_night_needs_to_go_wrong_is_left() -> None:
    """Without the rule that a read follows a close, one open position is enough."""
    with teeth.without("S5"):
        script = next(draw(seed) for seed in range(100) if _is_blind(draw(seed)) and len(draw(seed).instruments) > 2)
        small = shrink(script, _is_blind)
        assert _is_blind(small)
    assert len(small.instruments) == 1
    assert len(small.positions) == 1
    assert small.orders == small.kills_s == small.reopens == ()
    assert small.limits == Limits()


def test_a_night_that_cannot_be_smaller_stays_as_it_is() -> None:
    """Nothing that matters is taken for a leftover."""
    script = draw(31)
    assert shrink(script, lambda smaller: smaller == script) == script


def test_the_smallest_script_of_a_chance_keeps_the_habit_that_it_needs() -> None:
    """What it does not need is as usual."""
    small = shrink(draw(31), lambda script: script.habits.lost_after > 0 or script.habits.silent > 0)
    changed = [name for name in ("lost_after", "silent") if getattr(small.habits, name)]
    assert len(changed) == 1
    assert small.habits == Habits(**{changed[0]: getattr(small.habits, changed[0])})


def _is_blind(script: Script) -> bool:
    return any(each.startswith("blind close") for each in Night(script).play().violations)
