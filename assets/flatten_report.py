"""`flatten_report`: what a trading day comes to, as one page for people, built from the same ledger head as the tables.

It is made of the same frames and reads no table from disk, so that it is right in whatever order things are built.
"""

# Annotations stay unpostponed here: Dagster reads them to find the resources.
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg

from deepcoin_ops.assets.closed_positions import describe_evidence, read_history
from deepcoin_ops.assets.day_tables import CLOSE_LEDGER, DAYS_PER_RUN, build_day_frame, build_window_metadata
from deepcoin_ops.domain.tables import CLOSE_ATTEMPTS, CLOSE_ERRORS, FLATTEN_SUMMARY, POSITIONS_AFTER, RECONCILIATION
from deepcoin_ops.orchestration.day_jobs import DAY_TABLES_GROUP
from deepcoin_ops.orchestration.day_resources import DayTables, LedgerDays
from deepcoin_ops.orchestration.failures import guarded
from deepcoin_ops.orchestration.reports import FLATTEN_REPORT, StoredReport
from deepcoin_ops.orchestration.shown import show_metadata
from deepcoin_ops.reporting.day import DayFrames, ReportAccount, ReportDay

if TYPE_CHECKING:
    from deepcoin_ops.reporting.exposure import FlattenExposure


def build_flatten_report_asset(trading_days: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset for a desk's trading days: a page per day, many days in one run, each with metadata of its own."""

    @dg.asset(
        name=FLATTEN_REPORT,
        partitions_def=trading_days,
        backfill_policy=dg.BackfillPolicy.multi_run(DAYS_PER_RUN),
        deps=[CLOSE_LEDGER],
        group_name=DAY_TABLES_GROUP,
        kinds={"html", "matplotlib"},
        description="The day as one page: is every account flat, what broke, what is it worth, who does what.",
    )
    def flatten_report(
        context: dg.AssetExecutionContext, ledger_days: LedgerDays, day_tables: DayTables
    ) -> dg.MaterializeResult[None]:
        # Imported here: every run imports this module, and a flatten must not wait for matplotlib before its first send.
        from deepcoin_ops.reporting.exposure import build_exposures
        from deepcoin_ops.reporting.page import build_page

        for trading_day in context.partition_keys:
            day, frames = _describe_day(trading_day, ledger_days), _build_frames(trading_day, ledger_days)
            stored = guarded(partial(day_tables.reports.write, trading_day, build_page(day, frames)))
            metadata = {
                **_build_metadata(stored),
                **build_window_metadata(ledger_days, trading_day, stored.head),
                **({} if stored.is_kept else _build_plot(build_exposures(frames), day.close_period_s)),
            }
            context.add_asset_metadata(show_metadata(metadata), partition_key=trading_day)
        return dg.MaterializeResult()

    return flatten_report


def _build_frames(trading_day: str, ledger_days: LedgerDays) -> DayFrames:
    tables = (CLOSE_ATTEMPTS, CLOSE_ERRORS, RECONCILIATION, FLATTEN_SUMMARY, POSITIONS_AFTER)
    return DayFrames(**{table.name: build_day_frame(table, trading_day, ledger_days) for table in tables})


def _describe_day(trading_day: str, ledger_days: LedgerDays) -> ReportDay:
    """What a report tells beside its frames."""
    settings, asked = ledger_days.settings, read_history(trading_day, ledger_days)
    starts_at, ends_at = settings.calendar.window(trading_day)
    return ReportDay(
        trading_day=trading_day,
        venue=settings.venue.value,
        timezone=settings.schedule.timezone,
        starts_at=starts_at,
        ends_at=ends_at,
        close_period_s=settings.pace.close_spacing_s,
        head=ledger_days.read_head(trading_day),
        accounts=tuple(
            ReportAccount(each.account, each.due, each.skipped_ticks, describe_evidence(each.account, asked))
            for each in ledger_days.read_account_days(trading_day)
        ),
    )


def _build_metadata(stored: StoredReport) -> Mapping[str, Any]:
    return {
        "path": stored.path,
        "headline": stored.facts.headline,
        "breaks": stored.facts.breaks,
        "ledger_head_seq": stored.head.seq,
        "ledger_head_hashes": dict(stored.head.hashes),
        "built_from_newer_head": stored.is_kept,
    }


def _build_plot(exposures: "list[FlattenExposure]", close_period_s: float) -> Mapping[str, Any]:
    """The picture of the day's exposures; nothing when nothing was sent."""
    from deepcoin_ops.reporting.exposure import group_by_account
    from deepcoin_ops.reporting.plots import draw_png

    picture = draw_png(group_by_account(exposures), close_period_s)
    return {"exposure": dg.MetadataValue.md(f"![USDT still open over time]({picture})")} if picture else {}
