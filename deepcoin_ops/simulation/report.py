"""Counting many nights: results, coverage, oracles, speed, and how long the proof takes. Builds text; prints nothing."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.model import Outcome
from deepcoin_ops.simulation import teeth
from deepcoin_ops.simulation.night import Night, Result
from deepcoin_ops.simulation.oracles import NAMES
from deepcoin_ops.simulation.script import draw

# What the nights have to reach, each in one of a thousand: else nothing wrong says little.
CAUSES = (
    "FLAT", "ALREADY_FLAT", "FLAT_UNCONFIRMED HISTORY", "RESTING_ORDER_LEFT ORDER_LEFT",
    *(f"UNVERIFIED {cause}" for cause in ("SEEN_OPEN", "NOT_READ", "UNLISTED", "NO_LISTING", "UNREADABLE_ROW", "ONE_READ",
                                          "LIST_MISSING", "NO_LATER_READ")),
    *(f"RESIDUAL {cause}" for cause in ("COPY_TRADING", "UNLISTED", "50113", "51000", "51020", "51999", "MAX_ATTEMPTS",
                                        "INTERRUPTED", "KILL_SWITCH", "NOT_ARMED", "RECORD_LOST", "DEADLINE", "READ_ONLY",
                                        "ABOVE_CAP", "REOPENED", "OPEN")),
)  # fmt: skip
OUTCOMES = tuple(
    f"{kind} {outcome} {phase}"
    for kind, phases in (
        ("close", ("first", "again", "after a stop", "after a restart")),
        ("cancel", ("first", "after a stop", "after a restart")),
    )
    for outcome in Outcome
    for phase in phases
)
CELLS = {"rules": tuple(teeth.RULES), "causes": CAUSES, "outcomes": OUTCOMES}
_ABOUT_VERDICTS = ("false flat", "order left", "law two", "wrong cause", "not flat")
_RARE = 0.001
_WATCHED = 10  # of so many nights one is watched for the rules that make a difference
_CHUNK = 250
_GARBAGE = 100_000  # a night makes few cycles; looking for them after each thousand objects takes a tenth of the time
_WORST_SHOWN = 10


@dataclass
class Tally:
    """What is counted over nights. `cpu_s` is the processor time of all workers; `rules` are counted in watched nights."""

    nights: int = 0
    watched: int = 0
    facts: int = 0
    cpu_s: float = 0.0
    results: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    checked: Counter[str] = field(default_factory=Counter)
    violated: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[int, str]] = field(default_factory=list)
    last_close_s: list[float] = field(default_factory=list)
    proof_s: list[float] = field(default_factory=list)
    exposure: list[float] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Count a night. Coverage counts nights, not events."""
        self.nights += 1
        self.facts += len(result.facts)
        self.results[result.worst] += 1
        self.causes.update({f"{each.proven} {each.cause}".strip() for each in result.judgements})
        self.outcomes.update(set(result.outcomes))
        self.checked.update(result.checked)
        for violation in result.violations:
            self.violated[violation.partition(":")[0]] += 1
            self.wrong.append((result.script.seed, violation))
        if result.last_close_s:
            self.last_close_s.append(result.last_close_s)
        self.proof_s.append(result.ended_s)
        if result.exposure is not None:
            self.exposure.append(result.exposure)

    def merge(self, other: Tally) -> None:
        """Add what another worker counted."""
        self.nights += other.nights
        self.watched += other.watched
        self.facts += other.facts
        self.cpu_s += other.cpu_s
        for name in ("results", "causes", "rules", "outcomes", "checked", "violated"):
            getattr(self, name).update(getattr(other, name))
        for name in ("wrong", "last_close_s", "proof_s", "exposure"):
            getattr(self, name).extend(getattr(other, name))


def play(seeds: Iterable[int]) -> Tally:
    """Play the nights of some seeds in this process."""
    tally, began_s = Tally(), time.process_time()
    gc.set_threshold(_GARBAGE)
    for seed in seeds:
        if seed % _WATCHED:
            tally.add(Night(draw(seed)).play())
            continue
        fired: set[str] = set()
        with teeth.watching(fired):
            tally.add(Night(draw(seed)).play())
        tally.rules.update(fired)
        tally.watched += 1
    tally.cpu_s = time.process_time() - began_s
    return tally


def find_rare(tally: Tally) -> list[str]:
    """What too few nights reached."""
    counts = {"rules": tally.rules, "causes": tally.causes, "outcomes": tally.outcomes}
    nights = {"rules": tally.watched, "causes": tally.nights, "outcomes": tally.nights}
    return [
        f"{cell}: {counts[name][cell]} of {nights[name]:,}"
        for name, cells in CELLS.items()
        for cell in cells
        if counts[name][cell] < _RARE * nights[name]
    ]


def play_side_by_side(first_seed: int, nights: int, workers: int) -> Tally:
    """Play nights in several processes."""
    chunks = [
        range(start, min(start + _CHUNK, first_seed + nights)) for start in range(first_seed, first_seed + nights, _CHUNK)
    ]
    tally = Tally()
    if workers == 1:
        parts: Iterable[Tally] = map(play, chunks)
        for part in parts:
            tally.merge(part)
        return tally
    with ProcessPoolExecutor(workers) as pool:
        for part in pool.map(play, chunks):
            tally.merge(part)
    return tally


def describe(tally: Tally) -> Iterator[str]:
    """The report, line by line."""
    speed = f"{tally.facts / tally.cpu_s:,.0f} facts and {tally.nights / tally.cpu_s:,.0f} nights a second and core"
    yield f"{tally.nights:,} nights, {tally.facts:,} facts; {speed}"
    yield from _describe_counts("nights by worst verdict", tally.results, tally.nights)
    yield from _describe_counts("nights with a verdict and cause", tally.causes, tally.nights)
    yield from _describe_counts("watched nights in which a rule made a difference", tally.rules, tally.watched)
    yield from _describe_counts("nights with an outcome, by phase", tally.outcomes, tally.nights)
    yield "oracles: checks, violations"
    for name in NAMES:
        yield f"  {name:24} {tally.checked[name]:12,} {tally.violated[name]:6}"
    exposure = sorted(tally.exposure) or [1.0]
    yield f"exposure against the limit: p50 {exposure[len(exposure) // 2]:.2f}, worst {exposure[-1]:.2f}"
    for title, values in (("the last close", tally.last_close_s), ("the proof", tally.proof_s)):
        ordered = sorted(values) or [0.0]
        p50, p95 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.95)]
        yield f"seconds to {title}: p50 {p50:.1f}, p95 {p95:.1f}, worst {ordered[-1]:.1f}"
    for seed, violation in tally.wrong[:_WORST_SHOWN]:
        yield f"WRONG seed {seed}: {violation} (python -m deepcoin_ops.simulation --seed {seed})"
    rare = find_rare(tally)
    reached = sum(map(len, CELLS.values())) - len(rare)
    yield f"coverage: {reached} cells in at least {_RARE:.1%} of nights; rare: {', '.join(rare) or 'none'}"
    verdicts = sum(tally.violated[name] for name in _ABOUT_VERDICTS)
    yield f"wrong verdicts: {verdicts}, wrong nights: {len({seed for seed, _violation in tally.wrong})}"


def _describe_counts(title: str, counts: Counter[str], nights: int) -> Iterator[str]:
    yield title
    for name, count in counts.most_common():
        yield f"  {name:32} {count:9,} {count / nights:8.2%}"


def tell_story(result: Result) -> Iterator[str]:
    """One night, fact by fact, with its script and what was found wrong."""
    yield f"{result.script}"
    for fact in result.facts:
        yield f"{fact.at_s:9.2f}  {fact.flatten_id:12} {_describe_fact(fact)}"
    for judgement in result.judgements:
        yield f"{judgement.instrument_id} {judgement.proven} {judgement.cause}: {judgement.reason}"
    yield from result.violations or ["nothing wrong"]


def _describe_fact(fact: f.AnyFact) -> str:
    match fact:
        case f.PositionsRead():
            rows = ", ".join(f"{row.instrument_id}#{row.position_id} {row.quantity_contracts}" for row in fact.rows)
            doubt = f", {len(fact.unreadable)} unreadable" if fact.unreadable else ""
            return f"positions {fact.instrument_type} begun {fact.started_s:.2f}: {rows or 'none'}{doubt}"
        case f.OrdersRead():
            orders = ", ".join(f"{each.instrument_id}#{each.order_id}{'+' * each.can_open}" for each in fact.orders)
            about = fact.instrument_id or "all"
            return f"{fact.order_list.lower()} orders of {about} begun {fact.started_s:.2f}: {orders or 'none'}"
        case f.CallIntended():
            return f"{fact.call_id} {fact.call.kind} {', '.join(fact.call.instrument_ids)} by {fact.call.rule}"
        case f.CallAnswered():
            return f"{fact.call_id} {fact.outcome} {fact.code}".rstrip()
        case f.HistoryRead():
            closed = ", ".join(f"{row.instrument_id}#{row.position_id} {row.closed_contracts}" for row in fact.rows)
            return f"history {fact.instrument_type}: {closed or 'nothing closed'}"
        case f.OrderEndsRead():
            ended = ", ".join(f"#{each.order_id} {each.end} {each.filled_contracts}" for each in fact.ended)
            return f"ends of {fact.order_list.lower()} orders: {ended or 'none'}"
        case f.ReadFailed():
            return f"no answer to {fact.read.lane} {fact.read.about}: {fact.reason}"
        case _:
            return type(fact).__name__
