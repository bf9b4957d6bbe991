"""From closes on the paper exchange to a reporting team's list of open breaks, over two weeks of trading days.

The example reads nothing but the files of the day tables; how these came about is in `fortnight`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow.parquet as pq
import pytest
from break_aging.aging import OPEN_BREAKS
from break_aging.definitions import defs
from fortnight import DOT, ETH, LAST, NEVER_BUILT

from deepcoin_ops.settings import Settings


@pytest.fixture
def run(fortnight: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dg.ExecuteInProcessResult:
    """The example's job, run in this process over the whole fortnight."""
    monkeypatch.setenv("REPORTING_TABLES", fortnight.tables_url)
    monkeypatch.setenv("REPORTING_REPORTS", str(tmp_path / "reports"))
    return defs.resolve_job_def("age_open_breaks").execute_in_process()


def picked(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Status, last day, day of clearing, and the counts of days."""
    counts = (row[name] for name in ("days_open", "days_seen", "days_not_looked", "days_missing"))
    return row["status"], row["last_seen"], None if pd.isna(row["cleared_on"]) else row["cleared_on"], *counts


def test_two_weeks_of_flattens_become_a_list_of_open_breaks(run: dg.ExecuteInProcessResult, tmp_path: Path) -> None:
    """A residual over a day nobody flattened and a weekend, the same again later, and a gap that hides nothing."""
    parquet = tmp_path / "reports" / "open_breaks" / f"{LAST}.parquet"
    assert pq.read_schema(parquet).remove_metadata() == OPEN_BREAKS
    report = pd.read_parquet(parquet, dtype_backend="pyarrow")
    told = report.set_index(["subject", "first_seen"]).to_dict("index")

    first = told[f"main/{ETH}/short", "2026-03-03"]
    assert picked(first) == ("CLEARED", "2026-03-06", "2026-03-09", 6, 3, 3, 0)
    assert (first["last_in_order"], first["break_type"], first["error_codes"]) == (
        "2026-03-02",
        "RESIDUAL_POSITION",
        "51020",
    )
    assert first["quantity_contracts"] == Decimal("90.5")
    assert first["notional_usdt"] == first["first_notional_usdt"] > 0

    again = told[f"main/{ETH}/short", "2026-03-12"]
    assert picked(again) == ("UNKNOWN", "2026-03-12", None, 2, 1, 1, 0)
    assert again["last_in_order"] == "2026-03-10"

    foreign = told[f"main/{DOT}/long", "2026-03-10"]
    assert picked(foreign) == ("CLEARED", "2026-03-10", "2026-03-12", 2, 1, 0, 1)
    assert told["main/FLATTEN_MISSING", "2026-03-04"]["cleared_on"] == "2026-03-05"
    assert {subject for subject, first_seen in told if told[subject, first_seen]["status"] == "OPEN"} == {
        "main/FLATTEN_MISSING",
        "second/FLATTEN_MISSING",
    }
    assert [key for key in told if key[0].startswith("second/")] == [("second/FLATTEN_MISSING", LAST)]

    csv = pd.read_csv(tmp_path / "reports" / "open_breaks_csv" / f"{LAST}.csv", dtype=str, keep_default_na=False)
    assert sorted(csv["subject"]) == sorted(report["subject"])
    [line] = csv[(csv["subject"] == f"main/{ETH}/short") & (csv["status"] == "UNKNOWN")].to_dict("records")
    assert Decimal(line["notional_usdt"]) == again["notional_usdt"]


def test_the_page_tells_what_is_open_and_which_day_is_missing(run: dg.ExecuteInProcessResult) -> None:
    """Two ways of counting agree, and neither the open breaks nor the gap pass quietly."""
    checks = {each.check_name: each.passed for each in run.get_asset_check_evaluations()}
    assert checks == {"nothing_open": False, "every_day_is_there": False, "sql_agrees": True}
    [materialised] = run.asset_materializations_for_node("open_breaks")
    assert materialised.metadata["days_missing"].value == [NEVER_BUILT]
    assert materialised.metadata["by_status"].value["UNKNOWN"] == 1
