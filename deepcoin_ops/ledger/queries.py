"""What every reader of the ledger asks with: rows as plain mappings, and how far to look. No table."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, true

Row = dict[str, Any]
Rows = list[Row]


def fetch(connection: Connection, query: Select[Any]) -> Rows:
    """The rows that a query finds, by column name; of two columns of one name the first keeps it."""
    return [dict(row) for row in connection.execute(query).mappings()]


def is_up_to(table: Any, up_to_seq: int | None) -> ColumnElement[bool]:
    """The condition that a table's rows were recorded by then; all of them without a limit."""
    return true() if up_to_seq is None else table.c.seq <= up_to_seq
