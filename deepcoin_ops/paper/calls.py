"""What every endpoint shares: the admitted call, the row of the endpoint table, and the reading of parameters.

Parameter faults are answered as the exchange was seen to answer them. No HTTP, no signatures, no limits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deepcoin_ops.domain.model import InstrumentType
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.market import Market
from deepcoin_ops.paper.wire import Payload, envelope


@dataclass(frozen=True)
class Call:
    """One admitted request: who asks for what, which arrival it was, and the fault that strikes it."""

    account: str
    parameters: Mapping[str, Any]
    arrival: int
    fault: Fault | None = None


@dataclass(frozen=True)
class Endpoint:
    """One row of an endpoint table.

    Attributes:
        method: The only verb it takes.
        is_private: Whether a request must be signed.
        answer: What it answers when nothing goes wrong.
        per_period: Its own budget of requests in one period; None for the scenario's.
        unprocessed: What stands in for the right answer when a fault keeps the request from being processed.
    """

    method: str
    is_private: bool
    answer: Callable[[Market, Call], Payload]
    per_period: int | None = None
    unprocessed: Callable[[Call], Payload] = lambda _call: envelope({"errorList": []})


class ParameterFault(Exception):
    """A parameter is missing or out of range; the payload says so."""

    def __init__(self, message: str, code: str = "51") -> None:
        super().__init__(message)
        self.payload = envelope(None, code, message)


def read_parameters(method: str, query: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
    """The parameters of a request: the query of a GET, the JSON object of a POST.

    Raises:
        ParameterFault: The body is not a JSON object; code 51 for that is assumed.
    """
    if method == "GET":
        return query
    try:
        parameters = json.loads(body)
    except ValueError as error:
        raise ParameterFault("The request body is not JSON") from error
    if not isinstance(parameters, dict):
        raise ParameterFault("The request body is not a JSON object")
    return parameters


def read_text(call: Call, name: str) -> str:
    """A parameter that must be there, as text."""
    value = call.parameters.get(name)
    if not isinstance(value, str) or not value:
        raise ParameterFault(f"The {name} field is required")
    return value


def read_choice(call: Call, name: str, allowed: list[str]) -> str:
    """A parameter that must be one of a few words."""
    value = read_text(call, name)
    if value not in allowed:
        raise ParameterFault(f"The {name} value `{value}` is not in acceptable range: {','.join(allowed)}")
    return value


def read_number(call: Call, name: str) -> int | None:
    """A whole number, or None when it is left out."""
    value = call.parameters.get(name)
    if value in (None, ""):
        return None
    if not str(value).isdecimal():
        raise ParameterFault(f"The {name} value `{value}` is not a number")
    return int(str(value))


def read_instrument_type(call: Call) -> InstrumentType:
    """SPOT or SWAP."""
    return InstrumentType(
        read_choice(call, "instType", [kind.value for kind in (InstrumentType.SPOT, InstrumentType.SWAP)])
    )


def read_lag_s(market: Market, call: Call) -> float:
    """How old the world is that a read shows."""
    is_stale = call.fault is not None and call.fault.action is FaultAction.STALE_READ
    return call.fault.delay_s if call.fault is not None and is_stale else market.scenario.read_lag_s
