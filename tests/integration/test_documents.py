"""What the documents show is what happens: their code is run, and their columns are the tables'."""

from __future__ import annotations

from pathlib import Path

import pytest
from documents import CONTRACT, DOCUMENTS, build_document, write_example_report

from deepcoin_ops.domain.frames import Table
from deepcoin_ops.domain.tables import TABLES
from deepcoin_ops.settings import Settings


@pytest.fixture(scope="module")
def folder(fortnight: Settings) -> Path:
    """Where the documents' code is run: beside the state folder of the fortnight's desk."""
    folder = Path(fortnight.tables_url).parents[2]
    write_example_report(fortnight, folder)
    return folder


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_document_shows_what_its_code_prints_and_the_tables_columns(document: Path, folder: Path) -> None:
    """A reader copies what is shown. `make docs` writes it again; read what changed before you commit it."""
    text = document.read_text()
    assert build_document(text, folder) == text


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_column_of_every_table_is_in_the_contract_with_its_type(table: Table) -> None:
    """However the document is put together: who relies on a column finds it there."""
    [section] = [part for part in CONTRACT.read_text().split("### ") if part.startswith(f"`{table.name}`\n")]
    for column in table.columns:
        assert f"| `{column.name}` | {column.kind.arrow_type} | {'yes' if column.is_nullable else ''} |" in section
    assert section.count("\n| `") == len(table.columns)
