"""What a page says of itself: it comes back as it was, and a page that is not whole says nothing."""

from __future__ import annotations

import pytest
from markupsafe import escape

from deepcoin_ops.domain.table_head import TableHead
from deepcoin_ops.reporting.facts import PageFacts

FACTS = PageFacts(TableHead("ledger", 7, {"main": "ab", "hedge": "cd"}), 'NOT FLAT: "main" <3 USDT left> & so on.', 3)


def build_page(metas: dict[str, str]) -> str:
    """A page of nothing but its meta elements."""
    elements = "".join(f'<meta name="{name}" content="{escape(content)}">' for name, content in metas.items())
    return f"<!doctype html><html><head>{elements}</head><body></body></html>"


def test_the_facts_come_back_as_they_were() -> None:
    """The head decides whether a page may be replaced; quotes and brackets in a headline must not break it."""
    assert PageFacts.from_page(build_page(FACTS.to_metas())) == FACTS


@pytest.mark.parametrize(
    "page",
    [
        "",
        "no page",
        build_page(FACTS.to_metas())[:-8],
        build_page({}),
        build_page(FACTS.to_metas() | {"deepcoin_ops.ledger_head": "{}"}),
        build_page(FACTS.to_metas() | {"deepcoin_ops.ledger_head": "[1]"}),
        build_page(FACTS.to_metas() | {"deepcoin_ops.breaks": "many"}),
    ],
)
def test_what_is_no_whole_page_of_a_report_is_refused(page: str) -> None:
    """A torn copy must be built anew, and not be kept for a head that it may not have."""
    with pytest.raises(ValueError):  # noqa: PT011 - what is wrong is told in many words
        PageFacts.from_page(page)


def test_a_meta_element_in_the_text_does_not_count() -> None:
    """The first one of a name counts, and those of the page come before anything from outside."""
    page = build_page(FACTS.to_metas()).replace("<body>", '<body><meta name="deepcoin_ops.breaks" content="99">')
    assert PageFacts.from_page(page).breaks == FACTS.breaks
