"""What the example reads and writes: exact values, a clear word for what cannot be read, whole files."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from break_aging.aging import OPEN_BREAKS, READ_COLUMNS, build_open_breaks
from break_aging.cells import write_markdown
from break_aging.day_files import (
    DaysUnreadable,
    find_days,
    list_files,
    query_open_breaks,
    read_reconciliation,
    write_report,
)
from reconciliation_days import BTC, ETH, build_break, build_row, write_days

FRIDAY, SATURDAY, SUNDAY, MONDAY = "2026-03-06", "2026-03-07", "2026-03-08", "2026-03-09"
# Money that no float holds, and a size that becomes 1E+1 when nobody takes care.
EXACT = Decimal("92300.000000000000000001")
LEFT = build_break(
    "main",
    ETH,
    "short",
    break_type="RESIDUAL_POSITION",
    verdict="RESIDUAL",
    quantity_after_contracts=Decimal(10),
    notional_after_usdt=EXACT,
    error_codes="51020",
)
OTHER = build_row("second", BTC, verdict="FLAT")


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """A Friday with a break, a Saturday without rows, no file of Sunday, and a Monday of the other account."""
    folder = tmp_path / "tables"
    write_days(folder, {FRIDAY: [LEFT, OTHER], SATURDAY: [], SUNDAY: None, MONDAY: [OTHER]})
    return folder


def test_a_range_is_what_is_on_disk_unless_it_is_named(tables: Path) -> None:
    """The days without a file are named, those beyond the newest file too: nobody has built them."""
    assert find_days(tables).missing == (SUNDAY,)
    assert find_days(tables, SATURDAY).first_day == SATURDAY
    assert find_days(tables, last_day="2026-03-11").missing == (SUNDAY, "2026-03-10", "2026-03-11")


@pytest.mark.parametrize("ends", [(SUNDAY, SUNDAY), (MONDAY, FRIDAY), ("2027-01-01", None)])
def test_a_range_without_any_file_is_refused(tables: Path, ends: tuple[str, str | None]) -> None:
    """An empty report would read as a clean one."""
    with pytest.raises(DaysUnreadable, match="has no file between"):
        find_days(tables, *ends)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A misspelt path is the most likely reason for a clean month."""
    with pytest.raises(DaysUnreadable, match="Check the folder"):
        find_days(tmp_path / "nowhere")


def test_days_read_as_one_frame_with_exact_types(tables: Path) -> None:
    """Money must not pass through a float on its way into a report."""
    frame = read_reconciliation(tables, find_days(tables))
    assert list(frame["trading_day"]) == [FRIDAY, FRIDAY, MONDAY]
    assert list(frame.columns) == READ_COLUMNS
    assert frame["notional_after_usdt"].dtype == pd.ArrowDtype(pa.decimal128(38, 18))
    assert frame["notional_after_usdt"][0] == EXACT


def test_an_account_can_be_read_alone(tables: Path) -> None:
    """A desk reports each client's account by itself."""
    assert set(read_reconciliation(tables, find_days(tables), ["second"])["account"]) == {"second"}


def test_a_file_that_cannot_be_read_is_named_with_what_to_do(tables: Path) -> None:
    """A torn copy is neither a clean day nor a missing one."""
    days = find_days(tables)
    torn = list_files(tables, days)[1]
    torn.write_bytes(torn.read_bytes()[:100])
    with pytest.raises(DaysUnreadable, match=rf"{SATURDAY}.parquet cannot be read.*materialised again"):
        read_reconciliation(tables, days)


def test_a_file_without_a_column_is_named(tables: Path) -> None:
    """A column that is simply left out would read as one that is missing in every row."""
    days = find_days(tables)
    path = list_files(tables, days)[0]
    pq.write_table(pq.read_table(path).drop_columns(["is_break"]), path)
    with pytest.raises(DaysUnreadable, match=f"{FRIDAY}.parquet cannot be read"):
        read_reconciliation(tables, days)


def test_columns_that_a_later_version_adds_change_nothing(tables: Path) -> None:
    """Days of both versions lie side by side until the old ones are built again."""
    days = find_days(tables)
    before = build_open_breaks(read_reconciliation(tables, days), days)
    path = list_files(tables, days)[0]
    stored = pq.read_table(path)
    pq.write_table(stored.append_column("added_later", pa.array(["x"] * len(stored))), path)
    after = build_open_breaks(read_reconciliation(tables, days), days)
    pd.testing.assert_frame_equal(after, before)
    pd.testing.assert_frame_equal(query_open_breaks(tables, days), before)


def test_a_report_comes_back_exactly_and_its_csv_holds_the_same_numbers(tables: Path, tmp_path: Path) -> None:
    """The CSV is opened in a spreadsheet and summed; its numbers are written out, without an exponent."""
    days = find_days(tables)
    aged = build_open_breaks(read_reconciliation(tables, days), days)
    parquet, csv = write_report(tmp_path / "reports", days.last_day, aged)
    assert pq.read_schema(parquet).remove_metadata() == OPEN_BREAKS
    pd.testing.assert_frame_equal(pd.read_parquet(parquet, dtype_backend="pyarrow"), aged)
    [row] = pd.read_csv(csv, dtype=str, keep_default_na=False).to_dict("records")
    assert (row["notional_usdt"], row["quantity_contracts"], row["error_codes"]) == (str(EXACT), "10", "51020")
    assert (row["status"], row["days_not_looked"], row["days_missing"], row["cleared_on"]) == ("UNKNOWN", "2", "1", "")


def test_a_report_of_the_same_day_replaces_the_earlier_one_and_leaves_nothing_beside(tables: Path, tmp_path: Path) -> None:
    """The folder of reports is read as one table, so that nothing but reports may lie in it."""
    days, folder = find_days(tables), tmp_path / "reports"
    aged = build_open_breaks(read_reconciliation(tables, days), days)
    for report in (aged, aged.head(0)):
        written = write_report(folder, days.last_day, report)
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == sorted(written)
    assert len(pd.read_parquet(folder / "open_breaks")) == 0


FORMULAS = ["=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1"]


@pytest.mark.parametrize("formula", FORMULAS, ids=ascii)
def test_a_spreadsheet_is_given_no_formula(tables: Path, tmp_path: Path, formula: str) -> None:
    """An instrument id that begins with `=` ran as a command in the spreadsheet that opened the report."""
    days = find_days(tables)
    rows = build_open_breaks(read_reconciliation(tables, days), days)
    for column in ("instrument_id", "reason", "error_codes", "break_types"):
        rows[column] = pd.array([formula] * len(rows), dtype=rows[column].dtype)
    parquet, path = write_report(tmp_path, MONDAY, rows)
    with path.open(newline="") as file:
        [cells] = csv.DictReader(file)
    for name, cell in cells.items():
        assert not cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d")), name
        assert cell.isprintable()
    assert cells["instrument_id"].startswith("'")
    assert pq.read_table(parquet)["instrument_id"].to_pylist() == [formula]


def test_a_negative_number_stays_a_number_in_the_csv(tables: Path, tmp_path: Path) -> None:
    """An apostrophe would make it a text that no sum has."""
    days = find_days(tables)
    rows = build_open_breaks(read_reconciliation(tables, days), days)
    rows["notional_usdt"] = pd.array([Decimal("-1234567.50")], dtype=rows["notional_usdt"].dtype)
    rows["error_codes"] = pd.array(["-1"], dtype=rows["error_codes"].dtype)
    _parquet, path = write_report(tmp_path, MONDAY, rows)
    with path.open(newline="") as file:
        [cells] = csv.DictReader(file)
    assert (cells["notional_usdt"], cells["error_codes"], cells["quantity_contracts"]) == ("-1234567.5", "-1", "10")


def test_the_preview_has_figures_as_they_are_and_rows_that_stay_rows() -> None:
    """A value of 408694123.4 stood as 4.08694e+08, and a bar in an id moved the columns."""
    assert write_markdown(Decimal("408694123.400")) == "408,694,123.4"
    assert write_markdown("a | b\nc\u202e") == r"a \| b\<U+000A\>c\<U+202E\>"
    assert write_markdown("x" * 1_000_000) == "x" * 200 + r" \[cut: 1,000,000 letters in all\]"
