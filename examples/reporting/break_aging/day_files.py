"""Reading the day tables and writing the report: the only place that knows where files are. Decides nothing about breaks.

The reading contract is docs/reading-the-tables.md: `TABLE/YYYY-MM-DD.parquet`, no file means that the day was never built,
columns are asked for by name because later versions may add some.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from break_aging.aging import OPEN_BREAKS, READ_COLUMNS, DayRange, order_for_people, to_frame
from break_aging.cells import write_csv_text, write_figure

_SQL = Path(__file__).with_name("aging.sql")


class DaysUnreadable(Exception):
    """The tables cannot be read as they have to be. Nothing was written; the message says which file and what to do."""


def find_days(tables: Path, first_day: str | None = None, last_day: str | None = None) -> DayRange:
    """The range of trading days to look at: from the first to the last file, unless other ends are given.

    Raises:
        DaysUnreadable: No day of the range has a file, or its ends are the wrong way round.
    """
    folder = tables / "reconciliation"
    found = sorted(path.stem for path in folder.glob("*.parquet")) if folder.is_dir() else []
    first = first_day or (found[0] if found else "")
    last = last_day or (found[-1] if found else "")
    on_disk = tuple(day for day in found if first <= day <= last)
    if not on_disk:
        raise DaysUnreadable(
            f"{folder} has no file between {first or 'its beginning'} and {last or 'its end'}. Check the folder, or have "
            "the days built: an empty report would read as a clean one."
        )
    return DayRange(first, last, on_disk)


def list_files(tables: Path, days: DayRange) -> list[Path]:
    """The reconciliation's file of each day that has one, oldest first."""
    return [tables / "reconciliation" / f"{day}.parquet" for day in days.on_disk]


def read_reconciliation(tables: Path, days: DayRange, accounts: Iterable[str] = ()) -> pd.DataFrame:
    """The reconciliation of a range of days as one frame with the exact types of the files.

    Args:
        tables: The folder that holds a folder for each table.
        days: The range.
        accounts: Only these; all of them when none is named.

    Raises:
        DaysUnreadable: A file cannot be read, or lacks a column.
    """
    rows = pa.concat_tables([_read_file(path) for path in list_files(tables, days)])
    frame: pd.DataFrame = rows.to_pandas(types_mapper=pd.ArrowDtype, use_threads=False)
    wanted = list(accounts)
    return frame[frame["account"].isin(wanted)].reset_index(drop=True) if wanted else frame


def _read_file(path: Path) -> pa.Table:
    try:
        # Without Arrow's threads: they can abort a process that ends soon afterwards, its report written and all.
        with pq.ParquetFile(path) as file:
            return file.read(READ_COLUMNS, use_threads=False).select(READ_COLUMNS)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise DaysUnreadable(
            f"{path} cannot be read: {error}. Nothing was written. Have that day materialised again in the code location "
            "deepcoin_ops; to leave it out on purpose, move the file away: the day then counts as missing."
        ) from error


def query_open_breaks(tables: Path, days: DayRange) -> pd.DataFrame:
    """The open breaks by SQL over the files, without a DataFrame in between; see `aging.build_open_breaks`."""
    values = {
        "files": [str(path) for path in list_files(tables, days)],
        "days": list(days.on_disk),
        "last_day": days.last_day,
    }
    with duckdb.connect() as connection:
        return to_frame(connection.sql(_SQL.read_text(), params=values).to_arrow_table())


def write_report(folder: Path, as_of: str, open_breaks: pd.DataFrame) -> tuple[Path, Path]:
    """Write the report of a day as Parquet and as CSV, each whole or not at all; an earlier one of that day is replaced.

    Returns:
        The two files: `open_breaks/YYYY-MM-DD.parquet` with the schema `OPEN_BREAKS`, and a CSV ordered for people.
    """
    parquet = folder / "open_breaks" / f"{as_of}.parquet"
    csv = folder / "open_breaks_csv" / f"{as_of}.csv"
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(open_breaks, schema=OPEN_BREAKS, preserve_index=False), sink)
    _write_whole(parquet, sink.getvalue().to_pybytes())
    for_people = order_for_people(open_breaks)
    for field in OPEN_BREAKS:
        if pa.types.is_decimal(field.type) or pa.types.is_string(field.type):
            for_people[field.name] = [_write_cell(value) for value in for_people[field.name]]
    _write_whole(csv, for_people.to_csv(index=False).encode())
    return parquet, csv


def _write_cell(value: object) -> str:
    """A cell of the CSV; empty where nothing is known."""
    if isinstance(value, Decimal):
        return write_figure(value)
    return write_csv_text(value) if isinstance(value, str) else ""


def _write_whole(path: Path, content: bytes) -> None:
    """Written beside and renamed, so that nobody reads half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".tmp", delete=False) as file:
        file.write(content)
    try:
        Path(file.name).replace(path)
    finally:
        Path(file.name).unlink(missing_ok=True)
