"""The nights of the simulator held against the wire: the same scripts at paper exchanges, over HTTP, by the real clock.

All nights are played at once in this process. Verdicts, causes and the sequence of sends have to be the same on both sides,
and right.
"""

from __future__ import annotations

import pytest
from scripted_nights import NIGHTS, Summary, summarise
from wire_night import Ended, play_together

from deepcoin_ops.simulation.night import Night
from deepcoin_ops.simulation.teeth import without

_DUST = "SPOTB-USDT"  # it stays, and is flat
# A rule, and a night that is another one without it.
_NOTICED = [
    ("S1", "stopped, and nothing that was closed is"),
    ("S1", "the key is frozen"),
    ("S2", "a guard denies it"),
    ("S3", "no second list of positions comes"),
    ("S4", "one close does nothing, one is slow, one takes half"),
    ("S5", "one position"),
    ("S6", "three outcomes are unknown, and no read follows"),
    ("S7", "a single attempt"),
    ("S8", "more is open than the cap allows"),
    ("S9", "the largest goes first"),
    ("S10", "a resting order"),
    ("S11", "copy trading is left"),
    ("S12", "rows are named as left once"),
    ("K1", "an order stays by the settings"),
    ("K2", "a trigger order, of which the first cancel does nothing"),
    ("K3", "an exit goes after its position, the history is late"),
    ("F1", "no second list of positions comes"),
    ("F2", "a contract and spot, of which one is dust"),
    ("F3", "a row cannot be placed"),
    ("F4", "an order stays by the settings"),
    ("F7", "a row is left out while its closes do nothing"),
    ("F8", "an instrument is not listed"),
]


@pytest.fixture(scope="module")
def wire() -> dict[str, Ended]:
    """Every night as it went over the wire."""
    return play_together({name: script for name, (script, _verdicts) in NIGHTS.items()})


def simulate(name: str) -> Summary:
    """Play a night in virtual time."""
    result = Night(NIGHTS[name][0]).play()
    return summarise(result.facts, result.judgements)


def test_there_are_thirty_six_nights() -> None:
    """A night that was taken out would not be missed elsewhere."""
    assert len(NIGHTS) == 36


@pytest.mark.parametrize("name", NIGHTS)
def test_a_night_is_the_same_in_the_simulator_and_on_the_wire(wire: dict[str, Ended], name: str) -> None:
    """The verdicts are written down, so that both sides being wrong alike is noticed too."""
    ended = wire[name]
    on_wire = summarise(ended.facts, ended.judgements)
    assert on_wire == simulate(name)
    assert on_wire.verdicts == NIGHTS[name][1]


@pytest.mark.parametrize("name", NIGHTS)
def test_what_the_facts_say_was_sent_is_what_arrived(wire: dict[str, Ended], name: str) -> None:
    """The exchange's own log has the same closes in the same order."""
    ended = wire[name]
    sends = summarise(ended.facts, ended.judgements).sends
    assert [each for each in sends if not each.startswith("CANCEL")] == ended.closes


@pytest.mark.parametrize("name", NIGHTS)
def test_what_is_flat_is_flat_at_the_exchange(wire: dict[str, Ended], name: str) -> None:
    """The exchange is asked after the end, on a way that no night knows of."""
    ended = wire[name]
    flat = {each.instrument_id for each in ended.judgements if each.proven in ("FLAT", "ALREADY_FLAT")}
    assert flat & ended.still_open <= {_DUST}


@pytest.mark.parametrize("name", NIGHTS)
def test_nothing_is_wrong_with_a_simulated_night(name: str) -> None:
    """The simulator's own oracles watch it."""
    assert Night(NIGHTS[name][0]).play().violations == []


@pytest.mark.parametrize(("rule", "name"), _NOTICED)
def test_a_rule_that_one_side_lacks_is_noticed(wire: dict[str, Ended], rule: str, name: str) -> None:
    """A comparison that cannot fail would prove nothing."""
    with without(rule):
        lacking = simulate(name)
    ended = wire[name]
    assert lacking != summarise(ended.facts, ended.judgements)
