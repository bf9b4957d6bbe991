"""The pace while processes are killed at random moments: the stamps of all slots say whether it held.

When a close arrives depends on how busy the machine is, so only the run at full size, which has the margin of a real desk
and the machine for itself, looks at that.
"""

from __future__ import annotations

import itertools
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from deepcoin_ops.paper.desk import Arrival
from deepcoin_ops.paper.scenario import LimitSettings, PaperAccount, PaperInstrument, Scenario
from deepcoin_ops.paper.server import PaperExchange

WORKER = Path(__file__).parent / "pacing_worker.py"
PROCESSES = 4
CLOSE_PATH = "/deepcoin/trade/batch-close-position"


@dataclass(frozen=True)
class ChaosResult:
    """When slots were taken and closes arrived, how many were refused, and how many processes had to die for it."""

    stamped_s: list[float]
    arrived_s: list[float]
    refused: int
    kills: int

    def fraction_of_limit(self, period_s: float) -> float:
        """Accepted closes over the closes that the limit would have allowed in the same time."""
        slots = (self.arrived_s[-1] - self.arrived_s[0]) / period_s
        return (len(self.arrived_s) - 1 - self.refused) / slots


def find_smallest_gap_s(times_s: list[float]) -> float:
    return min(later - earlier for earlier, later in itertools.pairwise(times_s))


class Herd:
    """Workers that are replaced as soon as they are dead."""

    def __init__(self, url: str, folder: Path, period_s: float, margin_s: float, suicide_chance: float) -> None:
        self._arguments = [url, str(folder), str(period_s), str(margin_s)]
        self._suicide_chance = suicide_chance
        self._seeds = itertools.count(1)
        self._living = [self._spawn() for _ in range(PROCESSES)]
        self.deaths = 0

    def _spawn(self) -> subprocess.Popen[bytes]:
        arguments = [*self._arguments, str(next(self._seeds)), str(self._suicide_chance)]
        return subprocess.Popen([sys.executable, str(WORKER), *arguments])

    def replace_dead(self) -> None:
        """Fails when a worker died of anything but SIGKILL: then the chaos proves nothing."""
        for place, worker in enumerate(self._living):
            if worker.poll() is not None:
                assert worker.returncode == -signal.SIGKILL, "a worker broke; its traceback is above"
                self.deaths += 1
                self._living[place] = self._spawn()

    def kill(self, place: int) -> None:
        self._living[place].kill()
        self._living[place].wait()

    def kill_all(self) -> None:
        for place in range(PROCESSES):
            self.kill(place)


@contextmanager
def running_herd(
    exchange: PaperExchange, folder: Path, period_s: float, margin_s: float, suicide_chance: float
) -> Iterator[Herd]:
    herd = Herd(exchange.url, folder, period_s, margin_s, suicide_chance)
    try:
        yield herd
    finally:
        herd.kill_all()


def read_closes(exchange: PaperExchange) -> list[Arrival]:
    return [arrival for arrival in exchange.arrivals() if arrival.path == CLOSE_PATH]


def run_chaos(
    folder: Path,
    *,
    sends: int,
    period_s: float,
    margin_s: float,
    latency_ms: tuple[float, float],
    kill_every_s: tuple[float, float],
    suicide_chance: float,
) -> ChaosResult:
    """Let the herd send while its members are killed, until the exchange has seen enough closes."""
    scenario = Scenario(
        instruments=(PaperInstrument("BTC-USDT-SWAP", Decimal(60000)),),
        accounts=(PaperAccount("main"),),
        limits=LimitSettings(period_s=period_s),
        latency_ms=latency_ms,
    )
    dice, never = random.Random(20260101), threading.Event()
    with PaperExchange(scenario) as exchange, running_herd(exchange, folder, period_s, margin_s, suicide_chance) as herd:
        while len(read_closes(exchange)) < sends:
            never.wait(dice.uniform(*kill_every_s))
            herd.kill(dice.randrange(PROCESSES))
            herd.replace_dead()
    closes = read_closes(exchange)
    refused = sum(not arrival.is_accepted for arrival in closes)
    stamped_s = sorted(map(float, (folder / "stamps.txt").read_text().split()))
    return ChaosResult(stamped_s, sorted(arrival.arrived_s for arrival in closes), refused, herd.deaths)


def test_no_two_closes_are_closer_than_the_period_while_processes_die(tmp_path: Path) -> None:
    """Scaled down. Processes die with the lock in hand, between stamp and send, and anywhere else.

    A stamp that went with its process makes a gap look longer, and nothing was sent on it.
    """
    result = run_chaos(
        tmp_path,
        sends=120,
        period_s=0.1,
        margin_s=0.06,
        latency_ms=(5, 30),
        kill_every_s=(0.3, 0.9),
        suicide_chance=0.03,
    )
    assert len(result.arrived_s) >= 120
    assert result.kills >= 20
    assert find_smallest_gap_s(result.stamped_s) >= 0.16 - 1e-9  # of a sum of floats
    assert len(result.arrived_s) <= len(result.stamped_s)


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_at_full_size_nothing_is_refused_and_the_limit_is_nearly_reached(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real period and margin. 1.00 / 1.06 = 0.943 is the most a margin of 60 ms can reach."""
    result = run_chaos(
        tmp_path,
        sends=280,
        period_s=1.0,
        margin_s=0.06,
        latency_ms=(50, 300),
        kill_every_s=(1.0, 6.0),
        suicide_chance=0.0,
    )
    fraction = result.fraction_of_limit(1.0)
    summary = f"{len(result.arrived_s)} sent, {result.refused} refused, {result.kills} kills, {fraction:.3f} of the limit"
    with capsys.disabled():
        sys.stdout.write(f"\n{summary}\n")
    assert result.refused == 0, summary
    assert find_smallest_gap_s(result.arrived_s) >= 1.0, summary
    assert fraction >= 0.93, summary
