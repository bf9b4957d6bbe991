"""Values that no cell can hold: each costs its own cell and says so, and the day has all its tables."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from account_days import (
    BTC,
    DAY,
    DAY_END,
    DOT,
    TICK,
    build_attempt,
    build_day,
    build_flatten,
    build_list,
    build_order,
    build_verdict,
)
from account_days import build_page as build_positions
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcoin_ops.domain.day import AccountDay
from deepcoin_ops.domain.day_frames import (
    build_close_attempts,
    build_close_errors,
    build_flatten_summary,
    build_positions_after,
    build_positions_before,
    build_reconciliation,
)
from deepcoin_ops.domain.evidence import ClosedPosition, EvidenceRead, EvidenceSource, EvidenceStatus
from deepcoin_ops.domain.evidence_frames import build_closed_positions
from deepcoin_ops.domain.frames import Kind, Table
from deepcoin_ops.domain.model import InstrumentType, PositionSide, ProductGroup
from deepcoin_ops.domain.order_frames import build_cancel_attempts, build_orders_after
from deepcoin_ops.domain.tables import TABLES

LARGEST_FLOAT = Decimal("1.7976931348623157e+308")
UNFIT = [
    LARGEST_FLOAT,
    Decimal("1E+20"),
    Decimal("-1E+20"),
    Decimal("1E-19"),
    Decimal("99999999999999999999.9999999999999999996"),
]
NUMBERS = st.one_of(
    st.sampled_from(
        [*UNFIT, Decimal("1E+400"), Decimal("9E+999999"), Decimal("NaN"), Decimal("-Infinity"), Decimal("0E+400")]
    ),
    st.decimals(allow_nan=True, allow_infinity=True),
)
ODD = st.one_of(
    NUMBERS,
    st.integers(),
    st.floats(),
    st.text(st.characters(codec=None), max_size=20),
    st.sampled_from(["\ud800", "a\x00b", "x" * 100_000, [1, 2], {"a": 1}, b"\xff", True, 2**63, -(2**63) - 1]),
    st.sampled_from([datetime(9999, 12, 31, 23, 59, tzinfo=timezone(-timedelta(hours=9))), datetime(2026, 1, 1)]),  # noqa: DTZ001
)
GOOD: dict[Kind, Any] = {
    Kind.TEXT: "as usual",
    Kind.INTEGER: 7,
    Kind.DECIMAL: Decimal("1234567.8"),
    Kind.BOOLEAN: True,
    Kind.SECONDS: 1.5,
    Kind.INSTANT: datetime(2026, 3, 8, 23, 30, tzinfo=UTC),
}
BUILDERS: dict[str, Callable[[Sequence[AccountDay]], pd.DataFrame]] = {
    "close_attempts": lambda days: build_close_attempts(DAY, [each for day in days for each in day.attempts]),
    "close_errors": lambda days: build_close_errors(DAY, [each for day in days for each in day.attempts]),
    "cancel_attempts": lambda days: build_cancel_attempts(DAY, days),
    "positions_before": lambda days: build_positions_before(DAY, days),
    "positions_after": lambda days: build_positions_after(DAY, days),
    "orders_after": lambda days: build_orders_after(DAY, days),
    "flatten_summary": lambda days: build_flatten_summary(DAY, days),
    "reconciliation": lambda days: build_reconciliation(DAY, days),
    "closed_positions": lambda days: build_closed_positions(
        DAY, (TICK - timedelta(hours=22), DAY_END), [(9, day.account, read) for day in days for read in day.evidence]
    ),
}


def build_account_day(number: Decimal | None = None, place: str = "") -> AccountDay:
    """A day with a row in every table, and a number in one place of an answer or a record."""
    values = {name: number if place == name and number is not None else None for name in PLACES}
    before, after = (build_positions((BTC, PositionSide.LONG, "10"), (DOT, PositionSide.SHORT, "7")) for _ in range(2))
    first, other = before.positions
    other = replace(
        other, average_price=values["average_price"], quantity_contracts=_or(values["quantity"], other.quantity_contracts)
    )
    before, after = replace(before, positions=(first, other)), replace(after, positions=(other,))
    attempt = build_attempt()
    intent = replace(
        attempt.intent,
        quantity_contracts=_or(values["sent"], attempt.intent.quantity_contracts),
        notional_usdt=values["sent_notional"],
    )
    verdict = build_verdict(quantity_before_contracts=_or(values["verdict"], 10), notional_before_usdt=values["notional"])
    flatten = build_flatten(
        verdict,
        attempts=(replace(attempt, intent=intent),),
        before=(before,),
        after=(after,),
        orders_after=(build_list(build_order(price=values["price"], quantity_contracts=_or(values["order"], 2))),),
    )
    assert flatten.closing is not None
    flatten = replace(flatten, closing=replace(flatten.closing, exposure_usdt_s=values["exposure"]))
    row = ClosedPosition(
        BTC, ProductGroup.SWAP_U, "P0", PositionSide.LONG, None, _or(values["closed"], 10), None, None, values["pnl"], None,
        None, "USDT", "cross", "merge", TICK - timedelta(hours=1), TICK + timedelta(seconds=20),
    )  # fmt: skip
    asked = (EvidenceSource.POSITIONS_HISTORY, InstrumentType.SWAP, TICK - timedelta(hours=2), DAY_END)
    read = EvidenceRead(*asked, EvidenceStatus.COMPLETE, "read", DAY_END, DAY_END, closed_positions=(row,))
    return build_day(flatten, evidence=(read,))


PLACES = {
    "average_price": "positions_before.average_price of F0 1",
    "quantity": "positions_after.quantity_contracts of F0 0",
    "sent": "close_attempts.quantity_contracts",
    "sent_notional": "close_attempts.notional_usdt",
    "verdict": "reconciliation.quantity_before_contracts",
    "notional": "reconciliation.notional_before_usdt",
    "price": "orders_after.price of F0 0",
    "order": "orders_after.quantity_contracts of F0 0",
    "exposure": "flatten_summary.exposure_usdt_s of F0",
    "closed": "closed_positions.closed_contracts of 0",
    "pnl": "closed_positions.pnl of 0",
}


def _or(number: Decimal | None, usual: Decimal | int) -> Decimal:
    return Decimal(usual) if number is None else number


def through_parquet(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame as a file gives it back."""
    file = io.BytesIO()
    pq.write_table(table.to_arrow(frame), file)
    return table.from_arrow(pq.read_table(io.BytesIO(file.getvalue())))


@pytest.mark.parametrize("place", ["average_price", "quantity", "sent", "price", "exposure", "closed", "pnl"])
@pytest.mark.parametrize("number", [LARGEST_FLOAT, Decimal(10) ** 20], ids=str)
def test_a_number_that_no_cell_holds_costs_its_cell_and_not_the_day(place: str, number: Decimal) -> None:
    """An average price of 1.8e308 in a position that the settings do not name kept three tables of every account away."""
    odd, usual = build_account_day(number, place), build_account_day(Decimal(3), place)
    other = replace(build_account_day(), account="second")
    for name, build in BUILDERS.items():
        frame, expected = build([odd, other]), build([usual, other])
        is_drift = frame["break_type"].eq("SCHEMA_DRIFT").fillna(False) if name == "reconciliation" else False
        kept = frame[~is_drift].reset_index(drop=True) if name == "reconciliation" else frame
        assert len(kept) == len(expected)
        if name == "reconciliation":
            [drift] = frame[is_drift].to_dict("records")
            assert (drift["account"], drift["severity"], drift["is_break"]) == ("main", "WARN", True)
            assert PLACES[place] in drift["reason"]
            assert ("1.7976931348623157E+308" if number == LARGEST_FLOAT else "100,000,000,000,000,000,000") in drift[
                "reason"
            ]
            assert len(drift["reason"]) < 5_000
        else:
            differs = [column for column in frame if not kept[column].equals(expected[column])]
            assert all(kept[column].isna().any() for column in differs)
            assert len(differs) <= 1


@settings(max_examples=20)
@given(NUMBERS, st.sampled_from(sorted(PLACES)))
def test_no_number_ends_a_day(number: Decimal, place: str) -> None:
    """Whatever the exchange calls a number: every table is built and can be a file, and what does not fit is named."""
    day = build_account_day(number, place)
    frames = {table: BUILDERS[table.name]([day]) for table in TABLES}
    for table, frame in frames.items():
        pd.testing.assert_frame_equal(through_parquet(table, frame), frame)
    [reconciliation] = [frame for table, frame in frames.items() if table.name == "reconciliation"]
    is_fit = (
        number.is_finite() and (not number or -18 <= number.adjusted() < 20) and number.quantize(Decimal(1)).adjusted() < 20
    )
    if place in ("average_price", "sent", "sent_notional", "price", "exposure", "pnl"):
        assert (reconciliation["break_type"] == "SCHEMA_DRIFT").any() != is_fit


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@settings(max_examples=15)
@given(st.data())
def test_an_odd_value_in_any_column_leaves_every_other_cell_exact(table: Table, data: st.DataObject) -> None:
    """No column is safe: whatever stands in it, the frame is built and the value is in its cell or in one note."""
    rows = [{column.name: GOOD[column.kind] for column in table.columns} for _ in range(3)]
    column = data.draw(st.sampled_from([each for each in table.columns if each.name not in table.key]))
    value = data.draw(ODD)
    expected = table.build(rows)
    rows[1][column.name] = value
    frame, misfits = table.build(rows), table.find_misfits(rows)
    pd.testing.assert_frame_equal(through_parquet(table, frame), frame)
    pd.testing.assert_frame_equal(frame.drop(columns=column.name), expected.drop(columns=column.name))
    pd.testing.assert_series_equal(frame[column.name].drop(1), expected[column.name].drop(1))
    if misfits:
        [misfit] = misfits
        assert pd.isna(frame[column.name][1])
        assert misfit.describe().startswith(f"{table.name}.{column.name} of ")
        assert len(misfit.describe()) < 1_000
        assert misfit.describe().isprintable()
    elif column.kind is Kind.DECIMAL:
        assert abs(frame[column.name][1] - value) < Decimal("1E-18")
        assert bool(frame[column.name][1]) is bool(value)
    elif column.kind is Kind.TEXT:
        assert frame[column.name][1] == str(value).encode("utf-8", "backslashreplace").decode()
    else:
        assert frame[column.name][1] == value


def test_a_file_takes_a_null_in_every_column() -> None:
    """A file with a column that must not be null could not be written with one."""
    assert all(field.nullable for table in TABLES for field in table.arrow_schema)
    assert isinstance(TABLES[0].arrow_schema, pa.Schema)


def test_many_odd_values_are_counted_and_not_all_listed() -> None:
    """Ten thousand odd rows must not make a reason too long to open."""
    page = build_positions(*[(DOT, PositionSide.LONG, "1E+30")] * 1000)
    [drift] = [
        row for row in build_reconciliation(DAY, [build_day(build_flatten(before=(page,)))]).to_dict("records")
        if row["break_type"] == "SCHEMA_DRIFT"
    ]  # fmt: skip
    assert "more cells" in drift["reason"]
    assert len(drift["reason"]) < 10_000
