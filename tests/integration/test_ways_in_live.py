"""Ways in that must not send, on the live venue: an unmarked exchange on loopback counts what arrives.

What a flatten needs before it may send there is tried in test_admission, arming itself in test_cli_arming; the list of all
ways in is in test_ways_in.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import run
from dagster_page import DagsterPage
from dagster_stack import CHECKOUT, build_environ, find_free_port, start_logged
from flatten_lab import build_scenario, position
from live_exchange import LIVE_SETTINGS, LiveStand, open_live_stand
from raw_server import RawServer, answer, saying
from waiting import wait_for

from deepcoin_ops.domain.model import Venue
from deepcoin_ops.domain.paper_credentials import PaperCredentials
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.settings import load_settings

SCENARIO = build_scenario([position("BTC-USDT-SWAP", "1", "1000")])
SETTINGS = LIVE_SETTINGS.replace("[BTC-USDT-SWAP, ETH-USDT-SWAP]", "[BTC-USDT-SWAP]").replace(
    "max_deadline_s: 60", "max_deadline_s: 2"
)
PLAIN = {"main": PaperCredentials("key-of-a-live-account", "secret-of-a-live-account", "passphrase-of-it")}


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[LiveStand]:
    """A live desk with nothing armed and one position."""
    with open_live_stand(
        tmp_path, SCENARIO, SETTINGS, credentials=PLAIN, PATH=os.environ["PATH"], HOME=str(tmp_path)
    ) as stand:
        yield stand


def test_dagster_dev_in_a_folder_whose_env_file_says_live_sends_nothing_unarmed(stand: LiveStand, tmp_path: Path) -> None:
    """Dagster reads a .env of the folder it is started in and prefers it to the environment, which says paper here."""
    home, folder = tmp_path / "dagster", tmp_path / "somewhere"
    home.mkdir()
    folder.mkdir()
    shutil.copy(CHECKOUT / "dagster.yaml", home)
    of_project = {name: value for name, value in stand.variables.items() if name.startswith("DEEPCOIN")}
    (folder / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in of_project.items()))
    environ = build_environ(home, {"DEEPCOIN_OPS_VENUE": "paper", "HOME": str(tmp_path)})
    port = find_free_port()
    page = DagsterPage(f"http://127.0.0.1:{port}")
    command = ("dagster", "dev", "-w", str(CHECKOUT / "workspace.yaml"), "-h", "127.0.0.1", "-p", str(port))
    with start_logged(folder, "dev", command, environ):
        wait_for("the page has loaded the definitions", page.is_loaded)
        wait_for("every daemon has sent a heartbeat", page.are_daemons_healthy)
        config = {"ops": {"plan_closes": {"config": {"account": "main", "dry_run": False}}}}
        _told, run_id = page.launch("flatten_positions", config)
        ended = page.wait_for_end(run_id)
        page.close()
    assert ended.status == "FAILURE"
    assert "not armed" in ended.failure
    assert stand.exchange.signed_arrivals()
    assert stand.exchange.sends() == []


@pytest.mark.parametrize("venue", list(Venue))
def test_a_ledger_of_the_other_venue_is_refused_before_anything_is_asked(stand: LiveStand, venue: Venue) -> None:
    """A folder restored to the wrong place: paper records beside live ones would make both worthless."""
    stand.arm()
    variables = stand.variables | {"DEEPCOIN_OPS_VENUE": venue.value, "DEEPCOIN_OPS_PAPER_URL": stand.exchange.url}
    settings = load_settings(variables)
    (other,) = set(Venue) - {venue}
    settings.ledger_path.parent.mkdir(parents=True)
    with Ledger.open(settings.ledger_path, other):
        pass
    ended = run(variables, "flatten")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "belongs to the venue" in ended.stderr
    assert stand.exchange.arrivals() == []


@pytest.mark.parametrize("venue", list(Venue))
def test_an_exchange_of_the_other_venue_gets_no_close(stand: LiveStand, venue: Venue) -> None:
    """The variable names the venue and the address another: answers without the mark are not the paper exchange's."""
    stand.arm()
    variables = stand.variables | {"DEEPCOIN_OPS_VENUE": venue.value, "DEEPCOIN_OPS_PAPER_URL": stand.exchange.url}
    if venue is Venue.PAPER:
        assert run(variables, "flatten").returncode == 2
        assert stand.exchange.sends() == []
        assert stand.exchange.signed_arrivals() == []
    else:
        assert run(variables, "flatten").returncode == 0
        assert len(stand.exchange.sends()) == 1


def test_a_redirect_of_a_live_desks_reads_takes_no_signed_header_along(stand: LiveStand) -> None:
    """Key and passphrase are in every request; whoever they are sent on to has them."""
    with RawServer(saying(answer())) as other:
        with RawServer(saying(answer(status="307 Temporary", headers=f"Location: {other.url}/\r\n"))) as server:
            stand.arm(base_url=server.url)
            assert run(stand.variables | {"DEEPCOIN_BASE_URL": server.url}, "flatten").returncode != 0
            assert PLAIN["main"].passphrase.encode() in b"".join(server.requests)
            assert [each for each in server.requests if each.startswith(b"POST")] == []
        assert other.requests == []


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_sees_nothing_of_a_live_desk(stand: LiveStand, name: str) -> None:
    """Whoever listens there would have key and passphrase, and could answer in the exchange's place."""
    with RawServer(saying(answer())) as proxy:
        assert run(stand.variables | {name: proxy.url}, "plan").returncode == 0
        assert proxy.requests == []
    assert stand.exchange.signed_arrivals()


@pytest.mark.parametrize(
    "form",
    [
        "http://someone:something@127.0.0.1:{port}",
        "http://127.0.0.1:{port}@exchange.invalid",
        "http://127.0.0.1:{port}/deepcoin",
        "http://exchange.invalid:{port}",
        "http://127.0.0.1.exchange.invalid:{port}",
        "https://exchange.invalid:{port}",
    ],
)
def test_another_address_than_the_armed_one_is_not_even_read_from(stand: LiveStand, form: str) -> None:
    """An arming is for one address; a read there would already show key and passphrase."""
    stand.arm()
    port = stand.exchange.url.rpartition(":")[2]
    ended = run(stand.variables | {"DEEPCOIN_BASE_URL": form.format(port=port)}, "flatten")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "something" not in ended.stderr
    assert stand.exchange.arrivals() == []
