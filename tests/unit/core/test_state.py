"""What single facts do to what is known, where no drawn night brings them about."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import msgspec
import pytest

from deepcoin_ops.core import choose, judge, rules
from deepcoin_ops.core.known import Owed
from deepcoin_ops.core.state import State, fold
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.limits import Limits
from deepcoin_ops.domain.model import InstrumentType, Outcome, Position, PositionSide, ProductGroup
from deepcoin_ops.domain.orders import Order, OrderKind, OrderList

A = "BTC-USDT-SWAP"
OWN = {"flatten_id": "one"}
ROW = Position(A, ProductGroup.SWAP_U, "1", PositionSide.LONG, Decimal(5), "cross", "split", None, "USDT")
OPENED = f.FlattenOpened(**OWN, at_s=0.0, instruments=(A,), configured=(A,), limits=Limits())


def read(started_s: float, *rows: Position) -> f.PositionsRead:
    """A positions read that took a tenth of a second."""
    return f.PositionsRead(
        **OWN, at_s=started_s + 0.1, started_s=started_s, instrument_type=InstrumentType.SWAP, rows=tuple(rows)
    )


def open_state(*facts: f.AnyFact) -> State:
    """A flatten that is admitted and saw one position open."""
    return fold([OPENED, read(1.0, ROW), f.FlattenAdmitted(**OWN, at_s=1.2), *facts])


@pytest.mark.parametrize(
    ("fact", "code"),
    [
        (f.RecordLost(**OWN, at_s=5.0, reason="the disk is full"), "RECORD_LOST"),
        (f.SendingEnded(**OWN, at_s=5.0, reason="nothing is left to send"), "SENDING_ENDED"),
        (f.StopAsked(**OWN, at_s=5.0, reason="Ctrl-C"), "INTERRUPTED"),
        (f.KillSwitchSeen(**OWN, at_s=5.0, reason="on"), "KILL_SWITCH"),
        (f.FlattenDenied(**OWN, at_s=5.0, code="NOT_ARMED", text="not armed"), "NOT_ARMED"),
    ],
)
def test_each_reason_to_stop_ends_sends_and_the_first_one_is_named(fact: f.AnyFact, code: str) -> None:
    """Also of what was chosen before it and did not leave yet."""
    state = open_state()
    call = choose.next_call(state, f.Lane.CLOSE, 5.0)
    assert isinstance(call, f.Call)
    assert choose.may_still_send(state, call, 5.0, 5.0)
    state.apply(fact)
    state.apply(f.StopAsked(**OWN, at_s=6.0, reason="later"))
    assert not choose.may_still_send(state, call, 5.0, 6.0)
    assert not isinstance(choose.next_call(state, f.Lane.CLOSE, 6.0), f.Call)
    stop = rules.s1_find_stop(state, 6.0)
    assert stop is not None
    assert stop[0] == code


def test_what_was_chosen_does_not_leave_on_a_read_that_grew_old_or_after_it_is_gone() -> None:
    """It is asked at the last moment, with what came in since."""
    state = open_state()
    call = choose.next_call(state, f.Lane.CLOSE, 5.0)
    assert isinstance(call, f.Call)
    assert choose.may_still_send(state, call, 15.0, 1.0 + state.limits.freshness_s)
    assert not choose.may_still_send(state, call, 15.0, 1.1 + state.limits.freshness_s)
    state.apply(read(6.0))
    assert not choose.may_still_send(state, call, 6.0, 6.5)


def test_what_was_proven_flat_owes_nothing_to_the_next_flatten_and_what_was_not_does() -> None:
    """Seen open and gone without a history: the next flatten of the account has to see it closed."""
    again = replace_opened("two")
    for proven, owed in (((A,), {}), ((), {"1": Owed(Decimal(5), 1.0)})):
        state = open_state(read(2.0), f.VerdictsReached(**OWN, at_s=3.0, flat=proven), again)
        assert state.instruments[A].owed == owed


def test_a_flatten_that_is_not_about_an_instrument_forgets_nothing_of_it() -> None:
    """A close may still be carried out, and what was seen open is owed, when a later one is about it again."""
    call = choose.next_call(open_state(), f.Lane.CLOSE, 5.0)
    assert isinstance(call, f.Call)
    sent = f.CallIntended(**OWN, at_s=5.0, call_id="c", call=call)
    other = msgspec.structs.replace(replace_opened("other"), at_s=5.5, instruments=("ETH-USDT-SWAP",))
    assert open_state(sent, other, replace_opened("two")).instruments == open_state(sent, replace_opened("two")).instruments


def test_what_another_boot_saw_open_is_owed_from_the_opening_on() -> None:
    """Its clock says nothing here, so that only what is closed from now on counts."""
    state = open_state(read(2.0), replace_opened("two", boot_id="another"))
    assert state.instruments[A].owed == {"1": Owed(Decimal(5), 6.0)}


def test_an_answer_that_was_awaited_by_an_earlier_flatten_does_not_settle_the_next_one_sooner() -> None:
    """Its close may still be carried out for a while."""
    call = choose.next_call(open_state(), f.Lane.CLOSE, 5.0)
    assert isinstance(call, f.Call)
    state = open_state(f.CallIntended(**OWN, at_s=5.0, call_id="c", call=call), replace_opened("two"))
    assert state.settled_s == 5.0 + Limits().gap_s + Limits().unknown_hold_s
    assert state.instruments[A].evidence_from_s == state.settled_s + Limits().settle_s
    state.apply(f.CallAnswered(**OWN, at_s=8.0, call_id="c", outcome=Outcome.ACCEPTED, reason=""))
    assert state.settled_s == 5.0 + Limits().gap_s + Limits().unknown_hold_s
    assert judge.f1_counts_from_s(state) == state.settled_s + Limits().settle_s


@pytest.mark.parametrize(
    ("closed_s", "contracts", "is_shown"),
    [(3.5, 5, True), (1.8, 5, True), (1.7, 5, False), (3.5, 4, False)],
    ids=["since", "just before, by whole seconds", "before", "too few"],
)
def test_only_what_was_closed_since_the_newest_read_that_shows_it_counts(
    closed_s: float, contracts: int, is_shown: bool
) -> None:
    """A merged position is opened again under its id, and the history of the one before says nothing of it."""
    closed = f.ClosedRow(A, "1", "long", "split", Decimal(contracts), closed_s)
    history = f.HistoryRead(**OWN, at_s=9.0, started_s=8.9, instrument_type=InstrumentType.SWAP, rows=(closed,))
    state = open_state(read(3.0, ROW), history)
    assert judge.f7_is_shown_closed(state, state.instruments[A]) is is_shown


def test_a_read_that_began_before_a_close_can_be_seen_is_no_news_of_what_is_open() -> None:
    """It may be old: what it shows may be closed already."""
    call = choose.next_call(open_state(), f.Lane.CLOSE, 5.0)
    assert isinstance(call, f.Call)
    answered = f.CallAnswered(**OWN, at_s=5.1, call_id="c", outcome=Outcome.ACCEPTED, reason="")
    sent = (f.CallIntended(**OWN, at_s=5.0, call_id="c", call=call), answered)
    assert open_state(*sent, read(8.0, ROW)).instruments[A].owed == {"1": Owed(Decimal(5), 1.0)}
    assert open_state(*sent, read(8.2, ROW)).instruments[A].owed == {"1": Owed(Decimal(5), 8.2)}


def replace_opened(flatten_id: str, boot_id: str = "") -> f.FlattenOpened:
    """Another flatten of the same account, six seconds after the first."""
    return f.FlattenOpened(
        flatten_id=flatten_id, at_s=6.0, boot_id=boot_id, instruments=(A,), configured=(A,), limits=Limits()
    )


LIST = {"order_list": OrderList.TRIGGER, "orders": ()}
CLOSED = f.ClosedRow(A, "1", "long", "split", Decimal(5), 3.5)
MINUS = dataclasses.replace(ROW, quantity_contracts=Decimal(-5))
NAN = dataclasses.replace(ROW, quantity_contracts=Decimal("NaN"))
HISTORY = {"instrument_type": InstrumentType.SWAP, "rows": (CLOSED,)}
STRANGE = [
    f.OrdersRead(**OWN, at_s=5.0, started_s=4.9, instrument_id="ETH-USDT-SWAP", **LIST),
    f.VerdictsReached(**OWN, at_s=5.0, flat=("ETH-USDT-SWAP",)),
    f.CallAnswered(**OWN, at_s=5.0, call_id="never intended", outcome=Outcome.ACCEPTED, reason=""),
    f.HistoryRead(flatten_id="another", at_s=5.0, started_s=4.9, **HISTORY),
    f.PositionsRead(flatten_id="another", at_s=5.0, started_s=4.9, instrument_type=InstrumentType.SWAP, rows=()),
    f.StopAsked(flatten_id="another", at_s=5.0, reason="not of this one"),
    read(0.5),
]


@pytest.mark.parametrize("fact", STRANGE, ids=lambda fact: type(fact).__name__)
def test_what_is_not_of_this_flatten_or_was_overtaken_changes_nothing(fact: f.AnyFact) -> None:
    """The fold raises nothing for it, and what is open stays open."""
    assert open_state(fact) == open_state()


@pytest.mark.parametrize("row", [MINUS, NAN], ids=["below zero", "no number"])
def test_a_size_that_is_none_proves_nothing_and_raises_nothing(row: Position) -> None:
    """The type is not flat, whatever else the list shows."""
    state = fold([OPENED, read(4.0, row), read(6.0, row)])
    assert judge.judge(state, 7.0)[0].proven is judge.Proven.UNVERIFIED
    assert judge.f3_is_doubtful(judge.f1_counting(state, InstrumentType.SWAP))


def test_a_list_and_a_history_that_were_overtaken_are_not_the_newest() -> None:
    """The later one has begun later, whenever it arrived."""
    late, early = (
        f.HistoryRead(**OWN, at_s=9.0, started_s=started_s, instrument_type=InstrumentType.SWAP, rows=rows)
        for started_s, rows in ((8.0, (CLOSED,)), (7.0, ()))
    )
    assert open_state(late, early).history == {InstrumentType.SWAP: late}
    lists = [f.OrdersRead(**OWN, at_s=9.0, started_s=started_s, instrument_id=A, **LIST) for started_s in (8.0, 7.0)]
    [kept] = open_state(*lists).lists[OrderList.TRIGGER, A]
    assert kept.started_s == 8.0


def test_an_order_without_an_id_is_not_cancelled() -> None:
    """There is nothing to name it by."""
    order = Order(OrderKind.RESTING, A, "", "buy", PositionSide.LONG, Decimal(5), Decimal(1))
    shown = f.OrdersRead(**OWN, at_s=2.0, started_s=1.9, order_list=OrderList.RESTING, instrument_id=None, orders=(order,))
    state = open_state(shown)
    assert not isinstance(choose.next_call(state, f.Lane.CANCEL_RESTING, 3.0), f.Call)
    assert isinstance(choose.next_call(state, f.Lane.CLOSE, 5.0), f.Call)


def test_a_flatten_of_nothing_is_over_at_once() -> None:
    """It waits for no read, as there is none to make."""
    opened = f.FlattenOpened(**OWN, at_s=0.0, instruments=(), configured=(), limits=Limits())
    assert choose.is_over(fold([opened]), 0.1)


def test_a_fill_that_was_not_shown_closed_is_owed_by_the_next_flatten() -> None:
    """Its order ended before, and no read ever showed its position."""
    order = Order(OrderKind.RESTING, A, "7", "buy", PositionSide.LONG, Decimal(5), Decimal(1))
    ended = f.EndedOrder("7", f.OrderEnd.FILLED, Decimal(5))
    facts = [
        OPENED,
        read(1.0),
        f.OrdersRead(**OWN, at_s=1.3, started_s=1.2, order_list=OrderList.RESTING, instrument_id=None, orders=(order,)),
        f.OrderEndsRead(
            **OWN,
            at_s=3.0,
            started_s=2.9,
            instrument_type=InstrumentType.SWAP,
            order_list=OrderList.RESTING,
            ended=(ended,),
        ),
        replace_opened("two"),
    ]
    state = fold(facts)
    assert not judge.f7_is_shown_closed(state, state.instruments[A])
    state.apply(f.HistoryRead(flatten_id="two", at_s=7.0, started_s=6.9, **HISTORY))
    assert judge.f7_is_shown_closed(state, state.instruments[A])


def test_a_fill_counts_on_all_that_is_owed_where_no_read_says_what_was_open_while_its_order_waited() -> None:
    """Five were seen open and five filled: the history has to show ten closed, or nothing is confirmed."""
    order = Order(OrderKind.RESTING, A, "7", "buy", PositionSide.LONG, Decimal(5), Decimal(1))
    ended = f.EndedOrder("7", f.OrderEnd.FILLED, Decimal(5))
    facts = [
        OPENED,
        f.OrdersRead(**OWN, at_s=0.3, started_s=0.2, order_list=OrderList.RESTING, instrument_id=None, orders=(order,)),
        read(1.0, ROW),
        f.OrderEndsRead(
            **OWN,
            at_s=3.0,
            started_s=2.9,
            instrument_type=InstrumentType.SWAP,
            order_list=OrderList.RESTING,
            ended=(ended,),
        ),
    ]
    for others, is_shown in (((), False), ((msgspec.structs.replace(CLOSED, position_id="2"),), True)):
        rows = {"instrument_type": InstrumentType.SWAP, "rows": (CLOSED, *others)}
        state = fold([*facts, f.HistoryRead(**OWN, at_s=7.0, started_s=6.9, **rows)])
        assert judge.f7_is_shown_closed(state, state.instruments[A]) is is_shown
