"""What each code proves and means: the allowlist of refusals, row by row, and that nothing else is on it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcoin_ops.domain.error_codes import explain_code, refusal_of
from deepcoin_ops.domain.model import Refusal

FATAL_CODES = [code for code in range(50_100, 50_116) if code not in (50_102, 50_112)]


@pytest.mark.parametrize("code", FATAL_CODES)
@pytest.mark.parametrize("http_status", [400, 401, 405])
def test_an_authentication_code_is_fatal(code: int, http_status: int) -> None:
    """Key, signature, address and permission do not mend themselves between two rounds."""
    assert refusal_of(http_status, str(code), is_data_null=False) is Refusal.FATAL


@pytest.mark.parametrize("code", ["50102", "50112"])
def test_a_timestamp_code_asks_for_a_correction(code: str) -> None:
    """A clock can be corrected once, so a run does not end for it."""
    assert refusal_of(401, code, is_data_null=False) is Refusal.TIMESTAMP


def test_401_with_50000_is_throttling() -> None:
    """The status is the one of a wrong key; only the code says that it is the rate limit."""
    assert refusal_of(401, "50000", is_data_null=False) is Refusal.THROTTLED
    assert refusal_of(401, "50000", is_data_null=True) is Refusal.THROTTLED


@pytest.mark.parametrize("code", ["50", "51"])
def test_a_parameter_code_is_a_refusal_only_with_null_data(code: str) -> None:
    """Null data was seen with it; an answer with anything else in it may have done something."""
    assert refusal_of(200, code, is_data_null=True) is Refusal.PARAMETER
    assert refusal_of(200, code, is_data_null=False) is None
    assert refusal_of(400, code, is_data_null=True) is None


@pytest.mark.parametrize(
    ("http_status", "code"),
    [
        (401, ""),
        (401, "0"),
        (401, "50099"),
        (401, "50116"),
        (401, "50118"),
        (429, "50000"),
        (200, "50000"),
        (403, "50110"),
        (500, "50111"),
        (200, "50111"),
        (401, "51"),
        (401, "-50111"),
        (401, "50111.0"),
        (401, "5011"),
        (401, "501110"),
    ],
)
def test_what_is_not_on_the_list_proves_nothing(http_status: int, code: str) -> None:
    """Neighbours of the list in status and code, each tempting."""
    assert refusal_of(http_status, code, is_data_null=True) is None


@given(st.integers(100, 599), st.integers(0, 10**9), st.booleans())
def test_the_list_is_closed(http_status: int, code: int, is_data_null: bool) -> None:
    """Whatever comes, a refusal is one of four kinds of answer."""
    refusal = refusal_of(http_status, str(code), is_data_null=is_data_null)
    if refusal is not None:
        assert (http_status, code) == (401, 50_000) or (
            (http_status in (400, 401, 405) and 50_100 <= code <= 50_115)
            or (http_status == 200 and code in (50, 51) and is_data_null)
        )


@pytest.mark.parametrize(
    "code",
    [
        "50000",
        *map(str, range(50_100, 50_116)),
        "50",
        "51",
        "51020",
        "51008",
        "51404",
        "24",
        "51400",
        "51401",
        "1033201232",
        "14",
        "31",
        "36",
        "44",
        "193",
        "194",
        "195",
    ],
)
def test_a_known_code_has_meaning_advice_and_source(code: str) -> None:
    """An operator reads these in the middle of the night; "observed" warns that no page stands behind it."""
    explained = explain_code(code)
    assert explained.source in {"codes page", "close page", "by-ids page", "cancel pages", "observed"}
    assert explained.meaning.endswith(".")
    assert explained.advice.endswith(".")


@pytest.mark.parametrize("code", ["", "99999", "InvalidInstrumentStatus", "0051020"])
def test_an_unlisted_code_says_that_it_is_unlisted(code: str) -> None:
    """A guess at its meaning would be worse than sending a person to look."""
    assert explain_code(code).source == "none"
