"""Alerts from the real executable: told after the last send, never in the way of a flatten, and by the timer's command."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alert_receiver import TOKEN, AlertReceiver
from command_line import PATIENCE_S, run, run_json, started, wait_until
from flatten_lab import SETTINGS, build_scenario, position, stubborn

from deepcoin_ops.alerts.delivering import deliver_due
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.scenario import Scenario
from deepcoin_ops.paper.server import PaperExchange
from deepcoin_ops.settings import load_settings, resolve_alert_addresses

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
HELD = (position(BTC, "PAPER-1", "500"), position(ETH, "PAPER-2", "90.5", "short"))
# Nothing was due yet, so that only the flattens of these tests are told.
NOT_BEGUN = SETTINGS + f"schedule: {{first_trading_day: {datetime.now(UTC).date() + timedelta(days=7)}}}\n"

Begin = Callable[..., tuple[PaperExchange, dict[str, str]]]


@pytest.fixture
def receiver() -> Iterator[AlertReceiver]:
    """Where alerts arrive."""
    with AlertReceiver() as running:
        yield running


@pytest.fixture
def begin(
    paper: Callable[[Scenario], PaperExchange],
    settings_file: Callable[..., dict[str, str]],
    receiver: AlertReceiver,
) -> Begin:
    """Starts a paper exchange on which something may go wrong; its environment names the receiver."""

    def begin(faults: Sequence[Fault] = (), text: str = NOT_BEGUN) -> tuple[PaperExchange, dict[str, str]]:
        exchange = paper(build_scenario(HELD, faults))
        return exchange, settings_file(exchange.url, text) | {"DEEPCOIN_OPS_ALERT_URLS": receiver.url}

    return begin


def stubborn_for_one_flatten(instrument_id: str) -> list[Fault]:
    """As many closes as one flatten sends of an instrument close nothing; the next flatten's first one does."""
    whole = Fault(FaultAction.ERROR_ITEMS, instrument_id=instrument_id)
    return [whole, replace(whole, endpoint="close-position-by-ids", until_call=4)]


def test_a_flatten_that_leaves_something_open_is_told_once_and_its_end_too(begin: Begin, receiver: AlertReceiver) -> None:
    """By the flatten itself when its closing row is written; the timer that looks later has nothing to add."""
    _, environ = begin(stubborn_for_one_flatten(ETH))
    ended = run(environ, "flatten")
    assert (ended.returncode, ended.stderr.count("Alerts:")) == (1, 0)
    [message] = receiver.messages
    assert message["title"].startswith("[paper] main: NOT FLAT; left open: ")
    assert f"Open: {ETH} short 90.5" in message["message"]
    assert message["type"] == "failure"
    assert (run(environ, "alerts").returncode, len(receiver.messages)) == (0, 1)
    assert run(environ, "flatten").returncode == 0
    assert receiver.titles[1:] == [f"Settled: {message['title']}"]
    assert "proved it flat at" in receiver.messages[1]["message"]
    assert TOKEN not in ended.stdout + ended.stderr


def test_a_good_evening_tells_nobody(begin: Begin, receiver: AlertReceiver) -> None:
    """Nor does the timer."""
    _, environ = begin()
    assert run(environ, "flatten").returncode == 0
    assert run(environ, "alerts").returncode == 0
    assert receiver.tries == 0


@pytest.mark.parametrize("trouble", ["error", "gone", "bad address", "no library"])
def test_a_delivery_that_fails_is_said_and_changes_nothing_about_the_flatten(
    begin: Begin, receiver: AlertReceiver, tmp_path: Path, trouble: str
) -> None:
    """The document is on standard output before anybody is told, and the exit code is the flatten's."""
    _, environ = begin(stubborn(ETH))
    told = ""
    if trouble == "error":
        receiver.status, told = 500, "address 1 (json) answered with error 500"
    elif trouble == "gone":
        environ["DEEPCOIN_OPS_ALERT_URLS"], told = f"json://127.0.0.1:1/{TOKEN}", "address 1 (json) could not be reached"
    elif trouble == "bad address":
        environ["DEEPCOIN_OPS_ALERT_URLS"], told = f"{TOKEN}", "address 1: expected an apprise URL"
    else:
        (tmp_path / "apprise.py").write_text("raise ImportError('not here')")
        environ["PYTHONPATH"] = os.fspath(tmp_path)
        told = "install the extra, deepcoin-ops[alerts]"
    ended = run(environ, "flatten", "--json")
    assert (ended.returncode, json.loads(ended.stdout)["result"]) == (1, "NOT_FLAT")
    assert told in ended.stderr
    assert TOKEN not in ended.stderr + ended.stdout
    _, status = run_json(environ, "status")
    assert [alert["kind"] for alert in status["untold_alerts"]] == ["NOT_FLAT"]
    assert "alerts that reached nobody" in run(environ, "status").stdout


def test_what_failed_is_delivered_by_the_timer_later(begin: Begin, receiver: AlertReceiver) -> None:
    """Its exit code tells whether anything is left untold; `--show` lists it and delivers nothing."""
    _, environ = begin(stubborn(ETH))
    receiver.status = 500
    run(environ, "flatten")
    shown = run(environ, "alerts", "--show")
    assert (shown.returncode, receiver.tries) == (0, 1)
    assert "WAITING" in shown.stdout
    assert "docs/runbook.md#flatten-not-flat" in shown.stdout
    receiver.status = 200
    at_once = run(environ, "alerts")
    assert (at_once.returncode, receiver.tries) == (1, 1)
    settings, addresses = load_settings(environ), resolve_alert_addresses(environ)
    assert deliver_due(settings, addresses, datetime.now(UTC) + timedelta(minutes=1), wait_s=0).is_all_told
    code, listed = run_json(environ, "alerts", "--show")
    assert (code, [alert["state"] for alert in listed], len(receiver.messages)) == (0, ["DELIVERED"], 1)


def test_timers_that_run_at_once_deliver_once(begin: Begin, receiver: AlertReceiver) -> None:
    """Nothing keeps a slow run of the timer from meeting the next one, or the sensor."""
    now = datetime.now(UTC)
    tick, boundary = now + timedelta(hours=6), now + timedelta(hours=12)
    # Nobody flattened on the last two days, whatever time it is now.
    schedule = f'schedule: {{cron: "{tick.minute} {tick.hour} * * *", day_boundary: "{boundary.hour:02}:00"}}\n'
    _, environ = begin(text=SETTINGS + schedule)
    with started(environ, "alerts") as first, started(environ, "alerts") as second, started(environ, "alerts") as third:
        codes = [process.wait(PATIENCE_S) for process in (first, second, third)]
    assert codes == [0, 0, 0]
    assert len(receiver.titles) == 2
    assert all("NOBODY FLATTENED" in title for title in receiver.titles)


def test_a_test_alert_shows_whether_anything_arrives(begin: Begin, receiver: AlertReceiver) -> None:
    """Before the night on which it matters."""
    _, environ = begin()
    assert run(environ, "alerts", "--test").stdout.strip() == "address 1 (json) took it"
    assert receiver.titles == ["[paper] test alert of deepcoin_ops"]
    receiver.status = 404
    failed = run(environ, "alerts", "--test")
    assert (failed.returncode, failed.stderr.strip()) == (1, "address 1 (json) answered with error 404")
    silent = run(environ | {"DEEPCOIN_OPS_ALERT_URLS": ""}, "alerts", "--test")
    assert (silent.returncode, silent.stdout) == (2, "")
    assert "names no address that can be used" in silent.stderr


def test_settings_that_cannot_be_used_are_told_once_an_hour_until_they_are_mended(
    begin: Begin, receiver: AlertReceiver
) -> None:
    """Dagster loads nothing then, and the timer's command is the only one left to say so."""
    _, environ = begin()
    file, state = Path(environ["DEEPCOIN_OPS_SETTINGS"]), Path(environ["DEEPCOIN_OPS_STATE"])
    whole = file.read_text()
    environ |= {"MAIN_SECRET_KEY": "secret-in-a-variable"}
    file.write_text(whole + "flaten: {password: secret-in-the-file}\n")
    first = run(environ, "alerts")
    assert first.returncode == 2
    assert "address 1 (json) was told" in first.stderr
    [message] = receiver.messages
    assert message["title"] == "[paper] all accounts: the settings cannot be used: NOTHING WILL BE FLATTENED"
    for told in (str(file), "flaten: expected one of the keys", "did you mean flatten?", "runbook.md#settings-broken"):
        assert told in message["message"]
    kept = "".join(path.read_text() for path in state.rglob("*") if path.is_file())
    said = json.dumps(message) + first.stderr + first.stdout + kept
    assert not [secret for secret in ("secret-in-a-variable", "secret-in-the-file", TOKEN) if secret in said]
    for arguments in (["alerts"], ["alerts", "--show"], ["alerts", "--test"]):
        assert run(environ, *arguments).returncode == 2
    assert len(receiver.messages) == 1
    file.write_text(whole)
    assert run(environ, "alerts").returncode == 0
    file.write_text("no mapping at all")
    assert run(environ, "alerts").returncode == 2
    assert len(receiver.messages) == 2


def test_a_full_disk_is_told_before_anything_has_to_be_recorded(begin: Begin, receiver: AlertReceiver) -> None:
    """Nothing is found on a quiet day, so nothing is kept, and the outbox alone would not notice."""
    _, environ = begin()
    assert run(environ, "flatten").returncode == 0

    def leave_no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    with started(environ, "alerts", stderr=subprocess.PIPE, preexec_fn=leave_no_room) as process:
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode != 0
    assert receiver.titles == ["[paper] all accounts: the ledger cannot be written: NOTHING WILL BE FLATTENED"]
    assert "File too large" in receiver.messages[0]["message"]
    assert list(Path(environ["DEEPCOIN_OPS_STATE"]).rglob("*.tmp")) == []
    assert run(environ, "alerts").returncode == 0
    assert len(receiver.messages) == 1


def test_a_killed_flatten_is_told(begin: Begin, receiver: AlertReceiver) -> None:
    """It cannot tell anybody itself; whoever looks next does, once it should have had the lock."""
    slow = SETTINGS.replace("read_timeout_s: 1.0", "read_timeout_s: 20")
    exchange, environ = begin([Fault(FaultAction.DELAY, delay_s=20)], slow + NOT_BEGUN.removeprefix(SETTINGS))
    with started(environ, "flatten", stderr=subprocess.PIPE) as process:
        wait_until(lambda: any(arrival.method == "POST" for arrival in exchange.arrivals()))
        settings, addresses = load_settings(environ), resolve_alert_addresses(environ)
        soon = datetime.now(UTC) + timedelta(seconds=70)
        deliver_due(settings, addresses, soon, wait_s=0)
        assert receiver.tries == 0
        process.kill()
        process.communicate(timeout=PATIENCE_S)
    deliver_due(settings, addresses, soon, wait_s=0)
    assert receiver.titles == ["[paper] main: FLATTEN KILLED, what is open is not known"]
    assert f"close 1 of {BTC}" in receiver.messages[0]["message"]


def test_the_means_of_delivery_never_enter_the_process_that_sends(begin: Begin, receiver: AlertReceiver) -> None:
    """Neither before its sends nor after them; and yet the alert arrives."""
    _, environ = begin(stubborn(ETH))
    code = (
        "import sys\nfrom deepcoin_ops.cli import main\n"
        "try:\n    main(['flatten'])\nexcept SystemExit as end:\n    print('exit', end.code)\n"
        "print('apprise' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert ran.stdout.splitlines()[-2:] == ["exit 1", "False"]
    assert len(receiver.messages) == 1
