"""Documents that show code and columns: running what they show, and writing again what follows from it.

A `python` block is run in the order of the document; a `text` block behind it holds what it prints. Between the `columns`
marks stands every table with its columns. `make docs` runs this file and writes both again.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fortnight import build_fortnight

from deepcoin_ops.domain.frames import Table
from deepcoin_ops.domain.tables import TABLES
from deepcoin_ops.settings import Settings

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLE = CHECKOUT / "examples" / "reporting"
CONTRACT = CHECKOUT / "docs" / "reading-the-tables.md"
DOCUMENTS = (CONTRACT, EXAMPLE / "README.md", CHECKOUT / "README.md")

_SNIPPET = re.compile(r"```python\n(?P<code>.*?)```\n(?P<shown>\n```text\n(?P<output>.*?)```\n)?", re.DOTALL)
_COLUMNS = re.compile(r"(<!-- columns -->\n).*?(<!-- /columns -->\n)", re.DOTALL)


def build_document(text: str, folder: Path) -> str:
    """A document as it has to read: its code run in a folder, its outputs and its columns as they are now.

    Args:
        text: The document.
        folder: The working directory of its code.
    """
    printed = iter(_run_snippets(text, folder))

    def with_output(snippet: re.Match[str]) -> str:
        output = next(printed)
        code = f"```python\n{snippet['code']}```\n"
        return code + (f"\n```text\n{output}```\n" if snippet["shown"] else "")

    told = _SNIPPET.sub(with_output, text)
    return _COLUMNS.sub(lambda marks: marks[1] + "\n" + _describe_tables() + "\n" + marks[2], told)


def _run_snippets(text: str, folder: Path) -> Iterator[str]:
    names: dict[str, object] = {}
    for snippet in _SNIPPET.finditer(text):
        printed = io.StringIO()
        with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
            exec(compile(snippet["code"], "a snippet of the document", "exec"), names)
        yield "".join(f"{line.rstrip()}\n" for line in printed.getvalue().splitlines())


def _describe_tables() -> str:
    return "\n".join(_describe_table(table) for table in TABLES)


def _describe_table(table: Table) -> str:
    key = ", ".join(f"`{name}`" for name in table.key)
    lines = [
        f"### `{table.name}`",
        "",
        f"One row per {table.row_is}. Key: {key}. Zero rows: {table.zero_rows_mean}.",
        "",
        "| column | type | may be missing | meaning |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{column.name}` | {column.kind.arrow_type} | {'yes' if column.is_nullable else ''} | {column.description} |"
        for column in table.columns
    ]
    return "\n".join([*lines, ""])


def write_example_report(settings: Settings, folder: Path) -> None:
    """Write the report of the example, which its README reads, over all days of a desk."""
    from break_aging.aging import build_open_breaks
    from break_aging.day_files import find_days, read_reconciliation, write_report

    tables = Path(settings.tables_url)
    days = find_days(tables)
    write_report(folder / "reports", days.last_day, build_open_breaks(read_reconciliation(tables, days), days))


if __name__ == "__main__":
    sys.path.insert(0, str(EXAMPLE))
    with tempfile.TemporaryDirectory() as made:
        write_example_report(build_fortnight(Path(made)), Path(made))
        for document in DOCUMENTS:
            document.write_text(build_document(document.read_text(), Path(made)))
