"""Dagster as an operator runs it: web server and daemons as real processes on loopback, with a paper exchange and a desk.

Every process is started in a session of its own and its whole group is killed at the end, whatever happens.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from dagster_page import DagsterPage
from processes import start_process
from waiting import wait_for

from deepcoin_ops.domain.model import CloseAttempt, PositionSide
from deepcoin_ops.ledger.history import History
from deepcoin_ops.ledger.records import FlattenRecord
from deepcoin_ops.paper.faults import Fault
from deepcoin_ops.paper.listing import LISTED
from deepcoin_ops.paper.scenario import LimitSettings, PaperAccount, PaperPosition, Scenario
from deepcoin_ops.paper.server import PaperExchange
from deepcoin_ops.settings import Settings, load_settings

CHECKOUT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
INSTRUMENTS = ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP", "XRP-USDT-SWAP", "DOGE-USDT-SWAP")
PERIOD_S = 0.2
PAST_DAYS = 40
_START_UP = timedelta(seconds=75)


@dataclass(frozen=True)
class DagsterStack:
    """A running Dagster with its paper exchange.

    Attributes:
        page: What a person can do and see in the web page.
        paper: The exchange.
        settings: As the processes loaded them.
        environ: The variables they were started with.
        groups: The process group of the web server and of each daemon, run workers included.
    """

    page: DagsterPage
    paper: PaperExchange
    settings: Settings
    environ: Mapping[str, str]
    groups: Mapping[str, int]

    @property
    def trading_day(self) -> str:
        """Today's; the boundary is hours away."""
        return self.settings.calendar.day_of(datetime.now(UTC))

    def read_flattens(self, account: str, trading_day: str | None = None) -> list[FlattenRecord]:
        """The account's flattens of a day, oldest first, as the ledger tells them."""
        with self.open_history() as history:
            records = history.read_flattens(trading_day or self.trading_day)
        return [record for record in records if record.request.account == account]

    def read_attempts(self, flatten_id: str) -> list[CloseAttempt]:
        """What a flatten of today sent."""
        with self.open_history() as history:
            return [attempt for attempt in history.read_attempts(self.trading_day) if attempt.flatten_id == flatten_id]

    def open_history(self) -> History:
        """The ledger, for reading; it has to exist by now."""
        history = History.open_existing(self.settings.ledger_path, self.settings.venue)
        assert history is not None
        return history

    def close_arrivals(self, account: str) -> list[str]:
        """The instruments of the closes that reached the exchange, in order, refused ones too."""
        return [arrival["instrument_id"] for arrival in self.paper.truth()["accounts"][account]["close_requests"]]

    def truly_open(self, account: str) -> set[str]:
        """The instruments in which the exchange itself holds an open position of the account."""
        return {row["instrument_id"] for row in self.paper.truth()["accounts"][account]["open"]}


def build_settings_text(
    accounts: Sequence[str], tick: datetime | None = None, past_days: int = PAST_DAYS, boundary: datetime | None = None
) -> str:
    """Settings of a fast desk whose day boundary and tick are far from now, unless they are given.

    Args:
        accounts: Their names.
        tick: When the schedule fires.
        past_days: How many trading days there are before today's.
        boundary: When trading days end, to the minute.
    """
    now = datetime.now(UTC)
    fires = tick or now + timedelta(hours=6)
    ends = boundary or (now + timedelta(hours=12)).replace(minute=0)
    listed = ", ".join(INSTRUMENTS)
    lines = [
        f"  {name}: {{credentials_prefix: {name.upper().replace('-', '_')}, instruments: [{listed}]}}" for name in accounts
    ]
    return "\n".join(
        [
            "accounts:",
            *lines,
            f"schedule: {{first_trading_day: {now.date() - timedelta(days=past_days)}, timezone: UTC,",
            f'           cron: "{fires.minute} {fires.hour} * * *",',
            f'           day_boundary: "{ends:%H:%M}"}}',
            f"pace: {{close_spacing_s: {PERIOD_S}, positions_spacing_s: {PERIOD_S}, account_spacing_s: {PERIOD_S},",
            f"       orders_spacing_s: {PERIOD_S}, cancel_spacing_s: {PERIOD_S}, trigger_cancel_spacing_s: {PERIOD_S},",
            f"       market_spacing_s: {PERIOD_S / 5}, margin_ms: 60}}",
            "flatten: {settle_s: 0.3, read_gap_s: 0.3, max_rounds: 2, unknown_hold_s: 2, interrupt_read_s: 3}",
        ]
    )


def build_scenario(accounts: Sequence[str], faults: Sequence[Fault] = ()) -> Scenario:
    """A fast exchange on which every account has a long position in each instrument but the last."""
    positions = tuple(PaperPosition(each, PositionSide.LONG, Decimal(100)) for each in INSTRUMENTS[:-1])
    owners = tuple(PaperAccount(name, positions) for name in accounts)
    return Scenario(LISTED, owners, tuple(faults), limits=LimitSettings(period_s=PERIOD_S, retry_after="0"))


def find_next_tick() -> datetime:
    """The next full minute that leaves time to start web server and daemons, and to switch something on."""
    earliest = datetime.now(UTC) + _START_UP
    return earliest.replace(second=0, microsecond=0) + timedelta(minutes=1)


@contextmanager
def run_dagster(
    folder: Path, settings_text: str, scenario: Scenario, daemons: int = 1, **variables: str
) -> Iterator[DagsterStack]:
    """Start a paper exchange, a web server and daemons; yield once all of them are at work.

    Args:
        folder: Where settings, state, instance and logs go.
        settings_text: The settings file's content.
        scenario: What the exchange starts from.
        daemons: How many daemons share the instance; more than one is what an operator does by mistake.
        variables: Further variables of every process.
    """
    settings_file = folder / "flatten.yaml"
    settings_file.write_text(settings_text)
    with PaperExchange(scenario) as paper:
        variables = {
            "DEEPCOIN_OPS_SETTINGS": str(settings_file),
            "DEEPCOIN_OPS_STATE": str(folder / "state"),
            "DEEPCOIN_OPS_PAPER_URL": paper.url,
            **variables,
        }
        with run_dagster_with(folder, variables, paper, daemons) as stack:
            yield stack


@contextmanager
def run_dagster_with(
    folder: Path, variables: Mapping[str, str], exchange: PaperExchange, daemons: int = 1
) -> Iterator[DagsterStack]:
    """Start a web server and daemons for an exchange that runs already; yield once all of them are at work.

    Args:
        folder: Where instance and logs go.
        variables: The project's environment variables; no other one of the project's is passed on.
        exchange: The exchange they lead to.
        daemons: How many daemons share the instance.
    """
    home = folder / "dagster"
    home.mkdir()
    shutil.copy(CHECKOUT / "dagster.yaml", home)
    with ExitStack() as running:
        environ = build_environ(home, variables)
        port = find_free_port()
        page = DagsterPage(f"http://127.0.0.1:{port}")
        running.callback(page.close)
        workspace = ("-w", str(CHECKOUT / "workspace.yaml"))
        server = ("python", "-m", "deepcoin_ops.orchestration.page", "-h", "127.0.0.1", "-p", str(port), *workspace)
        groups = {"webserver": running.enter_context(start_logged(folder, "webserver", server, environ))}
        # The web server creates the instance's databases; daemons that start beside it would race for that.
        wait_for("the web server answers and has loaded the definitions", page.is_loaded)
        for number in range(daemons):
            daemon = ("dagster-daemon", "run", *workspace)
            name = f"daemon-{number}"
            groups[name] = running.enter_context(start_logged(folder, name, daemon, environ))
        wait_for("every daemon has sent a heartbeat", page.are_daemons_healthy)
        yield DagsterStack(page, exchange, load_settings(environ), environ, groups)


def build_environ(home: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """The environment of a Dagster process: this one's, without anything of the project's but what is given."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DEEPCOIN", "DAGSTER"))}
    return {**inherited, "DAGSTER_HOME": str(home), **variables}


@contextmanager
def start_logged(folder: Path, name: str, command: Sequence[str], environ: Mapping[str, str]) -> Iterator[int]:
    """A program of this environment at the head of a process group of its own, its output in a log file; the group."""
    # Code servers and run workers belong to the group of whoever started them, and end with it.
    with (
        (folder / f"{name}.log").open("wb") as log,
        start_process(
            [BIN / command[0], *command[1:]],
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        yield process.pid


def find_free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
