"""From closes on the paper exchange to a reporting team's list of open breaks, over two weeks of trading days.

The flattens really ran, one after the other, and are told again on the days of the fortnight; the day tables are built by
the real job, and the example reads nothing but their files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow.parquet as pq
import pytest
from break_aging.aging import OPEN_BREAKS
from break_aging.definitions import defs
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from flatten_lab import SETTINGS, build_scenario, open_lab, position
from replayed_days import RecordedFlatten, read_recorded_flatten, replay_days

from deepcoin_ops.definitions import build_definitions
from deepcoin_ops.domain.model import FlattenResult
from deepcoin_ops.domain.tables import RECONCILIATION
from deepcoin_ops.flattening.evidence import collect_evidence
from deepcoin_ops.orchestration.tables import TableStore
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.settings import Settings, load_settings

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
HELD = [position(BTC, "PAPER-1", "500"), position(ETH, "PAPER-2", "90.5", "short")]
DOT = position("DOT-USDT-SWAP", "PAPER-5", "7")
REFUSING = Fault(FaultAction.ERROR_ITEMS, instrument_id=ETH, call=None)
# A second account, and no tick on Saturdays and Sundays.
DESK = SETTINGS.replace(
    "accounts:", "accounts:\n  second: {credentials_prefix: SECOND, instruments: [BTC-USDT-SWAP, ETH-USDT-SWAP]}"
)
DESK += 'schedule: {first_trading_day: 2026-03-02, cron: "30 23 * * 1-5"}\n'
MONDAY, LAST = "2026-03-02", "2026-03-13"
NEVER_BUILT = "2026-03-11"


@pytest.fixture(scope="module")
def evenings(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, RecordedFlatten]:
    """A flatten that ends flat, one that leaves ETH open, and one that finds a position nobody configured."""
    scenarios = {
        "flat": build_scenario(HELD),
        "residual": build_scenario(HELD, [REFUSING]),
        "unconfigured": build_scenario([*HELD, DOT]),
    }
    told = {}
    for name, scenario in scenarios.items():
        with open_lab(tmp_path_factory.mktemp(name), scenario) as lab:
            closing = lab.flatten().closing
            assert closing.result is (FlattenResult.NOT_FLAT if name == "residual" else FlattenResult.FLAT)
            [day] = lab.desk.ledger.read_newer_days(0)
            collect_evidence(lab.desk, day.trading_day, lab.said.append)
            told[name] = read_recorded_flatten(lab.desk.settings.ledger_path, closing.flatten_id)
    return told


@pytest.fixture
def desk(settings_file: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A desk of two accounts, named in the environment for the run's resources."""
    environ = settings_file("http://127.0.0.1:1", DESK)
    for name in ("DEEPCOIN_OPS_SETTINGS", "DEEPCOIN_OPS_STATE", "DEEPCOIN_OPS_PAPER_URL"):
        monkeypatch.setenv(name, environ[name])
    return load_settings(environ)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster of its own."""
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path / "dagster")) as created:
        yield created


@pytest.fixture
def fortnight(desk: Settings, evenings: Mapping[str, RecordedFlatten], instance: dg.DagsterInstance) -> Settings:
    """Two weeks whose tables are built, but for one day that nobody built.

    Main: flat, residual, nobody, residual | weekend | flat, unconfigured, (never built), residual, nobody.
    """
    flat, residual, unconfigured = (evenings[name] for name in ("flat", "residual", "unconfigured"))
    second = flat.of_account("second")
    replay_days(
        desk,
        {
            "2026-03-02": [flat, second],
            "2026-03-03": [residual, second],
            "2026-03-04": [second],
            "2026-03-05": [residual, second],
            "2026-03-06": [residual, second],
            "2026-03-09": [flat, second],
            "2026-03-10": [unconfigured, second],
            NEVER_BUILT: [flat, second],
            "2026-03-12": [residual, second],
        },
    )
    tags = {ASSET_PARTITION_RANGE_START_TAG: MONDAY, ASSET_PARTITION_RANGE_END_TAG: LAST}
    job = build_definitions(settings=desk).resolve_job_def("rebuild_day_tables")
    assert job.execute_in_process(tags=tags, instance=instance).success
    TableStore(desk.tables_url, desk.locks_folder).path(RECONCILIATION, NEVER_BUILT).unlink()
    return desk


def test_two_weeks_of_flattens_become_a_list_of_open_breaks(
    fortnight: Settings, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way, with a weekend, a day nobody flattened and a day that nobody built on it."""
    monkeypatch.setenv("REPORTING_TABLES", fortnight.tables_url)
    monkeypatch.setenv("REPORTING_REPORTS", str(tmp_path / "reports"))
    result = defs.resolve_job_def("age_open_breaks").execute_in_process(instance=instance)
    checks = {each.check_name: each.passed for each in result.get_asset_check_evaluations()}
    assert checks == {"nothing_open": False, "every_day_is_there": False, "sql_agrees": True}
    [materialised] = result.asset_materializations_for_node("open_breaks")
    assert materialised.metadata["days_missing"].value == [NEVER_BUILT]

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

    foreign = told["main/DOT-USDT-SWAP/long", "2026-03-10"]
    assert picked(foreign) == ("CLEARED", "2026-03-10", "2026-03-12", 2, 1, 0, 1)
    assert told["main/FLATTEN_MISSING", "2026-03-04"]["cleared_on"] == "2026-03-05"
    assert told["main/FLATTEN_MISSING", LAST]["status"] == "OPEN"
    assert {account for account, _rest in (key[0].split("/", 1) for key in told if key[1] < LAST)} == {"main"}

    csv = pd.read_csv(tmp_path / "reports" / "open_breaks_csv" / f"{LAST}.csv", dtype=str, keep_default_na=False)
    assert sorted(csv["subject"]) == sorted(report["subject"])
    [line] = csv[(csv["subject"] == f"main/{ETH}/short") & (csv["status"] == "UNKNOWN")].to_dict("records")
    assert Decimal(line["notional_usdt"]) == again["notional_usdt"]


def picked(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Status, last day, day of clearing, and the counts of days."""
    counts = (row[name] for name in ("days_open", "days_seen", "days_not_looked", "days_missing"))
    return row["status"], row["last_seen"], None if pd.isna(row["cleared_on"]) else row["cleared_on"], *counts
