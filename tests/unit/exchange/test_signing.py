"""Signatures against vectors that were computed outside this project with synthetic credentials."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcoin_ops.exchange.signing import format_timestamp, sign

SECRET = "0123456789ABCDEF0123456789ABCDEF"
TIMESTAMP = "2026-01-02T03:04:05.678Z"
CLOSE = "/deepcoin/trade/batch-close-position"
POSITIONS = "/deepcoin/account/positions?instType=SWAP"

VECTORS = [
    ("POST", CLOSE, '{"productGroup":"SwapU","instId":"BTC-USDT-SWAP"}', "LRBH6ioMNni5icZF6NOKkvYOqOlIp9nLkMj/BCXgQhw="),
    ("POST", CLOSE, '{"productGroup": "SwapU", "instId": "BTC-USDT-SWAP"}', "IM+QUqKSzpEtaN9+YmPsdtDTdryCwLJRhlaLWoXUbVw="),
    ("POST", CLOSE, '{"instId":"BTC-USDT-SWAP","productGroup":"SwapU"}', "IO5rnPH2pWlHk93LjuhhAwPPQod0LOEqOXiQSK9iilw="),
    ("GET", POSITIONS, "", "lSk9ppS4T6yh3hdCkKQDN1gDEZTBLrjHdI7hxrqFSho="),
    ("GET", POSITIONS + "&instId=BTC-USDT-SWAP", "", "R44X4ADTofopEpSKD+Wc937errT/hBICP7IT4vj1RZU="),
]


@pytest.mark.parametrize(("method", "path", "body", "signature"), VECTORS)
def test_a_signature_equals_the_vector_computed_elsewhere(method: str, path: str, body: str, signature: str) -> None:
    """The same bytes in another order or spacing sign differently, so each spelling has its own vector."""
    assert sign(SECRET, TIMESTAMP, method, path, body) == signature


def test_the_method_is_signed_in_upper_case() -> None:
    """The exchange signs the upper-case verb whatever the caller wrote."""
    assert sign(SECRET, TIMESTAMP, "get", POSITIONS) == sign(SECRET, TIMESTAMP, "GET", POSITIONS)


@pytest.mark.parametrize(
    ("microsecond", "milliseconds"),
    [(0, "000"), (7, "000"), (999, "000"), (1000, "001"), (42_999, "042"), (999_999, "999")],
)
def test_a_timestamp_always_has_three_digits_of_milliseconds(microsecond: int, milliseconds: str) -> None:
    """A plain ISO format drops the fraction on a whole second, and a rounded one could be ahead of the clock."""
    instant = datetime(2026, 1, 2, 3, 4, 5, microsecond, tzinfo=UTC)
    assert format_timestamp(instant) == f"2026-01-02T03:04:05.{milliseconds}Z"


def test_a_timestamp_is_utc_whatever_the_desks_timezone() -> None:
    """A desk's local time would be hours outside the exchange's window."""
    local = datetime(2026, 1, 2, 11, 4, 5, 678_000, tzinfo=timezone(timedelta(hours=8)))
    assert format_timestamp(local) == TIMESTAMP


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis takes naive bounds
def test_a_timestamp_reads_back_as_the_same_instant_cut_to_milliseconds(instant: datetime) -> None:
    """Nothing but the digits below a millisecond may get lost."""
    text = format_timestamp(instant)
    assert len(text) == len(TIMESTAMP)
    assert datetime.fromisoformat(text) == instant - timedelta(microseconds=instant.microsecond % 1000)
