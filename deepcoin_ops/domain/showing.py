"""How text and figures from elsewhere are shown to people: marked, bounded, exact. Pure; the only place that decides it.

A letter that shows nothing, or moves others, stands as its number: `<U+202E>`. A text that is too long ends with a note of
its length. A figure has every digit it has, with thousands separated, and is never cut. What is stored stays whole: only
what is shown goes through here.
"""

from __future__ import annotations

import re
from decimal import Decimal

CELL = 200
"""Letters of one cell of a table."""
MESSAGE = 4000
"""Letters of a message of its own: an error, a line of a log, a paragraph."""

# Letters without a picture that count as printable; the others are found by their category.
# Source: Default_Ignorable_Code_Point of the Unicode Character Database, and the blank Braille pattern.
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
# Further digits would only fill a line: a size or a price has fewer, and what has more is no size.
_MOST_DIGITS = 60


def show_text(text: str, most: int = MESSAGE, *, keeps_lines: bool = False) -> str:
    """Build what is shown of a text.

    Args:
        text: The text, from wherever it came.
        most: How many of its letters are shown; a note with the full length follows where there are more.
        keeps_lines: Whether its line feeds stay; true only for texts whose lines are ours.
    """
    shown = _mark(text[:most], keeps_lines=keeps_lines)
    return shown if len(text) <= most else f"{shown} [cut: {len(text):,} letters in all]"


def show_figure(value: Decimal | int | float | None, missing: str = "unknown") -> str:
    """Build what is shown of a figure: every digit, thousands separated, no zeros at the end of a fraction.

    One that needs more than 60 places has its power of ten beside it, and is still exact. One that has more than 120 digits
    is said to be shown only about.
    """
    if value is None:
        return missing
    if isinstance(value, float):
        # A column's own kind of float names its type in its repr.
        number = Decimal(repr(float(value)))
    else:
        number = value if isinstance(value, Decimal) else Decimal(int(value))
    if not number.is_finite():
        return str(number)
    if not number:
        return "0"
    is_plain = abs(number.adjusted()) <= _MOST_DIGITS
    digits, _e, power = f"{number:,f}".partition("E") if is_plain else f"{number:E}".partition("E")
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    if len(digits) <= 2 * _MOST_DIGITS:
        return f"{digits}E{power}" if power else digits
    # What has so many digits was never a size; its beginning and its power of ten are all that a person can use.
    return f"about {number:.20E}"


def show_usdt(amount: Decimal) -> str:
    """Build what is shown of a value in USDT: whole ones, thousands separated; what is not nothing is not called so."""
    if not amount.is_finite() or amount.adjusted() > _MOST_DIGITS:
        return show_figure(amount)
    return "<1" if 0 < amount < 1 else f"{amount:,.0f}"


def _mark(text: str, *, keeps_lines: bool) -> str:
    if text.isprintable() and not _BLANK.search(text):
        return text
    return "".join(letter if _is_shown(letter, keeps_lines) else f"<U+{ord(letter):04X}>" for letter in text)


def _is_shown(letter: str, keeps_lines: bool) -> bool:
    if letter == "\n":
        return keeps_lines
    return letter.isprintable() and not _BLANK.match(letter)
