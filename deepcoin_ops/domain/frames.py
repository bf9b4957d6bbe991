"""What a table is: columns with types and meanings, a key, and frames that keep to them. The tables are in `tables`.

A frame built here always has all its columns with their types, with zero rows too: an empty day must read like any other.
Decimals are decimal128 with 18 digits behind the point (further ones are rounded), ids and codes text, instants UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Context, Decimal
from enum import Enum, StrEnum
from typing import Any

import pandas as pd
import pyarrow as pa


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
        fitted = [{name: _fit(value) for name, value in row.items()} for row in listed]
        return self.from_arrow(pa.Table.from_pylist(fitted, schema=self.arrow_schema))

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


_REPEATED = "multiple_fields_uniqueness"
_IN_WORDS = {_REPEATED: "is repeated", "not_nullable": "is missing", "isin": "holds another word than"}
_DECIMALS = Decimal(1).scaleb(-18)
_EXACT = Context(prec=100)


def _describe_check(check: str) -> str:
    """What broke, for people: pandera writes a check's name, and its arguments in brackets."""
    name, bracket, arguments = check.partition("(")
    return f"{_IN_WORDS.get(name, name)} {arguments.strip('[])')}".rstrip() if bracket else _IN_WORDS.get(check, check)


def _fit(value: Any) -> Any:
    """A decimal with at most 18 digits behind the point (the ledger keeps the rest), an instant in UTC; others as they are.

    Arrow would convert an instant itself, and drops its offset in a process that has ever imported pandera, which sets
    PYARROW_IGNORE_TIMEZONE for the sake of another library.
    """
    if isinstance(value, Decimal):
        return value.quantize(_DECIMALS, context=_EXACT)
    return value.astimezone(UTC) if isinstance(value, datetime) else value
