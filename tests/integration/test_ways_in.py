"""Ways in that must not send, each with the requests counted where they would arrive. This is the list of all of them.

| way in | what counts the requests |
|---|---|
| backfill or materialisation of every asset | test_dagster_backfill: a few runs, and the exchange is asked nothing |
| a run that failed, executed again | test_dagster_reexecution: only what is still open is sent |
| a run that succeeded, executed again | here |
| a double tick, two daemons, a hand launch beside them | test_dagster_schedule: one close for each open position |
| a tick after downtime | here; unit/orchestration/test_schedules for every lateness |
| a tick that waited too long in the queue | unit/orchestration/test_ops |
| run config for resources, edited op config | here; unit/orchestration/test_ops for each wrong name |
| the sensors | here, beside everything else, and test_dagster_evidence (chaos) |
| live credentials in the environment of a paper desk | here |
| a redirect, a proxy, a .netrc | here through the command line; unit/exchange/test_transport for the POST |
| a base URL with a user, another host, a path | here; unit/test_settings for every form |
| an instrument or account that is not configured | test_cli, unit/orchestration/test_ops |
| an account that is not armed | test_admission; test_secrets_dagster beside others that are |
| an instrument in the wrong product group | here |
| a clock that is too far off | test_flatten_orders_late |
| a ledger restored from an old copy | test_ledger_setback |
| another page in the operator's browser | test_web_page |
| dagster dev, a .env file, the live venue without arming; a ledger of the other venue | test_ways_in_live |
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from command_line import run
from dagster._core.scheduler.instigation import InstigatorType, ScheduleInstigatorData
from dagster_stack import (
    CHECKOUT,
    INSTRUMENTS,
    DagsterStack,
    build_scenario,
    build_settings_text,
    run_dagster,
    start_logged,
)
from flatten_lab import SETTINGS, position
from flatten_lab import build_scenario as build_small_scenario
from live_exchange import build_canary, name_variables
from raw_server import RawServer, answer, saying
from secret_search import SecretSearch
from waiting import stays, wait_for

from deepcoin_ops.domain.paper_credentials import paper_credentials
from deepcoin_ops.paper.scenario import Scenario
from deepcoin_ops.paper.server import PaperExchange

ACCOUNT = "main"
JOBS = {"flatten_positions": "plan_closes", "plan_positions": "show_plan", "collect_evidence": "fetch_day_evidence"}
RESOURCES = ("desk", "ledger_days", "day_tables")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterStack]:
    """One Dagster with its sensors at work, for all tests here; the account is flattened once, at first."""
    folder = tmp_path_factory.mktemp("dagster-ways-in")
    with run_dagster(folder, build_settings_text([ACCOUNT]), build_scenario([ACCOUNT])) as running:
        yield running


@pytest.fixture(scope="module")
def flat_run(stack: DagsterStack) -> str:
    """The run that flattened the account: one close for each open position."""
    run_id = stack.page.launch_flatten(ACCOUNT)
    assert stack.page.wait_for_end(run_id).status == "SUCCESS"
    assert sorted(stack.close_arrivals(ACCOUNT)) == sorted(INSTRUMENTS[:-1])
    return run_id


def sends(exchange: PaperExchange) -> list[str]:
    """The paths of all requests that could have changed something, in order."""
    return [arrival.path for arrival in exchange.arrivals() if arrival.method != "GET"]


def list_skipped(stack: DagsterStack) -> list[str]:
    """Why ticks of the evening's schedule were skipped."""
    return [reason for status, reason in stack.page.list_ticks("end_of_day_flatten") if status == "SKIPPED"]


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("resource", RESOURCES)
def test_run_config_for_a_resource_starts_no_run(stack: DagsterStack, flat_run: str, job: str, resource: str) -> None:
    """Whoever sees the page can edit run config; another address there would get the signed requests."""
    before, runs = stack.paper.arrivals(), stack.page.list_runs(job)
    for field in ("base_url", "venue", "api_key", "settings"):
        config = {"resources": {resource: {"config": {field: "https://exchange.invalid"}}}}
        told, run_id = stack.page.launch(job, config)
        assert (run_id, resource in told or field in told) == ("", True)
    assert stack.page.list_runs(job) == runs
    assert [each for each in stack.paper.arrivals()[len(before) :] if each.method != "GET"] == []


@pytest.mark.parametrize(
    "config",
    [
        {"account": "mian"},
        {"account": ACCOUNT, "base_url": "https://exchange.invalid"},
        {"account": ACCOUNT, "venue": "live"},
        {"account": {"env": "DAGSTER_HOME"}},
    ],
    ids=str,
)
def test_edited_config_of_an_op_sends_nothing(stack: DagsterStack, flat_run: str, config: Mapping[str, Any]) -> None:
    """A name that is not in the settings, or a key that is none, is refused before anything is signed."""
    before = sends(stack.paper)
    told, run_id = stack.page.launch("flatten_positions", {"ops": {"plan_closes": {"config": dict(config)}}})
    assert told or stack.page.wait_for_end(run_id).status == "FAILURE"
    assert sends(stack.paper) == before


def test_a_flatten_that_succeeded_executed_again_sends_nothing(stack: DagsterStack, flat_run: str) -> None:
    """Everything is flat, and a fresh read says so."""
    before = sends(stack.paper)
    assert stack.page.wait_for_end(stack.page.reexecute(flat_run, "ALL_STEPS")).status == "SUCCESS"
    assert sends(stack.paper) == before


def test_a_tick_that_a_daemon_missed_sends_nothing_when_it_is_back(
    stack: DagsterStack, flat_run: str, tmp_path: Path
) -> None:
    """It was down since yesterday with the schedule on; a real one comes up and finds the tick of eighteen hours ago."""
    stack.paper.open_position(ACCOUNT, position("XRP-USDT-SWAP", "", "100"))
    before = sends(stack.paper)
    stack.page.start_schedule("end_of_day_flatten")
    os.killpg(stack.groups["daemon-0"], signal.SIGKILL)
    with dg.DagsterInstance.from_config(stack.environ["DAGSTER_HOME"]) as instance:
        states = instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE)
        [state] = [each for each in states if each.instigator_name == "end_of_day_flatten"]
        yesterday = (datetime.now(UTC) - timedelta(days=1)).timestamp()
        data = ScheduleInstigatorData(state.instigator_data.cron_schedule, yesterday)
        instance.update_instigator_state(state.with_data(data))
    daemon = ("dagster-daemon", "run", "-w", str(CHECKOUT / "workspace.yaml"))
    with start_logged(tmp_path, "daemon", daemon, stack.environ):
        [reason] = wait_for("the missed tick", lambda: list_skipped(stack) or None)
        assert "Nothing was sent: the tick of" in reason
        # With the sensors at work, which see the row that the ledger got for it.
        assert stays(lambda: sends(stack.paper), for_s=3.0) == before
    assert stack.truly_open(ACCOUNT) == {"XRP-USDT-SWAP"}


def test_live_credentials_in_the_environment_of_a_paper_desk_are_not_used(
    settings_file: Callable[..., dict[str, str]],
) -> None:
    """A machine on which both are worked with: the paper venue signs with the public ones whatever else is there."""
    canary = build_canary()
    with RawServer(saying(answer())) as server:
        ended = run({**settings_file(server.url), **name_variables(canary)}, "plan")
        received = b"".join(server.requests)
    assert ended.returncode != 0
    assert paper_credentials(ACCOUNT).api_key.encode() in received
    looking = SecretSearch({"key": canary.api_key, "secret": canary.secret_key, "passphrase": canary.passphrase})
    looking.look_at("what was received", received)
    assert [each for each in looking.findings if "signing header" not in each] == []


def test_a_proxy_and_a_netrc_of_the_environment_see_and_add_nothing(
    settings_file: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    """Variables and files that are there for other programs."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login someone password something\ndefault login someone password something\n")
    netrc.chmod(0o600)
    names = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
    with RawServer(saying(answer())) as proxy, RawServer(saying(answer())) as server:
        variables = {name: each for name, each in settings_file(server.url).items() if name.lower() != "no_proxy"}
        variables |= dict.fromkeys(names, proxy.url) | {"HOME": str(tmp_path), "NETRC": str(netrc)}
        assert run(variables, "plan").returncode != 0
        assert proxy.requests == []
        assert server.requests
        assert b"authorization" not in b"".join(server.requests).lower()


@pytest.mark.parametrize("status", ["302 Found", "307 Temporary"])
def test_a_redirect_of_every_read_leads_nowhere(settings_file: Callable[..., dict[str, str]], status: str) -> None:
    """Following one hands the signed headers to whoever was named."""
    text = SETTINGS.replace("max_deadline_s: 60", "max_deadline_s: 1")
    with RawServer(saying(answer())) as other:
        moved = answer(status=status, headers=f"Location: {other.url}/deepcoin/account/positions\r\nX-Paper: 1\r\n")
        with RawServer(saying(moved)) as server:
            assert run(settings_file(server.url, text), "flatten").returncode != 0
            assert server.requests
            assert [each for each in server.requests if each.startswith(b"POST")] == []
        assert other.requests == []


@pytest.mark.parametrize(
    "form",
    [
        "http://someone:something@127.0.0.1:{port}",
        "http://127.0.0.1:{port}@exchange.invalid",
        "http://127.0.0.1:{port}/deepcoin",
        "http://127.0.0.1:{port}?key=1",
        "http://127.0.0.1:{port}#part",
        "https://127.0.0.1:{port}",
        "http://exchange.invalid:{port}",
        "http://127.0.0.1.exchange.invalid:{port}",
        "ftp://127.0.0.1:{port}",
    ],
)
def test_an_address_that_is_no_loopback_address_alone_is_not_even_tried(
    settings_file: Callable[..., dict[str, str]], form: str
) -> None:
    """A password in it would go into messages; another host would get a desk's signed requests."""
    with RawServer(saying(answer())) as server:
        port = server.url.rpartition(":")[2]
        ended = run(settings_file(form.format(port=port)), "flatten")
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "DEEPCOIN_OPS_PAPER_URL" in ended.stderr
        assert "something" not in ended.stderr
        assert server.requests == []


@pytest.mark.parametrize(
    "item",
    [
        "{instrument: BTC-USDT-SWAP, product_group: Swap}",
        "{instrument: ETH-USD-SWAP, product_group: SwapU}",
        "BTC-USDT-SWAPS",
    ],
)
def test_an_instrument_in_the_wrong_product_group_is_refused_before_anything_is_asked(
    paper: Callable[[Scenario], PaperExchange], settings_file: Callable[..., dict[str, str]], item: str
) -> None:
    """The exchange was seen to answer such a close with success, having closed nothing."""
    exchange = paper(build_small_scenario([position("BTC-USDT-SWAP", "1", "100")]))
    text = SETTINGS.replace("[BTC-USDT-SWAP, ETH-USDT-SWAP,", f"[{item}, ETH-USDT-SWAP,")
    ended = run(settings_file(exchange.url, text), "flatten")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert exchange.arrivals() == []
