"""The signature of one request. Pure: the time, the secret and the exact bytes come in, header values come out."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime


def format_timestamp(instant: datetime) -> str:
    """An aware instant in the exchange's spelling: UTC, ISO 8601, always three digits of milliseconds, `Z`.

    Source: https://www.deepcoin.com/docs/authentication.
    """
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"


def sign(secret_key: str, timestamp: str, method: str, path_and_query: str, body: str = "") -> str:
    """The value of the DC-ACCESS-SIGN header: base64 of HMAC-SHA256 over timestamp, METHOD, path and body.

    Args:
        secret_key: The secret as text; it is not hex-decoded although it looks like hex.
        timestamp: Exactly what the DC-ACCESS-TIMESTAMP header says.
        method: GET or POST, any case.
        path_and_query: The path with its query string, exactly as it is sent, without the host.
        body: The body, exactly as it is sent; empty for a GET.

    Source: https://www.deepcoin.com/docs/authentication.
    """
    prehash = f"{timestamp}{method.upper()}{path_and_query}{body}"
    digest = hmac.new(secret_key.encode(), prehash.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
