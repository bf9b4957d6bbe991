"""Exposure over time: levels are what was read, never below zero, and the end is the residual."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from account_days import ACCOUNT, BTC, DAY, ETH, TICK, build_day, build_flatten, build_page, build_verdict
from hypothesis import given
from hypothesis import strategies as st

from deepcoin_ops.domain.day import AccountDay
from deepcoin_ops.domain.day_frames import (
    build_close_attempts,
    build_close_errors,
    build_flatten_summary,
    build_positions_after,
    build_reconciliation,
)
from deepcoin_ops.domain.model import (
    CloseAttempt,
    CloseIntent,
    FlattenClosing,
    FlattenResult,
    Outcome,
    PositionSide,
    ProductGroup,
    Verdict,
)
from deepcoin_ops.reporting.day import DayFrames, list_rows
from deepcoin_ops.reporting.exposure import build_exposures, group_by_account


def build_close(
    number: int,
    instrument_id: str,
    notional_usdt: Decimal | None,
    sent_s: float,
    outcome: Outcome,
    answered_s: float | None,
) -> CloseAttempt:
    """A close that was sent so many seconds after the tick, with its answer so many seconds later."""
    sent_at = TICK + timedelta(seconds=sent_s)
    intent = CloseIntent(
        f"A{number}", instrument_id, ProductGroup.SWAP_U, 1, number, "/close", "{}", Decimal(10), notional_usdt
    )
    answered_at = None if answered_s is None else sent_at + timedelta(seconds=answered_s)
    left_at = None if outcome is Outcome.NOT_SENT else sent_at
    return CloseAttempt(ACCOUNT, "F0", intent, sent_at, outcome, "a test", left_at, answered_at, "0", 200)


def build_frames(day: AccountDay) -> DayFrames:
    """The frames of one account's day."""
    attempts = list(day.attempts)
    return DayFrames(
        build_close_attempts(DAY, attempts),
        build_close_errors(DAY, attempts),
        build_reconciliation(DAY, [day]),
        build_flatten_summary(DAY, [day]),
        build_positions_after(DAY, [day]),
    )


NOTIONALS = st.decimals(min_value=0, max_value=10**7, places=2)
CLOSES = st.lists(
    st.builds(
        dict,
        instrument_id=st.sampled_from([BTC, ETH]),
        notional_usdt=st.none() | NOTIONALS,
        sent_s=st.floats(0, 100),
        outcome=st.sampled_from(list(Outcome)),
        answered_s=st.none() | st.floats(0, 30),
    ),
    min_size=1,
    max_size=6,
)
VERDICTS = st.lists(st.sampled_from([Verdict.FLAT, Verdict.RESIDUAL, Verdict.UNVERIFIED]), min_size=2, max_size=2)


@st.composite
def draw_days(draw: st.DrawFn) -> AccountDay:
    """An account's day with one flatten, whatever was sent, answered and found; one that was killed has no closing row."""
    closes = [build_close(number, **close) for number, close in enumerate(draw(CLOSES), 1)]
    verdicts = [build_verdict(name, verdict) for name, verdict in zip((BTC, ETH), draw(VERDICTS), strict=True)]
    proven_s = draw(st.none() | st.floats(0, 200))
    closing = FlattenClosing(
        "F0", FlattenResult.NOT_FLAT, "a test", 1, 1, 0, draw(st.none() | NOTIONALS), 1.0, proven_s, None
    )
    flatten = build_flatten(
        *verdicts, attempts=tuple(closes), after=(build_page((BTC, PositionSide.LONG, "4"), purpose="verify"),)
    )
    is_killed = draw(st.booleans())
    changes: dict[str, Any] = {"closing": None, "closed_at": None} if is_killed else {"closing": closing}
    return build_day(type(flatten)(**{**vars(flatten), **changes}))


@given(draw_days())
def test_exposure_is_never_below_zero_begins_with_the_first_send_and_ends_at_the_residual(day: AccountDay) -> None:
    """A picture that ends elsewhere than the summary would be believed, because it is the picture."""
    frames = build_frames(day)
    [exposure] = build_exposures(frames)
    assert exposure.steps[0].at_s == 0
    assert all(step.open_usdt >= 0 for step in exposure.steps)
    moments = [step.at_s for step in exposure.steps]
    assert moments == sorted(set(moments))
    [summary] = list_rows(frames.flatten_summary)
    if summary["residual_notional_usdt"] is not None:
        assert exposure.steps[-1].open_usdt == summary["residual_notional_usdt"] == exposure.left_usdt


def test_a_level_is_the_value_before_each_close_and_falls_when_its_answer_came() -> None:
    """An answer says nothing about sizes: what the first close left is known from the second one's size."""
    closes = (
        build_close(1, BTC, Decimal(1000), 0, Outcome.PARTIAL, 0.5),
        build_close(2, ETH, Decimal(300), 1, Outcome.ACCEPTED, 0.2),
        build_close(3, BTC, Decimal(400), 3, Outcome.ACCEPTED, 0.25),
    )
    day = build_day(build_flatten(build_verdict(BTC), build_verdict(ETH), attempts=closes))
    [exposure] = build_exposures(build_frames(day))
    assert [(step.at_s, step.open_usdt) for step in exposure.steps] == [(0, 1300), (0.5, 700), (1.2, 400), (3.25, 0)]
    assert (exposure.instruments, exposure.limit_s(1.0)) == (2, 1.0)


def test_a_close_that_was_refused_changes_nothing() -> None:
    """Drawing a throttled close as landed would make a slow evening look quick."""
    closes = (
        build_close(1, BTC, Decimal(1000), 0, Outcome.REFUSED, 0.1),
        build_close(2, BTC, Decimal(1000), 2, Outcome.ACCEPTED, 0.5),
    )
    day = build_day(build_flatten(build_verdict(BTC), build_verdict(ETH, Verdict.ALREADY_FLAT), attempts=closes))
    [exposure] = build_exposures(build_frames(day))
    assert [(step.at_s, step.open_usdt) for step in exposure.steps] == [(0, 1000), (2.5, 0)]


def test_what_has_no_price_is_named_and_left_out() -> None:
    """A zero would look like something closed."""
    closes = (
        build_close(1, BTC, None, 0, Outcome.ACCEPTED, 0.1),
        build_close(2, ETH, Decimal(300), 1, Outcome.ACCEPTED, 0.2),
    )
    day = build_day(build_flatten(build_verdict(BTC), build_verdict(ETH), attempts=closes))
    [exposure] = build_exposures(build_frames(day))
    assert exposure.unpriced == (BTC,)
    assert exposure.steps[0].open_usdt == 300


@pytest.mark.parametrize(("instruments", "limit_s"), [(0, 0), (1, 0), (2, 1.0), (40, 39.0)])
def test_the_first_close_waits_for_none(instruments: int, limit_s: float) -> None:
    """The bar is the exchange's own limit: k closes at one per second take k - 1 seconds."""
    closes = tuple(
        build_close(number, f"X{number}-USDT-SWAP", Decimal(1), number, Outcome.ACCEPTED, 0.1)
        for number in range(1, instruments + 1)
    )
    day = build_day(build_flatten(build_verdict(BTC), attempts=closes))
    assert [each.limit_s(1.0) for each in build_exposures(build_frames(day))] == ([limit_s] if instruments else [])


def test_a_real_evening_falls_to_zero_and_ends_with_the_proof(evenings: Any) -> None:
    """Two accounts, four closes and two; what is not configured is in no picture."""
    frames = evenings("flat").frames
    by_account = group_by_account(build_exposures(frames))
    assert list(by_account) == ["hedge", "main"]
    before = frames.reconciliation.groupby("account")["notional_before_usdt"].sum()
    for account, [exposure] in by_account.items():
        assert exposure.steps[0].open_usdt == before[account]
        levels = [step.open_usdt for step in exposure.steps]
        assert levels == sorted(levels, reverse=True)
        assert levels[-1] == 0
        assert exposure.steps[-1].at_s == exposure.proven_flat_s
        assert exposure.instruments == len(set(frames.close_attempts.query("account == @account")["instrument_id"]))


def test_of_two_flattens_of_a_day_each_has_its_own_picture(evenings: Any) -> None:
    """The second one decides the day; the first one's closes landed all the same, and its own last read says so."""
    first, second = build_exposures(evenings("twice").frames)
    assert first.began_at < second.began_at
    assert first.steps[-1].open_usdt == second.steps[0].open_usdt > 0
    assert second.steps[-1].open_usdt == 0
    # Two of its three instruments were closed before the third one was tried again and again.
    assert first.steps[-1].open_usdt in [step.open_usdt for step in first.steps[:-2]]
    assert (first.proven_flat_s, first.left_usdt) == (None, first.steps[-1].open_usdt)


def test_what_no_read_has_settled_stays_open_in_the_picture(evenings: Any) -> None:
    """Accepted is not flat: without a read after the closes nothing may look closed."""
    [blind] = group_by_account(build_exposures(evenings("unknown").frames))["main"]
    assert {step.open_usdt for step in blind.steps} == {blind.steps[0].open_usdt}
    assert (blind.left_usdt, blind.proven_flat_s) == (None, None)


@pytest.mark.parametrize("name", ["nobody", "dry run"])
def test_who_sent_nothing_has_no_picture(evenings: Any, name: str) -> None:
    """A line at zero would say that something was closed."""
    assert build_exposures(evenings(name).frames) == []
