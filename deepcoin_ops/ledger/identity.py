"""The ledger's first fact: what tells it from any other ledger, and the venue that it is of."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import Connection

from deepcoin_ops.boot_clock import boot_now_s, read_boot_id
from deepcoin_ops.domain.facts import LedgerCreated
from deepcoin_ops.domain.model import Venue
from deepcoin_ops.ledger.encoding import build_cells, build_once_key, read_row
from deepcoin_ops.ledger.queries import Selection, append, fetch
from deepcoin_ops.ledger.records import NewFact


def create_identity(connection: Connection, venue: Venue, now: datetime) -> None:
    """Append the first fact of a new ledger."""
    created = LedgerCreated(
        flatten_id="", at_s=boot_now_s(), boot_id=read_boot_id(), at=now, ledger_id=uuid.uuid4().hex, venue=venue
    )
    append(connection, [build_cells(NewFact(account="", trading_day="", fact=created))], now)


def read_identity(connection: Connection) -> LedgerCreated | None:
    """Read it; None where it is missing or is not what was recorded."""
    for row in fetch(connection, Selection(once_keys=(_KEY,))):
        fact = read_row(row).fact
        if isinstance(fact, LedgerCreated):
            return fact
    return None


_KEY = build_once_key(LedgerCreated(flatten_id="", at_s=0.0, ledger_id="", venue=Venue.PAPER)) or ""
