"""The demonstration: a whole trading day's end in half a minute, on the embedded paper exchange.

One account of twelve configured instruments is flattened through Dagster while the exchange misbehaves by script; then the
day's tables are built, and the ledger's word is compared with the exchange's own truth. Exit code 0 only when they agree.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table

from deepcoin_ops.commands.tables import build_close_errors, build_verdicts
from deepcoin_ops.domain.model import CloseAttempt, InstrumentVerdict, Outcome, Venue
from deepcoin_ops.domain.tables import TABLES
from deepcoin_ops.instance import prepare_instance
from deepcoin_ops.ledger.history import History
from deepcoin_ops.ledger.records import FlattenRecord
from deepcoin_ops.orchestration.reports import ReportStore
from deepcoin_ops.paper.scenario import build_demo_scenario
from deepcoin_ops.paper.server import PaperExchange
from deepcoin_ops.settings import Settings, load_settings

_ACCOUNT = "main"
_SILENT_LOGS = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}


@dataclass(frozen=True)
class Comparison:
    """What the ledger says of one instrument beside what the exchange did and holds.

    `sends` pairs each attempt's outcome with whether the exchange executed that request.
    """

    instrument_id: str
    verdict: str
    sends: tuple[tuple[str, bool], ...]
    truly_open: str
    agrees: bool


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
        console.print("Flattening through Dagster; this takes about half a minute ...")
        trading_day, run_id = _run_jobs(settings)
        truth = exchange.truth()["accounts"][_ACCOUNT]
    ledger = History.open_existing(settings.ledger_path, settings.venue)
    if ledger is None:
        console.print(f"There is no ledger at {settings.ledger_path}: the flatten never started.", style="bold red")
        return 1
    with ledger:
        record = ledger.read_last_flatten(_ACCOUNT)
        if record is None or record.request.run_id != run_id or record.closing is None:
            console.print("The run left no closed flatten in the ledger.", style="bold red")
            return 1
        attempts = [each for each in ledger.read_attempts(trading_day) if each.flatten_id == record.request.flatten_id]
        verdicts = ledger.read_verdicts(record.request.flatten_id)
        is_intact = ledger.read_altered_entry(_ACCOUNT) is None
    comparisons = compare(verdicts, attempts, truth)
    is_whole = sum(len(each.sends) for each in comparisons) == len(truth["close_requests"])
    agrees = is_intact and is_whole and all(each.agrees for each in comparisons)
    console.print(_build_result(settings, record, verdicts, attempts, comparisons))
    _print_end(console, settings, trading_day, run_id, agrees)
    return 0 if agrees and all(verdict.verdict.is_flat for verdict in verdicts) else 1


def compare(
    verdicts: Sequence[InstrumentVerdict], attempts: Sequence[CloseAttempt], truth: Mapping[str, Any]
) -> list[Comparison]:
    """Hold the ledger against the exchange's truth, instrument by instrument.

    They agree when a verdict says closed exactly where the exchange holds no open row, every request that reached the
    exchange is an attempt of the ledger and the other way round, what was accepted was executed, what was refused was not.

    Args:
        verdicts: The flatten's verdicts.
        attempts: The flatten's attempts, in the order of their sends.
        truth: The account's part of the exchange's truth channel.
    """
    open_rows: dict[str, list[str]] = {}
    for row in truth["open"]:
        size = f"{row['position_side']} {row['quantity_contracts']}"
        open_rows.setdefault(row["instrument_id"], []).append(size)
    comparisons = []
    for verdict in verdicts:
        instrument_id = verdict.instrument_id
        sent = [
            attempt.outcome
            for attempt in attempts
            if attempt.intent.instrument_id == instrument_id and attempt.outcome is not Outcome.NOT_SENT
        ]
        executed = [
            bool(request["is_executed"]) for request in truth["close_requests"] if request["instrument_id"] == instrument_id
        ]
        is_told = len(sent) == len(executed) and all(map(_is_true, sent, executed))
        comparisons.append(
            Comparison(
                instrument_id=instrument_id,
                verdict=verdict.verdict.value,
                sends=tuple((outcome.value, was) for outcome, was in zip(sent, executed, strict=False)),
                truly_open=", ".join(open_rows.get(instrument_id, [])) or "nothing",
                agrees=is_told and verdict.verdict.is_closed == (instrument_id not in open_rows),
            )
        )
    return comparisons


def _is_true(outcome: Outcome, is_executed: bool) -> bool:
    """Whether what the exchange did is one of the things that an outcome claims."""
    if outcome is Outcome.ACCEPTED:
        return is_executed
    return not (outcome is Outcome.REFUSED and is_executed)


def _use_paper(url: str) -> Settings:
    """The shipped settings on the paper venue, for this process and what it starts."""
    for name in ("DEEPCOIN_OPS_SETTINGS", "DEEPCOIN_BASE_URL"):
        os.environ.pop(name, None)
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
    settings: Settings,
    record: FlattenRecord,
    verdicts: Sequence[InstrumentVerdict],
    attempts: Sequence[CloseAttempt],
    comparisons: Sequence[Comparison],
) -> RenderableType:
    closing = record.closing
    spacing_s = settings.pace.close_spacing_s
    needed_s = max(0, sum(1 for verdict in verdicts if verdict.attempts) - 1) * spacing_s
    last_s = closing.time_to_last_close_s if closing else None
    flat_s = closing.time_to_proven_flat_s if closing else None
    truth = Table(title="the ledger beside the exchange's truth", title_justify="left")
    for header in ("instrument", "ledger: verdict", "ledger: attempts", "truth: executed", "truth: still open", "agree"):
        truth.add_column(header)
    for each in comparisons:
        outcomes = ", ".join(outcome for outcome, _ in each.sends)
        executed = ", ".join("yes" if was else "no" for _, was in each.sends)
        shown = "[green]yes[/]" if each.agrees else "[bold red]NO[/]"
        truth.add_row(each.instrument_id, each.verdict, outcomes, executed, each.truly_open, shown)
    unconfigured = ", ".join(f"{name} {size}" for name, size in closing.unconfigured.items()) if closing else ""
    return Group(
        build_verdicts(verdicts, attempts),
        *build_close_errors(attempts),
        truth,
        f"Open, not configured, and therefore never closed: {unconfigured or 'nothing'}",
        f"Last close after {_seconds(last_s)}, proven flat after {_seconds(flat_s)}; the exchange's limit alone takes "
        f"{needed_s:.0f} s for one close of each open instrument. {closing.sends if closing else 0} closes were sent, "
        f"{closing.refused_sends if closing else 0} of them refused.",
    )


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
