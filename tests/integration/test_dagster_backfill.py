"""A backfill in the page rebuilds past days from the ledger, each with its own metadata, and never asks the exchange."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from dagster_page import Materialisation, Run
from dagster_stack import DagsterStack, build_scenario, build_settings_text, run_dagster
from evenings import MISSED, record_evenings, replay_past
from filelock import FileLock
from replayed_days import RecordedFlatten, replay_days
from waiting import wait_for

from deepcoin_ops.domain.facts import CallAnswered, CallIntended
from deepcoin_ops.domain.tables import CANCEL_ATTEMPTS, CLOSE_ATTEMPTS, CLOSE_ERRORS, RECONCILIATION, TABLES
from deepcoin_ops.ledger.records import Recorded
from deepcoin_ops.orchestration.reports import FLATTEN_REPORT
from deepcoin_ops.orchestration.tables import TableStore

ACCOUNTS = ("main", "hedge")
ASSETS = (*(table.name for table in TABLES), FLATTEN_REPORT)
DAYS_PER_RUN = 92
BACKFILL_LIMIT_S = 1200.0
pytestmark = pytest.mark.timeout(1500)  # a year's backfill is in its setup
BREAKS = {
    "clean": set(),
    "error items": set(),
    "residual": {"RESIDUAL_POSITION"},
    "lost answer": set(),
    MISSED: {"FLATTEN_MISSING"},
}


@dataclass(frozen=True)
class Past:
    """A desk's past, backfilled.

    Attributes:
        stack: The Dagster that did it.
        evenings: What was recorded, by kind of evening.
        kinds: The kind of evening of each day, oldest day first.
        runs: The backfill's runs.
    """

    stack: DagsterStack
    evenings: Mapping[str, RecordedFlatten]
    kinds: Mapping[str, str]
    runs: list[Run]

    @property
    def store(self) -> TableStore:
        """The tables on disk."""
        return TableStore(self.stack.settings.tables_url, self.stack.settings.locks_folder)

    def list_shown(self, table: str) -> dict[str, Materialisation]:
        """What the page shows of each day of a table, which was built once."""
        shown = self.stack.page.list_materialisations(table, list(self.kinds))
        assert len(shown) == len(self.kinds)
        return {each.partition: each for each in shown}

    def count_closes(self, day: str) -> int:
        """Count the closes that were sent on a day, of all accounts."""
        calls = [each.fact for each in self._facts(day) if isinstance(each.fact, CallIntended)]
        return len(ACCOUNTS) * sum(each.call.kind.is_close for each in calls)

    def count_errors(self, day: str) -> int:
        """Count the error items of closes that were returned on a day, of all accounts."""
        answers = [each.fact for each in self._facts(day) if isinstance(each.fact, CallAnswered)]
        return len(ACCOUNTS) * sum(len(each.close_errors) for each in answers)

    def _facts(self, day: str) -> tuple[Recorded, ...]:
        kind = self.kinds[day]
        return self.evenings[kind].facts if kind in self.evenings else ()


@pytest.fixture(
    scope="module",
    params=[pytest.param(14, id="a-fortnight"), pytest.param(365, id="a-year", marks=pytest.mark.chaos)],
)
def past(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """Days of flattens that were really run, and the tables built by nothing but a backfill launched in the page."""
    folder = tmp_path_factory.mktemp("dagster-backfill")
    evenings = record_evenings(folder)
    # Today's trading day may have begun yesterday, and two days before the others are for one test alone.
    settings_text = build_settings_text(ACCOUNTS, past_days=request.param + 3)
    with run_dagster(folder, settings_text, build_scenario(ACCOUNTS)) as stack:
        stack.page.stop_sensor("ledger_moved")
        kinds = replay_past(stack.settings, evenings, stack.trading_day, request.param)
        runs = stack.page.backfill(ASSETS, list(kinds), BACKFILL_LIMIT_S)
        yield Past(stack, evenings, kinds, runs)


def test_a_backfill_is_few_runs_two_at_a_time_and_asks_the_exchange_nothing(past: Past) -> None:
    """Re-materialising is a read: whoever presses the button must be able neither to close nor to crowd out a flatten."""
    assert past.stack.paper.arrivals() == []
    assert len(past.runs) == -(-len(past.kinds) // DAYS_PER_RUN)
    assert {run.status for run in past.runs} == {"SUCCESS"}
    at_work = [sum(other.started_s <= run.started_s < other.ended_s for other in past.runs) for run in past.runs]
    assert max(at_work) <= 2


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_day_of_every_table_is_there_and_shows_its_own_truth(past: Past, table) -> None:
    """One number for thirty days is how a bad one hides; so each has its counts, its head, its window and its results."""
    shown, calendar = past.list_shown(table.name), past.stack.settings.calendar
    with past.stack.open_history() as history:
        for day, kind in past.kinds.items():
            metadata, head = shown[day].metadata, history.read_head(day)
            path = Path(metadata["path"])
            assert pq.read_schema(path).remove_metadata() == table.arrow_schema
            frame = pd.read_parquet(path)
            assert set(frame["trading_day"]) <= {day}
            assert metadata["row_count"] == metadata["dagster/partition_row_count"] == len(frame)
            assert metadata["ledger_head_seq"] == (head.seq if head else 0)
            assert metadata["ledger_head_hashes"] == (dict(head.hashes) if head else {})
            assert metadata["window"].startswith(calendar.window(day)[0].isoformat())
            flattens = 0 if kind == MISSED else len(ACCOUNTS)
            assert metadata["flatten_runs"] == flattens
            assert metadata["flatten_results"] == ["NOT_FLAT" if kind == "residual" else "FLAT"] * flattens
            assert metadata["built_from_newer_head"] is False


def test_the_rows_of_every_day_are_what_was_sent_and_returned_that_evening(past: Past) -> None:
    """Counted in the recordings of the flattens, which know nothing of tables."""
    for table, count in ((CLOSE_ATTEMPTS, past.count_closes), (CLOSE_ERRORS, past.count_errors)):
        counted = {day: each.metadata["row_count"] for day, each in past.list_shown(table.name).items()}
        assert counted == {day: count(day) for day in past.kinds}
        assert sum(counted.values()) > len(past.kinds) / 2


def test_all_tables_of_a_day_come_from_one_run_and_so_from_one_ledger_head(past: Past) -> None:
    """Tables of a day that were read at two moments could contradict each other."""
    run_ids = [{day: each.run_id for day, each in past.list_shown(asset).items()} for asset in ASSETS]
    assert all(each == run_ids[0] for each in run_ids)
    assert set(run_ids[0].values()) == {run.run_id for run in past.runs}


def test_each_day_has_its_breaks_and_check_results_of_its_own(past: Past) -> None:
    """A good day must not stand for a bad one, in the files or in the page."""
    for day, kind in past.kinds.items():
        stored = past.store.read(RECONCILIATION, day)
        assert stored is not None
        assert set(stored.frame["break_type"][stored.frame["is_break"].astype(bool)]) == BREAKS[kind]
    executions = past.stack.page.list_check_executions(RECONCILIATION.name, "all_flat")
    told = {each.metadata["trading_day"]: each.is_passed for each in executions}
    assert told == {day: not BREAKS[kind] for day, kind in past.kinds.items()}


def test_the_folder_of_a_table_reads_as_one_frame_with_empty_days_in_it(past: Past) -> None:
    """An empty day must read like any other, or a month's tables cannot be put together."""
    folder = past.store.path(CLOSE_ERRORS, next(iter(past.kinds))).parent
    together = pd.read_parquet(folder)
    assert list(together.columns) == [column.name for column in CLOSE_ERRORS.columns]
    assert len(together) == sum(past.count_errors(day) for day in past.kinds)


def test_a_year_of_good_days_does_not_turn_the_check_over_all_days_green(past: Past) -> None:
    """The newest result of a check is of any day; this one reads all of them, in every run of the backfill."""
    [newest, *_] = past.stack.page.list_check_executions(RECONCILIATION.name, "days_with_open_breaks")
    assert newest.is_passed is False
    assert newest.metadata["days"] == len(past.kinds)
    assert newest.metadata["days_with_open_breaks"] == [day for day, kind in past.kinds.items() if BREAKS[kind]]
    [chain, *_] = past.stack.page.list_check_executions(RECONCILIATION.name, "ledger_chain_intact")
    assert chain.is_passed is True


def test_of_two_rebuilds_of_one_day_at_once_the_one_with_the_newer_ledger_head_stays(past: Past) -> None:
    """The older one is held up in the middle, between two tables of its days, while the ledger moves and is rebuilt.

    Its days are before those of the backfill. A file's lock is what holds it, as a slow disk would.
    """
    page, settings = past.stack.page, past.stack.settings
    oldest = date.fromisoformat(next(iter(past.kinds)))
    held, contested = ((oldest - timedelta(days=back)).isoformat() for back in (2, 1))
    replay_days(settings, {contested: [past.evenings["residual"]]})
    locks = settings.locks_folder / "tables"
    with FileLock(locks / f"{CLOSE_ERRORS.name}-{held}.lock"):
        older = page.launch_rebuild(held, contested)
        wait_for("its first tables", lambda: page.list_materialisations(CLOSE_ATTEMPTS.name, [contested]) or None)
        replay_days(settings, {contested: [past.evenings["residual"].of_account("hedge")]})
        newer = page.launch_rebuild(contested)
        assert page.wait_for_end(newer).status == "SUCCESS"
    ended = page.wait_for_end(older)
    assert ended.status == "SUCCESS", ended.failure
    with past.stack.open_history() as history:
        head = history.read_head(contested)
    assert head is not None
    for table in TABLES:
        stored = past.store.read(table, contested)
        assert stored is not None
        assert stored.head.seq == head.seq
        told = {each.run_id: each.metadata for each in page.list_materialisations(table.name, [contested])}
        assert told[newer]["built_from_newer_head"] is False
        # The first tables were written before the ledger moved, and replaced; every later one was there already.
        came_too_late = table not in (CANCEL_ATTEMPTS, CLOSE_ATTEMPTS)
        assert told[older]["built_from_newer_head"] is came_too_late
        assert (told[older]["ledger_head_seq"] == head.seq) is came_too_late
        assert told[newer]["flatten_runs"] == 2
        assert told[older]["flatten_runs"] == (2 if came_too_late else 1)
        assert (told[older]["row_count"] == len(stored.frame)) is (came_too_late or stored.frame.empty)
