"""40 open of 200 configured instruments: the flatten job, the flatten of the command line, and the naive loop.

Every side meets its own fresh exchange with the same positions and the same seed, and is judged by the same reading of
what that exchange says really happened. Each runs in a process of its own, one after the other.

The naive loop's exposure hangs on where the large positions stand in the list of instruments, which is chance. The seed is
the scenario's own and was not picked for this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from deepcoin_ops.domain.model import FlattenResult
from deepcoin_ops.ledger.history import History
from deepcoin_ops.paper.desk import Arrival
from tests.bench.stage import ACCOUNT, BenchFailed, Stage, open_stage, run_flatten_job, run_measured

OPEN = 40
_BATCH_CLOSE = "/deepcoin/trade/batch-close-position"
_THROTTLED = "50000"


@dataclass(frozen=True)
class Sweep:
    """What one side did, by the exchange's own account; seconds count from its first request of any kind.

    Attributes:
        name: Which side.
        requests: Requests of any kind that arrived.
        close_requests: Those of them that were closes.
        refused_calls: Those of them that were refused for their rate.
        left_open: Instruments still open at its end.
        first_close_s: Until the first close request arrived.
        close_spread_s: From the first close request's arrival to the last executed close.
        floor_s: What the documented limit allows for that: (k - 1) periods for k open instruments.
        last_close_s: Until the last executed close.
        proven_flat_s: Until its record says that the account is flat; None where nothing was ever proven.
        notional_usdt: What was open at the start.
        exposure_usdt_s: The sum of notional times seconds until it was really closed.
        peak_mib: Peak resident memory of its process.
    """

    name: str
    requests: int
    close_requests: int
    refused_calls: int
    left_open: int
    first_close_s: float
    close_spread_s: float
    floor_s: float
    last_close_s: float
    proven_flat_s: float | None
    notional_usdt: float
    exposure_usdt_s: float
    peak_mib: float

    @property
    def mean_exposure_s(self) -> float:
        """For how many seconds a dollar stayed exposed, on average."""
        return self.exposure_usdt_s / self.notional_usdt


def measure_sweeps(period_s: float, say: Callable[[str], None]) -> list[Sweep]:
    """Measure the three sides, one after the other.

    Args:
        period_s: The period of the exchange's rate limits, in seconds.
        say: Told what is being measured.

    Raises:
        BenchFailed: A side did not run to its end.
    """
    sides = {"flatten job": run_flatten_job, "command line": _run_command_line, "naive loop": _run_naive_loop}
    sweeps = []
    for name, run in sides.items():
        say(f"{OPEN} of 200 open: {name}")
        with open_stage(OPEN, period_s) as stage:
            peak_mib = run(stage)
            sweeps.append(_judge(name, stage, peak_mib))
    return sweeps


def _run_command_line(stage: Stage) -> float:
    return run_measured(stage, "deepcoin_ops.cli:main", "flatten", "--json")


def _run_naive_loop(stage: Stage) -> float:
    arguments = [stage.paper.url, ACCOUNT, str(stage.period_s), *stage.instrument_ids]
    return run_measured(stage, "tests.bench.naive_loop:main", *arguments)


def _judge(name: str, stage: Stage, peak_mib: float) -> Sweep:
    arrivals = stage.paper.arrivals()
    closes = [arrival for arrival in arrivals if arrival.path == _BATCH_CLOSE]
    truth = stage.paper.truth()["accounts"][ACCOUNT]
    executed_s = {close["instrument_id"]: close["executed_s"] for close in truth["closes"]}
    if not closes or not executed_s:
        raise BenchFailed(f"{name}: the exchange saw no close at all")
    begins_s = arrivals[0].arrived_s
    notionals = notionals_of(stage)
    # What was never closed counts until the last request: the side has stopped looking by then.
    ends_s = {instrument_id: executed_s.get(instrument_id, arrivals[-1].arrived_s) for instrument_id in notionals}
    return Sweep(
        name=name,
        requests=len(arrivals),
        close_requests=len(closes),
        refused_calls=sum(arrival.code == _THROTTLED for arrival in arrivals),
        left_open=len({row["instrument_id"] for row in truth["open"]}),
        first_close_s=closes[0].arrived_s - begins_s,
        close_spread_s=max(executed_s.values()) - closes[0].arrived_s,
        floor_s=(OPEN - 1) * stage.period_s,
        last_close_s=max(executed_s.values()) - begins_s,
        proven_flat_s=_read_proven_flat_s(stage, arrivals),
        notional_usdt=sum(notionals.values()),
        exposure_usdt_s=sum(notional * (ends_s[held] - begins_s) for held, notional in notionals.items()),
        peak_mib=peak_mib,
    )


def notionals_of(stage: Stage) -> dict[str, float]:
    """What each instrument holds at the start, in USDT."""
    listed = {instrument.instrument_id: instrument for instrument in stage.scenario.instruments}
    return {
        position.instrument_id: float(
            position.quantity_contracts
            * listed[position.instrument_id].contract_size
            * listed[position.instrument_id].last_price
        )
        for position in stage.scenario.accounts[0].positions
    }


def _read_proven_flat_s(stage: Stage, arrivals: Sequence[Arrival]) -> float | None:
    """Seconds from the first request to the closing row that says flat; None without such a row."""
    ledger = History.open_existing(stage.settings.ledger_path, stage.settings.venue)
    if ledger is None:
        return None
    with ledger:
        record = ledger.read_last_flatten(ACCOUNT)
    if record is None or record.closed_at is None or record.closing is None:
        return None
    if record.closing.result is not FlattenResult.FLAT:
        return None
    return (record.closed_at - datetime.fromisoformat(arrivals[0].arrived_at)).total_seconds()
