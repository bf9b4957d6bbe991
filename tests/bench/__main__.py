"""The benchmark's command: `make bench`, or `python -m tests.bench` in the checkout. It measures and judges nothing.

Everything runs against paper exchanges on loopback, one measurement after the other; it takes about half an hour, the 200
instruments, the degraded exchange and the year's backfill most of it. `python -m tests.bench backfill` measures the
backfill alone, `python -m tests.bench degraded` the degraded exchange, `python -m tests.bench ledger` the ledger. Figures
are good on an otherwise idle machine only.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace

import click
from rich.console import Console

from tests.bench.backfill import DAYS, QUICK_DAYS, measure_backfill
from tests.bench.degraded import measure_degraded
from tests.bench.figures import Figures
from tests.bench.launch import measure_direct_launch, measure_queued_launch
from tests.bench.ledger_cost import measure_ledger_cost
from tests.bench.ledger_reads import measure_ledger_reads
from tests.bench.scale import measure_sweeps
from tests.bench.stage import BenchFailed, open_folder

_LAUNCHES = 3
_FULL_PERIOD_S = 1.0
_QUICK_PERIOD_S = 0.2
_WIDTH = 124


def _say(text: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')} measuring: {text}", err=True)


def _measure(*, is_quick: bool) -> Figures:
    load, period_s = os.getloadavg()[0], _QUICK_PERIOD_S if is_quick else _FULL_PERIOD_S
    ways = {"dagster job execute": measure_direct_launch, "queue and daemon": measure_queued_launch}
    launches = {}
    for way, measure in ways.items():
        _say(f"launch to first close, {way}, {_LAUNCHES} times")
        launches[way] = [measure(period_s) for _ in range(_LAUNCHES)]
    ledger = _measure_ledger(is_quick=is_quick)
    sweeps = measure_sweeps(period_s, _say)
    degraded = measure_degraded(period_s, _say)
    figures = _measure_backfill(is_quick=is_quick)
    return replace(
        figures,
        load=load,
        launches=launches,
        sweeps=sweeps,
        degraded=degraded,
        ledger=ledger.ledger,
        ledger_reads=ledger.ledger_reads,
    )


def _measure_backfill(*, is_quick: bool) -> Figures:
    load, period_s = os.getloadavg()[0], _QUICK_PERIOD_S if is_quick else _FULL_PERIOD_S
    return Figures(period_s, load, backfill=measure_backfill(QUICK_DAYS if is_quick else DAYS, _say))


def _measure_degraded(*, is_quick: bool) -> Figures:
    load, period_s = os.getloadavg()[0], _QUICK_PERIOD_S if is_quick else _FULL_PERIOD_S
    return Figures(period_s, load, degraded=measure_degraded(period_s, _say))


def _measure_ledger(*, is_quick: bool) -> Figures:
    load, period_s = os.getloadavg()[0], _QUICK_PERIOD_S if is_quick else _FULL_PERIOD_S
    _say("ledger time per send")
    with open_folder() as folder:
        costs = measure_ledger_cost(folder)
        _say("what reading costs, by the size of the ledger")
        return Figures(period_s, load, ledger=costs, ledger_reads=measure_ledger_reads(folder))


_PARTS = {"all": _measure, "backfill": _measure_backfill, "degraded": _measure_degraded, "ledger": _measure_ledger}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("part", type=click.Choice(list(_PARTS)), default="all")
@click.option("--json", "is_json", is_flag=True, help="One JSON document on standard output and nothing else there.")
@click.option(
    "--quick", "is_quick", is_flag=True, help="Limits per 0.2 s, a backfill of 30 days: to try it out, not to quote."
)
def main(part: str, is_json: bool, is_quick: bool) -> None:
    """Measure launch, closing, a degraded exchange, ledger, memory and a year's backfill. Nothing leaves this machine."""
    try:
        figures = _PARTS[part](is_quick=is_quick)
    except BenchFailed as failure:
        raise click.ClickException(
            f"{failure}\nThere is no figure to print; nothing but paper exchanges was used."
        ) from failure
    if is_json:
        click.echo(json.dumps(figures.build_document(), indent=2))
        return
    console = Console(width=_WIDTH)
    console.print(figures.describe_machine())
    for table in figures.build_tables():
        console.print()
        console.print(table)


if __name__ == "__main__":
    main()
