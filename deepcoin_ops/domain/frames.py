"""The tables' contracts: columns, types, units, keys. The only place where column names are written.

A frame built here always has all its columns with their types, with zero rows too: an empty day must read like any other.
Decimals are decimal128 with 18 digits behind the point (further ones are rounded), ids and codes text, instants UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal
from enum import Enum
from typing import Any

import pandas as pd
import pyarrow as pa

from deepcoin_ops.domain.error_codes import explain_code
from deepcoin_ops.domain.evidence import EvidenceRead
from deepcoin_ops.domain.model import CloseAttempt


class Kind(Enum):
    """What a column holds, as its Parquet type and its pandas type."""

    TEXT = (pa.string(), pd.StringDtype(na_value=pd.NA))
    INTEGER = (pa.int64(), pd.Int64Dtype())
    DECIMAL = (pa.decimal128(38, 18), pd.ArrowDtype(pa.decimal128(38, 18)))
    INSTANT = (pa.timestamp("us", tz="UTC"), pd.DatetimeTZDtype("us", "UTC"))

    @property
    def arrow_type(self) -> pa.DataType:
        """The type in a Parquet file."""
        return self.value[0]

    @property
    def pandas_type(self) -> Any:
        """The type in a DataFrame."""
        return self.value[1]


@dataclass(frozen=True)
class Column:
    """One column: its name, what it holds, what it means and whether it may be missing."""

    name: str
    kind: Kind
    description: str
    is_nullable: bool = False


@dataclass(frozen=True)
class Table:
    """One table: a file per trading day with one row per `row_is`.

    `preview` names the columns that may be shown to anybody who can see the run.
    """

    name: str
    row_is: str
    key: tuple[str, ...]
    zero_rows_mean: str
    columns: tuple[Column, ...]
    preview: tuple[str, ...]

    @property
    def arrow_schema(self) -> pa.Schema:
        """The fixed schema of the table's files."""
        return pa.schema([pa.field(column.name, column.kind.arrow_type, column.is_nullable) for column in self.columns])

    def build(self, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
        """A frame of this table from rows with exactly its columns.

        Raises:
            ValueError: A row lacks a column, has one too many, or a value does not fit its type.
        """
        listed = list(rows)
        names = [column.name for column in self.columns]
        for row in listed:
            if set(row) != set(names):
                raise ValueError(f"{self.name}: a row has other columns: {sorted(set(row) ^ set(names))}")
        rounded = [{name: _round(value) for name, value in row.items()} for row in listed]
        return self.from_arrow(pa.Table.from_pylist(rounded, schema=self.arrow_schema))

    def from_arrow(self, table: pa.Table) -> pd.DataFrame:
        """A frame with this table's pandas types from an Arrow table with its schema."""
        types = {column.kind.arrow_type: column.kind.pandas_type for column in self.columns}
        frame: pd.DataFrame = table.cast(self.arrow_schema).to_pandas(types_mapper=types.get)
        return frame.astype({column.name: column.kind.pandas_type for column in self.columns})

    def to_arrow(self, frame: pd.DataFrame) -> pa.Table:
        """An Arrow table with this table's schema from a frame of this table.

        Raises:
            ValueError: Columns are missing, superfluous or in another order.
        """
        names = [column.name for column in self.columns]
        if list(frame.columns) != names:
            raise ValueError(f"{self.name}: columns are {list(frame.columns)}, not {names}")
        return pa.Table.from_pandas(frame, schema=self.arrow_schema, preserve_index=False)


_DECIMALS = Decimal(1).scaleb(-18)
_EXACT = Context(prec=100)


def _round(value: Any) -> Any:
    """A decimal with at most 18 digits behind the point; the ledger keeps the rest. Everything else as it is."""
    return value.quantize(_DECIMALS, context=_EXACT) if isinstance(value, Decimal) else value


_ATTEMPT_KEYS = (
    Column("trading_day", Kind.TEXT, "Local date on which the trading day starts, YYYY-MM-DD."),
    Column("account", Kind.TEXT, "The account's name in the settings."),
    Column("flatten_id", Kind.TEXT, "The flatten that sent it."),
    Column("attempt_id", Kind.TEXT, "One send; ids rise with the sends of a flatten."),
    Column("instrument_id", Kind.TEXT, "What was to be closed."),
)

CLOSE_ATTEMPTS = Table(
    name="close_attempts",
    row_is="batch close that was sent, or whose sending cannot be ruled out",
    key=("attempt_id",),
    zero_rows_mean="no close was sent for this trading day",
    columns=(
        *_ATTEMPT_KEYS,
        Column("product_group", Kind.TEXT, "Spot, Swap (coin-margined) or SwapU (USDT-margined)."),
        Column("round_number", Kind.INTEGER, "Round of the flatten, from 1."),
        Column("send_number", Kind.INTEGER, "Number of the send within its flatten, from 1."),
        Column("endpoint", Kind.TEXT, "Path that the close was sent to."),
        Column("quantity_contracts", Kind.DECIMAL, "Open size before the send, all sides added; base units for spot."),
        Column("notional_usdt", Kind.DECIMAL, "Value of that size in quote currency; missing without a price.", True),
        Column("intent_at", Kind.INSTANT, "When the intent was recorded, before the first byte left."),
        Column("sent_at", Kind.INSTANT, "When it was sent; missing when nothing left or nobody lived to say.", True),
        Column("answered_at", Kind.INSTANT, "When the answer, the error or the timeout came.", True),
        Column("outcome", Kind.TEXT, "ACCEPTED, PARTIAL, REFUSED, NOT_SENT or UNKNOWN. None of them says flat."),
        Column("reason", Kind.TEXT, "The outcome in words."),
        Column("error_code", Kind.TEXT, "The answer's outer code; missing without a readable answer.", True),
        Column("http_status", Kind.INTEGER, "HTTP status; missing without an answer.", True),
        Column("close_errors", Kind.INTEGER, "How many errorList items came back."),
    ),
    preview=("account", "instrument_id", "round_number", "outcome", "notional_usdt", "error_code", "reason"),
)

CLOSE_ERRORS = Table(
    name="close_errors",
    row_is="errorList item that a batch close returned",
    key=("attempt_id", "item_index"),
    zero_rows_mean="no batch close of this trading day returned an error item; a timeout is not one",
    columns=(
        *_ATTEMPT_KEYS,
        Column("item_index", Kind.INTEGER, "Place of the item in its errorList, from 0."),
        Column("position_side", Kind.TEXT, "long or short; missing where the item names no known side.", True),
        Column("error_code", Kind.TEXT, "The item's code, as text; empty where it has none."),
        Column("error_message", Kind.TEXT, "The item's message."),
        Column("error_meaning", Kind.TEXT, "What the code means for a flatten."),
        Column("advice", Kind.TEXT, "What follows from it."),
        Column("meaning_source", Kind.TEXT, "Who says so: a page of the exchange, or observed."),
        Column("reported_instrument_id", Kind.TEXT, "The instrument that the item itself names."),
        Column("member_id", Kind.TEXT, "The exchange's user id in the item."),
        Column("exchange_account_id", Kind.TEXT, "The exchange's account id in the item."),
        Column("trade_unit_id", Kind.TEXT, "The exchange's trade unit in the item."),
        Column("answered_at", Kind.INSTANT, "When the answer came."),
        Column("raw_json", Kind.TEXT, "The item as it was received."),
    ),
    preview=("account", "instrument_id", "position_side", "error_code", "error_message", "error_meaning"),
)

CLOSED_POSITIONS = Table(
    name="closed_positions",
    row_is="row of the exchange's positions history whose position was closed on this trading day",
    key=("evidence_seq", "item_index"),
    zero_rows_mean=(
        "the exchange shows no closed position, if the partition's evidence is COMPLETE; otherwise nothing is known"
    ),
    columns=(
        Column("trading_day", Kind.TEXT, "Local date on which the trading day starts, YYYY-MM-DD."),
        Column("account", Kind.TEXT, "The account's name in the settings."),
        Column("instrument_id", Kind.TEXT, "What was closed."),
        Column("product_group", Kind.TEXT, "Swap or SwapU; missing for an id of another spelling.", True),
        Column("position_side", Kind.TEXT, "long or short; missing where the row names no known side.", True),
        Column("position_id", Kind.TEXT, "The exchange's id of the position."),
        Column("closed_contracts", Kind.DECIMAL, "Size that was closed."),
        Column("quantity_contracts", Kind.DECIMAL, "Size of the position as the row tells it.", True),
        Column("average_open_price", Kind.DECIMAL, "Average price at which it was opened, quote currency.", True),
        Column("average_close_price", Kind.DECIMAL, "Average price at which it was closed, quote currency.", True),
        Column("pnl", Kind.DECIMAL, "Realised profit, in the currency beside it.", True),
        Column("fee", Kind.DECIMAL, "Trading fee as the exchange signs it, in the currency beside it.", True),
        Column("funding_fee", Kind.DECIMAL, "Funding paid or received, in the currency beside it.", True),
        Column("currency", Kind.TEXT, "Currency of profit and fees."),
        Column("margin_mode", Kind.TEXT, "cross or isolated."),
        Column("merge_mode", Kind.TEXT, "merge or split."),
        Column("opened_at", Kind.INSTANT, "The earlier of the row's two times."),
        Column("closed_at", Kind.INSTANT, "The later of the row's two times, in whole seconds."),
        Column("evidence_seq", Kind.INTEGER, "Ledger entry of the read that it was taken from."),
        Column("item_index", Kind.INTEGER, "Place of the row in that read, from 0."),
    ),
    preview=("account", "instrument_id", "position_side", "closed_contracts", "average_close_price", "pnl", "currency"),
)

TABLES = (CLOSE_ATTEMPTS, CLOSE_ERRORS, CLOSED_POSITIONS)


def build_close_attempts(trading_day: str, attempts: Sequence[CloseAttempt]) -> pd.DataFrame:
    """The day's attempts, one row per send, in the order of the ledger; see `CLOSE_ATTEMPTS`."""
    return CLOSE_ATTEMPTS.build(
        _attempt_keys(trading_day, attempt)
        | {
            "product_group": attempt.intent.product_group.value,
            "round_number": attempt.intent.round_number,
            "send_number": attempt.intent.send_number,
            "endpoint": attempt.intent.endpoint,
            "quantity_contracts": attempt.intent.quantity_contracts,
            "notional_usdt": attempt.intent.notional_usdt,
            "intent_at": attempt.intent_at,
            "sent_at": attempt.sent_at,
            "answered_at": attempt.answered_at,
            "outcome": attempt.outcome.value,
            "reason": attempt.reason,
            "error_code": attempt.error_code,
            "http_status": attempt.http_status,
            "close_errors": len(attempt.close_errors),
        }
        for attempt in attempts
    )


def build_close_errors(trading_day: str, attempts: Sequence[CloseAttempt]) -> pd.DataFrame:
    """The day's returned error items, one row each, in the order of the ledger; see `CLOSE_ERRORS`."""
    rows = []
    for attempt in attempts:
        for item in attempt.close_errors:
            meaning = explain_code(item.error_code)
            rows.append(
                _attempt_keys(trading_day, attempt)
                | {
                    "item_index": item.item_index,
                    "position_side": item.position_side.value if item.position_side else None,
                    "error_code": item.error_code,
                    "error_message": item.error_message,
                    "error_meaning": meaning.meaning,
                    "advice": meaning.advice,
                    "meaning_source": meaning.source,
                    "reported_instrument_id": item.instrument_id,
                    "member_id": item.member_id,
                    "exchange_account_id": item.exchange_account_id,
                    "trade_unit_id": item.trade_unit_id,
                    "answered_at": attempt.answered_at,
                    "raw_json": item.raw_json,
                }
            )
    return CLOSE_ERRORS.build(rows)


def _attempt_keys(trading_day: str, attempt: CloseAttempt) -> dict[str, Any]:
    return {
        "trading_day": trading_day,
        "account": attempt.account,
        "flatten_id": attempt.flatten_id,
        "attempt_id": attempt.intent.attempt_id,
        "instrument_id": attempt.intent.instrument_id,
    }


def build_closed_positions(
    trading_day: str, window: tuple[datetime, datetime], reads: Iterable[tuple[int, str, EvidenceRead]]
) -> pd.DataFrame:
    """The positions that the exchange shows as closed on a day, one row each; see `CLOSED_POSITIONS`.

    Args:
        trading_day: The day's key.
        window: Its start (included) and end (excluded); reads reach a little beyond both.
        reads: The ledger entry, the account and the read, for the complete positions history reads to be shown.
    """
    starts_at, ends_at = window
    return CLOSED_POSITIONS.build(
        {
            "trading_day": trading_day,
            "account": account,
            "instrument_id": row.instrument_id,
            "product_group": row.product_group.value if row.product_group else None,
            "position_side": row.position_side.value if row.position_side else None,
            "position_id": row.position_id,
            "closed_contracts": row.closed_contracts,
            "quantity_contracts": row.quantity_contracts,
            "average_open_price": row.average_open_price,
            "average_close_price": row.average_close_price,
            "pnl": row.pnl,
            "fee": row.fee,
            "funding_fee": row.funding_fee,
            "currency": row.currency,
            "margin_mode": row.margin_mode,
            "merge_mode": row.merge_mode,
            "opened_at": row.opened_at,
            "closed_at": row.closed_at,
            "evidence_seq": seq,
            "item_index": item_index,
        }
        for seq, account, read in reads
        for item_index, row in enumerate(read.closed_positions)
        if starts_at <= row.closed_at < ends_at
    )
