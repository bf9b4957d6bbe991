"""The exchange's side of the signature."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from deepcoin_ops.domain.paper_credentials import PaperCredentials, paper_credentials
from deepcoin_ops.paper.signing import SignedRequest, find_auth_fault, sign

SECRET = "0123456789ABCDEF0123456789ABCDEF"
STAMP = "2026-01-02T03:04:05.678Z"
NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
CLOSE = "/deepcoin/trade/batch-close-position"
READ = "/deepcoin/account/positions?instType=SWAP"
KEYS = {"test-key-0000": PaperCredentials("test-key-0000", SECRET, "test-pass")}


@pytest.mark.parametrize(
    ("method", "target", "body", "signature"),
    [
        (
            "POST",
            CLOSE,
            b'{"productGroup":"SwapU","instId":"BTC-USDT-SWAP"}',
            "LRBH6ioMNni5icZF6NOKkvYOqOlIp9nLkMj/BCXgQhw=",
        ),
        (
            "POST",
            CLOSE,
            b'{"productGroup": "SwapU", "instId": "BTC-USDT-SWAP"}',
            "IM+QUqKSzpEtaN9+YmPsdtDTdryCwLJRhlaLWoXUbVw=",
        ),
        (
            "POST",
            CLOSE,
            b'{"instId":"BTC-USDT-SWAP","productGroup":"SwapU"}',
            "IO5rnPH2pWlHk93LjuhhAwPPQod0LOEqOXiQSK9iilw=",
        ),
        ("GET", READ, b"", "lSk9ppS4T6yh3hdCkKQDN1gDEZTBLrjHdI7hxrqFSho="),
        ("GET", f"{READ}&instId=BTC-USDT-SWAP", b"", "R44X4ADTofopEpSKD+Wc937errT/hBICP7IT4vj1RZU="),
    ],
)
def test_known_requests_have_known_signatures(method: str, target: str, body: bytes, signature: str) -> None:
    """The same five vectors bind the client's signing code, which this code never sees."""
    assert sign(SECRET, STAMP, method, target, body) == signature


def genuine_request(**headers: str) -> SignedRequest:
    """A correctly signed read, with some headers replaced."""
    signed = {
        "dc-access-key": "test-key-0000",
        "dc-access-sign": "lSk9ppS4T6yh3hdCkKQDN1gDEZTBLrjHdI7hxrqFSho=",
        "dc-access-timestamp": STAMP,
        "dc-access-passphrase": "test-pass",
    }
    replaced = {name.replace("_", "-"): value for name, value in headers.items()}
    return SignedRequest("GET", READ, b"", {**signed, **replaced})


def test_a_genuine_request_is_let_in() -> None:
    """Otherwise nothing below would mean anything."""
    assert find_auth_fault(genuine_request(), KEYS, NOW, window_s=30) is None


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"dc_access_key": ""}, "50103"),
        ({"dc_access_passphrase": ""}, "50104"),
        ({"dc_access_sign": ""}, "50106"),
        ({"dc_access_timestamp": ""}, "50107"),
        ({"dc_access_key": "somebody"}, "50113"),
        ({"dc_access_passphrase": "wrong"}, "50105"),
        ({"dc_access_sign": "AAAA"}, "50111"),
        ({"dc_access_sign": "\xe9"}, "50111"),
        ({"dc_access_timestamp": "1767323045678"}, "50112"),
        ({"dc_access_timestamp": "2026-13-02T03:04:05.678Z"}, "50112"),
        ({"dc_access_timestamp": "2026-01-02T03:04:36.000Z"}, "50102"),
        ({"dc_access_timestamp": "2026-01-02T03:03:35.000Z"}, "50102"),
        ({"dc_access_timestamp": "2026-01-02T03:04:05.000Z"}, "50111"),
    ],
)
def test_each_broken_header_has_its_documented_code(headers: dict[str, str], code: str) -> None:
    """The client decides by these codes whether to stop the whole flatten."""
    assert find_auth_fault(genuine_request(**headers), KEYS, NOW, window_s=30) == code


def test_a_changed_body_breaks_the_signature() -> None:
    """The body is covered byte by byte."""
    tampered = replace(genuine_request(), body=b"{}")
    assert find_auth_fault(tampered, KEYS, NOW, window_s=30) == "50111"


def test_paper_credentials_depend_on_the_account_alone() -> None:
    """Both sides derive them, so nothing has to be configured and nothing secret exists."""
    credentials = paper_credentials("main")
    assert credentials == paper_credentials("main")
    assert (credentials.api_key, credentials.passphrase) == ("PAPER-main", "paper-main")
    assert len(credentials.secret_key) == 32
    assert credentials.secret_key != paper_credentials("other").secret_key
