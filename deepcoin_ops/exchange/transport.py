"""One door to the network: send exactly one HTTP request, and say how far it got. No redirects, no proxies, no retries.

`requests` is used with its conveniences switched off: followed redirects re-send signed headers to another host, and
proxies or `.netrc` entries of the environment could divert them. What an answer or an error would carry on of those headers
is taken out here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy

import requests
import urllib3

from deepcoin_ops.domain.model import RawAnswer
from deepcoin_ops.exchange.connection import BoundedAdapter
from deepcoin_ops.exchange.withheld import blank_repeated, drop_frames

MAX_BODY_BYTES = 8 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
# Only these prove that no byte of the request left: the connection was never made.
_NEVER_CONNECTED = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.NameResolutionError)


class TransportFailed(Exception):
    """No complete answer arrived.

    Attributes:
        is_not_sent: True when it is proven that nothing left; False means the exchange may have acted.
        raw: What arrived before the failure, if anything.
    """

    def __init__(self, message: str, *, is_not_sent: bool, raw: RawAnswer | None = None):
        super().__init__(message)
        self.is_not_sent = is_not_sent
        self.raw = raw


@dataclass(frozen=True)
class HttpAnswer:
    """A complete HTTP answer; header names are lower-case."""

    raw: RawAnswer
    http_status: int
    headers: Mapping[str, str]


class Transport:
    """Sends requests to one base URL over kept-alive connections. Safe to share between threads.

    Args:
        base_url: Scheme, host and port, without a path.
        connect_timeout_s: Seconds for a connection to be made.
        read_timeout_s: Seconds for the head of an answer, and as many again for its body.
    """

    def __init__(self, base_url: str, *, connect_timeout_s: float, read_timeout_s: float):
        self._base_url = base_url.rstrip("/")
        self._timeouts = (connect_timeout_s, read_timeout_s)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = BoundedAdapter(pool_connections=1, pool_maxsize=8, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def send(self, method: str, path_and_query: str, headers: Mapping[str, str], body: str = "") -> HttpAnswer:
        """Send one request once.

        Raises:
            TransportFailed: No complete answer within the time limits, or one larger than 8 MiB.
        """
        request = requests.Request(method, self._base_url, headers=dict(headers), data=body.encode() or None)
        try:
            prepared = request.prepare()
        except (requests.RequestException, UnicodeError):
            # Its text shows header values.
            raise TransportFailed("the request cannot be prepared", is_not_sent=True) from None
        # Set after preparing, so that the bytes on the wire are the bytes that were signed.
        prepared.url = self._base_url + path_and_query
        try:
            response = self._session.send(
                prepared, timeout=self._timeouts, allow_redirects=False, stream=True, proxies={}, verify=True
            )
        except requests.RequestException as error:
            drop_frames(error)
            raise TransportFailed(_describe(error), is_not_sent=_proves_not_sent(error)) from error
        except (urllib3.exceptions.LocationParseError, UnicodeError):
            # The cause may hold a header's value, so it is not chained.
            raise TransportFailed("the request cannot be written down", is_not_sent=True) from None
        except Exception as error:  # whatever else the library raises, the request may have left
            drop_frames(error)
            raise TransportFailed(_describe(error), is_not_sent=False) from error
        with response:
            raw = self._read_body(response, headers)
        return HttpAnswer(raw, response.status_code, {name.lower(): value for name, value in response.headers.items()})

    def close(self) -> None:
        """Close the kept connections."""
        self._session.close()

    def _read_body(self, response: requests.Response, headers: Mapping[str, str]) -> RawAnswer:
        # What is received is in no variable of the frames of an error: it may repeat the headers.
        raw, failure, cause = self._receive(response, headers)
        if failure:
            raise TransportFailed(failure, is_not_sent=False, raw=raw) from cause
        return raw

    def _receive(self, response: requests.Response, headers: Mapping[str, str]) -> tuple[RawAnswer, str, Exception | None]:
        """The body as it may be kept, what went wrong in words, and the error that says so, if any."""
        deadline = time.monotonic() + self._timeouts[1]
        body, failure, cause = bytearray(), "", None
        try:
            # read1 comes back with whatever has arrived, so that a trickle is noticed.
            while not failure and (chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True)):
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    failure = "the answer is larger than 8 MiB"
                elif time.monotonic() > deadline:
                    failure = "the body came in too slowly"
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            drop_frames(error)
            failure, cause = _describe(error), error
        kept = blank_repeated(bytes(body[:MAX_BODY_BYTES]), headers, is_cut=bool(failure))
        return RawAnswer(response.status_code, kept, len(body), is_truncated=bool(failure)), failure, cause


def _proves_not_sent(error: requests.RequestException) -> bool:
    """Whether an error proves that no byte left: a connect timeout, or a connection that was never made."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    return isinstance(error, requests.ConnectionError) and isinstance(reason, _NEVER_CONNECTED)


def _describe(error: Exception) -> str:
    """The kind of failure in words, without addresses or header values that a message may carry."""
    cause = error.args[0] if error.args else error
    reason = getattr(cause, "reason", None) or cause
    kind = type(reason).__name__
    return f"{type(error).__name__} ({kind})" if kind not in (type(error).__name__, "str") else type(error).__name__
