"""Calls and reads of a night that go wrong by their numbers."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from deepcoin_ops.core.judge import Proven
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.limits import Limits
from deepcoin_ops.domain.model import Outcome
from deepcoin_ops.simulation.night import Night, Result
from deepcoin_ops.simulation.script import Habits, Script
from deepcoin_ops.simulation.strikes import Fate, Strike

A, B = "C000-USDT-SWAP", "C001-USDT-SWAP"


def play(*strikes: Strike, **more: object) -> Result:
    """Play a night of two instruments with these strikes, and see that nothing is wrong with it."""
    positions = ((A, "long", Decimal(100)), (B, "short", Decimal(100)))
    result = Night(Script(1, (A, B), positions, habits=Habits(), decides_s=1.0, strikes=strikes, **more)).play()
    assert result.violations == []
    return result


def outcomes(result: Result, instrument: str) -> list[Outcome]:
    """What became of the closes of an instrument, in the order of their sends."""
    ids = [
        fact.call_id for fact in result.facts if isinstance(fact, f.CallIntended) and instrument in fact.call.instrument_ids
    ]
    answers = {fact.call_id: fact.outcome for fact in result.facts if isinstance(fact, f.CallAnswered)}
    return [answers[each] for each in ids]


@pytest.mark.parametrize(
    ("fate", "expected"),
    [
        (Fate.THROTTLED, [Outcome.REFUSED, Outcome.ACCEPTED]),
        (Fate.REJECTED, [Outcome.PARTIAL, Outcome.ACCEPTED]),
        (Fate.SILENT, [Outcome.ACCEPTED, Outcome.ACCEPTED]),
        (Fate.PARTIAL, [Outcome.ACCEPTED, Outcome.ACCEPTED]),
        (Fate.LOST_BEFORE, [Outcome.UNKNOWN, Outcome.ACCEPTED]),
        (Fate.LOST_AFTER, [Outcome.UNKNOWN]),
        (Fate.GARBLED, [Outcome.UNKNOWN]),
        (Fate.SLOW, [Outcome.ACCEPTED]),
        (Fate.FATAL, [Outcome.REFUSED]),
    ],
)
def test_a_strike_takes_the_calls_with_its_numbers(fate: Fate, expected: list[Outcome]) -> None:
    """The first close of A is struck, and no other."""
    assert outcomes(play(Strike(fate, instrument_id=A)), A) == expected


def test_a_strike_without_a_last_call_takes_all() -> None:
    """Every close of A is accepted and does nothing."""
    result = play(Strike(Fate.SILENT, instrument_id=A, last=None))
    assert len(outcomes(result, A)) == 10
    assert outcomes(result, B) == [Outcome.ACCEPTED]


def test_a_list_leaves_out_the_rows_of_the_instrument_of_its_strike() -> None:
    """All positions reads but the first leave A out, and its closes do nothing, so that it is not FLAT."""
    result = play(
        Strike(Fate.LEFT_OUT, f.Lane.POSITIONS, A, first=2, last=None), Strike(Fate.SILENT, instrument_id=A, last=None)
    )
    reads = [{row.instrument_id for row in fact.rows} for fact in result.facts if isinstance(fact, f.PositionsRead)]
    assert reads[0] == {A, B}
    assert all(A not in shown for shown in reads[1:])
    assert {each.instrument_id: each.proven for each in result.judgements} == {A: Proven.FLAT_UNCONFIRMED, B: Proven.FLAT}


def test_a_read_that_is_struck_brings_nothing_and_is_asked_again() -> None:
    """The first two lists of resting orders fail."""
    result = play(Strike(Fate.FAILED, f.Lane.RESTING, last=2))
    failed = [fact.read.lane for fact in result.facts if isinstance(fact, f.ReadFailed)]
    assert failed == [f.Lane.RESTING, f.Lane.RESTING]
    assert result.worst is Proven.FLAT


def test_a_flatten_ends_although_no_list_of_positions_comes() -> None:
    """It waited for one for ever, as something might have been closed once it was there."""
    limits = msgspec.structs.replace(Limits(), sending_time_s=20.0)
    result = play(Strike(Fate.FAILED, f.Lane.POSITIONS, last=None), limits=limits)
    assert {(each.proven, each.cause) for each in result.judgements} == {(Proven.UNVERIFIED, "NOT_READ")}
    assert 20.0 <= result.ended_s < 25.0
