"""A schedule that is previewed, switched on, missed over a restart, and edited, on a real daemon: it closes for now."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import InstigatorType, ScheduleInstigatorData
from dagster_stack import (
    CHECKOUT,
    INSTRUMENTS,
    DagsterStack,
    build_scenario,
    build_settings_text,
    run_dagster,
    start_logged,
)
from flatten_lab import position
from waiting import stays, wait_for

from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.orchestration.schedule_watch import WatchCursor, read_seen_schedules

pytestmark = pytest.mark.chaos

ACCOUNT = "main"
SCHEDULE = "end_of_day_flatten"
YESTERDAY = timedelta(days=1)
_PREVIEW = """mutation($selector: ScheduleSelector!, $at: Float!) {
  scheduleDryRun(selectorData: $selector, timestamp: $at) { __typename
  ... on DryRunInstigationTick { evaluationResult { skipReason runRequests { runKey } error { message } } }
  ... on PythonError { message } } }"""


@pytest.fixture(scope="module")
def tick() -> datetime:
    """A few minutes ago."""
    return (datetime.now(UTC) - timedelta(minutes=4)).replace(second=0, microsecond=0)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, tick: datetime) -> Iterator[DagsterStack]:
    """A Dagster whose schedule would have fired a few minutes ago, had it been there."""
    folder = tmp_path_factory.mktemp("dagster-schedule-edited")
    with run_dagster(folder, build_settings_text([ACCOUNT], tick), build_scenario([ACCOUNT])) as running:
        yield running


def preview(stack: DagsterStack, at: datetime) -> dict[str, Any]:
    """What the page's preview of the schedule shows for the next of its times after a moment."""
    selector = {
        "repositoryLocationName": "deepcoin_ops",
        "repositoryName": "__repository__",
        "scheduleName": SCHEDULE,
    }
    result: dict[str, Any] = stack.page.ask(_PREVIEW, selector=selector, at=at.timestamp())["evaluationResult"]
    assert not result["error"], result
    return result


def sends(stack: DagsterStack) -> list[str]:
    """The paths of all requests that could have changed something."""
    return [arrival.path for arrival in stack.paper.arrivals() if arrival.method != "GET"]


def list_skips(stack: DagsterStack) -> list[str]:
    """Why times of the schedule were skipped, by Dagster's own history."""
    return [reason or "" for status, reason in stack.page.list_ticks(SCHEDULE) if status == "SKIPPED"]


def list_recorded(stack: DagsterStack) -> list[datetime]:
    """The skipped times in the ledger."""
    with Ledger.open(stack.settings.ledger_path, stack.settings.venue) as ledger:
        return [each.scheduled_at for each in ledger.read_skipped_ticks(stack.trading_day)]


@contextmanager
def restart_daemon(stack: DagsterStack, folder: Path, group: int, *, is_known: bool) -> Iterator[int]:
    """End a daemon and start another one on a Dagster that has run the schedule since yesterday; the new one's group.

    Args:
        stack: The Dagster.
        folder: Where the new one's log goes.
        group: The daemon that is ended.
        is_known: Whether the schedule is known since yesterday, too.
    """
    os.killpg(group, signal.SIGKILL)
    with dg.DagsterInstance.from_config(stack.environ["DAGSTER_HOME"]) as instance:
        for state in instance.all_instigator_state():
            data = state.instigator_data
            if state.instigator_name == SCHEDULE:
                old = ScheduleInstigatorData(data.cron_schedule, (datetime.now(UTC) - YESTERDAY).timestamp())
                instance.update_instigator_state(state.with_data(old))
            if state.instigator_name == "schedule_watch" and is_known:
                kept = WatchCursor.parse(data.cursor)
                seen = replace(kept.seen, since=kept.seen.since - YESTERDAY)
                instance.update_instigator_state(state.with_data(data._replace(cursor=replace(kept, seen=seen).format())))
    daemon = ("dagster-daemon", "run", "-w", str(CHECKOUT / "workspace.yaml"))
    folder.mkdir()
    with start_logged(folder, "daemon", daemon, stack.environ) as started:
        yield started


def is_seen(stack: DagsterStack) -> bool:
    """Whether the sensor has kept what the schedule is."""
    with dg.DagsterInstance.from_config(stack.environ["DAGSTER_HOME"]) as instance:
        assert instance.all_instigator_state(instigator_type=InstigatorType.SENSOR) is not None
        return bool(read_seen_schedules(instance))


def test_a_schedule_closes_for_now_whatever_it_was_and_whoever_looks_at_it(
    stack: DagsterStack, tick: datetime, tmp_path: Path
) -> None:
    """Previews, a switch, a restart and an edit of one schedule, one after the other on one account."""
    # Previews of the past and of tonight show no run, and leave no trace.
    for at, shown in ((tick - timedelta(hours=25), "late"), (tick + timedelta(minutes=1), "ahead")):
        result = preview(stack, at)
        assert shown in result["skipReason"], result
        assert not result["runRequests"]
    # Switched on, it does not make up for what came before.
    stack.page.start_schedule(SCHEDULE)
    wait_for("the sensor has seen the schedule", lambda: is_seen(stack))
    assert stays(lambda: sends(stack), for_s=3.0) == []
    assert not stack.settings.ledger_path.exists()
    with restart_daemon(stack, tmp_path / "restart", stack.groups["daemon-0"], is_known=True) as daemon:
        # Nothing was changed: the time that was missed over the restart is made up for.
        wait_for("the account is flat", lambda: not stack.truly_open(ACCOUNT))
        wait_for("its flatten has ended", lambda: all(each.closing for each in stack.read_flattens(ACCOUNT)))
        assert sorted(stack.close_arrivals(ACCOUNT)) == sorted(INSTRUMENTS[:-1])
        stack.paper.open_position(ACCOUNT, position("XRP-USDT-SWAP", "", "100"))
        before = sends(stack)
        edited = tick + timedelta(minutes=1)
        settings_file = stack.settings.source_path
        cron = stack.settings.schedule.cron
        settings_file.write_text(settings_file.read_text().replace(cron, f"{edited.minute} {edited.hour} * * *"))
        with restart_daemon(stack, tmp_path / "edit", daemon, is_known=False):
            [reason] = wait_for("the edited time", lambda: list_skips(stack) or None)
            assert "a time from before a change is not made up for" in reason
            assert wait_for("its record", lambda: list_recorded(stack) or None) == [edited]
            assert stays(lambda: sends(stack), for_s=3.0) == before
            assert stack.truly_open(ACCOUNT) == {"XRP-USDT-SWAP"}
