"""A year's backfill, launched through the web server as the page does and worked off by the daemon.

The past is made of flattens that really ran on a paper exchange and are told again on the days of the year, each kind of
evening in turn and a day on which nobody flattened. What the page shows of each day is held against files and ledger.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from deepcoin_ops.domain.tables import TABLES
from deepcoin_ops.orchestration.reports import FLATTEN_REPORT
from tests.bench.stage import BenchFailed, open_folder

# As pytest does it: what the tests of a running Dagster stand on imports its own parts by these names.
sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

from dagster_page import Run
from dagster_stack import DagsterStack, build_scenario, build_settings_text, run_dagster
from evenings import record_evenings, replay_past
from process_usage import Usage, watch_usage

DAYS, QUICK_DAYS = 365, 30
_ACCOUNTS = ("main", "hedge")
_ASSETS = (*(table.name for table in TABLES), FLATTEN_REPORT)
_LIMIT_S = 3600.0


@dataclass(frozen=True)
class Backfill:
    """What one backfill took, and what came of it.

    Attributes:
        days: Trading days.
        assets: Assets of each day.
        accounts: Accounts that were flattened on each day.
        runs: Runs launched.
        waited_s: From the launch to the first run.
        worked_s: From the first run to the end of the last one.
        worker_cpu_s: Processor time of all run workers together; None where the kernel does not tell. Unlike the seconds
            above it hangs little on what else the machine does.
        worker_peak_mib: Peak resident memory of the largest run worker; None where the kernel does not tell.
        daemon_peak_mib: Of the largest of the daemon's other processes.
        checked: Days of assets whose metadata were held against file and ledger.
        untrue: Those of them that said something else, or were missing.
        requests: Requests of any kind that reached the exchange.
        sending_requests: Those of them that could have changed something.
    """

    days: int
    assets: int
    accounts: int
    runs: int
    waited_s: float
    worked_s: float
    worker_cpu_s: float | None
    worker_peak_mib: float | None
    daemon_peak_mib: float | None
    checked: int
    untrue: int
    requests: int
    sending_requests: int

    @property
    def days_per_s(self) -> float:
        """Days rebuilt in a second of work, all their assets and checks included."""
        return self.days / self.worked_s


def measure_backfill(days: int, say: Callable[[str], None]) -> Backfill:
    """Record the evenings, fill the past with them, and backfill it.

    Args:
        days: How many trading days.
        say: Told what is being measured.

    Raises:
        BenchFailed: Dagster did not come up, or the backfill did not succeed.
    """
    say(f"backfill of {days} days")
    with open_folder() as folder:
        evenings = record_evenings(folder)
        settings_text = build_settings_text(_ACCOUNTS, past_days=days + 1)
        try:
            with run_dagster(folder, settings_text, build_scenario(_ACCOUNTS)) as stack:
                stack.page.stop_sensor("ledger_moved")
                kinds = replay_past(stack.settings, evenings, stack.trading_day, days)
                with watch_usage(stack.groups) as usage:
                    launched_s = time.time()
                    runs = stack.page.backfill(_ASSETS, list(kinds), _LIMIT_S)
                return _judge(stack, list(kinds), runs, launched_s, usage)
        except AssertionError as error:
            raise BenchFailed(f"backfill: {error}") from error


def _judge(
    stack: DagsterStack, days: Sequence[str], runs: Sequence[Run], launched_s: float, usage: Mapping[int, Usage]
) -> Backfill:
    begun_s, ended_s = min(run.created_s for run in runs), max(run.ended_s or 0.0 for run in runs)
    pids = {run.worker_pid for run in runs}
    workers = [used for pid, used in usage.items() if pid in pids]
    others = [used.peak_mib for pid, used in usage.items() if pid not in pids]
    arrivals = stack.paper.arrivals()
    return Backfill(
        days=len(days),
        assets=len(_ASSETS),
        accounts=len(_ACCOUNTS),
        runs=len(runs),
        waited_s=begun_s - launched_s,
        worked_s=ended_s - begun_s,
        worker_cpu_s=sum(used.cpu_s for used in workers) if workers else None,
        worker_peak_mib=max((used.peak_mib for used in workers), default=None),
        daemon_peak_mib=max(others, default=None),
        checked=len(days) * len(_ASSETS),
        untrue=sum(_count_untrue(stack, asset, days) for asset in _ASSETS),
        requests=len(arrivals),
        sending_requests=sum(arrival.method != "GET" for arrival in arrivals),
    )


def _count_untrue(stack: DagsterStack, asset: str, days: Sequence[str]) -> int:
    """The days of an asset whose metadata are missing, or not what the file and the ledger say."""
    shown = {each.partition: each.metadata for each in stack.page.list_materialisations(asset, days)}
    untrue = 0
    with stack.open_history() as history:
        for day in days:
            metadata, head = shown.get(day), history.read_head(day)
            is_true = (
                metadata is not None
                and metadata["ledger_head_seq"] == (head.seq if head else 0)
                and metadata["flatten_runs"] == len(history.read_flattens(day))
                and Path(metadata["path"]).is_file()
                and metadata.get("row_count") in (None, _count_rows(Path(metadata["path"])))
            )
            untrue += not is_true
    return untrue


def _count_rows(path: Path) -> int | None:
    return int(pq.read_metadata(path).num_rows) if path.suffix == ".parquet" else None
