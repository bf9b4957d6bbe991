"""The kinds of column that the ledger's tables are made of, and the collection that holds the tables. No table here."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Integer, LargeBinary, MetaData, Text

metadata = MetaData()


def text_column(name: str, *, nullable: bool = False, unique: bool = False) -> Column[str]:
    """Text; identifiers, words, amounts, instants, JSON."""
    return Column(name, Text, nullable=nullable, unique=unique or None)


def integer_column(name: str, *, nullable: bool = False) -> Column[int]:
    """A whole number, or a yes or no as 1 or 0."""
    return Column(name, Integer, nullable=nullable)


def seconds_column(name: str) -> Column[float]:
    """A duration in seconds; missing where nobody knows it."""
    return Column(name, Float, nullable=True)


def seq_column(parent: str = "entries") -> Column[int]:
    """The entry that a row belongs to; first in the key."""
    return Column("seq", Integer, ForeignKey(f"{parent}.seq"), primary_key=True, autoincrement=False)


def item_index_column() -> Column[int]:
    """The place of a row among the rows of its entry, from 0."""
    return Column("item_index", Integer, primary_key=True, autoincrement=False)


def raw_answer_columns() -> list[Column[object]]:
    """An answer as it came; all empty when there was none."""
    # `body_length` counts what was received, `body_sha256` is over what was kept, before compression.
    columns: list[Column[object]] = [
        Column("http_status", Integer, nullable=True),
        Column("body", LargeBinary, nullable=True),
        Column("body_length", Integer, nullable=True),
        Column("body_sha256", Text, nullable=True),
        Column("is_body_truncated", Integer, nullable=True),
    ]
    return columns
