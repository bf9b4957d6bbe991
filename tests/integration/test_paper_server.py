"""The paper exchange over real sockets: each fault does on the wire what it says, and the truth channel knows it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from deepcoin_ops.domain.errors import SettingsError
from deepcoin_ops.domain.model import PositionSide
from deepcoin_ops.domain.paper_credentials import paper_credentials
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.scenario import LimitSettings, PaperPosition, build_demo_scenario
from deepcoin_ops.paper.server import PaperExchange
from deepcoin_ops.paper.signing import sign

CLOSE = "/deepcoin/trade/batch-close-position"
POSITIONS = "/deepcoin/account/positions?instType=SWAP"
BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
QUICK = replace(
    build_demo_scenario(), faults=(), latency_ms=(0.0, 0.0), limits=LimitSettings(period_s=0.0001, market_per_period=50)
)
IMPATIENT_S = 0.3
PATIENT_S = 20.0


@pytest.fixture
def paper() -> Iterator[PaperExchange]:
    """The demonstration without faults, as quick as it can be."""
    with PaperExchange(QUICK) as exchange:
        yield exchange


def sign_headers(method: str, target: str, body: bytes) -> dict[str, str]:
    """The headers of a genuine request of the main account."""
    credentials = paper_credentials("main")
    stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "DC-ACCESS-KEY": credentials.api_key,
        "DC-ACCESS-PASSPHRASE": credentials.passphrase,
        "DC-ACCESS-TIMESTAMP": stamp,
        "DC-ACCESS-SIGN": sign(credentials.secret_key, stamp, method, target, body),
    }


def close_body(instrument_id: str) -> bytes:
    """The body of a USDT-margined batch close."""
    return json.dumps({"productGroup": "SwapU", "instId": instrument_id}).encode()


def send_close(paper: PaperExchange, instrument_id: str = BTC, timeout_s: float = PATIENT_S) -> requests.Response:
    """One batch close through an ordinary HTTP client that follows nothing."""
    body = close_body(instrument_id)
    return requests.post(
        paper.url + CLOSE,
        data=body,
        headers=sign_headers("POST", CLOSE, body),
        timeout=timeout_s,
        allow_redirects=False,
    )


def read_positions(paper: PaperExchange) -> requests.Response:
    """One positions read."""
    return requests.get(paper.url + POSITIONS, headers=sign_headers("GET", POSITIONS, b""), timeout=PATIENT_S)


def send_raw_close(paper: PaperExchange, timeout_s: float = PATIENT_S) -> bytes:
    """One batch close through a bare socket; everything that came back until the server closed the connection."""
    body, address = close_body(BTC), urlsplit(paper.url)
    lines = [f"POST {CLOSE} HTTP/1.1", f"Host: {address.netloc}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in sign_headers("POST", CLOSE, body).items()]
    with socket.create_connection((str(address.hostname), address.port or 0), timeout=timeout_s) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        received = b""
        while piece := connection.recv(65536):
            received += piece
        return received


def closed_instruments(paper: PaperExchange) -> list[str]:
    """What was really closed, in order, once per row."""
    return [close["instrument_id"] for close in paper.truth()["accounts"]["main"]["closes"]]


def is_open(paper: PaperExchange, instrument_id: str) -> bool:
    """Whether the main account really holds the instrument."""
    return any(row["instrument_id"] == instrument_id for row in paper.truth()["accounts"]["main"]["open"])


@pytest.mark.parametrize("is_executed", [True, False])
def test_a_hanging_request_may_have_been_executed(paper: PaperExchange, is_executed: bool) -> None:
    """The client sees the same timeout both ways."""
    paper.add_fault(Fault(FaultAction.HANG, is_executed=is_executed))
    with pytest.raises(requests.ReadTimeout):
        send_close(paper, timeout_s=IMPATIENT_S)
    assert is_open(paper, BTC) is not is_executed
    assert paper.arrivals()[-1].status is None


@pytest.mark.parametrize("is_executed", [True, False])
def test_a_reset_connection_may_have_been_executed(paper: PaperExchange, is_executed: bool) -> None:
    """A TCP reset, not an orderly end."""
    paper.add_fault(Fault(FaultAction.RESET, is_executed=is_executed))
    with pytest.raises(ConnectionResetError):
        send_raw_close(paper)
    assert is_open(paper, BTC) is not is_executed


@pytest.mark.parametrize("is_executed", [True, False])
def test_a_disconnect_sends_not_a_single_byte(paper: PaperExchange, is_executed: bool) -> None:
    """An orderly end of the connection without an answer."""
    paper.add_fault(Fault(FaultAction.DISCONNECT, is_executed=is_executed))
    assert send_raw_close(paper) == b""
    assert is_open(paper, BTC) is not is_executed


def test_a_cut_status_line_ends_inside_the_line(paper: PaperExchange) -> None:
    """Some clients read this as status 200 with an empty body."""
    paper.add_fault(Fault(FaultAction.CUT_STATUS_LINE))
    assert send_raw_close(paper) == b"HTTP/1.1 200 O"
    assert not is_open(paper, BTC)


def test_a_truncated_body_is_shorter_than_it_says(paper: PaperExchange) -> None:
    """The head is whole and marked, so only the length gives it away."""
    paper.add_fault(Fault(FaultAction.TRUNCATED_BODY))
    head, _blank, body = send_raw_close(paper).partition(b"\r\n\r\n")
    announced = next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length: "))
    assert 0 < len(body) < int(announced.partition(b": ")[2])
    assert b"X-Paper: 1" in head
    assert not is_open(paper, BTC)


@pytest.mark.parametrize("is_executed_late", [True, False])
def test_a_delay_waits_before_or_after_the_close(paper: PaperExchange, is_executed_late: bool) -> None:
    """The client's timeout is the same; whether the position is already closed is not."""
    paper.add_fault(Fault(FaultAction.DELAY, delay_s=3600.0, is_executed_late=is_executed_late))
    with pytest.raises(requests.ReadTimeout):
        send_close(paper, timeout_s=IMPATIENT_S)
    assert is_open(paper, BTC) is is_executed_late
    paper.stop()
    assert is_open(paper, BTC) is is_executed_late


def test_a_delayed_answer_is_the_ordinary_one(paper: PaperExchange) -> None:
    """It is late, not wrong."""
    paper.add_fault(Fault(FaultAction.DELAY, delay_s=0.05))
    assert send_close(paper).json()["data"] == {"errorList": []}


def test_a_delayed_close_happens_although_the_client_is_gone(paper: PaperExchange) -> None:
    """What a client must reckon with after its own timeout: the position is open now and closed a moment later."""
    paper.add_fault(Fault(FaultAction.DELAY, delay_s=2 * IMPATIENT_S, is_executed_late=True))
    with pytest.raises(requests.ReadTimeout):
        send_close(paper, timeout_s=IMPATIENT_S)
    while is_open(paper, BTC):
        assert paper.arrivals()[-1].account == "main"
    assert closed_instruments(paper) == [BTC, BTC]


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        (Fault(FaultAction.HTML), 200, "text/html"),
        (Fault(FaultAction.SERVER_ERROR, http_status=503), 503, "text/html"),
        (Fault(FaultAction.SERVER_ERROR, is_executed=False), 502, "text/html"),
        (Fault(FaultAction.UNAUTHORIZED_HTML), 401, "text/html"),
        (Fault(FaultAction.AUTH_ERROR, auth_code="50102"), 401, "application/json"),
        (Fault(FaultAction.AUTH_ERROR, auth_code="50100"), 400, "application/json"),
        (Fault(FaultAction.TOO_MANY_REQUESTS), 429, "application/json"),
        (Fault(FaultAction.THROTTLE), 401, "application/json"),
    ],
)
def test_an_answer_with_another_status_or_kind(paper: PaperExchange, fault: Fault, status: int, kind: str) -> None:
    """Refusals close nothing; a server error or a page may hide an executed close."""
    paper.add_fault(fault)
    answer = send_close(paper)
    assert (answer.status_code, answer.headers["content-type"]) == (status, kind)
    is_closed = fault.action in (FaultAction.HTML, FaultAction.SERVER_ERROR) and fault.is_executed
    assert is_open(paper, BTC) is not is_closed


def test_the_throttle_says_how_long_to_wait(paper: PaperExchange) -> None:
    """The headers of a real refusal."""
    paper.add_fault(Fault(FaultAction.THROTTLE))
    answer = send_close(paper)
    assert answer.json() == {"code": "50000", "msg": "Trigger the api frequency limiting"}
    assert answer.headers["Retry-After"] == "1"
    assert (answer.headers["X-Ratelimit-Limit"], answer.headers["X-Ratelimit-Remaining"]) == ("1", "0")


def test_a_redirect_leads_to_a_path_that_nobody_serves(paper: PaperExchange) -> None:
    """A client that follows it shows up in the log, with its signed headers on the way to somebody else."""
    paper.add_fault(Fault(FaultAction.REDIRECT))
    answer = send_close(paper)
    assert (answer.status_code, answer.headers["location"]) == (307, "/deepcoin/elsewhere")
    assert [arrival.path for arrival in paper.arrivals()] == [CLOSE]
    assert is_open(paper, BTC)


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (FaultAction.NOT_AN_OBJECT, [{"code": "0", "msg": "", "data": {"errorList": []}}]),
        (FaultAction.ERROR_LIST_MISSING, {"code": "0", "msg": "", "data": {}}),
        (FaultAction.ERROR_LIST_NULL, {"code": "0", "msg": "", "data": {"errorList": None}}),
        (FaultAction.ERROR_LIST_NOT_A_LIST, {"code": "0", "msg": "", "data": {"errorList": {}}}),
        (FaultAction.DATA_NULL, {"code": "0", "msg": "", "data": None}),
        (FaultAction.CODE_AS_INT, {"code": 0, "msg": "", "data": {"errorList": []}}),
    ],
)
def test_a_misshapen_answer_hides_an_executed_close(paper: PaperExchange, action: FaultAction, expected: Any) -> None:
    """Everything was closed; only the answer is wrong."""
    paper.add_fault(Fault(action))
    assert send_close(paper).json() == expected
    assert not is_open(paper, BTC)


def test_an_oversized_body_passes_eight_mebibytes(paper: PaperExchange) -> None:
    """Larger than a client should be willing to keep."""
    paper.add_fault(Fault(FaultAction.OVERSIZED_BODY))
    assert len(send_close(paper).content) > 8 * 1024 * 1024


def test_a_partial_failure_names_the_side_that_stayed(paper: PaperExchange) -> None:
    """HTTP 200 and code 0 all the same."""
    paper.add_fault(Fault(FaultAction.ERROR_ITEMS, instrument_id=ETH, position_side=PositionSide.SHORT))
    payload = send_close(paper, ETH).json()
    [item] = payload["data"]["errorList"]
    assert (payload["code"], item["instId"], item["posiDirection"], item["errorCode"]) == ("0", ETH, "short", 51020)
    sides = [row["position_side"] for row in paper.truth()["accounts"]["main"]["open"] if row["instrument_id"] == ETH]
    assert sides == ["short"]


def test_duplicated_items_name_one_row_twice(paper: PaperExchange) -> None:
    """A count of items is not a count of positions."""
    paper.add_fault(Fault(FaultAction.DUPLICATED_ITEMS, position_side=PositionSide.SHORT))
    first, second = send_close(paper, ETH).json()["data"]["errorList"]
    assert first == second


def test_unknown_fields_stand_beside_the_known_ones(paper: PaperExchange) -> None:
    """An exchange may add fields at any time."""
    paper.add_fault(Fault(FaultAction.UNKNOWN_FIELDS, endpoint="account/positions"))
    paper.add_fault(Fault(FaultAction.UNKNOWN_FIELDS))
    assert {"traceId", "posId"} <= set(read_positions(paper).json()["data"][0])
    assert {"traceId", "errorList"} <= set(send_close(paper).json()["data"])


@pytest.mark.parametrize(("action", "kind"), [(FaultAction.DATA_NULL, type(None)), (FaultAction.DATA_NOT_A_LIST, dict)])
def test_a_positions_read_without_a_list_is_possible(paper: PaperExchange, action: FaultAction, kind: type) -> None:
    """It proves nothing, and must not be taken for an empty account."""
    paper.add_fault(Fault(action, endpoint="account/positions"))
    assert isinstance(read_positions(paper).json()["data"], kind)


def test_a_stale_read_shows_what_was_closed_a_moment_ago(paper: PaperExchange) -> None:
    """The next read shows the world as it is."""
    paper.add_fault(Fault(FaultAction.STALE_READ, endpoint="account/positions", delay_s=60.0))
    send_close(paper)
    stale, fresh = ({row["instId"] for row in read_positions(paper).json()["data"]} for _read in range(2))
    assert stale - fresh == {BTC}


def test_every_answer_is_marked_unless_a_fault_forbids_it(paper: PaperExchange) -> None:
    """The mark is what keeps paper and live apart."""
    paper.add_fault(Fault(FaultAction.UNMARKED))
    assert "X-Paper" not in send_close(paper).headers
    assert send_close(paper).headers["X-Paper"] == "1"
    assert requests.get(f"{paper.url}/__paper/health", timeout=PATIENT_S).headers["X-Paper"] == "1"
    assert requests.get(f"{paper.url}/nothing", timeout=PATIENT_S).headers["X-Paper"] == "1"


def test_names_other_than_loopback_are_refused(paper: PaperExchange) -> None:
    """A web page whose name points at loopback would otherwise reach the exchange through a browser."""
    for host, status in (("evil.example", 403), ("127.0.0.1.evil.example:80", 403), ("localhost", 200), ("[::1]:9", 200)):
        assert requests.get(f"{paper.url}/__paper/truth", headers={"Host": host}, timeout=PATIENT_S).status_code == status


def test_the_control_channel_does_what_the_python_interface_does(paper: PaperExchange) -> None:
    """A process that did not start the exchange can still script it and ask for the truth."""
    control = f"{paper.url}/__paper"
    position = {"instrument_id": "ADA-USDT-SWAP", "position_side": "long", "quantity_contracts": "7"}
    opened = requests.post(f"{control}/positions", json={"account": "main", "position": position}, timeout=PATIENT_S)
    requests.post(f"{control}/faults", json={"action": "throttle"}, timeout=PATIENT_S).raise_for_status()
    assert send_close(paper, "ADA-USDT-SWAP").status_code == 401
    assert send_close(paper, "ADA-USDT-SWAP").status_code == 200
    assert requests.get(f"{control}/truth", timeout=PATIENT_S).json() == paper.truth()
    [close] = paper.truth()["accounts"]["main"]["closes"]
    assert (close["position_id"], close["arrival"]) == (opened.json()["position_id"], 2)
    [last] = requests.get(f"{control}/log", params={"since": 1}, timeout=PATIENT_S).json()
    assert (last["number"], last["status"], last["instrument_id"]) == (2, 200, "ADA-USDT-SWAP")
    requests.post(f"{control}/reset", timeout=PATIENT_S).raise_for_status()
    assert paper.arrivals() == []


@pytest.mark.parametrize(("name", "body"), [("faults", {"action": "explode"}), ("positions", {"account": "main"})])
def test_a_wrong_control_request_is_told_so(paper: PaperExchange, name: str, body: dict[str, str]) -> None:
    """A fault that was not understood must not pass for one that is armed."""
    answer = requests.post(f"{paper.url}/__paper/{name}", json=body, timeout=PATIENT_S)
    assert answer.status_code == 400
    assert name in answer.json()["error"]


def test_somebody_else_can_open_a_position(paper: PaperExchange) -> None:
    """As a strategy does that nobody stopped."""
    position_id = paper.open_position("main", PaperPosition("ADA-USDT-SWAP", PositionSide.SHORT, Decimal(4)))
    rows = {row["posId"]: row for row in read_positions(paper).json()["data"]}
    assert (rows[position_id]["pos"], rows[position_id]["posSide"]) == ("4", "short")


def test_stopping_does_not_wait_for_hanging_requests() -> None:
    """And what happened can still be asked afterwards."""
    with PaperExchange(QUICK) as paper:
        paper.add_fault(Fault(FaultAction.HANG))
        address = urlsplit(paper.url)
        body = close_body(BTC)
        hanging = socket.create_connection((str(address.hostname), address.port or 0), timeout=PATIENT_S)
        lines = [f"POST {CLOSE} HTTP/1.1", f"Host: {address.netloc}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in sign_headers("POST", CLOSE, body).items()]
        hanging.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        while not closed_instruments(paper):
            assert paper.arrivals() is not None
    with hanging:
        assert hanging.recv(1) == b""
    assert closed_instruments(paper) == [BTC, BTC]


def test_it_listens_on_loopback_alone_and_says_when_a_port_is_taken(paper: PaperExchange) -> None:
    """The message names the cure."""
    address = urlsplit(paper.url)
    assert address.hostname == "127.0.0.1"
    with pytest.raises(SettingsError, match="Choose another port"):
        PaperExchange(QUICK, port=address.port or 0)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_the_foreground_server_ends_cleanly_on_a_signal(sent: signal.Signals) -> None:
    """Exit code 0 and nothing on standard error, so that a supervisor sees a normal end."""
    program = (
        "from deepcoin_ops.paper.scenario import build_demo_scenario\n"
        "from deepcoin_ops.paper.server import serve\n"
        "serve(build_demo_scenario(), 0, lambda url: print(url, flush=True))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert requests.get(f"{url}/__paper/health", timeout=PATIENT_S).json() == {"status": "ok"}
        process.send_signal(sent)
        _output, errors = process.communicate(timeout=PATIENT_S)
    assert (process.returncode, errors) == (0, "")
