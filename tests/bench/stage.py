"""What every measurement stands on: a fresh paper exchange, a fresh state folder, and child processes that are measured.

No figures here. The state folder is inside the checkout's own, because a temporary folder may be kept in memory, where a
durable write costs nothing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from deepcoin_ops.instance import prepare_instance
from deepcoin_ops.paper.scenario import LimitSettings, Scenario, build_scale_scenario
from deepcoin_ops.paper.server import PaperExchange
from deepcoin_ops.settings import Settings, load_settings

ACCOUNT = "main"
CONFIGURED = 200
FLATTEN_JOB = "flatten_positions"
CHECKOUT = Path(__file__).resolve().parents[2]
_IS_LEFT_OUT = re.compile(r"^(DEEPCOIN|DAGSTER)|_proxy$", re.IGNORECASE)
_CHILD_LIMIT_S = 1800
_TOLD_LINES = 200


class BenchFailed(Exception):
    """A measured program did not do what is measured; there is no figure to print."""


@dataclass(frozen=True)
class Stage:
    """One fresh exchange with one fresh state folder.

    Attributes:
        paper: The running exchange.
        scenario: What it started from.
        folder: The state folder.
        period_s: The period of the exchange's rate limits, in seconds; the real one's is 1.
    """

    paper: PaperExchange
    scenario: Scenario
    folder: Path
    period_s: float

    @property
    def instrument_ids(self) -> tuple[str, ...]:
        """The configured instruments: all that are listed."""
        return tuple(instrument.instrument_id for instrument in self.scenario.instruments)

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a measured program, without this project's variables and without anybody's proxy.

        The naive loop would mind a proxy, and nothing may leave this machine.
        """
        inherited = {name: value for name, value in os.environ.items() if not _IS_LEFT_OUT.search(name)}
        return inherited | {
            "DEEPCOIN_OPS_SETTINGS": str(self.folder / "flatten.yaml"),
            "DEEPCOIN_OPS_STATE": str(self.folder),
            "DEEPCOIN_OPS_PAPER_URL": self.paper.url,
            "DAGSTER_HOME": str(self.folder / "dagster"),
        }

    @property
    def settings(self) -> Settings:
        """The settings of a measured program."""
        return load_settings(self.environ)


@contextmanager
def open_folder() -> Iterator[Path]:
    """A fresh folder on the disk of the checkout, gone afterwards."""
    parent = CHECKOUT / ".deepcoin_ops"
    parent.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
    try:
        yield folder
    finally:
        # A code server that is still ending may write its last line meanwhile.
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def open_stage(open_positions: int, period_s: float, configured: int = CONFIGURED) -> Iterator[Stage]:
    """A fresh exchange and state folder, the same ones each time but for the port.

    Args:
        open_positions: How many of the configured instruments hold a position.
        period_s: See `open_stage_of`; latencies shrink with it.
        configured: How many are configured; each has a list of orders that the proof takes.
    """
    scenario = build_scale_scenario(configured, open_positions, latency_ms=(50 * period_s, 300 * period_s), account=ACCOUNT)
    with open_stage_of(scenario, period_s) as stage:
        yield stage


@contextmanager
def open_stage_of(scenario: Scenario, period_s: float, **sections: Mapping[str, object]) -> Iterator[Stage]:
    """A fresh exchange that starts from a scenario, and a fresh state folder.

    Args:
        scenario: What it starts from, but for the rate limits.
        period_s: The period of the exchange's rate limits; all waits that follow from the exchange shrink with it. The
            pace's margin does not: jitter is the machine's.
        sections: Further settings, by section.
    """
    scenario = replace(scenario, limits=LimitSettings(period_s=period_s))
    with open_folder() as folder, PaperExchange(scenario) as paper:
        stage = Stage(paper, scenario, folder, period_s)
        document = _settings_document(stage)
        document |= {name: {**document.get(name, {}), **section} for name, section in sections.items()}
        (folder / "flatten.yaml").write_text(json.dumps(document))
        yield stage


def run_measured(stage: Stage, program: str, *arguments: str) -> float:
    """Run a program in a process of its own, to its end.

    Args:
        stage: Its environment.
        program: Its entry point, `module:function`.
        arguments: Its command line.

    Returns:
        Its peak resident memory, in MiB.

    Raises:
        BenchFailed: It did not end with exit code 0.
    """
    code = run_to_end(stage, program, *arguments)
    if code:
        last = "\n".join(_log_of(stage).read_text("utf-8", "replace").splitlines()[-_TOLD_LINES:])
        raise BenchFailed(f"{program} {' '.join(arguments[:3])} ended with exit code {code}:\n{last}")
    return float(_note_of(stage).read_text())


def run_to_end(stage: Stage, program: str, *arguments: str) -> int:
    """Run a program in a process of its own, to its end, whichever that is; its exit code.

    Args:
        stage: Its environment.
        program: Its entry point, `module:function`.
        arguments: Its command line.

    Raises:
        BenchFailed: It had not ended in half an hour.
    """
    note, log = _note_of(stage), _log_of(stage)
    command = [sys.executable, "-m", "tests.bench.measured", str(note), program, *arguments]
    with log.open("wb") as told:
        try:
            return subprocess.run(
                command, env=stage.environ, cwd=CHECKOUT, stdout=told, stderr=told, timeout=_CHILD_LIMIT_S, check=False
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise BenchFailed(f"{program} had not ended after {_CHILD_LIMIT_S} s and was stopped") from error


def run_flatten_job(stage: Stage) -> float:
    """Run the flatten job as `dagster job execute` does, whole in one process; its peak resident memory, in MiB.

    Raises:
        BenchFailed: The run did not succeed.
    """
    prepare_instance(stage.settings)
    place = ["-m", "deepcoin_ops.definitions", "-a", "defs", "-j", FLATTEN_JOB]
    return run_measured(stage, "dagster._cli:main", "job", "execute", *place)


def _note_of(stage: Stage) -> Path:
    return stage.folder / "peak"


def _log_of(stage: Stage) -> Path:
    return stage.folder / "child.log"


def _settings_document(stage: Stage) -> dict[str, dict[str, object]]:
    period_s = stage.period_s
    return {
        "accounts": {ACCOUNT: {"credentials_prefix": "DEEPCOIN", "instruments": stage.instrument_ids}},
        "pace": {
            "close_spacing_s": period_s,
            "positions_spacing_s": period_s,
            "account_spacing_s": period_s,
            "orders_spacing_s": period_s,
            "cancel_spacing_s": period_s,
            "trigger_cancel_spacing_s": period_s / 20,
            "market_spacing_s": period_s / 5,
        },
        "flatten": {"settle_s": 3.0 * period_s, "read_gap_s": 1.1 * period_s},
    }
