"""Everything that Dagster sees, written down: a renamed asset, a moved tag or a schedule that starts by itself is a change
that shows up here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
import yaml

from deepcoin_ops.definitions import build_definitions
from deepcoin_ops.domain.tables import TABLES
from deepcoin_ops.settings import load_settings

CHECKOUT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
SETTINGS = """
accounts:
  main: {credentials_prefix: MAIN, instruments: [BTC-USDT-SWAP]}
schedule: {first_trading_day: 2026-01-05, timezone: America/New_York, cron: "30 16 * * *", day_boundary: "17:00",
           max_lateness_minutes: 20}
flatten: {lock_wait_s: 600, max_deadline_s: 900}
"""


@pytest.fixture
def definitions(settings_file: Callable[..., dict[str, str]]) -> dg.Definitions:
    """The code location of a desk."""
    return build_definitions(settings=load_settings(settings_file("http://127.0.0.1:1", SETTINGS)))


def test_every_definition_can_be_loaded_together(definitions: dg.Definitions) -> None:
    """A missing resource or two things of one name come out here and not at the end of a trading day."""
    dg.Definitions.validate_loadable(definitions)


def test_the_assets_are_these(definitions: dg.Definitions) -> None:
    """The ledger, which is only reported on, the tables over it and the page about them; all by trading day."""
    graph = definitions.resolve_asset_graph()
    assert {key.to_user_string() for key in graph.get_all_asset_keys()} == {
        "close_ledger",
        "close_attempts",
        "close_errors",
        "cancel_attempts",
        "positions_before",
        "positions_after",
        "orders_after",
        "reconciliation",
        "flatten_summary",
        "closed_positions",
        "flatten_report",
    }
    assert {key.to_user_string() for key in graph.materializable_asset_keys} == {
        *(table.name for table in TABLES),
        "flatten_report",
    }
    for key in graph.get_all_asset_keys():
        trading_days = graph.get(key).partitions_def
        assert isinstance(trading_days, dg.DailyPartitionsDefinition)
        assert (trading_days.timezone, trading_days.hour_offset, trading_days.minute_offset) == ("America/New_York", 17, 0)
        assert (trading_days.start.date().isoformat(), trading_days.end_offset) == ("2026-01-05", 1)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_is_built_many_days_a_run_from_the_ledger_and_shows_its_columns(
    definitions: dg.Definitions, table: object
) -> None:
    """A backfill of a year is four runs, and the columns panel is the table's own contract."""
    node = definitions.resolve_asset_graph().get(dg.AssetKey(table.name))
    assert node.group_name == "day_tables"
    assert node.parent_keys == {dg.AssetKey("close_ledger")}
    assert node.backfill_policy == dg.BackfillPolicy.multi_run(92)
    assert node.automation_condition is None
    shown = node.metadata["dagster/column_schema"].columns
    assert [(column.name, column.type) for column in shown] == [
        (column.name, str(column.kind.arrow_type)) for column in table.columns
    ]


def test_the_report_is_built_with_the_tables_and_from_the_ledger_alone(definitions: dg.Definitions) -> None:
    """It is in the same job, run and backfill as the tables, in whatever order, and may not wait for their files."""
    node = definitions.resolve_asset_graph().get(dg.AssetKey("flatten_report"))
    assert node.group_name == "day_tables"
    assert node.parent_keys == {dg.AssetKey("close_ledger")}
    assert node.backfill_policy == dg.BackfillPolicy.multi_run(92)
    needed = definitions.resolve_assets_def("flatten_report").required_resource_keys
    assert needed - {"io_manager"} == {"ledger_days", "day_tables"}


def test_loading_the_definitions_loads_no_plots() -> None:
    """Every run imports them, and a flatten must not wait for matplotlib before its first send."""
    code = "import sys, deepcoin_ops.definitions; print([m for m in ('matplotlib', 'jinja2') if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_loading_the_definitions_loads_no_means_of_delivery() -> None:
    """Nothing optional is on the way of a send."""
    code = "import sys, deepcoin_ops.definitions, deepcoin_ops.cli; print('apprise' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "False"


def test_the_jobs_are_these_and_their_tags_hold_the_limits(definitions: dg.Definitions) -> None:
    """No run retries, and an end by force only after lateness, lock, deadline, reads, and lists to the minute."""
    repository = definitions.get_repository_def()
    named = {job.name: job for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert named.keys() == {
        "flatten_positions",
        "plan_positions",
        "preflight",
        "check_credentials",
        "collect_evidence",
        "rebuild_day_tables",
    }
    assert named["flatten_positions"].tags == {
        "dagster/max_retries": "0",
        "dagster/max_runtime": str(20 * 60 + 600 + 900 + 120 + 60),
    }
    assert named["collect_evidence"].tags == {
        "dagster/max_retries": "0",
        "dagster/max_runtime": "1800",
        "deepcoin_ops/reads": "exchange",
    }
    assert named["rebuild_day_tables"].tags == {"deepcoin_ops/reads": "ledger"}
    assert named["plan_positions"].tags == {"dagster/max_retries": "0"}
    for name in ("preflight", "check_credentials"):
        assert named[name].tags == {"dagster/max_retries": "0", "dagster/max_runtime": "540"}
    assert {job.executor_def for job in repository.get_all_jobs()} == {dg.in_process_executor}
    assert [node.name for node in named["flatten_positions"].nodes_in_topological_order] == [
        "plan_closes",
        "issue_batch_closes",
        "verify_flat",
    ]


def test_what_only_reads_leaves_the_queue_room_for_a_flatten() -> None:
    """Beside an old ledger a new instance has every past day to rebuild; the flatten of tonight must not wait for it."""
    queue = yaml.safe_load((CHECKOUT / "dagster.yaml").read_text())["run_queue"]
    limits = {each["key"]: each["limit"] for each in queue["tag_concurrency_limits"]}
    assert limits == {"deepcoin_ops/account": 1, "deepcoin_ops/reads": 2, "dagster/backfill": 2}


def test_the_schedule_is_off_until_somebody_switches_it_on(definitions: dg.Definitions) -> None:
    """Starting Dagster must not be enough to close positions every evening."""
    [schedule] = [each for each in definitions.get_repository_def().schedule_defs if each.job_name == "flatten_positions"]
    assert (schedule.name, schedule.job_name) == ("end_of_day_flatten", "flatten_positions")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 16 * * *", "America/New_York")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


def test_day_end_is_on_and_fires_after_the_deadline_of_any_tick(definitions: dg.Definitions) -> None:
    """Whoever forgets to switch the flatten on has to see the day missing; this one only reads.

    The day ends at 17:00, a run may take 48 minutes, a clock change an hour.
    """
    [schedule] = [each for each in definitions.get_repository_def().schedule_defs if each.name == "day_end"]
    assert schedule.job_name == "rebuild_day_tables"
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("49 18 * * *", "America/New_York")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_the_checks_are_these_and_none_blocks(definitions: dg.Definitions) -> None:
    """A day that is not clean has to have its tables, so no check may keep one from being built."""
    graph = definitions.resolve_asset_graph()
    by_day = {(key.asset_key.to_user_string(), key.name) for key in graph.asset_check_keys if graph.get(key).partitions_def}
    assert by_day == {(table.name, "schema") for table in TABLES} | {
        ("reconciliation", "all_flat"),
        ("reconciliation", "no_unknown_outcomes"),
        ("reconciliation", "no_unconfigured_positions"),
        ("reconciliation", "evidence_matches"),
    }
    over_all = {key.to_user_string() for key in graph.asset_check_keys if not graph.get(key).partitions_def}
    assert over_all == {"reconciliation:days_with_open_breaks", "reconciliation:ledger_chain_intact"}
    assert not any(graph.get(key).blocking for key in graph.asset_check_keys)


def test_the_tables_sensor_is_on_and_asks_for_tables_only(definitions: dg.Definitions) -> None:
    """It only reads, and the tables would be missing without it."""
    sensor = definitions.get_repository_def().get_sensor_def("ledger_moved")
    assert (sensor.name, sensor.job_name) == ("ledger_moved", "rebuild_day_tables")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert sensor.minimum_interval_seconds == 5


def test_the_sensors_that_ask_the_exchange_are_off_and_launch_reads_only(definitions: dg.Definitions) -> None:
    """Starting Dagster must not be enough to talk to the exchange."""
    names = {sensor.name for sensor in definitions.get_repository_def().sensor_defs}
    assert names == {"ledger_moved", "evidence_due", "preflight_due", "alerts_due", "schedule_watch"}
    for name, job in (("evidence_due", "collect_evidence"), ("preflight_due", "preflight")):
        sensor = definitions.get_repository_def().get_sensor_def(name)
        assert (sensor.job_name, sensor.default_status) == (job, dg.DefaultSensorStatus.STOPPED)


def test_the_keys_are_checked_once_a_day_once_somebody_switches_that_on(definitions: dg.Definitions) -> None:
    """It asks the exchange, so that starting Dagster is not enough."""
    [schedule] = [each for each in definitions.get_repository_def().schedule_defs if each.name == "credentials_check"]
    assert (schedule.job_name, schedule.default_status) == ("check_credentials", dg.DefaultScheduleStatus.STOPPED)
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 9 * * *", "America/New_York")


def test_the_alerts_sensor_is_on_and_can_launch_nothing(definitions: dg.Definitions) -> None:
    """It talks to nobody until an address is set; whoever had to switch it on would sleep through a bad night."""
    sensor = definitions.get_repository_def().get_sensor_def("alerts_due")
    assert (list(sensor.targets), sensor.default_status) == ([], dg.DefaultSensorStatus.RUNNING)
    assert sensor.minimum_interval_seconds == 15


def test_the_resources_are_these(definitions: dg.Definitions) -> None:
    """A table's asset that asked for the desk could send."""
    assert set(definitions.resources or {}) == {"desk", "ledger_days", "day_tables"}
    for table in TABLES:
        needed = definitions.resolve_assets_def(table.name).required_resource_keys
        assert needed - {"io_manager"} == {"ledger_days", "day_tables"}


def test_workspace_and_project_name_the_same_module_and_location() -> None:
    """A schedule's on/off state hangs on the location's name, so `dg dev` and the daemon must use the same one."""
    [loaded] = yaml.safe_load((CHECKOUT / "workspace.yaml").read_text())["load_from"]
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["dg"]["project"]
    module = loaded["python_module"]
    assert module["module_name"] == project["code_location_target_module"]
    assert module["location_name"] == project["code_location_name"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["dg", "check", "defs"],
        ["dagster", "definitions", "validate", "-w", "workspace.yaml"],
        ["dagster", "definitions", "validate", "-w", "deploy/reading/workspace.yaml"],
    ],
    ids=["dg", "dagster", "reading"],
)
def test_dagsters_own_checks_load_the_project(arguments: list[str], tmp_path: Path) -> None:
    """What the other tests import, Dagster finds by the names in its configuration files."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DEEPCOIN", "DAGSTER"))}
    environ = inherited | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "DAGSTER_HOME": str(tmp_path),
        "DEEPCOIN_OPS_STATE": str(tmp_path / "state"),
        "DG_CLI_CONFIG": str(tmp_path / "dg.toml"),
    }
    command = [BIN / arguments[0], *arguments[1:]]
    checked = subprocess.run(command, cwd=CHECKOUT, env=environ, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
