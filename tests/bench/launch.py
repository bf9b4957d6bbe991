"""From launching the flatten job to the first close at the exchange, taken apart.

Two launches are measured: `dagster job execute`, where one process does everything, and the way of the schedule, where the
run is queued, taken from the queue by the daemon and started in a process of its own. The parts come from what is written
down anyway: Dagster's event log, the ledger and the exchange's log of arrivals. All are stamped by this machine's clock.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from dagster import DagsterEventType, DagsterInstance, RunRecord

from deepcoin_ops.instance import find_in_checkout, prepare_instance
from deepcoin_ops.ledger.journal import Ledger
from tests.bench.stage import ACCOUNT, FLATTEN_JOB, BenchFailed, Stage, open_stage, run_flatten_job, run_measured

OPEN = 3
CONFIGURED = 12
# The controller says this once the snapshot and the market data are there and the plan is made.
_PLANNED = "instruments open:"
_QUEUE_DAEMON = "QUEUED_RUN_COORDINATOR"
_PATIENCE_S = 120.0
_POLL_S = 0.1


@dataclass(frozen=True)
class Launch:
    """One launch: its parts in order, in seconds. They add up to the whole."""

    parts_s: dict[str, float]

    @property
    def total_s(self) -> float:
        """From the launch to the first close's arrival."""
        return sum(self.parts_s.values())


@dataclass(frozen=True)
class _Mark:
    """The end of a part: its name and when it was over, in seconds since the epoch."""

    part: str
    at_s: float


def measure_direct_launch(period_s: float) -> Launch:
    """`dagster job execute`, from the start of its process.

    Ledger and Dagster's storage exist before it, as on any day but the first.

    Raises:
        BenchFailed: The run did not succeed, or did not leave what the parts are taken from.
    """
    with open_stage(OPEN, period_s, CONFIGURED) as stage, _open_instance(stage) as instance:
        launched_s = time.time()
        run_flatten_job(stage)
        run = _read_run(instance)
        begins = _Mark("", launched_s)
        created = _Mark("process start, imports, definitions", run.create_timestamp.timestamp())
        return _take_apart([begins, created, *_read_run_marks(stage, instance, run, "start of the run")])


def measure_queued_launch(period_s: float) -> Launch:
    """A run that waits in the queue of a running daemon, as the schedule's does, from its entry into the queue.

    Raises:
        BenchFailed: As above; or the daemon did not come up, or did not run it.
    """
    with open_stage(OPEN, period_s, CONFIGURED) as stage, _open_instance(stage) as instance, _running_daemon(stage):
        _wait_for("the queue's daemon", lambda: _QUEUE_DAEMON in instance.get_daemon_heartbeats())
        workspace = str(find_in_checkout("workspace.yaml"))
        run_measured(stage, "dagster._cli:main", "job", "launch", "-w", workspace, "-j", FLATTEN_JOB)
        _wait_for("the end of the run", lambda: _read_run(instance).dagster_run.is_finished)
        run = _read_run(instance)
        if not run.dagster_run.is_success:
            raise BenchFailed(f"the queued run ended as {run.dagster_run.status.value}")
        begins = _Mark("", _read_event_s(instance, run, DagsterEventType.RUN_ENQUEUED))
        dequeued = _Mark("in the queue", _read_event_s(instance, run, DagsterEventType.RUN_STARTING))
        return _take_apart([begins, dequeued, *_read_run_marks(stage, instance, run, "process start, imports")])


def _take_apart(marks: list[_Mark]) -> Launch:
    return Launch({ends.part: ends.at_s - begins.at_s for begins, ends in pairwise(marks)})


def _read_run_marks(stage: Stage, instance: DagsterInstance, run: RunRecord, to_run_start: str) -> list[_Mark]:
    """The marks that every launch has, in order."""
    arrivals = stage.paper.arrivals()
    first_close = next(arrival for arrival in arrivals if arrival.method == "POST")
    intent_s = _read_first_intent_s(stage)
    return [
        _Mark(to_run_start, _read_event_s(instance, run, DagsterEventType.RUN_START)),
        _Mark("run start to first op", _read_event_s(instance, run, DagsterEventType.STEP_START, "plan_closes")),
        _Mark("plan_closes", _read_event_s(instance, run, DagsterEventType.STEP_START, "issue_batch_closes")),
        _Mark("account lock, first request", datetime.fromisoformat(arrivals[0].arrived_at).timestamp()),
        # The line is stamped by another thread than the one that goes on to send, so it can be a moment late.
        _Mark("snapshot: positions, instruments, prices", min(intent_s, _read_planned_s(instance, run))),
        _Mark("wait for the slot", intent_s),
        _Mark("intent into the ledger, send", datetime.fromisoformat(first_close.arrived_at).timestamp()),
    ]


def _read_event_s(instance: DagsterInstance, run: RunRecord, kind: DagsterEventType, step: str | None = None) -> float:
    for entry in instance.all_logs(run.dagster_run.run_id, of_type=kind):
        if step in (None, entry.step_key):
            return entry.timestamp
    raise BenchFailed(f"Dagster's event log has no {kind.value} of {step or 'the run'}")


def _read_planned_s(instance: DagsterInstance, run: RunRecord) -> float:
    for entry in instance.all_logs(run.dagster_run.run_id):
        if _PLANNED in entry.user_message:
            return entry.timestamp
    raise BenchFailed(f"the run's log has no line with {_PLANNED!r}")


def _read_first_intent_s(stage: Stage) -> float:
    with Ledger.open(stage.settings.ledger_path, stage.settings.venue) as ledger:
        record = ledger.read_last_flatten(ACCOUNT)
        attempts = ledger.read_attempts(record.request.trading_day) if record else []
    if not attempts:
        raise BenchFailed("the ledger has no intent")
    return attempts[0].intent_at.timestamp()


def _read_run(instance: DagsterInstance) -> RunRecord:
    for run in instance.get_run_records():
        if run.dagster_run.job_name == FLATTEN_JOB:
            return run
    raise BenchFailed(f"Dagster knows no run of {FLATTEN_JOB}")


@contextmanager
def _open_instance(stage: Stage) -> Iterator[DagsterInstance]:
    """Dagster's storage and the ledger, made before anything is measured."""
    Ledger.open(stage.settings.ledger_path, stage.settings.venue).close()
    with DagsterInstance.from_config(str(prepare_instance(stage.settings))) as instance:
        instance.get_run_records(limit=1)
        yield instance


@contextmanager
def _running_daemon(stage: Stage) -> Iterator[None]:
    """Dagster's daemon with its code server, ended by its process id."""
    command = [sys.executable, "-m", "dagster._daemon", "run", "-w", str(find_in_checkout("workspace.yaml"))]
    with (stage.folder / "daemon.log").open("wb") as told:
        daemon = subprocess.Popen(
            command, env=stage.environ, cwd=stage.folder, stdout=told, stderr=told, start_new_session=True
        )
        try:
            yield
        finally:
            daemon.send_signal(signal.SIGINT)
            daemon.wait(_PATIENCE_S)
            # Its code server would notice only after 20 s, and write into a folder that is gone by then.
            _end_group(daemon.pid)


def _end_group(group: int) -> None:
    """End what is left of a process group, and wait for that."""
    try:
        os.killpg(group, signal.SIGTERM)
    except ProcessLookupError:
        return
    _wait_for("the end of the daemon's processes", lambda: not _has_processes(group))


def _has_processes(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _wait_for(what: str, is_there: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + _PATIENCE_S
    while not is_there():
        if time.monotonic() > ends_s:
            raise BenchFailed(f"{what} did not come within {_PATIENCE_S:.0f} s")
        time.sleep(_POLL_S)
