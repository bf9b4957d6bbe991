"""Every way in that can be enumerated, tried on a real Dagster with positions open: what is sent is what was wanted.

`make ways-in` runs this and prints the table; the definition of a wanted send is in tests/support/ways.py.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import ways_settings
from dagster_stack import CHECKOUT, DagsterStack, start_logged
from mutations import Mutations
from waiting import wait_for
from ways import FLATTEN, Sweep, Way
from ways_desk import (
    ACCOUNTS,
    DEFINITION,
    KEPT,
    list_age_ways,
    list_config_ways,
    list_control_ways,
    list_tag_ways,
    list_tick_ways,
    run_ways_stack,
)
from ways_mutations import (
    DENIED,
    KIND,
    NOT_TRIED,
    TRIED,
    find_started,
    list_parents,
    list_ways,
    read_facts,
    wait_for_end,
)
from ways_process import LocalRuns, open_local_runs

LEAST_TRIED = 1000
_LIMIT_S = 300.0
SCHEDULE = "end_of_day_flatten"
IN_PROCESS = (list_control_ways, list_age_ways, list_tick_ways, list_tag_ways, list_config_ways)
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterStack]:
    """A Dagster at work."""
    with run_ways_stack(tmp_path_factory.mktemp("ways-in")) as running:
        yield running


def try_mutations(sweep: Sweep, stack: DagsterStack) -> None:
    """Every mutation: at first what must send nothing, all of a mutation together, then what may, one after the other."""

    def wait(outcome: str) -> str:
        return wait_for_end(stack, outcome)

    mutations = Mutations(stack.page.url)
    parents = list_parents(mutations)
    sweep.try_together([way for way, _launch in parents], wait)
    of_parents = sweep.tried[-len(parents) :]
    runs = {find_started(each.outcome)[0]: launch for each, (_way, launch) in zip(of_parents, parents, strict=True)}
    for ways in list_ways(mutations, read_facts(stack, runs), DEFINITION, KEPT):
        sweep.try_together([way for way in ways if way.may_send_for is None], wait)
        for way in ways:
            if way.may_send_for is not None:
                sweep.try_together([way], wait)
    mutations.close()


def write_report(sweep: Sweep) -> str:
    """The table, and what was named instead of tried."""
    lines = [
        sweep.describe(),
        "",
        f"mutations tried: {len(TRIED)}, of which the page denies {len(DENIED)}",
        *(f"mutation not tried: {name} {reason}" for name, reason in NOT_TRIED.items()),
        *(f"SENT, NOT WANTED: {each}" for each in sweep.list_unwanted()),
        *(f"A CONTROL SENT NOTHING: {each}" for each in sweep.silent_controls),
    ]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def sweep(stack: DagsterStack, request: pytest.FixtureRequest) -> Iterator[Sweep]:
    """One count for all kinds, printed when all of them were tried."""
    counted = Sweep(stack.paper, ACCOUNTS)
    yield counted
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        sys.stdout.write(f"\n{write_report(counted)}\n")


@pytest.mark.parametrize("list_ways", IN_PROCESS, ids=lambda each: each.__name__)
def test_of_launches_and_ticks_only_what_is_wanted_sends(
    stack: DagsterStack, sweep: Sweep, list_ways: Callable[[LocalRuns], Iterator[Way]]
) -> None:
    """On the jobs, schedules and resources themselves."""
    with open_local_runs(stack.environ) as runs:
        ways = list(list_ways(runs))
        sweep.try_all(ways)
    assert sweep.list_unwanted({way.kind for way in ways}) == []


def test_a_setting_or_variable_that_no_desk_may_have_sends_nothing(
    stack: DagsterStack, sweep: Sweep, tmp_path: Path
) -> None:
    """Through the command line."""
    ways = list(ways_settings.list_ways(stack.environ, tmp_path, KEPT))
    sweep.try_all(ways)
    assert sweep.list_unwanted({way.kind for way in ways}) == []


def test_of_all_mutations_only_a_launch_that_is_wanted_sends(stack: DagsterStack, sweep: Sweep) -> None:
    """Through web server, queue and daemon."""
    try_mutations(sweep, stack)
    assert sweep.list_unwanted({KIND}) == []


def test_a_tick_from_before_its_schedule_was_edited_sends_nothing(
    stack: DagsterStack, sweep: Sweep, tmp_path: Path
) -> None:
    """The schedule is on, its cron is edited to a minute that has passed, and the daemon comes up with that."""
    stack.page.start_schedule(SCHEDULE)
    ticks = len(stack.page.list_ticks(SCHEDULE))
    # The daemon notes at first, and then only every hour, how far it has come: before this minute.
    passed = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=2)
    wait_for(
        "a minute has passed with the schedule on", lambda: datetime.now(UTC) > passed + timedelta(seconds=2), _LIMIT_S
    )
    file = Path(stack.environ["DEEPCOIN_OPS_SETTINGS"])
    file.write_text(re.sub(r'cron: ".*?"', f'cron: "{passed.minute} {passed.hour} * * *"', file.read_text()))

    def come_up() -> str:
        os.killpg(stack.groups["daemon-0"], signal.SIGKILL)
        runs = set(stack.page.list_runs(FLATTEN))
        daemon = ("dagster-daemon", "run", "-w", str(CHECKOUT / "workspace.yaml"))
        with start_logged(tmp_path, "daemon", daemon, stack.environ):
            wait_for(
                "the tick has ended", lambda: len(stack.page.list_ticks(SCHEDULE)) > ticks and is_over(stack), _LIMIT_S
            )
            for run_id in set(stack.page.list_runs(FLATTEN)) - runs:
                stack.page.wait_for_end(run_id)
        return str(stack.page.list_ticks(SCHEDULE)[0])

    sweep.try_all([Way("edited schedule", f"a tick of {passed}", come_up)])
    assert sweep.list_unwanted({"edited schedule"}) == []


def is_over(stack: DagsterStack) -> bool:
    """Whether the schedule's newest tick has been evaluated."""
    return stack.page.list_ticks(SCHEDULE)[0][0] != "STARTED"


def test_as_many_were_tried_as_there_have_to_be_and_each_control_sent(sweep: Sweep) -> None:
    """Else the count would show nothing."""
    assert sweep.silent_controls == []
    assert len(sweep.tried) >= LEAST_TRIED
