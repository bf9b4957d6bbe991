"""What Dagster's page gets of foreign texts and figures: rows stay rows, and the event log stays small."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import dagster as dg
import pandas as pd
import pytest
from account_days import build_attempt, build_item

from deepcoin_ops.domain.day_frames import build_close_errors
from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.tables import CLOSE_ERRORS
from deepcoin_ops.orchestration.failures import guarded
from deepcoin_ops.orchestration.shown import build_failure, build_frame_markdown, build_markdown, show_metadata

DAY = "2026-03-08"
ODD_MESSAGES = [
    "a | b | c",
    "x\ny",
    "x" * 1_000_000,
    "<img src=x onerror=alert(1)>",
    "[click](http://127.0.0.1)",
    "\u202eTDSU",
    r"back\slash | end\\",
    "**bold** `code` _em_ ~~gone~~",
]


def read_cells(markdown: str) -> list[list[str]]:
    """The cells of a Markdown table as a reader of it sees them."""
    lines = [line for line in markdown.splitlines() if not re.fullmatch(r"\|[-:|]+\|", line)]
    parted = [re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1] for line in lines]
    return [[re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", cell.strip()) for cell in row] for row in parted]


def test_sizes_and_values_stand_as_they_are_and_on_the_right() -> None:
    """A size of 123456.7 stood as 123457, one of 1234567.8 as 1.23457e+06, a value of 408694123.4 as 4.08694e+08."""
    frame = pd.DataFrame(
        {
            "instrument": ["BTC-USDT-SWAP", "ETH-USDT-SWAP"],
            "size": [Decimal("123456.7"), Decimal("1234567.800")],
            "notional": [Decimal("408694123.4"), None],
            "seconds": [1.25, 1234567.5],
        }
    )
    shown = build_frame_markdown(frame, 20).value or ""
    assert read_cells(shown)[1:] == [
        ["BTC-USDT-SWAP", "123,456.7", "408,694,123.4", "1.25"],
        ["ETH-USDT-SWAP", "1,234,567.8", "–", "1,234,567.5"],
    ]
    assert re.fullmatch(r"\|:-+\|-+:\|-+:\|-+:\|", shown.splitlines()[1])


@pytest.mark.parametrize("message", ODD_MESSAGES, ids=lambda message: ascii(message)[:20])
def test_an_odd_message_stays_in_its_cell(message: str) -> None:
    """A line feed or a bar in an error message moved every column after it, and HTML would be HTML."""
    frame = build_close_errors(DAY, [build_attempt(items=[build_item()])])
    frame["error_message"] = message
    shown = build_frame_markdown(frame[list(CLOSE_ERRORS.preview)], 20).value or ""
    head, row = read_cells(shown)
    assert len(head) == len(row) == len(CLOSE_ERRORS.preview)
    assert len(shown) < 5_000
    assert shown.replace("\n", "").isprintable()
    assert not re.search(r"(?<!\\)[<\[`*]", shown)
    if len(message) < 100:
        expected = message.replace("\n", "<U+000A>").replace("\u202e", "<U+202E>")
        assert row[head.index("error_message")] == expected


def test_no_rows_are_said_in_words() -> None:
    """An empty table would read as one that could not be shown."""
    assert build_markdown([], "nothing").value == "nothing"


def test_texts_in_metadata_are_marked_and_bounded_at_any_depth() -> None:
    """Metadata stays in the event log for good."""
    shown = show_metadata(
        {
            "reason": "\u202e" + "x" * 1_000_000,
            "unconfigured": {"\u202eID": "long 7\nshort 8"},
            "ticks": ["late"] * 1000,
            "sends": 3,
            "table": dg.MetadataValue.md("| a |"),
            "accounts": {str(number): "FLAT" for number in range(1000)},
        }
    )
    assert shown["reason"].startswith("<U+202E>xxx")
    assert shown["reason"].endswith("[cut: 1,000,001 letters in all]")
    assert shown["unconfigured"] == {"<U+202E>ID": "long 7<U+000A>short 8"}
    assert shown["table"] == dg.MetadataValue.md("| a |")
    assert (shown["ticks"][-1], len(shown["ticks"]), shown["sends"]) == ("and 800 more", 201, 3)
    assert (shown["accounts"]["..."], len(shown["accounts"])) == ("and 800 more", 201)


def test_a_failure_keeps_its_lines_and_not_those_of_a_million_letters() -> None:
    """The page shows the whole description of a failed step, and every run list loads it."""

    def fail() -> Any:
        raise LedgerError("first line\nsecond\u202e " + "x" * 1_000_000)

    with pytest.raises(dg.Failure) as raised:
        guarded(fail)
    for failure in (raised.value, build_failure("first line\nsecond\u202e " + "x" * 1_000_000)):
        assert str(failure.description).startswith("first line\nsecond<U+202E> xxx")
        assert len(str(failure.description)) < 10_000
        assert not failure.allow_retries
