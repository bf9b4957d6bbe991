"""The second composition root: the tables, their checks and what rebuilds them. Nothing in here can reach an exchange.

Loaded alone (`deploy/reading/workspace.yaml`) it is a code location for people who rebuild and look at tables and must not
be able to close anything: it needs no key, and a process that has loaded it holds no client, no desk and no op that sends,
whatever its environment holds. `deepcoin_ops.definitions` is this and the jobs that talk to the exchange. No asset or op
bodies.
"""

from __future__ import annotations

import dagster as dg

from deepcoin_ops.assets.checks import days_with_open_breaks, ledger_chain_intact
from deepcoin_ops.assets.closed_positions import build_closed_positions_asset
from deepcoin_ops.assets.day_tables import build_close_ledger, build_day_tables
from deepcoin_ops.assets.flatten_report import build_flatten_report_asset
from deepcoin_ops.orchestration.day_jobs import build_day_tables_job
from deepcoin_ops.orchestration.day_resources import DayTables, LedgerDays
from deepcoin_ops.orchestration.day_schedules import build_day_end
from deepcoin_ops.orchestration.partitions import build_trading_days
from deepcoin_ops.orchestration.sensors import build_ledger_moved
from deepcoin_ops.settings import Settings, load_settings


def build_reading_definitions(*, settings: Settings | None = None, follows_ledger: bool = False) -> dg.Definitions:
    """The tables of the trading days and what rebuilds them from the ledger.

    Args:
        settings: Decide trading days, ledger and tables; read from the environment when left out.
        follows_ledger: Whether the sensor and the schedule that rebuild are on from the start. Of several code locations
            over one ledger that is one, or each day would be built once by every location.
    """
    chosen = settings or load_settings()
    trading_days = build_trading_days(chosen)
    close_ledger = build_close_ledger(trading_days)
    day_tables_job = build_day_tables_job()
    return dg.Definitions(
        assets=[
            close_ledger,
            *build_day_tables(trading_days),
            build_closed_positions_asset(trading_days),
            build_flatten_report_asset(trading_days),
        ],
        asset_checks=[days_with_open_breaks, ledger_chain_intact],
        jobs=[day_tables_job],
        schedules=[build_day_end(chosen, day_tables_job, trading_days, is_on=follows_ledger)],
        sensors=[build_ledger_moved(chosen, day_tables_job, close_ledger, trading_days, is_on=follows_ledger)],
        resources={"ledger_days": LedgerDays(), "day_tables": DayTables()},
        # Materialising from the catalogue ignores a job's executor; this one reaches it too.
        executor=dg.in_process_executor,
    )


defs = build_reading_definitions()
