"""The signature of one request. Pure: the time, the credentials and the exact bytes come in, headers come out."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Protocol

from deepcoin_ops.exchange.withheld import SignedHeaders


class ApiCredentials(Protocol):
    """The three values that sign a request; the settings bring them."""

    @property
    def api_key(self) -> str:
        """The key's name at the exchange."""

    @property
    def secret_key(self) -> str:
        """What the signature is made with."""

    @property
    def passphrase(self) -> str:
        """The passphrase chosen when the key was made."""


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


def signed_headers(
    credentials: ApiCredentials, instant: datetime, method: str, path_and_query: str, body: str
) -> SignedHeaders:
    """The headers of a signed request.

    Args:
        credentials: Whose request it is.
        instant: The exchange's time, as well as it is known.
        method: GET or POST.
        path_and_query: The path with its query string, exactly as it is sent.
        body: The body, exactly as it is sent.

    Source: https://www.deepcoin.com/docs/authentication.
    """
    timestamp = format_timestamp(instant)
    return SignedHeaders(
        {
            "DC-ACCESS-KEY": credentials.api_key,
            "DC-ACCESS-SIGN": sign(credentials.secret_key, timestamp, method, path_and_query, body),
            "DC-ACCESS-TIMESTAMP": timestamp,
            "DC-ACCESS-PASSPHRASE": credentials.passphrase,
            "Content-Type": "application/json",
        }
    )
