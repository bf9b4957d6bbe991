"""The day's tables follow the ledger, however a flatten ended and whoever launched it: a real daemon, a real web server."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from functools import partial

import pandas as pd
import pytest
from dagster_stack import BIN, DagsterStack, build_scenario, build_settings_text, run_dagster
from flatten_lab import stubborn
from waiting import stays, wait_for

from deepcoin_ops.domain.model import FlattenResult, Outcome
from deepcoin_ops.paper.faults import Fault, FaultAction

ACCOUNTS = ("plain", "stubborn", "interrupted", "signalled", "switched", "outside", "killed")
TABLES = ("close_attempts", "close_errors")
IN_FLIGHT = 3
FAULTS = (
    *stubborn("BTC-USDT-SWAP", account="stubborn"),
    *(Fault(FaultAction.DELAY, account=name, call=None, delay_s=5.0) for name in ("interrupted", "signalled", "switched")),
    Fault(FaultAction.DELAY, account="killed", call=2, delay_s=60.0),
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterStack]:
    """One Dagster for all tests here; each has an account of its own."""
    folder = tmp_path_factory.mktemp("dagster-tables")
    with run_dagster(folder, build_settings_text(ACCOUNTS), build_scenario(ACCOUNTS, FAULTS)) as running:
        yield running


def read_tables(stack: DagsterStack, account: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The account's rows of both of today's tables, once they have been built from all that is in the ledger now."""
    with stack.open_history() as history:
        head = history.read_head(stack.trading_day)
    assert head is not None

    def read(table: str) -> pd.DataFrame | None:
        for shown in stack.page.list_materialisations(table, [stack.trading_day]):
            if shown.metadata["ledger_head_seq"] >= head.seq:
                assert shown.metadata["ledger_head_hashes"][account] == head.hashes[account]
                frame = pd.read_parquet(shown.metadata["path"])
                return frame[frame["account"] == account]
        return None

    attempts, errors = (wait_for(f"{name} of ledger head {head.seq}", partial(read, name)) for name in TABLES)
    return attempts, errors


def test_a_flatten_that_succeeded_brings_its_tables_and_a_report_on_the_ledger(stack: DagsterStack) -> None:
    """The normal evening: nobody materialises anything, and the day's tables are there with a zero-row error table."""
    run = stack.page.wait_for_end(stack.page.launch_flatten("plain"))
    assert run.status == "SUCCESS"
    assert stack.truly_open("plain") == set()
    attempts, errors = read_tables(stack, "plain")
    assert list(attempts["instrument_id"]) == stack.close_arrivals("plain")
    assert set(attempts["outcome"]) == {"ACCEPTED"}
    assert len(errors) == 0
    [newest, *_] = stack.page.list_materialisations("close_attempts", [stack.trading_day])
    assert newest.metadata["row_count"] == newest.metadata["dagster/partition_row_count"] == len(attempts)
    assert newest.metadata["flatten_results"] == ["FLAT"]
    assert newest.partition == stack.trading_day
    [report, *_] = stack.page.list_materialisations("close_ledger", [stack.trading_day])
    assert report.metadata["ledger_head_seq"] == newest.metadata["ledger_head_seq"]


def test_a_flatten_that_failed_names_what_is_left_first_and_brings_its_tables(stack: DagsterStack) -> None:
    """The bad evening is the one whose tables are needed."""
    run = stack.page.wait_for_end(stack.page.launch_flatten("stubborn"))
    assert run.status == "FAILURE"
    assert run.failure.startswith("BTC-USDT-SWAP RESIDUAL: long 100 still open")
    assert run.tags["deepcoin_ops/result"] == "NOT_FLAT"
    attempts, errors = read_tables(stack, "stubborn")
    assert stack.truly_open("stubborn") == {"BTC-USDT-SWAP"}
    assert sorted(attempts["outcome"]) == ["ACCEPTED"] * 3 + ["PARTIAL"] * 2
    assert list(errors["instrument_id"]) == ["BTC-USDT-SWAP"] * 2
    assert list(errors["error_code"]) == ["51020"] * 2


def launch_with_answers_outstanding(stack: DagsterStack, account: str) -> str:
    """Launch a flatten and wait until as many closes are out as may be; its run."""
    run_id = stack.page.launch_flatten(account)
    wait_for("as many closes are out as may be", lambda: len(stack.close_arrivals(account)) == IN_FLIGHT)
    return run_id


def check_stopped(stack: DagsterStack, account: str, run_id: str) -> str:
    """Nothing more was sent, no answer was lost, and what is left is on record; the closing row's reason."""
    assert len(stays(lambda: stack.close_arrivals(account), for_s=10.0)) == IN_FLIGHT
    [flatten] = stack.read_flattens(account)
    outcomes = [attempt.outcome for attempt in stack.read_attempts(flatten.request.flatten_id) if attempt.sent_at]
    assert outcomes == [Outcome.ACCEPTED] * IN_FLIGHT
    assert flatten.closing is not None
    assert flatten.closing.result is FlattenResult.NOT_FLAT
    assert stack.page.fetch_run(run_id).tags["deepcoin_ops/result"] == "NOT_FLAT"
    with stack.open_history() as history:
        left = {
            each.instrument_id for each in history.read_verdicts(flatten.request.flatten_id) if not each.verdict.is_flat
        }
    assert left == stack.truly_open(account)
    assert left
    return flatten.closing.reason


def test_terminate_awaits_and_records_answers_sends_nothing_more_and_brings_its_tables(stack: DagsterStack) -> None:
    """Terminate in the page, with answers five seconds away: no answer may be lost, and nothing more may be sent."""
    run_id = launch_with_answers_outstanding(stack, "interrupted")
    stack.page.terminate(run_id)
    assert stack.page.wait_for_end(run_id).status == "CANCELED"
    assert check_stopped(stack, "interrupted", run_id).startswith("interrupted")
    attempts, errors = read_tables(stack, "interrupted")
    assert list(attempts["outcome"]) == ["ACCEPTED"] * IN_FLIGHT
    assert len(errors) == 0


def test_a_signal_to_the_worker_of_a_run_ends_it_like_terminate(stack: DagsterStack) -> None:
    """A machine that shuts down, or a cluster that drains a node, asks the process itself to end."""
    run_id = launch_with_answers_outstanding(stack, "signalled")
    worker = stack.page.fetch_run(run_id).worker_pid
    assert worker is not None
    os.kill(worker, signal.SIGTERM)
    assert stack.page.wait_for_end(run_id).status in ("CANCELED", "FAILURE")
    assert check_stopped(stack, "signalled", run_id).startswith("interrupted")


def test_a_kill_switch_put_on_during_a_run_fails_it_naming_what_is_left(stack: DagsterStack) -> None:
    """Whoever has no page to terminate in has a shell: a file is enough, and the page shows what became of it."""
    run_id = launch_with_answers_outstanding(stack, "switched")
    command = [BIN / "deepcoin-ops", "kill", "--account", "switched", "--reason", "the feed is broken"]
    subprocess.run(command, env=dict(stack.environ), check=True, capture_output=True)
    run = stack.page.wait_for_end(run_id)
    assert run.status == "FAILURE"
    [left] = stack.truly_open("switched")
    assert run.failure.startswith(f"{left} RESIDUAL: long 100 still open")
    assert "kill switch is on" in run.failure
    assert "the feed is broken" in check_stopped(stack, "switched", run_id)
    again = stack.page.wait_for_end(stack.page.launch_flatten("switched"))
    assert again.status == "FAILURE"
    assert "STAY OPEN" in again.failure
    assert len(stack.close_arrivals("switched")) == IN_FLIGHT


def test_a_flatten_from_the_command_line_brings_its_tables(stack: DagsterStack) -> None:
    """It leaves no run in Dagster that anything could follow, and is what is used on the night when the daemon is down."""
    command = [BIN / "deepcoin-ops", "flatten", "--account", "outside"]
    subprocess.run(command, env=dict(stack.environ), check=True, capture_output=True)
    attempts, _errors = read_tables(stack, "outside")
    assert list(attempts["instrument_id"]) == stack.close_arrivals("outside")


def test_a_flatten_killed_with_an_answer_outstanding_reads_unknown_in_its_tables(stack: DagsterStack) -> None:
    """Kill -9 of the run's worker: no closing row will ever come, and the table says what is not known."""
    run_id = stack.page.launch_flatten("killed")
    wait_for(
        "the close whose answer is a minute away",
        lambda: any(each.account == "killed" and each.fault == FaultAction.DELAY for each in stack.paper.arrivals()),
    )
    worker = stack.page.fetch_run(run_id).worker_pid
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    assert stack.page.wait_for_end(run_id).status == "FAILURE"
    attempts, _errors = read_tables(stack, "killed")
    assert list(attempts["instrument_id"]) == stack.close_arrivals("killed")
    # A busy machine may have one throttled before.
    slow = attempts.iloc[-1]
    assert list(attempts["outcome"]).count("UNKNOWN") == 1
    assert slow["outcome"] == "UNKNOWN"
    assert pd.isna(slow["answered_at"])
    [flatten] = stack.read_flattens("killed")
    assert flatten.closing is None
    [newest, *_] = stack.page.list_materialisations("close_errors", [stack.trading_day])
    assert "no closing row" in newest.metadata["flatten_results"]
