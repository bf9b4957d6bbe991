"""The commands that keep running: the paper exchange, Dagster's page, and the page for viewers. All end on Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from deepcoin_ops.commands.interrupts import interrupted_once
from deepcoin_ops.domain.errors import SettingsError
from deepcoin_ops.domain.model import Venue
from deepcoin_ops.instance import find_in_checkout, prepare_instance, prepare_viewer_folder
from deepcoin_ops.paper.scenario import Scenario, build_demo_scenario, read_scenario
from deepcoin_ops.paper.server import PaperExchange, serve
from deepcoin_ops.settings import Settings, without_credentials

DEMO = "demo"
LOOPBACK = "127.0.0.1"
_STOPPING_S = 60.0
_LOOK_S = 0.2


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
        0 when it was ended by Ctrl-C, else the exit code of what ended by itself.

    Raises:
        SettingsError: There is no checkout, or a port is taken.
    """
    home = prepare_instance(settings)
    workspace = str(find_in_checkout("workspace.yaml"))
    environ = {**os.environ, "DAGSTER_HOME": str(home)}
    check_port(port)
    with interrupted_once(), _paper_exchange(settings, say), ExitStack() as running:
        try:
            say(f"Dagster's page comes up at http://127.0.0.1:{port}, its state is in {home}; Ctrl-C ends it")
            page = running.enter_context(_program(_page_command(workspace, port), home, environ))
            # It makes the instance's databases; a daemon that starts beside it would race for that.
            _wait_until_it_listens(page, port)
            daemon = running.enter_context(_program(["dagster._daemon", "run", "-w", workspace], home, environ))
            return _wait_for_first([page, daemon])
        except KeyboardInterrupt:
            say("ending; a run that is under way finishes by itself")
            return 0


def run_viewer(settings: Settings, port: int, say: Callable[[str], None]) -> int:
    """Run a page on the same instance that shows everything and changes nothing, until Ctrl-C.

    It is started without the accounts' credentials and in a folder of its own, where no `.env` brings them back.

    Args:
        settings: The loaded settings.
        port: Where the page is served, on loopback.
        say: Told what runs where.

    Returns:
        0 when it was ended by Ctrl-C, else the exit code of the page.

    Raises:
        SettingsError: There is no checkout, a port is taken, or a folder cannot be written.
    """
    home = prepare_instance(settings)
    folder = prepare_viewer_folder(settings)
    workspace = str(find_in_checkout("workspace.yaml"))
    environ = {**without_credentials(), "DAGSTER_HOME": str(home)}
    check_port(port)
    with interrupted_once(), ExitStack() as running:
        try:
            say(f"the read-only page comes up at http://127.0.0.1:{port}, over the state in {home}; Ctrl-C ends it")
            page = running.enter_context(_program([*_page_command(workspace, port), "--read-only"], folder, environ))
            return _wait_for_first([page])
        except KeyboardInterrupt:
            return 0


def check_port(port: int) -> None:
    """Refuse a port that somebody listens on; Dagster would tell it in a traceback.

    Raises:
        SettingsError: The port is taken.
    """
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError as error:
        raise SettingsError(
            f"port {port} on {LOOPBACK} cannot be used: {error.strerror}. Nothing was started. Choose another one with "
            "--port."
        ) from error


def _page_command(workspace: str, port: int) -> list[str]:
    return ["deepcoin_ops.orchestration.page", "-h", LOOPBACK, "-p", str(port), "-w", workspace]


@contextmanager
def _program(command: list[str], folder: Path, environ: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A module run as a program, and ended as Ctrl-C would."""
    # A session of its own: Ctrl-C then reaches it once, from here, and not a second time from the terminal.
    child = subprocess.Popen(  # noqa: S603 - nothing in the command comes from outside
        [sys.executable, "-m", *command], cwd=folder, env=dict(environ), start_new_session=True
    )
    try:
        yield child
    finally:
        _end(child)


def _wait_until_it_listens(child: subprocess.Popen[bytes], port: int) -> None:
    while child.poll() is None:
        try:
            socket.create_connection((LOOPBACK, port), _LOOK_S).close()
        except OSError:
            time.sleep(_LOOK_S)
        else:
            return


def _wait_for_first(children: Sequence[subprocess.Popen[bytes]]) -> int:
    while True:
        for child in children:
            code = child.poll()
            if code is not None:
                return code
        time.sleep(_LOOK_S)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
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
