"""Which requests the page carries out: those of the page itself, of a link to it, and of programs on this machine."""

from __future__ import annotations

import re

import pytest
from dagster_graphql.schema import create_schema
from dagster_webserver.webserver import DagsterWebserver
from starlette.routing import Route

from deepcoin_ops.orchestration.page_guard import find_mutation_objection, find_objection

PORT = 3000
HOST = f"127.0.0.1:{PORT}"
JSON = {"host": HOST, "content-type": "application/json"}
OWN = {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}


@pytest.mark.parametrize(
    ("kind", "method", "path", "headers"),
    [
        ("http", "GET", "/runs", {"host": HOST}),
        ("http", "GET", "/runs", {"host": f"localhost:{PORT}", "sec-fetch-site": "none", "sec-fetch-mode": "navigate"}),
        ("http", "GET", "/runs", {"host": HOST, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}),
        ("http", "POST", "/graphql", JSON),
        ("http", "POST", "/graphql", {**JSON, **OWN, "content-type": "Application/JSON; charset=utf-8"}),
        ("websocket", "", "/graphql", {"host": f"[::1]:{PORT}"}),
        ("websocket", "", "/graphql", {"host": HOST, **OWN}),
    ],
)
def test_what_the_page_itself_a_link_and_a_program_send_is_carried_out(
    kind: str, method: str, path: str, headers: dict[str, str]
) -> None:
    """A script on this machine has no origin; a link in an alert leads to a run's page."""
    assert find_objection(kind, method, path, headers, PORT) is None


@pytest.mark.parametrize(
    ("kind", "method", "path", "headers", "objection"),
    [
        ("http", "POST", "/graphql", {**JSON, "host": "evil.example"}, "which is not this page's"),
        ("http", "GET", "/runs", {"host": f"evil.example:{PORT}"}, "which is not this page's"),
        ("http", "GET", "/runs", {"host": "127.0.0.1:3001"}, "which is not this page's"),
        ("http", "GET", "/runs", {}, "which is not this page's"),
        ("websocket", "", "/graphql", {"host": "evil.example"}, "which is not this page's"),
        ("http", "POST", "/graphql", {**JSON, "origin": "https://evil.example"}, "from another page, https://evil.example"),
        ("http", "POST", "/graphql", {**JSON, "origin": "null"}, "from another page, null"),
        ("http", "POST", "/graphql", {**JSON, "origin": f"http://localhost:{PORT}"}, "from another page"),
        ("http", "POST", "/graphql", {**JSON, "origin": "http://127.0.0.1:3001"}, "from another page"),
        ("websocket", "", "/graphql", {"host": HOST, "origin": "https://evil.example"}, "from another page"),
        ("http", "POST", "/graphql", {**JSON, "sec-fetch-site": "cross-site"}, "from another page"),
        ("http", "POST", "/graphql", {**JSON, "sec-fetch-site": "same-site", "sec-fetch-mode": "navigate"}, "another page"),
        (
            "http",
            "GET",
            "/logs/x",
            {"host": HOST, "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
            "another page",
        ),
        ("http", "GET", "/graphql", {"host": HOST}, "as a POST only"),
        ("http", "GET", "/prefix/graphql/", {"host": HOST}, "as a POST only"),
        ("http", "HEAD", "/graphql", {"host": HOST}, "as a POST only"),
        ("http", "OPTIONS", "/graphql", {"host": HOST}, "no OPTIONS"),
        ("http", "POST", "/graphql", {"host": HOST}, "has to be application/json"),
        ("http", "POST", "/graphql", {"host": HOST, "content-type": "text/plain"}, "has to be application/json"),
        ("http", "POST", "/graphql", {"host": HOST, "content-type": "text/plain; application/json"}, "has to be"),
        ("http", "POST", "/report_asset_materialization/close_attempts", {"host": HOST}, "at /graphql only"),
        ("http", "POST", "/report_asset_check/reconciliation/graphql", JSON, "at /graphql only"),
        ("http", "POST", "/graphql/", JSON, "at /graphql only"),
        ("http", "POST", "/", {**JSON, **OWN}, "at /graphql only"),
    ],
)
def test_what_another_page_may_make_a_browser_send_is_refused_with_its_reason(
    kind: str, method: str, path: str, headers: dict[str, str], objection: str
) -> None:
    """Each of them alone: an old browser tells no origin, a form no type; a foreign name may resolve to this machine."""
    assert objection in (find_objection(kind, method, path, headers, PORT) or "carried out")


def test_of_all_addresses_of_dagsters_web_server_that_take_more_than_a_get_only_graphql_is_open() -> None:
    """The others write results of checks and materialisations into the history; a later Dagster may add some."""
    routes = [each for each in DagsterWebserver(None).build_routes() if isinstance(each, Route)]  # type: ignore[arg-type]
    taking = {each.path for each in routes if (each.methods or set()) - {"GET", "HEAD"}}
    assert len(taking) > 1
    asked = {path: re.sub(r"\{.*\}", "reconciliation", path) for path in taking}
    assert [path for path in taking if find_objection("http", "POST", asked[path], JSON, PORT) is None] == ["/graphql"]


def test_behind_a_prefix_graphql_is_taken_there_alone() -> None:
    """As a proxy may serve the page below a path of its own."""
    assert find_objection("http", "POST", "/desk/graphql", JSON, PORT, "/desk") is None
    for path in ("/graphql", "/desk/report_asset_check/graphql", "/desk/desk/graphql"):
        assert "at /desk/graphql only" in (find_objection("http", "POST", path, JSON, PORT, "/desk") or "")


def test_a_mutation_that_no_desk_uses_is_denied_also_one_of_a_later_dagster() -> None:
    """What writes results, or deletes records, would make a check that failed show as passed, or as never run."""
    offered = set(create_schema().graphql_schema.mutation_type.fields)
    denied = {name for name in offered if find_mutation_objection(name) is not None}
    assert denied == {
        "addDynamicPartition",
        "deleteAppManagedComponent",
        "deleteConcurrencyLimit",
        "deleteDynamicPartitions",
        "deletePipelineRun",
        "deleteRun",
        "freeConcurrencySlots",
        "freeConcurrencySlotsForRun",
        "refreshComponentState",
        "reportAssetCheckEvaluations",
        "reportRunlessAssetEvents",
        "setAppManagedComponent",
        "setAutoMaterializePaused",
        "setConcurrencyLimit",
        "setSensorCursor",
        "shutdownRepositoryLocation",
        "wipeAssets",
    }
    assert "Denied, nothing was changed and nothing was sent: launchLater." in (
        find_mutation_objection("launchLater") or ""
    )
