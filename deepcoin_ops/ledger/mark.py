"""The mark beside the ledger: the newest entry that somebody relied on, so that an old copy put back is noticed.

An old copy is intact in itself: its chain holds, and it has simply forgotten what was sent since. So the entry after which
something is sent, or is called closed, is also named in a small file of its own, and a ledger that does not have that entry
records nothing more until a person has looked.

The mark may lag, it is never ahead: it is written after the entry is durable, and without a sync of its own. Where it is
missing, or torn by a power cut, nothing is concluded from it, as such a file must not keep a position open; the next entry
writes it anew. An old copy of the mark put back together with the old ledger cannot be noticed here. The heads that are
noted elsewhere, in the tables and by `deepcoin-ops ledger show`, tell that.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, select

from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.facts import AnyFact, CallIntended, FlattenEnded, FlattenOpened
from deepcoin_ops.ledger.identity import read_identity
from deepcoin_ops.ledger.schema import facts
from deepcoin_ops.ledger.store import Store

logger = logging.getLogger(__name__)

# After these a send may follow, or a flatten is said to be over.
_MARKED = (FlattenOpened, CallIntended, FlattenEnded)
# One size and one write within a page: a kill cannot tear it, and a shorter mark leaves nothing of a longer one.
_MARK_BYTES = 512
_LOOKS = 3
_REFUSAL = "The ledger {path} is not used: {setback}. Nothing is sent without it, and nothing was written to it."


@dataclass(frozen=True)
class Mark:
    """One entry of a ledger, by its number and its hash."""

    ledger_id: str
    seq: int
    fact_hash: str
    recorded_at: str


class LedgerMark:
    """The mark of one ledger file.

    Args:
        ledger_path: The ledger; the mark lies beside it.

    Attributes:
        path: The mark's file.
        known: The mark that was read last, or written by this process; None when there is none to go by.
    """

    def __init__(self, ledger_path: Path):
        self.path = ledger_path.with_name(f"{ledger_path.stem}.mark.json")
        self.known: Mark | None = None
        self._is_failure_told = False

    def read(self) -> Mark | None:
        """The mark; None when there is none, or none that can be read, which is logged."""
        self.known = None
        try:
            # One that is being overwritten at this moment can be read in halves, and then in whole.
            for _ in range(_LOOKS):
                self.known = _parse(self.path.read_bytes()[:_MARK_BYTES])
                if self.known is not None:
                    return self.known
        except FileNotFoundError:
            return None
        except OSError as error:
            logger.warning(
                "The ledger's mark %s cannot be read (%s); whether the ledger is an old copy is not known.",
                self.path,
                error.strerror,
            )
            return None
        logger.warning("The ledger's mark %s is torn; whether the ledger is an old copy is not known.", self.path)
        return None

    def write(self, mark: Mark) -> None:
        """Name a durable entry. Never raises for the disk: what was recorded counts, and is about to be sent."""
        self.known = mark
        fields = asdict(mark)
        text = json.dumps(fields | {"digest": _build_digest(fields)})
        try:
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(file, text.encode().ljust(_MARK_BYTES))
            finally:
                os.close(file)
        except OSError as error:
            if not self._is_failure_told:
                self._is_failure_told = True
                logger.warning(
                    "The ledger's mark %s cannot be written (%s). Entries are recorded all the same, but an old copy "
                    "of the ledger put back later would not be noticed.",
                    self.path,
                    error.strerror,
                )

    def build(self, connection: Connection, row: Mapping[str, Any]) -> Mark | None:
        """Build what marks a row that is being appended; to be written once it is durable."""
        ledger_id = self.known.ledger_id if self.known else _read_ledger_id(connection)
        return Mark(ledger_id, row["seq"], row["fact_hash"], row["recorded_at"]) if ledger_id is not None else None

    def check(self, connection: Connection, path: Path) -> None:
        """Refuse to append to a ledger that does not have the entry that this process saw in it.

        Raises:
            LedgerError: It does not; nothing was written.
        """
        setback = self.describe_setback(connection)
        if setback is not None:
            raise LedgerError(_REFUSAL.format(path=path, setback=setback))

    def describe_setback(self, connection: Connection | None) -> str | None:
        """What it means that a ledger does not have the marked entry; None when it has it, or when nothing is marked.

        Args:
            connection: A transaction on the ledger; None when there is no ledger, or an empty file.
        """
        if self.known is None or (connection is not None and _has_entry(connection, self.known)):
            return None
        return (
            f"it is an old copy or another ledger: it does not have entry {self.known.seq}, recorded at "
            f"{self.known.recorded_at}, which its mark {self.path} names. Closes and cancels that were sent since are "
            "unknown to it. Look at the positions and orders on the exchange; then put the newer ledger back, or remove "
            f"{self.path} to go on with this one, and flatten anew"
        )


def check_mark(mark: LedgerMark, store: Store | None, path: Path) -> None:
    """Refuse a ledger that does not have the entry that its mark names.

    Args:
        mark: The mark, as it was read before.
        store: The ledger's file; None when there is none.
        path: Where it is.

    Raises:
        LedgerError: It does not; nothing was written.
    """
    setback = _find_setback(mark, store)
    if setback is not None:
        raise LedgerError(_REFUSAL.format(path=path, setback=setback))


def read_setback(path: Path, store: Store | None) -> str | None:
    """What is wrong with a ledger by its mark, for somebody who only reads; None when nothing is.

    Args:
        path: Where the ledger is.
        store: Its file; None when there is none.
    """
    mark = LedgerMark(path)
    mark.read()
    return _find_setback(mark, store)


def _find_setback(mark: LedgerMark, store: Store | None) -> str | None:
    if mark.known is None or store is None:
        return mark.describe_setback(None)
    with store.reading() as connection:
        return mark.describe_setback(connection if inspect(connection).has_table(facts.name) else None)


def is_marked(fact: AnyFact) -> bool:
    """Whether a mark follows such a fact."""
    return isinstance(fact, _MARKED)


def _has_entry(connection: Connection, mark: Mark) -> bool:
    found = connection.execute(select(facts.c.fact_hash).where(facts.c.seq == mark.seq)).scalar()
    return found == mark.fact_hash and _read_ledger_id(connection) == mark.ledger_id


def _read_ledger_id(connection: Connection) -> str | None:
    identity = read_identity(connection)
    return identity.ledger_id if identity is not None else None


def _parse(content: bytes) -> Mark | None:
    """A mark that is whole, by its digest; None otherwise."""
    try:
        fields = json.loads(content)
        digest = fields.pop("digest")
        mark = Mark(**fields)
        return mark if digest == _build_digest(asdict(mark)) else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _build_digest(fields: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
