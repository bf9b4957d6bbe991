"""Each break type, produced on the paper exchange by the real controller and read back from the ledger as a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from flatten_lab import Lab, build_scenario, open_lab, position, read_days, stubborn, with_settings

from deepcoin_ops.domain.day_frames import (
    build_flatten_summary,
    build_positions_after,
    build_positions_before,
    build_reconciliation,
)
from deepcoin_ops.domain.errors import LockTimeout
from deepcoin_ops.domain.model import FlattenResult
from deepcoin_ops.flattening.account_lock import AccountLock
from deepcoin_ops.flattening.evidence import collect_evidence
from deepcoin_ops.flattening.progress import Progress
from deepcoin_ops.paper.faults import Fault, FaultAction

A = FaultAction
BTC, ETH = position("BTC-USDT-SWAP", "PAPER-1", "500"), position("ETH-USDT-SWAP", "PAPER-2", "90.5", "short")
# Reads fail from here on: the snapshot's pages have been read, nothing after the closes will be.
BLIND = Fault(A.SERVER_ERROR, endpoint="account/positions", call=3, until_call=10_000)


def reconcile_after(lab: Lab) -> pd.DataFrame:
    """The reconciliation after one flatten; it is stopped once its reads fail, instead of trying for half a minute."""

    def stop_when_blind(progress: Progress) -> None:
        if "read failed" in progress.text:
            lab.stop.set()

    since = datetime.now(UTC)
    lab.flatten(report=stop_when_blind)
    return build_reconciliation(*read_days(lab, since))


def row_of(frame: pd.DataFrame, instrument_id: str) -> pd.Series:
    """The one row of an instrument."""
    [index] = frame.index[frame["instrument_id"] == instrument_id]
    return frame.loc[index]


@pytest.mark.parametrize(
    ("faults", "break_type", "severity"),
    [
        pytest.param(stubborn(), "RESIDUAL_POSITION", "ERROR", id="an item every time"),
        pytest.param([Fault(A.ERROR_ITEMS)], "PARTIAL_FAILURE", "INFO", id="an item once"),
        pytest.param([Fault(A.ERROR_ITEMS), BLIND], "PARTIAL_FAILURE", "ERROR", id="an item, then blind"),
        pytest.param([Fault(A.RESET)], "UNKNOWN_OUTCOME", "INFO", id="no answer"),
        pytest.param([Fault(A.RESET), BLIND], "UNKNOWN_OUTCOME", "ERROR", id="no answer, then blind"),
        pytest.param([BLIND], "UNVERIFIED", "ERROR", id="blind"),
        pytest.param([Fault(A.REOPEN, call=None, delay_s=0.02)], "REOPENED", "ERROR", id="reopened every time"),
    ],
)
def test_what_goes_wrong_with_a_close_is_this_break(
    tmp_path: Path, faults: Sequence[Fault], break_type: str, severity: str
) -> None:
    """The same fault is a break or information, depending on whether later reads proved the account flat."""
    with open_lab(tmp_path, build_scenario([BTC], faults)) as lab:
        row = row_of(reconcile_after(with_settings(lab, max_rounds=3, interrupt_read_s=0.3)), "BTC-USDT-SWAP")
        assert (row["break_type"], row["severity"]) == (break_type, severity)
        assert bool(row["is_break"]) is (severity == "ERROR")
        assert (row["position_side"], row["quantity_before_contracts"]) == ("long", 500)
        if row["verdict"] != "UNVERIFIED":
            assert (row["quantity_after_contracts"] > 0) is (lab.truly_open() == {"BTC-USDT-SWAP"})


def test_a_residual_names_its_codes_sizes_and_what_to_do(tmp_path: Path) -> None:
    """What a person needs the next morning stands in one row."""
    with open_lab(tmp_path, build_scenario([BTC, ETH], stubborn("ETH-USDT-SWAP"))) as lab:
        frame = reconcile_after(lab)
        row = row_of(frame, "ETH-USDT-SWAP")
        assert row["findings"] == "RESIDUAL_POSITION, PARTIAL_FAILURE"
        assert (row["error_codes"], row["error_items"], row["attempts"]) == ("51020", 5, 5)
        assert row["outcomes"] == ", ".join(["PARTIAL"] * 5)
        assert (row["quantity_after_contracts"], row["position_side"]) == (row["quantity_before_contracts"], "short")
        assert row["notional_after_usdt"] > 0
        assert "flatten again" in row["what_to_do"]
        assert list(frame["is_break"]).count(True) == 1


def test_duplicated_items_are_kept_and_told(tmp_path: Path) -> None:
    """Whoever counts positions by items counts one twice."""
    with open_lab(tmp_path, build_scenario([BTC], [Fault(A.DUPLICATED_ITEMS)])) as lab:
        row = row_of(reconcile_after(lab), "BTC-USDT-SWAP")
        assert (row["break_type"], row["error_items"]) == ("PARTIAL_FAILURE", 2)
        assert "DUPLICATE_ERROR_ITEM" in row["findings"]


def test_unknown_fields_are_reported_as_drift(tmp_path: Path) -> None:
    """The exchange changes its answers without notice; the day says so, and is flat nevertheless."""
    drifting = Fault(A.UNKNOWN_FIELDS, endpoint="account/positions", call=None)
    with open_lab(tmp_path, build_scenario([BTC], [drifting])) as lab:
        frame = reconcile_after(lab)
        [drift] = frame.index[frame["break_type"] == "SCHEMA_DRIFT"]
        assert "unknown field" in frame.loc[drift, "reason"]
        assert not frame["is_break"].any()


def test_a_position_that_is_not_configured_is_told_and_left_alone(tmp_path: Path) -> None:
    """It stays open at the exchange, and the tables say so before and after."""
    with open_lab(tmp_path, build_scenario([BTC, position("DOT-USDT-SWAP", "PAPER-5", "7")])) as lab:
        since = datetime.now(UTC)
        lab.flatten()
        day, days = read_days(lab, since)
        row = row_of(build_reconciliation(day, days), "DOT-USDT-SWAP")
        assert (row["break_type"], row["severity"]) == ("UNCONFIGURED_POSITION", "WARN")
        before, after = build_positions_before(day, days), build_positions_after(day, days)
        assert list(before["instrument_id"]) == ["BTC-USDT-SWAP", "DOT-USDT-SWAP"]
        assert list(before["is_configured"]) == [True, False]
        assert set(after["instrument_id"]) == lab.truly_open() == {"DOT-USDT-SWAP"}


@pytest.mark.parametrize(
    ("kept_s", "is_collected", "break_type", "severity", "told"),
    [
        pytest.param(86400.0, True, None, None, "MATCHES: both say 500 closed", id="the exchange agrees"),
        pytest.param(0.0, True, "EVIDENCE_MISMATCH", "WARN", "MISMATCH: the ledger's reads say 500 closed", id="it forgot"),
        pytest.param(86400.0, False, "EVIDENCE_UNAVAILABLE", "INFO", "UNAVAILABLE: no evidence", id="nobody asked"),
    ],
)
def test_a_flat_instrument_is_held_against_the_exchanges_own_list(
    tmp_path: Path, kept_s: float, is_collected: bool, break_type: str | None, severity: str | None, told: str
) -> None:
    """The reads say flat; the history says whether it was closed, and by how much."""
    with open_lab(tmp_path, build_scenario([BTC], history_kept_s=kept_s)) as lab:
        since = datetime.now(UTC)
        lab.flatten()
        if is_collected:
            collect_evidence(lab.desk, lab.desk.settings.calendar.day_of(since), lab.said.append)
        row = row_of(build_reconciliation(*read_days(lab, since)), "BTC-USDT-SWAP")
        found = [None if pd.isna(row[name]) else row[name] for name in ("break_type", "severity")]
        assert found == [break_type, severity]
        assert bool(row["is_break"]) is (severity == "WARN")
        assert row["evidence"].startswith(told)
        assert row["verdict"] == "FLAT"


def test_a_strange_value_in_an_answer_is_reported_as_drift(tmp_path: Path) -> None:
    """An answer without a readable errorList is an unknown outcome, and the day says that the wire has changed."""
    with open_lab(tmp_path, build_scenario([BTC], [Fault(A.ERROR_LIST_MISSING)])) as lab:
        frame = reconcile_after(lab)
        [drift] = frame.index[frame["break_type"] == "SCHEMA_DRIFT"]
        assert "errorList is missing or not a list" in frame.loc[drift, "reason"]
        assert row_of(frame, "BTC-USDT-SWAP")["break_type"] == "UNKNOWN_OUTCOME"


def test_a_break_says_since_when_and_how_old_it_was_at_the_days_end(tmp_path: Path) -> None:
    """Something open since noon is another matter than something open since a minute."""
    with open_lab(tmp_path, build_scenario([BTC], stubborn())) as lab:
        since = datetime.now(UTC)
        frame = reconcile_after(lab)
        row, ends_at = row_of(frame, "BTC-USDT-SWAP"), read_days(lab, since)[1][0].ends_at
        assert since <= row["since_at"] <= datetime.now(UTC)
        assert row["age_s"] == pytest.approx((ends_at - row["since_at"]).total_seconds())
        assert frame.loc[frame["break_type"].isna(), ["since_at", "age_s"]].isna().all(axis=None)


def test_what_was_flat_before_is_information(tmp_path: Path) -> None:
    """Nothing was sent, so that nobody has anything to look at."""
    with open_lab(tmp_path, build_scenario([])) as lab:
        frame = reconcile_after(lab)
        assert set(frame["break_type"]) == {"ALREADY_FLAT"}
        assert set(frame["severity"]) == {"INFO"}


def test_an_account_held_for_too_long_is_a_lock_timeout_and_not_flattened(tmp_path: Path) -> None:
    """The words in the ledger are the ones by which the reason is known again."""
    with open_lab(tmp_path, build_scenario([BTC])) as lab:
        since = datetime.now(UTC)
        holder = AccountLock(lab.desk.settings.locks_folder, "main")
        holder.acquire("somebody else", 1, lambda: False)
        with pytest.raises(LockTimeout):
            lab.flatten()
        holder.release()
        frame = build_reconciliation(*read_days(lab, since))
        assert {"LOCK_TIMEOUT", "FLATTEN_MISSING", "UNVERIFIED"} <= set(frame.loc[frame["is_break"], "break_type"])


def test_a_dry_run_is_no_flatten(tmp_path: Path) -> None:
    """It shows what would be closed; the day is missing its flatten all the same."""
    with open_lab(tmp_path, build_scenario([BTC])) as lab:
        since = datetime.now(UTC)
        lab.flatten(lab.open(is_dry_run=True))
        day, days = read_days(lab, since)
        frame, summary = build_reconciliation(day, days), build_flatten_summary(day, days)
        assert list(frame["break_type"]) == ["FLATTEN_MISSING"]
        assert list(summary["is_dry_run"]) == [True]


def test_the_summary_holds_what_the_closing_row_says(tmp_path: Path) -> None:
    """The figures a desk compares from day to day, one row per flatten."""
    with open_lab(tmp_path, build_scenario([BTC, ETH], [Fault(A.THROTTLE)])) as lab:
        since = datetime.now(UTC)
        closing = lab.flatten().closing
        [row] = build_flatten_summary(*read_days(lab, since)).to_dict("records")
        assert row["result"] == closing.result.value == FlattenResult.FLAT.value
        assert (row["sends"], row["refused_sends"], row["rounds"]) == (closing.sends, closing.refused_sends, closing.rounds)
        assert row["time_to_proven_flat_s"] == closing.time_to_proven_flat_s
        assert (row["flat"], row["already_flat"], row["residual"], row["unverified"]) == (2, 4, 0, 0)
        assert (row["attempts"], row["throttled_sends"], row["error_items"]) == (closing.sends, 1, 0)
        assert row["residual_notional_usdt"] == 0


def test_rebuilding_a_day_from_the_same_head_gives_identical_tables(tmp_path: Path) -> None:
    """A table is a function of the ledger: whoever rebuilds it later must find what was found before."""
    with open_lab(tmp_path, build_scenario([BTC, ETH], [Fault(A.ERROR_ITEMS), Fault(A.RESET)])) as lab:
        since = datetime.now(UTC)
        lab.flatten()
        for build in (build_reconciliation, build_flatten_summary, build_positions_before, build_positions_after):
            pd.testing.assert_frame_equal(build(*read_days(lab, since)), build(*read_days(lab, since)))
