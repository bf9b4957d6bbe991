"""The reports on disk: the same rule as for the tables, with the head read back from the page itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from markupsafe import escape

from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.table_head import TableHead
from deepcoin_ops.orchestration.reports import ReportStore
from deepcoin_ops.reporting.facts import PageFacts

DAY = "2026-03-08"
OLD, NEW = TableHead("ledger", 3, {"main": "aa"}), TableHead("ledger", 7, {"main": "bb"})


def build_page(head: TableHead, headline: str = "FLAT: main. No break.") -> str:
    """A page with facts and nothing else."""
    metas = PageFacts(head, headline, 0).to_metas()
    elements = "".join(f'<meta name="{name}" content="{escape(content)}">' for name, content in metas.items())
    return f"<!doctype html><html><head>{elements}</head></html>"


@pytest.fixture
def store(tmp_path: Path) -> ReportStore:
    """An empty store."""
    return ReportStore(str(tmp_path / "tables"), tmp_path / "locks")


def test_a_page_lies_beside_the_tables_and_comes_back(store: ReportStore, tmp_path: Path) -> None:
    """Whoever knows where the tables are finds it."""
    written = store.write(DAY, build_page(NEW))
    assert Path(written.path) == tmp_path / "tables" / "flatten_report" / f"{DAY}.html"
    assert Path(written.path).read_text() == build_page(NEW)
    stored = store.read(DAY)
    assert stored is not None
    assert (written.is_kept, stored.facts, stored.head) == (False, written.facts, NEW)
    assert [each.name for each in Path(written.path).parent.iterdir()] == [f"{DAY}.html"]


def test_a_lower_head_never_replaces_a_higher_one_and_the_kept_page_speaks(store: ReportStore) -> None:
    """Two runs of one day may end in the wrong order; what is told then is what the page on disk says."""
    store.write(DAY, build_page(NEW, "NOT FLAT: main. 1 break."))
    kept = store.write(DAY, build_page(OLD))
    assert (kept.is_kept, kept.head, kept.facts.headline) == (True, NEW, "NOT FLAT: main. 1 break.")
    assert not store.write(DAY, build_page(NEW, "mended")).is_kept


def test_a_page_of_another_ledger_is_not_replaced(store: ReportStore) -> None:
    """After a lost ledger the page may be the last trace of the day."""
    store.write(DAY, build_page(OLD))
    assert store.write(DAY, build_page(TableHead("", 0, {}))).is_kept
    with pytest.raises(LedgerError, match="another ledger"):
        store.write(DAY, build_page(TableHead("new ledger", 9, {})))


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff\xfe\x00", build_page(NEW).encode()[:-3]])
def test_a_page_that_is_not_whole_is_built_anew(store: ReportStore, content: bytes) -> None:
    """A torn copy must not keep a day from being built, although its head was higher."""
    path = Path(store.write(DAY, build_page(NEW)).path)
    path.write_bytes(content)
    assert store.read(DAY) is None
    assert not store.write(DAY, build_page(OLD)).is_kept


def test_what_is_no_report_is_not_written(store: ReportStore) -> None:
    """A page without a head could never be judged against a later one."""
    with pytest.raises(ValueError, match="no page of a report"):
        store.write(DAY, "<html></html>")
    assert store.read(DAY) is None
