"""Each rule of flat that does not hold names its cause, and so does whatever kept a position open."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from core_facts import (
    OWN,
    A,
    B,
    admitted,
    after,
    answered,
    close,
    listed,
    listing,
    opened,
    order_of,
    positions,
    priced,
    row_of,
    sent,
    start,
)

from deepcoin_ops.core import judge, rules
from deepcoin_ops.core.judge import Proven
from deepcoin_ops.core.state import State, fold
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.model import Outcome, Refusal
from deepcoin_ops.domain.orders import OrderKind

UNREADABLE = msgspec.structs.replace(positions(11.2), unreadable=(f.UnreadableRow("?"),))
TRIGGER, RESTING, FIRST, SECOND = listing(3.1, about=A), listing(6.5), positions(10.0), positions(11.2)
LISTED = listed(A)


def judged(*facts: f.AnyFact) -> judge.Judgement:
    """What is proven of A, of which the flatten is."""
    state = fold([opened(A), admitted(0.1), positions(0.2), *facts])
    return judge.judge_one(state, state.instruments[A], 20.0)


@pytest.mark.parametrize(
    ("facts", "proven", "cause"),
    [
        ((LISTED, TRIGGER, RESTING, FIRST, SECOND), Proven.ALREADY_FLAT, ""),
        ((TRIGGER, RESTING, FIRST, SECOND), Proven.UNVERIFIED, "NO_LISTING"),
        ((listed(B), TRIGGER, RESTING, FIRST, SECOND), Proven.UNVERIFIED, "UNLISTED"),
        ((LISTED, TRIGGER, RESTING, FIRST, UNREADABLE), Proven.UNVERIFIED, "UNREADABLE_ROW"),
        ((LISTED, TRIGGER, RESTING, FIRST), Proven.UNVERIFIED, "ONE_READ"),
        ((LISTED, TRIGGER, RESTING), Proven.UNVERIFIED, "NOT_READ"),
        ((LISTED, TRIGGER, RESTING, positions(2.9, row_of(A))), Proven.UNVERIFIED, "SEEN_OPEN"),
        ((LISTED, TRIGGER, listing(6.5, order_of(A)), FIRST, SECOND), Proven.RESTING_ORDER_LEFT, "ORDER_LEFT"),
        (
            (LISTED, listing(3.1, order_of(A, "t", OrderKind.TRIGGER), about=A), RESTING, FIRST, SECOND),
            Proven.RESTING_ORDER_LEFT,
            "ORDER_LEFT",
        ),
        ((LISTED, TRIGGER, listing(6.5, order_of(A, side="sell")), FIRST, SECOND), Proven.ALREADY_FLAT, ""),
        ((LISTED, TRIGGER, listing(6.5, order_of(B)), FIRST, SECOND), Proven.ALREADY_FLAT, ""),
        ((LISTED, TRIGGER, FIRST, SECOND), Proven.UNVERIFIED, "LIST_MISSING"),
        ((LISTED, RESTING, FIRST, SECOND), Proven.UNVERIFIED, "LIST_MISSING"),
        ((LISTED, TRIGGER, listing(6.0), FIRST, SECOND), Proven.UNVERIFIED, "LIST_MISSING"),
        ((LISTED, listing(2.9, about=A), RESTING, FIRST, SECOND), Proven.UNVERIFIED, "LIST_MISSING"),
        ((LISTED, TRIGGER, listing(6.5, is_exhaustive=False), FIRST, SECOND), Proven.UNVERIFIED, "LIST_MISSING"),
        ((LISTED, TRIGGER, RESTING, positions(8.0), positions(9.4)), Proven.UNVERIFIED, "NO_LATER_READ"),
        ((LISTED, TRIGGER, RESTING, positions(2.9, row_of(A)), FIRST, SECOND), Proven.FLAT_UNCONFIRMED, "HISTORY"),
        ((LISTED, TRIGGER, RESTING, FIRST, positions(11.2, row_of(A))), Proven.RESIDUAL, "OPEN"),
    ],
)
def test_the_first_rule_of_flat_that_does_not_hold_names_the_cause(
    facts: tuple[f.AnyFact, ...], proven: Proven, cause: str
) -> None:
    """A trigger list, a resting list a settle time later, and two reads of positions a settle time after that."""
    found = judged(*facts)
    assert (found.proven, found.cause) == (proven, cause)


def test_without_a_list_of_instruments_what_was_seen_open_may_be_proven() -> None:
    """Its name cannot be wrong."""
    row = f.ClosedRow(A, "1", "long", "split", Decimal(5), 3.0)
    history = f.HistoryRead(**OWN, at_s=12.0, started_s=11.9, instrument_type=f.InstrumentType.SWAP, rows=(row,))
    assert judged(positions(2.9, row_of(A)), TRIGGER, RESTING, FIRST, SECOND, history).proven is Proven.FLAT


def test_sizes_are_those_of_the_newest_read_that_counts() -> None:
    """None where none does; nothing where the read shows nothing."""
    shown = judged(LISTED, priced(btc="2"), positions(4.0, row_of(A, 5), row_of(A, 2, "2")))
    assert (shown.quantity_contracts, shown.notional_usdt) == (Decimal(7), Decimal(14))
    early = judged(LISTED, priced(btc="2"), positions(2.9, row_of(A)))
    assert (early.quantity_contracts, early.notional_usdt) == (None, None)
    gone = judged(LISTED, priced(btc="2"), positions(2.9, row_of(A)), FIRST)
    assert (gone.quantity_contracts, gone.notional_usdt) == (Decimal(0), Decimal(0))
    assert judged(LISTED, positions(4.0, row_of(A))).notional_usdt is None


def refused(number: int, code: str, refusal: Refusal | None = None) -> list[f.AnyFact]:
    """A close that the exchange answers with a code."""
    at_s = 2.0 + 4.0 * number
    return [
        close(at_s, f"c{number}"), answered(at_s + 0.1, Outcome.PARTIAL, f"c{number}", code=code, refusal=refusal),
        positions(at_s + 3.5, row_of(A)),
    ]  # fmt: skip


STOP = f.StopAsked(**OWN, at_s=1.5, reason="")
ENDED = f.SendingEnded(**OWN, at_s=1.5, reason="")


@pytest.mark.parametrize(
    ("limits", "facts", "cause"),
    [
        ({}, refused(0, "51"), "OPEN"),
        ({}, refused(0, "51", Refusal.PARAMETER), "51"),
        ({}, [*refused(0, "51"), *refused(1, "51")], "OPEN"),
        ({}, [*refused(0, "51"), *refused(1, "51"), *refused(2, "51")], "51"),
        ({}, [*refused(0, "51"), *refused(1, "52"), *refused(2, "51")], "OPEN"),
        ({}, [*refused(0, ""), *refused(1, ""), *refused(2, "")], "OPEN"),
        ({"max_attempts": 2}, refused(0, "51"), "OPEN"),
        ({"max_attempts": 2}, [*refused(0, "51"), *refused(1, "52")], "MAX_ATTEMPTS"),
        ({}, [STOP, positions(5.0, row_of(A))], "INTERRUPTED"),
        ({}, [ENDED, positions(5.0, row_of(A))], "OPEN"),
        ({"sending_time_s": 10.0}, [positions(19.0, row_of(A))], "DEADLINE"),
        ({"cap_open_instruments": 0}, [positions(5.0, row_of(A))], "ABOVE_CAP"),
        ({"cap_usdt": Decimal(9)}, [positions(5.0, row_of(A))], "ABOVE_CAP"),
        ({}, [*sent(2.0), positions(5.5, row_of(A, 5, "2"))], "REOPENED"),
        ({}, [*sent(2.0), positions(5.5, row_of(A, 5, "2"), row_of(A, 5, "1"))], "OPEN"),
        ({}, [listed(B), positions(5.0, row_of(A))], "UNLISTED"),
    ],
)
def test_what_kept_a_position_open_is_named(limits: dict[str, object], facts: list[f.AnyFact], cause: str) -> None:
    """The nearest first: what is wrong with the instrument, then what is wrong with the flatten."""
    state = after(start(row_of(A), **limits), *facts)
    found = judge.judge_one(state, state.instruments[A], 20.0)
    assert (found.proven, found.cause) == (Proven.RESIDUAL, cause)


@pytest.mark.parametrize(("count", "sending_s"), [(1, 13.0), (2, 14.0)], ids=["one", "two, more than the most"])
def test_sending_ends_some_time_after_the_first_read_and_some_more_for_each_that_was_open(
    count: int, sending_s: float
) -> None:
    """Ten seconds, three for each instrument, fourteen at most."""
    rows = [row_of(name, position_id=name) for name in (A, B)[:count]]
    state = start(*rows, sending_time_s=10.0, close_time_s=3.0, max_sending_time_s=14.0)
    assert state.deadline_s == 1.1 + sending_s
    assert rules.s1_find_stop(state, state.deadline_s - 0.1) is None
    stop = rules.s1_find_stop(state, state.deadline_s)
    assert stop is not None
    assert stop[0] == "DEADLINE"
    assert after(state, positions(5.0), positions(6.0, *rows)).deadline_s == 1.1 + sending_s


def test_there_is_no_deadline_before_the_first_complete_read() -> None:
    """The time for sending begins with it."""
    state = State()
    assert not state.is_read
    assert state.deadline_s == float("inf")
