"""The way of one request through the exchange: stamped, admitted, struck by a fault or not, processed, answered.

Everything here runs in the server's event loop, so no state needs a lock. No sockets: `server` delivers the answers.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from deepcoin_ops.domain.paper_credentials import paper_credentials
from deepcoin_ops.paper import answers
from deepcoin_ops.paper.answers import Answer
from deepcoin_ops.paper.calls import Call, Endpoint, ParameterFault, read_parameters
from deepcoin_ops.paper.clock import PaperClock
from deepcoin_ops.paper.endpoints import ENDPOINTS
from deepcoin_ops.paper.faults import REFUSING_ACTIONS, Fault, FaultScript
from deepcoin_ops.paper.limits import RateLimiter
from deepcoin_ops.paper.listing import PaperInstrument
from deepcoin_ops.paper.market import Market
from deepcoin_ops.paper.order_cancels import find_instrument
from deepcoin_ops.paper.scenario import Scenario
from deepcoin_ops.paper.signing import SignedRequest, find_auth_fault
from deepcoin_ops.paper.wire import Payload, envelope


@dataclass(frozen=True)
class Request:
    """One request as it arrived. `target` is path and query as they were sent, `host` where it came from."""

    method: str
    path: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    arrived_s: float
    host: str


@dataclass
class Arrival:
    """One line of the log. `status` stays None while nothing was answered, or nothing that has a status."""

    number: int
    arrived_s: float
    arrived_at: str
    method: str
    path: str
    target: str
    body: str
    account: str | None = None
    is_accepted: bool = False
    is_executed: bool = False
    code: str | None = None
    status: int | None = None
    fault: str | None = None
    instrument_id: str | None = None


@dataclass
class Desk:
    """The exchange behind the socket.

    Attributes:
        scenario: What it started from.
        clock: Its clocks.
        closing: Set when the server stops; whoever waits here gives up.
    """

    scenario: Scenario
    clock: PaperClock
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._before: Market | None = None
        self.reset()

    def reset(self) -> None:
        """Go back to the start of the scenario, with an empty log. The history stays: an exchange forgets no close."""
        limits = self.scenario.limits
        self.market = self._before = Market(self.scenario, self.clock, self._before)
        self.script = FaultScript(self.scenario.faults)
        self.arrivals: list[Arrival] = []
        self._limiter = RateLimiter(limits.mode, limits.period_s)
        self._random = random.Random(self.scenario.seed)  # noqa: S311 - latencies, not secrets
        self._accounts = {paper_credentials(account.name).api_key: account for account in self.scenario.accounts}
        self._credentials = {key: paper_credentials(account.name) for key, account in self._accounts.items()}

    async def answer(self, request: Request) -> Answer:
        """Answer one request, and log it whatever becomes of it."""
        arrival = self._log(request)
        answer = self._refuse(request, arrival)
        if answer is None:
            arrival.is_accepted = True
            answer = await self._serve(request, arrival)
        arrival.status = answer.status if answer.delivery is answers.Delivery.WHOLE else None
        return answer

    def _log(self, request: Request) -> Arrival:
        arrival = Arrival(
            number=len(self.arrivals) + 1,
            arrived_s=request.arrived_s,
            arrived_at=self.clock.now().isoformat(),
            method=request.method,
            path=request.path,
            target=request.target,
            body=request.body.decode("utf-8", "replace"),
            instrument_id=_find_instrument_id(request, self.market.instruments),
        )
        self.arrivals.append(arrival)
        return arrival

    def _refuse(self, request: Request, arrival: Arrival) -> Answer | None:
        """The refusal of a request that is not admitted: unknown path, wrong verb, signature, permission, rate."""
        endpoint = ENDPOINTS.get(request.path)
        if endpoint is None:
            return answers.json_answer(envelope(None, "404", "Not Found"), 404)
        if request.method != endpoint.method:
            arrival.code = "50115"
        elif endpoint.is_private:
            arrival.code = self._find_auth_fault(request, arrival)
        if arrival.code is not None:
            return answers.auth_answer(arrival.code)
        return self._throttle(request, arrival, endpoint)

    def _find_auth_fault(self, request: Request, arrival: Arrival) -> str | None:
        account = self._accounts.get(request.headers.get("dc-access-key", ""))
        arrival.account = account.name if account else None
        signed = SignedRequest(request.method, request.target, request.body, request.headers)
        window_s = self.scenario.timestamp_window_s
        code = find_auth_fault(signed, self._credentials, self.clock.now(), window_s)
        may_not = account is not None and account.is_read_only and request.method == "POST"
        return code or ("50114" if may_not else None)

    def _throttle(self, request: Request, arrival: Arrival, endpoint: Endpoint) -> Answer | None:
        limits = self.scenario.limits
        if not endpoint.is_private:
            key, per_period = ("host", request.host, request.path), limits.market_per_period
        else:
            metered = "any" if limits.is_shared else request.path
            own = None if limits.is_shared else endpoint.per_period
            key, per_period = ("account", str(arrival.account), metered), own or limits.private_per_period
        if self._limiter.admits(key, request.arrived_s, per_period):
            return None
        arrival.code = "50000"
        return answers.throttle_answer(limits, per_period, limits.refusal_status)

    async def _serve(self, request: Request, arrival: Arrival) -> Answer:
        try:
            parameters = _read_parameters(request)
        except ParameterFault as refusal:
            return answers.json_answer(refusal.payload)
        fault = self.script.take(request.path, arrival.account, arrival.instrument_id)
        arrival.fault = fault.action.value if fault else None
        latency_s = self._random.uniform(*self.scenario.latency_ms) / 1000
        await self._pause(latency_s + (fault.delay_before_s if fault else 0.0))
        if self.closing.is_set():
            # A stopping server processes nothing more, so that the truth it leaves behind stands still.
            return answers.page_answer(503)
        if fault is None:
            return answers.json_answer(self._process(request, parameters, arrival, None))
        if fault.action in REFUSING_ACTIONS:
            arrival.is_accepted, arrival.code = False, fault.refusal_code
            return answers.refuse(fault, self.scenario.limits)
        payload = self._process(request, parameters, arrival, fault)
        await self._pause(fault.delay_after_s)
        return answers.spoil(fault, payload)

    def _process(self, request: Request, parameters: Mapping[str, Any], arrival: Arrival, fault: Fault | None) -> Payload:
        endpoint = ENDPOINTS[request.path]
        call = Call(arrival.account or "", parameters, arrival.number, fault)
        if endpoint.method == "POST" and fault is not None and not fault.is_executed:
            return endpoint.unprocessed(call)
        try:
            payload = endpoint.answer(self.market, call)
        except ParameterFault as refusal:
            return refusal.payload
        arrival.is_executed = endpoint.method == "POST"
        return payload

    async def _pause(self, seconds: float) -> None:
        """Let time pass, unless the server stops first."""
        if seconds > 0:
            try:
                await asyncio.wait_for(self.closing.wait(), seconds)
            except TimeoutError:
                return


def _read_parameters(request: Request) -> Mapping[str, Any]:
    return read_parameters(request.method, dict(parse_qsl(request.target.partition("?")[2])), request.body)


def _find_instrument_id(request: Request, instruments: Mapping[str, PaperInstrument]) -> str | None:
    """The instrument a request names, if it can be read at all; cancels of all orders name it without dashes."""
    try:
        parameters = _read_parameters(request)
    except ParameterFault:
        return None
    if isinstance(undashed := parameters.get("InstrumentID"), str):
        found = find_instrument(instruments, undashed)
        return found.instrument_id if found else undashed
    named = parameters.get("instId")
    return named if isinstance(named, str) else None
