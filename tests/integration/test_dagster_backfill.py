"""A backfill in the page rebuilds past days from the ledger, each with its own metadata, and never asks the exchange."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from dagster_stack import DagsterStack, build_scenario, build_settings_text, run_dagster

from deepcoin_ops.domain.frames import Table
from deepcoin_ops.domain.model import (
    CloseAnswer,
    CloseError,
    CloseIntent,
    FlattenClosing,
    FlattenRequest,
    FlattenResult,
    Outcome,
    PositionSide,
    ProductGroup,
)
from deepcoin_ops.domain.tables import CLOSE_ATTEMPTS, CLOSE_ERRORS, RECONCILIATION, TABLES
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.orchestration.tables import TableStore

ACCOUNT, BTC = "main", "BTC-USDT-SWAP"
DAYS = 30


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterStack]:
    """A Dagster whose sensor is off, so that nothing but the backfill builds a table."""
    folder = tmp_path_factory.mktemp("dagster-backfill")
    with run_dagster(folder, build_settings_text([ACCOUNT]), build_scenario([ACCOUNT])) as running:
        running.page.stop_sensor("ledger_moved")
        yield running


def record_day(ledger: Ledger, trading_day: str, attempts: int, errors: int) -> None:
    """A flatten of a past day with so many attempts, the first of which came back with so many error items."""
    flatten_id = f"{trading_day}-{ACCOUNT}"
    at = datetime.fromisoformat(trading_day).replace(hour=23, tzinfo=UTC)
    ledger.record_flatten(FlattenRequest(flatten_id, ACCOUNT, trading_day, "a test", (BTC,), is_dry_run=False), "{}")
    for number in range(attempts):
        attempt_id = f"{flatten_id}-{number}"
        items = tuple(_build_error(index) for index in range(errors if number == 0 else 0))
        outcome = Outcome.PARTIAL if items else Outcome.ACCEPTED
        intent = CloseIntent(attempt_id, BTC, ProductGroup.SWAP_U, 1, number + 1, "/close", "{}", Decimal("1.5"), None)
        ledger.record_intent(flatten_id, intent)
        ledger.record_outcome(attempt_id, CloseAnswer(outcome, "recorded by a test", at, at, close_errors=items))
    ledger.record_closing(
        FlattenClosing(flatten_id, FlattenResult.FLAT, "flat", 1, attempts, 0, Decimal(0), 1.0, 2.0, Decimal(0))
    )


def _build_error(index: int) -> CloseError:
    return CloseError(index, BTC, PositionSide.LONG, "51020", "Insufficient position", "1", "2", "3", "{}")


def read_back(path: Path, table: Table) -> pd.DataFrame:
    """A day's file, with the schema that any tool sees checked first."""
    assert pq.read_schema(path).remove_metadata() == table.arrow_schema
    return pd.read_parquet(path)


def check_table(stack: DagsterStack, table: Table, rows: Sequence[tuple[str, int]]) -> None:
    """Every day has this many rows in its file, and says so in metadata of its own; all were built by one run."""
    shown = stack.page.list_materialisations(table.name, [day for day, _count in rows])
    assert len(shown) == DAYS
    assert len({each.run_id for each in shown}) == 1
    by_day = {each.partition: each.metadata for each in shown}
    with stack.open_history() as history:
        for day, count in rows:
            metadata, head = by_day[day], history.read_head(day)
            assert head is not None
            assert metadata["row_count"] == metadata["dagster/partition_row_count"] == count
            assert metadata["ledger_head_seq"] == head.seq
            assert metadata["ledger_head_hashes"] == dict(head.hashes)
            assert metadata["window"].startswith(stack.settings.calendar.window(day)[0].isoformat())
            assert metadata["flatten_results"] == ["FLAT"]
            frame = read_back(Path(metadata["path"]), table)
            assert list(frame["trading_day"]) == [day] * count


@pytest.fixture(scope="module")
def days(stack: DagsterStack) -> list[str]:
    """The past days, yesterday first, recorded in the ledger and then backfilled through the daemon.

    Attempts and error items of a day depend on its place in the list; see `count_attempts` and `count_errors`.
    """
    today = date.fromisoformat(stack.trading_day)
    past = [(today - timedelta(days=back)).isoformat() for back in range(1, DAYS + 1)]
    with Ledger.open(stack.settings.ledger_path, stack.settings.venue) as ledger:
        for number, day in enumerate(past):
            record_day(ledger, day, count_attempts(number), count_errors(number))
    stack.page.backfill([table.name for table in TABLES], past)
    return past


def count_attempts(number: int) -> int:
    """How many attempts the day at this place of the list has."""
    return 1 + number % 4


def count_errors(number: int) -> int:
    """How many error items that day has; the first day has none."""
    return number % 3


def test_a_backfill_of_thirty_past_days_rebuilds_the_tables_and_sends_nothing(stack: DagsterStack, days: list[str]) -> None:
    """Re-materialising is a read: whoever presses the button in the page must not be able to close anything."""
    check_table(stack, CLOSE_ATTEMPTS, [(day, count_attempts(number)) for number, day in enumerate(days)])
    check_table(stack, CLOSE_ERRORS, [(day, count_errors(number)) for number, day in enumerate(days)])
    assert stack.paper.arrivals() == []


def test_a_day_without_errors_reads_back_with_every_column_and_type(stack: DagsterStack, days: list[str]) -> None:
    """An empty day must read like any other, or a month's tables cannot be put together."""
    store = TableStore(stack.settings.tables_url, stack.settings.locks_folder)
    stored = store.read(CLOSE_ERRORS, days[0])
    assert stored is not None
    assert len(stored.frame) == 0
    assert dict(stored.frame.dtypes) == {column.name: column.kind.pandas_type for column in CLOSE_ERRORS.columns}
    month = pd.read_parquet(Path(stored.path).parent)
    assert list(month.columns) == [column.name for column in CLOSE_ERRORS.columns]
    assert len(month) == sum(count_errors(number) for number in range(DAYS))


def test_each_day_of_a_backfill_has_its_reconciliation_and_check_results_of_its_own(
    stack: DagsterStack, days: list[str]
) -> None:
    """No verdict is on record for any of these days, so that none of them may read as clean, in the page either."""
    store = TableStore(stack.settings.tables_url, stack.settings.locks_folder)
    for day in days:
        stored = store.read(RECONCILIATION, day)
        assert stored is not None
        assert list(stored.frame["verdict"].dropna().unique()) == ["UNVERIFIED"]
        assert stored.frame["is_break"].any()
    executions = stack.page.ask(
        """query($asset: AssetKeyInput!) {
          assetCheckExecutions(assetKey: $asset, checkName: "all_flat", limit: 100) {
            evaluation { success metadataEntries { label ... on TextMetadataEntry { text } } }
          }
        }""",
        asset={"path": [RECONCILIATION.name]},
    )
    found = [each["evaluation"] for each in executions if each["evaluation"]]
    told = {entry["text"] for each in found for entry in each["metadataEntries"] if entry["label"] == "trading_day"}
    assert told == set(days)
    assert not any(each["success"] for each in found)
