"""The ledger's tables about waiting orders: what the order lists showed, and what became of each cancel.

As in `schema`, which puts all tables together: the columns carry the names of the fields of `domain.orders`.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Table, Text

from deepcoin_ops.ledger.columns import (
    integer_column,
    item_index_column,
    metadata,
    raw_answer_columns,
    seconds_column,
    seq_column,
    text_column,
)

order_reads = Table(
    "order_reads",
    metadata,
    seq_column(),
    text_column("purpose"),
    text_column("order_list"),
    text_column("instrument_id", nullable=True),
    text_column("started_at"),
    text_column("finished_at"),
    integer_column("is_complete"),
    integer_column("is_exhaustive"),
    text_column("failure", nullable=True),
    text_column("notes"),
)

order_pages = Table("order_pages", metadata, seq_column("order_reads"), item_index_column(), *raw_answer_columns())

order_rows = Table(
    "order_rows",
    metadata,
    seq_column("order_reads"),
    item_index_column(),
    text_column("kind"),
    text_column("instrument_id"),
    text_column("order_id"),
    text_column("side"),
    text_column("position_side", nullable=True),
    text_column("quantity_contracts", nullable=True),
    text_column("price", nullable=True),
    text_column("trigger_price", nullable=True),
    text_column("trigger_type"),
    text_column("margin_mode"),
    text_column("state"),
    text_column("retrace_point"),
)

cancel_intents = Table(
    "cancel_intents",
    metadata,
    seq_column(),
    text_column("cancel_id", unique=True),
    text_column("kind"),
    text_column("instrument_ids"),
    text_column("order_ids"),
    integer_column("send_number"),
    text_column("endpoint"),
    text_column("request_body"),
)

cancel_outcomes = Table(
    "cancel_outcomes",
    metadata,
    seq_column(),
    Column("cancel_id", Text, ForeignKey("cancel_intents.cancel_id"), nullable=False, unique=True),
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

cancel_errors = Table(
    "cancel_errors",
    metadata,
    seq_column("cancel_outcomes"),
    item_index_column(),
    text_column("order_id"),
    text_column("error_code"),
    text_column("error_message"),
    text_column("member_id"),
    text_column("exchange_account_id"),
    text_column("raw_json"),
)
