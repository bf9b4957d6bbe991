"""Waiting orders: what the order lists showed, what became of each cancel, and why something stayed open. Only grows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLES = ("order_reads", "order_pages", "order_rows", "cancel_intents", "cancel_outcomes", "cancel_errors")


def upgrade() -> None:
    """Create the six tables and their triggers, and add the column for the cause of a residual."""
    _create_reads()
    _create_cancels()
    for table in _TABLES:
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: {change} on {table}'); END"
            )
    # Verdicts of before have no cause. The chain leaves out what is empty, so that their hashes hold.
    op.add_column("verdicts", _text("cause", nullable=True))


def _text(name: str, *, nullable: bool = False, unique: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable, unique=unique or None)


def _integer(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False)


def _key(name: str, parent: str | None = None) -> sa.Column[int]:
    references = [sa.ForeignKey(f"{parent}.seq")] if parent else []
    return sa.Column(name, sa.Integer, *references, primary_key=True, autoincrement=False)


def _raw_answer() -> list[sa.Column[object]]:
    columns: list[sa.Column[object]] = [
        sa.Column("http_status", sa.Integer, nullable=True),
        sa.Column("body", sa.LargeBinary, nullable=True),
        sa.Column("body_length", sa.Integer, nullable=True),
        sa.Column("body_sha256", sa.Text, nullable=True),
        sa.Column("is_body_truncated", sa.Integer, nullable=True),
    ]
    return columns


def _create_reads() -> None:
    op.create_table(
        "order_reads",
        _key("seq", "entries"),
        _text("purpose"),
        _text("order_list"),
        _text("instrument_id", nullable=True),
        _text("started_at"),
        _text("finished_at"),
        _integer("is_complete"),
        _integer("is_exhaustive"),
        _text("failure", nullable=True),
        _text("notes"),
    )
    op.create_table("order_pages", _key("seq", "order_reads"), _key("item_index"), *_raw_answer())
    op.create_table(
        "order_rows",
        _key("seq", "order_reads"),
        _key("item_index"),
        _text("kind"),
        _text("instrument_id"),
        _text("order_id"),
        _text("side"),
        _text("position_side", nullable=True),
        _text("quantity_contracts", nullable=True),
        _text("price", nullable=True),
        _text("trigger_price", nullable=True),
        _text("trigger_type"),
        _text("margin_mode"),
        _text("state"),
        _text("retrace_point"),
    )


def _create_cancels() -> None:
    op.create_table(
        "cancel_intents",
        _key("seq", "entries"),
        _text("cancel_id", unique=True),
        _text("kind"),
        _text("instrument_ids"),
        _text("order_ids"),
        _integer("send_number"),
        _text("endpoint"),
        _text("request_body"),
    )
    op.create_table(
        "cancel_outcomes",
        _key("seq", "entries"),
        sa.Column("cancel_id", sa.Text, sa.ForeignKey("cancel_intents.cancel_id"), nullable=False, unique=True),
        _text("outcome"),
        _text("reason"),
        _text("sent_at", nullable=True),
        _text("answered_at"),
        _text("refusal", nullable=True),
        _text("error_code", nullable=True),
        sa.Column("retry_after_s", sa.Float, nullable=True),
        _integer("is_throttled"),
        _text("notes"),
        *_raw_answer(),
    )
    op.create_table(
        "cancel_errors",
        _key("seq", "cancel_outcomes"),
        _key("item_index"),
        _text("order_id"),
        _text("error_code"),
        _text("error_message"),
        _text("member_id"),
        _text("exchange_account_id"),
        _text("raw_json"),
    )
