"""The code location of a reporting team: one asset, its job, its checks and a schedule. Reads files, writes files.

It needs no key and sends nothing. The reconciliation belongs to the code location `deepcoin_ops` and is named here only, so
that both show as one graph in a Dagster that has loaded both.
"""

# Annotations stay unpostponed here: Dagster reads them to find config and resources.
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pyarrow as pa

from break_aging.aging import OPEN_BREAKS, DayRange, build_open_breaks, order_for_people
from break_aging.cells import write_markdown
from break_aging.day_files import DaysUnreadable, find_days, query_open_breaks, read_reconciliation, write_report

_SHOWN = ["subject", "status", "severity", "break_type", "days_open", "first_seen", "last_seen", "notional_usdt"]
_SHOWN_ROWS = 20

reconciliation = dg.AssetSpec(
    "reconciliation", description="What each trading day means; built by deepcoin_ops, one Parquet file per day."
)


class ReportFolders(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where the day tables are, and where reports go. Local folders.

    Attributes:
        tables: The folder that holds `reconciliation/`.
        reports: The folder to write to; it is made if it is not there.
    """

    tables: str
    reports: str


class AgeRange(dg.Config):
    """Which trading days to look at, `YYYY-MM-DD`; without, from the first to the last day on disk."""

    first_day: str | None = None
    last_day: str | None = None


@dg.asset(
    deps=[reconciliation],
    group_name="reporting",
    kinds={"pandas", "parquet"},
    description="One row per break and time it was open: since when, how old, still open, unknown or cleared.",
    metadata={
        "dagster/column_schema": dg.TableSchema(
            [
                dg.TableColumn(
                    field.name,
                    str(field.type),
                    field.metadata[b"description"].decode(),
                    dg.TableColumnConstraints(nullable=field.nullable),
                )
                for field in OPEN_BREAKS
            ]
        )
    },
    check_specs=[
        dg.AssetCheckSpec("nothing_open", asset="open_breaks", description="Every break is cleared."),
        dg.AssetCheckSpec("every_day_is_there", asset="open_breaks", description="No day of the range lacks its file."),
        dg.AssetCheckSpec("sql_agrees", asset="open_breaks", description="DuckDB finds the same, from the files alone."),
    ],
)
def open_breaks(config: AgeRange, folders: ReportFolders) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Read the days, age the breaks, write Parquet and CSV."""
    tables = Path(folders.tables)
    try:
        days = find_days(tables, config.first_day, config.last_day)
        aged = build_open_breaks(read_reconciliation(tables, days), days)
    except DaysUnreadable as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    parquet, csv = write_report(Path(folders.reports), days.last_day, aged)
    shown = _build_preview(order_for_people(aged)[_SHOWN].head(_SHOWN_ROWS))
    yield dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(aged),
            "as_of": days.last_day,
            "days": f"{days.first_day} to {days.last_day}",
            "days_read": len(days.on_disk),
            "days_missing": list(days.missing),
            "by_status": _count(aged, "status"),
            "not_cleared_by_age": _count(aged[aged["status"] != "CLEARED"], "age_bucket"),
            "path": dg.MetadataValue.path(parquet),
            "csv": dg.MetadataValue.path(csv),
            "preview": dg.MetadataValue.md(shown),
        }
    )
    yield _judge_open(aged)
    yield _judge_missing(days)
    yield _judge_sql(aged, query_open_breaks(tables, days))


def _build_preview(rows: pd.DataFrame) -> str:
    """Rows as a table of Markdown; figures stand on the right."""
    if rows.empty:
        return "no rows"
    sides = ["right" if OPEN_BREAKS.field(name).type in (pa.int64(), pa.decimal128(38, 18)) else "left" for name in rows]
    cells = rows.astype(object).where(rows.notna(), "–").map(write_markdown)
    return str(cells.to_markdown(index=False, colalign=sides, disable_numparse=True))


def _count(frame: pd.DataFrame, column: str) -> dict[str, int]:
    return {str(name): int(count) for name, count in frame[column].value_counts().sort_index().items()}


def _judge_open(aged: pd.DataFrame) -> dg.AssetCheckResult:
    left = aged[aged["status"] != "CLEARED"]
    at_risk = bool((left["severity"] == "ERROR").any())
    return dg.AssetCheckResult(
        check_name="nothing_open",
        passed=left.empty,
        severity=dg.AssetCheckSeverity.ERROR if at_risk else dg.AssetCheckSeverity.WARN,
        description=f"{len(left)} break(s) not cleared" if len(left) else "every break is cleared",
    )


def _judge_missing(days: DayRange) -> dg.AssetCheckResult:
    told = f"{len(days.missing)} day(s) without a file, which say nothing: {', '.join(days.missing)}"
    return dg.AssetCheckResult(
        check_name="every_day_is_there",
        passed=not days.missing,
        severity=dg.AssetCheckSeverity.WARN,
        description=told if days.missing else f"{len(days.on_disk)} day(s) read",
    )


def _judge_sql(aged: pd.DataFrame, by_sql: pd.DataFrame) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="sql_agrees",
        passed=aged.equals(by_sql),
        description=f"{len(aged)} row(s) by pandas, {len(by_sql)} by SQL",
    )


age_open_breaks = dg.define_asset_job(
    "age_open_breaks",
    selection=[open_breaks],
    executor_def=dg.in_process_executor,
    description="Age the open breaks of all trading days, or of a range. Reads and writes files only.",
)

# Six in the morning is after the tables of the day before are built (`day_end`); off until somebody switches it on.
every_morning = dg.ScheduleDefinition(
    name="every_morning", job=age_open_breaks, cron_schedule="0 6 * * *", execution_timezone="UTC"
)

defs = dg.Definitions(
    assets=[reconciliation, open_breaks],
    jobs=[age_open_breaks],
    schedules=[every_morning],
    resources={
        "folders": ReportFolders(tables=dg.EnvVar("REPORTING_TABLES"), reports=dg.EnvVar("REPORTING_REPORTS")),
    },
)
