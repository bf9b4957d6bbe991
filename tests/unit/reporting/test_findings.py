"""Breaks, settled findings and codes, from evenings that really went so."""

from __future__ import annotations

from typing import Any

from account_days import BTC, DAY, ETH, build_day, build_flatten, build_list, build_order, build_protection, build_verdict

from deepcoin_ops.domain.day_frames import build_reconciliation
from deepcoin_ops.domain.model import FlattenResult, Verdict
from deepcoin_ops.reporting.day import list_rows
from deepcoin_ops.reporting.findings import count_codes, list_breaks, list_settled


def test_breaks_come_error_first_and_say_what_is_left_and_what_to_do(evenings: Any) -> None:
    """Who opens the page reads the first row and acts."""
    evening = evenings("residual")
    error, warn = list_breaks(list_rows(evening.frames.reconciliation))
    assert (error.severity, error.kind, error.instrument_id) == ("ERROR", "RESIDUAL_POSITION", "ETH-USDT-SWAP")
    assert (warn.severity, warn.kind, warn.instrument_id) == ("WARN", "UNCONFIGURED_POSITION", "DOT-USDT-SWAP")
    assert {error.instrument_id, warn.instrument_id} == evening.truly_open
    assert (error.position_side, str(error.quantity_after_contracts).rstrip("0")) == ("short", "200.7")
    assert error.notional_after_usdt == error.notional_before_usdt > 66_000
    assert "flatten again" in error.what_to_do
    assert error.also_found == ("PARTIAL_FAILURE",)
    assert warn.notional_after_usdt is None
    day_s = (evening.day.ends_at - evening.day.starts_at).total_seconds()
    assert error.age_s is not None
    assert 0 < error.age_s <= day_s


def test_what_nobody_can_value_comes_before_what_is_small(evenings: Any) -> None:
    """An unknown value may be the largest of all; what was open before counts where nobody knows what is left."""
    breaks = list_breaks(list_rows(evenings("unknown").frames.reconciliation))
    before = [each.notional_before_usdt for each in breaks]
    assert before == sorted(before, reverse=True)
    nobody = list_breaks(list_rows(evenings("nobody").frames.reconciliation))
    assert [(each.account, each.instrument_id) for each in nobody] == [("hedge", None), ("main", None)]


def test_a_flat_evening_has_no_break_and_nothing_settled(evenings: Any) -> None:
    """What was flat anyway is not told at all."""
    rows = list_rows(evenings("flat").frames.reconciliation)
    assert "ALREADY_FLAT" in {row["break_type"] for row in rows}
    assert (list_breaks(rows), list_settled(rows)) == ([], [])


def test_what_a_later_read_settled_is_told_apart_from_the_breaks(evenings: Any) -> None:
    """An error item of an instrument that is flat in the end asks nobody to do anything."""
    rows = [row for row in list_rows(evenings("twice").frames.reconciliation) if row["account"] == "main"]
    [settled] = list_settled(rows)
    assert (settled.kind, settled.subjects) == ("PARTIAL_FAILURE", ("main ETH-USDT-SWAP short",))


def test_an_order_left_is_a_break_or_worth_knowing_by_what_it_can_do() -> None:
    """One can open a position over night; the other one acts on tomorrow's at most."""
    left = build_flatten(
        build_verdict(BTC, Verdict.RESTING_ORDER_LEFT),
        build_verdict(ETH),
        result=FlattenResult.NOT_FLAT,
        orders_after=(build_list(build_order(BTC), build_protection(ETH)),),
    )
    rows = list_rows(build_reconciliation(DAY, [build_day(left)]))
    [found], [settled] = list_breaks(rows), list_settled(rows)
    assert (found.kind, found.instrument_id, found.position_side) == ("RESTING_ORDER_LEFT", BTC, "long")
    assert "resting order 7001: buy long 2.5 at 60,000.5" in found.reason
    assert found.what_to_do == "Cancel the order, then flatten again."
    assert (settled.kind, settled.subjects) == ("RESTING_ORDER_LEFT", (f"main {ETH} long",))


def test_codes_are_counted_as_items_and_as_refusals_with_their_meaning(evenings: Any) -> None:
    """A throttled close is no error item, and both have a code that somebody looks up."""
    frames = evenings("residual").frames
    item, throttle = count_codes(list_rows(frames.close_errors), list_rows(frames.close_attempts))
    assert (item.code, item.items, item.refusals, item.messages) == ("51020", 5, 0, ("Insufficient position",))
    assert (throttle.code, throttle.items, throttle.refusals) == ("50000", 0, 1)
    assert throttle.meaning == "Too many requests."
    assert count_codes([], []) == []


def test_a_code_that_nobody_knows_is_listed_as_that(evenings: Any) -> None:
    """The exchange adds codes without notice; one without any is a row too."""
    [known, *_] = list_rows(evenings("residual").frames.close_errors)
    strange, empty = count_codes([known | {"error_code": "99999"}, known | {"error_code": ""}], [])
    assert [strange.code, empty.code] == ["99999", "no code"] or [empty.code, strange.code] == ["99999", "no code"]
    assert strange.meaning == empty.meaning == "A code this version does not know."
