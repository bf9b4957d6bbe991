"""The jobs that talk to the exchange; the one over the ledger is in `day_jobs`.

`flatten_positions` is the only one that can send, and it has no partitions: there is no closing yesterday.
"""

from __future__ import annotations

import dagster as dg

from deepcoin_ops.orchestration import tags
from deepcoin_ops.orchestration.check_ops import check_admission, check_keys
from deepcoin_ops.orchestration.evidence_ops import fetch_day_evidence
from deepcoin_ops.orchestration.ops import issue_batch_closes, plan_closes, show_plan, verify_flat
from deepcoin_ops.settings import Settings

# A page takes a second; a day with more than these is not one of a desk that flattens.
_EVIDENCE_RUN_TIME_S = 1800
# Each account takes at most a few timeouts; a preflight that takes longer than this comes too late anyway.
_CHECK_RUN_TIME_S = 540


def build_flatten_job(settings: Settings) -> dg.JobDefinition:
    """Flatten an account and prove it: three ops in one process, never retried, ended by force when far too long."""

    @dg.job(
        name="flatten_positions",
        description="Close every configured position of an account and prove it flat. Sends.",
        executor_def=dg.in_process_executor,
        tags={"dagster/max_retries": "0", "dagster/max_runtime": str(settings.max_run_time_s)},
    )
    def flatten_positions() -> None:
        verify_flat(issue_batch_closes(plan_closes()))

    return flatten_positions


@dg.job(
    description="Show what a flatten would close now, largest first. Only reads.",
    executor_def=dg.in_process_executor,
    tags={"dagster/max_retries": "0"},
)
def plan_positions() -> None:
    """Show the plan."""
    show_plan()


@dg.job(
    description="Ask the exchange what was closed and executed on a trading day, and record it. Only reads.",
    executor_def=dg.in_process_executor,
    tags={"dagster/max_retries": "0", "dagster/max_runtime": str(_EVIDENCE_RUN_TIME_S), tags.READS: "exchange"},
)
def collect_evidence() -> None:
    """Collect the evidence of a day."""
    fetch_day_evidence()


# Not among the runs that only read and wait for each other: it has to be through before the flatten begins.
_CHECK_TAGS = {"dagster/max_retries": "0", "dagster/max_runtime": str(_CHECK_RUN_TIME_S)}


@dg.job(
    description="Ask whether a flatten would be allowed to send, while there is time to act. Only reads.",
    executor_def=dg.in_process_executor,
    tags=_CHECK_TAGS,
)
def preflight() -> None:
    """Check what a flatten would be admitted by."""
    check_admission()


@dg.job(
    description="Ask whether the exchange still takes the keys, and whose they are. Only reads.",
    executor_def=dg.in_process_executor,
    tags=_CHECK_TAGS,
)
def check_credentials() -> None:
    """Check the keys."""
    check_keys()
