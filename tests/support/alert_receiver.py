"""Where alerts arrive: a web server on loopback that keeps every message, and behaves as badly as a test wants."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

# A part of the address that must be seen nowhere.
TOKEN = "hush-7f3a"


class AlertReceiver:
    """Takes what apprise's `json://` sends.

    Attributes:
        messages: What was taken: `title`, `message` and `type` of each, in the order of arrival.
        tries: How many requests arrived, taken or not.
        status: What each is answered with.
        is_mute: Whether a request is never answered.
    """

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.tries = 0
        self.status = 200
        self.is_mute = False
        self._is_over = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.tries += 1
                if receiver.is_mute:
                    receiver._is_over.wait()
                    return
                if receiver.status == 200:
                    receiver.messages.append(json.loads(body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def url(self) -> str:
        """Its address as apprise spells it; the read timeout is longer than any test's patience with it."""
        return f"json://user:{TOKEN}@127.0.0.1:{self._server.server_port}/{TOKEN}?cto=5&rto=60"

    @property
    def titles(self) -> list[str]:
        """The titles of what was taken."""
        return [message["title"] for message in self.messages]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
