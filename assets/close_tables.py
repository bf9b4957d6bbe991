"""`close_attempts` and `close_errors`: what was sent on a trading day and what came back, rebuilt from the ledger.

Re-materialising is a read: the same ledger head gives the same rows, however often, and nothing is ever sent.
"""

# Annotations stay unpostponed here: Dagster reads them to find the resources.
from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg
import pandas as pd

from deepcoin_ops.domain.frames import CLOSE_ATTEMPTS, CLOSE_ERRORS, Table, build_close_attempts, build_close_errors
from deepcoin_ops.domain.model import CloseAttempt
from deepcoin_ops.orchestration.jobs import DAY_TABLES_GROUP
from deepcoin_ops.orchestration.resources import DayTables, LedgerDays
from deepcoin_ops.orchestration.tables import StoredTable, build_table_metadata

CLOSE_LEDGER = "close_ledger"
DAYS_PER_RUN = 31
_PREVIEW_ROWS = 20
_FrameBuilder = Callable[[str, Sequence[CloseAttempt]], pd.DataFrame]


def build_close_ledger(trading_days: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    """The ledger itself, as an asset that is only ever reported on."""
    return dg.AssetSpec(
        CLOSE_LEDGER,
        partitions_def=trading_days,
        group_name="ledger",
        description="The append-only ledger of what was sent and answered. Written by flattens, reported by a sensor.",
        kinds={"sqlite"},
    )


def build_close_tables(trading_days: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    """The assets of this module for a desk's trading days."""
    return [
        _build_table_asset(CLOSE_ATTEMPTS, build_close_attempts, trading_days),
        _build_table_asset(CLOSE_ERRORS, build_close_errors, trading_days),
    ]


def _build_table_asset(
    table: Table, build_frame: _FrameBuilder, trading_days: dg.PartitionsDefinition[str]
) -> dg.AssetsDefinition:
    """One table as an asset: a file per trading day, many days in one run, each with metadata of its own."""

    @dg.asset(
        name=table.name,
        partitions_def=trading_days,
        backfill_policy=dg.BackfillPolicy.multi_run(DAYS_PER_RUN),
        deps=[CLOSE_LEDGER],
        group_name=DAY_TABLES_GROUP,
        kinds={"pandas", "parquet"},
        description=f"One row per {table.row_is}. Zero rows: {table.zero_rows_mean}.",
        metadata={"dagster/column_schema": build_column_schema(table), "key": ", ".join(table.key)},
    )
    def table_asset(context: dg.AssetExecutionContext, ledger_days: LedgerDays, day_tables: DayTables) -> None:
        for trading_day in context.partition_keys:
            frame = build_frame(trading_day, ledger_days.read_attempts(trading_day))
            stored = day_tables.store.write(table, trading_day, frame, ledger_days.read_head(trading_day))
            context.add_asset_metadata(
                build_day_metadata(table, stored, ledger_days, trading_day), partition_key=trading_day
            )

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


def build_day_metadata(table: Table, stored: StoredTable, ledger_days: LedgerDays, trading_day: str) -> dict[str, Any]:
    """What this day's partition shows: whether anybody flattened, the window, counts, and the first rows."""
    flattens = [record for record in ledger_days.read_flattens(trading_day) if not record.request.is_dry_run]
    starts, ends = ledger_days.settings.calendar.window(trading_day)
    results = [record.closing.result.value if record.closing else "no closing row" for record in flattens]
    preview = stored.frame[list(table.preview)].head(_PREVIEW_ROWS)
    return {
        **build_table_metadata(table, stored),
        "dagster/partition_row_count": len(stored.frame),
        "window": f"{starts.isoformat()} to {ends.isoformat()}",
        "flatten_runs": len(flattens),
        "flatten_results": results,
        "skipped_ticks": [tick.reason for tick in ledger_days.read_skipped_ticks(trading_day)],
        "preview": dg.MetadataValue.md(preview.to_markdown(index=False) if len(preview) else "no rows"),
    }
