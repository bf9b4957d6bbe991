"""From rows to records, entry by entry: what cannot be read costs its own entry and no other one.

Any tool can open the ledger's file and write anything into a cell. Who only reads goes on without such an entry and finds
it in `unreadable`. Who is about to send is denied instead, as nothing is sent on half a record. Knows the spine alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Select, select

from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.model import Outcome
from deepcoin_ops.ledger.queries import Row, Rows, fetch
from deepcoin_ops.ledger.records import AlteredEntry
from deepcoin_ops.ledger.rows import MisfitRow, build_record
from deepcoin_ops.ledger.schema import entries
from deepcoin_ops.ledger.store import Store

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_RecordT = TypeVar("_RecordT", bound="DataclassInstance")
# What is on record of a send that has no outcome.
_OPEN: dict[str, Any] = {
    "sent_at": None,
    "answered_at": None,
    "error_code": None,
    "http_status": None,
    "is_throttled": 0,
    "notes": "[]",
}


class Reading:
    """What every reader of the ledger is made of.

    Args:
        store: The file.
        is_tolerant: Go on without an entry that cannot be read, as on a file that is open for reading only. Otherwise that
            is a LedgerError.
    """

    def __init__(self, store: Store, *, is_tolerant: bool = False):
        self._store = store
        self._is_tolerant = is_tolerant or store.is_read_only
        self._unreadable: dict[int, AlteredEntry] = {}

    @property
    def unreadable(self) -> tuple[AlteredEntry, ...]:
        """The entries that could not be read so far, in their order; every answer is without them."""
        return tuple(self._unreadable[seq] for seq in sorted(self._unreadable))

    def _read(self, query: Select[Any]) -> Rows:
        with self._store.reading() as connection:
            return fetch(connection, query)

    def _build_each(self, record_type: type[_RecordT], rows: Iterable[Row]) -> Iterator[_RecordT]:
        """The records of rows that stand for themselves."""
        for row in rows:
            record = self._build(record_type, row)
            if record is not None:
                yield record

    def _build(self, record_type: type[_RecordT], row: Row, **others: object) -> _RecordT | None:
        """The record of a row; None when it cannot be read, and its entry is noted.

        Raises:
            LedgerError: It cannot be read, and this reader does not go on without it.
        """
        try:
            return build_record(record_type, row, **others)
        except MisfitRow as misfit:
            self._note(row["seq"], str(misfit))
            return None

    def _build_pages(
        self,
        page_type: type[_RecordT],
        pages: Rows,
        name: str,
        row_type: type[DataclassInstance],
        rows: Mapping[int, Rows],
    ) -> list[_RecordT]:
        """Pages with their rows under `name`. A page with a row that cannot be read would show less than there was."""
        built = []
        for page in pages:
            of_page = tuple(self._build_each(row_type, rows[page["seq"]]))
            record = self._build(page_type, page, **{name: of_page}) if self._is_whole(page["seq"]) else None
            if record is not None:
                built.append(record)
        return built

    def _build_attempt(
        self, attempt_type: type[_RecordT], row: Row, no_outcome_reason: str, **others: object
    ) -> _RecordT | None:
        """A close or a cancel with its outcome, whose columns begin with `outcome_`.

        Without an outcome, or with one that cannot be read, it is UNKNOWN: it may have happened.
        """
        if row["outcome_seq"] is not None and self._is_whole(row["outcome_seq"]):
            answered = {name: row[f"outcome_{name}"] for name in (*_OPEN, "outcome", "reason")}
            try:
                return build_record(attempt_type, row | {"intent_at": row["recorded_at"]} | answered, **others)
            except MisfitRow as misfit:
                self._note(row["outcome_seq"], str(misfit))
        reason = no_outcome_reason if row["outcome_seq"] is None else "its outcome on record cannot be read"
        unknown = _OPEN | {"intent_at": row["recorded_at"], "outcome": Outcome.UNKNOWN, "reason": reason}
        return self._build(attempt_type, row | unknown, **others)

    def _is_whole(self, seq: int | None) -> bool:
        """Whether every row of an entry could be read that was looked at."""
        return seq not in self._unreadable

    def _note(self, seq: int, reason: str) -> None:
        [entry] = self._read(select(entries).where(entries.c.seq == seq))
        altered = build_altered(entry, f"it cannot be read: {reason}")
        if not self._is_tolerant:
            raise LedgerError(
                f"The ledger {self._store.path} has an entry that cannot be read: {altered.describe()}. Nothing is sent on "
                "half a record. Look at the positions at the exchange; docs/runbook.md says how to go on, under 'Ledger "
                "altered'."
            )
        self._unreadable.setdefault(seq, altered)


def build_altered(entry: Mapping[str, Any], reason: str) -> AlteredEntry:
    """What is wrong with an entry, whose own columns may be what cannot be read; those are empty then."""
    place = {name: entry[name] if isinstance(entry[name], str) else "" for name in ("account", "trading_day", "kind")}
    return AlteredEntry(seq=entry["seq"], reason=reason, **place)
