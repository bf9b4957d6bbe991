"""How far each account's chain was checked and found good, so that the next check goes on from there.

The heads lie in a file beside the ledger. They save time and prove nothing: `verify` begins at the first entry.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from deepcoin_ops.ledger.history import History
from deepcoin_ops.ledger.records import AlteredEntry
from deepcoin_ops.state_files import write_private_file


class _Head(msgspec.Struct, frozen=True):
    ledger_id: str
    seq: int
    fact_hash: str


def verify(ledger: History) -> list[AlteredEntry]:
    """Walk every account's whole chain; the first entry of each that is not what was recorded."""
    found = (ledger.read_altered_entry(account) for account in ["", *ledger.read_accounts()])
    return [altered for altered in found if altered is not None]


def verify_onward(ledger: History) -> list[AlteredEntry]:
    """Walk every account's chain from where it was last found good, and keep how far it is good now.

    Writes the heads where that is possible; where it is not, the next check takes longer.

    Returns:
        The first entry of each account that is not what was recorded.
    """
    path = ledger.path.with_name(f"{ledger.path.stem}.checked.json")
    ledger_id, known = ledger.read_ledger_id(), _read_heads(path)
    heads: dict[str, _Head] = {}
    found = []
    for account in ["", *ledger.read_accounts()]:
        [newest] = ledger.read(is_tolerant=True, account=account, newest=1)
        head = known.get(account)
        after_seq = head.seq if head is not None and _is_there(ledger, ledger_id, account, head) else 0
        altered = ledger.read_altered_entry(account, after_seq, newest.seq)
        if altered is None:
            heads[account] = _Head(ledger_id, newest.seq, newest.fact_hash)
        else:
            found.append(altered)
            if after_seq and head is not None:
                heads[account] = head
    if heads != known:
        with suppress(OSError):
            write_private_file(path, msgspec.json.encode(heads))
    return found


def _is_there(ledger: History, ledger_id: str, account: str, head: _Head) -> bool:
    found = ledger.read(is_tolerant=True, account=account, after_seq=head.seq - 1, up_to_seq=head.seq)
    return head.ledger_id == ledger_id and [each.fact_hash for each in found] == [head.fact_hash]


def _read_heads(path: Path) -> dict[str, _Head]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, _Head])
    except (OSError, msgspec.DecodeError):
        return {}
