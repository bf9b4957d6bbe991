"""How a cell is written for people: in a CSV that a spreadsheet opens, and in Dagster's page. Pure.

Texts in the tables come from an exchange. A spreadsheet runs what begins with `=`, and Markdown parts what holds a `|`.
"""

from __future__ import annotations

import re
from decimal import Decimal

MOST_LETTERS = 200
# A cell of a spreadsheet holds 32,767; the Parquet file has all of a longer text.
MOST_LETTERS_IN_CSV = 30_000

# Source: OWASP, CSV injection; a spreadsheet also takes the wide forms of the signs, and skips blanks before them.
_STARTS_A_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_MARKDOWN = re.compile(r"[\\`*\[\]<>|~&]")


def write_csv_text(text: str) -> str:
    """A text that a spreadsheet shows and does not run: an apostrophe goes before what it would take for a formula."""
    is_run = _STARTS_A_FORMULA.match(text) and not _NUMBER.fullmatch(text)
    return ("'" if is_run else "") + _show(text, MOST_LETTERS_IN_CSV)


def write_figure(value: Decimal, *, separator: str = "") -> str:
    """A decimal with every digit it has, without the zeros at its end, and never as a float."""
    text = f"{value:{separator}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def write_markdown(value: object) -> str:
    """A value in a cell of a Markdown table: figures with thousands separated, texts bounded, on one line, as they are."""
    if isinstance(value, Decimal):
        return write_figure(value, separator=",")
    return _MARKDOWN.sub(lambda sign: "\\" + sign.group(), _show(str(value), MOST_LETTERS))


def _show(text: str, most: int) -> str:
    """A text on one line, so long at most; a letter that shows nothing, or turns others around, stands as its number."""
    shown = "".join(letter if letter.isprintable() else f"<U+{ord(letter):04X}>" for letter in text[:most])
    return shown if len(text) <= most else f"{shown} [cut: {len(text):,} letters in all]"
