"""Launches in this process, on the real jobs and resources: what a run worker does, without its process.

The queue, the web server and the daemon are not part of it; ways in that lead through those are tried on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from unittest import mock

import dagster as dg
import sqlalchemy as sa
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.repository_definition import RepositoryDefinition
from dagster._core.errors import DagsterError
from dagster._core.execution.api import execute_run
from dagster._core.storage.runs.schema import RunsTable
from ways import Launch

from deepcoin_ops.definitions import build_definitions
from deepcoin_ops.settings import load_settings


class LocalRuns:
    """The code location of a desk and an instance of its own.

    Attributes:
        repository: The jobs, schedules and sensors.
        instance: Where the runs are; it is gone with this object.
    """

    def __init__(self, repository: RepositoryDefinition, instance: dg.DagsterInstance):
        self.repository = repository
        self.instance = instance

    def launch(self, launch: Launch) -> str:
        """Execute a launch to its end: the status of the run, or why there is none, and what failed in it."""
        job: Any = self.repository.get_job(launch.job)
        if launch.steps:
            job = job.get_subset(op_selection=list(launch.steps))
        try:
            run = self.instance.create_run_for_job(job, run_config=dict(launch.config), tags=dict(launch.tags))
        except (DagsterError, dg.DagsterInvalidConfigError, ValueError) as error:
            return f"refused: {str(error)[:200]}"
        if launch.asked_at is not None:
            self._make_older(run.run_id, launch.asked_at)
        try:
            result = execute_run(InMemoryJob(job), run, self.instance, raise_on_error=False)
        except (DagsterError, ValueError) as error:
            return f"ended: {str(error)[:200]}"
        failures = [each.step_failure_data.user_failure_data for each in result.all_events if each.is_step_failure]
        found = next((each.description for each in failures if each is not None), "")
        return f"{'SUCCESS' if result.success else 'FAILURE'} {run.run_id} {str(found)[:200]}"

    def _make_older(self, run_id: str, asked_at: datetime) -> None:
        """Let a run have been asked for in the past, as one is that waited in the queue of a daemon that was away."""
        with self.instance.run_storage.connect() as database:  # type: ignore[attr-defined]
            of_run = sa.update(RunsTable).where(RunsTable.c.run_id == run_id)
            database.execute(of_run.values(create_timestamp=asked_at.replace(tzinfo=None)))


@contextmanager
def open_local_runs(variables: Mapping[str, str]) -> Iterator[LocalRuns]:
    """Load the code location in this process, with a desk's variables in its environment until the end."""
    with mock.patch.dict("os.environ", variables), dg.DagsterInstance.ephemeral() as instance:
        yield LocalRuns(build_definitions(settings=load_settings()).get_repository_def(), instance)
