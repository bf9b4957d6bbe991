"""Nights with names: small inputs that once ended wrongly, played in virtual time against the model exchange."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from deepcoin_ops.core.judge import Proven
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.limits import Limits
from deepcoin_ops.domain.orders import CancelOrders, OrderKind
from deepcoin_ops.simulation.night import Night, Result
from deepcoin_ops.simulation.script import Habits, Placed, Script

A, B, SPOT = "C000-USDT-SWAP", "C001-USDT-SWAP", "SPOTA-USDT"
NIGHTS = 40


def build(seed: int, **more: object) -> Script:
    """A night of two instruments with a hundred contracts each; B is worth twice as much."""
    positions = ((A, "long", Decimal(100)), (B, "short", Decimal(100)))
    return Script(**{"seed": seed, "instruments": (A, B), "positions": positions, **more})


def play(script: Script) -> Result:
    """Play a night, and see that nothing but its verdict could be wrong."""
    result = Night(script).play()
    assert result.violations == []
    return result


def proven(result: Result, instrument: str) -> tuple[Proven, str]:
    """What was proven of an instrument, and the cause."""
    [found] = [each for each in result.judgements if each.instrument_id == instrument]
    return found.proven, found.cause


def closes(result: Result) -> list[str]:
    """The instruments of the closes, in order."""
    calls = [fact.call for fact in result.facts if isinstance(fact, f.CallIntended)]
    return [call.instrument_ids[0] for call in calls if call.kind.is_close]


@pytest.mark.parametrize("omit", [0.3, 0.5, 0.7])
def test_a_list_that_leaves_a_row_out_proves_nothing_while_its_closes_do_nothing(omit: float) -> None:
    """Two reads without the row, a second apart, once made it FLAT."""
    habits = Habits(omit=omit, silent=1.0)
    for seed in range(NIGHTS):
        result = play(build(seed, habits=habits))
        reads = [fact for fact in result.facts if isinstance(fact, f.PositionsRead)]
        was_seen = any(row.instrument_id == A for read in reads for row in read.rows)
        never = set() if was_seen else {Proven.ALREADY_FLAT}  # what no read ever showed is not known of
        assert proven(result, A)[0] in {Proven.RESIDUAL, Proven.FLAT_UNCONFIRMED} | never


@pytest.mark.parametrize("more", [{"rejected": 1.0}, {"throttles_first": 10**9}], ids=str)
def test_what_nobody_closed_is_not_flat_when_a_list_leaves_it_out(more: dict[str, float]) -> None:
    """Every close was rejected, so that only the list can have lost it."""
    for seed in range(NIGHTS):
        assert proven(play(build(seed, habits=Habits(omit=0.5, **more))), A)[0] is not Proven.FLAT


def test_what_is_open_and_may_be_closed_is_closed_whatever_else_stays_open() -> None:
    """A's market is closed; B is opened again by others some seconds after it was closed."""
    for seed in range(NIGHTS):
        reopens = ((4.0 + seed / 10, B),)
        result = play(build(seed, market_closed=frozenset({A}), reopens=reopens))
        assert proven(result, A) == (Proven.RESIDUAL, "51999")
        assert proven(result, B)[0] is Proven.FLAT


def test_a_row_that_nobody_can_place_keeps_its_type_from_being_proven() -> None:
    """It may be any instrument, so nothing of the type without a row of its own is flat."""
    result = play(build(1, unreadable=frozenset({A})))
    assert proven(result, A) == (Proven.UNVERIFIED, "UNREADABLE_ROW")
    assert proven(result, B) == (Proven.UNVERIFIED, "UNREADABLE_ROW")
    assert B in closes(result)


def test_copy_trading_is_left_alone_and_named() -> None:
    """Its rows are not closed unless the settings say so."""
    result = play(build(1, copied=frozenset({A})))
    assert proven(result, A) == (Proven.RESIDUAL, "COPY_TRADING")
    assert closes(result) == [B]


def test_where_ids_are_of_no_use_the_batch_close_is_tried_again() -> None:
    """A first batch close is answered with rows left; the ids of these are then unknown to the exchange."""
    habits = Habits(ids_useless=True, rejected=0.4)
    results = [proven(play(build(seed, habits=habits)), A)[0] for seed in range(NIGHTS)]
    assert results.count(Proven.FLAT) == NIGHTS


def test_a_read_that_failed_is_asked_again() -> None:
    """A quarter of all reads fails, and every night is proven all the same."""
    results = [play(build(seed, habits=Habits(fails_read=0.25))).worst for seed in range(NIGHTS)]
    assert results.count(Proven.FLAT) == NIGHTS


@pytest.mark.parametrize(
    ("held", "min_size", "expected"),
    [("5", 10, Proven.FLAT), ("42.5", 1000, Proven.RESIDUAL)],
    ids=["dust", "worth too much"],
)
def test_dust_is_small_in_size_and_in_worth(held: str, min_size: int, expected: Proven) -> None:
    """A holding below the smallest size that is worth thousands is no dust."""
    script = Script(1, (SPOT,), ((SPOT, "", Decimal(held)),), min_size=Decimal(min_size), market_closed=frozenset({SPOT}))
    assert proven(play(script), SPOT)[0] is expected


def test_an_order_that_fills_while_it_is_cancelled_is_looked_up_before_it_is_believed_gone() -> None:
    """Its position shows nine seconds later, longer than any settle time."""
    orders = (Placed(A, OrderKind.RESTING, can_open=True),)
    habits = Habits(fills_on_cancel=1.0, hides_s=9.3)
    for seed in range(NIGHTS):
        result = play(build(seed, positions=(), orders=orders, habits=habits))
        assert proven(result, A)[0] in (Proven.FLAT_UNCONFIRMED, Proven.FLAT)
        if proven(result, A)[0] is Proven.FLAT:
            assert closes(result) == [A]


def test_a_fill_that_no_read_showed_is_owed_by_the_next_flatten() -> None:
    """The first flatten ends while the position hides, and the next one begins before it shows."""
    habits = Habits(fills_on_cancel=1.0, hides_s=60.0)
    for seed in range(NIGHTS):
        orders = (Placed(A, OrderKind.RESTING, can_open=True),)
        result = play(build(seed, positions=(), orders=orders, habits=habits, again_s=1.0))
        assert proven(result, A) == (Proven.FLAT_UNCONFIRMED, "HISTORY")


def test_a_fill_is_not_covered_by_what_was_closed_beside_it() -> None:
    """The close takes the position that was seen; what a trigger order opened after it stays hidden."""
    habits = Habits(hides_s=60.0)
    orders = (Placed(A, OrderKind.TRIGGER, can_open=True),)
    limits = msgspec.structs.replace(Limits(), cancel_orders=CancelOrders.NONE)
    nights = [build(seed, orders=orders, habits=habits, limits=limits, fires=(1.5 + seed / 20,)) for seed in range(NIGHTS)]
    found = [proven(play(night), A) for night in nights]
    assert (Proven.FLAT_UNCONFIRMED, "HISTORY") in found


def test_what_a_trigger_order_left_behind_is_cancelled_or_named() -> None:
    """It fires between the two lists and leaves a resting order."""
    habits = Habits(fires_limit=1.0, read_lag_s=1.9)
    orders = (Placed(A, OrderKind.TRIGGER, can_open=True),)
    for seed in range(NIGHTS):
        result = play(build(seed, positions=(), orders=orders, habits=habits, fires=(2.5 + seed / 10,)))
        assert proven(result, A)[0] in (Proven.ALREADY_FLAT, Proven.FLAT)


def test_nothing_is_sent_on_what_was_read_before_the_process_was_frozen() -> None:
    """It slept for seventy seconds between the read and the slot."""
    for seed in range(NIGHTS):
        play(build(seed, freeze=(0.5 + seed / 20, 70.0)))


def test_a_code_that_comes_back_three_times_ends_the_attempts() -> None:
    """A market out of its hours answers the same code for ever."""
    result = play(build(1, market_closed=frozenset({A, B})))
    assert closes(result).count(A) == closes(result).count(B) == 3
    assert {proven(result, each) for each in (A, B)} == {(Proven.RESIDUAL, "51999")}


def test_the_largest_goes_first_again_after_a_throttle() -> None:
    """A throttle proves that nothing was done, so its read is still good."""
    result = play(build(1, habits=Habits(throttles_first=1)))
    assert closes(result) == [B, B, A]


def test_a_flatten_after_a_kill_owes_the_history_what_the_killed_one_saw_open() -> None:
    """The first process saw it open and died; the list then leaves it out."""
    for seed in range(NIGHTS):
        script = build(seed, habits=Habits(omit=0.6, silent=1.0), kills_s=(2.0,))
        result = Night(script).play()
        assert not [each for each in result.violations if each.startswith("false flat")]


def test_an_account_may_send_no_more_than_its_limits_say() -> None:
    """With one attempt for each, nothing is sent twice."""
    limits = msgspec.structs.replace(Limits(), max_attempts=1)
    result = play(build(1, habits=Habits(silent=1.0), limits=limits))
    assert sorted(closes(result)) == [A, B]
    assert {proven(result, each) for each in (A, B)} == {(Proven.RESIDUAL, "MAX_ATTEMPTS")}
