"""How foreign text and figures are shown: nothing hides in them, nothing fills the page, no digit is lost."""

from __future__ import annotations

import unicodedata
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcoin_ops.domain.showing import CELL, show_figure, show_text, show_usdt

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u3164\u115f\u2800\ufe0f\U000e0041\u034f\u00a0\u2028\x00\x1b\x7f\x9b\t\r"


@pytest.mark.parametrize("letter", [*BIDI, *UNSEEN], ids=lambda letter: f"U+{ord(letter):04X}")
def test_a_letter_that_shows_nothing_or_moves_others_is_marked(letter: str) -> None:
    """U+202E in an instrument id turned the rest of a report's line around."""
    assert show_text(f"BTC{letter}-USDT") == f"BTC<U+{ord(letter):04X}>-USDT"


@given(st.text(st.characters(codec=None)))
def test_what_is_shown_is_printable_and_says_the_same(text: str) -> None:
    """Whatever an exchange sends: each letter stands as itself or as its number."""
    shown = show_text(text)
    assert shown.isprintable()
    assert not {unicodedata.category(letter) for letter in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    if text.isascii() and text.isprintable():
        assert shown == text


def test_line_feeds_stay_only_where_they_are_ours() -> None:
    """A message with a line feed could otherwise add a line that says FLAT."""
    assert show_text("a\nFLAT") == "a<U+000A>FLAT"
    assert show_text("a\nb\tc", keeps_lines=True) == "a\nb<U+0009>c"


def test_a_long_text_is_cut_with_a_note_of_its_length() -> None:
    """A message of a million letters made a preview of 23 MB."""
    assert show_text("x" * CELL, CELL) == "x" * CELL
    assert show_text("x" * 1_000_000, CELL) == "x" * CELL + " [cut: 1,000,000 letters in all]"
    assert len(show_text("\u202e" * 1_000_000, CELL)) < 10 * CELL


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (None, "unknown"),
        (Decimal(0), "0"),
        (Decimal("0E-18"), "0"),
        (Decimal("0E+400"), "0"),
        (Decimal("123456.7"), "123,456.7"),
        (Decimal("1234567.800"), "1,234,567.8"),
        (Decimal("-1E+3"), "-1,000"),
        (Decimal("1E-18"), "0.000000000000000001"),
        (Decimal("12345678901234567890.123456789012345678"), "12,345,678,901,234,567,890.123456789012345678"),
        (Decimal("1.7976931348623157e+308"), "1.7976931348623157E+308"),
        (Decimal("1E-400"), "1E-400"),
        (Decimal("NaN"), "NaN"),
        (Decimal("-Infinity"), "-Infinity"),
        (1234567, "1,234,567"),
        (29959.301, "29,959.301"),
        (1e300, "1E+300"),
    ],
)
def test_a_figure_has_every_digit_and_its_thousands_separated(number: Decimal | None, shown: str) -> None:
    """123456.7 stood in the page as 123457, and 1234567.8 as 1.23457e+06."""
    assert show_figure(number) == shown


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_figure_that_is_not_shown_about_is_exact(number: Decimal) -> None:
    """Whatever the context's precision is; a size is copied into an order by hand."""
    with localcontext(prec=2):
        shown = show_figure(number)
    assert len(shown) < 200
    if not shown.startswith("about"):
        assert Decimal(shown.replace(",", "")) == number


def test_a_number_of_a_million_digits_is_shown_about() -> None:
    """It was never a size."""
    assert show_figure(Decimal("1." + "7" * 1_000_000)) == "about 1.77777777777777777778E+0"


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("0", "0"), ("0.4", "<1"), ("1234567.6", "1,234,568"), ("1.7976931348623157e+308", "1.7976931348623157E+308")],
)
def test_a_value_is_whole_usdt_of_any_size(amount: str, shown: str) -> None:
    """What is left is never called nothing, and a number out of all proportion does not fill the line."""
    assert show_usdt(Decimal(amount)) == shown
