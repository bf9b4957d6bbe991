"""A degraded exchange: the controller with three closes in flight, the same one sending one at a time, and the naive loop.

24 open of 32 configured instruments, with the few large and many small notionals of a real book. Every answer, of reads
too, comes after 2 to 8 seconds; one close in ten is never answered, so that the client waits for its read timeout of ten
seconds (executed and not executed in turns); one positions read in five, one list of trigger orders in ten and the second
list of resting orders fail with a server error. Which calls are struck is drawn from a seed and the same for every side, by
the number of the call; latencies are drawn from the same seed in the order in which requests arrive, which is each side's
own. A close is executed at the end of its latency.

Measured are, by the exchange's own account: how long until half, four fifths and all of the notional was really closed,
the exposure (notional times seconds), what was refused for its rate, and whether every verdict is true. One at a time
means that each close waits for the answer of the one before it (`max_in_flight: 1`); everything else is the same program.
The naive loop is the one of `scale`: it knows no timeouts and ends at the first. What a side leaves open counts as
exposed until the last close of the slowest side. Each side meets a fresh exchange in a process of its own, one after the
other. The seed is the scenario's own and was not picked for this.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime

from deepcoin_ops.domain.model import CloseAttempt, InstrumentVerdict, Outcome, Verdict
from deepcoin_ops.ledger.history import History
from deepcoin_ops.ledger.records import FlattenRecord
from deepcoin_ops.paper.desk import Arrival
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.scenario import Scenario, build_scale_scenario
from tests.bench.scale import notionals_of
from tests.bench.stage import ACCOUNT, BenchFailed, Stage, open_stage_of, run_to_end
from tests.support.fault_scripts import hang_in_turns, one_in, strike

CONFIGURED, OPEN = 32, 24
IN_FLIGHT, ONE_AT_A_TIME, NAIVE = "three in flight", "one at a time", "naive loop"
SHARES = (0.5, 0.8, 1.0)
_BATCH_CLOSE = "batch-close-position"
_SHORTEST_S, _LONGEST_S, _READ_TIMEOUT_S = 2.0, 8.0, 10.0
_STRUCK_CALLS = 300  # more than any side makes of one kind
_THROTTLED = "50000"


@dataclass(frozen=True)
class DegradedSide:
    """What one side did; seconds count from its first request of any kind. None where a side has no such thing.

    Attributes:
        name: Which side.
        closes: Close requests that arrived.
        hung_closes: Those of them that were never answered.
        failed_reads: Reads that were answered with a server error.
        refused_calls: Requests of any kind that were refused for their rate.
        left_open: Instruments still open at its end.
        last_close_s: Until the last executed close.
        shares_s: Until each of `SHARES` of the notional was really closed; None for what never was.
        exposure_usdt_s: Notional times seconds until it was really closed.
        unknown_outcomes: Closes whose outcome it recorded as unknown.
        sending_s: From its first close to its last one.
        deadline_s: How long it may send.
        result: What its closing row says.
        proven_s: Until that row was written.
        unverified: Instruments whose verdict is that nothing is known.
        false_verdicts: Instruments that it calls flat and that are open, or the other way round.
    """

    name: str
    closes: int
    hung_closes: int
    failed_reads: int
    refused_calls: int
    left_open: int
    last_close_s: float
    shares_s: tuple[float | None, ...]
    exposure_usdt_s: float
    unknown_outcomes: int | None = None
    sending_s: float | None = None
    deadline_s: float | None = None
    result: str | None = None
    proven_s: float | None = None
    unverified: int | None = None
    false_verdicts: int | None = None

    @property
    def keeps_deadline(self) -> bool | None:
        """Whether its last close was sent within the deadline."""
        return None if self.sending_s is None or self.deadline_s is None else self.sending_s <= self.deadline_s


@dataclass(frozen=True)
class _Seen:
    """One side's traces, before the sides are put beside each other."""

    name: str
    stage: Stage
    arrivals: Sequence[Arrival]
    executed_s: Mapping[str, float]
    still_open: frozenset[str]

    @property
    def begins_s(self) -> float:
        return self.arrivals[0].arrived_s

    @property
    def last_close_s(self) -> float:
        return max(self.executed_s.values()) - self.begins_s


def measure_degraded(period_s: float, say: Callable[[str], None]) -> list[DegradedSide]:
    """Measure the three sides, one after the other; the first one is what the others are compared with.

    Args:
        period_s: The period of the exchange's rate limits; latencies, the read timeout and all waits shrink with it, but
            for the naive loop's own timeout.
        say: Told what is being measured.

    Raises:
        BenchFailed: A side did not come as far as closing something.
    """
    runs: dict[str, Callable[[Stage], int]] = {IN_FLIGHT: _flatten, ONE_AT_A_TIME: _flatten, NAIVE: _loop}
    measured = []
    for name, run in runs.items():
        say(f"a degraded exchange, {OPEN} of {CONFIGURED} open: {name}")
        with _open_side(period_s, max_in_flight=1 if name == ONE_AT_A_TIME else 3) as stage:
            run(stage)
            seen = _look(name, stage)
            measured.append((seen, _judge(seen)))
    # One window for all: what a side leaves open must not count less because that side stops early.
    ends_s = max(seen.last_close_s for seen, _side in measured)
    return [replace(side, exposure_usdt_s=_exposure(seen, ends_s)) for seen, side in measured]


def build_degraded_scenario(period_s: float) -> Scenario:
    """The exchange that every side meets: slow, and failing by the same script."""
    latency_ms = (_SHORTEST_S * period_s * 1000, _LONGEST_S * period_s * 1000)
    scenario = build_scale_scenario(CONFIGURED, OPEN, latency_ms=latency_ms, account=ACCOUNT)
    return replace(scenario, faults=tuple(_build_faults(random.Random(scenario.seed))))


def _build_faults(chance: random.Random) -> list[Fault]:
    failure = {"action": FaultAction.SERVER_ERROR}
    return [
        *strike(_BATCH_CLOSE, hang_in_turns(one_in(10, _STRUCK_CALLS, chance))),
        *strike("account/positions", dict.fromkeys(one_in(5, _STRUCK_CALLS, chance), failure)),
        *strike("trigger-orders-pending", dict.fromkeys(one_in(10, _STRUCK_CALLS, chance), failure)),
        *strike("v2/orders-pending", {2: failure}),
    ]


def _open_side(period_s: float, max_in_flight: int) -> AbstractContextManager[Stage]:
    return open_stage_of(
        build_degraded_scenario(period_s),
        period_s,
        flatten={"max_in_flight": max_in_flight, "unknown_hold_s": 15.0 * period_s},
        exchange={"read_timeout_s": _READ_TIMEOUT_S * period_s},
    )


def _flatten(stage: Stage) -> int:
    return run_to_end(stage, "deepcoin_ops.cli:main", "flatten", "--json")


def _loop(stage: Stage) -> int:
    arguments = [stage.paper.url, ACCOUNT, str(stage.period_s), *stage.instrument_ids]
    return run_to_end(stage, "tests.bench.naive_loop:main", *arguments)


def _look(name: str, stage: Stage) -> _Seen:
    # A request that its sender gave up on may still be executed.
    stage.paper.stop()
    arrivals, truth = stage.paper.arrivals(), stage.paper.truth()["accounts"][ACCOUNT]
    executed_s = {close["instrument_id"]: close["executed_s"] for close in truth["closes"]}
    if not executed_s:
        raise BenchFailed(f"{name}: nothing was ever closed")
    return _Seen(name, stage, arrivals, executed_s, frozenset(row["instrument_id"] for row in truth["open"]))


def _judge(seen: _Seen) -> DegradedSide:
    closes = [arrival for arrival in seen.arrivals if arrival.path.endswith(f"/{_BATCH_CLOSE}")]
    side = DegradedSide(
        name=seen.name,
        closes=len(closes),
        hung_closes=sum(arrival.fault == FaultAction.HANG.value for arrival in closes),
        failed_reads=sum(arrival.fault == FaultAction.SERVER_ERROR.value for arrival in seen.arrivals),
        refused_calls=sum(arrival.code == _THROTTLED for arrival in seen.arrivals),
        left_open=len(seen.still_open),
        last_close_s=seen.last_close_s,
        shares_s=tuple(_time_of_share(seen, share) for share in SHARES),
        exposure_usdt_s=0.0,
    )
    ledger = History.open_existing(seen.stage.settings.ledger_path, seen.stage.settings.venue)
    if ledger is None:
        return side
    with ledger:
        record = ledger.read_last_flatten(ACCOUNT)
        if record is None or record.closing is None:
            raise BenchFailed(f"{seen.name}: its flatten has no closing row")
        attempts = ledger.read_attempts(record.request.trading_day)
        verdicts = ledger.read_verdicts(record.request.flatten_id)
    return _add_record(side, seen, record, attempts, verdicts)


def _add_record(
    side: DegradedSide,
    seen: _Seen,
    record: FlattenRecord,
    attempts: Sequence[CloseAttempt],
    verdicts: Sequence[InstrumentVerdict],
) -> DegradedSide:
    """What the side's own ledger says, held against the exchange's truth."""
    if record.closing is None or record.closed_at is None:
        return side
    sent_at = [attempt.intent_at for attempt in attempts if attempt.outcome is not Outcome.NOT_SENT]
    return replace(
        side,
        unknown_outcomes=sum(attempt.outcome is Outcome.UNKNOWN for attempt in attempts),
        sending_s=(max(sent_at) - min(sent_at)).total_seconds(),
        deadline_s=seen.stage.settings.deadline_s(OPEN),
        result=record.closing.result.value,
        proven_s=(record.closed_at - datetime.fromisoformat(seen.arrivals[0].arrived_at)).total_seconds(),
        unverified=sum(verdict.verdict is Verdict.UNVERIFIED for verdict in verdicts),
        false_verdicts=sum(_is_false(verdict, seen.still_open) for verdict in verdicts),
    )


def _is_false(verdict: InstrumentVerdict, still_open: frozenset[str]) -> bool:
    is_open = verdict.instrument_id in still_open
    return (verdict.verdict.is_flat and is_open) or (verdict.verdict is Verdict.RESIDUAL and not is_open)


def _time_of_share(seen: _Seen, share: float) -> float | None:
    """When this share of the notional had really been closed."""
    notionals = notionals_of(seen.stage)
    # Float sums: all of it is reached by the last one, whatever the order of adding.
    wanted, closed = share * sum(notionals.values()) * (1 - 1e-9), 0.0
    for instrument_id, executed_s in sorted(seen.executed_s.items(), key=lambda item: item[1]):
        closed += 0.0 if instrument_id in seen.still_open else notionals[instrument_id]
        if closed >= wanted:
            return executed_s - seen.begins_s
    return None


def _exposure(seen: _Seen, ends_s: float) -> float:
    exposure = 0.0
    for instrument_id, notional in notionals_of(seen.stage).items():
        is_closed = instrument_id in seen.executed_s and instrument_id not in seen.still_open
        exposure += notional * (seen.executed_s[instrument_id] - seen.begins_s if is_closed else ends_s)
    return exposure
