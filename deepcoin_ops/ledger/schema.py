"""The ledger's tables, as this version reads and writes them.

`entries` is the spine: one write is one entry, and each other table holds the details of its entries under the same
`seq`. Those about waiting orders are in `orders_schema`, those about checks of accounts in `checks_schema`. Nothing here
creates a table: the migrations do, and a test holds the two together.

Types are portable on purpose: amounts are decimal text, instants are UTC text of fixed width with microseconds,
booleans are 0 or 1, lists and mappings are JSON text, raw bodies are zlib-compressed. Columns carry the names of the
records' fields, and their units.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text

from deepcoin_ops.ledger.checks_schema import account_checks, check_findings
from deepcoin_ops.ledger.columns import (
    integer_column,
    item_index_column,
    metadata,
    raw_answer_columns,
    seconds_column,
    seq_column,
    text_column,
)
from deepcoin_ops.ledger.orders_schema import (
    cancel_errors,
    cancel_intents,
    cancel_outcomes,
    order_pages,
    order_reads,
    order_rows,
)


class EntryKind(StrEnum):
    """What an entry of the spine is about."""

    FLATTEN = "flatten"
    FLATTEN_CLOSING = "flatten_closing"
    SKIPPED_TICK = "skipped_tick"
    POSITION_READ = "position_read"
    CLOSE_INTENT = "close_intent"
    CLOSE_OUTCOME = "close_outcome"
    VERDICTS = "verdicts"
    EVIDENCE = "evidence"
    ORDER_READ = "order_read"
    CANCEL_INTENT = "cancel_intent"
    CANCEL_OUTCOME = "cancel_outcome"
    ACCOUNT_CHECK = "account_check"


ledger_identity = Table(
    "ledger_identity",
    metadata,
    Column("ledger_id", Text, primary_key=True),
    text_column("venue"),
    text_column("created_at"),
)

entries = Table(
    "entries",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    text_column("account"),
    text_column("trading_day"),
    text_column("kind"),
    text_column("flatten_id", nullable=True),
    text_column("recorded_at"),
    text_column("previous_hash"),
    text_column("entry_hash"),
    Index("entries_by_account", "account", "seq"),
    Index("entries_by_trading_day", "trading_day", "seq"),
    Index("entries_by_flatten", "flatten_id", "seq"),
    sqlite_autoincrement=True,
)

flattens = Table(
    "flattens",
    metadata,
    seq_column(),
    text_column("flatten_id", unique=True),
    text_column("launched_by"),
    text_column("instruments"),
    integer_column("is_dry_run"),
    text_column("scheduled_at", nullable=True),
    text_column("run_id", nullable=True),
    text_column("parent_flatten_id", nullable=True),
    text_column("settings_json"),
    text_column("tool_version"),
)

flatten_closings = Table(
    "flatten_closings",
    metadata,
    seq_column(),
    Column("flatten_id", Text, ForeignKey("flattens.flatten_id"), nullable=False, unique=True),
    text_column("result"),
    text_column("reason"),
    integer_column("rounds"),
    integer_column("sends"),
    integer_column("refused_sends"),
    text_column("residual_notional_usdt", nullable=True),
    seconds_column("time_to_last_close_s"),
    seconds_column("time_to_proven_flat_s"),
    text_column("exposure_usdt_s", nullable=True),
    text_column("unconfigured"),
)

skipped_ticks = Table("skipped_ticks", metadata, seq_column(), text_column("scheduled_at"), text_column("reason"))

position_reads = Table(
    "position_reads",
    metadata,
    seq_column(),
    text_column("purpose"),
    integer_column("round_number"),
    text_column("instrument_type"),
    text_column("started_at"),
    text_column("finished_at"),
    integer_column("is_complete"),
    text_column("failure", nullable=True),
    text_column("notes"),
    *raw_answer_columns(),
)

position_rows = Table(
    "position_rows",
    metadata,
    seq_column("position_reads"),
    item_index_column(),
    text_column("instrument_id"),
    text_column("product_group", nullable=True),
    text_column("position_id"),
    text_column("position_side", nullable=True),
    text_column("quantity_contracts"),
    text_column("margin_mode"),
    text_column("merge_mode"),
    text_column("average_price", nullable=True),
    text_column("margin_currency"),
    integer_column("is_leading", nullable=True),
    integer_column("is_following", nullable=True),
)

close_intents = Table(
    "close_intents",
    metadata,
    seq_column(),
    text_column("attempt_id", unique=True),
    text_column("instrument_id"),
    text_column("product_group"),
    integer_column("round_number"),
    integer_column("send_number"),
    text_column("endpoint"),
    text_column("request_body"),
    text_column("quantity_contracts"),
    text_column("notional_usdt", nullable=True),
)

close_outcomes = Table(
    "close_outcomes",
    metadata,
    seq_column(),
    Column("attempt_id", Text, ForeignKey("close_intents.attempt_id"), nullable=False, unique=True),
    text_column("outcome"),
    text_column("reason"),
    text_column("sent_at", nullable=True),
    text_column("answered_at"),
    text_column("refusal", nullable=True),
    text_column("error_code", nullable=True),
    seconds_column("retry_after_s"),
    integer_column("is_throttled"),
    text_column("notes"),
    *raw_answer_columns(),
)

close_errors = Table(
    "close_errors",
    metadata,
    seq_column("close_outcomes"),
    item_index_column(),
    text_column("instrument_id"),
    text_column("position_side", nullable=True),
    text_column("error_code"),
    text_column("error_message"),
    text_column("member_id"),
    text_column("exchange_account_id"),
    text_column("trade_unit_id"),
    text_column("raw_json"),
)

verdicts = Table(
    "verdicts",
    metadata,
    seq_column(),
    item_index_column(),
    text_column("instrument_id"),
    text_column("verdict"),
    text_column("quantity_before_contracts", nullable=True),
    text_column("notional_before_usdt", nullable=True),
    text_column("quantity_after_contracts", nullable=True),
    text_column("notional_after_usdt", nullable=True),
    integer_column("attempts"),
    text_column("reason"),
    text_column("reopened_position_ids"),
    text_column("cause", nullable=True),
)

evidence_reads = Table(
    "evidence_reads",
    metadata,
    seq_column(),
    text_column("source"),
    text_column("instrument_type"),
    text_column("starts_at"),
    text_column("ends_at"),
    text_column("status"),
    text_column("reason"),
    text_column("started_at"),
    text_column("finished_at"),
    text_column("notes"),
)

evidence_pages = Table(
    "evidence_pages",
    metadata,
    seq_column("evidence_reads"),
    item_index_column(),
    text_column("query"),
    *raw_answer_columns(),
)

closed_positions = Table(
    "closed_positions",
    metadata,
    seq_column("evidence_reads"),
    item_index_column(),
    text_column("instrument_id"),
    text_column("product_group", nullable=True),
    text_column("position_id"),
    text_column("position_side", nullable=True),
    text_column("quantity_contracts", nullable=True),
    text_column("closed_contracts"),
    text_column("average_open_price", nullable=True),
    text_column("average_close_price", nullable=True),
    text_column("pnl", nullable=True),
    text_column("fee", nullable=True),
    text_column("funding_fee", nullable=True),
    text_column("currency"),
    text_column("margin_mode"),
    text_column("merge_mode"),
    text_column("opened_at"),
    text_column("closed_at"),
)

fills = Table(
    "fills",
    metadata,
    seq_column("evidence_reads"),
    item_index_column(),
    text_column("instrument_id"),
    text_column("product_group", nullable=True),
    text_column("trade_id"),
    text_column("order_id"),
    text_column("bill_id"),
    text_column("side"),
    text_column("position_side", nullable=True),
    text_column("price"),
    text_column("quantity_contracts"),
    text_column("execution_type"),
    text_column("fee", nullable=True),
    text_column("fee_currency"),
    text_column("filled_at"),
)

DETAIL_TABLES: tuple[Table, ...] = (
    flattens,
    flatten_closings,
    skipped_ticks,
    position_reads,
    position_rows,
    close_intents,
    close_outcomes,
    close_errors,
    verdicts,
    evidence_reads,
    evidence_pages,
    closed_positions,
    fills,
    order_reads,
    order_pages,
    order_rows,
    cancel_intents,
    cancel_outcomes,
    cancel_errors,
    account_checks,
    check_findings,
)
