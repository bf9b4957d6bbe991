"""Which requests the page carries out: those of the page itself, of a link to it, and of programs on this machine."""

from __future__ import annotations

import pytest

from deepcoin_ops.orchestration.page_guard import find_objection

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
        ("http", "POST", "/report_asset_materialization/close_attempts", {"host": HOST}, "has to be application/json"),
    ],
)
def test_what_another_page_may_make_a_browser_send_is_refused_with_its_reason(
    kind: str, method: str, path: str, headers: dict[str, str], objection: str
) -> None:
    """Each of them alone: an old browser tells no origin, a form no type; a foreign name may resolve to this machine."""
    assert objection in (find_objection(kind, method, path, headers, PORT) or "carried out")
