"""What a page says of itself to programs, in its meta elements, and how that is read back. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser

from deepcoin_ops.domain.table_head import TableHead

_HEAD, _HEADLINE, _BREAKS = "deepcoin_ops.ledger_head", "deepcoin_ops.headline", "deepcoin_ops.breaks"


@dataclass(frozen=True)
class PageFacts:
    """The ledger head that a page was built from, its headline, and how many breaks it tells."""

    head: TableHead
    headline: str
    breaks: int

    def to_metas(self) -> dict[str, str]:
        """Names and contents of the page's meta elements."""
        return {_HEAD: self.head.to_json(), _HEADLINE: self.headline, _BREAKS: str(self.breaks)}

    @classmethod
    def from_page(cls, page: str) -> PageFacts:
        """Read them back.

        Raises:
            ValueError: It is no page of a report, or not a whole one.
        """
        reader = _PageReader()
        reader.feed(page)
        reader.close()
        if not reader.is_whole:
            raise ValueError("the page does not end")
        try:
            return cls(TableHead.from_json(reader.metas[_HEAD]), reader.metas[_HEADLINE], int(reader.metas[_BREAKS]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is no page of a report: {error!r}") from error


class _PageReader(HTMLParser):
    """Gathers the meta elements, and whether the page ends as a whole one does."""

    def __init__(self) -> None:
        super().__init__()
        self.metas: dict[str, str] = {}
        self.is_whole = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a named meta element, the first of its name."""
        given = dict(attrs)
        if tag == "meta" and (name := given.get("name")):
            self.metas.setdefault(name, given.get("content") or "")

    def handle_endtag(self, tag: str) -> None:
        """The page is whole once its outermost element has ended."""
        self.is_whole = self.is_whole or tag == "html"
