"""The age of a break: what clears it, what says nothing about it, and that two ways of counting agree."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from break_aging.aging import OPEN_BREAKS, build_open_breaks, list_dates, order_for_people
from break_aging.day_files import find_days, query_open_breaks, read_reconciliation
from hypothesis import given, settings
from hypothesis import strategies as st
from reconciliation_days import BTC, DOT, ETH, build_break, build_row, write_days

Row = Mapping[str, Any]
Days = Mapping[str, Sequence[Row] | None]

FRIDAY = date(2026, 3, 6)
RESIDUAL = {"break_type": "RESIDUAL_POSITION", "verdict": "RESIDUAL"}
LEFT = build_break("main", ETH, "short", **RESIDUAL, notional_after_usdt=Decimal(300))
FLAT = build_row("main", ETH, "short", verdict="FLAT")
NEVER_OPEN = build_row("main", ETH, verdict="ALREADY_FLAT", break_type="ALREADY_FLAT", severity="INFO")
MISSED = build_break("main", break_type="FLATTEN_MISSING")
FOREIGN = build_break("main", DOT, "long", break_type="UNCONFIGURED_POSITION", severity="WARN")
UNPROVEN = build_break("main", ETH, break_type="UNVERIFIED", verdict="UNVERIFIED")
OTHERS_FLAT = build_row("main", BTC, verdict="FLAT")


def number_days(*days: Sequence[Row] | None) -> Days:
    """Days in a row, from a Friday on."""
    return {(FRIDAY + timedelta(days=number)).isoformat(): rows for number, rows in enumerate(days)}


def age(folder: Path, days: Days) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The open breaks of days that are first written and then read, by pandas and by SQL."""
    write_days(folder / "tables", days)
    found = find_days(folder / "tables", min(days), max(days))
    read = read_reconciliation(folder / "tables", found)
    return build_open_breaks(read, found), query_open_breaks(folder / "tables", found)


def only(folder: Path, *days: Sequence[Row] | None) -> dict[str, Any]:
    """The only open break of some days, the same by pandas and by SQL."""
    aged, by_sql = age(folder, number_days(*days))
    pd.testing.assert_frame_equal(aged, by_sql)
    [row] = aged.to_dict("records")
    return row


def _find(aged: pd.DataFrame, subject: str) -> dict[str, Any]:
    [row] = aged[aged["subject"] == subject].to_dict("records")
    return row


@pytest.mark.parametrize(
    ("days", "status", "seen", "not_looked", "missing"),
    [
        pytest.param([[LEFT]], "OPEN", 1, 0, 0, id="seen on the last day"),
        pytest.param([[LEFT], [LEFT], [LEFT]], "OPEN", 3, 0, 0, id="seen on every day"),
        pytest.param([[LEFT], [FLAT]], "CLEARED", 1, 0, 0, id="proven flat the next day"),
        pytest.param([[LEFT], [NEVER_OPEN]], "CLEARED", 1, 0, 0, id="flat before anything was sent"),
        pytest.param([[LEFT], [], [], [LEFT]], "OPEN", 2, 2, 0, id="a weekend without a tick goes by"),
        pytest.param([[LEFT], [], []], "UNKNOWN", 1, 2, 0, id="nobody has looked since"),
        pytest.param([[LEFT], [], [], [FLAT]], "CLEARED", 1, 2, 0, id="cleared after the weekend"),
        pytest.param([[LEFT], None, [LEFT]], "OPEN", 2, 0, 1, id="a day without a file between"),
        pytest.param([[LEFT], None, []], "UNKNOWN", 1, 1, 1, id="a day without a file, and one without rows"),
        pytest.param([[LEFT], [OTHERS_FLAT]], "UNKNOWN", 1, 1, 0, id="another instrument says nothing"),
        pytest.param([[LEFT], [build_row("other", ETH, verdict="FLAT")]], "UNKNOWN", 1, 1, 0, id="nor another account"),
    ],
)
def test_a_break_stays_until_a_day_shows_it_in_order(
    tmp_path: Path, days: Any, status: str, seen: int, not_looked: int, missing: int
) -> None:
    """Whoever reads silence as good news closes a break that nobody has looked at."""
    told = only(tmp_path, *days)
    assert told["status"] == status
    assert (told["days_seen"], told["days_not_looked"], told["days_missing"]) == (seen, not_looked, missing)
    assert told["days_open"] == seen + not_looked + missing


def test_an_instrument_that_was_not_proven_flat_is_not_cleared(tmp_path: Path) -> None:
    """Nothing shows it open, and nothing shows it flat: that is a break of its own, and no end of the other one."""
    aged, by_sql = age(tmp_path, number_days([LEFT], [UNPROVEN]))
    pd.testing.assert_frame_equal(aged, by_sql)
    assert _find(aged, f"main/{ETH}/short")["status"] == "UNKNOWN"
    assert _find(aged, f"main/{ETH}")["status"] == "OPEN"


def test_a_day_nobody_flattened_clears_nothing_of_its_account(tmp_path: Path) -> None:
    """Flat at noon, and nothing ran in the evening: the noon's verdict is on that day, and nobody looked at its end."""
    aged, by_sql = age(tmp_path, number_days([LEFT], [MISSED, FLAT], [MISSED]))
    pd.testing.assert_frame_equal(aged, by_sql)
    assert _find(aged, f"main/{ETH}/short")["status"] == "UNKNOWN"
    assert _find(aged, "main/FLATTEN_MISSING")["days_seen"] == 2


def test_a_missed_flatten_is_cleared_by_the_next_day_that_saw_the_account_whole(tmp_path: Path) -> None:
    """The next evening looked at everything; one that proved nothing about an instrument did not."""
    aged, by_sql = age(tmp_path, number_days([MISSED], [], [OTHERS_FLAT, UNPROVEN], [OTHERS_FLAT, LEFT]))
    pd.testing.assert_frame_equal(aged, by_sql)
    missed = _find(aged, "main/FLATTEN_MISSING")
    assert (missed["status"], missed["cleared_on"], missed["days_not_looked"]) == ("CLEARED", "2026-03-09", 2)


def test_a_position_that_is_not_configured_is_cleared_when_the_account_was_seen_without_it(tmp_path: Path) -> None:
    """No row tells of what is neither configured nor open, so that its absence counts; but not on a day nobody looked."""
    told = only(tmp_path, [FOREIGN, OTHERS_FLAT], [], [OTHERS_FLAT])
    assert (told["status"], told["cleared_on"], told["severity"]) == ("CLEARED", "2026-03-08", "WARN")


def test_the_side_that_was_seen_closed_is_cleared_while_the_other_one_is_open(tmp_path: Path) -> None:
    """The reconciliation says of the side itself that nothing is to be done."""
    settled = build_row("main", ETH, "short", verdict="RESIDUAL", break_type="PARTIAL_FAILURE", severity="INFO")
    aged, by_sql = age(tmp_path, number_days([LEFT], [settled, build_break("main", ETH, "long", **RESIDUAL)]))
    pd.testing.assert_frame_equal(aged, by_sql)
    assert list(aged["status"]) == ["OPEN", "CLEARED"]


def test_a_break_that_comes_back_is_another_one(tmp_path: Path) -> None:
    """Three weeks of trouble with a good day between are not one break of three weeks."""
    aged, by_sql = age(tmp_path, number_days([LEFT], [LEFT], [FLAT], [LEFT]))
    pd.testing.assert_frame_equal(aged, by_sql)
    assert list(aged["first_seen"]) == ["2026-03-06", "2026-03-09"]
    assert list(aged["status"]) == ["CLEARED", "OPEN"]
    assert list(aged["last_in_order"].fillna("never")) == ["never", "2026-03-08"]


def test_what_a_break_has_grown_into_is_told(tmp_path: Path) -> None:
    """Who watches it must see that it got worse, and the newest words are the ones to act on."""
    told = only(
        tmp_path,
        [build_break("main", ETH, "short", break_type="UNCONFIGURED_POSITION", severity="WARN", notional_after_usdt=None)],
        [build_break("main", ETH, "short", **RESIDUAL, notional_after_usdt=Decimal("700.000000000000000001"))],
        [build_break("main", ETH, "short", **RESIDUAL, notional_after_usdt=Decimal(90), reason="less", what_to_do="go on")],
    )
    assert (told["first_severity"], told["severity"], told["worst_severity"]) == ("WARN", "ERROR", "ERROR")
    assert (told["break_type"], told["break_types"]) == ("RESIDUAL_POSITION", "RESIDUAL_POSITION, UNCONFIGURED_POSITION")
    assert pd.isna(told["first_notional_usdt"])
    assert (told["notional_usdt"], told["largest_notional_usdt"]) == (90, Decimal("700.000000000000000001"))
    assert (told["reason"], told["what_to_do"]) == ("less", "go on")


BUCKETS = {"1 day": (1,), "2-3 days": (2, 3), "4-7 days": (4, 7), "8-30 days": (8, 30), "over 30 days": (31,)}


@pytest.mark.parametrize(("days", "bucket"), [(days, name) for name, ends in BUCKETS.items() for days in ends])
def test_an_age_falls_into_the_bucket_of_its_days(tmp_path: Path, days: int, bucket: str) -> None:
    """The first and the last day of each bucket."""
    assert only(tmp_path, [LEFT], *[[]] * (days - 1))["age_bucket"] == bucket


def test_no_break_at_all_is_a_table_with_every_column(tmp_path: Path) -> None:
    """A clean month has to read like any other."""
    aged, by_sql = age(tmp_path, number_days([FLAT], []))
    assert len(aged) == len(by_sql) == 0
    assert list(aged.columns) == OPEN_BREAKS.names
    pd.testing.assert_frame_equal(aged, by_sql)


def test_people_read_first_what_is_not_cleared_then_money_at_risk_then_the_oldest(tmp_path: Path) -> None:
    """The first line of the list is the first one to work on."""
    began, ended = build_break("second", BTC, "long", **RESIDUAL), build_row("second", BTC, "long", verdict="FLAT")
    left = build_break("main", BTC, "long", **RESIDUAL)
    aged, _by_sql = age(tmp_path, number_days([LEFT, FOREIGN, began], [left, FOREIGN, ended]))
    told = order_for_people(aged)[["subject", "status"]].itertuples(index=False, name=None)
    assert list(told) == [
        (f"main/{ETH}/short", "UNKNOWN"),
        (f"main/{BTC}/long", "OPEN"),
        (f"main/{DOT}/long", "OPEN"),
        (f"second/{BTC}/long", "CLEARED"),
    ]


# -- properties -------------------------------------------------------------------------------------------------------

SIZES = st.one_of(st.none(), st.decimals("0.000000000000000001", "99999999", places=18))


@st.composite
def instrument_rows(draw: st.DrawFn, account: str, instrument_id: str) -> list[Row]:
    """What a day says of an instrument: one verdict, any sides, any of them a break."""
    verdict = draw(st.sampled_from(["ALREADY_FLAT", "FLAT", "RESIDUAL", "UNVERIFIED", None]))
    rows = []
    for side in draw(st.sets(st.sampled_from(["long", "short", None]), min_size=1)):
        kind = draw(st.sampled_from(["RESIDUAL_POSITION", "UNVERIFIED", "UNCONFIGURED_POSITION", "UNKNOWN_OUTCOME"]))
        values = {"verdict": verdict, "break_type": kind, "notional_after_usdt": draw(SIZES)}
        if draw(st.booleans()):
            rows.append(
                build_break(account, instrument_id, side, severity=draw(st.sampled_from(["ERROR", "WARN"])), **values)
            )
        else:
            rows.append(build_row(account, instrument_id, side, severity="INFO", **values))
    return rows


@st.composite
def account_rows(draw: st.DrawFn, account: str) -> list[Row]:
    """What a day says of an account, nothing included."""
    rows = [row for each in (BTC, ETH) if draw(st.booleans()) for row in draw(instrument_rows(account, each))]
    if draw(st.integers(0, 3)) == 0:
        rows.append(build_break(account, break_type="FLATTEN_MISSING"))
    if draw(st.integers(0, 3)) == 0:
        rows.append(build_row(account, break_type="LOCK_TIMEOUT", is_break=draw(st.booleans()), severity="ERROR"))
    return rows


@st.composite
def months(draw: st.DrawFn) -> Days:
    """Days in a row, some without a file, at least one with."""
    day = st.one_of(st.none(), st.tuples(account_rows("main"), account_rows("second")).map(lambda two: two[0] + two[1]))
    listed = draw(st.lists(day, min_size=1, max_size=8).filter(lambda each: any(rows is not None for rows in each)))
    return number_days(*listed)


def age_day_by_day(days: Days) -> list[tuple[Any, ...]]:
    """The same ages as a clerk counts them: each evening the list of yesterday, gone through with the day's rows."""
    listed: dict[str, dict[str, Any]] = {}
    ended = []
    for day, rows in days.items():
        broken = {row["subject"]: row for row in rows or () if row["is_break"]}
        for subject, line in list(listed.items()):
            if rows is None:
                line["missing"] += 1
            elif subject not in broken and _clears(line["row"], rows):
                ended.append((*_tell(line), day))
                del listed[subject]
            elif subject not in broken:
                line["not_looked"] += 1
        for subject, row in broken.items():
            line = listed.setdefault(subject, {"first": day, "seen": 0, "not_looked": 0, "missing": 0})
            line |= {"row": row, "last": day, "seen": line["seen"] + 1}
    return sorted([*ended, *((*_tell(line), "") for line in listed.values())])


def _tell(line: Mapping[str, Any]) -> tuple[Any, ...]:
    return line["row"]["subject"], line["first"], line["last"], line["seen"], line["not_looked"], line["missing"]


def _clears(was: Row, rows: Sequence[Row]) -> bool:
    own = [row for row in rows if row["account"] == was["account"]]
    if any(row["break_type"] == "FLATTEN_MISSING" for row in own):
        return False
    if any(row["subject"] == was["subject"] for row in own):
        return True
    if was["instrument_id"] is not None and any(
        row["instrument_id"] == was["instrument_id"] and row["verdict"] in ("FLAT", "ALREADY_FLAT") for row in own
    ):
        return True
    verdicts = {row["verdict"] for row in own} - {None}
    is_of_account = was["instrument_id"] is None or was["break_type"] == "UNCONFIGURED_POSITION"
    return is_of_account and bool(verdicts) and "UNVERIFIED" not in verdicts


@settings(max_examples=40)
@given(months())
def test_aging_day_by_day_equals_aging_the_range_at_once(days: Days) -> None:
    """A report of Monday and one of Tuesday must tell the same story of Monday; and SQL must tell it too."""
    with tempfile.TemporaryDirectory() as folder:
        aged, by_sql = age(Path(folder), days)
    pd.testing.assert_frame_equal(aged, by_sql)
    columns = ["subject", "first_seen", "last_seen", "days_seen", "days_not_looked", "days_missing", "cleared_on"]
    told = aged[columns].astype(object).fillna("").itertuples(index=False, name=None)
    assert sorted(told) == age_day_by_day(days)


@settings(max_examples=40)
@given(months())
def test_every_break_row_is_in_exactly_one_open_break(days: Days) -> None:
    """None may fall between two reports, and none may be counted twice."""
    with tempfile.TemporaryDirectory() as folder:
        aged, _by_sql = age(Path(folder), days)
    rows = aged.to_dict("records")
    for day, of_day in days.items():
        for row in of_day or ():
            holding = [
                each
                for each in rows
                if each["subject"] == row["subject"] and each["first_seen"] <= day <= each["last_seen"]
            ]
            assert len(holding) == 1 if row["is_break"] else all(each["last_seen"] != day for each in holding)
    assert aged["days_seen"].sum() == sum(row["is_break"] for of_day in days.values() for row in of_day or ())
    for each in rows:
        through = max(days) if pd.isna(each["cleared_on"]) else each["cleared_on"]
        length = len(list(list_dates(each["first_seen"], through))) - (0 if pd.isna(each["cleared_on"]) else 1)
        assert each["days_open"] == length == each["days_seen"] + each["days_not_looked"] + each["days_missing"]
