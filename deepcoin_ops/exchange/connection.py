"""Connections whose answer has to have begun in time: a head that trickles in byte by byte is cut off.

The library's read timeout starts anew with every byte, so a slow peer could hold a close, and with it the end of a flatten,
for as long as it likes.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Timer
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

# Later than the read timeout itself, so that a peer that says nothing at all is still told apart as a timeout.
_GRACE_S = 0.5


class _CutOff:
    """Shuts a connection's socket down when the head of the answer is not complete in time."""

    def __init__(self, connection: HTTPConnection):
        self._connection = connection
        limit_s = connection.timeout if isinstance(connection.timeout, int | float) else None
        self._is_cut = False
        self._timer = Timer(limit_s + _GRACE_S, self._shut_down) if limit_s is not None else None

    def __enter__(self) -> None:
        if self._timer is not None:
            self._timer.daemon = True
            self._timer.start()

    def __exit__(self, *_error: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._is_cut:
            # What has arrived would pass for a whole head.
            raise TimeoutError("the head of the answer was not complete in time")

    def _shut_down(self) -> None:
        self._is_cut = True
        if (line := self._connection.sock) is not None:
            with suppress(OSError):  # closed meanwhile
                line.shutdown(socket.SHUT_RDWR)


class _BoundedHttp(HTTPConnection):
    def getresponse(self) -> Any:
        with _CutOff(self):
            return super().getresponse()


class _BoundedHttps(HTTPSConnection):
    def getresponse(self) -> Any:
        with _CutOff(self):
            return super().getresponse()


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _BoundedHttp


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _BoundedHttps


class BoundedAdapter(HTTPAdapter):
    """An adapter over such connections."""

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        """Make the pools of these connections, as the library makes its own."""
        super().init_poolmanager(*args, **more)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
