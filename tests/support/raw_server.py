"""A server on loopback whose every byte a test decides, for what no well-behaved server would send."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

PATIENCE_S = 20.0

Script = Callable[[socket.socket], None]


class RawServer:
    """A server on loopback that keeps the bytes of each request and answers them as a script says."""

    def __init__(self, script: Script) -> None:
        self.requests: list[bytes] = []
        self.is_over = threading.Event()
        self._script = script
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._connection: socket.socket | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.is_over.set()
        if self._connection is not None:
            with suppress(OSError):  # Gone already, on either side.
                self._connection.shutdown(socket.SHUT_RDWR)
        # Wakes the accept; closing a listening socket does not.
        socket.create_connection(self._listening.getsockname(), PATIENCE_S).close()
        self._thread.join(PATIENCE_S)
        self._listening.close()

    def _serve(self) -> None:
        while True:
            connection, _address = self._listening.accept()
            self._connection = connection
            with connection:
                if self.is_over.is_set():
                    return
                connection.settimeout(PATIENCE_S)
                while request := read_request(connection):
                    self.requests.append(request)
                    try:
                        self._script(connection)
                    except OSError:
                        break  # The client has gone, or the script cut the line.


def read_request(connection: socket.socket) -> bytes:
    """One whole request; empty when the client or the script closed the connection."""
    request = b""
    try:
        while b"\r\n\r\n" not in request or len(request) < expected_bytes(request):
            if not (part := connection.recv(65536)):
                return b""
            request += part
    except OSError:
        return b""
    return request


def expected_bytes(request: bytes) -> int:
    """How long a request with this head is."""
    head = request.partition(b"\r\n\r\n")[0]
    lengths = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return len(head) + 4 + sum(int(length) for length in lengths)


def answer(body: bytes = b"{}", status: str = "200 OK", headers: str = "", length: int | None = None) -> bytes:
    """The bytes of an answer; `length` overrides its true Content-Length."""
    declared = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {declared}\r\n{headers}\r\n".encode() + body


def saying(data: bytes) -> Script:
    """A script that sends these bytes and waits for the next request."""
    return lambda connection: connection.sendall(data)
