"""The canaries of test_secrets under a real Dagster: runs that succeed, fail, are terminated and are not armed.

Searched are the instance's and the desk's folders with all databases, logs, tables and reports, the answers of the web
server's GraphQL, and the command lines of all its processes. Their environment is left out: it is where the secrets are
meant to be.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest
from dagster_stack import DagsterStack, run_dagster_with
from flatten_lab import build_scenario, position, stubborn
from graphql_sweep import GraphqlSweep
from live_exchange import LIVE_SETTINGS, LiveStand, build_alert_canary, open_live_stand
from secret_search import SecretSearch
from waiting import wait_for

from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.scenario import PaperAccount

BTC = "BTC-USDT-SWAP"
ARMED = {"main": "SUCCESS", "stubborn": "FAILURE", "halted": "CANCELED"}
UNARMED = "unarmed"
ACCOUNTS = (*ARMED, UNARMED)
FAULTS = (
    *stubborn(BTC, account="stubborn"),
    Fault(FaultAction.DELAY, account="halted", delay_s=0.9),
    Fault(FaultAction.RESET, "account/positions", account="main"),
    Fault(FaultAction.HTML, "trade/v2/orders-pending", account="main"),
)
# What the page asks for when a person looks around; every other question is behind the marker `chaos`.
LOOKED_AT = frozenset(
    "runsOrError runOrError logsForRun capturedLogs capturedLogsMetadata allTopLevelResourceDetailsOrError instance "
    "utilizedEnvVarsOrError workspaceOrError locationStatusesOrError runConfigSchemaOrError "
    "sensorOrError runTagsOrError".split()
)


def build_text() -> str:
    """Settings of a live desk with an account for every ending of a run."""
    prefixes = {name: "DEEPCOIN" if name == "main" else name.upper() for name in ACCOUNTS}
    accounts = [f"  {name}: {{credentials_prefix: {prefix}, instruments: [{BTC}]}}" for name, prefix in prefixes.items()]
    return "\n".join(["accounts:", *accounts, LIVE_SETTINGS[LIVE_SETTINGS.index("pace:") :]])


def search(stand: LiveStand, password: str) -> SecretSearch:
    """Looks for the canaries of all accounts, the password for alerts, and every signature that the exchange has seen."""
    return SecretSearch({**stand.exchange.secrets(), "alerts": password}, stand.exchange.signatures())


def launch_all(stack: DagsterStack) -> dict[str, str]:
    """Launch a flatten of each account and wait until each has ended as it should; the run's id by account."""
    runs = {}
    for account in ACCOUNTS:
        config = {"ops": {"plan_closes": {"config": {"account": account, "dry_run": False}}}}
        told, runs[account] = stack.page.launch("flatten_positions", config)
        assert told == ""
    wait_for("the close that is to be interrupted", lambda: len(stack.close_arrivals("halted")) > 0)
    stack.page.terminate(runs["halted"])
    ended = {account: stack.page.wait_for_end(run_id).status for account, run_id in runs.items()}
    assert ended == {**ARMED, UNARMED: "FAILURE"}
    assert stack.truly_open(UNARMED) == {BTC}
    assert stack.close_arrivals(UNARMED) == []
    return runs


def sweep(stack: DagsterStack, runs: dict[str, str], only: Collection[str], looking: SecretSearch) -> int:
    """Look through what the web server answers about each of the runs and everything around them; how many answers."""
    place = '{repositoryLocationName: "deepcoin_ops", repositoryName: "__repository__"'
    asked = 0
    for number, run_id in enumerate(runs.values()):
        arguments = {
            "runId": f'"{run_id}"',
            "id": f'"{run_id}"',
            "logKey": f'["{run_id}", "compute_logs", "plan_closes"]',
            "RepositorySelector": f"{place}}}",
            "PipelineSelector": f'{place}, pipelineName: "flatten_positions"}}',
            "JobOrPipelineSelector": f'{place}, jobName: "flatten_positions"}}',
            "GraphSelector": f'{place}, graphName: "flatten_positions"}}',
            "ScheduleSelector": f'{place}, scheduleName: "end_of_day_flatten"}}',
            "SensorSelector": f'{place}, sensorName: "ledger_moved"}}',
            "InstigationSelector": f'{place}, name: "ledger_moved"}}',
            "AssetKeyInput": '{path: ["close_attempts"]}',
            "mode": '"default"',
            "runConfigData": "{}",
            "limit": "20",
        }
        of_runs = {"logsForRun", "capturedLogs"}
        for name, answer in GraphqlSweep(stack.page.url, arguments).ask_everything(of_runs if number else only):
            asked += 1
            looking.look_at(f"GraphQL {name} of {run_id}", answer)
    return asked


@pytest.mark.parametrize(
    "only", [pytest.param(LOOKED_AT, id="looked at"), pytest.param((), id="everything", marks=pytest.mark.chaos)]
)
def test_dagster_leaves_no_secret_behind(tmp_path: Path, only: Collection[str]) -> None:
    """Whoever sees the page, a backup of the folders or a list of processes, sees no key."""
    scenario = build_scenario([], FAULTS)
    owners = tuple(PaperAccount(name, (position(BTC, "1", "100"),)) for name in ACCOUNTS)
    scenario = type(scenario)(scenario.instruments, owners, scenario.faults, scenario.limits)
    password, alerts = build_alert_canary()
    with open_live_stand(tmp_path, scenario, build_text(), is_echoing=True, HOME=str(tmp_path), **alerts) as stand:
        for account in ARMED:
            stand.arm(account)
        with run_dagster_with(tmp_path, stand.variables, stand.exchange) as stack:
            runs = launch_all(stack)
            told, run_id = stack.page.launch(
                "flatten_positions", {"ops": {"plan_closes": {"config": {"account": {"env": "DEEPCOIN_SECRET_KEY"}}}}}
            )
            assert (bool(told), run_id) == (True, "")
            wait_for(
                "the day's report", lambda: stack.page.list_materialisations("flatten_report", [stack.trading_day]) or None
            )
            looking = search(stand, password)
            looking.look_at("refused config", told)
            assert sweep(stack, runs, only, looking) > len(only)
            daemon_log = tmp_path / "daemon-0.log"
            wait_for("an alert that cannot be delivered", lambda: "address 1 (json)" in daemon_log.read_text())
            assert looking.look_at_processes(stack.groups.values()) >= len(stack.groups)
        # Again from the stand: requests were signed since.
        earlier, looking = looking.findings, search(stand, password)
        looking.look_at_folder(tmp_path)
    found = {path.suffix for path in tmp_path.rglob("*")}
    assert {".sqlite", ".db", ".parquet", ".html", ".log", ".err"} <= found
    assert [*earlier, *looking.findings] == []
