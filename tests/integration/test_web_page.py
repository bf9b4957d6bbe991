"""The page as it is offered: what a viewer's page refuses, what the writing one refuses to other pages, what holds a key.

Everything is tried on the real web server, and what counts is what reached the exchange.
"""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import RemoteDisconnected
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from command_line import EXECUTABLE, PATIENCE_S
from dagster_page import DagsterPage
from dagster_stack import DagsterStack, build_scenario, build_settings_text, find_free_port, run_dagster
from mutations import Mutations, find_denial
from processes import start_process
from reverse_proxy import LOGINS, VIEWERS, WRITING, ReverseProxy, run_reverse_proxy
from waiting import wait_for
from ways import Launch
from ways_mutations import NOT_TRIED, REPOSITORY, build_candidates, read_facts

ACCOUNT = "main"
KEYS = {"MAIN_API_KEY": "canary-key", "MAIN_SECRET_KEY": "canary-secret", "MAIN_PASSPHRASE": "canary-passphrase"}
SCHEDULE, SENSOR = REPOSITORY | {"scheduleName": "end_of_day_flatten"}, REPOSITORY | {"sensorName": "ledger_moved"}
FLATTEN = {
    "selector": REPOSITORY | {"jobName": "flatten_positions"},
    "mode": "default",
    "runConfigData": {"ops": {"plan_closes": {"config": {"account": ACCOUNT}}}},
}
LAUNCH = "mutation($executionParams: ExecutionParams!) { launchRun(executionParams: $executionParams) { __typename } }"
LAUNCH_AS_TEXT = """mutation { launchRun(executionParams: { mode: "default", selector: {
  repositoryLocationName: "deepcoin_ops", repositoryName: "__repository__", jobName: "flatten_positions" },
  runConfigData: "{\\"ops\\": {\\"plan_closes\\": {\\"config\\": {\\"account\\": \\"main\\"}}}}" }) { __typename } }"""
# What a viewer may do: neither of them touches a run, a schedule, an asset or the exchange.
HARMLESS = NOT_TRIED
STATES = """query($schedule: ScheduleSelector!, $sensor: SensorSelector!) {
  scheduleOrError(scheduleSelector: $schedule) { ... on Schedule { scheduleState { id status } } }
  sensorOrError(sensorSelector: $sensor) { ... on Sensor { sensorState { id status } } }
  runsOrError { ... on Runs { results { runId status } } }
  partitionBackfillsOrError { ... on PartitionBackfills { results { id status } } } instance { autoMaterializePaused } }"""


@dataclass(frozen=True)
class Viewer:
    """The page for viewers beside a stack, with its program's process id."""

    url: str
    pid: int


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterStack]:
    """A Dagster with an account that has something open, and no sensor that starts runs meanwhile."""
    folder = tmp_path_factory.mktemp("dagster-offered")
    (folder / "state").mkdir()
    # Where the command line keeps the instance of this state folder.
    (folder / "state" / "dagster").symlink_to(folder / "dagster")
    with run_dagster(folder, build_settings_text([ACCOUNT]), build_scenario([ACCOUNT])) as running:
        running.page.stop_sensor("ledger_moved")
        yield running


@pytest.fixture(scope="module")
def viewer(stack: DagsterStack) -> Iterator[Viewer]:
    """The read-only page, started from an environment that holds an account's key."""
    port = find_free_port()
    command = [EXECUTABLE, "viewer", "--port", str(port)]
    log = Path(stack.environ["DAGSTER_HOME"]) / "viewer.log"
    with (
        log.open("wb") as output,
        start_process(command, env={**stack.environ, **KEYS}, stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        page = DagsterPage(f"http://127.0.0.1:{port}")
        try:
            wait_for("the viewer's page has loaded the definitions", page.is_loaded)
            yield Viewer(page.url, process.pid)
        finally:
            page.close()
            process.terminate()
            process.wait(PATIENCE_S)


def post(url: str, query: str, variables: Mapping[str, Any] | None = None) -> Any:
    """What the page answers to a GraphQL request, errors included."""
    return requests.post(f"{url}/graphql", json={"query": query, "variables": variables or {}}, timeout=60).json()


def read_states(stack: DagsterStack) -> Any:
    """What a mutation could have changed."""
    return post(stack.page.url, STATES, {"schedule": SCHEDULE, "sensor": SENSOR})["data"]


def read_results(stack: DagsterStack) -> Any:
    """What the page shows of a check and of the asset it is about."""
    checks = stack.page.list_check_executions("reconciliation", "ledger_chain_intact")
    return checks, stack.page.list_materialisations("reconciliation", [stack.trading_day])


def list_readable(stack: DagsterStack, viewer: Viewer) -> dict[str, bytes]:
    """The environment of every process below the viewer's program, by its command."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            continue

    def is_below(pid: int) -> bool:
        return pid in parents and (parents[pid] == viewer.pid or is_below(parents[pid]))

    folders = [Path("/proc") / str(pid) for pid in parents if is_below(pid)]
    return {(each / "cmdline").read_bytes().decode(): (each / "environ").read_bytes() for each in folders}


def test_the_viewers_page_shows_what_the_writing_one_shows(stack: DagsterStack, viewer: Viewer) -> None:
    """Who may not launch has to see runs, schedules and tables all the same."""
    assert requests.get(f"{viewer.url}/runs", timeout=60).status_code == 200
    told = post(viewer.url, STATES, {"schedule": SCHEDULE, "sensor": SENSOR})
    assert told["data"] == read_states(stack)


def test_the_viewers_page_refuses_every_mutation_that_dagster_offers_and_nothing_is_sent(
    stack: DagsterStack, viewer: Viewer
) -> None:
    """By the schema: a version that brings a new one fails here until somebody has looked at it."""
    run = stack.page.wait_for_end(stack.page.launch_rebuild(stack.trading_day))
    facts = read_facts(stack, {run.run_id: Launch("rebuild_day_tables", {})})
    before = read_states(stack)
    mutations = Mutations(viewer.url)
    candidates = build_candidates(facts, ACCOUNT, datetime.now(UTC))
    answers = {
        name: mutations.try_with(name, next(mutations.build_arguments(name, candidates)))
        for name in sorted(mutations.names)
    }
    mutations.close()
    carried_out = {name: answer for name, answer in answers.items() if find_denial(answer) is None}
    assert set(carried_out) == set(HARMLESS), carried_out
    assert read_states(stack) == before
    assert stack.close_arrivals(ACCOUNT) == []


@pytest.mark.parametrize("name", ["stack", "viewer"])
@pytest.mark.parametrize("event", ["materialization", "check", "observation"])
def test_no_page_takes_a_report_of_an_asset(
    stack: DagsterStack, viewer: Viewer, request: pytest.FixtureRequest, name: str, event: str
) -> None:
    """A check that failed would show as passed: these addresses are no mutations, and write results all the same."""
    url = viewer.url if name == "viewer" else stack.page.url
    before = read_results(stack)
    body = {"check_name": "ledger_chain_intact", "passed": True, "asset_key": ["reconciliation"]}
    for path in (f"report_asset_{event}/reconciliation", f"report_asset_{event}/"):
        answer = requests.post(f"{url}/{path}", json=body, timeout=60)
        assert (answer.status_code, "a POST is taken at /graphql only" in answer.text) == (403, True)
    assert read_results(stack) == before


@pytest.mark.parametrize(
    "request_text",
    [
        'reportAssetCheckEvaluations(eventParams: { assetKey: { path: ["reconciliation"] }, passed: true,'
        ' checkName: "ledger_chain_intact" }) { __typename }',
        "reportRunlessAssetEvents(eventParams: { eventType: ASSET_MATERIALIZATION,"
        ' assetKey: { path: ["reconciliation"] } }) { __typename }',
        'wipeAssets(assetPartitionRanges: [{ assetKey: { path: ["reconciliation"] } }]) { __typename }',
    ],
    ids=["check", "materialisation", "wipe"],
)
@pytest.mark.parametrize("form", ["mutation {{ {0} }}", "mutation {{ ...a }} fragment a on Mutation {{ b: {0} }}"])
def test_the_writing_page_takes_no_result_from_outside(stack: DagsterStack, request_text: str, form: str) -> None:
    """What a check says comes from runs alone; the whole request is denied before any of it is carried out."""
    before = read_results(stack)
    answer = post(stack.page.url, form.format(request_text))
    assert answer["data"] is None
    assert answer["errors"][0]["message"].startswith("Denied, nothing was changed and nothing was sent")
    assert read_results(stack) == before


def test_no_process_of_the_viewers_page_holds_a_key(stack: DagsterStack, viewer: Viewer) -> None:
    """What is not there cannot be sent with, whatever else is wrong; the program that starts the others is left out."""
    environments = list_readable(stack, viewer)
    assert any("deepcoin_ops.orchestration.page" in command for command in environments)
    assert any("api\0grpc" in command for command in environments)
    for command, environ in environments.items():
        assert b"DEEPCOIN_OPS_SETTINGS" in environ, command
        assert b"canary" not in environ, command


@pytest.mark.parametrize("name", ["stack", "viewer"])
def test_a_page_listens_on_one_address_of_loopback_alone(
    name: str, request: pytest.FixtureRequest, stack: DagsterStack
) -> None:
    """What listens on every interface would answer on loopback's other addresses too."""
    url = request.getfixturevalue("viewer").url if name == "viewer" else stack.page.url
    assert requests.get(f"{url}/server_info", timeout=60).status_code == 200
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/server_info".replace("127.0.0.1", "127.0.0.2"), timeout=60)


FOREIGN = {"Origin": "https://evil.example"}
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
BODY = {"query": LAUNCH, "variables": {"executionParams": FLATTEN}}


@pytest.mark.parametrize(
    ("method", "options"),
    [
        # An image, a form, a script of another page: each is carried out by Dagster's own web server.
        ("GET", {"params": {"query": LAUNCH_AS_TEXT}}),
        ("POST", {"params": {"query": LAUNCH_AS_TEXT}, "data": {"a": "b"}}),
        ("POST", {"params": {"query": LAUNCH_AS_TEXT}, "data": "x", "headers": FOREIGN | {"Content-Type": "text/plain"}}),
        ("POST", {"json": BODY, "headers": {"Content-Type": "text/plain; application/json"}}),
        ("POST", {"data": LAUNCH_AS_TEXT, "headers": {"Content-Type": "application/graphql"}}),
        # What only a browser that asks nobody, or one that was led here by a foreign name, would send.
        ("POST", {"json": BODY, "headers": FOREIGN}),
        ("POST", {"json": BODY, "headers": {"Sec-Fetch-Site": "cross-site"}}),
        ("POST", {"json": BODY, "headers": {"Host": "evil.example"}}),
        ("OPTIONS", {"headers": FOREIGN | PREFLIGHT}),
    ],
    ids=["image", "form", "text", "disguised", "graphql", "origin", "fetch-site", "host", "preflight"],
)
def test_another_page_cannot_make_a_browser_launch_a_flatten(
    stack: DagsterStack, method: str, options: dict[str, Any]
) -> None:
    """A page anywhere on the internet can send requests to loopback from the browser of whoever opens it."""
    answer = requests.request(method, f"{stack.page.url}/graphql", timeout=60, **options)
    assert answer.status_code == 403
    assert answer.text.startswith("Refused, nothing was launched or changed")
    assert not any(name.lower().startswith("access-control") for name in answer.headers)
    assert stack.page.list_runs("flatten_positions") == []
    assert stack.close_arrivals(ACCOUNT) == []


def test_no_other_page_can_frame_this_one_or_the_viewers(stack: DagsterStack, viewer: Viewer) -> None:
    """In a frame, a person's own click would be what launches; and the viewers' page is behind the guard as well."""
    for url in (stack.page.url, viewer.url):
        assert requests.get(f"{url}/runs", timeout=60).headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(("origin", "status"), [("https://evil.example", 403), (None, 101)])
def test_a_websocket_is_taken_from_the_page_itself_alone(stack: DagsterStack, origin: str | None, status: int) -> None:
    """No rule of the browser keeps another page from reading a run's log through one."""
    headers = WEBSOCKET | {"Origin": origin or stack.page.url}
    with requests.get(f"{stack.page.url}/graphql", headers=headers, timeout=60, stream=True) as answer:
        assert answer.status_code == status


VERSION = '{"query": "{ version }"}'
JSON = {"Content-Type": "application/json"}
WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "graphql-ws",
}
LAUNCH_PATH = f"/graphql?{urlencode({'query': LAUNCH_AS_TEXT})}"


@pytest.fixture(scope="module")
def proxy(stack: DagsterStack, viewer: Viewer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReverseProxy]:
    """The example of a reverse proxy in front of both pages."""
    with run_reverse_proxy(tmp_path_factory.mktemp("nginx"), stack.page.url, viewer.url) as running:
        yield running


@pytest.mark.parametrize("name", LOGINS)
@pytest.mark.parametrize("login", [None, ("operator", "guessed"), ("nobody", "press-here")])
def test_without_a_login_the_proxy_shows_nothing(proxy: ReverseProxy, name: str, login: tuple[str, str] | None) -> None:
    """Neither the page nor what is behind it."""
    asked = [("GET", "/", {}, None), ("POST", "/graphql", JSON, VERSION), ("GET", "/graphql", WEBSOCKET, None)]
    answers = [proxy.ask(name, method, path, headers, body, login) for method, path, headers, body in asked]
    assert [answer.status for answer in answers] == [401] * 3


def test_a_viewers_login_does_not_open_the_writing_page(proxy: ReverseProxy) -> None:
    """Two names, two files of users."""
    assert proxy.ask(WRITING, "GET", "/", login=LOGINS[VIEWERS]).status == 401


@pytest.mark.parametrize("name", LOGINS)
def test_with_a_login_page_queries_and_websocket_pass_and_the_log_names_who_it_was(proxy: ReverseProxy, name: str) -> None:
    """As a browser sends them, which tells the page's own origin."""
    own = {"Origin": proxy.origin(name), "Sec-Fetch-Site": "same-origin"}
    page = proxy.ask(name, "GET", "/runs", login=LOGINS[name])
    assert (page.status, page.headers["X-Frame-Options"]) == (200, "DENY")
    told = proxy.ask(name, "POST", "/graphql", JSON | own, VERSION, LOGINS[name])
    assert (told.status, json.loads(told.text)["data"].keys()) == (200, {"version"})
    assert proxy.ask(name, "GET", "/graphql", WEBSOCKET | own, login=LOGINS[name]).status == 101
    assert f" {LOGINS[name][0]} [" in proxy.log


def test_behind_the_viewers_name_is_the_page_that_launches_nothing(stack: DagsterStack, proxy: ReverseProxy) -> None:
    """The proxy chooses the page by the name alone."""
    told = proxy.ask(VIEWERS, "POST", "/graphql", JSON, json.dumps(BODY), LOGINS[VIEWERS])
    assert json.loads(told.text)["data"]["launchRun"]["__typename"] == "UnauthorizedError"
    assert stack.page.list_runs("flatten_positions") == []


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("GET", LAUNCH_PATH, {}, None, 405),
        ("GET", LAUNCH_PATH, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, None, 403),
        ("POST", LAUNCH_PATH, {}, None, 415),
        ("POST", LAUNCH_PATH, {"Content-Type": "text/plain"}, "x", 415),
        ("POST", "/graphql", {"Content-Type": "text/plain; application/json"}, json.dumps(BODY), 415),
        ("POST", "/graphql", JSON | FOREIGN, json.dumps(BODY), 403),
        ("POST", "/graphql", JSON | {"Origin": "null"}, json.dumps(BODY), 403),
        ("POST", "/graphql", JSON | {"Sec-Fetch-Site": "same-site"}, json.dumps(BODY), 403),
        ("GET", "/graphql", WEBSOCKET | FOREIGN, None, 403),
    ],
    ids=["image", "fetch-site", "form", "text", "disguised", "origin", "no-origin", "same-site", "websocket"],
)
def test_the_login_of_a_browser_does_not_let_another_page_through(
    stack: DagsterStack, proxy: ReverseProxy, method: str, path: str, headers: dict[str, str], body: str | None, status: int
) -> None:
    """A browser sends the password with whatever another page makes it send."""
    assert proxy.ask(WRITING, method, path, headers, body, LOGINS[WRITING]).status == status
    assert stack.page.list_runs("flatten_positions") == []
    assert stack.close_arrivals(ACCOUNT) == []


def test_a_name_that_is_not_the_pages_gets_no_answer(proxy: ReverseProxy) -> None:
    """Somebody else's name may lead here; neither TLS nor the header of a request lets it in."""
    with pytest.raises(ssl.SSLError):
        proxy.ask("evil.example", "GET", "/", login=LOGINS[WRITING])
    with pytest.raises(RemoteDisconnected):
        proxy.ask(WRITING, "GET", "/", {"Host": "evil.example"}, login=LOGINS[WRITING])


def test_what_was_refused_to_others_is_taken_from_the_page_itself(stack: DagsterStack) -> None:
    """Else nothing above would show anything. Runs last: it flattens."""
    own = {"Origin": stack.page.url, "Sec-Fetch-Site": "same-origin"}
    answer = requests.post(f"{stack.page.url}/graphql", json=BODY, headers=own, timeout=60).json()
    assert answer["data"]["launchRun"]["__typename"] == "LaunchRunSuccess"
    [run_id] = stack.page.list_runs("flatten_positions")
    assert stack.page.wait_for_end(run_id).status == "SUCCESS"
    assert stack.close_arrivals(ACCOUNT) != []
