"""The day's tables as assets: a day nobody flattened is there as that, and says so wherever a person looks."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest

from deepcoin_ops.domain.model import Verdict
from deepcoin_ops.domain.tables import CANCEL_ATTEMPTS, FLATTEN_SUMMARY, ORDERS_AFTER, RECONCILIATION, TABLES

GOOD, BAD, QUIET = "2026-03-04", "2026-03-05", "2026-03-06"


def metadata_of(result: dg.ExecuteInProcessResult, table: str, trading_day: str) -> dict[str, Any]:
    """What a table's partition shows of a day."""
    [event] = [
        event.materialization
        for event in result.get_asset_materialization_events()
        if (event.asset_key, event.partition) == (dg.AssetKey(table), trading_day)
    ]
    return {name: value.value for name, value in event.metadata.items()}


def test_a_day_nobody_flattened_has_all_its_tables_and_is_missing_its_flatten(office: Any) -> None:
    """There is not even a ledger: the schedule was never switched on, and the day must not read as clean."""
    result = office.rebuild(QUIET)
    for table in TABLES:
        assert metadata_of(result, table.name, QUIET)["flatten_runs"] == 0
    stored = office.store.read(RECONCILIATION, QUIET)
    assert list(stored.frame["break_type"]) == ["FLATTEN_MISSING"]
    assert list(stored.frame["account"]) == ["main"]
    assert metadata_of(result, "flatten_summary", QUIET)["row_count"] == 0


def test_a_skipped_tick_is_told_in_the_row_and_in_the_metadata(office: Any) -> None:
    """Why nothing ran is what the person asks next."""
    office.skip_tick(QUIET, "the tick is 480 minutes late")
    result = office.rebuild(QUIET)
    assert metadata_of(result, "reconciliation", QUIET)["skipped_ticks"] == ["the tick is 480 minutes late"]
    assert "480 minutes late" in office.store.read(RECONCILIATION, QUIET).frame["reason"][0]


def test_days_built_in_one_run_keep_rows_and_metadata_of_their_own(office: Any) -> None:
    """A backfill of a year is four runs, and every day has to tell its own story."""
    office.record_flatten(GOOD)
    office.record_flatten(BAD, Verdict.RESIDUAL)
    result = office.rebuild(GOOD, QUIET)
    breaks = {day: list(office.store.read(RECONCILIATION, day).frame["break_type"].dropna()) for day in (GOOD, BAD, QUIET)}
    assert breaks == {GOOD: [], BAD: ["RESIDUAL_POSITION"], QUIET: ["FLATTEN_MISSING"]}
    assert [metadata_of(result, "reconciliation", day)["flatten_results"] for day in (GOOD, BAD, QUIET)] == [
        ["FLAT"],
        ["NOT_FLAT"],
        [],
    ]


def test_an_order_left_and_the_cancel_of_it_come_from_the_ledger_into_the_days_tables(office: Any) -> None:
    """From what was recorded to the row that somebody acts on, through files."""
    office.record_flatten(BAD, Verdict.RESTING_ORDER_LEFT)
    office.rebuild(BAD)
    [row] = office.store.read(RECONCILIATION, BAD).frame.query("position_side == 'long'").to_dict("records")
    assert (row["break_type"], row["severity"], row["verdict"]) == ("RESTING_ORDER_LEFT", "ERROR", "RESTING_ORDER_LEFT")
    assert row["orders_left"] == 1
    assert "resting order 7001" in row["reason"]
    [order] = office.store.read(ORDERS_AFTER, BAD).frame.to_dict("records")
    assert (order["order_id"], order["read_purpose"], order["can_open"]) == ("7001", "verify", True)
    [cancel] = office.store.read(CANCEL_ATTEMPTS, BAD).frame.to_dict("records")
    assert (cancel["order_ids"], cancel["outcome"], cancel["error_code"]) == ("7001", "REFUSED", "24")
    [summary] = office.store.read(FLATTEN_SUMMARY, BAD).frame.to_dict("records")
    assert (summary["cancels"], summary["orders_left"], summary["resting_order_left"]) == (1, 1, 1)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_rebuilding_a_day_changes_no_byte_of_its_rows(office: Any, table: Any) -> None:
    """The same ledger head gives the same table, however often somebody presses the button."""
    office.record_flatten(BAD, Verdict.RESTING_ORDER_LEFT)
    office.rebuild(BAD)
    first = office.store.read(table, BAD)
    office.rebuild(BAD)
    again = office.store.read(table, BAD)
    assert first.frame.equals(again.frame)
    assert first.head == again.head
