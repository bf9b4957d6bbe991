"""What somebody has done to the files behind the tables' back: a clear outcome each, in the page, and nothing lost."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from deepcoin_ops.definitions import build_definitions
from deepcoin_ops.domain.model import InstrumentType, Position, PositionsRead, RawAnswer, Verdict
from deepcoin_ops.domain.tables import POSITIONS_BEFORE, RECONCILIATION, TABLES
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.ledger.sqlite_file import driver

EARLY, GOOD, BAD = "2026-03-03", "2026-03-04", "2026-03-05"


def try_to_rebuild(office: Any, trading_day: str) -> dg.ExecuteInProcessResult:
    """Press "Materialize" where it may fail."""
    job = build_definitions(settings=office.settings).resolve_job_def("rebuild_day_tables")
    return job.execute_in_process(partition_key=trading_day, instance=office.instance, raise_on_error=False)


def metadata_of(run: dg.ExecuteInProcessResult, trading_day: str) -> dict[str, Any]:
    """What the reconciliation's partition shows."""
    [event] = [
        event.materialization
        for event in run.get_asset_materialization_events()
        if (event.asset_key, event.partition) == (dg.AssetKey(RECONCILIATION.name), trading_day)
    ]
    return {name: value.value for name, value in event.metadata.items()}


def check_of(run: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    """The one result of a check that has no partitions."""
    [found] = [each for each in run.get_asset_check_evaluations() if each.check_name == name]
    return found


def contents_of(folder: Path) -> dict[Path, bytes]:
    """Every file below a folder."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def alter(office: Any, *statements: str) -> None:
    """Change the ledger's file with a database tool."""
    with closing(driver.connect(office.settings.ledger_path)) as connection, connection:
        for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            connection.execute(statement)


def test_a_half_written_file_is_built_anew_and_what_was_left_of_it_is_kept(office: Any) -> None:
    """A torn copy from a backup; the person sees where it has gone."""
    office.record_flatten(BAD, Verdict.RESIDUAL)
    office.rebuild(BAD)
    path = Path(office.store.path(RECONCILIATION, BAD))
    whole = office.store.read(RECONCILIATION, BAD).frame
    half = path.read_bytes()[:1000]
    path.write_bytes(half)
    shown = metadata_of(office.rebuild(BAD), BAD)
    pd.testing.assert_frame_equal(office.store.read(RECONCILIATION, BAD).frame, whole)
    [aside] = shown["files_set_aside"]
    assert Path(aside).read_bytes() == half


@pytest.mark.parametrize("deleted", [RECONCILIATION.name, "."], ids=["a table's folder", "all tables"])
def test_days_whose_folder_was_deleted_are_named_and_come_back_from_the_ledger(office: Any, deleted: str) -> None:
    """A folder without files has no breaks in it, and must not turn the check over all days green."""
    for day in (GOOD, BAD):
        office.record_flatten(day, Verdict.RESIDUAL if day == BAD else Verdict.FLAT)
    office.rebuild(GOOD, BAD)
    before = {table: office.store.read(table, BAD) for table in TABLES}
    shutil.rmtree(Path(office.settings.tables_url) / deleted)
    over_all = check_of(office.rebuild(GOOD), "days_with_open_breaks")
    assert not over_all.passed
    assert over_all.severity is dg.AssetCheckSeverity.ERROR
    assert over_all.metadata["days_without_a_file"].value[0] == BAD
    assert f"recorded or due, and without a file: {BAD}" in str(over_all.description)
    again = office.rebuild(BAD)
    for table in TABLES:
        stored = office.store.read(table, BAD)
        pd.testing.assert_frame_equal(stored.frame, before[table].frame)
        assert stored.head == before[table].head
    assert BAD not in check_of(again, "days_with_open_breaks").metadata["days_without_a_file"].value


def test_a_day_before_the_first_flatten_is_a_day_nobody_flattened(office: Any) -> None:
    """The ledger begins later; the day was due all the same, and nothing is made up for it."""
    office.record_flatten(GOOD)
    shown = metadata_of(office.rebuild(EARLY), EARLY)
    assert (shown["flatten_runs"], shown["ledger_head_seq"], shown["ledger_head_hashes"]) == (0, 0, {})
    stored = office.store.read(RECONCILIATION, EARLY)
    assert list(stored.frame["break_type"]) == ["FLATTEN_MISSING"]
    assert all(len(office.store.read(table, EARLY).frame) == 0 for table in TABLES if table is not RECONCILIATION)


def test_a_day_before_the_first_trading_day_does_not_exist(office: Any) -> None:
    """It owes nothing and has no partition; a file of it would be a day nobody asked for."""
    with pytest.raises(dg.DagsterUnknownPartitionError, match="2026-01-04"):
        try_to_rebuild(office, "2026-01-04")
    assert not Path(office.settings.tables_url).exists()


MADE_GOOD = "UPDATE facts SET body = replace(body, 'RESIDUAL', 'FLAT') WHERE kind = 'verdicts_reached/1'"


def _of_a_newer_version(office: Any) -> None:
    alter(office, "UPDATE alembic_version SET version_num = '0999'")


def _of_the_live_venue(office: Any) -> None:
    alter(office, "UPDATE facts SET body = replace(body, 'paper', 'live') WHERE seq = 1")


def _no_database(office: Any) -> None:
    office.settings.ledger_path.write_text("remember the milk\n" * 100)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_of_a_newer_version, "was written by a newer version (its schema is '0999').*Install that version"),
        (_of_the_live_venue, "does not say which venue it is of"),
        (_no_database, "could not be read: file is not a database"),
    ],
)
def test_a_ledger_that_cannot_be_used_fails_the_run_with_its_reason_and_keeps_the_tables(
    office: Any, spoil: Callable[[Any], None], message: str
) -> None:
    """The first words a person reads say what to do; neither the ledger nor yesterday's tables are touched."""
    office.record_flatten(BAD, Verdict.RESIDUAL)
    office.rebuild(BAD)
    spoil(office)
    tables, ledger = contents_of(Path(office.settings.tables_url)), office.settings.ledger_path.read_bytes()
    run = try_to_rebuild(office, BAD)
    assert not run.success
    failures = [event.step_failure_data.user_failure_data for event in run.all_events if event.is_step_failure]
    assert failures
    for failure in failures:
        assert failure is not None
        assert message.split(".*")[0] in str(failure.description)
        assert message.split(".*")[-1] in str(failure.description)
    assert contents_of(Path(office.settings.tables_url)) == tables
    assert office.settings.ledger_path.read_bytes() == ledger


def test_an_altered_ledger_makes_no_day_clean_and_loses_no_table(office: Any) -> None:
    """Somebody made a bad evening good with a database tool and materialised the day: it is told, what it was is kept."""
    office.record_flatten(BAD, Verdict.RESIDUAL)
    office.record_flatten(GOOD)
    office.rebuild(GOOD, BAD)
    before = Path(office.store.path(RECONCILIATION, BAD)).read_bytes()
    alter(office, MADE_GOOD)
    run = office.rebuild(BAD)
    told = office.store.read(RECONCILIATION, BAD).frame
    # The verdict that was changed is not believed, and what it said before is in no file: the flatten has none.
    assert sorted(told.loc[told["is_break"], "break_type"]) == ["LEDGER_ALTERED", "UNVERIFIED"]
    shown = metadata_of(run, BAD)
    assert f"account main, entry 3 (verdicts_reached/1, {BAD})" in shown["ledger_altered"]
    assert shown["built_from_newer_head"] is False
    [aside] = shown["files_set_aside"]
    assert Path(aside).read_bytes() == before
    for check in ("all_flat", "days_with_open_breaks", "ledger_chain_intact"):
        assert not check_of(run, check).passed
    assert "ledger_altered" not in metadata_of(office.rebuild(GOOD), GOOD)


def test_a_lost_file_of_a_day_nobody_flattened_is_missed(office: Any) -> None:
    """The ledger has nothing on that day either; it was due, and lies after the first day that is known."""
    office.record_flatten(EARLY)
    office.rebuild(EARLY, GOOD)
    Path(office.store.path(RECONCILIATION, GOOD)).unlink()
    lost = check_of(office.rebuild(EARLY), "days_with_open_breaks").metadata["days_without_a_file"].value
    assert lost[0] == GOOD
    assert EARLY not in lost


def test_a_day_without_a_table_is_built_from_an_altered_ledger_and_says_so(office: Any) -> None:
    """There is nothing better to keep, and the file itself carries the doubt for whoever reads it."""
    office.record_flatten(BAD, Verdict.RESIDUAL)
    alter(office, MADE_GOOD)
    shown = metadata_of(office.rebuild(BAD), BAD)
    assert "not what was recorded" in shown["ledger_altered"]
    assert shown["built_from_newer_head"] is False
    assert "entry 3" in office.store.read(RECONCILIATION, BAD).head.altered["main"]


def test_an_average_price_that_no_table_holds_keeps_no_table_away(office: Any) -> None:
    """A largest float, in a position that the settings do not name: three tables of every account could not be built."""
    office.record_flatten(BAD)
    price = Decimal("1.7976931348623157e+308")
    at = datetime(2026, 3, 5, 21, 31, tzinfo=UTC)
    row = Position("DOT-USDT-SWAP", None, "7", None, Decimal(7), "cross", "merge", price, "USDT")
    read = PositionsRead(InstrumentType.SWAP, (row,), at, at, 0.0, RawAnswer(200, b"{}", 2))
    with Ledger.open(office.settings.ledger_path, office.settings.venue, lambda: at) as ledger:
        ledger.record_read(f"{BAD}-0", "snapshot", 0, read)
    assert try_to_rebuild(office, BAD).success
    [shown] = office.store.read(POSITIONS_BEFORE, BAD).frame.to_dict("records")
    assert (shown["quantity_contracts"], pd.isna(shown["average_price"])) == (7, True)
    rows = office.store.read(RECONCILIATION, BAD).frame
    [drift] = rows[rows["break_type"] == "SCHEMA_DRIFT"].to_dict("records")
    assert "positions_before.average_price of 2026-03-05-0 0 is null" in drift["reason"]
    assert "1.7976931348623157E+308" in drift["reason"]
    page = Path(office.settings.tables_url, "flatten_report", f"{BAD}.html").read_text()
    assert "1.7976931348623157E+308" in page
