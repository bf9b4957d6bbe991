"""What a person does and sees in Dagster's web page, through the same GraphQL. Knows jobs and runs, nothing of closes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

import requests
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from waiting import LIMIT_S, wait_for

_LOCATION, _REPOSITORY = "deepcoin_ops", "__repository__"
_ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
_REQUEST_LIMIT_S = 60.0
_CHECKS_SHOWN = 2000
_TICK_ENDS_S = 2.0

_RUN = """query($id: ID!) { runOrError(runId: $id) { __typename ... on Run {
  status creationTime startTime endTime tags { key value }
  eventConnection { events { __typename
    ... on MessageEvent { message stepKey eventType }
    ... on ExecutionStepFailureEvent { failureMetadata { description } }
  } } } } }"""
_RUNS = "query($filter: RunsFilter) { runsOrError(filter: $filter) { ... on Runs { results { runId } } } }"
_METADATA = """metadataEntries { label __typename
    ... on IntMetadataEntry { intValue } ... on FloatMetadataEntry { floatValue } ... on TextMetadataEntry { text }
    ... on MarkdownMetadataEntry { mdStr } ... on JsonMetadataEntry { jsonString } ... on BoolMetadataEntry { boolValue }
  }"""
_MATERIALISATIONS = f"""query($key: AssetKeyInput!, $days: [String!]) {{ assetOrError(assetKey: $key) {{ ... on Asset {{
  assetMaterializations(partitions: $days) {{ runId partition {_METADATA} }} }} }} }}"""
_CHECK_EXECUTIONS = f"""query($key: AssetKeyInput!, $check: String!, $limit: Int!) {{
  assetCheckExecutions(assetKey: $key, checkName: $check, limit: $limit) {{
    runId evaluation {{ success {_METADATA} }} }} }}"""
_LAUNCH = """mutation($launch: ExecutionParams!) { launchRun(executionParams: $launch) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } } }"""
_REEXECUTE = """mutation($parameters: ReexecutionParams!) { launchRunReexecution(reexecutionParams: $parameters) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
_REEXECUTE_STEPS = """mutation($launch: ExecutionParams!) { launchRunReexecution(executionParams: $launch) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
_TERMINATE = """mutation($id: String!) { terminateRun(runId: $id, terminatePolicy: SAFE_TERMINATE) { __typename
  ... on TerminateRunFailure { message } ... on PythonError { message } } }"""
_START_SCHEDULE = """mutation($schedule: ScheduleSelector!) { startSchedule(scheduleSelector: $schedule) { __typename
  ... on PythonError { message } } }"""
_TICKS = """query($schedule: ScheduleSelector!) { scheduleOrError(scheduleSelector: $schedule) { ... on Schedule {
  scheduleState { ticks(limit: 20) { status skipReason } } } } }"""
_SENSOR = """query($sensor: SensorSelector!) { sensorOrError(sensorSelector: $sensor) { ... on Sensor {
  sensorState { id status } } } }"""
_START_SENSOR = """mutation($sensor: SensorSelector!) { startSensor(sensorSelector: $sensor) { __typename
  ... on PythonError { message } } }"""
_STOP_SENSOR = """mutation($id: String!) { stopSensor(id: $id) { __typename ... on PythonError { message } } }"""
_BACKFILL = """mutation($parameters: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $parameters) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
_BACKFILL_STATUS = """query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill {
  status } } }"""
_BADGES = """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode { assetChecksOrError {
  ... on AssetChecks { checks { name executionForLatestMaterialization { status } } } } } } }"""
_LOADED = """{ workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError { __typename
  ... on PythonError { message } } } } } }"""
_DAEMONS = "{ instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } } }"


@dataclass(frozen=True)
class Run:
    """One run: how it ended, its tags, and what its steps said.

    Attributes:
        created_s: When it was asked for, in seconds since the epoch.
        started_s: When it began, or None.
        ended_s: When it ended, or None.
    """

    run_id: str
    status: str
    tags: Mapping[str, str]
    events: Sequence[Mapping[str, Any]]
    created_s: float
    started_s: float | None
    ended_s: float | None

    @property
    def failure(self) -> str:
        """The message of the step that failed, as the page shows it first; without one, what the run's engine said last."""
        told = (e["failureMetadata"]["description"] for e in self.events if e.get("failureMetadata"))
        return next(told, None) or next((e["message"] for e in reversed(self.events) if e.get("message")), "nothing")

    @property
    def worker_pid(self) -> int | None:
        """The process id of the run's worker, once it has been started."""
        found = [re.search(r"Started process for run \(pid: (\d+)\)", event.get("message") or "") for event in self.events]
        return next((int(match[1]) for match in found if match), None)

    @property
    def executed_steps(self) -> list[str]:
        """The steps that were started, in order."""
        return [event["stepKey"] for event in self.events if event.get("eventType") == "STEP_START"]


@dataclass(frozen=True)
class Materialisation:
    """One materialisation of one partition, with its metadata as plain values."""

    run_id: str
    partition: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class CheckExecution:
    """One result of a check, with its metadata as plain values."""

    run_id: str
    is_passed: bool
    metadata: Mapping[str, Any]


class DagsterPage:
    """A client of one web server.

    Args:
        url: Where it listens.
    """

    def __init__(self, url: str):
        self.url = url
        self._http = requests.Session()
        self._http.trust_env = False

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def ask(self, query: str, **variables: Any) -> Any:
        """Send one GraphQL request; its only answer.

        Raises:
            AssertionError: The server found the request itself wrong.
        """
        told = self._http.post(
            f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=_REQUEST_LIMIT_S
        ).json()
        assert not told.get("errors"), told
        [answer] = told["data"].values()
        return answer

    def is_loaded(self) -> bool:
        """Whether the server answers and has loaded the code location.

        Raises:
            AssertionError: The location cannot be loaded.
        """
        try:
            entries = self.ask(_LOADED)["locationEntries"]
        except requests.ConnectionError:
            return False
        states = [entry["locationOrLoadError"] for entry in entries if entry["name"] == _LOCATION]
        assert all(state is None or state["__typename"] == "RepositoryLocation" for state in states), states
        return any(states)

    def are_daemons_healthy(self) -> bool:
        """Whether every daemon that this instance needs is at work."""
        statuses = self.ask(_DAEMONS)["daemonHealth"]["allDaemonStatuses"]
        return all(status["healthy"] for status in statuses if status["required"])

    def launch_flatten(self, account: str) -> str:
        """Launch `flatten_positions` by hand for an account; the run's id."""
        config = {"ops": {"plan_closes": {"config": {"account": account}}}}
        return _run_id(self.ask(_LAUNCH, launch=_execution("flatten_positions", config)))

    def launch(self, job: str, config: Mapping[str, Any]) -> tuple[str, str]:
        """Launch a job with edited run config; "" and the run's id, or what was wrong with the config and ""."""
        answer = self.ask(_LAUNCH, launch=_execution(job, config))
        if answer["__typename"] == "RunConfigValidationInvalid":
            return "; ".join(error["message"] for error in answer["errors"]), ""
        return "", _run_id(answer)

    def launch_rebuild(self, first_day: str, last_day: str | None = None) -> str:
        """Launch `rebuild_day_tables` for a day, or for several in one run; the run's id."""
        days = {ASSET_PARTITION_RANGE_START_TAG: first_day, ASSET_PARTITION_RANGE_END_TAG: last_day or first_day}
        metadata = {"tags": [{"key": key, "value": value} for key, value in days.items()]}
        launch = _execution("rebuild_day_tables", {}) | {"executionMetadata": metadata}
        return _run_id(self.ask(_LAUNCH, launch=launch))

    def reexecute(self, run_id: str, strategy: str) -> str:
        """Press "Re-execute" with the strategy `ALL_STEPS` or `FROM_FAILURE`; the new run's id."""
        return _run_id(self.ask(_REEXECUTE, parameters={"parentRunId": run_id, "strategy": strategy}))

    def reexecute_step(self, run_id: str, job: str, step: str) -> str:
        """Re-execute one selected step of a run; the new run's id."""
        parentage = {"parentRunId": run_id, "rootRunId": run_id}
        launch = _execution(job, {}) | {"stepKeys": [step], "executionMetadata": parentage}
        return _run_id(self.ask(_REEXECUTE_STEPS, launch=launch))

    def terminate(self, run_id: str) -> None:
        """Press "Terminate"."""
        answer = self.ask(_TERMINATE, id=run_id)
        assert answer["__typename"] == "TerminateRunSuccess", answer

    def start_schedule(self, name: str) -> None:
        """Switch a schedule on."""
        schedule = {"repositoryLocationName": _LOCATION, "repositoryName": _REPOSITORY, "scheduleName": name}
        answer = self.ask(_START_SCHEDULE, schedule=schedule)
        assert answer["__typename"] == "ScheduleStateResult", answer

    def list_ticks(self, schedule: str) -> list[tuple[str, str | None]]:
        """How each tick of a schedule ended and why it was skipped, newest first."""
        selector = {"repositoryLocationName": _LOCATION, "repositoryName": _REPOSITORY, "scheduleName": schedule}
        told = self.ask(_TICKS, schedule=selector)["scheduleState"]["ticks"]
        return [(tick["status"], tick["skipReason"]) for tick in told]

    def start_sensor(self, name: str) -> None:
        """Switch a sensor on."""
        answer = self.ask(_START_SENSOR, sensor=_sensor(name))
        assert answer["__typename"] == "Sensor", answer

    def stop_sensor(self, name: str) -> None:
        """Switch a sensor off; again, if a tick that was under way has written its old state back."""

        def is_off() -> bool:
            answer = self.ask(_STOP_SENSOR, id=self._read_sensor(name)["id"])
            assert answer["__typename"] == "StopSensorMutationResult", answer
            Event().wait(_TICK_ENDS_S)
            return bool(self._read_sensor(name)["status"] == "STOPPED")

        wait_for(f"sensor {name} is off", is_off)

    def _read_sensor(self, name: str) -> Mapping[str, str]:
        state: Mapping[str, str] = self.ask(_SENSOR, sensor=_sensor(name))["sensorState"]
        return state

    def backfill(self, assets: Sequence[str], trading_days: Sequence[str], limit_s: float = LIMIT_S) -> list[Run]:
        """Launch a backfill of these assets and days and wait until it has succeeded; its runs, newest first."""
        selection = [{"path": [name]} for name in assets]
        answer = self.ask(_BACKFILL, parameters={"assetSelection": selection, "partitionNames": list(trading_days)})
        assert answer["__typename"] == "LaunchBackfillSuccess", answer

        status = wait_for("the backfill has ended", lambda: self.find_backfill_end(answer["backfillId"]), limit_s)
        assert status == "COMPLETED_SUCCESS"
        of_backfill = {"tags": [{"key": "dagster/backfill", "value": answer["backfillId"]}]}
        return [self.fetch_run(run["runId"]) for run in self.ask(_RUNS, filter=of_backfill)["results"]]

    def find_backfill_end(self, backfill_id: str) -> str | None:
        """How a backfill has ended; None while it is at work."""
        status: str = self.ask(_BACKFILL_STATUS, id=backfill_id)["status"]
        return status if status.startswith(("COMPLETED", "FAILED", "CANCELED")) else None

    def list_check_badges(self, asset: str) -> dict[str, str | None]:
        """What the asset's page shows beside each of its checks: how it ended last; None where it never ran."""
        checks = self.ask(_BADGES, key={"path": [asset]})["assetChecksOrError"]["checks"]
        last = {check["name"]: check["executionForLatestMaterialization"] for check in checks}
        return {name: execution and execution["status"] for name, execution in last.items()}

    def fetch_run(self, run_id: str) -> Run:
        """One run as it is now."""
        told = self.ask(_RUN, id=run_id)
        assert told["__typename"] == "Run", told
        times = told["creationTime"], told["startTime"], told["endTime"]
        return Run(run_id, told["status"], _tags(told), told["eventConnection"]["events"], *times)

    def find_end(self, run_id: str) -> Run | None:
        """One run that has ended; None while it has not."""
        run = self.fetch_run(run_id)
        return run if run.status in _ENDED else None

    def wait_for_end(self, run_id: str) -> Run:
        """One run, once it has ended."""
        return wait_for(f"run {run_id} has ended", lambda: self.find_end(run_id))

    def list_runs(self, job: str) -> list[str]:
        """The ids of a job's runs, newest first."""
        return [run["runId"] for run in self.ask(_RUNS, filter={"pipelineName": job})["results"]]

    def list_materialisations(self, asset: str, trading_days: Sequence[str]) -> list[Materialisation]:
        """What was reported of an asset's partitions, newest first."""
        told = self.ask(_MATERIALISATIONS, key={"path": [asset]}, days=list(trading_days))
        return [
            Materialisation(each["runId"], each["partition"], _metadata(each))
            for each in told.get("assetMaterializations", [])
        ]

    def list_check_executions(self, asset: str, check: str) -> list[CheckExecution]:
        """The results of a check of an asset, newest first; executions that are planned and have none yet are left out."""
        told = self.ask(_CHECK_EXECUTIONS, key={"path": [asset]}, check=check, limit=_CHECKS_SHOWN)
        return [
            CheckExecution(each["runId"], each["evaluation"]["success"], _metadata(each["evaluation"]))
            for each in told
            if each["evaluation"]
        ]


def _execution(job: str, config: Mapping[str, Any]) -> dict[str, Any]:
    selector = {"repositoryLocationName": _LOCATION, "repositoryName": _REPOSITORY, "jobName": job}
    return {"selector": selector, "mode": "default", "runConfigData": config}


def _sensor(name: str) -> dict[str, str]:
    return {"repositoryLocationName": _LOCATION, "repositoryName": _REPOSITORY, "sensorName": name}


def _tags(told: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in told["tags"]}


def _run_id(answer: Mapping[str, Any]) -> str:
    assert answer["__typename"] == "LaunchRunSuccess", answer
    run_id: str = answer["run"]["runId"]
    return run_id


def _metadata(told: Mapping[str, Any]) -> dict[str, Any]:
    return {entry["label"]: _value(entry) for entry in told["metadataEntries"]}


def _value(entry: Mapping[str, Any]) -> Any:
    if "jsonString" in entry:
        return json.loads(entry["jsonString"])
    return next((value for key, value in entry.items() if key not in ("label", "__typename")), None)
