"""Everything that reads the ledger. One function reads facts, and what they add up to is folded from them (`folds`).

Reads of a day take `up_to_seq`, so that tables built one after the other are all of one moment; whatever was recorded later
does not exist for them. What is read costs what it is about, however much else the ledger has.

Any tool can open the ledger's file and write anything into a cell. A fact that is not what was recorded is not believed. A
ledger opened for reading goes on without it and names it in `unreadable`; one opened for writing raises, as nothing is sent
on half a record.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deepcoin_ops.domain.checks import CheckPurpose
from deepcoin_ops.domain.day import OrderPage, PositionPage
from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.facts import (
    CallAnswered,
    CallIntended,
    CheckMade,
    Fact,
    FlattenEnded,
    FlattenOpened,
    HistoryCollected,
    OrdersRead,
    PositionsRead,
    TickSkipped,
    VerdictsReached,
)
from deepcoin_ops.domain.model import CloseAttempt, FlattenResult, InstrumentVerdict, Venue
from deepcoin_ops.domain.orders import CancelAttempt
from deepcoin_ops.ledger import folds
from deepcoin_ops.ledger.encoding import kind_of, read_row
from deepcoin_ops.ledger.identity import read_identity
from deepcoin_ops.ledger.kinds import find_unknown_kinds
from deepcoin_ops.ledger.mark import read_setback
from deepcoin_ops.ledger.queries import (
    Selection,
    fetch,
    fetch_account_heads,
    fetch_accounts,
    fetch_day_heads,
    fetch_days,
)
from deepcoin_ops.ledger.records import (
    AlteredEntry,
    CheckRecord,
    DayHead,
    EvidenceRecord,
    FlattenRecord,
    LedgerHead,
    Recorded,
    SkippedTick,
    build_altered,
)
from deepcoin_ops.ledger.store import Store
from deepcoin_ops.ledger.walking import find_altered_of_day, walk, walk_whole

_FLATTENS = (FlattenOpened, FlattenEnded)
_CALLS = (CallIntended, CallAnswered)


class History:
    """The ledger as something to read. Open it with `open_existing` where nothing is to be written.

    Attributes:
        path: The ledger's file.
    """

    def __init__(self, store: Store):
        self.path = store.path
        self._store = store
        self._unreadable: dict[int, AlteredEntry] = {}

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
        ledger = cls(store)
        ledger._note_unknown_kinds()
        return ledger

    @property
    def unreadable(self) -> tuple[AlteredEntry, ...]:
        """The entries that could not be read so far, in their order; every answer is without them."""
        return tuple(self._unreadable[seq] for seq in sorted(self._unreadable))

    def read_setback(self) -> str | None:
        """Say what is wrong with this ledger by the mark beside it: that it is an old copy. None when nothing is."""
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

    def read(self, *fact_types: type[Fact], is_tolerant: bool = False, **selected: Any) -> list[Recorded]:
        """Read facts, the oldest first: the one way in which anything is read.

        Args:
            fact_types: Of which types; all of them when none is named.
            is_tolerant: Go on without what cannot be read, where something is about to be sent too.
            selected: Which of them; the fields of `queries.Selection`.

        Returns:
            What was recorded. A fact that cannot be read is there without its content, and is noted in `unreadable`.

        Raises:
            LedgerError: One of them cannot be read, and this ledger is open for writing.
        """
        kinds = tuple(kind_of(each) for each in fact_types)
        with self._store.reading() as connection:
            rows = fetch(connection, Selection(kinds=kinds, **selected))
        found = [read_row(row) for row in rows]
        for each in found:
            if each.problem:
                self._note(each, is_tolerant=is_tolerant)
        return found

    def read_ledger_id(self) -> str:
        """Read what tells this ledger from any other, a later one at the same path too."""
        with self._store.reading() as connection:
            identity = read_identity(connection)
        return identity.ledger_id if identity is not None else ""

    def find_missing_triggers(self) -> list[str]:
        """Name what should keep the file append-only and is not there."""
        return self._store.find_missing_triggers()

    def find_damage(self) -> list[str]:
        """Name what the database itself finds wrong with its file; it reads all of it."""
        return self._store.find_damage()

    def read_accounts(self) -> list[str]:
        """Name the accounts that have an entry."""
        with self._store.reading() as connection:
            return fetch_accounts(connection)

    def read_days(self) -> list[str]:
        """Name the trading days that have an entry, oldest first."""
        with self._store.reading() as connection:
            return fetch_days(connection)

    def read_flatten(self, flatten_id: str) -> FlattenRecord | None:
        """Read the flatten of this id; None when there is none."""
        found = folds.fold_flattens(self.read(*_FLATTENS, flatten_id=flatten_id))
        return found[0] if found else None

    def read_flattens(
        self, trading_day: str, up_to_seq: int | None = None, account: str | None = None
    ) -> list[FlattenRecord]:
        """Read the flattens of a trading day, of one account or of all, oldest first."""
        return folds.fold_flattens(self.read(*_FLATTENS, trading_day=trading_day, account=account, up_to_seq=up_to_seq))

    def read_last_flatten(self, account: str) -> FlattenRecord | None:
        """Read the account's newest flatten, dry runs included; None when there is none."""
        return next(self._walk_flattens(account), None)

    def read_last_closed_flatten(self, account: str) -> FlattenRecord | None:
        """Read the account's newest flatten that has its ending and was no dry run; None when there is none."""
        return next((each for each in self._walk_flattens(account) if each.closing and not each.request.is_dry_run), None)

    def has_unclosed_flatten(self, trading_day: str) -> bool:
        """Whether a flatten of the day still runs, or was killed before it could close."""
        return any(flatten.closing is None for flatten in self.read_flattens(trading_day))

    def read_attempts(self, trading_day: str, up_to_seq: int | None = None) -> list[CloseAttempt]:
        """Read the day's closes with their answers and error items, in the order in which they were recorded."""
        return folds.fold_attempts(self.read(*_CALLS, trading_day=trading_day, up_to_seq=up_to_seq))

    def read_attempts_of(self, flatten_id: str) -> list[CloseAttempt]:
        """Read the closes of a flatten, likewise."""
        return folds.fold_attempts(self.read(*_CALLS, flatten_id=flatten_id))

    def read_attempts_since(self, account: str, since: datetime) -> list[CloseAttempt]:
        """Read the account's closes whose intents were recorded at `since` or later, in order."""
        return folds.fold_attempts(self.read(*_CALLS, account=account, since=since))

    def read_cancels(self, trading_day: str, up_to_seq: int | None = None) -> list[CancelAttempt]:
        """Read the day's cancels with their answers and error items, in the order in which they were recorded."""
        return folds.fold_cancels(self.read(*_CALLS, trading_day=trading_day, up_to_seq=up_to_seq))

    def read_cancels_of(self, flatten_id: str) -> list[CancelAttempt]:
        """Read the cancels of a flatten, likewise."""
        return folds.fold_cancels(self.read(*_CALLS, flatten_id=flatten_id))

    def read_open_calls(self, account: str) -> tuple[list[CloseAttempt], list[CancelAttempt]]:
        """Read the account's closes and cancels without an answer since it was last proven flat as a whole.

        What was done for them is not known. An older one is settled by that proof.
        """
        after_seq = 0
        for flatten in self._walk_flattens(account):
            is_whole = set(flatten.configured) == set(flatten.request.instruments)
            if flatten.closing is not None and flatten.closing.result is FlattenResult.FLAT and is_whole:
                after_seq = flatten.seq
                break
        recorded = self.read(*_CALLS, account=account, after_seq=after_seq)
        closes = [each for each in folds.fold_attempts(recorded) if each.answered_at is None]
        return closes, [each for each in folds.fold_cancels(recorded) if each.answered_at is None]

    def read_verdicts(self, flatten_id: str, up_to_seq: int | None = None) -> list[InstrumentVerdict]:
        """Read the newest verdicts recorded for a flatten, in the order given; empty when there are none."""
        return folds.fold_verdicts(self.read(VerdictsReached, flatten_id=flatten_id, up_to_seq=up_to_seq))

    def read_position_pages(self, flatten_id: str, up_to_seq: int | None = None) -> list[PositionPage]:
        """Read the positions reads of a flatten that were complete, with their rows, in the order of the reads."""
        return folds.fold_position_pages(self.read(PositionsRead, flatten_id=flatten_id, up_to_seq=up_to_seq))

    def read_order_pages(self, flatten_id: str, up_to_seq: int | None = None) -> list[OrderPage]:
        """Read the order lists that a flatten read whole, each with its orders, in the order of the reads."""
        return folds.fold_order_pages(self.read(OrdersRead, flatten_id=flatten_id, up_to_seq=up_to_seq))

    def read_skipped_ticks(self, trading_day: str, up_to_seq: int | None = None) -> list[SkippedTick]:
        """Read the day's scheduled times that launched nothing, oldest first."""
        return folds.fold_ticks(self.read(TickSkipped, trading_day=trading_day, up_to_seq=up_to_seq))

    def read_evidence(self, trading_day: str, up_to_seq: int | None = None) -> list[EvidenceRecord]:
        """Read what the exchange was asked about a day and answered, oldest first, of every account."""
        return folds.fold_histories(self.read(HistoryCollected, trading_day=trading_day, up_to_seq=up_to_seq))

    def read_checks_since(self, since: datetime) -> list[CheckRecord]:
        """Read the checks of all accounts that were recorded at `since` or later, oldest first."""
        return folds.fold_checks(self.read(CheckMade, since=since))

    def read_last_check(self, account: str, *purposes: CheckPurpose) -> CheckRecord | None:
        """Read the account's newest check for one of these purposes, or for any when none is named."""
        found = (each for each in self._walk_checks(account) if not purposes or each.check.purpose in purposes)
        return next(found, None)

    def read_admitted_check(self, account: str) -> CheckRecord | None:
        """Read the check by which the account's newest admitted flatten was admitted; None when none ever was.

        One that cannot be read is passed over, for a sending flatten too: the account that an older one names is held
        against the key just as well, and a cell must not keep an account open for ever.
        """
        for each in self._walk_checks(account):
            if each.check.purpose is CheckPurpose.FLATTEN and each.check.is_passed and each.check.uid is not None:
                return each
        return None

    def read_head(self, trading_day: str) -> LedgerHead | None:
        """Read the newest entry of a day, with each account's newest hash on that day; None when the day has no entry."""
        with self._store.reading() as connection:
            heads = [read_row(row) for row in fetch_account_heads(connection, trading_day)]
        named = [head for head in heads if head.account]
        hashes = {head.account: head.fact_hash for head in named}
        for head in reversed(named):
            if not head.problem:
                return LedgerHead(head.trading_day, head.seq, head.recorded_at, hashes)
            self._note(head, is_tolerant=True)
        return None

    def read_newer_days(self, after_seq: int) -> list[DayHead]:
        """Read the heads of the days that have an entry newer than `after_seq`, oldest head first."""
        with self._store.reading() as connection:
            heads = [read_row(row) for row in fetch_day_heads(connection, after_seq)]
        return [DayHead(head.trading_day, head.seq, head.recorded_at) for head in heads if head.trading_day]

    def read_altered_entry(
        self, account: str, after_seq: int | None = None, up_to_seq: int | None = None
    ) -> AlteredEntry | None:
        """Walk the account's chain from its beginning, or onward from an entry; up to the newest, or to another one.

        Returns:
            The first entry whose content or link is not what was recorded, or None when the chain is intact. That the
            newest entries are lost does not show: compare with the hashes of a `LedgerHead` that was kept elsewhere.
        """
        return next(walk(self._store, after_seq, account=account, up_to_seq=up_to_seq), None)

    def read_altered_entries(self) -> list[AlteredEntry]:
        """Walk everything: the entries that are missing, and each account's first that is not what was recorded."""
        return walk_whole(self._store)

    def read_altered_entries_since(self, since: datetime) -> list[AlteredEntry]:
        """Walk all chains from the first entry of `since` or later: each account's first entry that does not fit."""
        with self._store.reading() as connection:
            first = fetch(connection, Selection(since=since, limit=1))
        found: dict[str, AlteredEntry] = {}
        for altered in walk(self._store, first[0]["seq"] - 1) if first else ():
            found.setdefault(altered.account, altered)
        return list(found.values())

    def read_altered_entries_of_day(self, trading_day: str, up_to_seq: int) -> list[AlteredEntry]:
        """Find each account's first entry of a day that is not what was recorded; empty when all of them are.

        Looks at the day's entries and the links before them alone, so that it costs a day and not a history: the whole
        chain is walked by `read_altered_entry`.
        """
        return find_altered_of_day(self._store, trading_day, up_to_seq)

    def _walk_flattens(self, account: str) -> Iterator[FlattenRecord]:
        """Walk the account's flattens from the newest back."""
        for opened in self._walk_back(FlattenOpened, account):
            yield from folds.fold_flattens(self.read(*_FLATTENS, flatten_id=opened.flatten_id))

    def _walk_checks(self, account: str) -> Iterator[CheckRecord]:
        """Walk the account's checks from the newest back; what cannot be read is passed over."""
        for each in self._walk_back(CheckMade, account):
            yield from folds.fold_checks([each])

    def _walk_back(self, fact_type: type[Fact], account: str) -> Iterator[Recorded]:
        up_to_seq: int | None = None
        while found := self.read(fact_type, is_tolerant=True, account=account, up_to_seq=up_to_seq, newest=1):
            yield found[0]
            up_to_seq = found[0].seq - 1

    def _note_unknown_kinds(self) -> None:
        with self._store.reading() as connection:
            found = find_unknown_kinds(connection)
        if found and not self._store.is_read_only:
            raise LedgerError(
                f"The ledger {self.path} was written by a newer version: {found[0].describe()}. Nothing was sent or "
                "written, as nothing is sent on half a record. Install that version, or name another ledger."
            )
        self._unreadable.update({each.seq: each for each in found})

    def _note(self, each: Recorded, *, is_tolerant: bool) -> None:
        altered = build_altered(each, each.problem)
        if not (is_tolerant or self._store.is_read_only):
            raise LedgerError(
                f"The ledger {self.path} has an entry that cannot be read: {altered.describe()}. Nothing is sent on "
                "half a record. Look at the positions at the exchange; docs/runbook.md says how to go on, under 'Ledger "
                "altered'."
            )
        self._unreadable.setdefault(each.seq, altered)
