"""Checks of accounts: whether closes were allowed to be sent, and why not. Only grows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the two tables and their triggers."""
    op.create_table(
        "account_checks",
        _key("seq", "entries"),
        _text("purpose"),
        _text("checked_at"),
        _text("base_url"),
        _text("uid", nullable=True),
        sa.Column("open_instruments", sa.Integer, nullable=True),
        _text("notional_usdt", nullable=True),
        sa.Column("clock_offset_s", sa.Float, nullable=True),
        _text("armed_until", nullable=True),
        _text("cap_usdt", nullable=True),
    )
    op.create_table(
        "check_findings",
        _key("seq", "account_checks"),
        _key("item_index"),
        _text("kind"),
        sa.Column("is_blocking", sa.Integer, nullable=False),
        _text("text"),
    )
    for table in ("account_checks", "check_findings"):
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: {change} on {table}'); END"
            )


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable)


def _key(name: str, parent: str | None = None) -> sa.Column[int]:
    references = [sa.ForeignKey(f"{parent}.seq")] if parent else []
    return sa.Column(name, sa.Integer, *references, primary_key=True, autoincrement=False)
