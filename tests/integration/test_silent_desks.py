"""What the timer's command says of a night on which settings, disk, Dagster, keys or the exchange are gone."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alert_receiver import AlertReceiver
from command_line import PATIENCE_S, run, started
from flatten_lab import SETTINGS, build_scenario, position

from deepcoin_ops.domain.trading_day import TradingCalendar
from deepcoin_ops.paper.endpoints import ENDPOINTS
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.scenario import Scenario
from deepcoin_ops.paper.server import PaperExchange


@dataclass
class Desk:
    """A desk whose flatten should have begun a quarter of an hour ago."""

    environ: dict[str, str]
    state: Path
    settings: Path


def build_text() -> str:
    """Settings by which the tick was a quarter of an hour ago, and the day is half over."""
    now = datetime.now(UTC)
    tick, boundary = now - timedelta(minutes=15), now + timedelta(hours=12)
    calendar = TradingCalendar("UTC", boundary.time().replace(minute=0, second=0, microsecond=0, tzinfo=None))
    return SETTINGS.replace("max_deadline_s: 60", "max_deadline_s: 1800") + (
        f"schedule: {{cron: '{tick.minute} {tick.hour} * * *', day_boundary: '{boundary:%H}:00', timezone: UTC, "
        f"max_lateness_minutes: 10, first_trading_day: {calendar.day_of(now)}}}\n"
    )


@pytest.fixture
def receiver() -> Iterator[AlertReceiver]:
    """Where alerts arrive."""
    with AlertReceiver() as running:
        yield running


@pytest.fixture
def desk(settings_file: Callable[..., dict[str, str]], receiver: AlertReceiver, tmp_path: Path) -> Desk:
    """Nothing has run yet."""
    environ = settings_file("http://127.0.0.1:1", build_text())
    environ |= {"DEEPCOIN_OPS_ALERT_URLS": receiver.url, "TMPDIR": str(tmp_path)}
    return Desk(environ, Path(environ["DEEPCOIN_OPS_STATE"]), Path(environ["DEEPCOIN_OPS_SETTINGS"]))


def settings_broken(desk: Desk) -> None:
    desk.settings.write_text("accounts: {}")


def settings_deleted(desk: Desk) -> None:
    desk.settings.unlink()


def settings_binary(desk: Desk) -> None:
    desk.settings.write_bytes(b"\xff\x00\xfe")


def settings_a_folder(desk: Desk) -> None:
    desk.settings.unlink()
    desk.settings.mkdir()


def settings_endless(desk: Desk) -> None:
    desk.settings.write_text("[" * 100_000)


def state_a_file(desk: Desk) -> None:
    desk.state.write_text("a file in its place")


def venue_misspelt(desk: Desk) -> None:
    desk.environ["DEEPCOIN_OPS_VENUE"] = "liev"


def nothing_runs(_desk: Desk) -> None:
    """The daemon is down, or the schedule is off."""


def dagster_database_corrupt(desk: Desk) -> None:
    home = desk.state.parent / "dagster"
    (home / "history").mkdir(parents=True)
    (home / "history" / "runs.db").write_bytes(b"no database" * 100)
    desk.environ["DAGSTER_HOME"] = str(home)


def credentials_missing(desk: Desk) -> None:
    desk.environ |= {"DEEPCOIN_OPS_VENUE": "live", "DEEPCOIN_BASE_URL": "http://127.0.0.1:1"}
    quick = build_text()
    paced = quick[: quick.index("pace:")] + "flatten: {max_deadline_s: 1800}\n" + quick[quick.index("schedule:") :]
    desk.settings.write_text(paced)
    assert run(desk.environ, "flatten").returncode == 2


BROKEN = "all accounts: the settings cannot be used: NOTHING WILL BE FLATTENED"
NOT_STARTED = "main: NO FLATTEN HAS STARTED; what is open is not known"
TAKEN_AWAY: dict[Callable[[Desk], None], tuple[str, int]] = {
    settings_broken: (BROKEN, 2),
    settings_deleted: (BROKEN, 2),
    settings_binary: (BROKEN, 2),
    settings_a_folder: (BROKEN, 2),
    settings_endless: (BROKEN, 2),
    state_a_file: (BROKEN, 2),
    venue_misspelt: (BROKEN, 2),
    nothing_runs: (NOT_STARTED, 0),
    dagster_database_corrupt: (NOT_STARTED, 0),
    credentials_missing: (NOT_STARTED, 0),
}


@pytest.mark.chaos
@pytest.mark.parametrize("take_away", TAKEN_AWAY, ids=lambda each: each.__name__)
def test_the_timer_says_it_once_and_ends_without_a_traceback(
    desk: Desk, receiver: AlertReceiver, take_away: Callable[[Desk], None]
) -> None:
    """By its first run after the lateness; the run after that has nothing to add."""
    take_away(desk)
    title, exit_code = TAKEN_AWAY[take_away]
    for _ in range(2):
        ended = run(desk.environ, "alerts")
        assert (ended.returncode, "Traceback" in ended.stderr) == (exit_code, False), ended.stderr
    assert [each.partition("] ")[2] for each in receiver.titles] == [title], ended.stderr


@pytest.mark.chaos
def test_a_disk_without_any_room_is_told_once_an_hour_by_a_timer_too(desk: Desk, receiver: AlertReceiver) -> None:
    """Each run is a new process, and cannot keep a byte."""

    def leave_no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    for _ in range(2):
        with started(desk.environ, "alerts", stderr=subprocess.PIPE, preexec_fn=leave_no_room) as process:
            _, said = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, "Traceback" in said) == (1, False)
    assert receiver.titles == ["[paper] all accounts: alerts cannot be kept on the disk"]
    assert NOT_STARTED in receiver.messages[0]["message"]


@pytest.mark.chaos
@pytest.mark.parametrize("fault", [FaultAction.DISCONNECT, FaultAction.HTML])
def test_an_exchange_that_answers_nothing_of_use_is_heard_of(
    paper: Callable[[Scenario], PaperExchange], desk: Desk, receiver: AlertReceiver, fault: FaultAction
) -> None:
    """All reads, all evening: the flatten ends without a proof, and says so at its own end."""
    faults = [Fault(fault, path, call=None) for path, endpoint in ENDPOINTS.items() if endpoint.method == "GET"]
    exchange = paper(build_scenario([position("BTC-USDT-SWAP", "1", "5")], faults))
    desk.environ["DEEPCOIN_OPS_PAPER_URL"] = exchange.url
    desk.settings.write_text(build_text().replace("max_deadline_s: 1800", "max_deadline_s: 3"))
    assert run(desk.environ, "flatten").returncode != 0
    run(desk.environ, "alerts")
    assert any("main: " in title for title in receiver.titles), receiver.titles
