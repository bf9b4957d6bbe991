"""The asset checks: per trading day where the table is written, and over all days on disk.

A check reads what is on disk and always emits a result. None blocks: a day that is not clean has to have its tables too.
"""

# Annotations stay unpostponed here: Dagster reads them to find the resources.
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pandas as pd

from deepcoin_ops.domain.breaks import DEFINITIONS, BreakType, Severity
from deepcoin_ops.domain.frames import Table
from deepcoin_ops.domain.showing import show_text
from deepcoin_ops.domain.tables import RECONCILIATION
from deepcoin_ops.orchestration.day_resources import DayTables, LedgerDays
from deepcoin_ops.orchestration.shown import build_frame_markdown
from deepcoin_ops.orchestration.tables import StoredTable

# The tag by which Dagster names the partition of a run.
_PARTITION_TAG = "dagster/partition"
_SHOWN_ROWS = 20
_SHOWN_DAYS = 10
_SHOWN = ["account", "instrument_id", "position_side", "break_type", "severity", "reason", "what_to_do"]


@dataclass(frozen=True)
class Finding:
    """What a check found: `problem` is None when it passed."""

    problem: str | None
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
    rows: pd.DataFrame | None = None

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The rows that made it fail, for people."""
        if self.rows is None or self.rows.empty:
            return {}
        return {"rows": len(self.rows), "shown": build_frame_markdown(self.rows, _SHOWN_ROWS)}


@dataclass(frozen=True)
class DayCheck:
    """A check of one table on one trading day; `judge` gets what was read back from the day's file."""

    name: str
    description: str
    judge: Callable[[Table, StoredTable], Finding]

    def build_spec(self, table: Table, trading_days: dg.PartitionsDefinition[str]) -> dg.AssetCheckSpec:
        """The check as Dagster lists it."""
        with warnings.catch_warnings():
            # Results by partition are a preview feature; without it a good day's result would stand for all days.
            warnings.filterwarnings("ignore", message="Specifying a partitions_def on an AssetCheckSpec")
            return dg.AssetCheckSpec(self.name, asset=table.name, description=self.description, partitions_def=trading_days)

    def evaluate(self, table: Table, trading_day: str, stored: StoredTable | None) -> dg.AssetCheckEvaluation:
        """The result for one day, from its file as it was read back, or None when it cannot be."""
        if stored is None:
            finding = Finding(f"the file of {trading_day} cannot be read back; materialise the day again")
        else:
            finding = self.judge(table, stored)
        return dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(table.name),
            check_name=self.name,
            passed=finding.problem is None,
            metadata={"trading_day": dg.MetadataValue.text(trading_day), **finding.metadata},
            severity=finding.severity,
            description=show_text(f"{trading_day}: {finding.problem or 'nothing found'}"),
            partition=trading_day,
        )


def _judge_schema(table: Table, stored: StoredTable) -> Finding:
    problems = table.find_violations(stored.frame)
    return Finding("; ".join(problems) or None)


def _judge_flat(_table: Table, stored: StoredTable) -> Finding:
    breaks = find_breaks(stored.frame)
    at_risk = breaks[breaks["severity"] == Severity.ERROR.value]
    return Finding(f"{_count(at_risk)}; what to do is in each row" if len(at_risk) else None, rows=at_risk[_SHOWN])


def _judge_unknown(_table: Table, stored: StoredTable) -> Finding:
    breaks = find_breaks(stored.frame)
    unknown = breaks[breaks["findings"].str.contains(BreakType.UNKNOWN_OUTCOME.value, regex=False).astype(bool)]
    problem = f"{len(unknown)} row(s) with a close whose outcome no read has settled" if len(unknown) else None
    return Finding(problem, rows=unknown[_SHOWN])


def _judge_unconfigured(_table: Table, stored: StoredTable) -> Finding:
    breaks = find_breaks(stored.frame)
    found = breaks[breaks["break_type"] == BreakType.UNCONFIGURED_POSITION.value]
    problem = f"{len(found)} position(s) open in instruments that the settings do not name" if len(found) else None
    return Finding(problem, dg.AssetCheckSeverity.WARN, found[_SHOWN])


def _judge_evidence(_table: Table, stored: StoredTable) -> Finding:
    kinds = (BreakType.EVIDENCE_MISMATCH, BreakType.EVIDENCE_UNAVAILABLE)
    shown = [*_SHOWN, "evidence"]
    for kind in kinds:
        rows = stored.frame[stored.frame["findings"].str.contains(kind.value, regex=False).astype(bool)]
        if len(rows):
            problem = f"{len(rows)} row(s) {kind}. {DEFINITIONS[kind].what_to_do}"
            return Finding(problem, dg.AssetCheckSeverity.WARN, rows[shown])
    rows = stored.frame[stored.frame["evidence"].str.startswith("UNCOMPARED").fillna(False).astype(bool)]
    problem = f"{len(rows)} row(s) that nothing in the ledger can be compared with; what the exchange shows is in each"
    return Finding(problem if len(rows) else None, dg.AssetCheckSeverity.WARN, rows[shown])


SCHEMA = DayCheck(
    "schema", "The stored file keeps to the table's contract: columns, types, known words, one row per key.", _judge_schema
)

DAY_CHECKS: dict[Table, tuple[DayCheck, ...]] = {
    RECONCILIATION: (
        DayCheck("all_flat", "No row of the day says that money is at risk; a day nobody flattened fails.", _judge_flat),
        DayCheck("no_unknown_outcomes", "No close of the day is left unknown: a later read settled it.", _judge_unknown),
        DayCheck(
            "no_unconfigured_positions",
            "Nothing was open in an instrument that the settings do not name.",
            _judge_unconfigured,
        ),
        DayCheck("evidence_matches", "The exchange's own list shows every close that the ledger shows.", _judge_evidence),
    )
}


def find_breaks(reconciliation: pd.DataFrame) -> pd.DataFrame:
    """The rows that somebody has to do something about."""
    return reconciliation[reconciliation["is_break"].astype(bool)]


@dg.asset_check(
    asset=RECONCILIATION.name,
    description="Whether any trading day has an open break. Looks at every day on disk, whichever was built last.",
)
def days_with_open_breaks(day_tables: DayTables, ledger_days: LedgerDays) -> dg.AssetCheckResult:
    """Read the reconciliation of every day on disk; fail when one has a break, cannot be read, or is not there."""
    store = day_tables.store
    days = store.list_days(RECONCILIATION)
    read = {day: store.read(RECONCILIATION, day) for day in days}
    unreadable = [day for day, stored in read.items() if stored is None]
    breaks = {day: find_breaks(stored.frame) for day, stored in read.items() if stored is not None}
    open_days = {day: rows for day, rows in breaks.items() if len(rows)}
    # A deleted folder has no breaks, and the days that were recorded or due were not clean for that.
    lost = [day for day in ledger_days.list_owed_days(min(days, default=None)) if day not in days]
    is_at_risk = bool(unreadable or lost) or any(
        (rows["severity"] == Severity.ERROR.value).any() for rows in open_days.values()
    )
    lines = [f"{day}: {_count(rows)}" for day, rows in open_days.items()]
    lines += [f"{day}: its file cannot be read; materialise the day again" for day in unreadable]
    if lost:
        named = ", ".join(lost[:_SHOWN_DAYS]) + (" and so on" if len(lost) > _SHOWN_DAYS else "")
        lines.append(f"{len(lost)} day(s) recorded or due, and without a file: {named}; materialise them")
    return dg.AssetCheckResult(
        passed=not lines,
        severity=dg.AssetCheckSeverity.ERROR if is_at_risk else dg.AssetCheckSeverity.WARN,
        description=show_text("; ".join(lines)) or f"no open break on {len(days)} day(s)",
        metadata={
            "days": len(days),
            "days_with_open_breaks": [*open_days],
            "unreadable_days": unreadable,
            "days_without_a_file": lost,
        },
    )


@dg.asset_check(
    asset=RECONCILIATION.name,
    description="Whether every entry of the ledger is what was recorded and follows the one before it, for each account.",
)
def ledger_chain_intact(context: dg.AssetCheckExecutionContext, ledger_days: LedgerDays) -> dg.AssetCheckResult:
    """Walk the hash chain of every account from where it was last found good, and the run's own day."""
    altered = ledger_days.find_altered_entries(context.run.tags.get(_PARTITION_TAG))
    told = [each.describe() for each in altered]
    cure = "Keep the file, compare the day's head hashes with a backup, and trust no table of these accounts until then."
    return dg.AssetCheckResult(
        passed=not told,
        description=show_text(f"{'; '.join(told)}. {cure}") if told else "every entry is what was recorded",
        metadata={"altered_accounts": [each.account for each in altered]},
    )


def _count(rows: pd.DataFrame) -> str:
    counted = rows["break_type"].value_counts().sort_index()
    return ", ".join(f"{count} x {kind}" for kind, count in counted.items())
