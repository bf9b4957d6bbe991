"""The example as a code location: what Dagster sees of it, and what a person is told when it cannot do its work."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from break_aging.aging import OPEN_BREAKS
from break_aging.definitions import defs
from reconciliation_days import BTC, ETH, build_break, build_row, write_days

CHECKOUT = Path(__file__).resolve().parents[4]
EXAMPLE = CHECKOUT / "examples" / "reporting"
BIN = Path(sys.executable).parent
LEFT = build_break("main", ETH, "short", break_type="RESIDUAL_POSITION", verdict="RESIDUAL", severity="ERROR")
FLAT = build_row("main", ETH, "short", verdict="FLAT")


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two days of tables, named in the environment as the README says."""
    monkeypatch.setenv("REPORTING_TABLES", str(tmp_path / "tables"))
    monkeypatch.setenv("REPORTING_REPORTS", str(tmp_path / "reports"))
    write_days(tmp_path / "tables", {"2026-03-02": [LEFT], "2026-03-03": [FLAT, build_row("main", BTC, verdict="FLAT")]})
    return tmp_path / "tables"


def run(config: dict[str, str] | None = None) -> dg.ExecuteInProcessResult:
    """The job, run in this process."""
    job = defs.resolve_job_def("age_open_breaks")
    return job.execute_in_process(run_config={"ops": {"open_breaks": {"config": config or {}}}}, raise_on_error=False)


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """What a person reads of a failed run."""
    [event] = [event for event in result.all_events if event.is_step_failure]
    return str(event.step_failure_data.user_failure_data.description)


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    """Whether each check passed."""
    return {each.check_name: each.passed for each in result.get_asset_check_evaluations()}


def test_it_is_one_table_over_the_other_locations_reconciliation() -> None:
    """The reconciliation is only named, so that nobody builds it here, and both show as one graph."""
    dg.Definitions.validate_loadable(defs)
    graph = defs.resolve_asset_graph()
    assert {key.to_user_string() for key in graph.materializable_asset_keys} == {"open_breaks"}
    assert graph.get(dg.AssetKey("open_breaks")).parent_keys == {dg.AssetKey("reconciliation")}
    shown = graph.get(dg.AssetKey("open_breaks")).metadata["dagster/column_schema"].columns
    assert [(column.name, column.type) for column in shown] == [(field.name, str(field.type)) for field in OPEN_BREAKS]
    assert all(column.description for column in shown)


def test_its_schedule_is_off_until_somebody_switches_it_on() -> None:
    """Copying an example must not start anything."""
    [schedule] = defs.get_repository_def().schedule_defs
    assert (schedule.name, schedule.job_name) == ("every_morning", "age_open_breaks")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


def test_it_imports_nothing_of_the_project_and_speaks_to_nobody() -> None:
    """A copy has to work where deepcoin_ops is not installed, and a reporting job needs no key."""
    imported = set()
    for path in EXAMPLE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {each.name.split(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).split(".")[0])
    outside = imported - set(sys.stdlib_module_names) - {"break_aging"}
    assert outside == {"dagster", "pandas", "pyarrow", "duckdb"}
    assert not imported & {"socket", "http", "urllib", "subprocess"}


@pytest.mark.parametrize(
    "arguments",
    [["dg", "check", "defs"], ["dagster", "definitions", "validate", "-w", "workspace.yaml"]],
    ids=["dg", "dagster"],
)
def test_dagsters_own_checks_load_a_copy_of_it(arguments: list[str], tmp_path: Path) -> None:
    """What its README tells a reporting team to type, in a folder that is not this checkout."""
    copy, home = tmp_path / "copied", tmp_path / "home"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    home.mkdir()
    shutil.copy(CHECKOUT / "dagster.yaml", home)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DEEPCOIN", "DAGSTER"))}
    environ = inherited | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "DAGSTER_HOME": str(home),
        "DG_CLI_CONFIG": str(tmp_path / "dg.toml"),
    }
    checked = subprocess.run(
        [BIN / arguments[0], *arguments[1:]], cwd=copy, env=environ, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_run_tells_counts_days_and_the_first_rows(tables: Path, tmp_path: Path) -> None:
    """What a person wants to know stands beside the asset, and the files are where it says."""
    result = run()
    [materialised] = result.asset_materializations_for_node("open_breaks")
    told: dict[str, Any] = {name: value.value for name, value in materialised.metadata.items()}
    assert (told["dagster/row_count"], told["as_of"], told["days_missing"]) == (1, "2026-03-03", [])
    assert (told["by_status"], told["not_cleared_by_age"]) == ({"CLEARED": 1}, {})
    assert f"main/{ETH}/short" in told["preview"]
    assert Path(told["path"]) == tmp_path / "reports" / "open_breaks" / "2026-03-03.parquet"
    assert Path(told["csv"]).read_text().count("\n") == 2
    assert checks_of(result) == {"nothing_open": True, "every_day_is_there": True, "sql_agrees": True}


def test_a_range_is_config_and_what_is_open_or_missing_fails_its_check(tables: Path) -> None:
    """Monday as it stood on Monday, and a week whose other days nobody has built."""
    assert checks_of(run({"last_day": "2026-03-02"})) == {
        "nothing_open": False,
        "every_day_is_there": True,
        "sql_agrees": True,
    }
    result = run({"first_day": "2026-03-03", "last_day": "2026-03-04"})
    assert checks_of(result) == {"nothing_open": True, "every_day_is_there": False, "sql_agrees": True}


def test_an_unreadable_day_fails_the_run_and_leaves_the_last_report(tables: Path, tmp_path: Path) -> None:
    """A report without that day would be wrong, and yesterday's is still right about yesterday."""
    run()
    written = {path: path.read_bytes() for path in (tmp_path / "reports").rglob("*.parquet")}
    (tables / "reconciliation" / "2026-03-02.parquet").write_bytes(b"PAR1")
    result = run()
    assert not result.success
    assert "2026-03-02.parquet cannot be read" in failure_of(result)
    assert {path: path.read_bytes() for path in (tmp_path / "reports").rglob("*.parquet")} == written


def test_a_folder_without_days_fails_the_run(tables: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The most likely mistake is the path, and it must not end in a clean report."""
    monkeypatch.setenv("REPORTING_TABLES", str(tables / "reconciliation"))
    assert "Check the folder" in failure_of(run())


def test_a_variable_that_is_not_set_is_named(tables: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is read."""
    monkeypatch.delenv("REPORTING_TABLES")
    with pytest.raises(dg.DagsterInvalidConfigError, match='"REPORTING_TABLES" which is not set'):
        run()
