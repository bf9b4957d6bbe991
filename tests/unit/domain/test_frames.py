"""The tables' contracts through real Parquet bytes: an empty day, exact decimals, ids as text."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcoin_ops.domain.day_frames import build_close_attempts, build_close_errors
from deepcoin_ops.domain.evidence import ClosedPosition, EvidenceRead, EvidenceSource, EvidenceStatus
from deepcoin_ops.domain.evidence_frames import build_closed_positions
from deepcoin_ops.domain.frames import Table
from deepcoin_ops.domain.model import (
    CloseAttempt,
    CloseError,
    CloseIntent,
    InstrumentType,
    Outcome,
    PositionSide,
    ProductGroup,
)
from deepcoin_ops.domain.tables import CLOSE_ATTEMPTS, CLOSE_ERRORS, CLOSED_POSITIONS, TABLES

DAY = "2026-01-02"
INSTANT = datetime(2026, 1, 2, 22, 0, 0, 123456, tzinfo=UTC)


def close_error(item_index: int = 0, **changes: Any) -> CloseError:
    """An errorList item with these changes."""
    fields = {
        "item_index": item_index,
        "instrument_id": "BTC-USDT-SWAP",
        "position_side": PositionSide.SHORT,
        "error_code": "51020",
        "error_message": "Insufficient position",
        "member_id": "0010000042",
        "exchange_account_id": "20000042",
        "trade_unit_id": "1000777000000001234",
        "raw_json": '{"errorCode":51020}',
    }
    return CloseError(**(fields | changes))


def attempt(quantity: Decimal = Decimal(35), notional: Decimal | None = None, **changes: Any) -> CloseAttempt:
    """An attempt with these changes."""
    intent = CloseIntent(
        "F1-0001",
        "BTC-USDT-SWAP",
        ProductGroup.SWAP_U,
        1,
        1,
        "/deepcoin/trade/batch-close-position",
        "{}",
        quantity,
        notional,
    )
    fields = {
        "account": "main",
        "flatten_id": "F1",
        "intent": intent,
        "intent_at": INSTANT,
        "outcome": Outcome.UNKNOWN,
        "reason": "ReadTimeout",
        "sent_at": None,
        "answered_at": INSTANT + timedelta(seconds=1),
        "error_code": None,
        "http_status": None,
    }
    return CloseAttempt(**(fields | changes))


def through_parquet(table: Table, frame: pd.DataFrame) -> tuple[pd.DataFrame, pa.Schema]:
    """The frame after a file, and the schema the file has."""
    file = io.BytesIO()
    pq.write_table(table.to_arrow(frame), file)
    file.seek(0)
    stored = pq.read_table(file)
    return table.from_arrow(stored), stored.schema


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_zero_rows_keep_columns_and_types_through_a_file(table: Table) -> None:
    """The good day has no errors; its file must fit beside the bad ones in one dataset."""
    empty = table.build([])
    returned, schema = through_parquet(table, empty)
    assert list(returned.columns) == [column.name for column in table.columns]
    assert len(returned) == 0
    assert schema.remove_metadata() == table.arrow_schema
    for column in table.columns:
        assert empty[column.name].dtype == returned[column.name].dtype == column.kind.pandas_type


def test_rows_return_from_a_file_as_they_were() -> None:
    """What downstream jobs read is what the ledger said."""
    errors = (close_error(0), close_error(1, position_side=None, error_code=""))
    attempts = [
        attempt(Decimal("0.3"), Decimal("90.5"), outcome=Outcome.PARTIAL, http_status=200, close_errors=errors),
        attempt(),
    ]
    for table, frame in (
        (CLOSE_ATTEMPTS, build_close_attempts(DAY, attempts)),
        (CLOSE_ERRORS, build_close_errors(DAY, attempts)),
    ):
        returned, schema = through_parquet(table, frame)
        pd.testing.assert_frame_equal(returned, frame)
        assert schema.remove_metadata() == table.arrow_schema
        assert len(frame) == 2


@given(st.decimals(min_value=-(10**19), max_value=10**19, places=18, allow_nan=False))
def test_decimals_are_exact_through_a_file(amount: Decimal) -> None:
    """Sizes and money are compared with the exchange's own digits."""
    frame = build_close_attempts(DAY, [attempt(amount, amount)])
    returned, _schema = through_parquet(CLOSE_ATTEMPTS, frame)
    assert returned["quantity_contracts"][0] == returned["notional_usdt"][0] == amount


def test_digits_beyond_the_eighteenth_do_not_cost_the_day_its_table() -> None:
    """Size times contract size times price can have more digits than a file holds; the ledger keeps them."""
    frame = build_close_attempts(DAY, [attempt(Decimal(1), Decimal("2." + "0" * 18 + "6"))])
    assert frame["notional_usdt"][0] == Decimal("2." + "0" * 17 + "1")


def test_ids_and_codes_stay_text() -> None:
    """Leading zeros and nineteen digits do not survive as numbers."""
    frame = build_close_errors(DAY, [attempt(close_errors=(close_error(error_code="0051020"),))])
    returned, _schema = through_parquet(CLOSE_ERRORS, frame)
    row = returned.iloc[0]
    assert (row["member_id"], row["trade_unit_id"], row["error_code"]) == ("0010000042", "1000777000000001234", "0051020")


def test_missing_values_stay_missing_and_numbers_whole() -> None:
    """A missing HTTP status must not turn the others into 200.0, nor itself into zero."""
    frame = build_close_attempts(DAY, [attempt(), attempt(http_status=200, error_code="0", notional=Decimal(1))])
    returned, _schema = through_parquet(CLOSE_ATTEMPTS, frame)
    for name in ("http_status", "error_code", "notional_usdt", "sent_at"):
        assert pd.isna(returned[name][0])
    assert (returned["http_status"][1], str(returned["http_status"].dtype)) == (200, "Int64")


@pytest.mark.parametrize("is_checked_before", [False, True], ids=["at once", "after a check"])
def test_instants_are_utc_with_microseconds(is_checked_before: bool) -> None:
    """A local time without its zone would move an attempt to another trading day; the check's library does that."""
    if is_checked_before:
        assert CLOSE_ATTEMPTS.find_violations(CLOSE_ATTEMPTS.build([])) == []
    local = INSTANT.astimezone(timezone(timedelta(hours=8)))
    returned, _schema = through_parquet(CLOSE_ATTEMPTS, build_close_attempts(DAY, [attempt(sent_at=local)]))
    assert returned["sent_at"][0].to_pydatetime() == INSTANT
    assert str(returned["sent_at"].dtype) == "datetime64[us, UTC]"


def test_an_attempt_without_an_error_list_is_no_close_error() -> None:
    """A timeout is an unknown outcome and no item the exchange returned."""
    attempts = [attempt()]
    assert len(build_close_attempts(DAY, attempts)) == 1
    assert len(build_close_errors(DAY, attempts)) == 0


def test_an_error_row_names_its_attempt_and_its_meaning() -> None:
    """A row must make sense without its neighbours: what was sent, what came back, what follows from it."""
    row = build_close_errors(DAY, [attempt(close_errors=(close_error(),))]).iloc[0]
    assert (row["trading_day"], row["account"], row["flatten_id"], row["attempt_id"]) == (DAY, "main", "F1", "F1-0001")
    assert (row["position_side"], row["reported_instrument_id"]) == ("short", "BTC-USDT-SWAP")
    assert (row["error_meaning"], row["meaning_source"]) == ("Insufficient position.", "close page")


def test_rows_keep_the_order_of_the_ledger() -> None:
    """The order tells what happened first."""
    first = attempt(close_errors=(close_error(0), close_error(1)))
    second = attempt(flatten_id="F2", close_errors=(close_error(0),))
    frame = build_close_errors(DAY, [first, second])
    assert list(zip(frame["flatten_id"], frame["item_index"], strict=True)) == [("F1", 0), ("F1", 1), ("F2", 0)]


def test_a_row_with_other_columns_is_refused() -> None:
    """A misspelt column would otherwise be an empty one."""
    row = build_close_attempts(DAY, [attempt()]).iloc[0].to_dict()
    with pytest.raises(ValueError, match=r"close_attempts.*outcome"):
        CLOSE_ATTEMPTS.build([{name: value for name, value in row.items() if name != "outcome"}])
    with pytest.raises(ValueError, match=r"close_attempts.*surplus"):
        CLOSE_ATTEMPTS.build([row | {"surplus": 1}])


def test_a_frame_with_other_columns_is_not_written() -> None:
    """A file in another order or with a gap would break the folder as one dataset."""
    frame = build_close_attempts(DAY, [attempt()])
    for changed in (frame.drop(columns="reason"), frame.assign(surplus=1), frame[frame.columns[::-1]]):
        with pytest.raises(ValueError, match="close_attempts: columns are"):
            CLOSE_ATTEMPTS.to_arrow(changed)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_key_and_preview_are_columns_of_the_table(table: Table) -> None:
    """Both are written beside the columns and could name one that is gone; a key cannot be missing."""
    columns = {column.name: column for column in table.columns}
    assert len(columns) == len(table.columns)
    assert {*table.key, *table.preview} <= set(columns)
    assert not [name for name in table.key if columns[name].is_nullable]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_column_says_what_it_holds(table: Table) -> None:
    """The descriptions are the only documentation a reader of the files has."""
    assert [column.name for column in table.columns if not column.description.strip()] == []
    assert table.row_is
    assert table.zero_rows_mean


def test_closed_positions_are_those_of_the_day_and_name_the_read_they_come_from() -> None:
    """Evidence reaches a minute beyond the day on either side; a close at midnight belongs to one day only."""
    starts, ends = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)
    times = (starts - timedelta(seconds=1), starts, ends - timedelta(seconds=1), ends)
    rows = tuple(
        ClosedPosition(
            "BTC-USDT-261225",
            None,
            "0012",
            None,
            None,
            Decimal("0.1"),
            *[None] * 5,
            "USDT",
            "cross",
            "merge",
            starts - timedelta(hours=9),
            closed_at,
        )
        for closed_at in times
    )
    asked = (EvidenceSource.POSITIONS_HISTORY, InstrumentType.SWAP, starts, ends)
    read = EvidenceRead(*asked, EvidenceStatus.COMPLETE, "read", ends, ends, closed_positions=rows)
    frame = build_closed_positions(DAY, (starts, ends), [(7, "main", read)])
    stored, schema = through_parquet(CLOSED_POSITIONS, frame)
    assert list(zip(stored["evidence_seq"], stored["item_index"], stored["closed_at"], strict=True)) == [
        (7, 1, times[1]),
        (7, 2, times[2]),
    ]
    assert (stored["position_id"][0], stored["closed_contracts"][0]) == ("0012", Decimal("0.1"))
    assert stored["pnl"].isna().all()
    assert schema.remove_metadata() == CLOSED_POSITIONS.arrow_schema
