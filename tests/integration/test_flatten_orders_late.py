"""Lags, refusals and stops around waiting orders: each of these once ended in a false word, a stall or a send too many."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flatten_lab import Lab, build_scenario, open_lab, position, wait_for, with_settings

from deepcoin_ops.domain.errors import GuardRefused
from deepcoin_ops.domain.model import FlattenResult, Outcome, PositionSide, Verdict
from deepcoin_ops.domain.orders import CancelIntent
from deepcoin_ops.exchange.client import DeepcoinClient
from deepcoin_ops.flattening import order_reading
from deepcoin_ops.flattening.controller import Flatten
from deepcoin_ops.flattening.progress import FlattenOutcome
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.open_questions import OrderRules
from deepcoin_ops.paper.order_records import OrderKind, PaperOrder

BTC, ETH, SOL, XRP = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP", "XRP-USDT-SWAP"
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
HELD = [position(BTC, "11", "35"), position(ETH, "13", "20", "short"), position(SOL, "15", "3")]
TAKE = PaperOrder(BTC, LONG, Decimal(35), order_id="TAKE", is_closing=True)
LIST, BATCH = "v2/orders-pending", "batch-cancel-order"
SETTLE_S = 0.6


def flatten_from(lab: Lab, begin: Callable[[], object], *instruments: str) -> FlattenOutcome:
    """Flatten; `begin` happens right before, when the flatten has been built already."""
    flatten = Flatten(lab.desk, lab.open(instruments=instruments), lab.stop, lab.said.append)
    begin()
    try:
        flatten.take_lock()
        flatten.close_rounds()
        return flatten.verify()
    finally:
        flatten.release()


def is_true(lab: Lab, outcome: FlattenOutcome) -> bool:
    """Whether the word FLAT is true at the exchange, if it was said."""
    if outcome.closing.result is not FlattenResult.FLAT:
        return True
    return not lab.truly_open() and not lab.waiting_orders()


# -- lags ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [OrderKind.TRIGGER, OrderKind.RESTING])
def test_an_order_placed_right_before_the_start_is_found_although_the_lists_lag(tmp_path: Path, kind: OrderKind) -> None:
    """A list begun within a settle time of the beginning may not show it; nothing may be concluded from that."""
    scenario = build_scenario([], ordering=OrderRules(list_lag_s=0.9 * SETTLE_S))
    with open_lab(tmp_path, scenario) as quick:
        lab = with_settings(quick, settle_s=SETTLE_S)
        just = PaperOrder(XRP, LONG, Decimal(4), order_id="JUST", kind=kind)
        outcome = flatten_from(lab, lambda: lab.exchange.place_order("main", just))
        assert outcome.closing.result is FlattenResult.FLAT
        assert is_true(lab, outcome)


def test_a_position_that_an_order_opened_before_its_list_shows_in_a_later_read(tmp_path: Path) -> None:
    """The order list is nearly up to date and the positions trail it: the last read has to follow the list that counts."""
    scenario = build_scenario([], read_lag_s=0.9 * SETTLE_S, ordering=OrderRules(list_lag_s=0.05))
    with open_lab(tmp_path, scenario) as quick:
        lab = with_settings(quick, settle_s=SETTLE_S)
        # Filled before the list that counts is begun, a settle time after the start, and after the first one.
        fills = PaperOrder(XRP, LONG, Decimal(7), order_id="FILLS", fills_after_s=0.93 * SETTLE_S)
        outcome = flatten_from(lab, lambda: lab.exchange.place_order("main", fills), XRP)
        assert is_true(lab, outcome)


def test_a_limit_order_that_a_fired_trigger_left_behind_is_not_overlooked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its cancel the trigger has just fired: a limit order stands instead, and fills before the next list."""
    trigger = PaperOrder(XRP, LONG, Decimal(7), order_id="TRIG", kind=OrderKind.TRIGGER)
    child = PaperOrder(XRP, LONG, Decimal(7), order_id="CHILD", fills_after_s=1.6 * SETTLE_S)
    scenario = build_scenario([], orders=[trigger], read_lag_s=0.9 * SETTLE_S)
    with open_lab(tmp_path, scenario) as quick:
        lab = with_settings(quick, settle_s=SETTLE_S)
        send = DeepcoinClient.send_cancel

        def send_and_fire(client: DeepcoinClient, endpoint: str, body: str) -> Any:
            answer = send(client, endpoint, body)
            if "TRIG" in body and not any(each["order_id"] == "CHILD" for each in lab.truth()["orders"]):
                lab.exchange.place_order("main", child)
            return answer

        monkeypatch.setattr(DeepcoinClient, "send_cancel", send_and_fire)
        outcome = lab.flatten(lab.open(instruments=[XRP]))
        assert is_true(lab, outcome)


# -- closes that must not wait, or give up -----------------------------------------------------------------------------


@pytest.mark.parametrize("action", [FaultAction.SERVER_ERROR, FaultAction.THROTTLE])
def test_one_failed_list_does_not_leave_a_frozen_position_open(tmp_path: Path, action: FaultAction) -> None:
    """The list is read again while the closes go on, so that the order is cancelled before the tries are used up."""
    with open_lab(tmp_path, build_scenario(HELD, [Fault(action, LIST)], orders=[TAKE])) as lab:
        outcome = lab.flatten()
        assert outcome.closing.result is FlattenResult.FLAT
        assert lab.truly_open() == lab.waiting_orders() == set()


def test_a_close_order_placed_after_the_first_list_is_found_by_the_item_it_causes(tmp_path: Path) -> None:
    """Insufficient position may mean a frozen size: the list is looked at once more before the next try."""
    slow = Fault(FaultAction.DELAY, instrument_id=BTC, delay_s=0.2, is_executed_late=True)
    with open_lab(tmp_path, build_scenario(HELD, [slow])) as lab:

        def place() -> None:
            wait_for(lambda: any(each.path.endswith(LIST) for each in lab.exchange.arrivals()))
            lab.exchange.place_order("main", TAKE)

        placing = threading.Thread(target=place)
        placing.start()
        outcome = lab.flatten()
        placing.join()
        assert outcome.closing.result is FlattenResult.FLAT
        assert len([each for each in lab.attempts(outcome) if each.intent.instrument_id == BTC]) <= 2


@pytest.mark.parametrize("endpoint", [LIST, "trigger-orders-pending"])
@pytest.mark.parametrize("action", [FaultAction.SERVER_ERROR, FaultAction.THROTTLE])
def test_lists_that_fail_for_a_while_are_read_in_the_end(tmp_path: Path, endpoint: str, action: FaultAction) -> None:
    """An outage of seconds is no reason to leave an opening order and call everything unverified."""
    opens = PaperOrder(XRP, LONG, Decimal(4), order_id="OPENS")
    outage = Fault(action, endpoint, call=1, until_call=3)
    with open_lab(tmp_path, build_scenario(HELD, [outage], orders=[opens])) as quick:
        outcome = with_settings(quick, max_rounds=2).flatten()
        assert outcome.closing.result is FlattenResult.FLAT
        assert quick.waiting_orders() == set()


def test_throttled_cancels_are_no_tries(tmp_path: Path) -> None:
    """Nothing was done by them, as by throttled closes; the pace has slowed down and the next one may pass."""
    opens = PaperOrder(XRP, LONG, Decimal(4), order_id="OPENS")
    throttled = Fault(FaultAction.THROTTLE, BATCH, call=1, until_call=4)
    with open_lab(tmp_path, build_scenario([], [throttled], orders=[opens])) as quick:
        outcome = with_settings(quick, max_rounds=2).flatten()
        assert outcome.closing.result is FlattenResult.FLAT
        assert quick.waiting_orders() == set()


def test_where_orders_go_one_by_one_the_position_is_closed_all_the_same(tmp_path: Path) -> None:
    """The exchange does not take the fifty-id call. Cancelling singly takes longer than a position may wait."""
    orders = [PaperOrder(BTC, LONG, Decimal(1), order_id=f"O{number:02d}") for number in range(30)]
    wrong = Fault(FaultAction.ERROR_LIST_MISSING, BATCH, call=None, is_executed=False)
    with open_lab(tmp_path, build_scenario(HELD, [wrong], orders=orders)) as quick:
        lab = with_settings(quick, max_rounds=2)
        outcome = lab.flatten()
        assert lab.truly_open() == set()
        assert next(each.verdict for each in outcome.verdicts if each.instrument_id == BTC) is Verdict.RESTING_ORDER_LEFT


# -- what ends a flatten ------------------------------------------------------------------------------------------------


def test_a_clock_that_is_too_far_off_ends_it_whichever_thread_sees_it_first(tmp_path: Path) -> None:
    """Lists are refused for their timestamp like everything else; a correction that is too large is never signed with."""
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        scenario = build_scenario(HELD, clock_offset_s=45, timestamp_window_s=10)
        with open_lab(tmp_path / str(number), scenario) as lab:
            with pytest.raises(GuardRefused, match=r"differ by 4\d"):
                lab.flatten()
            assert lab.close_arrivals() == []


@pytest.mark.parametrize("fault", [Fault(FaultAction.UNMARKED, BATCH), Fault(FaultAction.AUTH_ERROR, BATCH)])
def test_a_cancel_that_is_refused_for_good_stops_the_closes_too(tmp_path: Path, fault: Fault) -> None:
    """A key that is refused, or an answer from another venue, is about every request."""
    held = PaperOrder(ETH, SHORT, Decimal(20), order_id="HELD", is_closing=True)
    with open_lab(tmp_path, build_scenario(HELD, [fault], orders=[held])) as lab:
        outcome = lab.flatten()
        record = lab.desk.ledger.read_flatten(outcome.closing.flatten_id)
        assert record is not None
        (cancel,) = lab.desk.ledger.read_cancels(record.request.trading_day)
        assert cancel.answered_at is not None
        # One may have been in its slot already.
        assert sum(each.intent_at > cancel.answered_at for each in lab.attempts(outcome)) <= 1
        assert outcome.closing.reason.startswith("stopped for good: ")


def test_stopping_stops_cancels_while_a_positions_read_is_on_its_way(tmp_path: Path) -> None:
    """The main loop may sit in that read for as long as an answer takes."""
    slow = Fault(FaultAction.DELAY, "account/positions", call=3, until_call=60, delay_s=0.9)
    orders = [PaperOrder(XRP, LONG, Decimal(4), order_id=f"T{each:03d}", kind=OrderKind.TRIGGER) for each in range(90)]
    with open_lab(tmp_path, build_scenario([], [slow], orders=orders)) as lab:
        stopped_at: list[datetime] = []

        def stop() -> None:
            wait_for(lambda: len(lab.truth()["cancel_requests"]) >= 3)
            stopped_at.append(datetime.now(UTC))
            lab.stop.set()

        stopping = threading.Thread(target=stop)
        stopping.start()
        outcome = lab.flatten()
        stopping.join()
        record = lab.desk.ledger.read_flatten(outcome.closing.flatten_id)
        assert record is not None
        cancels = lab.desk.ledger.read_cancels(record.request.trading_day)
        # One may have been past its last question.
        assert sum(each.sent_at is not None and each.sent_at > stopped_at[0] for each in cancels) <= 1
        assert len(lab.waiting_orders()) > 80


def test_a_cancel_whose_recording_was_slow_is_not_sent_after_the_end(tmp_path: Path) -> None:
    """The intent waits for the ledger while stopping is asked for: it is on record that nothing left."""
    trigger = PaperOrder(XRP, LONG, Decimal(4), order_id="T", kind=OrderKind.TRIGGER)
    with open_lab(tmp_path, build_scenario([], orders=[trigger])) as lab:
        record_intent = lab.desk.ledger.record_cancel_intent

        def record_slowly(flatten_id: str, intent: CancelIntent) -> int:
            lab.stop.set()
            threading.Event().wait(0.5)
            return record_intent(flatten_id, intent)

        lab.desk.ledger.record_cancel_intent = record_slowly  # type: ignore[method-assign]
        outcome = lab.flatten()
        record = lab.desk.ledger.read_flatten(outcome.closing.flatten_id)
        assert record is not None
        (cancel,) = lab.desk.ledger.read_cancels(record.request.trading_day)
        assert (cancel.outcome, cancel.sent_at) == (Outcome.NOT_SENT, None)
        assert lab.truth()["cancel_requests"] == []


def test_a_fault_of_our_own_in_a_list_ends_in_a_verdict_and_not_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that dies must neither hold up the closes nor leave the lists unread without a word."""

    def break_off(*_arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(order_reading, "fetch_trigger_orders", break_off)
    with open_lab(tmp_path, build_scenario(HELD)) as lab:
        outcome = lab.flatten()
        assert lab.truly_open() == set()
        assert outcome.closing.result is FlattenResult.UNVERIFIED
        assert "broke off: ZeroDivisionError" in outcome.verdicts[0].reason
