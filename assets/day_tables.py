"""The tables of a trading day: what was sent, what came back, what was held, and what it all means; from the ledger alone.

Re-materialising is a read: the same ledger head gives the same rows, however often, and nothing is ever sent.
"""

# Annotations stay unpostponed here: Dagster reads them to find the resources.
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import dagster as dg
import pandas as pd

from deepcoin_ops.assets.checks import DAY_CHECKS, SCHEMA, DayCheck
from deepcoin_ops.domain.day import AccountDay
from deepcoin_ops.domain.day_frames import (
    build_close_attempts,
    build_close_errors,
    build_flatten_summary,
    build_positions_after,
    build_positions_before,
    build_reconciliation,
)
from deepcoin_ops.domain.frames import Table
from deepcoin_ops.domain.order_frames import build_cancel_attempts, build_orders_after
from deepcoin_ops.domain.table_head import TableHead
from deepcoin_ops.domain.tables import (
    CANCEL_ATTEMPTS,
    CLOSE_ATTEMPTS,
    CLOSE_ERRORS,
    FLATTEN_SUMMARY,
    ORDERS_AFTER,
    POSITIONS_AFTER,
    POSITIONS_BEFORE,
    RECONCILIATION,
)
from deepcoin_ops.orchestration.day_jobs import DAY_TABLES_GROUP
from deepcoin_ops.orchestration.day_resources import DayTables, LedgerDays
from deepcoin_ops.orchestration.failures import guarded
from deepcoin_ops.orchestration.shown import build_frame_markdown, show_metadata
from deepcoin_ops.orchestration.tables import StoredTable, build_table_metadata

CLOSE_LEDGER = "close_ledger"
# A year is four runs: the start of a run takes as long as some ten days, and a run's memory hardly grows with its days.
DAYS_PER_RUN = 92
_PREVIEW_ROWS = 20
_FrameBuilder = Callable[[str, Sequence[AccountDay]], pd.DataFrame]
# The day's frame, and what its partition shows beside what every table shows.
DayBuilder = Callable[[str, LedgerDays], tuple[pd.DataFrame, Mapping[str, Any]]]

_BUILDERS: dict[Table, _FrameBuilder] = {
    CLOSE_ATTEMPTS: lambda day, days: build_close_attempts(day, [attempt for each in days for attempt in each.attempts]),
    CLOSE_ERRORS: lambda day, days: build_close_errors(day, [attempt for each in days for attempt in each.attempts]),
    CANCEL_ATTEMPTS: build_cancel_attempts,
    POSITIONS_BEFORE: build_positions_before,
    POSITIONS_AFTER: build_positions_after,
    ORDERS_AFTER: build_orders_after,
    RECONCILIATION: build_reconciliation,
    FLATTEN_SUMMARY: build_flatten_summary,
}


def build_close_ledger(trading_days: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    """The ledger itself, as an asset that is only ever reported on."""
    return dg.AssetSpec(
        CLOSE_LEDGER,
        partitions_def=trading_days,
        group_name="ledger",
        description="The append-only ledger of what was sent and answered. Written by flattens, reported by a sensor.",
        kinds={"sqlite"},
    )


def build_day_tables(trading_days: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    """The assets of this module for a desk's trading days."""
    return [build_table_asset(table, _from_account_days(build), trading_days) for table, build in _BUILDERS.items()]


def build_day_frame(table: Table, trading_day: str, ledger_days: LedgerDays) -> pd.DataFrame:
    """One of this module's tables for a day, from the ledger and not from a file."""
    return _BUILDERS[table](trading_day, ledger_days.read_account_days(trading_day))


def _from_account_days(build_frame: _FrameBuilder) -> DayBuilder:
    return lambda trading_day, ledger_days: (build_frame(trading_day, ledger_days.read_account_days(trading_day)), {})


def build_table_asset(
    table: Table, build_day: DayBuilder, trading_days: dg.PartitionsDefinition[str]
) -> dg.AssetsDefinition:
    """One table as an asset: a file per trading day, many days in one run, each with metadata and checks of its own."""
    checks: tuple[DayCheck, ...] = (SCHEMA, *DAY_CHECKS.get(table, ()))

    @dg.asset(
        name=table.name,
        partitions_def=trading_days,
        backfill_policy=dg.BackfillPolicy.multi_run(DAYS_PER_RUN),
        deps=[CLOSE_LEDGER],
        check_specs=[each.build_spec(table, trading_days) for each in checks],
        group_name=DAY_TABLES_GROUP,
        kinds={"pandas", "parquet"},
        description=f"One row per {table.row_is}. Zero rows: {table.zero_rows_mean}.",
        metadata={"dagster/column_schema": build_column_schema(table), "key": ", ".join(table.key)},
    )
    def table_asset(
        context: dg.AssetExecutionContext, ledger_days: LedgerDays, day_tables: DayTables
    ) -> Iterator[dg.MaterializeResult[None] | dg.Output[None] | dg.AssetCheckEvaluation]:
        for trading_day in context.partition_keys:
            frame, more = build_day(trading_day, ledger_days)
            head = ledger_days.read_head(trading_day)
            stored = guarded(partial(day_tables.store.write, table, trading_day, frame, head))
            metadata = {**_build_day_metadata(table, stored, ledger_days, trading_day), **({} if stored.is_kept else more)}
            context.add_asset_metadata(show_metadata(metadata), partition_key=trading_day)
            on_disk = day_tables.store.read(table, trading_day)
            for each in checks:
                yield each.evaluate(table, trading_day, on_disk)
        yield dg.MaterializeResult()
        # Dagster wants to hear of each check once more, as an output; the results of the days are the events above.
        for each in checks:
            yield dg.Output(None, output_name=f"{table.name}_{each.name}")

    return table_asset


def build_column_schema(table: Table) -> dg.TableSchema:
    """The table's contract as Dagster shows it."""
    return dg.TableSchema(
        [
            dg.TableColumn(
                column.name,
                str(column.kind.arrow_type),
                column.description,
                dg.TableColumnConstraints(nullable=column.is_nullable),
            )
            for column in table.columns
        ]
    )


def build_window_metadata(ledger_days: LedgerDays, trading_day: str, head: TableHead) -> dict[str, Any]:
    """What every partition of a day shows, as of the head of its file: its window, and whether anybody flattened."""
    days = ledger_days.read_account_days(trading_day, head)
    flattens = [flatten for day in days for flatten in day.flattens if not flatten.request.is_dry_run]
    starts, ends = ledger_days.settings.calendar.window(trading_day)
    return {
        "window": f"{starts.isoformat()} to {ends.isoformat()}",
        "flatten_runs": len(flattens),
        "flatten_results": [each.closing.result.value if each.closing else "no closing row" for each in flattens],
        "skipped_ticks": [reason for day in days for reason in day.skipped_ticks],
        **_describe_altered(ledger_days.read_head(trading_day)),
    }


def _describe_altered(head: TableHead) -> dict[str, str]:
    """What is wrong with the day's entries in the ledger, and what to do; nothing when they are what was recorded."""
    if not head.altered:
        return {}
    told = (
        f"The ledger is not what was recorded: {'; '.join(head.altered.values())}. What was built from it before is kept "
        "beside the day's files, under a name that ends in .aside. Compare the ledger with a backup."
    )
    return {"ledger_altered": told}


def _build_day_metadata(table: Table, stored: StoredTable, ledger_days: LedgerDays, trading_day: str) -> dict[str, Any]:
    """What this day's partition shows: what every one does, counts, and the first rows."""
    return {
        **build_table_metadata(table, stored),
        "dagster/partition_row_count": len(stored.frame),
        **build_window_metadata(ledger_days, trading_day, stored.head),
        "preview": build_frame_markdown(stored.frame[list(table.preview)], _PREVIEW_ROWS),
    }
