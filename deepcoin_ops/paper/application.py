"""The ASGI application: an HTTP request in, an answer of the desk out, and the unsigned paths under `/__paper/`.

No exchange logic and no server: `desk` decides, `delivery` sends, `server` listens.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.types import Receive, Scope, Send

from deepcoin_ops.paper.answers import Answer, json_answer
from deepcoin_ops.paper.delivery import deliver
from deepcoin_ops.paper.desk import Desk, Request
from deepcoin_ops.paper.faults import Fault
from deepcoin_ops.paper.order_records import PaperOrder
from deepcoin_ops.paper.scenario import PaperPosition
from deepcoin_ops.paper.truth import build_log, build_truth

ARRIVED_KEY = "paper.arrived_s"
CONTROL_PREFIX = "/__paper/"
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})


class PaperApplication:
    """The application that uvicorn calls."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._controls: dict[tuple[str, str], Callable[[str, bytes], Any]] = {
            ("GET", "health"): lambda _query, _body: {"status": "ok"},
            ("GET", "truth"): lambda _query, _body: build_truth(desk),
            ("GET", "log"): self._tell_log,
            ("POST", "faults"): self._append_fault,
            ("POST", "positions"): self._open_position,
            ("POST", "orders"): self._place_order,
            ("POST", "reset"): self._reset,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        http = HttpRequest(scope, receive)
        try:
            body = await http.body()
        except ClientDisconnect:
            return
        if not _is_addressed_to_loopback(http.headers.get("host", "")):
            # A web page that points a name of its own at loopback must not reach the exchange through a browser.
            answer = json_answer({"code": "403", "msg": "the paper exchange answers to loopback names only"}, 403)
        elif http.url.path.startswith(CONTROL_PREFIX):
            answer = self._control(http.method, http.url.path.removeprefix(CONTROL_PREFIX), http.url.query, body)
        else:
            answer = await self._desk.answer(_build_request(http, body))
        await deliver(answer, self._desk.clock.now(), self._desk.closing, scope, receive, send)

    def _control(self, method: str, name: str, query: str, body: bytes) -> Answer:
        control = self._controls.get((method, name))
        if control is None:
            return json_answer({"error": f"no {method} {CONTROL_PREFIX}{name}"}, 404)
        try:
            return json_answer(control(query, body))
        except (ValidationError, ValueError, KeyError, TypeError) as error:
            return json_answer({"error": f"{CONTROL_PREFIX}{name}: {error}"}, 400)

    def _tell_log(self, query: str, _body: bytes) -> Any:
        return build_log(self._desk, int(dict(parse_qsl(query)).get("since", "0")))

    def _append_fault(self, _query: str, body: bytes) -> Any:
        self._desk.script.append(TypeAdapter(Fault).validate_json(body))
        return {"status": "ok"}

    def _open_position(self, _query: str, body: bytes) -> Any:
        wanted = json.loads(body)
        position = TypeAdapter(PaperPosition).validate_python(wanted["position"])
        return {"position_id": self._desk.market.open_position(wanted["account"], position)}

    def _place_order(self, _query: str, body: bytes) -> Any:
        wanted = json.loads(body)
        order = TypeAdapter(PaperOrder).validate_python(wanted["order"])
        return {"order_id": self._desk.market.orders.place(wanted["account"], order)}

    def _reset(self, _query: str, _body: bytes) -> Any:
        self._desk.reset()
        return {"status": "ok"}


def _build_request(http: HttpRequest, body: bytes) -> Request:
    path: str = http.scope["raw_path"].decode("ascii")
    query: str = http.scope["query_string"].decode("ascii")
    return Request(
        method=http.method,
        path=path,
        target=f"{path}?{query}" if query else path,
        headers={name.lower(): value for name, value in http.headers.items()},
        body=body,
        arrived_s=http.scope[ARRIVED_KEY],
        host=http.client.host if http.client else "",
    )


def _is_addressed_to_loopback(host: str) -> bool:
    name, _colon, port = host.rpartition(":")
    return (name if name and port.isdigit() else host) in LOOPBACK_NAMES
