"""The real executable as a person or a script runs it: exit codes, what is on which stream, what signals do."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import requests
from command_line import PATIENCE_S, run, run_json, started, wait_until
from flatten_lab import SETTINGS, build_scenario, position, stubborn
from live_exchange import open_live_stand

from deepcoin_ops.flattening.account_lock import AccountLock
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.scenario import Scenario
from deepcoin_ops.paper.server import PaperExchange

POSITIONS = (
    position("BTC-USDT-SWAP", "PAPER-1", "500"),
    position("ETH-USDT-SWAP", "PAPER-2", "90.5", "short"),
    position("SOL-USDT", "PAPER-3", "12.5"),
    position("DOT-USDT-SWAP", "PAPER-4", "7"),
)
CONFIGURED = ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP", "ETH-USD-SWAP", "XRP-USDT-SWAP", "SOL-USDT")
# The second close then waits for its slot for as long as any of these tests takes.
ONE_CLOSE_IN_TIME = SETTINGS.replace("close_spacing_s: 0.05", "close_spacing_s: 30").replace(
    "read_timeout_s: 1.0", "read_timeout_s: 20"
)

StartPaper = Callable[[Scenario], PaperExchange]
WriteSettings = Callable[..., dict[str, str]]


@pytest.fixture
def environ(paper: StartPaper, settings_file: WriteSettings) -> tuple[PaperExchange, dict[str, str]]:
    """A paper exchange with three configured instruments open and one that is not configured."""
    exchange = paper(build_scenario(POSITIONS))
    return exchange, settings_file(exchange.url)


def closes(exchange: PaperExchange) -> list[str | None]:
    return [arrival.instrument_id for arrival in exchange.arrivals() if arrival.method == "POST"]


@pytest.fixture
def slow_close(paper: StartPaper, settings_file: WriteSettings) -> tuple[PaperExchange, dict[str, str]]:
    """An exchange that answers the first close 1.5 s after it was executed, and settings that leave no time for another."""
    fault = Fault(FaultAction.DELAY, delay_s=1.5)
    exchange = paper(build_scenario(POSITIONS, [fault]))
    return exchange, settings_file(exchange.url, ONE_CLOSE_IN_TIME)


def test_flatten_exits_with_0_and_one_json_document_when_the_account_is_flat(
    environ: tuple[PaperExchange, dict[str, str]],
) -> None:
    """A script reads standard output as JSON, so that progress and everything else belongs on standard error."""
    exchange, variables = environ
    ended = run(variables, "flatten", "--json")
    document = json.loads(ended.stdout)
    assert (ended.returncode, document["result"]) == (0, "FLAT")
    assert "3 of 6 instruments open" in ended.stderr
    verdicts = {each["instrument_id"]: each["verdict"] for each in document["verdicts"]}
    assert set(verdicts) == set(CONFIGURED)
    assert [each["instrument_id"] for each in document["attempts"]] == ["BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT"]
    assert document["attempts"][0]["quantity_contracts"] == "500"
    assert document["attempts"][0]["sent_at"].endswith("+00:00")
    assert document["launched_by"].startswith("command line, ")
    assert [row["instrument_id"] for row in exchange.truth()["accounts"]["main"]["open"]] == ["DOT-USDT-SWAP"]


def test_flatten_exits_with_1_and_names_the_error_items_when_something_stays_open(
    paper: StartPaper, settings_file: WriteSettings
) -> None:
    """What the exchange refuses to close again and again is a residual, and its error items are what a desk needs."""
    faults = stubborn("ETH-USDT-SWAP", error_message="no\x1b[2J margin")
    exchange = paper(build_scenario(POSITIONS, faults))
    variables = settings_file(exchange.url, SETTINGS.replace("max_rounds: 5", "max_rounds: 2"))
    code, document = run_json(variables, "flatten")
    assert (code, document["result"]) == (1, "NOT_FLAT")
    assert [(item["instrument_id"], item["error_code"]) for item in document["close_errors"]] == [
        ("ETH-USDT-SWAP", "51020")
    ] * 2
    shown = run(variables, "flatten")
    assert shown.returncode == 1
    assert "RESIDUAL" in shown.stdout
    assert "no<U+001B>[2J margin" in shown.stdout
    assert "\x1b" not in shown.stdout + shown.stderr


def test_flatten_shows_a_table_with_attempts_and_verdicts(environ: tuple[PaperExchange, dict[str, str]]) -> None:
    """A person reads the result, when it was reached, and where the record is."""
    ended = run(environ[1], "flatten")
    assert ended.returncode == 0
    row = next(line for line in ended.stdout.splitlines() if "ETH-USDT-SWAP" in line)
    assert [cell.strip() for cell in row.split("│")[1:6]] == ["ETH-USDT-SWAP", "90.5", "29,959 USDT", "ACCEPTED", "FLAT"]
    assert "last close after" in ended.stdout
    assert "ledger.sqlite" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("flatten", "DOT-USDT-SWAP"), "not among its configured instruments"),
        (("flatten", "--account", "mian"), "main"),
        (("flatten", "--no-such-option"), "No such option"),
        (("ledger", "show", "yesterday"), "neither a day"),
        (("ledger", "show", "today", "--account", "mian"), "main"),
    ],
)
def test_what_cannot_be_meant_exits_with_2_and_sends_nothing(
    environ: tuple[PaperExchange, dict[str, str]], arguments: tuple[str, ...], told: str
) -> None:
    """A script has to tell "refused" from "tried and not flat": after the one nothing has changed."""
    exchange, variables = environ
    ended = run(variables, *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr
    assert exchange.arrivals() == []


@pytest.mark.parametrize(
    "command", [("flatten", "--json"), ("plan",), ("status",), ("ledger", "show", "today"), ("paper",)]
)
def test_a_bad_settings_file_is_told_without_a_traceback(settings_file: WriteSettings, command: tuple[str, ...]) -> None:
    """The line names the key and what was expected; nothing is on standard output."""
    ended = run(settings_file("http://127.0.0.1:9", SETTINGS.replace("max_rounds", "max_ronds")), *command)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "max_rounds" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_live_venue_without_credentials_is_refused_with_2(settings_file: WriteSettings) -> None:
    """Each missing variable is named; what else a live flatten needs is tried in test_admission."""
    live = (
        SETTINGS.replace("0.05", "1.0")
        .replace("read_gap_s: 0.06", "read_gap_s: 1.1")
        .replace("unknown_hold_s: 2", "unknown_hold_s: 5")
    )
    variables = settings_file("http://127.0.0.1:9", live)
    ended = run(variables | {"DEEPCOIN_OPS_VENUE": "live", "DEEPCOIN_BASE_URL": "http://127.0.0.1:9"}, "flatten")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "_SECRET_KEY: expected printable ASCII" in ended.stderr


def test_a_key_that_is_refused_exits_with_2_and_a_refused_flatten(paper: StartPaper, settings_file: WriteSettings) -> None:
    """It was opened in the ledger, so that the document vouches for it: nothing was sent, nothing is verified."""
    fault = Fault(FaultAction.AUTH_ERROR, endpoint="account/positions", call=None)
    exchange = paper(build_scenario(POSITIONS, [fault]))
    code, document = run_json(settings_file(exchange.url), "flatten")
    assert (code, document["result"], document["attempts"]) == (2, "REFUSED", [])
    assert closes(exchange) == []


def test_a_lock_file_that_cannot_be_used_exits_with_2_and_says_what_to_do(
    environ: tuple[PaperExchange, dict[str, str]],
) -> None:
    """Another user's file, or here a folder, in its place: refused and recorded. The holder's note alone stops nothing."""
    exchange, variables = environ
    locks = Path(variables["DEEPCOIN_OPS_STATE"]) / "paper" / "locks"
    (locks / "main.lock").mkdir(parents=True)
    ended = run(variables, "flatten")
    assert ended.returncode == 2
    assert f"{locks / 'main.lock'}: " in ended.stderr
    assert "Nothing was sent and all positions stay open" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert closes(exchange) == []
    (locks / "main.lock").rmdir()
    (locks / "main.holder").mkdir()
    ended = run(variables, "flatten")
    assert ended.returncode == 0, ended.stderr
    assert f"{locks / 'main.holder'} cannot be written" in ended.stderr


def test_a_flatten_that_waits_for_another_one_says_so_while_it_waits(
    environ: tuple[PaperExchange, dict[str, str]],
) -> None:
    """It may wait for half an hour, and whoever watches has to know for whom."""
    exchange, variables = environ
    file = Path(variables["DEEPCOIN_OPS_SETTINGS"])
    file.write_text(file.read_text().replace("lock_wait_s: 0.3", "lock_wait_s: 60"))
    other = AccountLock(Path(variables["DEEPCOIN_OPS_STATE"]) / "paper" / "locks", "main")
    other.acquire("flatten of somebody else", 1, lambda: False)
    with started(variables, "flatten", stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        told = process.stderr.readline()
        is_still_waiting = process.poll() is None
        other.release()
        process.communicate(timeout=PATIENCE_S)
    assert "another flatten holds the lock: flatten of somebody else (process " in told
    assert "up to 60 s" in told
    assert (is_still_waiting, process.returncode) == (True, 0)
    assert len(closes(exchange)) == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_sends_nothing_more_and_records_the_answer_in_flight(
    slow_close: tuple[PaperExchange, dict[str, str]], number: signal.Signals
) -> None:
    """Ctrl-C in the middle of an answer must not lose what the exchange did, and must not close anything else."""
    exchange, variables = slow_close
    with started(variables, "flatten", "--json", stderr=subprocess.PIPE) as process:
        wait_until(lambda: bool(closes(exchange)))
        process.send_signal(number)
        process.send_signal(number)
        told, _ = process.communicate(timeout=PATIENCE_S)
    document = json.loads(told)
    assert (process.returncode, document["result"], document["is_interrupted"]) == (1, "NOT_FLAT", True)
    assert [each["outcome"] for each in document["attempts"]] == ["ACCEPTED"]
    assert closes(exchange) == ["BTC-USDT-SWAP"]
    verdicts = {each["instrument_id"]: each["verdict"] for each in document["verdicts"]}
    assert (verdicts["BTC-USDT-SWAP"], verdicts["ETH-USDT-SWAP"]) == ("FLAT", "RESIDUAL")
    _, status = run_json(variables, "status")
    assert status["accounts"][0]["open_intents"] == []
    assert status["accounts"][0]["last_flatten"]["closing"]["result"] == "NOT_FLAT"


def test_a_flatten_of_some_instruments_says_which_of_how_many(environ: tuple[PaperExchange, dict[str, str]]) -> None:
    """FLAT is said of what was asked for; the next person must not take it for the account."""
    _, variables = environ
    assert run(variables, "flatten", "BTC-USDT-SWAP").returncode == 0
    for command in (("status",), ("ledger", "show", "today")):
        shown = " ".join(run(variables, *command).stdout.split())
        assert "configured instruments only BTC-USDT-SWAP: FLAT" in shown
    run(variables, "flatten")
    assert "configured instruments only" not in run(variables, "status").stdout


def test_a_killed_flatten_shows_as_open_intent_and_unclosed_flatten(
    slow_close: tuple[PaperExchange, dict[str, str]],
) -> None:
    """After kill -9 the next person has to see that a close may have happened."""
    exchange, variables = slow_close
    with started(variables, "flatten", stderr=subprocess.PIPE) as process:
        wait_until(lambda: bool(closes(exchange)))
        process.kill()
        process.communicate(timeout=PATIENCE_S)
    _, status = run_json(variables, "status")
    account = status["accounts"][0]
    assert account["is_flatten_unclosed"]
    assert [each["outcome"] for each in account["open_intents"]] == ["UNKNOWN"]
    shown = run(variables, "status")
    assert "may have happened" in shown.stdout
    assert "was killed" in shown.stdout


def test_a_flatten_goes_on_when_nobody_reads_its_progress(environ: tuple[PaperExchange, dict[str, str]]) -> None:
    """A pager that was quit, or a log pipe that broke, is no reason to leave positions open."""
    exchange, variables = environ
    reader, writer = os.pipe()
    os.close(reader)
    try:
        with started(variables, "flatten", "--json", stderr=writer) as process:
            told, _ = process.communicate(timeout=PATIENCE_S)
    finally:
        os.close(writer)
    assert json.loads(told)["result"] == "FLAT"
    assert len(closes(exchange)) == 3


def test_plan_lists_the_closes_largest_first_and_sends_nothing(environ: tuple[PaperExchange, dict[str, str]]) -> None:
    """A plan is a read: no close, no row in the ledger, no lock."""
    exchange, variables = environ
    code, document = run_json(variables, "plan")
    assert code == 0
    assert [(each["order"], each["instrument_id"]) for each in document["closes"]] == [
        (1, "BTC-USDT-SWAP"),
        (2, "ETH-USDT-SWAP"),
        (3, "SOL-USDT"),
    ]
    assert [each["instrument_id"] for each in document["unconfigured"]] == ["DOT-USDT-SWAP"]
    # Three slots of 80 ms. Six order lists, 150 ms to settle and a read of two pages take longer than the closes.
    assert document["expected_time_to_last_close_s"] == 0.24
    assert document["expected_time_to_proven_flat_s"] == 0.79
    assert closes(exchange) == []
    assert run_json(variables, "ledger", "show", "today")[1]["flattens"] == []
    assert not (Path(variables["DEEPCOIN_OPS_STATE"]) / "paper" / "locks").exists()


def test_plan_of_one_instrument_calls_no_configured_one_a_stranger(environ: tuple[PaperExchange, dict[str, str]]) -> None:
    """Asking for one instrument does not make the others unconfigured."""
    shown = run(environ[1], "plan", "SOL-USDT")
    assert shown.returncode == 0
    assert "1 of 1 are open" in shown.stdout
    assert "DOT-USDT-SWAP" in shown.stdout
    assert "ETH-USDT-SWAP" not in shown.stdout


def test_plan_without_an_exchange_says_where_and_what_to_do(settings_file: WriteSettings) -> None:
    """Nothing is known then, and the message says so instead of showing an empty plan."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    ended = run(settings_file(url), "plan", "--json")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert url in ended.stderr
    assert "Nothing was sent" in ended.stderr
    assert "`deepcoin-ops paper` starts" in ended.stderr


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("50113", "Make a new key there"),
        ("50110", "Bind the address to the key"),
        ("50111", "Look at DEEPCOIN_API_KEY and its neighbours"),
        ("50102", "Set this machine's clock"),
    ],
)
def test_plan_of_a_live_account_that_is_refused_says_what_the_code_asks_for(tmp_path: Path, code: str, advice: str) -> None:
    """The exchange did answer: looking whether it does, or starting the paper one, would cost the night."""
    fault = Fault(FaultAction.AUTH_ERROR, auth_code=code, endpoint="account/positions", call=None)
    scenario = build_scenario(POSITIONS[:1], [fault])
    with open_live_stand(tmp_path, scenario, PATH=os.environ["PATH"], HOME=str(tmp_path)) as stand:
        ended = run(stand.variables, "plan")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"code {code}" in ended.stderr
    assert advice in ended.stderr
    assert "Nothing was sent and all positions are as they were" in ended.stderr
    assert "deepcoin-ops paper" not in ended.stderr
    assert "Check that the exchange answers" not in ended.stderr


def test_plan_of_a_live_account_without_an_exchange_does_not_send_anybody_to_the_paper_one(tmp_path: Path) -> None:
    """It would answer, and about nothing that is real."""
    with open_live_stand(tmp_path, build_scenario(POSITIONS[:1]), PATH=os.environ["PATH"], HOME=str(tmp_path)) as stand:
        variables = stand.variables
    ended = run(variables, "plan")
    assert ended.returncode == 1
    assert "Check that the exchange answers there, then ask again." in ended.stderr
    assert "deepcoin-ops paper" not in ended.stderr


def test_a_dry_run_is_recorded_and_sends_nothing(environ: tuple[PaperExchange, dict[str, str]]) -> None:
    """It proves who looked and what was open, and is a success."""
    exchange, variables = environ
    code, document = run_json(variables, "flatten", "--dry-run")
    assert (code, document["result"], len(document["open_before"])) == (0, "DRY_RUN", 3)
    assert closes(exchange) == []
    _, day = run_json(variables, "ledger", "show", "today")
    assert [each["closing"]["result"] for each in day["flattens"]] == ["DRY_RUN"]


def test_ledger_show_tells_the_whole_day_with_its_head(environ: tuple[PaperExchange, dict[str, str]]) -> None:
    """The head's hash is what somebody notes elsewhere, to see later whether the ledger was altered."""
    variables = environ[1]
    _, flatten = run_json(variables, "flatten")
    code, day = run_json(variables, "ledger", "show", flatten["trading_day"])
    assert (code, day["is_chain_intact"]) == (0, True)
    assert [each["flatten_id"] for each in day["flattens"]] == [flatten["flatten_id"]]
    assert day["attempts"] == flatten["attempts"]
    assert day["verdicts"][flatten["flatten_id"]] == flatten["verdicts"]
    assert len(day["head_hashes"]["main"]) == 64
    shown = run(variables, "ledger", "show", "today")
    assert day["head_hashes"]["main"] in shown.stdout
    assert "the hash chain is intact" in shown.stdout


def test_ledger_show_of_a_day_without_entries_says_so(environ: tuple[PaperExchange, dict[str, str]]) -> None:
    """A day on which nobody flattened is visible as that, and creates no ledger."""
    variables = environ[1]
    shown = run(variables, "ledger", "show", "2026-01-02")
    assert shown.returncode == 0
    assert "no entries" in shown.stdout
    assert not Path(variables["DEEPCOIN_OPS_STATE"]).exists()


def test_ledger_show_exits_with_1_when_an_entry_was_altered(environ: tuple[PaperExchange, dict[str, str]]) -> None:
    """Somebody with the file can edit it; nobody can do so unnoticed."""
    variables = environ[1]
    _, flatten = run_json(variables, "flatten", "--dry-run")
    with closing(sqlite3.connect(flatten["ledger"], isolation_level=None)) as connection:
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("UPDATE facts SET body = replace(body, 'launched_by', 'launched_at') WHERE seq = 2")
    shown = run(variables, "ledger", "show", "today")
    assert shown.returncode == 1
    assert "ALTERED" in shown.stdout


def test_the_command_line_never_imports_dagster_to_flatten(environ: tuple[PaperExchange, dict[str, str]]) -> None:
    """It is for the night on which Dagster is broken."""
    code = """
import sys
from deepcoin_ops.cli import main
try:
    main(["flatten"])
except SystemExit as ended:
    print("exit", ended.code)
print([name for name in sys.modules if name.startswith(("dagster", "pandas", "deepcoin_ops.paper"))])
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environ[1], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert ended.stdout.splitlines()[-2:] == ["exit 0", "[]"]


def test_paper_says_where_it_is_and_ends_on_an_interrupt(settings_file: WriteSettings) -> None:
    """The next command of the person who started it needs the address and the account names."""
    with started(settings_file("http://127.0.0.1:9"), "paper", "--port", "0") as process:
        assert process.stdout is not None
        told = process.stdout.readline()
        url = told.split()[3].rstrip(",")
        assert "account(s) main" in told
        assert requests.get(f"{url}/deepcoin/market/time", timeout=10).status_code == 200
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0


def test_dev_serves_the_page_beside_a_paper_exchange_and_ends_both(settings_file: WriteSettings) -> None:
    """One command to look around; whatever it writes stays inside the state folder."""
    ports = []
    for _ in range(2):
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            ports.append(free.getsockname()[1])
    variables = settings_file(f"http://127.0.0.1:{ports[0]}")
    page, exchange = f"http://127.0.0.1:{ports[1]}/server_info", f"http://127.0.0.1:{ports[0]}/deepcoin/market/time"
    with started(variables, "dev", "--port", str(ports[1]), stderr=subprocess.STDOUT) as process:
        wait_until(lambda: answers(page))
        assert answers(exchange)
        # Another of loopback's addresses: what listens on every interface would answer there as well.
        assert not answers(page.replace("127.0.0.1", "127.0.0.2"))
        assert not answers(exchange.replace("127.0.0.1", "127.0.0.2"))
        # What an image on any other page could ask for.
        asked = requests.get(page.replace("server_info", "graphql"), params={"query": "{ version }"}, timeout=10)
        assert asked.status_code == 403
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert "superseded" not in told
    assert not answers(page)
    assert not answers(exchange)
    assert (Path(variables["DEEPCOIN_OPS_STATE"]) / "dagster" / "dagster.yaml").is_symlink()


@pytest.mark.parametrize("command", ["dev", "viewer"])
def test_a_page_whose_port_is_taken_is_refused_with_its_cure(settings_file: WriteSettings, command: str) -> None:
    """The usual reason is that it runs already."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        ended = run(settings_file("http://127.0.0.1:1"), command, "--port", str(port))
    assert ended.returncode == 2
    assert f"port {port} on 127.0.0.1 cannot be used" in ended.stderr
    assert "Nothing was started" in ended.stderr
    assert "--port" in ended.stderr


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=10).status_code == 200
    except requests.ConnectionError:
        return False
