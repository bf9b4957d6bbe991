"""Numbers for people: missing is said, and little is not called nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from deepcoin_ops.reporting.words import format_age, format_count, format_moment, format_seconds, format_size, format_usdt


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (None, "not known"),
        (Decimal(0), "0"),
        (Decimal("0.4"), "<1"),
        (Decimal("1234567.6"), "1,234,568"),
        (Decimal("999.5"), "1,000"),
    ],
)
def test_money_is_whole_and_less_than_one_is_not_nothing(amount: Decimal | None, shown: str) -> None:
    """0.4 USDT left shown as 0 would be read as flat."""
    assert format_usdt(amount) == shown


@pytest.mark.parametrize(
    ("quantity", "shown"),
    [(None, "not known"), (Decimal("0E-18"), "0"), (Decimal("200.700000"), "200.7"), (Decimal("1E+3"), "1,000")],
)
def test_a_size_keeps_every_digit_and_no_exponent(quantity: Decimal | None, shown: str) -> None:
    """A size is copied into an order by hand."""
    assert format_size(quantity) == shown


@pytest.mark.parametrize(
    ("age_s", "shown"),
    [
        (None, "not known"),
        (12.4, "12 s"),
        (300.0, "5 min"),
        (3 * 3600 + 120.0, "3 h 2 min"),
        (9 * 86400 + 7200.0, "9 d 2 h"),
    ],
)
def test_an_age_is_told_in_its_two_largest_units(age_s: float | None, shown: str) -> None:
    """Nobody divides seconds by 86,400 in the morning."""
    assert format_age(age_s) == shown


def test_a_moment_is_in_the_desks_timezone_and_names_it() -> None:
    """A time without its zone is a wrong time for somebody; the name changes with the clock."""
    assert format_moment(datetime(2026, 3, 8, 21, 30, tzinfo=UTC), "America/New_York") == "2026-03-08 17:30:00 EDT"
    assert format_moment(datetime(2026, 3, 6, 21, 30, tzinfo=UTC), "America/New_York") == "2026-03-06 16:30:00 EST"
    assert format_moment(None, "UTC") == "not known"


def test_what_never_came_is_said_in_the_words_of_its_place() -> None:
    """A proof that never came, and a duration nobody knows, are two things."""
    assert format_seconds(1234.56) == "1,234.6 s"
    assert (format_seconds(None), format_seconds(None, "not known")) == ("never", "not known")
    assert (format_count(1, "break"), format_count(0, "break")) == ("1 break", "0 breaks")
