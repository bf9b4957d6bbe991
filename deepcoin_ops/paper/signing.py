"""Whether a private request is genuine: the exchange's side of the signature, written apart from the client's.

Source: https://www.deepcoin.com/docs/authentication and its error code table.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from deepcoin_ops.domain.paper_credentials import PaperCredentials

_TIMESTAMP_FORM = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z")

AUTH_MESSAGES: Mapping[str, tuple[int, str]] = {
    "50100": (400, "API frozen, please contact customer service"),
    "50101": (401, "APIKey does not match current environment"),
    "50102": (401, "Timestamp request expired"),
    "50103": (401, "Request header DC-ACCESS-KEY can't be empty"),
    "50104": (401, "Request header DC-ACCESS-PASSPHRASE can't be empty"),
    "50105": (401, "Request header DC-ACCESS-PASSPHRASE incorrect"),
    "50106": (401, "Request header DC-ACCESS-SIGN can't be empty"),
    "50107": (401, "Request header DC-ACCESS-TIMESTAMP can't be empty"),
    "50108": (401, "Broker id does not exist"),
    "50109": (401, "Broker domain does not exist"),
    "50110": (401, "Invalid IP"),
    "50111": (401, "Invalid sign"),
    "50112": (401, "Invalid DC-ACCESS-TIMESTAMP"),
    "50113": (401, "Invalid DC-ACCESS-KEY"),
    "50114": (401, "Invalid authorization"),
    "50115": (405, "Invalid request type"),
}
"""HTTP status and message by code; the messages are the paper exchange's own wording."""

_HEADERS = {
    "50103": "dc-access-key",
    "50104": "dc-access-passphrase",
    "50106": "dc-access-sign",
    "50107": "dc-access-timestamp",
}


@dataclass(frozen=True)
class SignedRequest:
    """What the signature covers, exactly as it arrived, and the headers in lower case."""

    method: str
    target: str
    body: bytes
    headers: Mapping[str, str]


def sign(secret_key: str, timestamp: str, method: str, target: str, body: bytes) -> str:
    """The signature the exchange computes for itself: over timestamp, verb, path with query, and body."""
    message = f"{timestamp}{method}{target}".encode() + body
    return base64.b64encode(hmac.new(secret_key.encode(), message, hashlib.sha256).digest()).decode()


def find_auth_fault(
    request: SignedRequest, known: Mapping[str, PaperCredentials], now: datetime, window_s: float
) -> str | None:
    """Check a private request, in an order the exchange does not document.

    Args:
        request: The request as it arrived.
        known: Credentials by API key.
        now: The exchange's clock.
        window_s: How far a timestamp may be from it, in seconds. The real window is not documented.

    Returns:
        The exchange's code, or None when the request is genuine.
    """
    for code, header in _HEADERS.items():
        if not request.headers.get(header):
            return code
    credentials = known.get(request.headers["dc-access-key"])
    if credentials is None:
        return "50113"
    return _find_timestamp_fault(request.headers["dc-access-timestamp"], now, window_s) or _find_secret_fault(
        request, credentials
    )


def _find_timestamp_fault(timestamp: str, now: datetime, window_s: float) -> str | None:
    if not _TIMESTAMP_FORM.fullmatch(timestamp):
        return "50112"
    try:
        stamped = datetime.fromisoformat(timestamp)
    except ValueError:
        return "50112"
    return "50102" if abs((now - stamped).total_seconds()) > window_s else None


def _find_secret_fault(request: SignedRequest, credentials: PaperCredentials) -> str | None:
    if not hmac.compare_digest(request.headers["dc-access-passphrase"].encode(), credentials.passphrase.encode()):
        return "50105"
    timestamp = request.headers["dc-access-timestamp"]
    expected = sign(credentials.secret_key, timestamp, request.method, request.target, request.body)
    return None if hmac.compare_digest(request.headers["dc-access-sign"].encode(), expected.encode()) else "50111"
