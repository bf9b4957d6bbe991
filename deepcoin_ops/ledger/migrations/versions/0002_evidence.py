"""Evidence: what the exchange's own lists told of a day, with the pages as they came. Only grows, like the rest."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLES = ("evidence_reads", "evidence_pages", "closed_positions", "fills")


def upgrade() -> None:
    """Create the four tables and their triggers."""
    _create_reads()
    _create_rows()
    for table in _TABLES:
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


def _create_reads() -> None:
    op.create_table(
        "evidence_reads",
        _key("seq", "entries"),
        _text("source"),
        _text("instrument_type"),
        _text("starts_at"),
        _text("ends_at"),
        _text("status"),
        _text("reason"),
        _text("started_at"),
        _text("finished_at"),
        _text("notes"),
    )
    op.create_table(
        "evidence_pages",
        _key("seq", "evidence_reads"),
        _key("item_index"),
        _text("query"),
        sa.Column("http_status", sa.Integer, nullable=True),
        sa.Column("body", sa.LargeBinary, nullable=True),
        sa.Column("body_length", sa.Integer, nullable=True),
        sa.Column("body_sha256", sa.Text, nullable=True),
        sa.Column("is_body_truncated", sa.Integer, nullable=True),
    )


def _create_rows() -> None:
    op.create_table(
        "closed_positions",
        _key("seq", "evidence_reads"),
        _key("item_index"),
        _text("instrument_id"),
        _text("product_group", nullable=True),
        _text("position_id"),
        _text("position_side", nullable=True),
        _text("quantity_contracts", nullable=True),
        _text("closed_contracts"),
        _text("average_open_price", nullable=True),
        _text("average_close_price", nullable=True),
        _text("pnl", nullable=True),
        _text("fee", nullable=True),
        _text("funding_fee", nullable=True),
        _text("currency"),
        _text("margin_mode"),
        _text("merge_mode"),
        _text("opened_at"),
        _text("closed_at"),
    )
    op.create_table(
        "fills",
        _key("seq", "evidence_reads"),
        _key("item_index"),
        _text("instrument_id"),
        _text("product_group", nullable=True),
        _text("trade_id"),
        _text("order_id"),
        _text("bill_id"),
        _text("side"),
        _text("position_side", nullable=True),
        _text("price"),
        _text("quantity_contracts"),
        _text("execution_type"),
        _text("fee", nullable=True),
        _text("fee_currency"),
        _text("filled_at"),
    )
