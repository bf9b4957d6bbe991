"""A day nobody flattened must not read as clean: a real daemon, the flatten's schedule off, and not even a ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from dagster_page import Run
from dagster_stack import DagsterStack, build_scenario, build_settings_text, find_next_tick, run_dagster
from waiting import stays, wait_for

from deepcoin_ops.domain.due import find_ended_days
from deepcoin_ops.domain.tables import RECONCILIATION, TABLES
from deepcoin_ops.orchestration.reports import FLATTEN_REPORT
from deepcoin_ops.orchestration.tables import TableStore
from deepcoin_ops.settings import load_settings

ACCOUNTS = ("main", "hedge")


# Waits for a schedule's minute in a real daemon; what the schedule asks for is tried in unit/orchestration.
pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
def tick() -> datetime:
    """When `day_end` fires: soon, whatever time it is."""
    return find_next_tick()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, tick: datetime) -> Iterator[DagsterStack]:
    """A Dagster as it is started: nobody has switched anything on. The day ended so long ago that its end is due now."""
    folder = tmp_path_factory.mktemp("dagster-day-end")
    probe = folder / "probe.yaml"
    probe.write_text(build_settings_text(ACCOUNTS))
    max_run_time_s = load_settings({"DEEPCOIN_OPS_SETTINGS": str(probe)}).max_run_time_s
    boundary = tick - timedelta(hours=1, seconds=max_run_time_s + 60)
    with run_dagster(folder, build_settings_text(ACCOUNTS, boundary=boundary), build_scenario(ACCOUNTS)) as running:
        yield running


@pytest.fixture(scope="module")
def missed(stack: DagsterStack, tick: datetime) -> dict[str, Run]:
    """The runs that the daemon launched by itself at the tick, once they have ended, by trading day."""

    def launched() -> list[str] | None:
        run_ids = stack.page.list_runs("rebuild_day_tables")
        return run_ids if len(run_ids) == 3 else None

    wait_for("three runs of day_end", launched, (tick - datetime.now(UTC)).total_seconds() + 120)
    runs = [stack.page.wait_for_end(run_id) for run_id in stays(launched, for_s=6.0)]
    return {run.tags["dagster/partition"]: run for run in runs}


def test_the_days_that_ended_get_their_tables_although_nothing_ever_ran(
    stack: DagsterStack, missed: dict[str, Run], tick: datetime
) -> None:
    """The schedule that flattens was forgotten; the one that looks fires by itself, and asks nobody anything."""
    assert sorted(missed) == find_ended_days(stack.settings.calendar, tick, 3)
    assert {(run.status, run.tags["dagster/schedule_name"]) for run in missed.values()} == {("SUCCESS", "day_end")}
    assert {run.tags["deepcoin_ops/reads"] for run in missed.values()} == {"ledger"}  # what the queue counts them by
    assert stack.page.list_runs("flatten_positions") == []
    assert stack.paper.arrivals() == []
    assert not stack.settings.ledger_path.exists()
    for asset in (*(table.name for table in TABLES), FLATTEN_REPORT):
        shown = stack.page.list_materialisations(asset, list(missed))
        assert {each.partition: each.run_id for each in shown} == {day: run.run_id for day, run in missed.items()}
        assert [each.metadata["flatten_runs"] for each in shown] == [0] * len(missed)


def test_each_account_of_each_of_these_days_is_missing_its_flatten(stack: DagsterStack, missed: dict[str, Run]) -> None:
    """Zero rows would be the clean day that it was not."""
    store = TableStore(stack.settings.tables_url, stack.settings.locks_folder)
    for day in missed:
        stored = store.read(RECONCILIATION, day)
        assert stored is not None
        assert list(stored.frame["account"]) == sorted(ACCOUNTS)
        assert set(stored.frame["break_type"]) == {"FLATTEN_MISSING"}
        assert stored.frame["is_break"].all()
        assert set(stored.frame["severity"]) == {"ERROR"}


def test_the_checks_run_with_the_tables_and_fail_for_each_day_and_over_all_days(
    stack: DagsterStack, missed: dict[str, Run]
) -> None:
    """Nobody has to launch a check: the job that builds a day runs those of the day, and those over all days after them."""
    of_days = stack.page.list_check_executions(RECONCILIATION.name, "all_flat")
    assert {each.metadata["trading_day"]: each.is_passed for each in of_days} == dict.fromkeys(missed, False)
    over_all = stack.page.list_check_executions(RECONCILIATION.name, "days_with_open_breaks")
    assert {each.run_id for each in over_all} == {run.run_id for run in missed.values()}
    assert not any(each.is_passed for each in over_all)
    assert over_all[0].metadata["days_with_open_breaks"] == sorted(missed)
    chain = stack.page.list_check_executions(RECONCILIATION.name, "ledger_chain_intact")
    assert [each.is_passed for each in chain] == [True] * len(missed)


def test_the_page_shows_the_failed_checks_beside_the_asset(stack: DagsterStack, missed: dict[str, Run]) -> None:
    """What a person sees without looking for it, of checks by day and of those over all days alike."""
    badges = stack.page.list_check_badges(RECONCILIATION.name)
    assert badges["all_flat"] == badges["days_with_open_breaks"] == "FAILED"
    assert badges["schema"] == badges["ledger_chain_intact"] == "SUCCEEDED"
