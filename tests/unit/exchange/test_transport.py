"""The door to the network against real sockets on loopback: what was proven, and what was never sent along."""

from __future__ import annotations

import html
import json
import socket
import struct
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest
from raw_server import PATIENCE_S, RawServer, Script, answer, saying
from secret_search import SecretSearch

from deepcoin_ops.exchange.signing import signed_headers
from deepcoin_ops.exchange.transport import MAX_BODY_BYTES, Transport, TransportFailed

PATH = "/deepcoin/trade/batch-close-position"
BODY = '{"productGroup":"SwapU","instId":"BTC-USDT-SWAP"}'
SECRETS = {
    "DC-ACCESS-KEY": "key-which-is-secret",
    "DC-ACCESS-SIGN": "signature-which-is-secret",
    "DC-ACCESS-PASSPHRASE": 'passphrase "which" <is> secret&+/\\',
}
NOW = datetime(2026, 3, 9, 20, 30, tzinfo=UTC)


def saying_and_closing(data: bytes) -> Script:
    """A script that sends these bytes and closes the connection."""

    def script(connection: socket.socket) -> None:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_RDWR)

    return script


def resetting(connection: socket.socket) -> None:
    """A script that answers with a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def hanging(connection: socket.socket) -> None:
    """A script that says nothing until the client gives up."""
    connection.recv(1)
    raise ConnectionAbortedError


def hanging_inside_the_body(connection: socket.socket) -> None:
    """A script that begins an answer and says nothing more."""
    connection.sendall(answer(b"{", length=400))
    hanging(connection)


def trickling(connection: socket.socket) -> None:
    """A body that always promises more, a byte at a time."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    pause = threading.Event()
    for _ in range(900):
        connection.sendall(b" ")
        pause.wait(0.02)


@pytest.fixture
def open_transport() -> Iterator[Callable[..., Transport]]:
    """Opens transports and closes them at the end."""
    opened: list[Transport] = []

    def open_one(url: str, read_timeout_s: float = PATIENCE_S) -> Transport:
        opened.append(Transport(url, connect_timeout_s=PATIENCE_S, read_timeout_s=read_timeout_s))
        return opened[-1]

    yield open_one
    for transport in opened:
        transport.close()


def free_url() -> str:
    """An address on loopback where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_complete_answer_is_given_whole(open_transport: Callable[..., Transport]) -> None:
    """Status, headers and bytes are the evidence of a close."""
    with RawServer(saying(answer(b'{"code":"0"}', "401 Unauthorized", "Retry-After: 1\r\n"))) as server:
        given = open_transport(server.url).send("POST", PATH, {}, BODY)
    assert (given.http_status, given.raw.http_status, given.headers["retry-after"]) == (401, 401, "1")
    assert (given.raw.body, given.raw.length, given.raw.is_truncated) == (b'{"code":"0"}', 12, False)


def test_a_refused_connection_proves_that_nothing_was_sent(open_transport: Callable[..., Transport]) -> None:
    """Without a connection no byte can have left, so this close may be sent again."""
    with pytest.raises(TransportFailed) as failed:
        open_transport(free_url()).send("POST", PATH, SECRETS, BODY)
    assert (failed.value.is_not_sent, failed.value.raw) == (True, None)


def test_a_name_that_does_not_resolve_proves_that_nothing_was_sent(
    monkeypatch: pytest.MonkeyPatch, open_transport: Callable[..., Transport]
) -> None:
    """There was nobody to send it to. The resolver is replaced, because a real one would ask a network."""

    def resolve(*_address: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(TransportFailed) as failed:
        open_transport("http://exchange.invalid").send("POST", PATH, SECRETS, BODY)
    assert failed.value.is_not_sent


def test_a_connection_that_is_never_accepted_proves_that_nothing_was_sent() -> None:
    """A request leaves only over a finished handshake; a full queue of waiting callers finishes none."""
    with ExitStack() as opened:
        listening = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _caller in range(4):
            caller = opened.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listening.getsockname())
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        transport = opened.enter_context(closing(Transport(url, connect_timeout_s=0.3, read_timeout_s=PATIENCE_S)))
        with pytest.raises(TransportFailed) as failed:
            transport.send("POST", PATH, SECRETS, BODY)
    assert (failed.value.is_not_sent, failed.value.raw) == (True, None)


UNPROVEN: dict[str, Script] = {
    "reset": resetting,
    "closed without a byte": saying_and_closing(b""),
    "cut status line": saying_and_closing(b"HTTP/1."),
    "no HTTP at all": saying_and_closing(b"SSH-2.0-OpenSSH\r\n"),
    "truncated body": saying_and_closing(answer(b'{"code":"0"', length=400)),
    "truncated chunk": saying_and_closing(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{"),
    "hang": hanging,
    "hang inside the body": hanging_inside_the_body,
    "undecodable body": saying_and_closing(answer(b"not gzip", headers="Content-Encoding: gzip\r\n")),
}


@pytest.mark.parametrize("script", UNPROVEN.values(), ids=UNPROVEN.keys())
def test_a_failure_after_the_send_proves_nothing(script: Script, open_transport: Callable[..., Transport]) -> None:
    """The request had arrived; the exchange may have closed the position before the line went dead."""
    with RawServer(script) as server:
        with pytest.raises(TransportFailed) as failed:
            open_transport(server.url, read_timeout_s=0.3).send("POST", PATH, SECRETS, BODY)
        assert not failed.value.is_not_sent
        assert len(server.requests) <= 1


def test_a_failure_never_makes_it_send_again(open_transport: Callable[..., Transport]) -> None:
    """A repeated close cannot be told from a second one. The first answer leaves a kept connection, the usual trap."""
    scripts = iter([saying(answer()), resetting])

    def script(connection: socket.socket) -> None:
        next(scripts)(connection)

    with RawServer(script) as server:
        transport = open_transport(server.url)
        transport.send("GET", "/first", {})
        with pytest.raises(TransportFailed) as failed:
            transport.send("POST", PATH, {}, BODY)
        assert not failed.value.is_not_sent
        assert len(server.requests) == 2


def test_what_arrived_before_the_line_broke_is_kept(open_transport: Callable[..., Transport]) -> None:
    """The beginning of an answer may be all the evidence there is."""
    with RawServer(saying_and_closing(answer(b'{"code":"0","data"', length=400))) as server:
        transport = open_transport(server.url)
        with pytest.raises(TransportFailed) as failed:
            transport.send("POST", PATH, {}, BODY)
    raw = failed.value.raw
    assert raw is not None
    assert (raw.http_status, raw.is_truncated, raw.length) == (200, True, len(raw.body))
    assert b'{"code":"0","data"'.startswith(raw.body)


def test_a_cut_that_leaves_a_readable_status_brings_no_body(open_transport: Callable[..., Transport]) -> None:
    """HTTP takes a half status line for a whole one; an empty body is what keeps such an answer from being a proof."""
    with RawServer(saying_and_closing(b"HTTP/1.1 200 O")) as server:
        assert open_transport(server.url).send("POST", PATH, {}, BODY).raw.body == b""


def test_a_body_above_the_limit_keeps_its_beginning(open_transport: Callable[..., Transport]) -> None:
    """An endless answer must not fill the memory of the one process that knows what was sent."""
    with RawServer(saying_and_closing(answer(b"x" * (MAX_BODY_BYTES + 1)))) as server:
        transport = open_transport(server.url)
        with pytest.raises(TransportFailed, match="8 MiB") as failed:
            transport.send("POST", PATH, {}, BODY)
    raw = failed.value.raw
    assert raw is not None
    assert (len(raw.body), raw.is_truncated, failed.value.is_not_sent) == (MAX_BODY_BYTES, True, False)
    assert raw.length > MAX_BODY_BYTES


def test_a_body_of_exactly_the_limit_is_complete(open_transport: Callable[..., Transport]) -> None:
    """The limit is the last size that is still kept whole."""
    with RawServer(saying(answer(b"x" * MAX_BODY_BYTES))) as server:
        given = open_transport(server.url).send("GET", PATH, {})
    assert (given.raw.length, given.raw.is_truncated) == (MAX_BODY_BYTES, False)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_an_answer_and_is_not_followed(status: str, open_transport: Callable[..., Transport]) -> None:
    """Following it would hand signed headers, and the close itself, to another host."""
    with RawServer(saying(answer())) as other:
        with RawServer(saying(answer(status=status, headers=f"Location: {other.url}/\r\n"))) as server:
            given = open_transport(server.url).send("POST", PATH, SECRETS, BODY)
            assert given.http_status == int(status[:3])
            assert len(server.requests) == 1
        assert other.requests == []


def test_proxies_and_passwords_of_the_environment_are_ignored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, open_transport: Callable[..., Transport]
) -> None:
    """A variable set for another program must not divert signed requests or add a header to them."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with RawServer(saying(answer())) as proxy, RawServer(saying(answer())) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        open_transport(server.url).send("POST", PATH, SECRETS, BODY)
        assert proxy.requests == []
        assert b"authorization" not in server.requests[0].lower()


@pytest.mark.parametrize(
    "path_and_query",
    [
        PATH,
        "/deepcoin/account/positions?instType=SWAP",
        "/deepcoin/account/positions?instType=SWAP&instId=BTC-USDT-SWAP",
        "/deepcoin/account/balances?instType=SPOT&ccy=BTC%2CUSDT",
        "/deepcoin/account/positions?b=2&a=1",
    ],
)
def test_the_path_that_was_signed_is_the_path_that_is_sent(
    path_and_query: str, open_transport: Callable[..., Transport]
) -> None:
    """The exchange signs what it receives; one re-encoded character is a wrong signature."""
    with RawServer(saying(answer())) as server:
        open_transport(server.url + "/").send("GET", path_and_query, {})
        assert server.requests[0].startswith(f"GET {path_and_query} HTTP/1.1\r\n".encode())


def test_the_body_and_headers_are_sent_as_they_were_given(open_transport: Callable[..., Transport]) -> None:
    """The body is part of the signature, so it may not be written anew on its way out."""
    body = '{"instId": "BTC-USDT-SWAP", "note": "ü"}'
    with RawServer(saying(answer())) as server:
        open_transport(server.url).send("POST", PATH, SECRETS | {"Content-Type": "application/json"}, body)
        head, _separator, sent = server.requests[0].partition(b"\r\n\r\n")
    assert sent == body.encode()
    assert b"Content-Type: application/json" in head
    assert all(f"{name}: {value}".encode() in head for name, value in SECRETS.items())


def test_a_trickling_head_is_cut_off(open_transport: Callable[..., Transport]) -> None:
    """The library's timeout starts anew with every byte; a flatten would wait on it for ever."""
    sent = []

    def trickling_head(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        pause = threading.Event()
        for number in range(900):
            connection.sendall(b"a")
            sent.append(number)
            pause.wait(0.02)

    with RawServer(trickling_head) as server, pytest.raises(TransportFailed, match="ReadTimeout") as failed:
        open_transport(server.url, read_timeout_s=0.3).send("POST", "/path", {}, "{}")
    assert not failed.value.is_not_sent
    assert 0 < len(sent) < 900


def test_a_trickling_body_ends_with_the_time_limit(open_transport: Callable[..., Transport]) -> None:
    """Each byte comes in time, the whole never does; the flatten must not wait for it."""
    with RawServer(trickling) as server, pytest.raises(TransportFailed) as failed:
        open_transport(server.url, read_timeout_s=0.3).send("POST", "/path", {}, "{}")
    assert not failed.value.is_not_sent
    assert failed.value.raw is not None
    assert 0 < failed.value.raw.length < 900


@pytest.mark.parametrize("value", ["hidden word\n", "hidden w\u20acrd"])
def test_a_header_that_cannot_be_sent_is_not_sent_and_not_shown(
    value: str, open_transport: Callable[..., Transport]
) -> None:
    """The library's own error would show the value."""
    with RawServer(answer(b"{}")) as server:
        with pytest.raises(TransportFailed) as failed:
            open_transport(server.url).send("POST", "/path", {"DC-ACCESS-PASSPHRASE": value}, "{}")
        assert server.requests == []
    assert failed.value.is_not_sent
    assert value.strip() not in "".join(traceback.format_exception(failed.value))


def test_cookies_are_not_sent_back(open_transport: Callable[..., Transport]) -> None:
    """A cookie would tie requests together behind the signature's back."""
    with RawServer(saying(answer(headers="Set-Cookie: session=1; Path=/\r\n"))) as server:
        transport = open_transport(server.url)
        transport.send("GET", PATH, {})
        transport.send("GET", PATH, {})
        assert len(server.requests) == 2
        assert b"cookie" not in server.requests[1].lower()


@pytest.mark.parametrize("script", UNPROVEN.values(), ids=UNPROVEN.keys())
def test_credentials_are_in_no_failure(script: Script, open_transport: Callable[..., Transport]) -> None:
    """Failures are logged, recorded and shown, with all that led to them."""
    with RawServer(script) as server, pytest.raises(TransportFailed) as failed:
        open_transport(server.url, read_timeout_s=0.3).send("POST", PATH, SECRETS, BODY)
    assert_names_no_secret(failed.value)


def test_credentials_are_in_no_refused_connection(open_transport: Callable[..., Transport]) -> None:
    """The commonest failure of all, and its message is the HTTP library's longest."""
    with pytest.raises(TransportFailed) as failed:
        open_transport(free_url()).send("POST", PATH, SECRETS, BODY)
    assert_names_no_secret(failed.value)


@pytest.mark.parametrize("script", UNPROVEN.values(), ids=UNPROVEN.keys())
def test_credentials_are_in_no_variable_of_a_failure(
    script: Script, open_transport: Callable[..., Transport], send_signed: Callable[..., object]
) -> None:
    """Crash reporters show the variables of every frame; the HTTP library passes headers from one to the next."""
    with RawServer(script) as server:
        transport = open_transport(server.url, read_timeout_s=0.3)
        with pytest.raises(TransportFailed) as failed:
            send_signed(transport)
    assert_shows_no_secret(failed.value)


def test_credentials_are_in_no_variable_of_a_refused_connection(
    open_transport: Callable[..., Transport], send_signed: Callable[..., object]
) -> None:
    """Three libraries' frames lie between."""
    transport = open_transport(free_url())
    with pytest.raises(TransportFailed) as failed:
        send_signed(transport)
    assert_shows_no_secret(failed.value)


REPEATED = {
    "JSON": lambda: json.dumps({"code": "50113", "msg": "Invalid key", "headers": SECRETS}).encode(),
    "page": lambda: "".join(f"<li>{name}: {html.escape(value)}" for name, value in SECRETS.items()).encode(),
    "link": lambda: urlencode(SECRETS).encode(),
    "text": lambda: "\n".join(SECRETS.values()).encode(),
}


@pytest.mark.parametrize("repeat", REPEATED.values(), ids=REPEATED.keys())
@pytest.mark.parametrize("length", [None, 4000], ids=["whole", "broken off"])
def test_what_an_answer_repeats_of_the_headers_is_not_kept(
    repeat: Callable[[], bytes], length: int | None, open_transport: Callable[..., Transport]
) -> None:
    """A proxy's page shows what it was sent, and every answer is kept in the ledger for good."""
    body = repeat()
    with RawServer(saying_and_closing(answer(body, length=length))) as server:
        transport = open_transport(server.url)
        if length is None:
            raw = transport.send("POST", PATH, SECRETS, BODY).raw
        else:
            with pytest.raises(TransportFailed) as failed:
                transport.send("POST", PATH, SECRETS, BODY)
            assert failed.value.raw is not None
            raw = failed.value.raw
    assert len(raw.body) == raw.length == len(body)
    looking = SecretSearch(SECRETS)
    looking.look_at("the sent one", body)
    assert {each.partition(" in ")[0] for each in looking.findings} >= set(SECRETS)
    looking = SecretSearch(SECRETS)
    looking.look_at("the kept one", raw.body)
    assert looking.findings == []


@pytest.fixture
def send_signed() -> Callable[[Transport], object]:
    """Sends with signed headers that are in no variable of the test's."""

    class Key:
        api_key = SECRETS["DC-ACCESS-KEY"]
        secret_key = "0123456789abcdef"
        passphrase = SECRETS["DC-ACCESS-PASSPHRASE"]

    return lambda transport: transport.send("POST", PATH, signed_headers(Key(), NOW, "POST", PATH, BODY), BODY)


def assert_names_no_secret(error: BaseException) -> None:
    """Whether neither the error nor anything that caused it names a header's value."""
    told = "".join(traceback.format_exception(error)) + repr(error)
    assert not [value for value in SECRETS.values() if value in told]


def assert_shows_no_secret(error: BaseException) -> None:
    """The same, of everything that can be seen of an error."""
    looking = SecretSearch(SECRETS)
    looking.look_at_error("the call", error)
    assert looking.findings == []
