"""What the benchmark found, as tables for people and as one JSON document. Measures nothing."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.table import Table

from tests.bench.backfill import Backfill
from tests.bench.degraded import SHARES, DegradedSide
from tests.bench.launch import Launch
from tests.bench.ledger_cost import ROLLBACK_JOURNAL, LedgerCost
from tests.bench.scale import Sweep


@dataclass(frozen=True)
class Figures:
    """Everything that was measured; what was not is empty or None, and has no section.

    Attributes:
        period_s: The period of the exchange's rate limits, in seconds.
        load: The machine's load average over a minute when it began; what else runs makes figures worse.
        launches: Repeated launches, by the way of launching.
        sweeps: 40 open of 200 configured instruments, each side once.
        degraded: The sides of the degraded exchange, the one that the others are compared with first.
        ledger: The cost of sends in the ledger, and in others to compare it with, the one a desk has first.
        ledger_reads: Milliseconds of the processor by question, by the number of flattens in the ledger.
        backfill: A year's backfill.
    """

    period_s: float
    load: float
    launches: dict[str, list[Launch]] = field(default_factory=dict)
    sweeps: list[Sweep] = field(default_factory=list)
    degraded: list[DegradedSide] = field(default_factory=list)
    ledger: dict[str, LedgerCost] = field(default_factory=dict)
    ledger_reads: dict[int, dict[str, float]] = field(default_factory=dict)
    backfill: Backfill | None = None

    def describe_machine(self) -> str:
        """The line above all figures."""
        told = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
        return f"{told}; load average {self.load:.2f} at the start; limits per {self.period_s:g} s"

    def build_document(self) -> dict[str, Any]:
        """Everything as plain values; seconds, milliseconds, MiB and USDT as the names say."""
        return {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load_average_at_start": self.load,
            "period_s": self.period_s,
            "launch_to_first_close": {way: _launch_document(launches) for way, launches in self.launches.items()},
            "sweeps": [asdict(sweep) | {"mean_exposure_s": sweep.mean_exposure_s} for sweep in self.sweeps],
            "degraded": [_degraded_document(side, self.degraded[0]) for side in self.degraded],
            "ledger_per_send": {name: _ledger_document(cost, self.ledger) for name, cost in self.ledger.items()},
            "ledger_reads_ms": self.ledger_reads,
            "backfill": asdict(self.backfill) | {"days_per_s": self.backfill.days_per_s} if self.backfill else None,
        }

    def build_tables(self) -> list[Table]:
        """The tables, in the order of the document."""
        return [
            *(_build_launch_table(way, repeated) for way, repeated in self.launches.items()),
            *([_build_sweep_table(self.sweeps)] if self.sweeps else []),
            *([_build_degraded_table(self.degraded)] if self.degraded else []),
            *([_build_ledger_table(self.ledger)] if self.ledger else []),
            *([_build_reads_table(self.ledger_reads)] if self.ledger_reads else []),
            *([_build_backfill_table(self.backfill)] if self.backfill else []),
        ]


def _build_ledger_table(costs: dict[str, LedgerCost]) -> Table:
    """The ledgers below each other, intent and outcome of a send."""
    sends = len(costs[ROLLBACK_JOURNAL].send_ms)
    columns = ("median ms", "p95 ms", "max ms", "median, times the journal's", "log behind the last, MiB")
    table = _table(f"Ledger time per send, {sends} sends in turn", "", *columns)
    for name, cost in costs.items():
        figures = _ledger_document(cost, costs)
        for part in ("intent", "outcome", "send"):
            spread, ratio = figures[part], figures["times_the_journal"][part]
            times = (f"{spread[column]:.2f}" for column in ("median_ms", "p95_ms", "max_ms"))
            table.add_row(f"{name}: {part}", *times, f"{ratio:.2f}", f"{cost.log_mib:.1f}" if part == "send" else "")
        table.add_section()
    return table


def _build_reads_table(reads: dict[int, dict[str, float]]) -> Table:
    """Questions below each other, sizes beside each other."""
    sizes = list(reads)
    names = [f"{size:,} flattens, ms" for size in sizes]
    table = _table("Reading the newest day's ten flattens, processor time", "", *names, "last / first")
    for question in reads[sizes[0]]:
        took = [reads[size][question] for size in sizes]
        table.add_row(question, *(f"{each:.1f}" for each in took), f"{took[-1] / took[0]:.2f}")
    return table


def _ledger_document(cost: LedgerCost, costs: dict[str, LedgerCost]) -> dict[str, Any]:
    spreads, journals = _spread_parts(cost), _spread_parts(costs[ROLLBACK_JOURNAL])
    ratios = {part: spreads[part]["median_ms"] / journals[part]["median_ms"] for part in spreads}
    return spreads | {"times_the_journal": ratios, "log_mib": cost.log_mib}


def _spread_parts(cost: LedgerCost) -> dict[str, dict[str, float]]:
    return {"intent": _spread(cost.intent_ms), "outcome": _spread(cost.outcome_ms), "send": _spread(cost.send_ms)}


def _build_backfill_table(backfill: Backfill) -> Table:
    title = f"Backfill of {backfill.days} days x {backfill.assets} assets, {backfill.accounts} accounts, through the daemon"
    table = _table(title, "", "")
    rows = {
        "runs launched": f"{backfill.runs}",
        "launch to first run, s": f"{backfill.waited_s:.1f}",
        "first run to end of the last, s": f"{backfill.worked_s:.1f}",
        "days per second": f"{backfill.days_per_s:.2f}",
        "processor time of the run workers, s": _told_or(backfill.worker_cpu_s, "not told", ".0f"),
        "peak memory of a run worker, MiB": _told_or(backfill.worker_peak_mib, "not told", ".0f"),
        "peak memory of the daemon's largest process, MiB": _told_or(backfill.daemon_peak_mib, "not told", ".0f"),
        "days of assets whose metadata were checked, untrue": f"{backfill.checked}, {backfill.untrue}",
        "requests at the exchange, sending ones": f"{backfill.requests}, {backfill.sending_requests}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _build_launch_table(way: str, launches: Sequence[Launch]) -> Table:
    """One way of launching; the medians of the parts need not add up to the median of the whole."""
    title = f"Launch to first close at the exchange: {way}, {len(launches)} launches"
    table = _table(title, "part", "median s", "min s", "max s")
    rows = {part: [launch.parts_s[part] for launch in launches] for part in launches[0].parts_s}
    rows["launch to first close"] = [launch.total_s for launch in launches]
    for part, values in rows.items():
        if part == "launch to first close":
            table.add_section()
        table.add_row(part, *(f"{value:.3f}" for value in (statistics.median(values), min(values), max(values))))
    return table


def _build_sweep_table(sweeps: Sequence[Sweep]) -> Table:
    """The sides beside each other."""
    table = _table("40 open of 200 configured instruments, by the exchange's own account", "", *(s.name for s in sweeps))
    rows = {
        "requests, closes among them": [f"{sweep.requests}, {sweep.close_requests}" for sweep in sweeps],
        "refused for their rate": [str(sweep.refused_calls) for sweep in sweeps],
        "left open": [str(sweep.left_open) for sweep in sweeps],
        "first request to first close, s": [f"{sweep.first_close_s:.2f}" for sweep in sweeps],
        "first close to last one executed, s": [f"{sweep.close_spread_s:.2f}" for sweep in sweeps],
        "  floor for that: (k - 1) periods, s": [f"{sweep.floor_s:.2f}" for sweep in sweeps],
        "first request to last close, s": [f"{sweep.last_close_s:.2f}" for sweep in sweeps],
        "first request to proven flat, s": [_told_or(sweep.proven_flat_s, "never proven") for sweep in sweeps],
        "exposure, million USDT x s": [f"{sweep.exposure_usdt_s / 1e6:.3f}" for sweep in sweeps],
        "  mean seconds a dollar stayed open": [f"{sweep.mean_exposure_s:.2f}" for sweep in sweeps],
        "peak memory, MiB": [f"{sweep.peak_mib:.0f}" for sweep in sweeps],
    }
    for name, values in rows.items():
        table.add_row(name, *values)
    return table


def _build_degraded_table(sides: Sequence[DegradedSide]) -> Table:
    """The sides of the degraded exchange beside each other; in brackets, times the first one."""
    title = "A degraded exchange: slow answers, hanging closes, failing reads (in brackets: times the first side)"
    table = _table(title, "", *(side.name for side in sides))
    compared = {side.name: _compare(side, sides[0]) for side in sides}
    for name in compared[sides[0].name]:
        table.add_row(name, *(_told_with_ratio(*compared[side.name][name]) for side in sides))
    table.add_section()
    rows = {
        "first request to last close, s": [f"{side.last_close_s:.2f}" for side in sides],
        "closes sent, hanging": [f"{side.closes}, {side.hung_closes}" for side in sides],
        "reads that failed": [str(side.failed_reads) for side in sides],
        "refused for their rate": [str(side.refused_calls) for side in sides],
        "outcomes recorded as unknown": [_count_or(side.unknown_outcomes) for side in sides],
        "first close to last one sent, s": [_told_or(side.sending_s, "-") for side in sides],
        "  deadline for that, s": [_told_or(side.deadline_s, "-", ".0f") for side in sides],
        "left open": [str(side.left_open) for side in sides],
        "result": [side.result or "none recorded" for side in sides],
        "  first request to that, s": [_told_or(side.proven_s, "-") for side in sides],
        "verdicts: unverified, false": [
            f"{_count_or(side.unverified)}, {_count_or(side.false_verdicts)}" if side.result else "-" for side in sides
        ],
    }
    for name, values in rows.items():
        table.add_row(name, *values)
    return table


def _compare(side: DegradedSide, first: DegradedSide) -> dict[str, tuple[float | None, float | None]]:
    """Each figure that may be compared, and how many times the first side's it is."""
    told = {
        **{
            f"first request to {share:.0%} of the notional closed, s": lambda each, index=index: each.shares_s[index]
            for index, share in enumerate(SHARES)
        },
        "exposure, million USDT x s": lambda each: each.exposure_usdt_s / 1e6,
    }
    compared = {}
    for name, tell in told.items():
        value, base = tell(side), tell(first)
        compared[name] = (value, value / base if value is not None and base else None)
    return compared


def _told_with_ratio(value: float | None, ratio: float | None) -> str:
    return "never" if value is None else f"{value:.2f} ({'-' if ratio is None else f'{ratio:.2f}'})"


def _count_or(count: int | None) -> str:
    return "-" if count is None else str(count)


def _degraded_document(side: DegradedSide, first: DegradedSide) -> dict[str, Any]:
    ratios = {name.strip(): ratio for name, (_value, ratio) in _compare(side, first).items()}
    return asdict(side) | {"keeps_deadline": side.keeps_deadline, "times_the_first": ratios}


def _launch_document(launches: Sequence[Launch]) -> dict[str, Any]:
    return {
        "total_s": [launch.total_s for launch in launches],
        "median_total_s": statistics.median(launch.total_s for launch in launches),
        "parts_s": [launch.parts_s for launch in launches],
    }


def _spread(values_ms: Sequence[float]) -> dict[str, float]:
    return {
        "median_ms": statistics.median(values_ms),
        "p95_ms": statistics.quantiles(values_ms, n=20)[-1],
        "max_ms": max(values_ms),
    }


def _told_or(value: float | None, otherwise: str, shape: str = ".2f") -> str:
    return otherwise if value is None else f"{value:{shape}}"


def _table(title: str, first: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="right")
    return table
