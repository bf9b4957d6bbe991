"""Who is admitted: paths, verbs, permissions, clocks and budgets. The clock is the test's."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from deepcoin_ops.domain.paper_credentials import paper_credentials
from deepcoin_ops.paper.clock import PaperClock
from deepcoin_ops.paper.desk import Desk, Request
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.limits import LimitMode
from deepcoin_ops.paper.scenario import LimitSettings, PaperAccount, Scenario, build_demo_scenario
from deepcoin_ops.paper.signing import sign

CLOSE = "/deepcoin/trade/batch-close-position"
POSITIONS = "/deepcoin/account/positions"
STAMP = "2026-01-02T03:04:05.000Z"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BODY = b'{"productGroup":"SwapU","instId":"BTC-USDT-SWAP"}'
DEMO = replace(build_demo_scenario(), faults=(), latency_ms=(0.0, 0.0))


class Client:
    """Signs requests of an account and hands them to a desk, at arrival stamps the test chooses."""

    def __init__(self, **settings: Any) -> None:
        scenario: Scenario = replace(DEMO, **settings)
        self.desk = Desk(scenario, PaperClock(scenario.clock_offset_s, lambda: 0.0, lambda: NOW))

    def send(
        self, method: str, path: str, query: str = "", arrived_s: float = 0.0, account: str = "main"
    ) -> tuple[int, str]:
        """Send one request; HTTP status and code of its answer."""
        body = BODY if method == "POST" else b""
        target = f"{path}?{query}" if query else path
        credentials = paper_credentials(account)
        headers = {
            "dc-access-key": credentials.api_key,
            "dc-access-passphrase": credentials.passphrase,
            "dc-access-timestamp": STAMP,
            "dc-access-sign": sign(credentials.secret_key, STAMP, method, target, body),
        }
        request = Request(method, path, target, headers, body, arrived_s, "127.0.0.1")
        answer = asyncio.run(self.desk.answer(request))
        return answer.status, str(json.loads(answer.body)["code"])

    def read_positions(self, arrived_s: float = 0.0, account: str = "main") -> tuple[int, str]:
        """One positions read."""
        return self.send("GET", POSITIONS, "instType=SWAP", arrived_s, account)

    def close(self, arrived_s: float = 0.0, account: str = "main") -> tuple[int, str]:
        """One batch close of BTC-USDT-SWAP."""
        return self.send("POST", CLOSE, "", arrived_s, account)


def test_a_wrong_verb_is_405_and_an_unknown_path_404() -> None:
    """Before the signature is looked at."""
    client = Client()
    assert client.send("GET", CLOSE) == (405, "50115")
    assert client.send("GET", "/deepcoin/trade/everything") == (404, "404")


def test_a_read_only_key_reads_and_does_not_close() -> None:
    """Code 50114 for this is assumed; no page names one."""
    client = Client(accounts=(PaperAccount("main", is_read_only=True),))
    assert client.read_positions() == (200, "0")
    assert client.close() == (401, "50114")


@pytest.mark.parametrize(("offset_s", "code"), [(29.0, "0"), (-29.0, "0"), (31.0, "50102"), (-31.0, "50102")])
def test_a_wrong_exchange_clock_expires_right_timestamps(offset_s: float, code: str) -> None:
    """The client has to follow the exchange's clock, not its own."""
    assert Client(clock_offset_s=offset_s).read_positions()[1] == code


def test_the_budget_is_per_account_and_endpoint() -> None:
    """As the documentation states it: one a second on each page."""
    client = Client(accounts=(PaperAccount("main"), PaperAccount("other")))
    assert client.close(0.0) == (200, "0")
    assert client.read_positions(0.1) == (200, "0")
    assert client.close(0.2, "other") == (200, "0")
    assert client.close(0.9) == (401, "50000")
    assert client.close(1.0) == (200, "0")


def test_a_shared_budget_covers_every_private_endpoint() -> None:
    """Whether the real budget is shared is not known, so a client has to notice."""
    client = Client(limits=LimitSettings(is_shared=True))
    assert client.close(0.0) == (200, "0")
    assert client.read_positions(0.5) == (401, "50000")
    assert client.read_positions(1.0) == (200, "0")


def test_the_throttle_can_speak_http_429() -> None:
    """No page says how an excess is answered; 401 was seen."""
    client = Client(limits=LimitSettings(refusal_status=429, mode=LimitMode.PENAL))
    assert client.close(0.0) == (200, "0")
    assert client.close(0.5) == (429, "50000")
    assert client.close(1.2) == (429, "50000")


def test_market_data_is_metered_by_host() -> None:
    """Five a second, whoever signs."""
    client = Client()
    answers = [client.send("GET", "/deepcoin/market/time", arrived_s=0.1 * number)[0] for number in range(6)]
    assert answers == [200] * 5 + [401]


def test_every_arrival_is_logged_with_what_became_of_it() -> None:
    """A test of the pace reads its gaps here; a refused close names its instrument too."""
    client = Client()
    client.close(0.0)
    client.close(0.5)
    served, refused = client.desk.arrivals
    assert (served.number, served.is_accepted, served.is_executed, served.status) == (1, True, True, 200)
    assert (refused.number, refused.is_accepted, refused.is_executed, refused.status) == (2, False, False, 401)
    assert (refused.code, refused.instrument_id, refused.arrived_s) == ("50000", "BTC-USDT-SWAP", 0.5)


@pytest.mark.parametrize(
    ("action", "answer"),
    [
        (FaultAction.THROTTLE, (401, "50000")),
        (FaultAction.TOO_MANY_REQUESTS, (429, "50000")),
        (FaultAction.AUTH_ERROR, (401, "50111")),
    ],
)
def test_a_refusing_fault_closes_nothing(action: FaultAction, answer: tuple[int, str]) -> None:
    """A refusal proves that nothing happened, so nothing may have happened."""
    client = Client(faults=(Fault(action),))
    assert client.close() == answer
    assert client.desk.market.books["main"].closes == []
    assert client.close(1.0) == (200, "0")


def test_a_reset_brings_back_the_start() -> None:
    """One server can serve many tests."""
    client = Client(faults=(Fault(FaultAction.ERROR_ITEMS),))
    client.close()
    client.desk.reset()
    assert client.desk.arrivals == []
    assert client.close() == (200, "0")
    assert client.desk.arrivals[0].fault == "error_items"


def test_a_reset_keeps_what_the_exchange_shows_of_earlier_closes() -> None:
    """A person who tries a flatten twice on one paper exchange collects the evidence of both."""
    client = Client()
    client.close()
    shown = client.desk.market.books["main"].shown_history
    assert shown
    client.desk.reset()
    assert client.desk.market.books["main"].shown_history == shown
