"""The schema: one table of facts, which can only grow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, its indexes and what keeps it append-only."""
    op.create_table(
        "facts",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        _text("account"),
        _text("trading_day"),
        _text("flatten_id", nullable=True),
        _text("kind"),
        _text("recorded_at"),
        sa.Column("once_key", sa.Text, unique=True),
        _text("body"),
        sa.Column("raw", sa.LargeBinary),
        _text("previous_hash"),
        _text("fact_hash"),
        sqlite_autoincrement=True,
    )
    op.create_index("facts_by_account", "facts", ["account", "seq"])
    op.create_index("facts_by_account_and_kind", "facts", ["account", "kind", "seq"])
    op.create_index("facts_by_trading_day", "facts", ["trading_day", "account", "kind", "seq"])
    op.create_index("facts_by_flatten", "facts", ["flatten_id", "seq"])
    op.create_index("facts_by_time", "facts", ["recorded_at"])
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER facts_no_{change.lower()} BEFORE {change} ON facts "
            f"BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: {change} on facts'); END"
        )


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable)
