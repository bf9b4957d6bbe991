"""Ways in that must not send, each with the requests counted where they would arrive. This is the list of all of them.

What can be enumerated is: `make ways-in` tries it at full size (test_ways_in_sweep), from these sources.

| ways in | enumerated from |
|---|---|
| mutations of the web server | its GraphQL schema, with every selector of the code location: support/ways_mutations |
| addresses of the web server | its routes: unit/orchestration/test_page_guard |
| run config and inputs | the schema of every job and of each of its ops: support/ways_launches |
| tags | this project's and Dagster's own lists of them: support/ways_launches |
| ticks, and the age of a launch | moments past and future: support/ways_launches, ways_desk |
| settings and variables | the settings model and the list of variables: support/ways_settings |

Here it is shown that these enumerations leave nothing out. What is a course of events is written by hand.

| way in | what counts the requests |
|---|---|
| backfill or materialisation of every asset | test_dagster_backfill: a few runs, and the exchange is asked nothing |
| a run that failed, executed again | test_dagster_reexecution: only what is still open is sent |
| a run that succeeded, executed again | here |
| a double tick, two daemons, a hand launch beside them | test_dagster_schedule: one close for each open position |
| a tick after downtime | here; unit/orchestration/test_schedules for every lateness |
| a tick that waited too long in the queue | unit/orchestration/test_ops |
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
import ways_settings
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
from mutations import Mutations, find_denial
from raw_server import RawServer, answer, saying
from secret_search import SecretSearch
from waiting import stays, wait_for
from ways import FLATTEN, Launch, Sweep, Way
from ways_desk import list_jobs
from ways_launches import list_dagster_tags, list_fields, list_own_tags, list_parts
from ways_mutations import DENIED, NOT_TRIED, PREVIEWS, TRIED, build_candidates, build_flatten_config, read_facts
from ways_process import open_local_runs
from ways_settings import list_known_variables, list_tried_variables

from deepcoin_ops.domain.paper_credentials import paper_credentials
from deepcoin_ops.ledger.records import SkippedTick
from deepcoin_ops.orchestration import tags
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


def list_recorded(stack: DagsterStack) -> list[SkippedTick]:
    """What the ledger has of yesterday's and today's skipped ticks."""
    days = [stack.settings.calendar.day_of(datetime.now(UTC) - timedelta(days=back)) for back in (1, 0)]
    with stack.open_history() as history:
        return [tick for day in days for tick in history.read_skipped_ticks(day)]


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


@pytest.fixture(scope="module")
def mutations(stack: DagsterStack) -> Iterator[Mutations]:
    """Those that the page offers."""
    offered = Mutations(stack.page.url)
    yield offered
    offered.close()


def test_every_mutation_of_the_schema_was_looked_at_and_has_arguments(
    stack: DagsterStack, flat_run: str, mutations: Mutations
) -> None:
    """A later Dagster that offers a new one fails here until it is tried, or named with a reason."""
    assert mutations.names == TRIED | set(NOT_TRIED)
    facts = read_facts(stack, {flat_run: Launch(FLATTEN, build_flatten_config(ACCOUNT))})
    candidates = build_candidates(facts, ACCOUNT, datetime.now(UTC))
    variants = {name: len(list(mutations.build_arguments(name, candidates))) for name in TRIED}
    assert min(variants.values()) >= 1
    assert variants["launchRun"] > len(JOBS)


def test_what_may_not_be_sent_from_outside_is_denied_and_a_preview_sends_nothing(
    stack: DagsterStack, flat_run: str, mutations: Mutations
) -> None:
    """With something open."""
    stack.paper.open_position(ACCOUNT, position("XRP-USDT-SWAP", "", "100"))
    before = sends(stack.paper)
    facts = read_facts(stack, {flat_run: Launch(FLATTEN, build_flatten_config(ACCOUNT))})
    candidates = build_candidates(facts, ACCOUNT, datetime.now(UTC))
    for name in sorted(DENIED | PREVIEWS):
        answer = mutations.try_with(name, next(mutations.build_arguments(name, candidates)))
        assert (find_denial(answer) is not None) == (name in DENIED), (name, answer)
    assert sends(stack.paper) == before


def test_the_count_sees_a_send_and_whether_it_was_wanted(stack: DagsterStack, flat_run: str) -> None:
    """A flatten from the command line, once as a way in that may send and once as one that may not."""
    count = Sweep(stack.paper, [ACCOUNT])

    def go() -> str:
        return ways_settings.flatten(stack.environ, ACCOUNT)

    count.try_all([Way("a flatten", "may send", go, ACCOUNT, is_control=True), Way("another", "may not send", go)])
    assert [each.wanted > 0 for each in count.tried] == [True, False]
    assert [each.partition(" ")[0] for each in count.list_unwanted()] == ["another:"]
    assert count.silent_controls == []


def test_jobs_tags_settings_and_variables_are_enumerated_without_a_gap(stack: DagsterStack) -> None:
    """What is new in the code location is tried, or fails here."""
    with open_local_runs(stack.environ) as runs:
        tried = [runs.repository.get_job(each) for each in list_jobs(runs)]
        fields = {job.name: list_fields(job)[0] for job in tried}
        assert ("ops", "plan_closes", "config", "account") in fields[FLATTEN]
        assert all(fields.values())
        parts = {part for job in tried for part in list_parts(job)}
        assert {(), ("issue_batch_closes",), ("verify_flat",), ("fetch_day_evidence",)} <= parts
    assert {"dagster/partition", "dagster/backfill", ".dagster/scheduled_execution_time"} <= set(list_dagster_tags())
    assert set(list_own_tags()) == {each for name, each in vars(tags).items() if name.isupper() and "/" in each}
    assert list_known_variables() == list_tried_variables() | ways_settings.NOT_TRIED


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
        assert "late, more than the" in reason
        wait_for("its row in the ledger", lambda: list_recorded(stack))
        # With the sensors at work, which see that row.
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
