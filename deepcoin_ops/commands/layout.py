"""How what the command line prints looks: text without surprises, tables, colours. It knows nothing of the content.

Text that came from elsewhere goes through `plain`, so that no error message of an exchange can steer a terminal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from deepcoin_ops.domain.model import Outcome, Verdict

GOOD, DOUBTFUL, BAD = "green", "yellow", "bold red"
STYLES = {
    Outcome.ACCEPTED: GOOD,
    Outcome.PARTIAL: BAD,
    Outcome.REFUSED: DOUBTFUL,
    Outcome.NOT_SENT: DOUBTFUL,
    Outcome.UNKNOWN: BAD,
    Verdict.ALREADY_FLAT: GOOD,
    Verdict.FLAT: GOOD,
    Verdict.RESIDUAL: BAD,
    Verdict.RESTING_ORDER_LEFT: BAD,
    Verdict.UNVERIFIED: BAD,
}
_MOST_NAMES = 3
_LONG_TEXTS = ("", "attempts", "reason", "message", "concerns", "instruments")


def plain(text: str, style: str = "") -> Text:
    """Text as it is: no markup, no control character but the line feed."""
    return Text("".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text), style)


def build_table(title: str, *headers: str, right: Sequence[str] = ()) -> Table:
    """An empty table; the columns named in `right` hold numbers."""
    table = Table(title=plain(title), title_justify="left")
    for header in headers:
        # In a narrow window the long texts give way; an id stays in one piece.
        is_long = header in _LONG_TEXTS
        table.add_column(header, justify="right" if header in right else "left", overflow="fold", no_wrap=not is_long)
    return table


def add_row(table: Table, *cells: str) -> None:
    """Append a row of plain texts."""
    table.add_row(*map(plain, cells))


def build_notices(title: str, notices: Mapping[str, str]) -> list[RenderableType]:
    """Names with something to say about each, as a table; none when there are none."""
    table = build_table(title, "", "")
    table.show_header = False
    for name, text in notices.items():
        add_row(table, name, text)
    return [table] if notices else []


def describe_amount(quantity: Decimal | None) -> str:
    """A size for a person."""
    return "unknown" if quantity is None else f"{quantity.normalize():f}"


def describe_instant(moment: datetime) -> str:
    """A moment for a person."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def describe_names(names: Sequence[str]) -> str:
    """The first few of some names, and how many more there are."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
