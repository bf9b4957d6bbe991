"""Facts of kinds that this version does not know: a newer one has recorded them. They are named, and nothing is sent."""

from __future__ import annotations

from sqlalchemy import Connection

from deepcoin_ops.ledger.encoding import KINDS, UNKNOWN_KIND, read_row
from deepcoin_ops.ledger.queries import Selection, fetch, fetch_accounts, fetch_kinds
from deepcoin_ops.ledger.records import AlteredEntry


def find_unknown_kinds(connection: Connection) -> list[AlteredEntry]:
    """Find each account's newest fact of every kind that is unknown; one that was altered does not count."""
    kinds = {account: fetch_kinds(connection, account) for account in ["", *fetch_accounts(connection)]}
    newest = [seq for found in kinds.values() for kind, seq in found.items() if kind not in KINDS]
    rows = [row for seq in newest for row in fetch(connection, Selection(after_seq=seq - 1, up_to_seq=seq))]
    return [
        AlteredEntry(each.seq, each.account, each.trading_day, each.kind, UNKNOWN_KIND)
        for each in map(read_row, rows)
        if UNKNOWN_KIND in each.problem
    ]
