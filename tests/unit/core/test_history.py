"""What the exchange's history has to show, which rows of it count, and how long it is waited for."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest
from core_facts import OWN, A, B, after, close, listed, listing, positions, row_of, sent, start

from deepcoin_ops.core import judge
from deepcoin_ops.core.known import Owed, row_key
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.model import InstrumentType, Outcome

SWAP = InstrumentType.SWAP


def closed(name: str, position_id: str, contracts: int) -> f.ClosedRow:
    """A row of the history."""
    return f.ClosedRow(name, position_id, "long", "split", Decimal(contracts), 3.0)


def history(started_s: float, *rows: f.ClosedRow) -> f.HistoryRead:
    """What it shows closed."""
    return f.HistoryRead(**OWN, at_s=started_s + 0.1, started_s=started_s, instrument_type=SWAP, rows=rows)


@pytest.mark.parametrize(
    ("rows", "is_shown"),
    [
        ((("1", 5), ("2", 3)), True),
        ((("1", 5), ("1", 3)), False),
        ((("1", 8),), False),
        ((("1", 2), ("1", 3), ("2", 3)), True),
    ],
    ids=["each", "one of two, twice", "one of two, all of it", "in parts"],
)
def test_each_position_has_to_be_shown_closed(rows: tuple[tuple[str, int], ...], is_shown: bool) -> None:
    """What was closed of another position of the instrument does not count for it."""
    state = after(start(row_of(A, 5, "1"), row_of(A, 3, "2")), *sent(2.0), history(5.0, *(closed(A, *row) for row in rows)))
    assert judge.f7_is_shown_closed(state, state.instruments[A]) is is_shown


def test_what_was_closed_of_another_instrument_does_not_count() -> None:
    """Its id may be the same."""
    state = after(start(row_of(A, 5, "1")), *sent(2.0), history(5.0, closed(B, "1", 5)))
    assert not judge.f7_is_shown_closed(state, state.instruments[A])


def test_a_read_while_a_close_is_in_flight_lowers_nothing_that_is_owed_and_may_raise_it() -> None:
    """Some of it may have been closed a moment before the read."""
    state = after(start(row_of(A, 5)), close(2.0), positions(2.2, row_of(A, 3)))
    each = state.instruments[A]
    assert (each.owed, each.base) == ({"1": Owed(Decimal(5), 1.0)}, Owed(Decimal(5), 1.0))
    after(state, positions(2.4, row_of(A, 9)))
    assert (each.owed, each.base) == ({"1": Owed(Decimal(9), 1.0)}, Owed(Decimal(5), 1.0))


def test_a_sure_read_says_anew_what_is_owed() -> None:
    """What was closed before it was closed before."""
    state = after(start(row_of(A, 5)), positions(2.2, row_of(A, 3)))
    assert state.instruments[A].owed == {"1": Owed(Decimal(3), 2.2)}
    assert state.instruments[A].base == Owed(Decimal(3), 2.2)


def test_history_is_needed_once_something_looks_closed_that_it_does_not_show() -> None:
    """Not while it is open, nor while its close is in flight."""
    state = start(row_of(A, 5), row_of(B, 5, "2"))
    assert not judge.needs_history(state, SWAP)
    after(state, close(2.0), positions(2.1, row_of(B, 5, "2")))
    assert not judge.needs_history(state, SWAP)
    after(state, f.CallAnswered(**OWN, at_s=2.3, call_id="c", outcome=Outcome.ACCEPTED, reason=""))
    assert judge.needs_history(state, SWAP)
    assert not judge.needs_history(state, InstrumentType.SPOT)
    assert not judge.needs_history(after(state, history(5.0, closed(A, "1", 5))), SWAP)


def test_a_history_that_is_not_to_be_had_is_not_waited_for() -> None:
    """The key may not read it, so that no later one confirms anything."""
    state = after(start(row_of(A)), listed(A), *sent(2.0))
    after(state, listing(5.2, about=A), listing(8.3), positions(11.4), positions(12.6))
    read = f.Read(lane=f.Lane.HISTORY, instrument_type=SWAP)
    for is_final in (False, True):
        failed = f.ReadFailed(**OWN, at_s=12.8, started_s=12.7, read=read, reason="not allowed", is_final=is_final)
        assert judge.is_settled(after(state, failed), 12.8) is is_final


def test_the_proof_may_take_longer_where_more_lists_are_to_be_read() -> None:
    """From the moment at which the last call shows, or the first complete read."""
    for names in ((A,), (A, B)):
        state = start(*(row_of(name, position_id=name) for name in names), proof_time_s=20.0, list_time_s=7.0)
        assert judge.proof_ends_s(state) == pytest.approx(1.1 + 3.0 + 20.0 + 7.0 * len(names))
        assert judge.proof_ends_s(after(state, *sent(4.0))) == pytest.approx(4.1 + 3.0 + 20.0 + 7.0 * len(names))


def test_positions_that_merge_are_known_by_their_side() -> None:
    """Their id is used again, so that it says nothing; one of split positions does."""
    split, merged = row_of(A), dataclasses.replace(row_of(A, 5, "77"), merge_mode="merge")
    assert (row_key(split), row_key(merged)) == ("1", "side long")
    assert row_key(dataclasses.replace(split, position_id="")) == "side long"
    state = after(start(merged), *sent(2.0), history(5.0, f.ClosedRow(A, "78", "long", "merge", Decimal(5), 3.0)))
    assert judge.f7_is_shown_closed(state, state.instruments[A])
