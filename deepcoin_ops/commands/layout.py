"""How what the command line prints looks: text without surprises, tables, colours. It knows nothing of the content.

Text that came from elsewhere goes through `plain` or `build_cell`, so that no error message of an exchange can steer a
terminal or fill it; how it is shown is decided in `domain.showing`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from deepcoin_ops.domain.model import Outcome, Verdict
from deepcoin_ops.domain.showing import CELL, MESSAGE, show_figure, show_text

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
_MOST_ROWS = 300
_LONG_TEXTS = ("", "attempts", "reason", "message", "concerns", "instruments")
_LEAST_FOR_A_TEXT = 16


class FittingTable(Table):
    """A table whose figures and ids stay in one piece: where the window is too narrow for it, each row is a block of lines.

    It shows its first 300 rows and says how many more there are.
    """

    left_out = 0

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """Append a row."""
        if self.row_count < _MOST_ROWS:
            super().add_row(*cells, **options)
        else:
            self.left_out += 1

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._measure_needed(console, options) <= options.max_width:
            yield from super().__rich_console__(console, options)
        else:
            yield from self._build_blocks()
        if self.left_out:
            yield plain(f"... and {self.left_out:,} more; --json has them all")

    def _measure_needed(self, console: Console, options: ConsoleOptions) -> int:
        """The least width in which no figure and no id is parted."""
        needed = 1
        for column in self.columns:
            shown = [column.header, *column.cells] if self.show_header else [*column.cells]
            widest = max((Measurement.get(console, options, cell).maximum for cell in shown), default=0)
            needed += 3 + (widest if column.no_wrap else min(widest, _LEAST_FOR_A_TEXT))
        return needed

    def _build_blocks(self) -> Iterator[RenderableType]:
        if self.title:
            yield Text.assemble((str(self.title), "italic"))
        headers = [str(column.header) if self.show_header else "" for column in self.columns]
        for row in zip(*(column.cells for column in self.columns), strict=True):
            for header, cell in zip(headers, row, strict=True):
                text = cell if isinstance(cell, Text) else plain(str(cell))
                if text.plain:
                    yield Text.assemble(f"{header}: " if header else "", text, overflow="fold")
            yield Text()


def plain(text: str, style: str = "", *, keeps_lines: bool = False) -> Text:
    """A message as it is shown: no markup, bounded; line feeds stay only where they are ours."""
    return Text(show_text(text, MESSAGE, keeps_lines=keeps_lines), style, overflow="fold")


def build_cell(text: str, style: str = "") -> Text:
    """A text as a cell shows it; the tables of the day have all of it."""
    return Text(show_text(text, CELL), style, overflow="fold")


def build_table(title: str, *headers: str, right: Sequence[str] = ()) -> FittingTable:
    """An empty table; the columns named in `right` hold numbers."""
    table = FittingTable(title=plain(title), title_justify="left")
    for header in headers:
        # In a narrow window the long texts give way; an id stays in one piece.
        is_long = header in _LONG_TEXTS
        table.add_column(header, justify="right" if header in right else "left", overflow="fold", no_wrap=not is_long)
    return table


def add_row(table: FittingTable, *cells: str) -> None:
    """Append a row of texts."""
    table.add_row(*map(build_cell, cells))


def build_facts(facts: Mapping[str, str]) -> Table:
    """Names with their values, a line for each; a value that is too long goes on in the next line."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts.items():
        grid.add_row(name, plain(value))
    return grid


def build_notices(title: str, notices: Mapping[str, str]) -> list[RenderableType]:
    """Names with something to say about each, as a table; none when there are none."""
    table = build_table(title, "", "")
    table.show_header = False
    for name, text in notices.items():
        table.add_row(build_cell(name), plain(text))
    return [table] if notices else []


def describe_amount(quantity: Decimal | None) -> str:
    """A size for a person."""
    return show_figure(quantity)


def describe_instant(moment: datetime) -> str:
    """A moment for a person."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def describe_names(names: Sequence[str]) -> str:
    """The first few of some names, and how many more there are."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
