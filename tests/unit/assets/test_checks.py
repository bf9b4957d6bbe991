"""The asset checks: each day keeps its own result, and no good day hides a bad one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from account_days import (
    BTC,
    DAY,
    DOT,
    ETH,
    build_attempt,
    build_day,
    build_flatten,
    build_list,
    build_order,
    build_page,
    build_protection,
    build_verdict,
)

from deepcoin_ops.assets.checks import DAY_CHECKS, SCHEMA
from deepcoin_ops.domain.day_frames import build_reconciliation
from deepcoin_ops.domain.model import FlattenResult, Outcome, PositionSide, Verdict
from deepcoin_ops.domain.table_head import TableHead
from deepcoin_ops.domain.tables import RECONCILIATION
from deepcoin_ops.ledger.sqlite_file import driver
from deepcoin_ops.orchestration import day_resources
from deepcoin_ops.orchestration.tables import TableStore

GOOD, BAD, QUIET = "2026-03-04", "2026-03-05", "2026-03-06"
ETH_FLAT = build_verdict(ETH, Verdict.ALREADY_FLAT)
UNKNOWN = (build_attempt(1, Outcome.UNKNOWN),)
EVENINGS = {
    "clean": build_flatten(build_verdict(BTC), ETH_FLAT),
    "residual": build_flatten(build_verdict(BTC, Verdict.RESIDUAL), ETH_FLAT, result=FlattenResult.NOT_FLAT),
    "unknown, settled": build_flatten(build_verdict(BTC), ETH_FLAT, attempts=UNKNOWN),
    "unknown": build_flatten(build_verdict(BTC, Verdict.UNVERIFIED), ETH_FLAT, attempts=UNKNOWN),
    "order left": build_flatten(
        build_verdict(BTC, Verdict.RESTING_ORDER_LEFT),
        ETH_FLAT,
        result=FlattenResult.NOT_FLAT,
        orders_after=(build_list(build_order()),),
    ),
    "order that only closes": build_flatten(build_verdict(), ETH_FLAT, orders_after=(build_list(build_protection()),)),
    "unconfigured": build_flatten(build_verdict(BTC), ETH_FLAT, after=(build_page((DOT, PositionSide.LONG, "7")),)),
}


@pytest.mark.parametrize(
    ("evening", "failed"),
    [
        ("clean", {}),
        ("residual", {"all_flat": "ERROR"}),
        ("order left", {"all_flat": "ERROR"}),
        ("order that only closes", {}),
        ("unknown, settled", {}),
        ("unknown", {"all_flat": "ERROR", "no_unknown_outcomes": "ERROR"}),
        ("unconfigured", {"no_unconfigured_positions": "WARN"}),
        ("nobody flattened", {"all_flat": "ERROR"}),
    ],
)
def test_a_day_fails_the_checks_that_its_rows_are_about(tmp_path: Path, evening: str, failed: dict[str, str]) -> None:
    """ERROR where money is at risk, WARN where somebody decides, and nothing for what a read has settled."""
    store = TableStore(str(tmp_path / "tables"), tmp_path / "locks")
    flattens = [EVENINGS[evening]] if evening in EVENINGS else []
    frame = build_reconciliation(DAY, [build_day(*flattens)])
    store.write(RECONCILIATION, DAY, frame, TableHead("ledger", 1, {}))
    on_disk = store.read(RECONCILIATION, DAY)
    results = [check.evaluate(RECONCILIATION, DAY, on_disk) for check in (SCHEMA, *DAY_CHECKS[RECONCILIATION])]
    assert {result.check_name: result.severity.value for result in results if not result.passed} == failed
    assert {result.partition for result in results} == {DAY}


def test_a_file_that_cannot_be_read_back_fails_every_check_of_its_day(tmp_path: Path) -> None:
    """A check that says nothing reads like one that passed."""
    store = TableStore(str(tmp_path / "tables"), tmp_path / "locks")
    on_disk = store.read(RECONCILIATION, DAY)
    results = [check.evaluate(RECONCILIATION, DAY, on_disk) for check in (SCHEMA, *DAY_CHECKS[RECONCILIATION])]
    assert not any(result.passed for result in results)


def test_a_repeated_key_or_a_missing_value_fails_the_schema(tmp_path: Path) -> None:
    """Types alone allow both, and whoever joins on the key gets rows twice."""
    store = TableStore(str(tmp_path / "tables"), tmp_path / "locks")
    frame = build_reconciliation(DAY, [build_day()] * 2)
    store.write(RECONCILIATION, DAY, frame, TableHead("ledger", 1, {}))
    result = SCHEMA.evaluate(RECONCILIATION, DAY, store.read(RECONCILIATION, DAY))
    assert not result.passed
    assert "key subject is repeated in 2 row(s)" in str(result.description)


def test_a_word_that_nobody_knows_fails_the_schema(tmp_path: Path) -> None:
    """Whoever counts verdicts would leave the row out, and the day would look better than it is."""
    store = TableStore(str(tmp_path / "tables"), tmp_path / "locks")
    frame = build_reconciliation(DAY, [build_day()])
    frame["severity"] = "HARMLESS"
    store.write(RECONCILIATION, DAY, frame, TableHead("ledger", 1, {}))
    result = SCHEMA.evaluate(RECONCILIATION, DAY, store.read(RECONCILIATION, DAY))
    assert not result.passed
    assert "severity holds another word than 'ERROR', 'WARN', 'INFO' in 1 row(s)" in str(result.description)


def test_evidence_that_is_missing_or_contradicts_is_a_warning(tmp_path: Path) -> None:
    """Nobody's money is at risk by it, and nobody may take the closes for confirmed."""
    store = TableStore(str(tmp_path / "tables"), tmp_path / "locks")
    [check] = [each for each in DAY_CHECKS[RECONCILIATION] if each.name == "evidence_matches"]
    closed = build_flatten(build_verdict(), before=(build_page((BTC, PositionSide.LONG, "10")),), after=(build_page(),))
    store.write(RECONCILIATION, DAY, build_reconciliation(DAY, [build_day(closed)]), TableHead("ledger", 1, {}))
    missing = check.evaluate(RECONCILIATION, DAY, store.read(RECONCILIATION, DAY))
    assert (missing.passed, missing.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "Launch collect_evidence" in str(missing.description)
    store.write(RECONCILIATION, DAY, build_reconciliation(DAY, [build_day(due=None)]), TableHead("ledger", 2, {}))
    assert check.evaluate(RECONCILIATION, DAY, store.read(RECONCILIATION, DAY)).passed


def results_of(run: dg.ExecuteInProcessResult, check: str) -> dict[str | None, bool]:
    """Whether a check of the reconciliation passed, by day."""
    found = [each for each in run.get_asset_check_evaluations() if each.asset_key == dg.AssetKey("reconciliation")]
    return {each.partition: each.passed for each in found if each.check_name == check}


def test_rebuilding_a_good_day_does_not_hide_a_bad_one(office: Any) -> None:
    """Dagster's badge shows the last result; the check over all days is the one that stays red."""
    office.record_flatten(GOOD)
    office.record_flatten(BAD, Verdict.RESIDUAL)
    assert results_of(office.rebuild(BAD), "all_flat") == {BAD: False}
    later = office.rebuild(GOOD)
    assert results_of(later, "all_flat") == {GOOD: True}
    [over_all] = [each for each in later.get_asset_check_evaluations() if each.check_name == "days_with_open_breaks"]
    assert not over_all.passed
    assert over_all.severity is dg.AssetCheckSeverity.ERROR
    assert over_all.metadata["days_with_open_breaks"].value == [BAD]


def test_a_run_of_several_days_leaves_a_result_for_each(office: Any) -> None:
    """A backfill in the page must not turn the results of thirty days into one."""
    office.record_flatten(GOOD)
    office.record_flatten(BAD, Verdict.RESIDUAL)
    assert results_of(office.rebuild(GOOD, QUIET), "all_flat") == {GOOD: True, BAD: False, QUIET: False}


def test_a_day_that_was_cleared_turns_green(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody flattened again in the evening; the break is gone, and the check over all days says so the next morning."""
    monkeypatch.setattr(day_resources, "utc_now", lambda: datetime(2026, 3, 7, 12, tzinfo=UTC))
    office.record_flatten(BAD, Verdict.RESIDUAL)
    office.rebuild(BAD)
    office.record_flatten(BAD)
    run = office.rebuild(BAD)
    assert results_of(run, "all_flat") == {BAD: True}
    assert results_of(run, "days_with_open_breaks") == {None: True}


def test_a_day_whose_file_is_spoilt_keeps_the_check_over_all_days_red(office: Any) -> None:
    """A torn copy of a bad day must not read as a day without breaks."""
    office.record_flatten(GOOD)
    office.record_flatten(BAD)
    office.rebuild(BAD)
    office.store.path(RECONCILIATION, BAD).write_bytes(b"PAR1")
    run = office.rebuild(GOOD)
    [over_all] = [each for each in run.get_asset_check_evaluations() if each.check_name == "days_with_open_breaks"]
    assert not over_all.passed
    assert over_all.metadata["unreadable_days"].value == [BAD]


def test_an_altered_row_of_the_ledger_is_found(office: Any) -> None:
    """Somebody with a database tool made a bad evening good; the chain tells which entry is not what was recorded."""
    office.record_flatten(BAD, Verdict.RESIDUAL)
    assert results_of(office.rebuild(BAD), "ledger_chain_intact") == {None: True}
    connection = driver.connect(office.settings.ledger_path)
    for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {trigger}")
    connection.execute("UPDATE facts SET body = replace(body, 'RESIDUAL', 'FLAT') WHERE kind = 'verdicts_reached/1'")
    connection.commit()
    connection.close()
    [result] = [
        each for each in office.rebuild(BAD).get_asset_check_evaluations() if each.check_name == "ledger_chain_intact"
    ]
    assert not result.passed
    assert BAD in str(result.description)
