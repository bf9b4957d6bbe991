"""The job that rebuilds the tables of trading days. It knows no exchange and no desk."""

from __future__ import annotations

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from deepcoin_ops.orchestration import tags

DAY_TABLES_GROUP = "day_tables"


def build_day_tables_job() -> UnresolvedAssetJobDefinition:
    """Rebuild the tables of one trading day from the ledger. Reads and writes files; never opens a socket."""
    return dg.define_asset_job(
        "rebuild_day_tables",
        selection=dg.AssetSelection.groups(DAY_TABLES_GROUP),
        executor_def=dg.in_process_executor,
        tags={tags.READS: "ledger"},
        description="Rebuild the tables of trading days from the ledger. Never talks to the exchange.",
    )
