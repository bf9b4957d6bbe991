"""How an account stands: every evening has its word, and the worst account names the day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from account_days import BTC, DAY, ETH, build_day, build_flatten, build_list, build_order, build_protection
from account_days import build_verdict as build_instrument_verdict

from deepcoin_ops.domain.day import DayFlatten, DueTick
from deepcoin_ops.domain.day_frames import build_reconciliation
from deepcoin_ops.domain.model import Verdict
from deepcoin_ops.domain.tables import RECONCILIATION
from deepcoin_ops.reporting.day import list_rows
from deepcoin_ops.reporting.standing import (
    AccountStanding,
    Standing,
    build_headline,
    build_verdict,
    find_tone,
    judge_accounts,
    list_severities,
)


def judge(evening: Any) -> dict[str, AccountStanding]:
    """The accounts of an evening by name, worst first."""
    return {line.account: line for line in judge_accounts(evening.day, list_rows(evening.frames.reconciliation))}


@pytest.mark.parametrize(
    ("name", "main", "hedge"),
    [
        ("flat", Standing.FLAT, Standing.FLAT),
        ("residual", Standing.NOT_FLAT, Standing.FLAT),
        ("twice", Standing.FLAT, Standing.NOBODY_FLATTENED),
        ("unknown", Standing.NOT_PROVEN, Standing.FLAT),
        ("nobody", Standing.NOBODY_FLATTENED, Standing.NOBODY_FLATTENED),
        ("dry run", Standing.NOBODY_FLATTENED, Standing.NOBODY_FLATTENED),
    ],
)
def test_each_account_of_an_evening_stands_so(evenings: Any, name: str, main: Standing, hedge: Standing) -> None:
    """The question of the morning, account by account; a dry run flattens nobody."""
    lines = judge(evenings(name))
    assert {account: line.standing for account, line in lines.items()} == {"main": main, "hedge": hedge}
    assert next(iter(lines.values())).standing is min(main, hedge, key=list(Standing).index)


def test_the_headline_says_who_is_flat_what_is_left_and_what_broke(evenings: Any) -> None:
    """One line has to do for whoever reads no further."""
    flat, residual = ([*judge(evenings(name)).values()] for name in ("flat", "residual"))
    assert build_headline(flat) == "FLAT: hedge (78,585 USDT closed), main (391,223 USDT closed). No break."
    assert build_headline(residual) == (
        "NOT FLAT: main (66,440 USDT left open, 1 position outside the settings open). FLAT: hedge (78,585 USDT closed). "
        "2 breaks (1 ERROR, 1 WARN)."
    )
    assert (build_verdict(flat), build_verdict(residual)) == ("FLAT", "NOT FLAT, 2 breaks")
    assert (find_tone(flat), find_tone(residual)) == ("good", "bad")


def test_what_nobody_knows_is_not_called_nothing(evenings: Any) -> None:
    """Without a read after the closes no value is left open, and none is closed."""
    line = judge(evenings("unknown"))["main"]
    assert (line.left_usdt, line.is_left_whole) == (None, False)
    assert "main (value left not known)" in build_headline([line])
    assert "0 of 6 instruments proven flat" in line.detail


def test_where_some_of_it_is_not_known_at_least_the_rest_is_told(evenings: Any) -> None:
    """66,440 USDT are open for certain; saying "not known" would hide them, saying it alone would hide the rest."""
    evening = evenings("residual")
    rows = list_rows(evening.frames.reconciliation)
    unread = [row | {"verdict": "UNVERIFIED", "notional_after_usdt": None} for row in rows if row["error_items"] == 0]
    still_open = [row for row in rows if row["error_items"]]
    [main, _hedge] = judge_accounts(evening.day, [*still_open, *unread])
    assert "main (at least 66,440 USDT left open" in build_headline([main])


def test_a_flat_account_with_something_to_decide_is_neither_good_nor_bad(evenings: Any) -> None:
    """A position outside the settings stays open: told, and not painted as an alarm."""
    lines = [line for line in judge(evenings("twice")).values() if line.account == "main"]
    assert (find_tone(lines), build_verdict(lines), list_severities(lines[0].breaks)) == (
        "warn",
        "FLAT, 1 break",
        "1 WARN",
    )


def test_before_its_deadline_a_day_without_a_flatten_says_until_when(evenings: Any) -> None:
    """At noon nothing is missing yet, and the page must say why it is empty."""
    day = evenings("nobody").day
    due = DueTick(datetime(2026, 3, 8, 23, 30, tzinfo=UTC), datetime(2026, 3, 9, 0, 32, tzinfo=UTC), is_past=False)
    accounts = (replace(day.accounts[0], due=due), replace(day.accounts[1], due=None, skipped_ticks=("too late",)))
    first, second = judge_accounts(replace(day, accounts=accounts), list_rows(RECONCILIATION.build([])))
    assert {first.standing, second.standing} == {Standing.NOTHING_DUE}
    assert "has until 2026-03-09 00:32:00 UTC" in first.detail
    assert second.detail == "no flatten was due on this day; a tick was skipped: too late"
    assert find_tone([first, second]) == "good"


def test_a_flat_account_beside_one_that_was_not_due_does_not_make_the_day_flat(evenings: Any) -> None:
    """FLAT alone would say that both were looked at."""
    flat, day = judge(evenings("flat"))["main"], evenings("nobody").day
    idle, _ = judge_accounts(replace(day, accounts=tuple(replace(each, due=None) for each in day.accounts)), [])
    assert build_verdict([idle, flat]) == "FLAT / NOTHING DUE"


ALREADY_FLAT = Verdict.ALREADY_FLAT
OPENING, CLOSING = (build_list(build_order()),), (build_list(build_protection()),)


def judge_flatten(evening: Any, flatten: DayFlatten) -> AccountStanding:
    """The line of account main after one flatten."""
    rows = list_rows(build_reconciliation(DAY, [build_day(flatten)]))
    return next(line for line in judge_accounts(evening.day, rows) if line.account == "main")


@pytest.mark.parametrize(
    ("flatten", "standing"),
    [
        (
            build_flatten(build_instrument_verdict(BTC, Verdict.RESTING_ORDER_LEFT), build_instrument_verdict(ETH)),
            Standing.ORDER_LEFT,
        ),
        (
            build_flatten(build_instrument_verdict(BTC), build_instrument_verdict(ETH, ALREADY_FLAT), orders_after=OPENING),
            Standing.ORDER_LEFT,
        ),
        (
            build_flatten(build_instrument_verdict(BTC), build_instrument_verdict(ETH, ALREADY_FLAT), orders_after=CLOSING),
            Standing.FLAT,
        ),
        (
            build_flatten(
                build_instrument_verdict(BTC, Verdict.RESTING_ORDER_LEFT), build_instrument_verdict(ETH, Verdict.UNVERIFIED)
            ),
            Standing.NOT_PROVEN,
        ),
        (
            build_flatten(
                build_instrument_verdict(BTC, Verdict.RESTING_ORDER_LEFT), build_instrument_verdict(ETH, Verdict.RESIDUAL)
            ),
            Standing.NOT_FLAT,
        ),
    ],
    ids=["by verdict", "by a list", "only closes", "and not proven", "and not flat"],
)
def test_an_account_with_an_order_that_can_open_is_not_called_flat(
    evenings: Any, flatten: DayFlatten, standing: Standing
) -> None:
    """Nothing is open in the evening, and in the morning something is."""
    assert judge_flatten(evenings("nobody"), flatten).standing is standing


def test_the_headline_counts_the_orders_that_wait(evenings: Any) -> None:
    """No USDT is left open; what is left is told all the same, and a stop loss of a flat account too."""
    opening, closing = (
        judge_flatten(
            evenings("nobody"),
            build_flatten(build_instrument_verdict(BTC), build_instrument_verdict(ETH, ALREADY_FLAT), orders_after=left),
        )
        for left in (OPENING, CLOSING)
    )
    assert build_headline([opening]) == "ORDER LEFT: main (0 USDT left open, 1 order left waiting). 1 break (1 ERROR)."
    assert (build_verdict([opening]), find_tone([opening])) == ("ORDER LEFT, 1 break", "bad")
    assert build_headline([closing]) == "FLAT: main (1,000 USDT closed, 1 order left waiting). No break."
    assert (build_verdict([closing]), find_tone([closing])) == ("FLAT", "good")
    assert (
        "1 of 2 instruments proven flat"
        in judge_flatten(
            evenings("nobody"),
            build_flatten(build_instrument_verdict(BTC, Verdict.RESTING_ORDER_LEFT), build_instrument_verdict(ETH)),
        ).detail
    )


def test_no_account_at_all_is_nothing_due() -> None:
    """A page can be built before anything is configured."""
    assert (build_verdict([]), build_headline([])) == ("NOTHING DUE", "No break.")
