"""Records to rows and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcoin_ops.domain.model import RawAnswer, Verdict
from deepcoin_ops.ledger.rows import build_raw_row, build_record, build_row, build_stored, build_utc_text


@dataclass(frozen=True)
class Sample:
    amount: Decimal | None
    at: datetime | None
    is_it: bool | None
    verdict: Verdict
    names: tuple[str, ...]
    sizes: Mapping[str, str]
    duration_s: float | None
    text: str


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))


@given(
    st.builds(
        Sample,
        amount=st.none() | st.decimals(allow_nan=False, allow_infinity=False, places=12),
        at=st.none() | st.datetimes(min_value=datetime(1, 1, 2), timezones=st.just(UTC)),  # noqa: DTZ001
        is_it=st.none() | st.booleans(),
        verdict=st.sampled_from(Verdict),
        names=st.lists(texts).map(tuple),
        sizes=st.dictionaries(texts, texts),
        duration_s=st.none() | st.floats(allow_nan=False, allow_infinity=False),
        text=texts,
    )
)
def test_a_record_comes_back_from_its_row_as_it_was(sample: Sample) -> None:
    """A record read from the ledger has to be the record that was written, or reports are about something else."""
    assert build_record(Sample, build_row(sample)) == sample


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (Decimal("1E+3"), "1000"),
        (Decimal("1E-8"), "0.00000001"),
        (Decimal("12.500"), "12.500"),
        (True, 1),
        (Verdict.FLAT, "FLAT"),
        (("b", "a"), '["b", "a"]'),
        (float("nan"), None),
        (float("inf"), None),
    ],
)
def test_a_value_is_stored_in_a_form_that_every_database_takes(value: object, stored: object) -> None:
    """Exponents, booleans and not-a-number are where databases differ."""
    assert build_stored(value) == stored


def test_the_order_of_stored_instants_is_the_order_of_instants() -> None:
    """Stored instants are compared as text, so that a zone or a missing microsecond must not change their order."""
    instants = [
        datetime(2026, 3, 1, 8, 0, tzinfo=timezone(timedelta(hours=9))),
        datetime(2026, 2, 28, 23, 0, 0, 1, tzinfo=UTC),
        datetime(2026, 2, 28, 20, 0, tzinfo=timezone(timedelta(hours=-5))),
    ]
    stored = [build_utc_text(instant) for instant in instants]
    assert sorted(stored) == stored
    assert {len(text) for text in stored} == {32}


def test_an_instant_without_timezone_is_not_guessed_at() -> None:
    """A naive time would be stored as somebody's local time and read as UTC."""
    with pytest.raises(ValueError, match="no timezone"):
        build_stored(datetime(2026, 3, 1))  # noqa: DTZ001 - the mistake is the subject


def test_a_kind_of_value_the_ledger_does_not_know_is_refused() -> None:
    """Its repr would be stored otherwise, and nobody could read it back."""
    with pytest.raises(TypeError, match="set"):
        build_stored({"a"})


def test_half_a_surrogate_pair_in_a_message_does_not_cost_the_record() -> None:
    """JSON may escape one, and binding it as text raises: the outcome of a send would be lost over a message."""
    assert build_stored("a\ud800b\x00c") == "a\\ud800b\\x00c"


def test_a_truncated_body_says_so_and_keeps_its_received_length() -> None:
    """The hash is over what was kept; the length is of what came."""
    row = build_raw_row(RawAnswer(http_status=None, body=b"begin", length=9_000_000, is_truncated=True))
    assert (row["http_status"], row["body_length"], row["is_body_truncated"]) == (None, 9_000_000, 1)
