"""How far a stop reaches: another folder, a shell without the desk's variables, a folder in which nothing runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import EXECUTABLE, PATIENCE_S, run, started, wait_until
from flatten_lab import SETTINGS, build_scenario, position
from live_exchange import LIVE_SETTINGS, open_live_stand

from deepcoin_ops.commands import kill as kill_command
from deepcoin_ops.domain.model import Venue
from deepcoin_ops.flattening.account_lock import AccountLock
from deepcoin_ops.paper.scenario import Scenario
from deepcoin_ops.paper.server import PaperExchange

POSITIONS = (position("BTC-USDT-SWAP", "1", "500"), position("ETH-USDT-SWAP", "2", "90.5", "short"))
ONE_CLOSE_IN_TIME = SETTINGS.replace("close_spacing_s: 0.05", "close_spacing_s: 30")
ONE_LIVE_CLOSE_IN_TIME = LIVE_SETTINGS.replace("close_spacing_s: 1.0", "close_spacing_s: 30")

Build = Callable[[Scenario], PaperExchange]


def count_closes(exchange: PaperExchange) -> int:
    """How many closes reached the exchange."""
    return sum(arrival.method == "POST" for arrival in exchange.arrivals())


def run_in(folder: Path, environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in another working folder."""
    command = [EXECUTABLE, *arguments]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


@pytest.fixture
def variables(tmp_path: Path, settings_file: Callable[..., dict[str, str]]) -> dict[str, str]:
    """The environment of a desk whose exchange is not needed, away from this user's own armings."""
    return settings_file("http://127.0.0.1:9") | {"DEEPCOIN_OPS_ARMING": str(tmp_path / "arming")}


@pytest.mark.parametrize("command", ["kill", "flatten", "status"])
def test_a_relative_state_folder_is_refused_with_what_to_write(
    variables: dict[str, str], tmp_path: Path, command: str
) -> None:
    """In each working folder it would be another one: a switch in one of them stops nothing in the other."""
    ended = run_in(tmp_path, variables | {"DEEPCOIN_OPS_STATE": "state"}, command)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"if you mean the one here, write {tmp_path / 'state'}" in ended.stderr
    assert ("NOT STOPPED" in ended.stderr) is (command == "kill")
    assert not (tmp_path / "state").exists()


def test_kill_from_another_folder_stops_the_flatten_at_work_and_names_it(
    paper: Build, settings_file: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    """No close leaves after it but one whose slot was there already; it says where it holds and what was at work."""
    exchange = paper(build_scenario(POSITIONS))
    variables = settings_file(exchange.url, ONE_CLOSE_IN_TIME) | {"DEEPCOIN_OPS_ARMING": str(tmp_path / "arming")}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with started(variables, "flatten", stderr=subprocess.PIPE) as process:
        wait_until(lambda: count_closes(exchange) == 1)
        killed = run_in(elsewhere, variables, "kill", "--reason", "wrong feed")
        process.communicate(timeout=PATIENCE_S)
    assert (killed.returncode, process.returncode) == (0, 1)
    assert f"State folder: {variables['DEEPCOIN_OPS_STATE']}, named by DEEPCOIN_OPS_STATE." in killed.stdout
    assert "AT WORK: account main on the paper venue: flatten " in killed.stdout
    assert f"(process {process.pid}). It stops at its next slot." in killed.stdout
    assert count_closes(exchange) == 1


@pytest.mark.parametrize("whose", [(), ("--account", "main")], ids=["every account", "one account"])
def test_kill_in_a_shell_without_the_desks_venue_stops_the_live_flatten(tmp_path: Path, whose: tuple[str, ...]) -> None:
    """A fresh terminal at night has neither the venue nor the keys; real closes must stop all the same."""
    arguments = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    with open_live_stand(tmp_path, build_scenario(POSITIONS), ONE_LIVE_CLOSE_IN_TIME, **arguments) as stand:
        stand.arm()
        kept = {*arguments, "DEEPCOIN_OPS_SETTINGS", "DEEPCOIN_OPS_STATE"}
        bare = {name: value for name, value in stand.variables.items() if name in kept}
        with started(stand.variables, "flatten", stderr=subprocess.PIPE) as process:
            wait_until(lambda: count_closes(stand.exchange) == 1)
            killed = run(bare, "kill", *whose)
            process.communicate(timeout=PATIENCE_S)
        assert (killed.returncode, process.returncode) == (0, 1)
        assert "live and paper venue" in killed.stdout
        assert "AT WORK: account main on the live venue: flatten " in killed.stdout
        assert count_closes(stand.exchange) == 1


def test_kill_where_nothing_was_ever_run_says_so_first_and_exits_with_1(variables: dict[str, str]) -> None:
    """The wrong folder, or the default one. The switch is on there all the same: a flatten may begin there."""
    killed = run(variables, "kill")
    assert killed.returncode == 1
    assert killed.stdout.startswith("NOTHING THAT IS KNOWN IS STOPPED BY THIS")
    assert (Path(variables["DEEPCOIN_OPS_STATE"]) / "live" / "kill" / "every.account.json").exists()
    # Its own switch is no sign of a desk.
    assert run(variables, "kill").returncode == 1
    (Path(variables["DEEPCOIN_OPS_STATE"]) / "paper" / "locks").mkdir()
    assert run(variables, "kill").returncode == 0
    assert run(variables, "kill", "--venue", "live").returncode == 1


def test_a_state_folder_that_a_link_leads_to_is_named_by_both(
    variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two names of one folder are one desk, and a person has to see it."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "state").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "state")
    monkeypatch.setenv("DEEPCOIN_OPS_STATE", str(tmp_path / "link"))
    text = kill_command.kill(None, None, "").text
    assert f"State folder: {tmp_path / 'link'} (a link to {tmp_path / 'state'}), named by" in text
    assert (tmp_path / "state" / "live" / "kill" / "every.account.json").exists()


def test_an_account_at_work_that_the_stop_does_not_cover_is_named(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One account of one venue is stopped; what goes on beside it must not be believed to have stopped."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    state = Path(variables["DEEPCOIN_OPS_STATE"])
    locks = [AccountLock(state / "live" / "locks", "other"), AccountLock(state / "paper" / "locks", "main")]
    for lock in locks:
        lock.acquire("flatten one", 1, lambda: False)
    text = kill_command.kill("main", None, "").text
    for lock in locks:
        lock.release()
    own = f"flatten one (process {os.getpid()})"
    assert f"AT WORK: account other on the live venue: {own}. THIS DOES NOT STOP IT." in text
    assert f"AT WORK: account main on the paper venue: {own}. It stops at its next slot." in text
    assert "No flatten is at work in this state folder now." in kill_command.kill("main", None, "").text


def test_a_flatten_at_work_in_another_known_state_folder_is_named_and_exits_with_1(
    variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default folder and those that armings name are the desks that can be known."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (Path(variables["DEEPCOIN_OPS_STATE"]) / "paper" / "locks").mkdir(parents=True)
    other = tmp_path / "other"
    monkeypatch.setattr(kill_command, "find_default_state_folders", lambda: (other,))
    assert str(other) not in kill_command.kill(None, None, "").text
    lock = AccountLock(other / "live" / "locks", "main")
    lock.acquire("flatten one", 1, lambda: False)
    switched = kill_command.kill(None, None, "")
    lock.release()
    assert not switched.is_as_asked
    assert f"Not reached by this: the state folder {other}; `DEEPCOIN_OPS_STATE={other} deepcoin-ops kill`" in switched.text
    assert "account main on the live venue: flatten one" in switched.text
    assert kill_command.kill(None, None, "").is_as_asked
    shutil.rmtree(other / Venue.LIVE)
    assert str(other) not in kill_command.kill(None, None, "").text
