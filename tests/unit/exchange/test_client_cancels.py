"""Cancels against the paper exchange: done, too late, refused, unanswered; each is sent once and said truthfully."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import pytest
from order_bench import BTC, OrderBench, open_bench, paper_order

from deepcoin_ops.domain.errors import SendWithdrawn
from deepcoin_ops.domain.model import Outcome, PositionSide, ProductGroup, Refusal, Venue
from deepcoin_ops.exchange import wire_cancels as wire
from deepcoin_ops.exchange.client import CANCEL_LANES
from deepcoin_ops.exchange.orders import fetch_trailing_orders
from deepcoin_ops.exchange.pacing import no_op
from deepcoin_ops.paper.faults import FaultAction
from deepcoin_ops.paper.order_records import OrderKind as PaperKind

EVERYTHING = ["R1", "R2", "E1", "T1", "T2", "P1", "X1"]


@dataclass(frozen=True)
class Case:
    """One way to cancel: where, with which body, what it takes away, and what it answers when there is nothing left."""

    endpoint: str
    body: str
    cancels: tuple[str, ...]
    again: Outcome
    codes: tuple[str, ...] = ()

    @property
    def path_end(self) -> str:
        """The endpoint as a fault names it."""
        return self.endpoint.removeprefix("/deepcoin/")


CASES = [
    Case(wire.BATCH_CANCEL, wire.batch_cancel_body(["R1", "E1"]), ("R1", "E1"), Outcome.PARTIAL, ("24", "24")),
    Case(wire.CANCEL_ORDER, wire.cancel_order_body(BTC, "R1"), ("R1",), Outcome.PARTIAL, ("24",)),
    Case(wire.CANCEL_TRIGGER, wire.cancel_trigger_body(BTC, "T1"), ("T1",), Outcome.PARTIAL, ("1033201232",)),
    Case(wire.CANCEL_TRIGGER_GROUP, wire.cancel_trigger_group_body(ProductGroup.SWAP_U), ("T1", "T2"), Outcome.ACCEPTED),
    Case(wire.CANCEL_PROTECTION, wire.cancel_protection_body(BTC, "P1"), ("P1",), Outcome.PARTIAL, ("51401",)),
    Case(wire.CANCEL_TRAILING, wire.cancel_trailing_body(BTC, PositionSide.LONG, "1000"), ("X1",), Outcome.ACCEPTED),
]
every_cancel = pytest.mark.parametrize("case", CASES, ids=lambda case: CANCEL_LANES[case.endpoint])


@pytest.fixture
def bench() -> Iterator[OrderBench]:
    """An exchange with orders of every kind, in two instruments."""
    orders = [
        paper_order("R1"),
        paper_order("R2"),
        paper_order("E1", "ETH-USDT-SWAP"),
        paper_order("T1", kind=PaperKind.TRIGGER),
        paper_order("T2", "ETH-USDT-SWAP", kind=PaperKind.TRIGGER),
        paper_order("P1", size="0", kind=PaperKind.PROTECTION, trigger_price=Decimal(70000)),
        paper_order("X1", size="0", kind=PaperKind.TRAILING),
    ]
    with open_bench(orders) as opened:
        yield opened


def left_by(case: Case) -> list[str]:
    """What still waits once a cancel is done."""
    return [name for name in EVERYTHING if name not in case.cancels]


@every_cancel
def test_a_cancel_takes_away_what_it_names_and_nothing_else(case: Case, bench: OrderBench) -> None:
    """The exchange reads the bodies with code of its own, so a misspelt name shows here."""
    client = bench.client()
    answer = client.send_cancel(case.endpoint, case.body)
    assert (answer.outcome, answer.refusal, answer.error_code) == (Outcome.ACCEPTED, None, "0")
    assert (answer.cancel_errors, answer.notes, answer.is_throttled) == ((), (), False)
    assert answer.sent_at is not None
    assert answer.sent_at <= answer.answered_at
    assert answer.raw is not None
    assert bench.working() == left_by(case)
    assert len(bench.exchange.arrivals()) == 1
    client.note_cancel_answer(case.endpoint, answer)
    assert bench.pace.clean == [CANCEL_LANES[case.endpoint]]


@every_cancel
def test_a_cancel_that_comes_too_late_says_what_it_did_not_find(case: Case, bench: OrderBench) -> None:
    """Gone by fill or by cancel looks alike; where the answer says nothing, it is accepted once more."""
    client = bench.client()
    client.send_cancel(case.endpoint, case.body)
    answer = client.send_cancel(case.endpoint, case.body)
    assert (answer.outcome, answer.refusal) == (case.again, None)
    assert tuple(error.error_code for error in answer.cancel_errors) == case.codes
    named = tuple(error.order_id for error in answer.cancel_errors)
    assert named == (case.cancels if case.codes else ())
    assert bench.working() == left_by(case)


def test_a_batch_cancels_what_is_there_and_names_the_rest(bench: OrderBench) -> None:
    """One order that has just filled must not keep the others waiting."""
    answer = bench.client().send_cancel(wire.BATCH_CANCEL, wire.batch_cancel_body(["R1", "GONE", "R2"]))
    assert (answer.outcome, answer.error_code) == (Outcome.PARTIAL, "0")
    assert [(error.order_id, error.error_code) for error in answer.cancel_errors] == [("GONE", "24")]
    assert bench.working() == ["E1", "T1", "T2", "P1", "X1"]


def test_a_listed_trailing_exit_is_cancelled_by_its_own_row(bench: OrderBench) -> None:
    """The list names no order, so its side and distance have to do."""
    client = bench.client()
    (order,) = fetch_trailing_orders(client, BTC).orders
    assert order.position_side is not None
    body = wire.cancel_trailing_body(BTC, order.position_side, order.retrace_point)
    assert client.send_cancel(wire.CANCEL_TRAILING, body).outcome is Outcome.ACCEPTED
    assert fetch_trailing_orders(client, BTC).orders == ()


@every_cancel
def test_a_throttled_cancel_is_refused_and_pushes_its_lane(case: Case, bench: OrderBench) -> None:
    """It proves that nothing was done; the record of the answer comes before the pace."""
    bench.spoil(FaultAction.THROTTLE, case.path_end)
    client = bench.client()
    answer = client.send_cancel(case.endpoint, case.body)
    assert (answer.outcome, answer.refusal, answer.error_code) == (Outcome.REFUSED, Refusal.THROTTLED, "50000")
    assert (answer.is_throttled, answer.retry_after_s) == (True, 1.0)
    assert bench.pace.pushes == []
    client.note_cancel_answer(case.endpoint, answer)
    assert (bench.pace.pushes, bench.pace.clean) == ([(CANCEL_LANES[case.endpoint], 1.0)], [])
    assert bench.working() == EVERYTHING


@every_cancel
def test_a_429_is_unknown_and_pushes_its_lane(case: Case, bench: OrderBench) -> None:
    """Nobody has seen the exchange answer one, so it proves nothing; slowing down is right either way."""
    bench.spoil(FaultAction.TOO_MANY_REQUESTS, case.path_end)
    answer = bench.client().send_cancel(case.endpoint, case.body)
    assert (answer.outcome, answer.is_throttled) == (Outcome.UNKNOWN, True)


@every_cancel
@pytest.mark.parametrize(
    ("auth_code", "refusal"), [("50111", Refusal.FATAL), ("50114", Refusal.FATAL), ("50102", Refusal.TIMESTAMP)]
)
def test_a_refused_key_or_clock_is_the_refusal_that_a_close_gets(
    auth_code: str, refusal: Refusal, case: Case, bench: OrderBench
) -> None:
    """Which request met it first must not decide whether the flatten stops."""
    bench.spoil(FaultAction.AUTH_ERROR, case.path_end, auth_code=auth_code)
    answer = bench.client().send_cancel(case.endpoint, case.body)
    assert (answer.outcome, answer.refusal, answer.error_code) == (Outcome.REFUSED, refusal, auth_code)
    assert bench.working() == EVERYTHING


@every_cancel
@pytest.mark.parametrize(
    "action",
    [
        FaultAction.RESET,
        FaultAction.DISCONNECT,
        FaultAction.TRUNCATED_BODY,
        FaultAction.CUT_STATUS_LINE,
        FaultAction.SERVER_ERROR,
        FaultAction.HTML,
        FaultAction.NOT_AN_OBJECT,
        FaultAction.OVERSIZED_BODY,
    ],
)
def test_a_cancel_without_a_proof_is_unknown_and_sent_once(action: FaultAction, case: Case, bench: OrderBench) -> None:
    """All of these cancelled the orders. Neither an exception nor a second send may come of it."""
    bench.spoil(action, case.path_end)
    answer = bench.client().send_cancel(case.endpoint, case.body)
    assert (answer.outcome, answer.cancel_errors, answer.error_code) == (Outcome.UNKNOWN, (), None)
    assert answer.sent_at is not None
    assert len(bench.exchange.arrivals()) == 1
    assert bench.working() == left_by(case)


@every_cancel
def test_a_timeout_after_the_send_is_unknown_not_refused(case: Case, bench: OrderBench) -> None:
    """The cancel was executed and never answered."""
    bench.spoil(FaultAction.HANG, case.path_end)
    answer = bench.client(read_timeout_s=0.5).send_cancel(case.endpoint, case.body)
    assert (answer.outcome, answer.raw) == (Outcome.UNKNOWN, None)
    assert answer.sent_at is not None
    assert bench.working() == left_by(case)


@every_cancel
def test_a_cancel_that_nobody_received_is_not_sent(case: Case, bench: OrderBench) -> None:
    """A stopped exchange refuses the connection; that is a proof, and there is no time of sending."""
    client = bench.client()
    bench.exchange.stop()
    answer = client.send_cancel(case.endpoint, case.body)
    assert (answer.outcome, answer.sent_at, answer.raw) == (Outcome.NOT_SENT, None, None)
    assert bench.exchange.arrivals() == []
    assert bench.working() == EVERYTHING


@every_cancel
def test_an_unmarked_answer_stops_a_paper_flatten(case: Case, bench: OrderBench) -> None:
    """It may come from the real exchange, which is the last place for a rehearsal."""
    bench.spoil(FaultAction.UNMARKED, case.path_end)
    answer = bench.client().send_cancel(case.endpoint, case.body)
    assert (answer.outcome, answer.refusal) == (Outcome.UNKNOWN, Refusal.FATAL)
    assert "paper venue" in answer.reason


@every_cancel
def test_a_live_client_takes_unmarked_answers_only(case: Case, bench: OrderBench) -> None:
    """A live flatten that talks to the paper exchange would report orders gone that nobody touched."""
    client = bench.client(venue=Venue.LIVE)
    bench.spoil(FaultAction.UNMARKED, case.path_end)
    assert client.send_cancel(case.endpoint, case.body).outcome is Outcome.ACCEPTED
    answer = client.send_cancel(case.endpoint, case.body)
    assert (answer.outcome, answer.refusal) == (Outcome.UNKNOWN, Refusal.FATAL)


def test_an_instrument_that_does_not_fit_is_no_success(bench: OrderBench) -> None:
    """The order is there, under another instrument; the answer says not found, and the next list that it waits."""
    answer = bench.client().send_cancel(wire.CANCEL_ORDER, wire.cancel_order_body("ETH-USDT-SWAP", "R1"))
    assert answer.outcome is Outcome.PARTIAL
    assert [(error.order_id, error.error_code) for error in answer.cancel_errors] == [("R1", "24")]
    assert bench.working() == EVERYTHING


def test_a_parameter_the_exchange_does_not_take_is_a_refusal(bench: OrderBench) -> None:
    """Code 51 with null data proves that nothing was cancelled; the other requests go on."""
    answer = bench.client().send_cancel(wire.CANCEL_ORDER, wire.cancel_order_body(BTC, ""))
    assert (answer.outcome, answer.refusal, answer.error_code) == (Outcome.REFUSED, Refusal.PARAMETER, "51")


@every_cancel
def test_a_cancel_slot_prepares_in_the_lane_of_its_endpoint(case: Case, bench: OrderBench) -> None:
    """The intent is recorded in the slot, so that nothing leaves without a record; a stop withdraws both."""
    prepared: list[str] = []
    client = bench.client()
    client.take_cancel_slot(case.endpoint, lambda: prepared.append(case.endpoint), lambda: False)
    assert (prepared, bench.pace.slots) == ([case.endpoint], [CANCEL_LANES[case.endpoint]])
    with pytest.raises(SendWithdrawn):
        client.take_cancel_slot(case.endpoint, no_op, lambda: True)
    assert bench.exchange.arrivals() == []
