"""What leaves the paper exchange: an answer's bytes, the way they are delivered, and what a fault makes of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.scenario import LimitSettings
from deepcoin_ops.paper.signing import AUTH_MESSAGES
from deepcoin_ops.paper.wire import Payload

OVERSIZED_BYTES = 9 * 1024 * 1024
PAGE = b"<html><head><title>Error</title></head><body><h1>Request blocked</h1></body></html>"


class Delivery(StrEnum):
    """How an answer reaches the client, or does not."""

    WHOLE = "whole"
    HANG = "hang"
    RESET = "reset"
    DISCONNECT = "disconnect"
    TRUNCATED_BODY = "truncated_body"
    CUT_STATUS_LINE = "cut_status_line"


@dataclass(frozen=True)
class Answer:
    """One answer as it would leave the server."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = Delivery.WHOLE
    is_marked: bool = True


def json_answer(payload: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with a JSON body."""
    body = json.dumps(payload, separators=(",", ":")).encode()
    return Answer(status, body, {"Content-Type": "application/json", **(headers or {})})


def page_answer(status: int) -> Answer:
    """A page of HTML, as something between client and exchange would answer."""
    return Answer(status, PAGE, {"Content-Type": "text/html"})


def auth_answer(code: str) -> Answer:
    """The refusal with one of the codes 50100 to 50115, and its HTTP status."""
    status, message = AUTH_MESSAGES[code]
    return json_answer({"code": code, "msg": message}, status)


def throttle_answer(limits: LimitSettings, per_period: int, status: int) -> Answer:
    """The rate limit's refusal, as it was seen on the real exchange: HTTP 401 with code 50000."""
    headers = {
        "X-Ratelimit-Limit": str(per_period),
        "X-Ratelimit-Remaining": "0",
        "X-Ratelimit-Window": "1s",
        "Retry-After": limits.retry_after,
    }
    return json_answer({"code": "50000", "msg": "Trigger the api frequency limiting"}, status, headers)


def refuse(fault: Fault, limits: LimitSettings) -> Answer:
    """The answer of a fault that refuses before anything happens."""
    per_period = limits.private_per_period
    match fault.action:
        case FaultAction.THROTTLE:
            return throttle_answer(limits, per_period, limits.refusal_status)
        case FaultAction.TOO_MANY_REQUESTS:
            return throttle_answer(limits, per_period, 429)
        case FaultAction.AUTH_ERROR:
            return auth_answer(fault.auth_code)
        case FaultAction.REDIRECT:
            return Answer(307, b"", {"Location": "/deepcoin/elsewhere"})
        case _:
            return page_answer(401)


def spoil(fault: Fault, payload: Payload) -> Answer:
    """What a fault makes of the right answer after the request was processed."""
    if fault.action in _DELIVERIES:
        answer = json_answer(payload)
        return Answer(answer.status, answer.body, answer.headers, _DELIVERIES[fault.action])
    if fault.action in _MISSHAPED:
        return json_answer(_MISSHAPED[fault.action](payload))
    match fault.action:
        case FaultAction.SERVER_ERROR:
            return page_answer(fault.http_status)
        case FaultAction.HTML:
            return page_answer(200)
        case FaultAction.UNMARKED:
            answer = json_answer(payload)
            return Answer(answer.status, answer.body, answer.headers, is_marked=False)
        case _:
            return json_answer(payload)


def _with_data(payload: Payload, data: Any) -> Payload:
    return {**payload, "data": data}


def _close_data(payload: Payload) -> Payload:
    """The data of a close answer; empty for a refused one, which has none."""
    data = payload["data"]
    return data if isinstance(data, dict) else {}


def _without_error_list(payload: Payload) -> Payload:
    return _with_data(payload, {key: value for key, value in _close_data(payload).items() if key != "errorList"})


def _with_error_list(payload: Payload, value: Any) -> Payload:
    return _with_data(payload, {**_close_data(payload), "errorList": value})


def _with_items_twice(payload: Payload) -> Payload:
    return _with_error_list(payload, _close_data(payload).get("errorList", []) * 2)


def _with_unknown_fields(payload: Payload) -> Payload:
    news = {"traceId": "PAPER-TRACE", "nested": {"new": True}}
    if isinstance(payload["data"], list):
        return {**_with_data(payload, [{**row, **news} for row in payload["data"]]), **news}
    items = [{**item, **news} for item in _close_data(payload).get("errorList", [])]
    return {**_with_data(payload, {**_close_data(payload), **news, "errorList": items}), **news}


def _with_strange_row(payload: Payload) -> Payload:
    row = {"instType": "SWAP", "instId": "DOT-USDT-270326", "posId": "PAPER-270326", "posSide": "net", "pos": "3"}
    return _with_data(payload, [*payload["data"], row]) if isinstance(payload["data"], list) else payload


_DELIVERIES: Mapping[FaultAction, Delivery] = {
    FaultAction.HANG: Delivery.HANG,
    FaultAction.RESET: Delivery.RESET,
    FaultAction.DISCONNECT: Delivery.DISCONNECT,
    FaultAction.TRUNCATED_BODY: Delivery.TRUNCATED_BODY,
    FaultAction.CUT_STATUS_LINE: Delivery.CUT_STATUS_LINE,
}
_MISSHAPED: Mapping[FaultAction, Callable[[Payload], Any]] = {
    FaultAction.NOT_AN_OBJECT: lambda payload: [payload],
    FaultAction.ERROR_LIST_MISSING: _without_error_list,
    FaultAction.ERROR_LIST_NULL: lambda payload: _with_error_list(payload, None),
    FaultAction.ERROR_LIST_NOT_A_LIST: lambda payload: _with_error_list(payload, {}),
    FaultAction.DUPLICATED_ITEMS: _with_items_twice,
    FaultAction.DATA_NULL: lambda payload: _with_data(payload, None),
    FaultAction.DATA_NOT_A_LIST: lambda payload: _with_data(payload, {"rows": payload["data"]}),
    FaultAction.CODE_AS_INT: lambda payload: {**payload, "code": int(payload["code"])},
    FaultAction.UNKNOWN_FIELDS: _with_unknown_fields,
    FaultAction.STRANGE_ROW: _with_strange_row,
    FaultAction.OVERSIZED_BODY: lambda payload: {**payload, "padding": "x" * OVERSIZED_BYTES},
}
