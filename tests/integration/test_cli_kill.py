"""`kill` and `resume` as a person runs them, and what the other commands say meanwhile."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import PATIENCE_S, run, run_json, started, wait_until
from flatten_lab import SETTINGS, build_scenario, position
from live_exchange import LIVE_SETTINGS

from deepcoin_ops.paper.scenario import Scenario
from deepcoin_ops.paper.server import PaperExchange

POSITIONS = (position("BTC-USDT-SWAP", "PAPER-1", "500"), position("ETH-USDT-SWAP", "PAPER-2", "90.5", "short"))
TWO_ACCOUNTS = SETTINGS.replace(
    "pace:", "  other:\n    credentials_prefix: OTHER\n    instruments: [BTC-USDT-SWAP]\npace:", 1
)
ONE_CLOSE_IN_TIME = SETTINGS.replace("close_spacing_s: 0.05", "close_spacing_s: 30")

VENUES = ("live", "paper")

Start = Callable[..., tuple[PaperExchange, dict[str, str]]]


@pytest.fixture
def start(paper: Callable[[Scenario], PaperExchange], settings_file: Callable[..., dict[str, str]]) -> Start:
    """Starts a paper exchange with two instruments open, and writes settings."""

    def build(text: str = SETTINGS) -> tuple[PaperExchange, dict[str, str]]:
        exchange = paper(build_scenario(POSITIONS))
        variables = settings_file(exchange.url, text)
        # A desk on which flattens ran before.
        (Path(variables["DEEPCOIN_OPS_STATE"]) / "paper" / "locks").mkdir(parents=True)
        return exchange, variables

    return build


def closes(exchange: PaperExchange) -> list[str | None]:
    return [arrival.instrument_id for arrival in exchange.arrivals() if arrival.method == "POST"]


def kill_folder(variables: dict[str, str]) -> Path:
    return Path(variables["DEEPCOIN_OPS_STATE"]) / "paper" / "kill"


def test_kill_names_its_file_and_says_that_positions_stay_open_and_resume_ends_it(start: Start) -> None:
    """The whole round of an evening: stop, be refused, see why, go on, flatten."""
    exchange, variables = start()
    killed = run(variables, "kill", "--reason", "the feed is\nbroken")
    assert (killed.returncode, killed.stderr) == (0, "")
    for told in (
        str(kill_folder(variables) / "every.account.json"),
        "STAY OPEN",
        "paper venue",
        "deepcoin-ops resume --venue paper",
    ):
        assert told in killed.stdout
    assert exchange.arrivals() == []
    refused = run(variables, "flatten")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert re.search(r"2 instrument\(s\), 78,58\d USDT STAY OPEN", refused.stderr)
    code, document = run_json(variables, "flatten")
    assert (code, document["result"], document["attempts"]) == (2, "REFUSED", [])
    assert "the feed is?broken" in document["closing"]["reason"]
    assert [each["notional_before_usdt"] is None for each in document["verdicts"][:2]] == [False, False]
    assert closes(exchange) == []
    resumed = run(variables, "resume")
    assert resumed.returncode == 0
    assert "is off" in resumed.stdout
    assert run(variables, "flatten").returncode == 0


@pytest.mark.parametrize("whose", [(), ("--account", "main")], ids=["every account", "one account"])
def test_kill_stops_both_venues_and_resume_only_the_one_in_use(start: Start, whose: tuple[str, ...]) -> None:
    """At night, in a fresh terminal without the variable, the live venue must stop; a resume on paper must leave it."""
    _, variables = start(LIVE_SETTINGS)
    name = "main" if whose else "every.account"
    switches = {venue: Path(variables["DEEPCOIN_OPS_STATE"]) / venue / "kill" / f"{name}.json" for venue in VENUES}
    killed = run(variables, "kill", *whose)
    assert killed.returncode == 0
    assert f"KILL SWITCH ON for {'account main' if whose else 'every account'}, live and paper venue." in killed.stdout
    assert all(switch.is_file() for switch in switches.values())
    resumed = run(variables, "resume", *whose)
    assert [switch.exists() for switch in switches.values()] == [True, False]
    assert "The live venue stays stopped" in resumed.stdout
    assert f"`{' '.join(['deepcoin-ops', 'resume', *whose])} --venue live`" in resumed.stdout
    assert str(switches["live"]) in run(variables, "status").stdout
    assert [note["path"] for note in run_json(variables, "status")[1]["other_kill_notes"]] == [str(switches["live"])]
    assert run(variables, "resume", *whose, "--venue", "live").returncode == 0
    assert not switches["live"].exists()


def test_kill_stops_one_venue_alone_when_that_one_is_named(start: Start) -> None:
    """A paper trial is stopped without stopping the desk."""
    _, variables = start(LIVE_SETTINGS)
    killed = run(variables, "kill", "--venue", "paper")
    assert killed.returncode == 0
    assert "KILL SWITCH ON for every account, paper venue." in killed.stdout
    assert kill_folder(variables).exists()
    assert not (Path(variables["DEEPCOIN_OPS_STATE"]) / "live").exists()


def test_killing_twice_keeps_the_first_note_and_resuming_what_is_off_says_so(start: Start) -> None:
    """Both are what somebody in a hurry does; neither is an error."""
    _, variables = start()
    run(variables, "kill", "--account", "main", "--reason", "first")
    again = run(variables, "kill", "--account", "main", "--reason", "second")
    assert again.returncode == 0
    assert "on already" in again.stdout
    assert "reason: first" in again.stdout
    assert "second" not in again.stdout
    assert run(variables, "resume", "--account", "main").returncode == 0
    idle = run(variables, "resume", "--account", "main")
    assert idle.returncode == 0
    assert "was not on" in idle.stdout


def test_an_account_that_another_switch_still_stops_is_named_and_exits_with_1(start: Start) -> None:
    """Whoever resumes one account must not believe that it moves while the switch of all is on, nor the other way round."""
    _, variables = start(TWO_ACCOUNTS)
    run(variables, "kill")
    run(variables, "kill", "--account", "main")
    one = run(variables, "resume", "--account", "main")
    assert one.returncode == 1
    assert "STILL STOPPED: account main" in one.stdout
    run(variables, "kill", "--account", "other")
    everybody = run(variables, "resume")
    assert everybody.returncode == 1
    assert (
        "STILL STOPPED: account other. `deepcoin-ops resume --account other --venue paper` would resume it."
        in everybody.stdout
    )
    assert "STILL STOPPED: account main" not in everybody.stdout
    assert run(variables, "resume", "--account", "other").returncode == 0


@pytest.mark.parametrize("command", ["kill", "resume"])
def test_a_misspelt_account_is_refused(start: Start, command: str) -> None:
    """A switch of no account would stop nothing, and look as if it did."""
    _, variables = start()
    ended = run(variables, command, "--account", "mian")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "main" in ended.stderr
    assert ended.stderr.startswith("Error: NOT STOPPED") is (command == "kill")
    assert not kill_folder(variables).exists()


def test_status_and_plan_tell_which_accounts_are_stopped_and_why(start: Start) -> None:
    """The next person looks there first; a file that stops nothing is told as such."""
    _, variables = start(TWO_ACCOUNTS)
    run(variables, "kill", "--account", "main", "--reason", "audit")
    (kill_folder(variables) / "mian.json").touch()
    code, document = run_json(variables, "status")
    stopped, free = document["accounts"]
    assert code == 0
    assert (stopped["is_kill_switch_on"], free["is_kill_switch_on"], free["kill_notes"]) == (True, False, [])
    [note] = stopped["kill_notes"]
    assert (note["account"], note["reason"], "@" in note["by"]) == ("main", "audit", True)
    assert note["since"].endswith("+00:00")
    assert document["stray_kill_files"] == [str(kill_folder(variables) / "mian.json")]
    shown = run(variables, "status").stdout
    assert "KILL SWITCH ON" in shown
    assert "audit" in shown
    assert "mian.json" in shown
    planned = run(variables, "plan", "--account", "main")
    assert planned.returncode == 0
    assert "A flatten would be refused: the kill switch is on" in planned.stdout
    assert "audit" in run_json(variables, "plan", "--account", "main")[1]["kill_switch"]
    run(variables, "resume", "--account", "main")
    assert run_json(variables, "plan", "--account", "main")[1]["kill_switch"] is None


def test_kill_stops_a_flatten_that_runs_in_another_terminal(start: Start) -> None:
    """It ends by itself, verified and recorded, with exit code 1 and what is left."""
    exchange, variables = start(ONE_CLOSE_IN_TIME)
    with started(variables, "flatten", "--json", stderr=subprocess.PIPE) as process:
        wait_until(lambda: bool(closes(exchange)))
        assert run(variables, "kill", "--reason", "wrong feed").returncode == 0
        told, _ = process.communicate(timeout=PATIENCE_S)
    document = json.loads(told)
    assert (process.returncode, document["result"], document["is_interrupted"]) == (1, "NOT_FLAT", False)
    assert closes(exchange) == ["BTC-USDT-SWAP"]
    assert "wrong feed" in document["closing"]["reason"]
    verdicts = {each["instrument_id"]: each["verdict"] for each in document["verdicts"]}
    assert (verdicts["BTC-USDT-SWAP"], verdicts["ETH-USDT-SWAP"]) == ("FLAT", "RESIDUAL")


def test_kill_stops_everything_although_the_settings_are_broken(start: Start) -> None:
    """Whoever stops it in a hurry must not have to find a misspelt key first."""
    exchange, variables = start()
    settings_file = Path(variables["DEEPCOIN_OPS_SETTINGS"])
    good = settings_file.read_text()
    settings_file.write_text(good.replace("max_rounds", "max_ronds"))
    killed = run(variables, "kill", "--reason", "now")
    assert killed.returncode == 0
    for told in ("every account, live and paper venue", "max_rounds", str(kill_folder(variables) / "every.account.json")):
        assert told in killed.stdout
    settings_file.write_text(good)
    assert run(variables, "flatten").returncode == 2
    assert closes(exchange) == []
    assert run(variables, "resume").returncode == 0
    assert run(variables, "flatten").returncode == 0


def test_kill_of_one_account_with_broken_settings_says_first_that_nothing_is_stopped(start: Start) -> None:
    """That nothing was sent and no position was touched reads, in a hurry, as if it had been stopped."""
    _, variables = start()
    settings_file = Path(variables["DEEPCOIN_OPS_SETTINGS"])
    settings_file.write_text(settings_file.read_text().replace("max_rounds", "max_ronds"))
    ended = run(variables, "kill", "--account", "main", "--reason", "now")
    first, *rest = ended.stderr.splitlines()
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "NOT STOPPED: the name of account main cannot be checked" in first
    assert "`deepcoin-ops kill` without --account stops every account of both venues" in first
    assert "max_rounds" in "\n".join(rest)
    assert not kill_folder(variables).exists()


def test_a_ledger_that_cannot_be_read_does_not_hide_that_an_account_is_stopped(start: Start) -> None:
    """After an upgrade, or with a damaged file. What was flattened is not known then; nobody is told "nothing"."""
    _, variables = start()
    run(variables, "kill", "--reason", "audit")
    ledger = Path(run_json(variables, "status")[1]["ledger_path"])
    assert "no flatten is recorded" in run(variables, "status").stdout
    ledger.write_text("not a database, and long enough not to be an empty one " * 20)
    shown = run(variables, "status")
    assert shown.returncode == 1
    for told in ("KILL SWITCH ON", "audit", "LEDGER NOT READ", str(ledger)):
        assert told in shown.stdout
    assert "no flatten is recorded" not in shown.stdout
    code, document = run_json(variables, "status")
    assert (code, document["is_ledger_there"], document["accounts"][0]["last_flatten"]) == (1, True, None)
    assert document["accounts"][0]["is_kill_switch_on"]
    assert str(ledger) in document["ledger_trouble"]
