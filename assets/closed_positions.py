"""`closed_positions`: what the exchange itself says was closed on a trading day, rebuilt from evidence in the ledger.

Asking the exchange is the job `collect_evidence`; materialising this asks nobody.
"""

# Annotations stay unpostponed here: Dagster reads them to find the resources.
from collections.abc import Sequence

import dagster as dg

from deepcoin_ops.assets.close_tables import CLOSE_LEDGER, DAYS_PER_RUN, build_column_schema, build_day_metadata
from deepcoin_ops.domain.evidence import EvidenceSource, EvidenceStatus
from deepcoin_ops.domain.frames import CLOSED_POSITIONS, build_closed_positions
from deepcoin_ops.ledger.records import EvidenceRecord
from deepcoin_ops.orchestration.jobs import DAY_TABLES_GROUP
from deepcoin_ops.orchestration.resources import DayTables, LedgerDays

_NOT_COLLECTED = "NOT_COLLECTED: nobody asked the exchange; launch collect_evidence"


def build_closed_positions_asset(trading_days: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset for a desk's trading days: a file per day, and beside it how far the evidence goes."""

    @dg.asset(
        name=CLOSED_POSITIONS.name,
        partitions_def=trading_days,
        backfill_policy=dg.BackfillPolicy.multi_run(DAYS_PER_RUN),
        deps=[CLOSE_LEDGER],
        group_name=DAY_TABLES_GROUP,
        kinds={"pandas", "parquet"},
        description=f"One row per {CLOSED_POSITIONS.row_is}. Zero rows: {CLOSED_POSITIONS.zero_rows_mean}.",
        metadata={
            "dagster/column_schema": build_column_schema(CLOSED_POSITIONS),
            "key": ", ".join(CLOSED_POSITIONS.key),
        },
    )
    def closed_positions(context: dg.AssetExecutionContext, ledger_days: LedgerDays, day_tables: DayTables) -> None:
        accounts = tuple(ledger_days.settings.accounts)
        for trading_day in context.partition_keys:
            asked = [
                record
                for record in ledger_days.read_evidence(trading_day)
                if record.read.source is EvidenceSource.POSITIONS_HISTORY
            ]
            shown = {r.account: r for r in asked if r.read.status is EvidenceStatus.COMPLETE}.values()
            window = ledger_days.settings.calendar.window(trading_day)
            frame = build_closed_positions(trading_day, window, [(r.seq, r.account, r.read) for r in shown])
            stored = day_tables.store.write(CLOSED_POSITIONS, trading_day, frame, ledger_days.read_head(trading_day))
            metadata = build_day_metadata(CLOSED_POSITIONS, stored, ledger_days, trading_day)
            metadata["evidence"] = {account: describe_evidence(account, asked) for account in accounts}
            context.add_asset_metadata(metadata, partition_key=trading_day)

    return closed_positions


def describe_evidence(account: str, asked: Sequence[EvidenceRecord]) -> str:
    """How far an account's evidence of a day goes: of its newest complete read, else of its newest one."""
    own = [record.read for record in asked if record.account == account]
    complete = [read for read in own if read.status is EvidenceStatus.COMPLETE]
    if complete:
        return f"{EvidenceStatus.COMPLETE} up to {complete[-1].started_at.isoformat(timespec='seconds')}"
    return f"{own[-1].status}: {own[-1].reason}" if own else _NOT_COLLECTED
