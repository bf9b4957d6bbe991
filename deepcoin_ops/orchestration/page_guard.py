"""What stands in front of Dagster's page: only this page's own requests, and programs on this machine, get through.

Dagster asks nobody for a login and looks neither at `Host` nor at `Origin`; it carries out a mutation that comes as GET, or
as a POST that any web page may send. Without this, whatever page a person on the same machine opens in a browser could
launch a flatten (docs/web-page.md has what was tried). It is no login: whoever can connect and is no browser gets in.

Those who get in may do what a desk does. What checks and tables say comes from runs alone: results, materialisations and
deletions sent from outside are denied, by a list of what is taken.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_Application = Callable[[_Message, _Receive, _Send], Awaitable[None]]

_NAMES = ("127.0.0.1", "localhost", "[::1]")
_GRAPHQL = "/graphql"
_POLICY_VIOLATION = 1008
_NO_FRAMES = (b"x-frame-options", b"DENY")
# What a desk does on its page. All others are denied, also those that a later Dagster adds.
_TAKEN_MUTATIONS = frozenset(
    {
        "launchRun",
        "launchPipelineExecution",
        "launchMultipleRuns",
        "launchRunReexecution",
        "launchPipelineReexecution",
        "terminateRun",
        "terminatePipelineExecution",
        "terminateRuns",
        "launchPartitionBackfill",
        "resumePartitionBackfill",
        "reexecutePartitionBackfill",
        "cancelPartitionBackfill",
        "startSchedule",
        "stopRunningSchedule",
        "resetSchedule",
        "scheduleDryRun",
        "startSensor",
        "stopSensor",
        "resetSensor",
        "sensorDryRun",
        "reloadRepositoryLocation",
        "reloadWorkspace",
        # Sent by the page itself; they touch neither runs nor assets.
        "logTelemetry",
        "setNuxSeen",
    }
)


def find_mutation_objection(name: str) -> str | None:
    """Explain why a GraphQL mutation is denied; None when a desk uses it.

    Denied are those that write results, materialisations, cursors or limits, or delete runs and histories. A check that
    failed would show as passed otherwise.
    """
    if name in _TAKEN_MUTATIONS or name == "__typename":
        return None
    return (
        f"Denied, nothing was changed and nothing was sent: {name}. This page takes launches, terminations, backfills and "
        "switches only; what tables and checks say comes from runs. Launch rebuild_day_tables to build a day again."
    )


def find_objection(
    kind: str, method: str, path: str, headers: Mapping[str, str], port: int, prefix: str = ""
) -> str | None:
    """Why a request is not carried out, or None when it may be.

    Args:
        kind: `http` or `websocket`.
        method: Of an HTTP request, in capitals.
        path: The path asked for.
        headers: By their names in lower case.
        port: Where the page listens.
        prefix: Of all the page's paths, such as `/dagster`; empty for none.
    """
    if headers.get("host") not in {f"{name}:{port}" for name in _NAMES}:
        # A name that an attacker's server resolves to this machine is how a foreign page would read the answers too.
        return f"it was sent to the name {headers.get('host')!r}, which is not this page's"
    if headers.get("origin", f"http://{headers['host']}") != f"http://{headers['host']}":
        return f"it comes from another page, {headers['origin']}"
    is_link = (kind, method, headers.get("sec-fetch-mode")) == ("http", "GET", "navigate")
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not is_link:
        return "it comes from another page"
    if kind == "websocket":
        return None
    if method not in ("GET", "HEAD", "POST"):
        return f"the page takes no {method}"
    if method != "POST":
        # An image's address is a GET as well, and older browsers do not tell where it comes from.
        return "GraphQL is taken as a POST only" if path.rstrip("/").endswith(_GRAPHQL) else None
    if path != prefix + _GRAPHQL:
        # Dagster's other addresses that take one report results and materialisations of assets.
        return f"a POST is taken at {prefix}{_GRAPHQL} only; what tables and checks say comes from runs"
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    # No browser sends this type to another page's server without asking that server first.
    return None if content_type == "application/json" else "a POST has to be application/json"


class PageGuard:
    """An ASGI application around another one: refuses what `find_objection` objects to, and forbids frames.

    Args:
        app: What carries out the rest.
        prefix: Of all the page's paths; empty for none.
    """

    def __init__(self, app: _Application, prefix: str = ""):
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Answer one request or websocket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        port = scope["server"][1]
        objection = find_objection(scope["type"], scope.get("method", ""), scope["path"], headers, port, self._prefix)
        if objection is None:
            await self._app(scope, receive, _without_frames(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        else:
            told = f"Refused, nothing was launched or changed: {objection}. Open http://127.0.0.1:{port} itself.\n"
            body = told.encode()
            lines = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 403, "headers": lines})
            await send({"type": "http.response.body", "body": body})


def _without_frames(send: _Send) -> _Send:
    # Inside a frame of another page, a person's own click would be what launches.
    async def send_with_header(message: _Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), _NO_FRAMES]
        await send(message)

    return send_with_header
