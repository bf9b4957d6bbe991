"""What Dagster's page shows of texts and figures from elsewhere: Markdown tables, metadata, failures. Decides nothing.

How a text or a figure is shown is in `domain.showing`; here it is fitted to Markdown and to Dagster's values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from numbers import Real
from typing import Any

import dagster as dg
import pandas as pd

from deepcoin_ops.domain.showing import CELL, show_figure, show_text
from deepcoin_ops.reporting.day import list_rows

_MOST_ITEMS = 200
_MISSING = "–"
# What Markdown reads as something else than itself in a cell; an underscore inside a word is none.
_SIGNS = re.compile(r"[\\`*\[\]<>|~&$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def build_markdown(rows: Sequence[Mapping[str, Any]], nothing: str) -> dg.MarkdownMetadataValue:
    """A table of rows with the same columns; figures stand on the right. Without rows it is the text `nothing`."""
    if not rows:
        return dg.MetadataValue.md(nothing)
    right = {name for name in rows[0] if all(_is_figure(row[name]) for row in rows if row[name] is not None)}
    cells = pd.DataFrame([{name: _show_cell(value) for name, value in row.items()} for row in rows])
    sides = ["right" if name in right else "left" for name in rows[0]]
    return dg.MetadataValue.md(cells.to_markdown(index=False, colalign=sides, disable_numparse=True))


def build_frame_markdown(frame: pd.DataFrame, most_rows: int) -> dg.MarkdownMetadataValue:
    """The first rows of a frame as a table."""
    return build_markdown(list_rows(frame.head(most_rows)), "no rows")


def show_paragraph(text: str) -> str:
    """A text as a paragraph of Markdown that says it and nothing else."""
    return _escape(show_text(text))


def show_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata with every text in it as it is shown, in lists and dictionaries too; typed values stay as they are."""
    return {name: _show_value(value) for name, value in metadata.items()}


def build_failure(message: str, metadata: Mapping[str, Any] | None = None) -> dg.Failure:
    """A failure that is never retried, with its message as it is shown."""
    return dg.Failure(show_text(message, keeps_lines=True), metadata=show_metadata(metadata or {}), allow_retries=False)


def _show_value(value: Any) -> Any:
    if isinstance(value, str):
        return show_text(value)
    if isinstance(value, Mapping):
        shown = {show_text(str(name), CELL): _show_value(item) for name, item in [*value.items()][:_MOST_ITEMS]}
        return {**shown, **({"...": f"and {len(value) - _MOST_ITEMS:,} more"} if len(value) > _MOST_ITEMS else {})}
    # Dagster's own values are tuples too.
    if isinstance(value, list | tuple) and not isinstance(value, dg.MetadataValue):
        more = [f"and {len(value) - _MOST_ITEMS:,} more"] if len(value) > _MOST_ITEMS else []
        return [*(_show_value(item) for item in value[:_MOST_ITEMS]), *more]
    return value


def _is_figure(value: Any) -> bool:
    return isinstance(value, Real | Decimal) and not isinstance(value, bool)


def _show_cell(value: Any) -> str:
    if value is None:
        return _MISSING
    return show_figure(value) if _is_figure(value) else _escape(show_text(str(value), CELL))


def _escape(text: str) -> str:
    return _SIGNS.sub(lambda sign: "\\" + sign.group(), text)
