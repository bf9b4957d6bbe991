"""What the jobs are, before anybody runs them: one sends, it has no partitions, and nothing retries it."""

from __future__ import annotations

import pytest

from deepcoin_ops.definitions import build_definitions
from deepcoin_ops.settings import Settings


def test_the_flatten_job_has_no_partitions(settings: Settings) -> None:
    """There is no way of asking it to close yesterday."""
    assert build_definitions(settings=settings).resolve_job_def("flatten_positions").partitions_def is None


@pytest.mark.parametrize("name", ["flatten_positions", "plan_positions", "collect_evidence"])
def test_no_op_near_a_send_has_a_retry_policy(settings: Settings, name: str) -> None:
    """A policy turns Terminate into a second flatten from the start."""
    job = build_definitions(settings=settings).resolve_job_def(name)
    policies = [job.get_retry_policy_for_handle(handle) for handle in job.graph.iterate_node_handles()]
    assert policies == [None] * len(job.nodes)
    assert job.tags["dagster/max_retries"] == "0"


def test_a_run_is_ended_only_after_everything_it_may_wait_for(settings: Settings) -> None:
    """Late tick, account lock, closing and proof: shorter than their sum, a healthy flatten would be cut off."""
    job = build_definitions(settings=settings).resolve_job_def("flatten_positions")
    schedule, limits = settings.schedule, settings.flatten
    least_s = schedule.max_lateness_s + limits.lock_wait_s + limits.max_deadline_s
    assert int(job.tags["dagster/max_runtime"]) > least_s
