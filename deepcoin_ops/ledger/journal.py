"""Everything that writes to the ledger. One call is one transaction is one entry with its details.

`Ledger` is what the other rooms hold: it writes, and reads as `history.History` does. Nothing is ever changed. It may
be shared by threads, and any number of processes may write to the same file. A failure to record is a LedgerError,
because without a record nothing may be sent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Self

from sqlalchemy import Column, Connection, Table, func, select
from sqlalchemy.exc import IntegrityError

from deepcoin_ops.domain.checks import AccountCheck
from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.evidence import EvidencePage, EvidenceRead
from deepcoin_ops.domain.model import (
    CloseAnswer,
    CloseIntent,
    FlattenClosing,
    FlattenRequest,
    InstrumentType,
    InstrumentVerdict,
    PositionsRead,
    RawAnswer,
    Venue,
)
from deepcoin_ops.domain.orders import CancelAnswer, CancelIntent, OrderList, OrdersRead
from deepcoin_ops.ledger import checks_schema, orders_schema, schema
from deepcoin_ops.ledger.chain import FIRST_PREVIOUS_HASH, build_entry_hash
from deepcoin_ops.ledger.history import History
from deepcoin_ops.ledger.mark import MARKED_KINDS, LedgerMark, Mark, check_mark
from deepcoin_ops.ledger.rows import Row, build_raw_row, build_row, build_stored, build_utc_text
from deepcoin_ops.ledger.schema import EntryKind
from deepcoin_ops.ledger.store import Store, create_file, describe


def utc_now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class _Owner:
    """Whose entry it is: the fields that the spine repeats for each entry."""

    account: str
    trading_day: str
    flatten_id: str | None = None


class Ledger(History):
    """The append-only record of one venue's flattens, with a mark beside it (`mark`) when it was opened with `open`.

    Attributes:
        path: The ledger's file.
    """

    def __init__(self, store: Store, clock: Callable[[], datetime] = utc_now, mark: LedgerMark | None = None):
        super().__init__(store)
        self._clock = clock
        self._mark = mark
        self._owners: dict[str, _Owner] = {}
        # Threads queue here in order; SQLite's own wait polls, up to 100 ms late.
        self._one_writer = threading.Lock()

    @classmethod
    def open(cls, path: Path, venue: Venue, clock: Callable[[], datetime] = utc_now) -> Self:
        """Open the ledger for writing: create what is missing, bring the schema up to date, check the venue.

        Args:
            path: The SQLite file.
            venue: The venue this process works on.
            clock: Tells the time that entries are stamped with; aware.

        Raises:
            LedgerError: The file cannot be created or written, is no ledger, comes from a newer version, belongs to
                another venue, or does not have the entry that its mark names.
        """
        mark = LedgerMark(path)
        mark.read()
        if not path.exists():
            check_mark(mark, None, path)
        create_file(path)
        store = Store(path)
        try:
            # Before anything is written, the schema included: an old copy is kept as it was found.
            check_mark(mark, store, path)
            store.migrate(venue, clock())
            store.check(venue)
        except LedgerError:
            store.close()
            raise
        return cls(store, clock, mark)

    def record_flatten(self, request: FlattenRequest, settings_json: str) -> int:
        """Open a flatten: who asked for what, under which settings.

        Args:
            request: What was asked for.
            settings_json: The settings in force, as JSON text without secrets.

        Returns:
            The entry's seq, as each `record_` method does.

        Raises:
            LedgerError: It could not be recorded, or a flatten of this id is on record already. Each `record_` method
                raises it; nothing of the entry is then in the ledger.
        """
        owner = _Owner(request.account, request.trading_day, request.flatten_id)
        opening = build_row(request, without=("account", "trading_day"))
        opening |= {"settings_json": build_stored(settings_json), "tool_version": version("deepcoin-ops")}
        return self._record(EntryKind.FLATTEN, owner, {schema.flattens: [opening]})

    def record_skipped_tick(self, account: str, trading_day: str, scheduled_at: datetime, reason: str) -> int:
        """Record that a tick of the schedule launched nothing, so that the day does not look forgotten."""
        tick: Row = {"scheduled_at": build_stored(scheduled_at), "reason": build_stored(reason)}
        return self._record(EntryKind.SKIPPED_TICK, _Owner(account, trading_day), {schema.skipped_ticks: [tick]})

    def record_read(self, flatten_id: str, purpose: str, round_number: int, read: PositionsRead) -> int:
        """Record a complete positions read: its rows and the raw answer.

        Args:
            flatten_id: The flatten it belongs to.
            purpose: What it was for, such as `snapshot`, `round` or `verify`.
            round_number: The round it ended; 0 before the first.
            read: The read.
        """
        details = build_row(read, without=("positions", "started_monotonic_s", "raw"))
        details |= {"purpose": build_stored(purpose), "round_number": round_number, "is_complete": 1}
        rows = {
            schema.position_reads: [details | build_raw_row(read.raw)],
            schema.position_rows: [{"item_index": i} | build_row(row) for i, row in enumerate(read.positions)],
        }
        return self._record(EntryKind.POSITION_READ, self._owner(flatten_id), rows)

    def record_failed_read(
        self,
        flatten_id: str,
        purpose: str,
        round_number: int,
        instrument_type: InstrumentType,
        started_at: datetime,
        finished_at: datetime,
        reason: str,
        raw: RawAnswer | None,
    ) -> int:
        """Record a positions read that proves nothing, with why and with whatever was received."""
        values = {
            "purpose": purpose,
            "round_number": round_number,
            "instrument_type": instrument_type,
            "started_at": started_at,
            "finished_at": finished_at,
            "is_complete": False,
            "failure": reason,
            "notes": (),
        }
        details = {name: build_stored(value) for name, value in values.items()} | build_raw_row(raw)
        return self._record(EntryKind.POSITION_READ, self._owner(flatten_id), {schema.position_reads: [details]})

    def record_intent(self, flatten_id: str, intent: CloseIntent) -> int:
        """Record a close that is about to be sent. It is durable when this returns, and only then may a byte leave."""
        return self._record(EntryKind.CLOSE_INTENT, self._owner(flatten_id), {schema.close_intents: [build_row(intent)]})

    def record_outcome(self, attempt_id: str, answer: CloseAnswer) -> int:
        """Record what became of an attempt, its error items with it. A second outcome of an attempt is refused."""
        outcome = build_row(answer, without=("close_errors", "raw")) | {"attempt_id": attempt_id}
        rows = {
            schema.close_outcomes: [outcome | build_raw_row(answer.raw)],
            schema.close_errors: [build_row(item) for item in answer.close_errors],
        }
        return self._record(EntryKind.CLOSE_OUTCOME, self._owner_of_close(attempt_id), rows)

    def record_orders_read(self, flatten_id: str, purpose: str, read: OrdersRead) -> int:
        """Record a read of an order list that was answered whole: its orders and the raw pages.

        Args:
            flatten_id: The flatten it belongs to.
            purpose: What it was for, as with a positions read.
            read: The read.
        """
        details = build_row(read, without=("orders", "started_monotonic_s", "pages"))
        rows: dict[Table, list[Row]] = {
            orders_schema.order_reads: [details | {"purpose": build_stored(purpose), "is_complete": 1}],
            orders_schema.order_pages: [{"item_index": i} | build_raw_row(raw) for i, raw in enumerate(read.pages)],
            orders_schema.order_rows: [{"item_index": i} | build_row(order) for i, order in enumerate(read.orders)],
        }
        return self._record(EntryKind.ORDER_READ, self._owner(flatten_id), rows)

    def record_failed_orders_read(
        self,
        flatten_id: str,
        purpose: str,
        order_list: OrderList,
        instrument_id: str | None,
        started_at: datetime,
        finished_at: datetime,
        reason: str,
        raw: RawAnswer | None,
    ) -> int:
        """Record a read of an order list that proves nothing, with why and with the answer that it failed at."""
        values = {
            "purpose": purpose,
            "order_list": order_list,
            "instrument_id": instrument_id,
            "started_at": started_at,
            "finished_at": finished_at,
            "is_complete": False,
            "is_exhaustive": False,
            "failure": reason,
            "notes": (),
        }
        rows: dict[Table, list[Row]] = {
            orders_schema.order_reads: [{name: build_stored(value) for name, value in values.items()}],
            orders_schema.order_pages: [{"item_index": 0} | build_raw_row(raw)] if raw is not None else [],
        }
        return self._record(EntryKind.ORDER_READ, self._owner(flatten_id), rows)

    def record_cancel_intent(self, flatten_id: str, intent: CancelIntent) -> int:
        """Record a cancel that is about to be sent, durable when this returns, like the intent of a close."""
        rows = {orders_schema.cancel_intents: [build_row(intent)]}
        return self._record(EntryKind.CANCEL_INTENT, self._owner(flatten_id), rows)

    def record_cancel_outcome(self, cancel_id: str, answer: CancelAnswer) -> int:
        """Record what became of a cancel, its error items with it. A second outcome of a cancel is refused."""
        outcome = build_row(answer, without=("cancel_errors", "raw")) | {"cancel_id": cancel_id}
        rows = {
            orders_schema.cancel_outcomes: [outcome | build_raw_row(answer.raw)],
            orders_schema.cancel_errors: [build_row(item) for item in answer.cancel_errors],
        }
        return self._record(EntryKind.CANCEL_OUTCOME, self._owner_of_cancel(cancel_id), rows)

    def record_verdicts(self, flatten_id: str, verdicts: Sequence[InstrumentVerdict]) -> int:
        """Record what was proven about each configured instrument. Recorded again, the newest set counts."""
        rows = [{"item_index": i} | build_row(verdict) for i, verdict in enumerate(verdicts)]
        return self._record(EntryKind.VERDICTS, self._owner(flatten_id), {schema.verdicts: rows})

    def record_closing(self, closing: FlattenClosing) -> int:
        """Close a flatten with its result. A flatten is closed once; a second closing is refused."""
        rows = {schema.flatten_closings: [build_row(closing)]}
        return self._record(EntryKind.FLATTEN_CLOSING, self._owner(closing.flatten_id), rows)

    def record_evidence(self, account: str, trading_day: str, read: EvidenceRead, pages: Sequence[EvidencePage]) -> int:
        """Record what asking the exchange for its own account of a day brought, with every page as it came.

        Args:
            account: Whose day.
            trading_day: Which day it was collected for.
            read: What was asked and what came of it, complete or not.
            pages: The requests and their bytes, in the order in which they were answered.
        """
        rows: dict[Table, list[Row]] = {
            schema.evidence_reads: [build_row(read, without=("closed_positions", "fills"))],
            schema.evidence_pages: [
                {"item_index": i, "query": build_stored(page.query), **build_raw_row(page.raw)}
                for i, page in enumerate(pages)
            ],
            schema.closed_positions: [{"item_index": i} | build_row(row) for i, row in enumerate(read.closed_positions)],
            schema.fills: [{"item_index": i} | build_row(row) for i, row in enumerate(read.fills)],
        }
        return self._record(EntryKind.EVIDENCE, _Owner(account, trading_day), rows)

    def record_check(self, account: str, trading_day: str, check: AccountCheck, flatten_id: str | None = None) -> int:
        """Record a check of an account with its findings.

        Args:
            account: Whose.
            trading_day: The day on which it was made, or that of the flatten.
            check: What was found.
            flatten_id: The flatten that it decided about, if any.
        """
        rows: dict[Table, list[Row]] = {
            checks_schema.account_checks: [build_row(check, without=("findings",))],
            checks_schema.check_findings: [{"item_index": i} | build_row(each) for i, each in enumerate(check.findings)],
        }
        return self._record(EntryKind.ACCOUNT_CHECK, _Owner(account, trading_day, flatten_id), rows)

    def _record(self, kind: EntryKind, owner: _Owner, details: Mapping[Table, Sequence[Row]]) -> int:
        with self._one_writer:
            seq, mark = self._commit(kind, owner, details)
            if self._mark is not None and mark is not None:
                self._mark.write(mark)
            return seq

    def _commit(self, kind: EntryKind, owner: _Owner, details: Mapping[Table, Sequence[Row]]) -> tuple[int, Mark | None]:
        """Append in a transaction of its own; the entry's seq, and what marks it if it is of a kind that is marked."""
        with self._store.writing() as connection:
            try:
                if self._mark is None or kind not in MARKED_KINDS:
                    return self._append(connection, kind, owner, details)[0], None
                # Somebody may have put an old copy in this file's place while this process has it open.
                self._mark.check(connection, self.path)
                seq, entry_hash, recorded_at = self._append(connection, kind, owner, details)
                return seq, self._mark.build(connection, seq, entry_hash, recorded_at)
            except IntegrityError as error:
                raise LedgerError(
                    f"The ledger {self.path} refused a {kind} entry of flatten {owner.flatten_id}, account "
                    f"{owner.account}: {describe(error)}. It is on record already, or what it belongs to is not. "
                    f"Nothing was written; what is on record stands. Run `deepcoin-ops status` before flattening again."
                ) from error

    def _append(
        self, connection: Connection, kind: EntryKind, owner: _Owner, details: Mapping[Table, Sequence[Row]]
    ) -> tuple[int, str, str]:
        """Append one entry with its details; its seq, its hash, and when it was recorded."""
        # The write lock is held from here on: neither the next seq nor the previous hash can be taken by anybody else.
        entries = schema.entries.c
        seq = (connection.execute(select(func.max(entries.seq))).scalar() or 0) + 1
        recorded_at = build_utc_text(self._clock())
        newest = select(entries.entry_hash).where(entries.account == owner.account).order_by(entries.seq.desc()).limit(1)
        entry: Row = {
            "seq": seq,
            "kind": kind.value,
            "account": owner.account,
            "trading_day": owner.trading_day,
            "flatten_id": owner.flatten_id,
            "recorded_at": recorded_at,
            "previous_hash": connection.execute(newest).scalar() or FIRST_PREVIOUS_HASH,
        }
        rows = {table: [{"seq": seq} | row for row in rows] for table, rows in details.items() if rows}
        entry["entry_hash"] = entry_hash = build_entry_hash(entry, {table.name: rows[table] for table in rows})
        connection.execute(schema.entries.insert().values(entry))
        for table, table_rows in rows.items():
            connection.execute(table.insert(), table_rows)
        return seq, entry_hash, recorded_at

    def _owner(self, flatten_id: str) -> _Owner:
        if flatten_id not in self._owners:
            opening = self.read_flatten(flatten_id)
            if opening is None:
                raise LedgerError(
                    f"The ledger {self.path} has no flatten {flatten_id}. Nothing was written, and nothing is sent "
                    f"for a flatten that was not opened. Start a new flatten."
                )
            self._owners[flatten_id] = _Owner(opening.request.account, opening.request.trading_day, flatten_id)
        return self._owners[flatten_id]

    def _owner_of_close(self, attempt_id: str) -> _Owner:
        cure = "Whatever was sent for it may have happened. Read the positions."
        return self._owner_of(schema.close_intents.c.attempt_id, attempt_id, "close", cure)

    def _owner_of_cancel(self, cancel_id: str) -> _Owner:
        cure = "Whatever was sent for it may have happened. Read the order lists."
        return self._owner_of(orders_schema.cancel_intents.c.cancel_id, cancel_id, "cancel", cure)

    def _owner_of(self, id_column: Column[str], sent_id: str, what: str, cure: str) -> _Owner:
        """Whose intent it was, by its id."""
        query = select(schema.entries.c.flatten_id).join(id_column.table, id_column.table.c.seq == schema.entries.c.seq)
        with self._store.reading() as connection:
            flatten_id = connection.execute(query.where(id_column == sent_id)).scalar()
        if flatten_id is None:
            raise LedgerError(
                f"The ledger {self.path} has no {what} intent {sent_id}, so its outcome was not written. {cure}"
            )
        return self._owner(flatten_id)
