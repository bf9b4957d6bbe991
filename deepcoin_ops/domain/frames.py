"""What a table is: columns with types and meanings, a key, and frames that keep to them. The tables are in `tables`.

A frame built here always has all its columns with their types, with zero rows too: an empty day must read like any other.
Decimals are decimal128 with 18 digits behind the point (further ones are rounded), ids and codes text, instants UTC.

No value costs a day: one that its column cannot hold is null in its cell, and a `Misfit` says where and what it was. Files
therefore allow a null in every column; what may be missing by the contract is in the column.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Context, Decimal
from enum import Enum, StrEnum
from typing import Any

import pandas as pd
import pyarrow as pa

from deepcoin_ops.domain.showing import CELL, show_figure, show_text

Row = dict[str, Any]


class Kind(Enum):
    """What a column holds, as its Parquet type and its pandas type."""

    TEXT = (pa.string(), pd.StringDtype(na_value=pd.NA))
    INTEGER = (pa.int64(), pd.Int64Dtype())
    DECIMAL = (pa.decimal128(38, 18), pd.ArrowDtype(pa.decimal128(38, 18)))
    BOOLEAN = (pa.bool_(), pd.BooleanDtype())
    SECONDS = (pa.float64(), pd.Float64Dtype())
    INSTANT = (pa.timestamp("us", tz="UTC"), pd.DatetimeTZDtype("us", "UTC"))

    @property
    def arrow_type(self) -> pa.DataType:
        """The type in a Parquet file."""
        return self.value[0]

    @property
    def pandas_type(self) -> Any:
        """The type in a DataFrame."""
        return self.value[1]

    def fit(self, value: Any) -> Any:
        """The value as a cell holds it.

        Raises:
            ValueError: The cell cannot hold it.
        """
        return _FITS[self](value)


@dataclass(frozen=True)
class Misfit:
    """A value that its cell could not hold; the cell is null.

    `key` is the row's key in words, `value` the text of the value, both bounded; the ledger has the whole text.
    """

    table: str
    column: str
    key: str
    value: str

    def describe(self) -> str:
        """Say where it was and what it was."""
        return f"{self.table}.{self.column} of {self.key} is null, because the cell cannot hold {self.value}"


@dataclass(frozen=True)
class Column:
    """One column: its name, what it holds, what it means, whether it may be missing, and the words it may hold if few."""

    name: str
    kind: Kind
    description: str
    is_nullable: bool = False
    words: type[StrEnum] | None = None


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
        return pa.schema([pa.field(column.name, column.kind.arrow_type) for column in self.columns])

    def build(self, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
        """A frame of this table from rows with exactly its columns. What a cell cannot hold is null; see `find_misfits`.

        Raises:
            ValueError: A row lacks a column or has one too many.
        """
        fitted = [{name: cell for name, (cell, _misfit) in row.items()} for row in self._fit(rows)]
        return self.from_arrow(pa.Table.from_pylist(fitted, schema=self.arrow_schema))

    def find_misfits(self, rows: Iterable[Mapping[str, Any]]) -> list[Misfit]:
        """The values of these rows that their cells cannot hold, by row.

        Raises:
            ValueError: A row lacks a column or has one too many.
        """
        return [misfit for row in self._fit(rows) for _cell, misfit in row.values() if misfit is not None]

    def _fit(self, rows: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, tuple[Any, Misfit | None]]]:
        """Each row's cells, each with what is wrong with its value."""
        names = {column.name for column in self.columns}
        for row in rows:
            if set(row) != names:
                raise ValueError(f"{self.name}: a row has other columns: {sorted(set(row) ^ names)}")
            yield {column.name: self._fit_cell(column, row) for column in self.columns}

    def _fit_cell(self, column: Column, row: Mapping[str, Any]) -> tuple[Any, Misfit | None]:
        value = row[column.name]
        if value is None:
            return None, None
        try:
            return column.kind.fit(value), None
        except ValueError:
            key = " ".join(show_text(str(row[name]), CELL) for name in self.key if row[name] is not None)
            return None, Misfit(self.name, column.name, key, _describe_value(value))

    def from_arrow(self, table: pa.Table) -> pd.DataFrame:
        """A frame with this table's pandas types from an Arrow table with its schema."""
        types = {column.kind.arrow_type: column.kind.pandas_type for column in self.columns}
        # Arrow's threads can abort a process that ends soon afterwards, and a day's table gains nothing from them.
        frame: pd.DataFrame = table.cast(self.arrow_schema).to_pandas(types_mapper=types.get, use_threads=False)
        return frame

    def to_arrow(self, frame: pd.DataFrame) -> pa.Table:
        """An Arrow table with this table's schema from a frame of this table.

        Raises:
            ValueError: Columns are missing, superfluous or in another order.
        """
        names = [column.name for column in self.columns]
        if list(frame.columns) != names:
            raise ValueError(f"{self.name}: columns are {list(frame.columns)}, not {names}")
        return pa.Table.from_pandas(frame, schema=self.arrow_schema, preserve_index=False)

    def find_violations(self, frame: pd.DataFrame) -> list[str]:
        """What in a frame breaks this table's contract, in words, one line per column and kind; empty when nothing does."""
        import pandera.pandas as pa  # not at the top: every run loads this module, and few of them check a table

        try:
            self._build_contract(pa).validate(frame, lazy=True)
        except pa.errors.SchemaErrors as errors:
            cases = errors.failure_cases
            cases.loc[cases["check"] == _REPEATED, "column"] = "key " + ", ".join(self.key)
            found = cases.groupby(["column", "check"], sort=False, dropna=False)["index"].nunique()
            return [f"{column} {_describe_check(check)} in {count} row(s)" for (column, check), count in found.items()]
        return []

    def _build_contract(self, pa: Any) -> Any:
        """The contract in pandera's terms: exactly these columns in this order, their types and words, one row per key."""
        columns = {
            column.name: pa.Column(
                column.kind.pandas_type,
                pa.Check.isin([word.value for word in column.words]) if column.words else None,
                nullable=column.is_nullable,
            )
            for column in self.columns
        }
        return pa.DataFrameSchema(columns, strict=True, ordered=True, unique=list(self.key), name=self.name)


def _describe_check(check: str) -> str:
    """What broke, for people: pandera writes a check's name, and its arguments in brackets."""
    name, bracket, arguments = check.partition("(")
    return f"{_IN_WORDS.get(name, name)} {arguments.strip('[])')}".rstrip() if bracket else _IN_WORDS.get(check, check)


def _fit_text(value: Any) -> str:
    """Any text; half a surrogate pair, which no file holds, as its number."""
    text = value if isinstance(value, str) else str(value)
    return text.encode("utf-8", "backslashreplace").decode()


def _fit_integer(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and -_INTEGERS <= value < _INTEGERS:
        return value
    raise ValueError("no 64-bit integer")


def _fit_decimal(value: Any) -> Decimal:
    """A decimal with at most 18 digits behind the point; the ledger keeps the rest."""
    if isinstance(value, Decimal) and value.is_finite():
        # A zero may have any exponent.
        is_short = not value or value.adjusted() < _WHOLE_DIGITS
        rounded = (value or Decimal(0)).quantize(_DECIMALS, context=_EXACT) if is_short else value
        # Rounding may add a digit, and what was something is never shown as nothing.
        if rounded.adjusted() < _WHOLE_DIGITS and bool(rounded) is bool(value):
            return rounded
    raise ValueError("no decimal of 20 digits before the point and 18 behind it")


def _fit_boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("neither yes nor no")


def _fit_seconds(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _SECONDS and math.isfinite(value):
        return float(value)
    raise ValueError("no duration")


def _fit_instant(value: Any) -> datetime:
    """An instant in UTC.

    Arrow would convert it itself, and drops its offset in a process that has ever imported pandera, which sets
    PYARROW_IGNORE_TIMEZONE for the sake of another library.
    """
    if isinstance(value, datetime) and value.tzinfo is not None:
        try:
            return value.astimezone(UTC)
        except OverflowError as error:
            raise ValueError("no instant of the years 1 to 9999") from error
    raise ValueError("no instant with its offset")


def _describe_value(value: Any) -> str:
    return show_figure(value) if isinstance(value, Decimal) else show_text(str(value), CELL)


_REPEATED = "multiple_fields_uniqueness"
_IN_WORDS = {_REPEATED: "is repeated", "not_nullable": "is missing", "isin": "holds another word than"}
_WHOLE_DIGITS, _DECIMALS = 20, Decimal(1).scaleb(-18)
_EXACT = Context(prec=100)
_INTEGERS, _SECONDS = 2**63, 2**1000
_FITS: dict[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: _fit_text,
    Kind.INTEGER: _fit_integer,
    Kind.DECIMAL: _fit_decimal,
    Kind.BOOLEAN: _fit_boolean,
    Kind.SECONDS: _fit_seconds,
    Kind.INSTANT: _fit_instant,
}
