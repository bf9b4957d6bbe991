"""The ledger's one table. The migration creates it, and a test holds the two together.

Types are portable on purpose: a fact is JSON text, instants are UTC text of fixed width with microseconds, raw answers are
zlib-compressed bytes.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, Table, Text

metadata = MetaData()

# `once_key` is what may be on record once: a flatten's opening or ending, a call's intent or answer; NULL for the rest.
facts = Table(
    "facts",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("account", Text, nullable=False),
    Column("trading_day", Text, nullable=False),
    Column("flatten_id", Text),
    Column("kind", Text, nullable=False),
    Column("recorded_at", Text, nullable=False),
    Column("once_key", Text, unique=True),
    Column("body", Text, nullable=False),
    Column("raw", LargeBinary),
    Column("previous_hash", Text, nullable=False),
    Column("fact_hash", Text, nullable=False),
    Index("facts_by_account", "account", "seq"),
    Index("facts_by_account_and_kind", "account", "kind", "seq"),
    Index("facts_by_trading_day", "trading_day", "account", "kind", "seq"),
    Index("facts_by_flatten", "flatten_id", "seq"),
    Index("facts_by_time", "recorded_at"),
    sqlite_autoincrement=True,
)

# What keeps the table append-only, by name.
TRIGGERS = {
    f"facts_no_{change.lower()}": f"CREATE TRIGGER facts_no_{change.lower()} BEFORE {change} ON facts "
    f"BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: {change} on facts'); END"
    for change in ("UPDATE", "DELETE")
}
