"""The commands that keep running: the paper exchange, and Dagster's page beside it. Both end on Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from deepcoin_ops.commands.interrupts import interrupted_once
from deepcoin_ops.domain.errors import SettingsError
from deepcoin_ops.domain.model import Venue
from deepcoin_ops.instance import find_in_checkout, prepare_instance
from deepcoin_ops.paper.scenario import Scenario, build_demo_scenario, read_scenario
from deepcoin_ops.paper.server import PaperExchange, serve
from deepcoin_ops.settings import Settings

DEMO = "demo"
_STOPPING_S = 60.0


def choose_scenario(name: str, accounts: Iterable[str]) -> Scenario:
    """The demonstration, with the same positions for each account, or the scenario a YAML file describes.

    Raises:
        SettingsError: The file cannot be read, or is no scenario.
    """
    if name == DEMO:
        owners = tuple(build_demo_scenario(account).accounts[0] for account in accounts)
        return replace(build_demo_scenario(), accounts=owners)
    try:
        return read_scenario(Path(name))
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"the scenario {name} cannot be used, nothing was started: {error}. Name {DEMO} or a YAML file of a scenario."
        ) from error


def serve_paper(scenario: Scenario, port: int, say: Callable[[str], None]) -> None:
    """Run a paper exchange in the foreground until Ctrl-C.

    Raises:
        SettingsError: The port is taken.
    """
    accounts = ", ".join(account.name for account in scenario.accounts)
    serve(scenario, port, lambda url: say(f"paper exchange at {url}, account(s) {accounts}; Ctrl-C ends it"))
    say("the paper exchange has ended; its positions are forgotten")


def run_dagster(settings: Settings, port: int, say: Callable[[str], None]) -> int:
    """Run Dagster's page and daemon, on the paper venue with a paper exchange, until Ctrl-C.

    Args:
        settings: The loaded settings.
        port: Where the page is served, on loopback.
        say: Told what runs where.

    Returns:
        0 when it was ended by Ctrl-C, else the exit code of Dagster.

    Raises:
        SettingsError: There is no checkout, or a port is taken.
    """
    home = prepare_instance(settings)
    workspace = find_in_checkout("workspace.yaml")
    with interrupted_once(), _paper_exchange(settings, say):
        say(f"Dagster's page comes up at http://127.0.0.1:{port}, its state is in {home}; Ctrl-C ends it")
        # A session of its own: Ctrl-C then reaches it once, from here, and not a second time from the terminal.
        child = subprocess.Popen(  # noqa: S603 - nothing in the command comes from outside
            _dagster_command(workspace, port),
            cwd=home,
            env={**os.environ, "DAGSTER_HOME": str(home)},
            start_new_session=True,
        )
        try:
            return child.wait()
        except KeyboardInterrupt:
            say("ending; a run that is under way finishes by itself")
            _end(child)
            return 0


def _dagster_command(workspace: Path, port: int) -> list[str]:
    # Dagster recommends `dg dev`, which is a package for development and ends up in this very command.
    silence = "ignore:Function `dev_command`"
    place = ["-w", str(workspace), "-h", "127.0.0.1", "-p", str(port)]
    return [sys.executable, "-W", silence, "-m", "dagster", "dev", *place]


def _end(child: subprocess.Popen[bytes]) -> None:
    child.send_signal(signal.SIGINT)
    try:
        child.wait(_STOPPING_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


@contextmanager
def _paper_exchange(settings: Settings, say: Callable[[str], None]) -> Iterator[None]:
    if settings.venue is Venue.LIVE:
        say(f"the venue is live ({settings.base_url}): no paper exchange is started")
        yield
        return
    scenario = choose_scenario(DEMO, settings.accounts)
    with PaperExchange(scenario, urlsplit(settings.base_url).port or 80) as paper:
        say(f"paper exchange at {paper.url}, account(s) {', '.join(settings.accounts)}")
        yield
