"""The tables on disk: never back to an older ledger head, never half a file, always every column."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepcoin_ops.domain.day_frames import build_close_attempts, build_close_errors
from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.frames import Table
from deepcoin_ops.domain.model import CloseAttempt, CloseError, CloseIntent, Outcome, PositionSide, ProductGroup
from deepcoin_ops.domain.table_head import TableHead
from deepcoin_ops.domain.tables import CLOSE_ATTEMPTS, CLOSE_ERRORS, TABLES
from deepcoin_ops.orchestration.tables import TableStore

DAY = "2026-03-08"
AT = datetime(2026, 3, 8, 21, 30, 0, 123456, UTC)
OLD, NEW = TableHead("ledger", 3, {"main": "aa"}), TableHead("ledger", 7, {"main": "bb"})


def build_attempt(number: int = 1) -> CloseAttempt:
    """An attempt with a size that no float holds, and one error item."""
    size = Decimal("0.100000000000000001")
    intent = CloseIntent(f"A{number}", "BTC-USDT-SWAP", ProductGroup.SWAP_U, 1, number, "/close", "{}", size, None)
    item = CloseError(0, "BTC-USDT-SWAP", PositionSide.SHORT, "51020", "Insufficient position", "1", "2", "3", "{}")
    return CloseAttempt("main", "F1", intent, AT, Outcome.PARTIAL, "one item", AT, AT, "0", 200, (item,))


@pytest.fixture
def store(tmp_path: Path) -> TableStore:
    """An empty store."""
    return TableStore(str(tmp_path / "tables"), tmp_path / "locks")


def test_a_lower_head_never_replaces_a_higher_one(store: TableStore) -> None:
    """Two runs of one day may end in the wrong order; the newer word stays."""
    newer = build_close_attempts(DAY, [build_attempt(1), build_attempt(2)])
    store.write(CLOSE_ATTEMPTS, DAY, newer, NEW)
    kept = store.write(CLOSE_ATTEMPTS, DAY, build_close_attempts(DAY, [build_attempt(1)]), OLD)
    assert (kept.is_kept, kept.head) == (True, NEW)
    pd.testing.assert_frame_equal(kept.frame, newer)
    stored = store.read(CLOSE_ATTEMPTS, DAY)
    assert stored is not None
    assert (stored.head, len(stored.frame)) == (NEW, 2)


@pytest.mark.parametrize("head", [OLD, NEW])
def test_the_same_and_a_higher_head_replace_what_is_there(store: TableStore, head: TableHead) -> None:
    """A rebuild after a mended program has to arrive although the ledger stands where it stood."""
    store.write(CLOSE_ATTEMPTS, DAY, build_close_attempts(DAY, [build_attempt()]), OLD)
    written = store.write(CLOSE_ATTEMPTS, DAY, build_close_attempts(DAY, []), head)
    assert not written.is_kept
    stored = store.read(CLOSE_ATTEMPTS, DAY)
    assert stored is not None
    assert (stored.head, len(stored.frame)) == (head, 0)


def test_no_ledger_and_an_empty_one_do_not_wipe_out_what_an_earlier_one_told(store: TableStore) -> None:
    """After a lost ledger the table may be the last trace of the day."""
    store.write(CLOSE_ATTEMPTS, DAY, build_close_attempts(DAY, [build_attempt()]), OLD)
    for head in (TableHead("", 0, {}), TableHead("new ledger", 0, {})):
        assert store.write(CLOSE_ATTEMPTS, DAY, build_close_attempts(DAY, []), head).is_kept
    with pytest.raises(LedgerError, match="another ledger"):
        store.write(CLOSE_ATTEMPTS, DAY, build_close_attempts(DAY, []), TableHead("new ledger", 1, {}))
    stored = store.read(CLOSE_ATTEMPTS, DAY)
    assert stored is not None
    assert (stored.head, len(stored.frame)) == (OLD, 1)


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _spoil_footer(content: bytes) -> bytes:
    return content[:-40] + b"\xff" * 32 + content[-8:]


@pytest.mark.parametrize("spoil", [_cut, _spoil_footer, lambda _: b"", lambda _: b"PAR1PAR1", lambda _: b"no table"])
def test_a_file_that_is_not_whole_is_built_anew(store: TableStore, spoil: Callable[[bytes], bytes]) -> None:
    """A full disk or a torn copy must not keep a day from ever being built again, although its head was higher."""
    path = Path(store.write(CLOSE_ATTEMPTS, DAY, build_close_attempts(DAY, [build_attempt()]), NEW).path)
    path.write_bytes(spoil(path.read_bytes()))
    assert store.read(CLOSE_ATTEMPTS, DAY) is None
    assert not store.write(CLOSE_ATTEMPTS, DAY, build_close_attempts(DAY, [build_attempt()]), OLD).is_kept
    assert store.read(CLOSE_ATTEMPTS, DAY) is not None


@pytest.mark.parametrize("spoil", [_cut, lambda _: b"", lambda _: b"no table"])
def test_a_file_that_is_not_whole_is_kept_under_another_name(store: TableStore, spoil: Callable[[bytes], bytes]) -> None:
    """It may be the last trace of a ledger that is gone; nobody who reads the folder takes it for a day's."""
    path = Path(store.write(CLOSE_ATTEMPTS, DAY, build_close_attempts(DAY, [build_attempt()]), NEW).path)
    spoilt = spoil(path.read_bytes())
    path.write_bytes(spoilt)
    [aside] = store.write(CLOSE_ATTEMPTS, DAY, build_close_attempts(DAY, []), TableHead("", 0, {})).set_aside
    assert Path(aside).read_bytes() == spoilt
    assert store.list_days(CLOSE_ATTEMPTS) == [DAY]
    assert len(pd.read_parquet(path.parent)) == 0
    assert store.write(CLOSE_ATTEMPTS, DAY, build_close_attempts(DAY, []), OLD).set_aside == (aside,)


@pytest.mark.parametrize(
    ("stored", "is_kept_aside"), [(OLD, False), (NEW, True), (TableHead("another ledger", 1, {"main": "cc"}), True)]
)
def test_a_file_with_other_columns_makes_way_and_is_kept_if_it_could_know_more(
    store: TableStore, stored: TableHead, is_kept_aside: bool
) -> None:
    """A new version rebuilds old days without a trace, and must not wipe out what only a lost ledger could tell."""
    path = Path(store.write(CLOSE_ATTEMPTS, DAY, build_close_attempts(DAY, [build_attempt()]), stored).path)
    pq.write_table(pq.read_table(path).drop_columns(["reason"]), path)
    written = store.write(CLOSE_ATTEMPTS, DAY, build_close_attempts(DAY, []), OLD)
    assert not written.is_kept
    assert bool(written.set_aside) is is_kept_aside


@pytest.mark.parametrize("columns_to_drop", [[], ["reason"]], ids=["usable", "of an earlier version"])
def test_a_table_of_an_intact_ledger_is_kept_aside_from_an_altered_one(
    store: TableStore, columns_to_drop: list[str]
) -> None:
    """Somebody made a bad evening good in the ledger; what the table told is still there. A second time nothing is lost."""
    intact, altered = TableHead("ledger", 9, {"main": "bb"}), TableHead("ledger", 9, {"main": "cc"}, {"main": "entry 3"})
    path = Path(store.write(CLOSE_ATTEMPTS, DAY, build_close_attempts(DAY, [build_attempt()]), intact).path)
    pq.write_table(pq.read_table(path).drop_columns(columns_to_drop), path)
    was = path.read_bytes()
    written = store.write(CLOSE_ATTEMPTS, DAY, build_close_attempts(DAY, []), altered)
    [aside] = written.set_aside
    assert (written.is_kept, written.head, Path(aside).read_bytes()) == (False, altered, was)
    assert store.write(CLOSE_ATTEMPTS, DAY, build_close_attempts(DAY, []), altered).set_aside == (aside,)
    assert store.write(CLOSE_ATTEMPTS, DAY, build_close_attempts(DAY, []), intact).head == intact


def test_of_two_that_read_the_same_head_the_one_that_judged_later_stays(store: TableStore) -> None:
    """A backfill that began before the deadline must not wipe out that nobody flattened."""
    before, after = (TableHead("ledger", 7, {}, {}, "2026-03-04T22:00:00+00:00", is_past) for is_past in (False, True))
    moved = TableHead("ledger", 7, {}, {}, "2026-03-04T23:00:00+00:00", is_past_due=False)
    for head, is_kept in ((before, False), (after, False), (before, True), (moved, False)):
        assert store.write(CLOSE_ATTEMPTS, DAY, build_close_attempts(DAY, []), head).is_kept is is_kept


def test_a_file_of_an_earlier_version_tells_its_head(store: TableStore) -> None:
    """Its head has fewer fields; the day must not count as unusable for that."""
    path = Path(store.write(CLOSE_ATTEMPTS, DAY, build_close_attempts(DAY, [build_attempt()]), NEW).path)
    earlier = {b"deepcoin_ops.ledger_head": b'{"ledger_id": "ledger", "seq": 7, "hashes": {"main": "bb"}}'}
    pq.write_table(pq.read_table(path).replace_schema_metadata(earlier), path)
    stored = store.read(CLOSE_ATTEMPTS, DAY)
    assert stored is not None
    assert stored.head == NEW


def test_a_file_with_other_columns_is_built_anew(store: TableStore) -> None:
    """A table that gained a column in a later version finds its old files in the way."""
    path = Path(store.write(CLOSE_ATTEMPTS, DAY, build_close_attempts(DAY, [build_attempt()]), NEW).path)
    pq.write_table(pq.read_table(path).drop_columns(["reason"]), path)
    assert store.read(CLOSE_ATTEMPTS, DAY) is None
    assert not store.write(CLOSE_ATTEMPTS, DAY, build_close_attempts(DAY, [build_attempt()]), OLD).is_kept


def test_a_day_that_was_never_built_has_no_table(store: TableStore) -> None:
    """No file and a file without rows are two statements."""
    assert store.read(CLOSE_ERRORS, DAY) is None


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_zero_rows_keep_every_column_and_type(store: TableStore, table: Table) -> None:
    """An empty day whose columns became null would break the folder as one table."""
    path = store.write(table, DAY, table.build([]), NEW).path
    assert pq.read_schema(path).remove_metadata() == table.arrow_schema
    stored = store.read(table, DAY)
    assert stored is not None
    assert dict(stored.frame.dtypes) == {column.name: column.kind.pandas_type for column in table.columns}


def test_values_come_back_exactly(store: TableStore) -> None:
    """Sizes are decimals with eighteen places and instants have microseconds; neither may pass through a float."""
    frame = build_close_attempts(DAY, [build_attempt()])
    store.write(CLOSE_ATTEMPTS, DAY, frame, NEW)
    stored = store.read(CLOSE_ATTEMPTS, DAY)
    assert stored is not None
    pd.testing.assert_frame_equal(stored.frame, frame)
    assert stored.frame["quantity_contracts"][0] == Decimal("0.100000000000000001")
    assert stored.frame["intent_at"][0] == AT
    assert stored.frame["notional_usdt"].isna().all()


def test_a_full_day_and_an_empty_one_read_as_one_table(store: TableStore) -> None:
    """Downstream jobs read the folder, with whatever tool."""
    store.write(CLOSE_ERRORS, DAY, build_close_errors(DAY, [build_attempt()]), NEW)
    folder = Path(store.write(CLOSE_ERRORS, "2026-03-09", build_close_errors("2026-03-09", []), NEW).path).parent
    assert pq.read_table(folder).schema.remove_metadata() == CLOSE_ERRORS.arrow_schema
    assert list(pd.read_parquet(folder)["trading_day"]) == [DAY]


def test_a_write_leaves_nothing_beside_the_file(store: TableStore) -> None:
    """Whoever reads the folder must not find half-written files in it, after a failed write either."""
    path = Path(store.write(CLOSE_ATTEMPTS, DAY, build_close_attempts(DAY, []), NEW).path)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_frame_of_another_table_is_refused_and_leaves_the_file_alone(store: TableStore) -> None:
    """A wrong frame is a mistake in this program, and no reason to lose a day."""
    store.write(CLOSE_ERRORS, DAY, build_close_errors(DAY, [build_attempt()]), OLD)
    with pytest.raises(ValueError, match="columns are"):
        store.write(CLOSE_ERRORS, DAY, build_close_attempts(DAY, []), NEW)
    stored = store.read(CLOSE_ERRORS, DAY)
    assert stored is not None
    assert stored.head == OLD
    assert isinstance(stored.frame["raw_json"].dtype, pd.StringDtype)
    assert pa.types.is_string(pq.read_schema(stored.path).field("raw_json").type)
