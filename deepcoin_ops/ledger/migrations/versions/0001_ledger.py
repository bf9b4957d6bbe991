"""The first schema: the spine of entries, its detail tables, and triggers that let every table only grow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = (
    "ledger_identity",
    "entries",
    "flattens",
    "flatten_closings",
    "skipped_ticks",
    "position_reads",
    "position_rows",
    "close_intents",
    "close_outcomes",
    "close_errors",
    "verdicts",
)


def upgrade() -> None:
    """Create everything."""
    _create_spine()
    _create_flattens()
    _create_positions()
    _create_closes()
    _create_close_errors()
    _create_verdicts()
    for table in _TABLES:
        _keep_append_only(table)


def _keep_append_only(table: str) -> None:
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: {change} on {table}'); END"
        )


def _text(name: str, *, nullable: bool = False, unique: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable, unique=unique or None)


def _integer(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=nullable)


def _seconds(name: str) -> sa.Column[float]:
    return sa.Column(name, sa.Float, nullable=True)


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


def _create_spine() -> None:
    op.create_table(
        "ledger_identity", sa.Column("ledger_id", sa.Text, primary_key=True), _text("venue"), _text("created_at")
    )
    op.create_table(
        "entries",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        _text("account"),
        _text("trading_day"),
        _text("kind"),
        _text("flatten_id", nullable=True),
        _text("recorded_at"),
        _text("previous_hash"),
        _text("entry_hash"),
        sqlite_autoincrement=True,
    )
    op.create_index("entries_by_account", "entries", ["account", "seq"])
    op.create_index("entries_by_trading_day", "entries", ["trading_day", "seq"])
    op.create_index("entries_by_flatten", "entries", ["flatten_id", "seq"])


def _create_flattens() -> None:
    op.create_table(
        "flattens",
        _key("seq", "entries"),
        _text("flatten_id", unique=True),
        _text("launched_by"),
        _text("instruments"),
        _integer("is_dry_run"),
        _text("scheduled_at", nullable=True),
        _text("run_id", nullable=True),
        _text("parent_flatten_id", nullable=True),
        _text("settings_json"),
        _text("tool_version"),
    )
    op.create_table(
        "flatten_closings",
        _key("seq", "entries"),
        sa.Column("flatten_id", sa.Text, sa.ForeignKey("flattens.flatten_id"), nullable=False, unique=True),
        _text("result"),
        _text("reason"),
        _integer("rounds"),
        _integer("sends"),
        _integer("refused_sends"),
        _text("residual_notional_usdt", nullable=True),
        _seconds("time_to_last_close_s"),
        _seconds("time_to_proven_flat_s"),
        _text("exposure_usdt_s", nullable=True),
        _text("unconfigured"),
    )
    op.create_table("skipped_ticks", _key("seq", "entries"), _text("scheduled_at"), _text("reason"))


def _create_verdicts() -> None:
    op.create_table(
        "verdicts",
        _key("seq", "entries"),
        _key("item_index"),
        _text("instrument_id"),
        _text("verdict"),
        _text("quantity_before_contracts", nullable=True),
        _text("notional_before_usdt", nullable=True),
        _text("quantity_after_contracts", nullable=True),
        _text("notional_after_usdt", nullable=True),
        _integer("attempts"),
        _text("reason"),
        _text("reopened_position_ids"),
    )


def _create_positions() -> None:
    op.create_table(
        "position_reads",
        _key("seq", "entries"),
        _text("purpose"),
        _integer("round_number"),
        _text("instrument_type"),
        _text("started_at"),
        _text("finished_at"),
        _integer("is_complete"),
        _text("failure", nullable=True),
        _text("notes"),
        *_raw_answer(),
    )
    op.create_table(
        "position_rows",
        _key("seq", "position_reads"),
        _key("item_index"),
        _text("instrument_id"),
        _text("product_group", nullable=True),
        _text("position_id"),
        _text("position_side", nullable=True),
        _text("quantity_contracts"),
        _text("margin_mode"),
        _text("merge_mode"),
        _text("average_price", nullable=True),
        _text("margin_currency"),
        _integer("is_leading", nullable=True),
        _integer("is_following", nullable=True),
    )


def _create_closes() -> None:
    op.create_table(
        "close_intents",
        _key("seq", "entries"),
        _text("attempt_id", unique=True),
        _text("instrument_id"),
        _text("product_group"),
        _integer("round_number"),
        _integer("send_number"),
        _text("endpoint"),
        _text("request_body"),
        _text("quantity_contracts"),
        _text("notional_usdt", nullable=True),
    )
    op.create_table(
        "close_outcomes",
        _key("seq", "entries"),
        sa.Column("attempt_id", sa.Text, sa.ForeignKey("close_intents.attempt_id"), nullable=False, unique=True),
        _text("outcome"),
        _text("reason"),
        _text("sent_at", nullable=True),
        _text("answered_at"),
        _text("refusal", nullable=True),
        _text("error_code", nullable=True),
        _seconds("retry_after_s"),
        _integer("is_throttled"),
        _text("notes"),
        *_raw_answer(),
    )


def _create_close_errors() -> None:
    op.create_table(
        "close_errors",
        _key("seq", "close_outcomes"),
        _key("item_index"),
        _text("instrument_id"),
        _text("position_side", nullable=True),
        _text("error_code"),
        _text("error_message"),
        _text("member_id"),
        _text("exchange_account_id"),
        _text("trade_unit_id"),
        _text("raw_json"),
    )
