"""The ledger's tables, as this version reads and writes them.

`entries` is the spine: one write is one entry, and each other table holds the details of its entries under the same
`seq`. Nothing here creates a table: the migrations do, and a test holds the two together.

Types are portable on purpose: amounts are decimal text, instants are UTC text of fixed width with microseconds,
booleans are 0 or 1, lists and mappings are JSON text, raw bodies are zlib-compressed. Columns carry the names of the
records' fields, and their units.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text

metadata = MetaData()


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


def _text(name: str, *, nullable: bool = False, unique: bool = False) -> Column[str]:
    return Column(name, Text, nullable=nullable, unique=unique or None)


def _integer(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, Integer, nullable=nullable)


def _seconds(name: str) -> Column[float]:
    return Column(name, Float, nullable=True)


def _seq(parent: str = "entries") -> Column[int]:
    return Column("seq", Integer, ForeignKey(f"{parent}.seq"), primary_key=True, autoincrement=False)


def _item_index() -> Column[int]:
    return Column("item_index", Integer, primary_key=True, autoincrement=False)


def _raw_answer() -> list[Column[object]]:
    # `body_length` counts what was received, `body_sha256` is over what was kept, before compression.
    columns: list[Column[object]] = [
        Column("http_status", Integer, nullable=True),
        Column("body", LargeBinary, nullable=True),
        Column("body_length", Integer, nullable=True),
        Column("body_sha256", Text, nullable=True),
        Column("is_body_truncated", Integer, nullable=True),
    ]
    return columns


ledger_identity = Table(
    "ledger_identity",
    metadata,
    Column("ledger_id", Text, primary_key=True),
    _text("venue"),
    _text("created_at"),
)

entries = Table(
    "entries",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    _text("account"),
    _text("trading_day"),
    _text("kind"),
    _text("flatten_id", nullable=True),
    _text("recorded_at"),
    _text("previous_hash"),
    _text("entry_hash"),
    Index("entries_by_account", "account", "seq"),
    Index("entries_by_trading_day", "trading_day", "seq"),
    Index("entries_by_flatten", "flatten_id", "seq"),
    sqlite_autoincrement=True,
)

flattens = Table(
    "flattens",
    metadata,
    _seq(),
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

flatten_closings = Table(
    "flatten_closings",
    metadata,
    _seq(),
    Column("flatten_id", Text, ForeignKey("flattens.flatten_id"), nullable=False, unique=True),
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

skipped_ticks = Table("skipped_ticks", metadata, _seq(), _text("scheduled_at"), _text("reason"))

position_reads = Table(
    "position_reads",
    metadata,
    _seq(),
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

position_rows = Table(
    "position_rows",
    metadata,
    _seq("position_reads"),
    _item_index(),
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

close_intents = Table(
    "close_intents",
    metadata,
    _seq(),
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

close_outcomes = Table(
    "close_outcomes",
    metadata,
    _seq(),
    Column("attempt_id", Text, ForeignKey("close_intents.attempt_id"), nullable=False, unique=True),
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

close_errors = Table(
    "close_errors",
    metadata,
    _seq("close_outcomes"),
    _item_index(),
    _text("instrument_id"),
    _text("position_side", nullable=True),
    _text("error_code"),
    _text("error_message"),
    _text("member_id"),
    _text("exchange_account_id"),
    _text("trade_unit_id"),
    _text("raw_json"),
)

verdicts = Table(
    "verdicts",
    metadata,
    _seq(),
    _item_index(),
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

evidence_reads = Table(
    "evidence_reads",
    metadata,
    _seq(),
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

evidence_pages = Table("evidence_pages", metadata, _seq("evidence_reads"), _item_index(), _text("query"), *_raw_answer())

closed_positions = Table(
    "closed_positions",
    metadata,
    _seq("evidence_reads"),
    _item_index(),
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

fills = Table(
    "fills",
    metadata,
    _seq("evidence_reads"),
    _item_index(),
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
)
