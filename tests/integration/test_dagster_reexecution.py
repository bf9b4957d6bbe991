"""Pressing "Re-execute" on a flatten that went wrong: never from an old plan, never under an old flatten's name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dagster_stack import DagsterStack, build_scenario, build_settings_text, run_dagster
from flatten_lab import stubborn

from deepcoin_ops.domain.model import FlattenResult
from deepcoin_ops.paper.faults import Fault, FaultAction

ACCOUNTS = ("again", "refused", "looked-at")
BTC = "BTC-USDT-SWAP"
FAULTS = (
    # A batch close and one by ids, as many calls as a flatten has rounds: the first flatten fails, the next one is spared.
    Fault(FaultAction.ERROR_ITEMS, account="again", instrument_id=BTC),
    Fault(FaultAction.ERROR_ITEMS, "close-position-by-ids", account="again", instrument_id=BTC),
    Fault(FaultAction.AUTH_ERROR, account="refused", endpoint="account/positions"),
    *stubborn(BTC, account="looked-at"),
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterStack]:
    """One Dagster for all tests here; each has an account of its own."""
    folder = tmp_path_factory.mktemp("dagster-reexecution")
    with run_dagster(folder, build_settings_text(ACCOUNTS), build_scenario(ACCOUNTS, FAULTS)) as running:
        yield running


@pytest.fixture(scope="module")
def failed_runs(stack: DagsterStack) -> dict[str, str]:
    """A failed flatten of every account, all launched at once; the run's id by account."""
    launched = {account: stack.page.launch_flatten(account) for account in ACCOUNTS}
    assert {stack.page.wait_for_end(run_id).status for run_id in launched.values()} == {"FAILURE"}
    return launched


def test_a_failed_flatten_executed_again_starts_from_a_fresh_snapshot_as_a_child_of_the_first(
    stack: DagsterStack, failed_runs: dict[str, str]
) -> None:
    """What the first one closed is flat by now: the second may only send what it sees open itself."""
    already_sent = len(stack.close_arrivals("again"))
    run = stack.page.wait_for_end(stack.page.reexecute(failed_runs["again"], "ALL_STEPS"))
    assert run.status == "SUCCESS"
    assert stack.close_arrivals("again")[already_sent:] == [BTC]
    assert stack.truly_open("again") == set()
    first, second = stack.read_flattens("again")
    assert second.request.parent_flatten_id == first.request.flatten_id != second.request.flatten_id
    assert second.request.run_id == run.run_id
    assert run.tags["deepcoin_ops/flatten_id"] == second.request.flatten_id
    assert run.tags["deepcoin_ops/result"] == "FLAT"


def test_a_flatten_refused_by_a_guard_and_executed_from_there_is_a_new_flatten(
    stack: DagsterStack, failed_runs: dict[str, str]
) -> None:
    """Re-execution from failure skips the op that opens a flatten; the refused one is closed and must stay so."""
    assert stack.close_arrivals("refused") == []
    run = stack.page.wait_for_end(stack.page.reexecute(failed_runs["refused"], "FROM_FAILURE"))
    assert run.executed_steps == ["issue_batch_closes", "verify_flat"]
    assert run.status == "SUCCESS"
    assert stack.truly_open("refused") == set()
    first, second = stack.read_flattens("refused")
    assert first.closing is not None
    assert first.closing.result is FlattenResult.REFUSED
    assert first.closing.sends == 0
    assert second.request.parent_flatten_id == first.request.flatten_id != second.request.flatten_id
    assert run.tags["deepcoin_ops/flatten_id"] == second.request.flatten_id


def test_only_verify_flat_executed_again_looks_afresh_and_sends_nothing(
    stack: DagsterStack, failed_runs: dict[str, str]
) -> None:
    """It is the way of asking "is it flat by now?", for instance after closing by hand."""
    already_sent = stack.close_arrivals("looked-at")
    run = stack.page.wait_for_end(stack.page.reexecute_step(failed_runs["looked-at"], "flatten_positions", "verify_flat"))
    assert run.executed_steps == ["verify_flat"]
    assert run.status == "FAILURE"
    assert run.failure.startswith(f"{BTC} RESIDUAL: long 100 still open")
    assert stack.close_arrivals("looked-at") == already_sent
    first, second = stack.read_flattens("looked-at")
    assert second.request.parent_flatten_id == first.request.flatten_id
    assert second.closing is not None
    assert (second.closing.result, second.closing.sends) == (FlattenResult.NOT_FLAT, 0)
