"""Ways in through the web server: every mutation of its schema with every selector of the code location, and its tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.utils import make_new_backfill_id
from dagster_stack import DagsterStack
from mutations import Mutations, find_denial
from waiting import wait_for
from ways import FLATTEN, SENT, Definition, Launch, Way

from deepcoin_ops.orchestration import tags

KIND = "GraphQL mutation"
_RUN_LIMIT_S = 600.0
REPOSITORY = {"repositoryLocationName": "deepcoin_ops", "repositoryName": "__repository__"}
# What each does, so that one of a later Dagster is not tried before it was looked at.
LAUNCHES = {
    "launchRun",
    "launchPipelineExecution",
    "launchMultipleRuns",
    "launchRunReexecution",
    "launchPipelineReexecution",
}
BACKFILLS = {
    "launchPartitionBackfill",
    "resumePartitionBackfill",
    "reexecutePartitionBackfill",
    "cancelPartitionBackfill",
}
SWITCHES = {"startSchedule", "stopRunningSchedule", "resetSchedule", "startSensor", "stopSensor", "resetSensor"}
PREVIEWS = {"scheduleDryRun", "sensorDryRun"}
ENDS = {"terminateRun", "terminateRuns", "terminatePipelineExecution"}
LOADS = {"reloadRepositoryLocation", "reloadWorkspace"}
DENIED = {
    "reportRunlessAssetEvents",
    "reportAssetCheckEvaluations",
    "wipeAssets",
    "deleteRun",
    "deletePipelineRun",
    "setSensorCursor",
    "addDynamicPartition",
    "deleteDynamicPartitions",
    "setAppManagedComponent",
    "deleteAppManagedComponent",
    "refreshComponentState",
    "setAutoMaterializePaused",
    "setConcurrencyLimit",
    "deleteConcurrencyLimit",
    "freeConcurrencySlots",
    "freeConcurrencySlotsForRun",
    "shutdownRepositoryLocation",
}
NOT_TRIED = {
    "setNuxSeen": "notes in the home folder of the machine's user that a welcome was seen",
    "logTelemetry": "writes a line into a log of Dagster's own, and none while telemetry is off",
}
_FACTS = """{ repositoryOrError(repositorySelector: {
  repositoryLocationName: "deepcoin_ops", repositoryName: "__repository__" }) { ... on Repository {
    schedules { name scheduleState { id } } sensors { name sensorState { id } }
    assetNodes { assetKey { path } assetChecksOrError { ... on AssetChecks { checks { name } } } } } } }"""
TRIED = LAUNCHES | BACKFILLS | SWITCHES | PREVIEWS | ENDS | LOADS | DENIED


@dataclass(frozen=True)
class Facts:
    """What of a running Dagster the arguments name.

    Attributes:
        runs: Runs that have ended, by their id.
        backfill_id: A backfill that has ended.
        schedules: The state's id of each schedule, by its name.
        sensors: The same of the sensors.
        assets: The names of the assets.
        checks: Asset and name of each check.
        days: Trading days.
    """

    runs: Mapping[str, Launch]
    backfill_id: str
    schedules: Mapping[str, str]
    sensors: Mapping[str, str]
    assets: Sequence[str]
    checks: Sequence[tuple[str, str]]
    days: Sequence[str]


def build_flatten_config(account: str, **more: Any) -> dict[str, Any]:
    """The run config of a flatten."""
    return {"ops": {"plan_closes": {"config": {"account": account, **more}}}}


def list_times(now: datetime) -> list[float]:
    """Seconds since the epoch, past and future."""
    steps = (0, 60, 3600, 6 * 3600, 86_400, 7 * 86_400, 365 * 86_400, 3650 * 86_400)
    return [now.timestamp() + sign * step for step in steps for sign in (1, -1)]


def build_candidates(facts: Facts, account: str, now: datetime) -> dict[str, Any]:
    """Arguments by name and type; a launch flattens `account`.

    The names of the first candidates are chosen so that a mutation carried out with them would do something.
    """
    jobs = [FLATTEN, "plan_positions", "preflight", "check_credentials", "collect_evidence", "rebuild_day_tables"]
    others = [{"jobName": job} for job in (*jobs[1:], "__ASSET_JOB", "x")] + [{"pipelineName": job} for job in jobs[:2]]
    parts = [{"jobName": FLATTEN, "solidSelection": [each]} for each in ("plan_closes", "*issue_batch_closes", "x")]
    assets = [{"jobName": "__ASSET_JOB", "assetSelection": [{"path": [each]}]} for each in facts.assets[:2]]
    selectors = [REPOSITORY | each for each in ({"jobName": FLATTEN}, *others, *parts, *assets)]
    keys = [{"path": [each]} for each in (*facts.assets, "x")]
    times = [(now + sign * timedelta(days=1)).isoformat() for sign in (1, -1)] + ["x", f"{now:%Y-%m-%d}"]
    own_tags = [[{"key": tags.SCHEDULED_AT, "value": each}] for each in times]
    configs = [build_flatten_config(each) for each in ("mian", "", "x" * 10_000)]
    configs += [build_flatten_config(account, dry_run=True), build_flatten_config(account, instruments=["XRP-USD-SWAP"])]
    configs += [
        build_flatten_config(account) | {"resources": {"desk": {"config": {"base_url": "https://exchange.invalid"}}}}
    ]
    timed = build_params(account, times[0])
    controls = {"launchPipelineExecution": "second", "launchPipelineReexecution": "second", "launchMultipleRuns": "third"}
    launches = {f"{name}.executionParams": [timed, build_params(each)] for name, each in controls.items()}
    check = {"assetKey": keys[0], "checkName": facts.checks[0][1], "passed": True}
    return launches | {
        "launchMultipleRuns.executionParamsList": [[timed], [build_params("third")], [timed, timed], []],
        "launchRunReexecution.executionParams": [timed, build_params("second")],
        "scheduleDryRun+": {"timestamp": now.timestamp()},
        "sensorDryRun+": {"cursor": "x"},
        "ExecutionParams+": {"runConfigData": build_flatten_config(account), "mode": "default"},
        "JobOrPipelineSelector": selectors,
        "runConfigData": configs,
        "mode": ["x"],
        "preset": ["x"],
        "stepKeys": [["plan_closes"], ["issue_batch_closes"], ["verify_flat"], ["x"]],
        "executionMetadata": [{"tags": each} for each in own_tags],
        "extraTags": own_tags,
        "useParentRunTags": [False],
        "parentRunId": [*facts.runs, "x"],
        "reexecutePartitionBackfill.parentRunId": [facts.backfill_id],
        "runId": [*facts.runs, "x"],
        "runIds": [[*facts.runs], ["x"]],
        "backfillId": [facts.backfill_id, "x"],
        "ScheduleSelector": [REPOSITORY | {"scheduleName": each} for each in (*facts.schedules, "x")],
        "SensorSelector": [REPOSITORY | {"sensorName": each} for each in (*facts.sensors, "x")],
        "RepositorySelector": [REPOSITORY],
        "stopRunningSchedule.id": [*facts.schedules.values(), "x"],
        "stopSensor.id": [*facts.sensors.values(), "x"],
        "scheduleOriginId": ["x"],
        "scheduleSelectorId": ["x"],
        "jobOriginId": ["x"],
        "jobSelectorId": ["x"],
        "timestamp": list_times(now),
        "cursor": ["", "x", '{"ledger_id": "x", "seq": 0}', '{"seq": -1}', '{"seq": 99999999999}', "null", "[]"],
        "repositoryLocationName": ["deepcoin_ops", "x"],
        "locationName": ["deepcoin_ops", "x"],
        "assetKey": keys,
        "assetSelection": [[keys[0]], keys],
        "PartitionsByAssetSelector": [{"assetKey": keys[0]}],
        "partitionNames": [[facts.days[-1]], ["9999-12-31"], ["x"]],
        "launchPartitionBackfill.backfillParams": list(list_backfills(keys, facts.days, own_tags[0], jobs)),
        "reportAssetCheckEvaluations.eventParams": [
            check | {"assetKey": {"path": [a]}, "checkName": c} for a, c in facts.checks
        ],
        "paused": [True, False],
        "limit": [0, 1],
        "String": ["x"],
        "Boolean": [True, False],
    }


def list_backfills(
    keys: Sequence[Any], days: Sequence[str], own_tags: Any, jobs: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Backfills of assets, and of the partitions that a job has not."""
    yield {"assetSelection": [keys[0]], "partitionNames": [days[-1]]}
    yield {"assetSelection": [keys[0]], "partitionNames": [days[-1]], "tags": own_tags, "title": "x", "description": "x"}
    yield {"assetSelection": [keys[0]], "partitionNames": ["9999-12-31"], "forceSynchronousSubmission": True}
    yield {"assetSelection": [keys[0]], "partitionNames": [days[-1]], "runConfigData": build_flatten_config("kept")}
    for job in jobs:
        selector = {"partitionSetName": f"{job}_partition_set", "repositorySelector": REPOSITORY}
        is_tables = job == "rebuild_day_tables"
        yield {"selector": selector, "partitionNames": [days[-1] if not is_tables else "x"], "tags": own_tags}
        yield {
            "selector": selector,
            "partitionNames": ["x"],
            "reexecutionSteps": ["issue_batch_closes"],
            "fromFailure": True,
        }


def build_params(account: str, scheduled_at: str | None = None) -> dict[str, Any]:
    """The launch of a flatten, as the page asks for it."""
    timed = {"executionMetadata": {"tags": [{"key": tags.SCHEDULED_AT, "value": scheduled_at}]}} if scheduled_at else {}
    selector = REPOSITORY | {"jobName": FLATTEN}
    return {"selector": selector, "mode": "default", "runConfigData": build_flatten_config(account), **timed}


def list_parents(mutations: Mutations) -> list[tuple[Way, Launch]]:
    """A flatten, a plan and a flatten that names no account, to be executed again later."""
    launches = (Launch(FLATTEN, build_flatten_config("main")), Launch("plan_positions", {}), Launch(FLATTEN, {}))
    ways = []
    for launch in launches:
        selector = REPOSITORY | {"jobName": launch.job}
        params = {"selector": selector, "mode": "default", "runConfigData": launch.config}
        wanted = "main" if launch.config else None
        ways.append((_build_way(mutations, "launchRun", {"executionParams": params}, wanted), launch))
    return ways


def list_ways(mutations: Mutations, facts: Facts, definition: Definition, account: str) -> Iterator[list[Way]]:
    """The ways in through each mutation that is tried; each of them ends when the server has answered.

    Args:
        mutations: Of the web server.
        facts: What there is in it.
        definition: Which launch may send.
        account: The one that is named where nothing may be sent.
    """
    candidates = build_candidates(facts, account, datetime.now(UTC))
    for name in sorted(TRIED):
        variants = list(mutations.build_arguments(name, candidates))
        yield [_build_way(mutations, name, each, _find_wanted(each, facts, definition)) for each in variants]


def _build_way(mutations: Mutations, name: str, arguments: Mapping[str, Any], wanted: str | None) -> Way:
    def go() -> str:
        answer = mutations.try_with(name, arguments)
        return find_denial(answer) or str(answer)

    is_control = wanted is not None and arguments == _control(name, wanted)
    return Way(KIND, f"{name} {str(arguments)[:300]}", go, wanted, is_control)


def _control(name: str, account: str) -> Mapping[str, Any]:
    """The plainest launch by this mutation; what is executed again needs a run, and is no control."""
    params = build_params(account)
    forms = {"launchMultipleRuns": {"executionParamsList": [params]}}
    forms |= {each: {"executionParams": params} for each in ("launchRun", "launchPipelineExecution")}
    return forms.get(name, {})


def _find_wanted(arguments: Mapping[str, Any], facts: Facts, definition: Definition) -> str | None:
    """The account that a mutation may send for; each launches one flatten at most, or several for the same account."""
    asked = arguments.get("executionParamsList") or [arguments.get("executionParams")]
    again = arguments.get("reexecutionParams") or {}
    launches = [_read_launch(each) for each in asked if each]
    parent = facts.runs.get(again.get("parentRunId", ""))
    if parent is not None:
        launches.append(Launch(parent.job, parent.config, {**parent.tags, **_read_tags(again.get("extraTags"))}))
    wanted = {definition.find_wanted(each) for each in launches} - {None}
    return wanted.pop() if len(wanted) == 1 else None


def _read_launch(params: Mapping[str, Any]) -> Launch:
    selector = params["selector"]
    steps = [*(params.get("stepKeys") or []), *(selector.get("solidSelection") or [])]
    given = _read_tags((params.get("executionMetadata") or {}).get("tags"))
    return Launch(selector.get("jobName") or selector.get("pipelineName"), params.get("runConfigData") or {}, given, steps)


def _read_tags(given: Any) -> dict[str, str]:
    return {each["key"]: each["value"] for each in given or []}


def find_started(outcome: str) -> list[str]:
    """The ids of the runs that an answer says were started."""
    return re.findall(r"'runId': '([0-9a-f-]{36})'", outcome)


def wait_for_end(stack: DagsterStack, outcome: str) -> str:
    """What became of the runs and the backfill that an answer says were started, and whether one of them sent."""
    backfill = re.search(r"'backfillId': '(\w+)'", outcome)
    if backfill is not None:
        ended = wait_for("a backfill has ended", lambda: stack.page.find_backfill_end(backfill[1]), _RUN_LIMIT_S)
        outcome = f"{ended} {outcome}"
    for run_id in find_started(outcome):
        run = wait_for(f"run {run_id} has ended", lambda run_id=run_id: stack.page.find_end(run_id), _RUN_LIMIT_S)
        with stack.open_history() as history:
            attempts = history.read_attempts(run.tags.get(tags.TRADING_DAY, stack.trading_day))
        has_sent = any(each.flatten_id == run.tags.get(tags.FLATTEN_ID) for each in attempts)
        outcome = f"{run.status} {SENT if has_sent else ''} {outcome}"
    return outcome


def read_facts(stack: DagsterStack, runs: Mapping[str, Launch]) -> Facts:
    """What there is in a Dagster, with the runs that have ended; a backfill that failed is left in it."""
    found = stack.page.ask(_FACTS)
    states = {each["name"]: each for each in found["schedules"]}
    sensors = {each["name"]: each["sensorState"]["id"] for each in found["sensors"]}
    checks = [
        (each["assetKey"]["path"][0], check["name"])
        for each in found["assetNodes"]
        for check in each["assetChecksOrError"].get("checks", [])
    ]
    return Facts(
        runs,
        record_failed_backfill(stack),
        {name: each["scheduleState"]["id"] for name, each in states.items()},
        sensors,
        [each["assetKey"]["path"][0] for each in found["assetNodes"]],
        checks,
        [stack.trading_day],
    )


def record_failed_backfill(stack: DagsterStack) -> str:
    """Leave a backfill that failed in the instance, without the half minute in which a daemon finds one; its id."""
    failed = PartitionBackfill(
        backfill_id=make_new_backfill_id(),
        status=BulkActionStatus.FAILED,
        from_failure=False,
        tags={},
        backfill_timestamp=datetime.now(UTC).timestamp(),
    )
    with dg.DagsterInstance.from_config(stack.environ["DAGSTER_HOME"]) as instance:
        instance.add_backfill(failed)
    return failed.backfill_id
