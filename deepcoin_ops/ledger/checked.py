"""How far each account's chain was checked and found good, so that the next check goes on from there.

The heads are kept in a file of their own. They save time, and they show when an entry that was found good is missing. They
do not prove the entries before them: `verify` begins at the first one.
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
    """Walk the whole ledger: what is missing, and the first entry of each account that is not what was recorded.

    Entries that an earlier check found good have to be there too.
    """
    found = ledger.read_altered_entries()
    ledger_id, named = ledger.read_ledger_id(), {each.account for each in found}
    heads = {account: head for account, head in _read_heads(_name_heads(ledger)).items() if account not in named}
    lost = [_build_lost(account, head) for account, head in heads.items() if _is_lost(ledger, ledger_id, account, head)]
    return [*found, *lost]


def verify_onward(ledger: History) -> list[AlteredEntry]:
    """Walk every account's chain from where it was last found good, and keep how far it is good now.

    Writes the heads where that is possible; where it is not, the next check takes longer.

    Returns:
        The first entry of each account that is not what was recorded, or the one that was last found good and is not
        there any more. What is returned is returned again by the next check.
    """
    # First of all: an entry that was recorded is there in every later look.
    known = _read_heads(_name_heads(ledger))
    ledger_id = ledger.read_ledger_id()
    heads: dict[str, _Head] = {}
    found = []
    for account in dict.fromkeys(["", *ledger.read_accounts(), *known]):
        head = known.get(account)
        is_lost = head is not None and _is_lost(ledger, ledger_id, account, head)
        after_seq = head.seq if head is not None and head.ledger_id == ledger_id and not is_lost else None
        newest = next(iter(ledger.read(is_tolerant=True, account=account, newest=1)), None)
        altered = ledger.read_altered_entry(account, after_seq, newest.seq) if newest is not None else None
        if head is not None and is_lost:
            found.append(altered or _build_lost(account, head))
            heads[account] = head
        elif altered is not None:
            found.append(altered)
            if after_seq and head is not None:
                heads[account] = head
        elif newest is not None:
            heads[account] = _Head(ledger_id, newest.seq, newest.fact_hash)
    if heads != known:
        with suppress(OSError):
            write_private_file(_name_heads(ledger), msgspec.json.encode(heads))
    return found


def _is_lost(ledger: History, ledger_id: str, account: str, head: _Head) -> bool:
    if head.ledger_id != ledger_id:
        return False
    found = ledger.read(is_tolerant=True, account=account, after_seq=head.seq - 1, up_to_seq=head.seq)
    return [each.fact_hash for each in found] != [head.fact_hash]


def _build_lost(account: str, head: _Head) -> AlteredEntry:
    reason = (
        "it was found good before, and now it is missing or another one: newer entries were lost, or an old copy put back"
    )
    return AlteredEntry(head.seq, account, "", "", reason)


def _name_heads(ledger: History) -> Path:
    return ledger.path.with_name(f"{ledger.path.stem}.checked.json")


def _read_heads(path: Path) -> dict[str, _Head]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, _Head])
    except (OSError, msgspec.DecodeError):
        return {}
