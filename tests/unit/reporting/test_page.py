"""The page: whole in itself, escaped, the same for the same ledger, and it answers before anybody scrolls."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from deepcoin_ops.domain.breaks import BreakType
from deepcoin_ops.domain.tables import CLOSE_ATTEMPTS, CLOSE_ERRORS, FLATTEN_SUMMARY, POSITIONS_AFTER, RECONCILIATION
from deepcoin_ops.reporting.day import DayFrames, list_rows
from deepcoin_ops.reporting.facts import PageFacts
from deepcoin_ops.reporting.page import build_page

NAMES = ["flat", "residual", "twice", "unknown", "nobody", "dry run"]
EMPTY = DayFrames(
    **{
        each.name: each.build([])
        for each in (CLOSE_ATTEMPTS, CLOSE_ERRORS, RECONCILIATION, FLATTEN_SUMMARY, POSITIONS_AFTER)
    }
)
VOID = {"meta", "br", "path", "use", "circle"}


class Outline(HTMLParser):
    """The page's elements with their attributes, its text, and whether each that begins also ends."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.unclosed: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.unclosed.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.unclosed.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        """All text, as one line."""
        return " ".join(" ".join(self.words).split())

    def values(self, *names: str) -> Iterator[str]:
        """The values of all attributes of these names."""
        return (value or "" for _tag, attributes in self.elements for name, value in attributes.items() if name in names)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_ledger_head_gives_the_same_bytes(evenings: Any, name: str) -> None:
    """A page that is built again after a year is the same document."""
    evening = evenings(name)
    assert build_page(evening.day, evening.frames) == build_page(evening.day, evening.frames)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_whole_in_itself(evenings: Any, name: str) -> None:
    """It is sent by mail, opened without a network and printed; nothing may be fetched and nothing may run."""
    evening = evenings(name)
    page = build_page(evening.day, evening.frames)
    outline = Outline(page)
    tags = {tag for tag, _attributes in outline.elements}
    assert not tags & {"script", "link", "img", "iframe", "object", "image", "a", "form"}
    assert all(value.startswith("#") for value in outline.values("href", "xlink:href", "src"))
    assert not re.findall(r"https?://|@import|url\((?!#)", page)
    assert not [
        attribute for _tag, attributes in outline.elements for attribute in attributes if attribute.startswith("on")
    ]
    assert outline.unclosed == []


@pytest.mark.parametrize("name", NAMES)
def test_the_page_has_every_id_once_and_a_viewport(evenings: Any, name: str) -> None:
    """Two pictures on one page must not take each other's parts; without a viewport a phone shows a postage stamp."""
    evening = evenings(name)
    outline = Outline(build_page(evening.day, evening.frames))
    ids = list(outline.values("id"))
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in outline.values("href", "xlink:href")} <= set(ids)
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in outline.elements


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("flat", "FLAT"),
        ("residual", "NOT FLAT, 2 breaks"),
        ("unknown", "NOT PROVEN FLAT, 6 breaks"),
        ("nobody", "NOBODY FLATTENED, 2 breaks"),
        ("dry run", "NOBODY FLATTENED, 2 breaks"),
    ],
)
def test_the_answer_comes_first(evenings: Any, name: str, verdict: str) -> None:
    """Is every account flat: the first words below the day say it, and the meta elements say the same to programs."""
    evening = evenings(name)
    page = build_page(evening.day, evening.frames)
    facts = PageFacts.from_page(page)
    text = Outline(page).text
    assert text.index(verdict) < text.index(facts.headline) < text.index("What broke, and what to do")
    assert facts.head == evening.day.head
    assert facts.breaks == int(evening.frames.reconciliation["is_break"].sum())


def test_a_break_is_told_with_size_value_reason_and_what_to_do(evenings: Any) -> None:
    """Everything that its owner needs stands in one place."""
    evening = evenings("residual")
    text = Outline(build_page(evening.day, evening.frames)).text
    [row] = [row for row in list_rows(evening.frames.reconciliation) if row["break_type"] == BreakType.RESIDUAL_POSITION]
    for told in (row["what_to_do"], row["reason"], "200.7", "66,440", "ETH-USDT-SWAP", "error codes 51020"):
        assert told in text
    assert text.index("RESIDUAL_POSITION") < text.index("UNCONFIGURED_POSITION")


def test_head_hashes_window_evidence_and_the_used_limit_are_on_the_page(evenings: Any) -> None:
    """Whoever doubts the page finds what it stands on."""
    evening = evenings("flat")
    day = replace(evening.day, close_period_s=1.0)
    text = Outline(build_page(day, evening.frames)).text
    assert {*day.head.hashes} == {"main", "hedge"}
    for told in (*day.head.hashes.values(), day.head.ledger_id, "NOT_COLLECTED: nobody asked", "timezone UTC"):
        assert told in text
    assert "one close of each instrument at 1 s per close" in text
    assert "limit 2.0 s" in text  # main's three instruments


def test_words_from_outside_are_text_and_nothing_else(evenings: Any) -> None:
    """Reasons and messages come from an exchange, names of launchers from whoever can launch."""
    evening = evenings("residual")
    evil = "</style><script>alert('1')</script> & \"so\" on"
    frames = replace(
        evening.frames,
        close_errors=evening.frames.close_errors.assign(error_message=evil),
        reconciliation=evening.frames.reconciliation.assign(reason=evil),
        flatten_summary=evening.frames.flatten_summary.assign(launched_by=evil, reason=evil),
    )
    day = replace(evening.day, accounts=tuple(replace(each, evidence=evil) for each in evening.day.accounts))
    outline = Outline(build_page(day, frames))
    assert "script" not in {tag for tag, _attributes in outline.elements}
    assert outline.text.count(evil) >= 5


def test_words_from_outside_are_marked_and_bounded(evenings: Any) -> None:
    """U+202E turned an instrument id around, and a message of a million letters made a page of a megabyte."""
    evening = evenings("residual")
    usual = len(build_page(evening.day, evening.frames))
    odd = "\u202eTDSU-CTB\n" + "x" * 1_000_000
    found = evening.frames.reconciliation
    frames = replace(
        evening.frames,
        close_errors=evening.frames.close_errors.assign(error_message=odd),
        reconciliation=found.assign(reason=odd, instrument_id=found["instrument_id"].where(found["is_break"] == 0, odd)),
        flatten_summary=evening.frames.flatten_summary.assign(launched_by=odd, reason=odd, unconfigured=odd),
    )
    page = build_page(evening.day, frames)
    assert len(page) - usual < 100_000
    assert "\u202e" not in page
    text = Outline(page).text
    assert text.count("<U+202E>TDSU-CTB<U+000A>") >= 5
    assert "[cut: 1,000,010 letters in all]" in text
    altered = replace(evening.day.head, altered={"main": "entry 2\n" + "x" * 5_000})
    assert PageFacts.from_page(build_page(replace(evening.day, head=altered), frames)).head == altered


def test_an_account_whose_sizes_fit_no_cell_has_its_page_and_its_picture(evenings: Any) -> None:
    """A size that is null says that it is not known, and draws nothing that was not."""
    evening = evenings("residual")
    frames = evening.frames
    sizes = dict.fromkeys(("quantity_contracts", "notional_usdt"))
    cases = {
        "close_attempts": CLOSE_ATTEMPTS.from_arrow(CLOSE_ATTEMPTS.to_arrow(frames.close_attempts.assign(**sizes))),
        "positions_after": POSITIONS_AFTER.from_arrow(
            POSITIONS_AFTER.to_arrow(frames.positions_after.assign(quantity_contracts=None))
        ),
    }
    for name, frame in cases.items():
        assert "NOT FLAT" in build_page(evening.day, replace(frames, **{name: frame}))


def test_a_day_without_rows_says_what_that_means(evenings: Any) -> None:
    """An empty page could be read as a clean day."""
    day = evenings("nobody").day
    accounts = tuple(replace(each, due=None) for each in day.accounts)
    text = Outline(build_page(replace(day, accounts=accounts), EMPTY)).text
    assert text.count("NOTHING DUE") >= 3
    for table in (RECONCILIATION, FLATTEN_SUMMARY, CLOSE_ATTEMPTS):
        assert table.zero_rows_mean in text


def test_cancels_and_orders_left_are_told_where_the_closes_are(evenings: Any) -> None:
    """A list that was not read is told as that, and not as a list without orders."""
    evening = evenings("flat")
    read, unread = (
        FLATTEN_SUMMARY.from_arrow(
            FLATTEN_SUMMARY.to_arrow(evening.frames.flatten_summary.assign(cancels=4321, orders_left=n))
        )
        for n in (8765, None)
    )
    told = [Outline(build_page(evening.day, replace(evening.frames, flatten_summary=each))).text for each in (read, unread)]
    assert ["4,321" in text for text in told] == [True, True]
    assert ["8,765" in text for text in told] == [True, False]
    assert ["not read" in text for text in told] == [False, True]


def test_a_killed_flatten_is_told_as_that(evenings: Any) -> None:
    """Without a closing row most of its figures are not known, and none of them is zero."""
    evening = evenings("residual")
    missing = ["closed_at", "result", "sends", "refused_sends", "residual_notional_usdt", "time_to_last_close_s"]
    killed = evening.frames.flatten_summary.assign(**dict.fromkeys([*missing, "time_to_proven_flat_s"], None))
    killed = FLATTEN_SUMMARY.from_arrow(FLATTEN_SUMMARY.to_arrow(killed))
    text = Outline(build_page(evening.day, replace(evening.frames, flatten_summary=killed))).text
    assert "NO CLOSING ROW" in text
    assert "nobody knows how much" in text
