"""Everything that reads the ledger: flattens, attempts, verdicts, heads of days, and whether the chain holds.

What is about waiting orders is read by `order_history`, checks of accounts by `check_history`; `History` is all three.

Writes nothing. State is a fold over entries: an intent without an outcome reads as UNKNOWN, a flatten without a closing
as still open. Reads of a day take `up_to_seq`, so that tables built one after the other are all of one moment; whatever
was recorded later does not exist for them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, func, select, true

from deepcoin_ops.domain.day import PositionPage
from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.evidence import ClosedPosition, EvidenceRead, Fill
from deepcoin_ops.domain.model import (
    CloseAttempt,
    CloseError,
    CloseIntent,
    FlattenClosing,
    FlattenRequest,
    InstrumentVerdict,
    Position,
    Venue,
)
from deepcoin_ops.ledger.chain import FIRST_PREVIOUS_HASH, build_misfit
from deepcoin_ops.ledger.check_history import CheckHistory
from deepcoin_ops.ledger.mark import read_setback
from deepcoin_ops.ledger.order_history import OrderHistory
from deepcoin_ops.ledger.queries import Row, Rows, fetch, is_up_to
from deepcoin_ops.ledger.reading import build_altered
from deepcoin_ops.ledger.records import AlteredEntry, DayHead, EvidenceRecord, FlattenRecord, LedgerHead, SkippedTick
from deepcoin_ops.ledger.rows import build_utc_text
from deepcoin_ops.ledger.schema import (
    DETAIL_TABLES,
    close_errors,
    close_intents,
    close_outcomes,
    closed_positions,
    entries,
    evidence_reads,
    fills,
    flatten_closings,
    flattens,
    ledger_identity,
    position_reads,
    position_rows,
    skipped_ticks,
    verdicts,
)
from deepcoin_ops.ledger.store import Store

NO_OUTCOME_REASON = "no outcome is on record: the process ended or still waits; the close may have happened"

# A read transaction keeps the log from starting anew, so that a long walk is done in short ones.
_CHAIN_BATCH = 200


class History(OrderHistory, CheckHistory):
    """The ledger as something to read. Open it with `open_existing` where nothing is to be written.

    Attributes:
        path: The ledger's file.
    """

    def __init__(self, store: Store):
        super().__init__(store)
        self.path = store.path

    @classmethod
    def open_existing(cls, path: Path, venue: Venue) -> Self | None:
        """Open a ledger for reading only: it is not created, not migrated, and refuses to record.

        It goes on without an entry that cannot be read, and names it in `unreadable`.

        Args:
            path: The SQLite file.
            venue: The venue this process works on.

        Returns:
            The ledger, or None when there is no file or nothing was ever recorded in it.

        Raises:
            LedgerError: The file is no ledger, is of another version or of another venue.
        """
        if not path.exists():
            return None
        store = Store(path, is_read_only=True)
        try:
            if not store.has_tables():
                store.close()
                return None
            store.check(venue)
        except LedgerError:
            store.close()
            raise
        return cls(store)

    def read_setback(self) -> str | None:
        """What is wrong with this ledger by the mark beside it: that it is an old copy. None when nothing is."""
        return read_setback(self.path, self._store)

    def copy(self, target: Path) -> None:
        """Write a whole copy of the ledger, in use or not.

        Raises:
            LedgerError: The target exists or cannot be written, or the ledger cannot be read.
        """
        self._store.copy(target)

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def read_ledger_id(self) -> str:
        """What tells this ledger from any other, a later one at the same path too."""
        return str(self._read(select(ledger_identity.c.ledger_id))[0]["ledger_id"])

    def read_accounts(self) -> list[str]:
        """The accounts that have an entry, by name."""
        return [row["account"] for row in self._read(select(entries.c.account).distinct().order_by(entries.c.account))]

    def read_flatten(self, flatten_id: str) -> FlattenRecord | None:
        """The flatten of this id, or None."""
        found = self._read_flattens(flattens.c.flatten_id == flatten_id)
        return found[0] if found else None

    def read_flattens(
        self, trading_day: str, up_to_seq: int | None = None, account: str | None = None
    ) -> list[FlattenRecord]:
        """The flattens of a trading day, of one account or of all, oldest first."""
        of_whom = true() if account is None else entries.c.account == account
        return self._read_flattens(and_(entries.c.trading_day == trading_day, of_whom), up_to_seq)

    def read_last_flatten(self, account: str) -> FlattenRecord | None:
        """The account's newest flatten, dry runs included, or None."""
        newest = select(func.max(entries.c.seq)).join(flattens, flattens.c.seq == entries.c.seq)
        found = self._read_flattens(entries.c.seq == newest.where(entries.c.account == account).scalar_subquery())
        return found[0] if found else None

    def read_last_closed_flatten(self, account: str) -> FlattenRecord | None:
        """The account's newest flatten that has its closing row and was no dry run, or None."""
        newest = select(func.max(entries.c.seq)).join(flattens, flattens.c.seq == entries.c.seq)
        newest = newest.join(flatten_closings, flatten_closings.c.flatten_id == flattens.c.flatten_id)
        newest = newest.where(entries.c.account == account, flattens.c.is_dry_run == 0)
        found = self._read_flattens(entries.c.seq == newest.scalar_subquery())
        return found[0] if found else None

    def has_unclosed_flatten(self, trading_day: str) -> bool:
        """Whether a flatten of the day still runs, or was killed before it could close."""
        return any(flatten.closing is None for flatten in self.read_flattens(trading_day))

    def read_attempts(self, trading_day: str, up_to_seq: int | None = None) -> list[CloseAttempt]:
        """The day's close attempts with their outcomes and error items, in the order in which they were recorded."""
        return self._read_attempts(entries.c.trading_day == trading_day, up_to_seq)

    def read_attempts_of(self, flatten_id: str) -> list[CloseAttempt]:
        """The close attempts of a flatten, likewise."""
        return self._read_attempts(entries.c.flatten_id == flatten_id)

    def read_open_intents(self, account: str) -> list[CloseAttempt]:
        """The account's attempts without an outcome: what was done for them is not known."""
        return self._read_attempts(and_(entries.c.account == account, close_outcomes.c.seq.is_(None)))

    def read_attempts_since(self, account: str, since: datetime) -> list[CloseAttempt]:
        """The account's attempts whose intents were recorded at `since` or later, in order."""
        return self._read_attempts(and_(entries.c.account == account, entries.c.recorded_at >= build_utc_text(since)))

    def read_verdicts(self, flatten_id: str, up_to_seq: int | None = None) -> list[InstrumentVerdict]:
        """The newest verdicts recorded for a flatten, in the order given; empty when there are none."""
        newest = select(func.max(entries.c.seq)).join(verdicts, verdicts.c.seq == entries.c.seq)
        newest = newest.where(entries.c.flatten_id == flatten_id, is_up_to(entries, up_to_seq))
        query = select(verdicts).where(verdicts.c.seq == newest.scalar_subquery()).order_by(verdicts.c.item_index)
        return list(self._build_each(InstrumentVerdict, self._read(query)))

    def read_position_pages(self, flatten_id: str, up_to_seq: int | None = None) -> list[PositionPage]:
        """The pages of the positions reads of a flatten that were complete, with their rows, in the order of the reads."""
        wanted = [entries.c.flatten_id == flatten_id, position_reads.c.is_complete == 1, is_up_to(entries, up_to_seq)]
        columns = [column for column in position_reads.c if column.name != "body"]
        query = select(*columns).join(entries, entries.c.seq == position_reads.c.seq).where(*wanted)
        items = select(position_rows).join(entries, entries.c.seq == position_rows.c.seq).where(*wanted)
        items = items.join(position_reads, position_reads.c.seq == position_rows.c.seq)
        with self._store.reading() as connection:
            pages = fetch(connection, query.order_by(position_reads.c.seq))
            rows: dict[int, Rows] = defaultdict(list)
            for row in fetch(connection, items.order_by(position_rows.c.seq, position_rows.c.item_index)):
                rows[row["seq"]].append(row)
        return self._build_pages(PositionPage, pages, "positions", Position, rows)

    def read_skipped_ticks(self, trading_day: str, up_to_seq: int | None = None) -> list[SkippedTick]:
        """The day's ticks that launched nothing, oldest first."""
        query = select(entries, skipped_ticks).join(skipped_ticks, skipped_ticks.c.seq == entries.c.seq)
        query = query.where(entries.c.trading_day == trading_day, is_up_to(entries, up_to_seq)).order_by(entries.c.seq)
        return list(self._build_each(SkippedTick, self._read(query)))

    def read_evidence(self, trading_day: str, up_to_seq: int | None = None) -> list[EvidenceRecord]:
        """What the exchange was asked about a day and answered, oldest first, of every account."""
        query = select(entries, evidence_reads).join(evidence_reads, evidence_reads.c.seq == entries.c.seq)
        query = query.where(entries.c.trading_day == trading_day, is_up_to(entries, up_to_seq)).order_by(entries.c.seq)
        with self._store.reading() as connection:
            reads = fetch(connection, query)
            rows: dict[Table, dict[int, Rows]] = {}
            for table in (closed_positions, fills):
                rows[table] = defaultdict(list)
                of_reads = select(table).where(table.c.seq.in_([row["seq"] for row in reads]))
                for row in fetch(connection, of_reads.order_by(*table.primary_key)):
                    rows[table][row["seq"]].append(row)
        built = (self._build_evidence(row, rows[closed_positions][row["seq"]], rows[fills][row["seq"]]) for row in reads)
        return [record for record in built if record is not None]

    def read_head(self, trading_day: str) -> LedgerHead | None:
        """The newest entry of a day, with each account's newest hash on that day; None when the day has no entry."""
        newest = select(func.max(entries.c.seq)).where(entries.c.trading_day == trading_day).group_by(entries.c.account)
        rows = self._read(select(entries).where(entries.c.seq.in_(newest)).order_by(entries.c.seq))
        named = [row for row in rows if isinstance(row["account"], str)]
        hashes = {row["account"]: row["entry_hash"] for row in named}
        heads = [head for row in named if (head := self._build(LedgerHead, row, hashes=hashes)) is not None]
        return heads[-1] if heads else None

    def read_newer_days(self, after_seq: int) -> list[DayHead]:
        """The heads of the days that have an entry newer than `after_seq`, oldest head first."""
        newest = select(func.max(entries.c.seq)).where(entries.c.seq > after_seq).group_by(entries.c.trading_day)
        rows = self._read(select(entries).where(entries.c.seq.in_(newest)).order_by(entries.c.seq))
        return list(self._build_each(DayHead, rows))

    def read_altered_entry(self, account: str) -> AlteredEntry | None:
        """Walk the account's chain from its beginning.

        Returns:
            The first entry whose content or link is not what was recorded, or None when the chain is intact. That the
            newest entries are lost does not show: compare with the hashes of a `LedgerHead` that was kept elsewhere.
        """
        return next(self._walk(entries.c.account == account, 0), None)

    def read_altered_entries_since(self, since: datetime) -> list[AlteredEntry]:
        """Walk all chains from the first entry of `since` or later: each account's first entry that does not fit."""
        recorded = select(func.min(entries.c.seq)).where(entries.c.recorded_at >= build_utc_text(since)).scalar_subquery()
        [first] = self._read(select(recorded.label("seq")))
        found: dict[str, AlteredEntry] = {}
        if first["seq"] is not None:
            for altered in self._walk(true(), first["seq"] - 1):
                found.setdefault(altered.account, altered)
        return list(found.values())

    def _walk(self, condition: ColumnElement[bool], after_seq: int) -> Iterator[AlteredEntry]:
        """The entries that do not fit, in their order; each after the account's entry before it as it stands."""
        hashes: dict[Any, str] = {}
        while True:
            with self._store.reading() as connection:
                query = select(entries).where(condition, entries.c.seq > after_seq).order_by(entries.c.seq)
                batch = _fetch_with_details(connection, query.limit(_CHAIN_BATCH))
                for entry, _details in batch:
                    if entry["account"] not in hashes:
                        hashes[entry["account"]] = _fetch_hash_before(connection, entry)
            for entry, details in batch:
                misfit = build_misfit(entry, details, hashes[entry["account"]])
                if misfit is not None:
                    yield build_altered(entry, misfit)
                after_seq, hashes[entry["account"]] = entry["seq"], entry["entry_hash"]
            if len(batch) < _CHAIN_BATCH:
                return

    def read_altered_entries_of_day(self, trading_day: str, up_to_seq: int) -> list[AlteredEntry]:
        """Each account's first entry of a day that is not what was recorded; empty when all of them are.

        Looks at the day's entries and the links before them alone, so that it costs a day and not a history: the whole
        chain is walked by `read_altered_entry`.
        """
        older = entries.alias()
        before = select(older.c.entry_hash).where(older.c.account == entries.c.account, older.c.seq < entries.c.seq)
        before = before.order_by(older.c.seq.desc()).limit(1).correlate(entries)
        previous = func.coalesce(before.scalar_subquery(), FIRST_PREVIOUS_HASH).label("hash_before")
        query = select(entries, previous).where(entries.c.trading_day == trading_day, entries.c.seq <= up_to_seq)
        found: dict[str, AlteredEntry] = {}
        with self._store.reading() as connection:
            for entry, details in _fetch_with_details(connection, query.order_by(entries.c.seq)):
                misfit = build_misfit(entry, details, entry["hash_before"])
                if misfit is not None and entry["account"] not in found:
                    found[entry["account"]] = build_altered(entry, misfit)
        return list(found.values())

    def _read_flattens(self, condition: ColumnElement[bool], up_to_seq: int | None = None) -> list[FlattenRecord]:
        query = select(entries, flattens).join(flattens, flattens.c.seq == entries.c.seq)
        query = query.where(condition, is_up_to(entries, up_to_seq)).order_by(entries.c.seq)
        closed = select(entries.c.recorded_at.label("closed_at"), flatten_closings)
        closed = closed.join(flatten_closings, flatten_closings.c.seq == entries.c.seq)
        with self._store.reading() as connection:
            openings = fetch(connection, query)
            ids = [row["flatten_id"] for row in openings if isinstance(row["flatten_id"], str)]
            closed = closed.where(flatten_closings.c.flatten_id.in_(ids), is_up_to(entries, up_to_seq))
            closings = {row["flatten_id"]: row for row in fetch(connection, closed)}
        built = (self._build_flatten(row, closings.get(row["flatten_id"])) for row in openings)
        return [record for record in built if record is not None]

    def _read_attempts(self, condition: ColumnElement[bool], up_to_seq: int | None = None) -> list[CloseAttempt]:
        is_outcome = and_(close_outcomes.c.attempt_id == close_intents.c.attempt_id, is_up_to(close_outcomes, up_to_seq))
        outcome_columns = [column.label(f"outcome_{column.name}") for column in close_outcomes.c if column.name != "body"]
        query = select(entries, close_intents, *outcome_columns)
        query = query.join(close_intents, close_intents.c.seq == entries.c.seq).outerjoin(close_outcomes, is_outcome)
        query = query.where(condition, is_up_to(entries, up_to_seq)).order_by(entries.c.seq)
        with self._store.reading() as connection:
            rows = fetch(connection, query)
            items = query.with_only_columns(close_errors).join(close_errors, close_errors.c.seq == close_outcomes.c.seq)
            errors: dict[int, Rows] = defaultdict(list)
            for row in fetch(connection, items.order_by(close_errors.c.item_index)):
                errors[row["seq"]].append(row)
        built = (self._build_close(row, errors) for row in rows)
        return [attempt for attempt in built if attempt is not None]

    def _build_flatten(self, opening: Row, closing: Row | None) -> FlattenRecord | None:
        request = self._build(FlattenRequest, opening)
        if request is None:
            return None
        # An ending that cannot be read is none, and `closed_at` says that there was one.
        closed = self._build(FlattenClosing, closing) if closing is not None else None
        closed_at = closing["closed_at"] if closing is not None else None
        moments = {"opened_at": opening["recorded_at"], "closed_at": closed_at}
        return self._build(FlattenRecord, opening | moments, request=request, closing=closed)

    def _build_close(self, row: Row, errors: dict[int, Rows]) -> CloseAttempt | None:
        intent = self._build(CloseIntent, row)
        if intent is None:
            return None
        items = tuple(self._build_each(CloseError, errors[row["outcome_seq"]]))
        return self._build_attempt(CloseAttempt, row, NO_OUTCOME_REASON, intent=intent, close_errors=items)

    def _build_evidence(self, row: Row, closed: Rows, filled: Rows) -> EvidenceRecord | None:
        closed_rows = tuple(self._build_each(ClosedPosition, closed))
        fill_rows = tuple(self._build_each(Fill, filled))
        if not self._is_whole(row["seq"]):
            return None
        read = self._build(EvidenceRead, row, closed_positions=closed_rows, fills=fill_rows)
        return self._build(EvidenceRecord, row, read=read) if read is not None else None


def _fetch_hash_before(connection: Connection, entry: Row) -> Any:
    of_account = select(entries.c.entry_hash).where(entries.c.account == entry["account"], entries.c.seq < entry["seq"])
    found = connection.execute(of_account.order_by(entries.c.seq.desc()).limit(1)).scalar()
    return FIRST_PREVIOUS_HASH if found is None else found


def _fetch_with_details(connection: Connection, query: Select[Any]) -> list[tuple[Row, Mapping[str, Rows]]]:
    """Entries with their detail rows by table name, in the order of their index."""
    found = fetch(connection, query)
    details: dict[int, dict[str, Rows]] = defaultdict(lambda: defaultdict(list))
    for table in DETAIL_TABLES:
        of_entries = select(table).where(table.c.seq.in_([entry["seq"] for entry in found]))
        for row in fetch(connection, of_entries.order_by(*table.primary_key)):
            details[row["seq"]][table.name].append(row)
    return [(entry, details[entry["seq"]]) for entry in found]
