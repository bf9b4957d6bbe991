"""The demonstration: a whole trading day's end in a good minute, on the embedded paper exchange.

One account of twelve configured instruments, with orders waiting in some, is flattened through Dagster while the exchange
misbehaves by script; then the day's tables are built, and the ledger's word is compared with the exchange's own truth
(`comparison`). Exit code 0 only when they agree.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.table import Table

from deepcoin_ops.commands.order_tables import build_cancels
from deepcoin_ops.commands.tables import build_close_errors, build_verdicts
from deepcoin_ops.comparison import Comparison, OrderComparison, compare, compare_orders, pair_cancels
from deepcoin_ops.domain.model import CloseAttempt, FlattenClosing, InstrumentVerdict, Venue
from deepcoin_ops.domain.orders import CancelAttempt
from deepcoin_ops.domain.tables import TABLES
from deepcoin_ops.instance import prepare_instance
from deepcoin_ops.ledger.history import History
from deepcoin_ops.orchestration.reports import ReportStore
from deepcoin_ops.paper.scenario import build_demo_scenario
from deepcoin_ops.paper.server import PaperExchange
from deepcoin_ops.settings import Settings, load_settings

_ACCOUNT = "main"
_SILENT_LOGS = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}


@dataclass(frozen=True)
class _Told:
    """What the ledger tells of one flatten."""

    closing: FlattenClosing
    verdicts: Sequence[InstrumentVerdict]
    attempts: Sequence[CloseAttempt]
    cancels: Sequence[CancelAttempt]
    is_intact: bool


def main() -> int:
    """Run the demonstration and print it.

    Returns:
        The process's exit code: 0 when ledger and truth agree and the account is flat.
    """
    console = Console(width=None if sys.stdout.isatty() else 140)
    with PaperExchange(build_demo_scenario(_ACCOUNT)) as exchange:
        settings = _use_paper(exchange.url)
        instruments = len(settings.account(_ACCOUNT).instruments)
        console.print(f"Paper exchange at {exchange.url}: account {_ACCOUNT}, {instruments} configured instruments.")
        console.print("Flattening through Dagster; this takes about a minute ...")
        trading_day, run_id = _run_jobs(settings)
        truth = exchange.truth()["accounts"][_ACCOUNT]
    ledger = History.open_existing(settings.ledger_path, settings.venue)
    if ledger is None:
        console.print(f"There is no ledger at {settings.ledger_path}: the flatten never started.", style="bold red")
        return 1
    with ledger:
        told = _read_flatten(ledger, run_id)
    if told is None:
        console.print("The run left no closed flatten in the ledger.", style="bold red")
        return 1
    comparisons = compare(told.verdicts, told.attempts, truth)
    pairs, are_cancels_told = pair_cancels(told.cancels, truth)
    orders = compare_orders(told.verdicts, pairs, truth)
    is_whole = are_cancels_told and sum(len(each.sends) for each in comparisons) == len(truth["close_requests"])
    do_agree = all(each.agrees for each in comparisons) and all(each.agrees for each in orders)
    agrees = told.is_intact and is_whole and do_agree
    console.print(_build_result(settings, told, comparisons, orders))
    _print_end(console, settings, trading_day, run_id, agrees)
    return 0 if agrees and all(verdict.verdict.is_flat for verdict in told.verdicts) else 1


def _read_flatten(ledger: History, run_id: str) -> _Told | None:
    """What the ledger tells of the run's flatten; None when it has none that was closed."""
    record = ledger.read_last_flatten(_ACCOUNT)
    if record is None or record.request.run_id != run_id or record.closing is None:
        return None
    flatten_id = record.request.flatten_id
    return _Told(
        closing=record.closing,
        verdicts=ledger.read_verdicts(flatten_id),
        attempts=ledger.read_attempts_of(flatten_id),
        cancels=ledger.read_cancels_of(flatten_id),
        is_intact=ledger.read_altered_entry(_ACCOUNT) is None,
    )


def _use_paper(url: str) -> Settings:
    """The demonstration's settings on the paper venue, for this process and what it starts."""
    os.environ.pop("DEEPCOIN_BASE_URL", None)
    os.environ["DEEPCOIN_OPS_SETTINGS"] = str(Path(__file__).with_name("demo.yaml"))
    os.environ["DEEPCOIN_OPS_VENUE"] = Venue.PAPER.value
    os.environ["DEEPCOIN_OPS_PAPER_URL"] = url
    settings = load_settings()
    os.environ["DAGSTER_HOME"] = str(prepare_instance(settings))
    return settings


def _run_jobs(settings: Settings) -> tuple[str, str]:
    """Flatten, collect evidence and build the day's tables on the checkout's Dagster instance; the day and the run's id."""
    warnings.filterwarnings("ignore", module="dagster")
    # Imported here: the definitions are built from the environment that has just been set.
    import dagster as dg

    from deepcoin_ops.definitions import defs

    logging.getLogger("alembic").setLevel(logging.ERROR)
    with dg.DagsterInstance.get() as instance:
        flatten = defs.resolve_job_def("flatten_positions")
        run = flatten.execute_in_process(instance=instance, run_config=_SILENT_LOGS, raise_on_error=False)
        trading_day = settings.calendar.day_of(datetime.now(UTC))
        evidence = defs.resolve_job_def("collect_evidence")
        evidence.execute_in_process(instance=instance, run_config=_SILENT_LOGS, raise_on_error=False)
        tables = defs.resolve_job_def("rebuild_day_tables")
        tables.execute_in_process(instance=instance, partition_key=trading_day, run_config=_SILENT_LOGS)
    return trading_day, run.run_id


def _build_result(
    settings: Settings, told: _Told, comparisons: Sequence[Comparison], orders: Sequence[OrderComparison]
) -> RenderableType:
    closing = told.closing
    needed_s = max(0, sum(1 for verdict in told.verdicts if verdict.attempts) - 1) * settings.pace.close_spacing_s
    unconfigured = ", ".join(f"{name} {size}" for name, size in closing.unconfigured.items())
    return Group(
        build_verdicts(told.verdicts, told.attempts),
        *build_close_errors(told.attempts),
        *build_cancels(told.cancels),
        _build_truth(comparisons),
        _build_orders_truth(orders),
        f"Open, not configured, and therefore never closed: {unconfigured or 'nothing'}",
        f"Last close after {_seconds(closing.time_to_last_close_s)}, proven flat after "
        f"{_seconds(closing.time_to_proven_flat_s)}; the exchange's limit alone takes {needed_s:.0f} s for one close of "
        f"each open instrument. {closing.sends} closes were sent, {closing.refused_sends} of them refused.",
    )


def _build_truth(comparisons: Sequence[Comparison]) -> Table:
    truth = Table(title="the ledger beside the exchange's truth", title_justify="left")
    for header in ("instrument", "ledger: verdict", "ledger: attempts", "truth: executed", "truth: still open", "agree"):
        truth.add_column(header)
    for each in comparisons:
        outcomes, executed = _split(each.sends)
        truth.add_row(each.instrument_id, each.verdict, outcomes, executed, each.truly_open, _agreement(each.agrees))
    return truth


def _build_orders_truth(orders: Sequence[OrderComparison]) -> Table:
    truth = Table(
        title="the orders likewise; one of an instrument that is not configured has to wait on", title_justify="left"
    )
    for header in ("order", "kind", "if it is left", "ledger: cancels", "truth: executed", "truth: order", "agree"):
        truth.add_column(header)
    for each in orders:
        outcomes, executed = _split(each.cancels)
        name = f"{each.instrument_id} {each.order_id}"
        truth.add_row(name, each.kind, each.effect, outcomes, executed, each.truth, _agreement(each.agrees))
    return truth


def _split(sends: Sequence[tuple[str, bool]]) -> tuple[str, str]:
    """The outcomes of some sends, and whether each was executed."""
    return ", ".join(outcome for outcome, _ in sends), ", ".join("yes" if was else "no" for _, was in sends)


def _agreement(agrees: bool) -> str:
    return "[green]yes[/]" if agrees else "[bold red]NO[/]"


def _print_end(console: Console, settings: Settings, trading_day: str, run_id: str, agrees: bool) -> None:
    for table in TABLES:
        console.print(f"Table {table.name}: {settings.tables_url}/{table.name}/{trading_day}.parquet", soft_wrap=True)
    report = ReportStore(settings.tables_url, settings.locks_folder).path(trading_day)
    console.print(f"The day's report: {report}", soft_wrap=True)
    console.print(f"Ledger: {settings.ledger_path}", soft_wrap=True)
    console.print(f"Dagster UI: run `make dev`, open http://127.0.0.1:3000/runs/{run_id}", soft_wrap=True)
    if agrees:
        console.print("Ledger and truth agree.", style="bold green")
    else:
        console.print("Ledger and truth do NOT agree.", style="bold red")


def _seconds(duration_s: float | None) -> str:
    return "never" if duration_s is None else f"{duration_s:.1f} s"


if __name__ == "__main__":
    sys.exit(main())
