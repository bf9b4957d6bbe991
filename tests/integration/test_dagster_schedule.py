"""The evening tick on a real instance with everything that can go wrong around it at once: still one set of sends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from dagster_stack import (
    INSTRUMENTS,
    DagsterStack,
    build_scenario,
    build_settings_text,
    find_next_tick,
    run_dagster,
)
from waiting import stays, wait_for

from deepcoin_ops.domain.model import FlattenResult

ACCOUNT = "main"


@pytest.fixture
def tick() -> datetime:
    """Soon."""
    return find_next_tick()


@pytest.fixture
def stack(tmp_path_factory: pytest.TempPathFactory, tick: datetime) -> Iterator[DagsterStack]:
    """A Dagster with one daemon too many, which nothing prevents: `dagster dev` brings one along as well."""
    folder = tmp_path_factory.mktemp("dagster-schedule")
    with run_dagster(folder, build_settings_text([ACCOUNT], tick), build_scenario([ACCOUNT]), daemons=2) as running:
        yield running


def test_a_tick_seen_by_two_daemons_and_a_hand_launch_make_one_set_of_sends(stack: DagsterStack, tick: datetime) -> None:
    """Queue limits and run keys are conveniences; the account's lock and the positions are what holds."""
    stack.page.start_schedule("end_of_day_flatten")
    assert datetime.now(UTC) < tick, "the machine took longer to start everything than the tick leaves"
    wait_for("the tick's moment", lambda: datetime.now(UTC) >= tick)
    hand_run = stack.page.launch_flatten(ACCOUNT)

    def scheduled() -> list[str] | None:
        return [run_id for run_id in stack.page.list_runs("flatten_positions") if run_id != hand_run] or None

    wait_for("a run of the schedule", scheduled)
    run_ids = stays(lambda: tuple(sorted(stack.page.list_runs("flatten_positions"))), for_s=3.0)
    runs = [stack.page.wait_for_end(run_id) for run_id in run_ids]
    # A daemon that fails to start a run which the other one has started marks it as failed; the work is done all the same.
    failures = [run.failure for run in runs if run.status != "SUCCESS"]
    assert set(failures) <= {"This run has been marked as failed from outside the execution context."}
    assert len(failures) < len(runs)
    wait_for("no flatten is at work", lambda: all(flatten.closing for flatten in stack.read_flattens(ACCOUNT)))
    # Not even the instrument that was flat all along is sent: one close for each open position, and no other POST.
    assert sorted(stack.close_arrivals(ACCOUNT)) == sorted(INSTRUMENTS[:-1])
    assert stack.truly_open(ACCOUNT) == set()
    # A run that was started twice has two workers. Each opens flattens of its own, and may leave one that it opened and did
    # not work on, because both find their step results in the same place.
    flattens = stack.read_flattens(ACCOUNT)
    assert {flatten.request.run_id for flatten in flattens} <= set(run_ids)
    assert {flatten.request.scheduled_at for flatten in flattens} <= {None, tick}
    closings = [flatten.closing for flatten in flattens]
    assert {closing.result for closing in closings} - {FlattenResult.REFUSED} == {FlattenResult.FLAT}
    assert sorted(closing.sends for closing in closings)[:-1] == [0] * (len(closings) - 1)
    keys = {run.tags.get("dagster/run_key") for run in runs} - {None}
    assert keys == {f"{ACCOUNT}:{stack.trading_day}"}
