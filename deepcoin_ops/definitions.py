"""The only composition root: everything that Dagster sees, put together here. No asset or op bodies."""

from __future__ import annotations

from typing import Any

import dagster as dg

from deepcoin_ops.assets.checks import days_with_open_breaks, ledger_chain_intact
from deepcoin_ops.assets.closed_positions import build_closed_positions_asset
from deepcoin_ops.assets.day_tables import build_close_ledger, build_day_tables
from deepcoin_ops.assets.flatten_report import build_flatten_report_asset
from deepcoin_ops.orchestration.jobs import (
    build_day_tables_job,
    build_flatten_job,
    check_credentials,
    collect_evidence,
    plan_positions,
    preflight,
)
from deepcoin_ops.orchestration.partitions import build_trading_days
from deepcoin_ops.orchestration.resources import DayTables, FlattenDesk, LedgerDays
from deepcoin_ops.orchestration.schedules import build_credentials_check, build_day_end, build_end_of_day_flatten
from deepcoin_ops.orchestration.sensors import build_evidence_due, build_ledger_moved, build_preflight_due
from deepcoin_ops.settings import Settings, load_settings


def build_definitions(*, settings: Settings | None = None, resources: dict[str, Any] | None = None) -> dg.Definitions:
    """Everything in this code location.

    Args:
        settings: Decide schedule and trading days; read from the environment when left out.
        resources: Replace some of the resources by name.
    """
    chosen = settings or load_settings()
    trading_days = build_trading_days(chosen)
    close_ledger = build_close_ledger(trading_days)
    flatten_positions = build_flatten_job(chosen)
    day_tables_job = build_day_tables_job()
    return dg.Definitions(
        assets=[
            close_ledger,
            *build_day_tables(trading_days),
            build_closed_positions_asset(trading_days),
            build_flatten_report_asset(trading_days),
        ],
        asset_checks=[days_with_open_breaks, ledger_chain_intact],
        jobs=[flatten_positions, plan_positions, preflight, check_credentials, collect_evidence, day_tables_job],
        schedules=[
            build_end_of_day_flatten(chosen, flatten_positions),
            build_day_end(chosen, day_tables_job, trading_days),
            build_credentials_check(chosen, check_credentials),
        ],
        sensors=[
            build_ledger_moved(chosen, day_tables_job, close_ledger, trading_days),
            build_evidence_due(chosen),
            build_preflight_due(chosen),
        ],
        resources={"desk": FlattenDesk(), "ledger_days": LedgerDays(), "day_tables": DayTables(), **(resources or {})},
        # Materialising from the catalogue ignores a job's executor; this one reaches it too.
        executor=dg.in_process_executor,
    )


defs = build_definitions()
