"""A slow exchange that loses answers and fails reads: the pace holds, others go on, the deadline holds, verdicts are true.

Facts only, from the exchange's own account and from the instants in the ledger; how long it takes is for the benchmark.
"""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from degraded_lab import (
    BATCH_CANCEL,
    CLOSE,
    OPEN,
    POSITIONS,
    RESTING_LIST,
    TRIGGER_LIST,
    build_slow_scenario,
    cancels_of,
    check_all,
    count_in_flight,
    draw_faults,
    failed_lists,
    held,
    hung_closes,
    open_slow_lab,
)
from fault_scripts import hang_in_turns, one_in, strike
from flatten_lab import with_settings

from deepcoin_ops.domain.model import FlattenResult, Outcome, PositionSide, Verdict
from deepcoin_ops.flattening import controller
from deepcoin_ops.flattening.progress import FlattenOutcome
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.order_records import OrderKind, PaperOrder

A = FaultAction
FAILURE = {"action": A.SERVER_ERROR}


def order(order_id: str, instrument_id: str, **more: Any) -> PaperOrder:
    """An order that would open or enlarge, unless told otherwise."""
    return PaperOrder(instrument_id, PositionSide.LONG, Decimal(4), order_id=order_id, **more)


def flat_ones(outcome: FlattenOutcome) -> set[str]:
    """The instruments that are said to be flat."""
    return {each.instrument_id for each in outcome.verdicts if each.verdict.is_flat}


def test_a_slow_exchange_that_loses_answers_is_flattened_at_the_pace_and_truly(tmp_path: Path) -> None:
    """One close in ten hangs to the timeout, executed or not, and one positions read in five fails."""
    chance = random.Random(1)
    faults = [
        *strike(CLOSE, hang_in_turns([2, 5, *one_in(10, 100, chance)[1:]])),
        *strike(POSITIONS, dict.fromkeys([1, *one_in(5, 100, chance)[1:]], FAILURE)),
        *strike(TRIGGER_LIST, dict.fromkeys(one_in(10, 100, chance), FAILURE)),
    ]
    with open_slow_lab(tmp_path, build_slow_scenario(faults)) as lab:
        outcome = lab.flatten()
        check_all(lab, outcome)
        attempts = lab.attempts(outcome)
        assert outcome.closing.result is FlattenResult.FLAT
        assert count_in_flight(attempts) == 3
        unknown = [each for each in attempts if each.outcome is Outcome.UNKNOWN]
        assert sorted(each.intent.instrument_id for each in unknown) == hung_closes(lab)
        assert len(unknown) >= 2
        for hung in unknown[:2]:
            assert hung.answered_at is not None
            meanwhile = [each for each in attempts if hung.intent_at < each.intent_at < hung.answered_at]
            assert len(meanwhile) >= 2
            assert hung.intent.instrument_id not in {each.intent.instrument_id for each in meanwhile}


def test_three_lost_answers_in_a_row_stop_the_sending_until_a_read_succeeds(tmp_path: Path) -> None:
    """Perhaps nothing gets through. Two reads fail then, and only the third one lets the others be sent."""
    faults = [
        *strike(CLOSE, hang_in_turns([1, 2, 3, 4, 5])),
        *strike(POSITIONS, dict.fromkeys([2, 3], FAILURE)),
    ]
    with open_slow_lab(tmp_path, build_slow_scenario(faults)) as lab:
        outcome = lab.flatten()
        check_all(lab, outcome)
        assert outcome.closing.result is FlattenResult.FLAT
        attempts = lab.attempts(outcome)
        lost_at = sorted(each.answered_at for each in attempts if each.outcome is Outcome.UNKNOWN and each.answered_at)
        # One may have been waiting for its slot already.
        resumed_at = sorted(each.intent_at for each in attempts if each.intent_at > lost_at[2])[1]
        pages = lab.desk.ledger.read_position_pages(outcome.closing.flatten_id)
        assert any(lost_at[2] < page.finished_at <= resumed_at for page in pages)


def test_the_deadline_ends_the_sending_and_what_is_open_is_residual(tmp_path: Path) -> None:
    """Two closes hang past it, one of them executed; nothing is called flat because time ran out."""
    faults = strike(CLOSE, hang_in_turns([1, 2]))
    with open_slow_lab(tmp_path, build_slow_scenario(faults)) as quick:
        lab = with_settings(quick, max_deadline_s=0.6)
        outcome = lab.flatten()
        check_all(lab, outcome)
        sent = [each for each in lab.attempts(outcome) if each.outcome is not Outcome.NOT_SENT]
        # The deadline is counted from before the first send, so that this is no tighter than it.
        assert (sent[-1].intent_at - sent[0].intent_at).total_seconds() <= 0.6
        assert [each.outcome for each in sent[:2]] == [Outcome.UNKNOWN, Outcome.UNKNOWN]
        residual = {each.instrument_id for each in outcome.verdicts if each.verdict is Verdict.RESIDUAL}
        assert sent[1].intent.instrument_id in residual
        assert residual == lab.truly_open()
        assert outcome.closing.result is FlattenResult.NOT_FLAT
        assert outcome.closing.reason.startswith("the deadline passed")


def test_a_close_that_is_executed_after_its_sender_gave_up_is_found_out_by_a_read(tmp_path: Path) -> None:
    """The timeout says nothing; the position may leave a second later, or stay."""
    late = {"action": A.DELAY, "delay_s": 1.0, "is_executed_late": True}
    with open_slow_lab(tmp_path, build_slow_scenario(strike(CLOSE, {1: late}))) as lab:
        outcome = lab.flatten()
        check_all(lab, outcome)
        assert lab.attempts(outcome)[0].outcome is Outcome.UNKNOWN
        assert outcome.closing.result is FlattenResult.FLAT


def test_prices_that_come_late_put_the_largest_of_what_is_left_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round of many slow closes takes a minute; without prices it begins in no order, and must not go on so."""
    monkeypatch.setattr(controller, "_PATIENCE_S", 0.0)
    late = Fault(A.DELAY, "market/tickers", delay_s=0.35)
    with open_slow_lab(tmp_path, build_slow_scenario([late], latency_ms=(20.0, 60.0))) as lab:
        outcome = lab.flatten()
        check_all(lab, outcome)
        notionals = [each.intent.notional_usdt for each in lab.attempts(outcome)]
        known = [each for each in notionals if each is not None]
        assert notionals[0] is None
        assert len(known) >= 2
        assert known == sorted(known, reverse=True)


@pytest.mark.parametrize("is_for_good", [False, True])
def test_trigger_lists_that_hang_hold_up_no_close_and_prove_nothing(tmp_path: Path, is_for_good: bool) -> None:
    """Of what could be read late enough the verdict is flat; of the rest it says that nothing is known."""
    scenario = build_slow_scenario()
    blind = held(scenario)[:3]
    faults = [Fault(A.HANG, TRIGGER_LIST, instrument_id=name, call=None if is_for_good else 1) for name in blind]
    with open_slow_lab(tmp_path, build_slow_scenario(faults)) as quick:
        lab = with_settings(quick, max_rounds=2)
        outcome = lab.flatten()
        check_all(lab, outcome)
        assert lab.truly_open() == set()
        assert len(lab.attempts(outcome)) == OPEN
        started_at, finished_at, name = failed_lists(lab)[0]
        assert name in blind
        assert [each for each in lab.attempts(outcome) if started_at < each.intent_at < finished_at]
        unverified = {each.instrument_id for each in outcome.verdicts if each.verdict is Verdict.UNVERIFIED}
        assert unverified == (set(blind) if is_for_good else set())


@pytest.mark.parametrize("is_for_good", [False, True])
def test_a_list_of_resting_orders_that_hangs_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_for_good: bool
) -> None:
    """After a moment's patience the closes go out; without the list nothing is flat, with a later one everything."""
    monkeypatch.setattr(controller, "_PATIENCE_S", 0.2)
    faults = [Fault(A.HANG, RESTING_LIST, call=None if is_for_good else 1)]
    with open_slow_lab(tmp_path, build_slow_scenario(faults)) as quick:
        lab = with_settings(quick, max_rounds=2)
        outcome = lab.flatten()
        check_all(lab, outcome)
        assert lab.truly_open() == set()
        _started_at, finished_at, _name = failed_lists(lab)[0]
        assert [each for each in lab.attempts(outcome) if each.intent_at < finished_at]
        if is_for_good:
            assert {each.verdict for each in outcome.verdicts} == {Verdict.UNVERIFIED}
        else:
            assert outcome.closing.result is FlattenResult.FLAT


def test_a_cancel_that_hangs_holds_up_its_own_instruments_only(tmp_path: Path) -> None:
    """The largest position's order may hold its size, so it waits for the answer or the timeout; the others do not."""
    largest, second, *others = held(build_slow_scenario())
    orders = [order("L", largest), order("S", second), order("T", others[0], kind=OrderKind.TRIGGER)]
    faults = [Fault(A.HANG, BATCH_CANCEL, is_executed=False)]
    # The timeout is long, so that a busy machine sends the others well before it ends.
    with open_slow_lab(tmp_path, build_slow_scenario(faults, orders), read_timeout_s=3.0) as lab:
        outcome = lab.flatten()
        check_all(lab, outcome)
        assert outcome.closing.result is FlattenResult.FLAT
        assert lab.waiting_orders() == set()
        hung = next(each for each in cancels_of(lab, outcome) if each.outcome is Outcome.UNKNOWN)
        assert set(hung.intent.instrument_ids) == {largest, second}
        assert hung.answered_at is not None
        first_sent = {each.intent.instrument_id: each.intent_at for each in reversed(lab.attempts(outcome))}
        assert min(first_sent[largest], first_sent[second]) >= hung.answered_at
        assert len([name for name in others if first_sent[name] < hung.answered_at]) >= 3


def run_random_script(tmp_path: Path, seed: int) -> None:
    """Flatten under a random script; what is said of each instrument has to be true."""
    chance = random.Random(seed)
    names = held(build_slow_scenario())
    orders = [
        order("WAITS", chance.choice(names)),
        order("FIRES", chance.choice(names), kind=OrderKind.TRIGGER, fills_after_s=chance.uniform(0.5, 4.0)),
        order("FILLS", chance.choice(names), fills_after_close_s=chance.uniform(0.0, 0.5)),
        order("RACES", chance.choice(names), fills_before_cancel=True),
        order("HOLDS", chance.choice(names), is_closing=True),
    ]
    scenario = build_slow_scenario(draw_faults(seed), orders, seed=seed, latency_ms=(20.0, 250.0))
    with open_slow_lab(tmp_path, scenario) as quick:
        lab = with_settings(quick, max_rounds=8)
        outcome = lab.flatten()
        check_all(lab, outcome)
        assert flat_ones(outcome) or outcome.closing.result is FlattenResult.UNVERIFIED


@pytest.mark.parametrize("seed", range(1, 4))
def test_whatever_goes_wrong_flat_means_flat_and_no_order_that_can_open_one(tmp_path: Path, seed: int) -> None:
    """Requests of every kind are lost, late, half done or answered from a moment ago, drawn by chance."""
    run_random_script(tmp_path, seed)


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(100, 130))
def test_the_same_under_many_more_scripts(tmp_path: Path, seed: int) -> None:
    """The seeds that are run every time were not picked; these are the ones beside them."""
    run_random_script(tmp_path, seed)
