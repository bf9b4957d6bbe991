"""Everything that writes to the ledger: `append` takes facts, and the `record_` methods build them.

`Ledger` is what the other rooms hold: it writes, and reads as `history.History` does. Nothing is ever changed. It may
be shared by threads, and any number of processes may write to the same file. A failure to record is a LedgerError,
because without a record nothing may be sent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Self

from sqlalchemy.exc import IntegrityError, OperationalError

from deepcoin_ops.boot_clock import boot_now_s, read_boot_id
from deepcoin_ops.domain.checks import AccountCheck
from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.evidence import EvidencePage, EvidenceRead
from deepcoin_ops.domain.facts import (
    AnyFact,
    CallIntended,
    CheckMade,
    FlattenAdmitted,
    FlattenEnded,
    FlattenOpened,
    Read,
    ReadNotes,
    TickSkipped,
)
from deepcoin_ops.domain.limits import Limits
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
from deepcoin_ops.ledger import building
from deepcoin_ops.ledger.building import Moment
from deepcoin_ops.ledger.encoding import build_cells, build_intent_key, build_opening_key, kind_of
from deepcoin_ops.ledger.history import History
from deepcoin_ops.ledger.mark import LedgerMark, check_mark, is_marked
from deepcoin_ops.ledger.queries import Row, append
from deepcoin_ops.ledger.records import NewFact
from deepcoin_ops.ledger.store import Store, create_file, describe


def utc_now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


@dataclass
class _Waiting:
    """Facts of one call of `append` that wait for the writer. Without seqs they are not on record."""

    new_facts: Sequence[NewFact]
    rows: Sequence[Row]
    seqs: list[int] | None = None
    error: LedgerError | None = None


class Ledger(History):
    """The append-only record of one venue's flattens, with a mark beside it (`mark`) when it was opened with `open`.

    Attributes:
        path: The ledger's file.
    """

    def __init__(self, store: Store, clock: Callable[[], datetime] = utc_now, mark: LedgerMark | None = None):
        super().__init__(store)
        self._clock = clock
        self._mark = mark
        self._owners: dict[str, tuple[str, str]] = {}
        self._waiting: SimpleQueue[_Waiting] = SimpleQueue()
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
            ledger = cls(store, clock, mark)
            ledger._note_unknown_kinds()
        except LedgerError:
            store.close()
            raise
        return ledger

    def append(self, new_facts: Sequence[NewFact]) -> list[int]:
        """Record facts, all of them or none. They are durable when this returns, and only then may a byte leave.

        Facts that wait for the writer share one commit; each caller waits for its own.

        Returns:
            Their seqs.

        Raises:
            LedgerError: They could not be recorded, or what may be on record once is on record already.
        """
        if not new_facts:
            return []
        mine = _Waiting(new_facts, self._build_rows(new_facts))
        self._waiting.put(mine)
        with self._one_writer:
            taken = self._take() if mine.seqs is None and mine.error is None else []
            if taken:
                self._commit_each(taken)
        if mine.seqs is None:
            # Without an error, the thread that wrote for this one was interrupted.
            raise mine.error or LedgerError(
                f"The ledger {self.path} was interrupted while it recorded {_name(new_facts)}. Whether it is on record is "
                "not known, and nothing is sent for it. Run `deepcoin-ops status` before flattening again."
            )
        return mine.seqs

    def record_flatten(self, request: FlattenRequest, settings_json: str, limits: Limits | None = None) -> int:
        """Open a flatten: who asked for what, under which settings.

        Args:
            request: What was asked for.
            settings_json: The settings in force, as JSON text without secrets.
            limits: What bounds it.

        Returns:
            The fact's seq, as each `record_` method does.

        Raises:
            LedgerError: It could not be recorded, or a flatten of this id is on record already. Each `record_` method
                raises it; nothing of the fact is then in the ledger.
        """
        fact = building.build_opening(request, settings_json, limits or Limits(), self._now())
        return self._record(request.account, request.trading_day, fact)

    def record_skipped_tick(self, account: str, trading_day: str, scheduled_at: datetime, reason: str) -> int:
        """Record that a scheduled time launched nothing, so that the day does not look forgotten."""
        fact = TickSkipped(flatten_id="", **self._now()._asdict(), scheduled_at=scheduled_at, reason=reason)
        return self._record(account, trading_day, fact)

    def record_read(self, flatten_id: str, purpose: str, round_number: int, read: PositionsRead) -> int:
        """Record a complete positions read: its rows and the raw answer.

        Args:
            flatten_id: The flatten it belongs to.
            purpose: What it was for, such as `snapshot`, `round` or `verify`.
            round_number: The round it ended; 0 before the first.
            read: The read.
        """
        moment = self._now()
        started_s = _place(read.started_monotonic_s, moment)
        fact, raw = building.build_positions_read(flatten_id, purpose, round_number, read, started_s, moment)
        return self._record(*self._owner(flatten_id), fact, raw)

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
        notes = ReadNotes(purpose=purpose, round_number=round_number, started_at=started_at, finished_at=finished_at)
        return self._record_failure(flatten_id, building.of_positions(instrument_type), reason, notes, raw)

    def record_intent(self, flatten_id: str, intent: CloseIntent) -> int:
        """Record a close that is about to be sent."""
        return self._record(*self._owner(flatten_id), building.build_close_intent(flatten_id, intent, self._now()))

    def record_outcome(self, attempt_id: str, answer: CloseAnswer) -> int:
        """Record what became of a close, its error items with it. A second outcome of an attempt is refused."""
        flatten_id = self._find_flatten(attempt_id, "close", "positions")
        fact, raw = building.build_answer(flatten_id, attempt_id, answer, self._now())
        return self._record(*self._owner(flatten_id), fact, raw)

    def record_orders_read(self, flatten_id: str, purpose: str, read: OrdersRead) -> int:
        """Record a read of an order list that was answered whole: its orders and the raw pages.

        Args:
            flatten_id: The flatten it belongs to.
            purpose: What it was for, as with a positions read.
            read: The read.
        """
        moment = self._now()
        started_s = _place(read.started_monotonic_s, moment)
        fact, raw = building.build_orders_read(flatten_id, purpose, read, started_s, moment)
        return self._record(*self._owner(flatten_id), fact, raw)

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
        notes = ReadNotes(purpose=purpose, round_number=0, started_at=started_at, finished_at=finished_at)
        return self._record_failure(flatten_id, building.of_orders(order_list, instrument_id), reason, notes, raw)

    def record_cancel_intent(self, flatten_id: str, intent: CancelIntent) -> int:
        """Record a cancel that is about to be sent."""
        return self._record(*self._owner(flatten_id), building.build_cancel_intent(flatten_id, intent, self._now()))

    def record_cancel_outcome(self, cancel_id: str, answer: CancelAnswer) -> int:
        """Record what became of a cancel, its error items with it. A second outcome of a cancel is refused."""
        flatten_id = self._find_flatten(cancel_id, "cancel", "order lists")
        fact, raw = building.build_answer(flatten_id, cancel_id, answer, self._now())
        return self._record(*self._owner(flatten_id), fact, raw)

    def record_verdicts(self, flatten_id: str, verdicts: Sequence[InstrumentVerdict]) -> int:
        """Record what was proven about each configured instrument. Recorded again, the newest set counts."""
        return self._record(*self._owner(flatten_id), building.build_verdicts(flatten_id, verdicts, self._now()))

    def record_closing(self, closing: FlattenClosing) -> int:
        """Close a flatten with its result. A flatten is closed once; a second closing is refused."""
        fact = FlattenEnded(flatten_id=closing.flatten_id, **self._now()._asdict(), closing=closing)
        return self._record(*self._owner(closing.flatten_id), fact)

    def record_evidence(self, account: str, trading_day: str, read: EvidenceRead, pages: Sequence[EvidencePage]) -> int:
        """Record what asking the exchange for its own account of a day brought, with every page as it came.

        Args:
            account: Whose day.
            trading_day: Which day it was collected for.
            read: What was asked and what came of it, complete or not.
            pages: The requests and their bytes, in the order in which they were answered.
        """
        fact, raw = building.build_history(read, pages, self._now())
        return self._record(account, trading_day, fact, raw)

    def record_check(self, account: str, trading_day: str, check: AccountCheck, flatten_id: str | None = None) -> int:
        """Record a check of an account with its findings. One that lets a flatten pass admits it.

        Args:
            account: Whose.
            trading_day: The day on which it was made, or that of the flatten.
            check: What was found.
            flatten_id: The flatten that it decided about, if any.
        """
        moment = self._now()._asdict()
        new = [NewFact(account, trading_day, CheckMade(flatten_id=flatten_id or "", **moment, check=check))]
        if flatten_id is not None and check.is_passed:
            new.append(NewFact(account, trading_day, FlattenAdmitted(flatten_id=flatten_id, **moment)))
        return self.append(new)[0]

    def _record_failure(self, flatten_id: str, wanted: Read, reason: str, notes: ReadNotes, raw: RawAnswer | None) -> int:
        moment = self._now()
        started_s = moment.at_s - (moment.at - notes.started_at).total_seconds()
        fact, packed = building.build_failed_read(flatten_id, wanted, reason, notes, raw, started_s, moment)
        return self._record(*self._owner(flatten_id), fact, packed)

    def _record(self, account: str, trading_day: str, fact: AnyFact, raw: bytes | None = None) -> int:
        return self.append([NewFact(account, trading_day, fact, raw)])[0]

    def _now(self) -> Moment:
        return Moment(boot_now_s(), read_boot_id(), self._clock())

    def _take(self) -> list[_Waiting]:
        """Take everything that waits now, in its order."""
        taken = []
        with suppress(Empty):
            while True:
                taken.append(self._waiting.get_nowait())
        return taken

    def _commit_each(self, taken: Sequence[_Waiting]) -> None:
        """Commit what waits, in one transaction where all of it can be recorded."""
        try:
            self._commit(taken)
        except LedgerError as error:
            if len(taken) == 1 or isinstance(error.__cause__, OperationalError):
                # A disk that is full, or a file that another process keeps, is so for all of them; each wait would be 30 s.
                for each in taken:
                    each.error = error
            else:
                # What one of them may not record must not cost the others their record.
                for each in taken:
                    self._commit_each([each])

    def _build_rows(self, new_facts: Sequence[NewFact]) -> list[Row]:
        """Build what is stored, before anything waits for it: what cannot be stored must not cost others their record."""
        try:
            return [build_cells(new) for new in new_facts]
        except ValueError as error:
            raise LedgerError(
                f"The ledger {self.path} did not record {_name(new_facts)}: {error}. Nothing was written, and nothing is "
                "sent for it. This is a fault of the program: report it, and look at the positions."
            ) from error

    def _commit(self, taken: Sequence[_Waiting]) -> None:
        new_facts = [new for each in taken for new in each.new_facts]
        is_to_mark = any(is_marked(new.fact) for new in new_facts)
        mark = None
        with self._store.writing() as connection:
            try:
                if self._mark is not None and is_to_mark:
                    # An old copy may have been put in this file's place while this process has it open.
                    self._mark.check(connection, self.path)
                rows = append(connection, [row for each in taken for row in each.rows], self._clock())
                if self._mark is not None and is_to_mark:
                    mark = self._mark.build(connection, rows[-1])
            except IntegrityError as error:
                raise LedgerError(
                    f"The ledger {self.path} did not record {_name(new_facts)}: {describe(error)}. It is on record "
                    "already. Nothing was written; what is on record stands. Run `deepcoin-ops status` before flattening "
                    "again."
                ) from error
        if self._mark is not None and mark is not None:
            self._mark.write(mark)
        seqs = iter(row["seq"] for row in rows)
        for each in taken:
            each.seqs = [next(seqs) for _ in each.new_facts]

    def _owner(self, flatten_id: str) -> tuple[str, str]:
        if flatten_id not in self._owners:
            opening = self.read(FlattenOpened, once_keys=(build_opening_key(flatten_id),))
            if not opening:
                raise LedgerError(
                    f"The ledger {self.path} has no flatten {flatten_id}. Nothing was written, and nothing is sent "
                    f"for a flatten that was not opened. Start a new flatten."
                )
            self._owners[flatten_id] = opening[0].account, opening[0].trading_day
        return self._owners[flatten_id]

    def _find_flatten(self, call_id: str, what: str, where: str) -> str:
        """Find whose intent it was, by its id."""
        found = self.read(CallIntended, once_keys=(build_intent_key(call_id),))
        if not found:
            raise LedgerError(
                f"The ledger {self.path} has no {what} intent {call_id}, so its outcome was not written. Whatever was sent "
                f"for it may have happened. Read the {where}."
            )
        return found[0].flatten_id


def _name(new_facts: Sequence[NewFact]) -> str:
    return "; ".join(f"{kind_of(type(new.fact))} of {new.fact.flatten_id}, account {new.account}" for new in new_facts)


def _place(monotonic_s: float, moment: Moment) -> float:
    """Place a moment of this process's monotonic clock on the boot clock."""
    return moment.at_s - (time.monotonic() - monotonic_s)
