"""Every statement about facts: rows in, rows out. What a row means is not known here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select, text

from deepcoin_ops.ledger.chain import FIRST_PREVIOUS_HASH, build_fact_hash
from deepcoin_ops.ledger.encoding import build_utc_text
from deepcoin_ops.ledger.schema import facts

Row = dict[str, Any]

# Each walks from one value to the next along an index: a plain DISTINCT reads the whole index.
_ACCOUNTS = text(
    "WITH RECURSIVE found(name) AS (SELECT min(account) FROM facts UNION ALL "
    "SELECT (SELECT min(account) FROM facts WHERE account > found.name) FROM found WHERE found.name IS NOT NULL) "
    "SELECT name FROM found WHERE name IS NOT NULL AND name != ''"
)
_KINDS = text(
    "WITH RECURSIVE found(kind) AS (SELECT min(kind) FROM facts WHERE account = :account UNION ALL "
    "SELECT (SELECT min(kind) FROM facts WHERE account = :account AND kind > found.kind) FROM found "
    "WHERE found.kind IS NOT NULL) "
    "SELECT kind, (SELECT max(seq) FROM facts WHERE account = :account AND kind = found.kind) FROM found "
    "WHERE kind IS NOT NULL"
)
_NEWEST_EVER = text("SELECT seq FROM sqlite_sequence WHERE name = 'facts'")
_DAYS = text(
    "WITH RECURSIVE found(day) AS (SELECT min(trading_day) FROM facts WHERE trading_day > '' UNION ALL "
    "SELECT (SELECT min(trading_day) FROM facts WHERE trading_day > found.day) FROM found WHERE found.day IS NOT NULL) "
    "SELECT day FROM found WHERE day IS NOT NULL"
)


@dataclass(frozen=True)
class Selection:
    """Which facts are read; what is None or empty selects nothing away.

    Attributes:
        account: Whose.
        trading_day: Of which day.
        flatten_id: Of which flatten.
        kinds: Of which kinds.
        once_keys: Those with one of these keys.
        since: Recorded at that moment or later.
        after_seq: Recorded after this one.
        up_to_seq: Recorded up to this one.
        limit: At most so many, the oldest first.
        newest: At most so many, the newest first.
    """

    account: str | None = None
    trading_day: str | None = None
    flatten_id: str | None = None
    kinds: tuple[str, ...] = ()
    once_keys: tuple[str, ...] | None = None
    since: datetime | None = None
    after_seq: int | None = None
    up_to_seq: int | None = None
    limit: int | None = None
    newest: int | None = None


def fetch(connection: Connection, selection: Selection) -> list[Row]:
    """Fetch the rows that are selected."""
    query = _build_query(selection)
    if selection.since is not None:
        # By seq too: the indexes by account and by day end with it. The clock may have been set back meanwhile, so that
        # the first of the recent ones is looked for among all of them.
        is_recent = facts.c.recorded_at >= build_utc_text(selection.since)
        first = min(connection.execute(select(facts.c.seq).where(is_recent)).scalars(), default=None)
        if first is None:
            return []
        query = query.where(is_recent, facts.c.seq >= first)
    return _fetch(connection, query)


def fetch_accounts(connection: Connection) -> list[str]:
    """Fetch the accounts that have a fact, by name."""
    return [name for (name,) in connection.execute(_ACCOUNTS) if isinstance(name, str)]


def fetch_kinds(connection: Connection, account: str) -> dict[str, int]:
    """Fetch the kinds that an account has, each with its newest seq."""
    found = connection.execute(_KINDS, {"account": account})
    return {kind: seq for kind, seq in found if isinstance(kind, str)}


def fetch_days(connection: Connection) -> list[str]:
    """Fetch the trading days that have a fact, oldest first."""
    return [day for (day,) in connection.execute(_DAYS) if isinstance(day, str)]


def fetch_newest_seq(connection: Connection) -> tuple[int, int]:
    """Fetch the newest row's seq, and the newest that there ever was as the database remembers it; 0 without any."""
    newest = connection.execute(select(func.max(facts.c.seq))).scalar()
    ever = connection.execute(_NEWEST_EVER).scalar()
    return newest or 0, ever if isinstance(ever, int) else 0


def fetch_day_heads(connection: Connection, after_seq: int) -> list[Row]:
    """Fetch the newest row of each trading day that has one after `after_seq`, oldest first."""
    # Put together here: grouped by day, the database walks the whole index of days.
    rows = select(facts.c.trading_day, facts.c.seq).where(facts.c.seq > after_seq).order_by(facts.c.seq)
    newest = {row.trading_day: row.seq for row in connection.execute(rows) if row.trading_day}
    return _fetch(connection, select(facts).where(facts.c.seq.in_(newest.values())).order_by(facts.c.seq))


def fetch_account_heads(connection: Connection, trading_day: str) -> list[Row]:
    """Fetch each account's newest row of a trading day, oldest first."""
    newest = select(func.max(facts.c.seq)).where(facts.c.trading_day == trading_day).group_by(facts.c.account)
    return _fetch(connection, select(facts).where(facts.c.seq.in_(newest)).order_by(facts.c.seq))


def fetch_hash_before(connection: Connection, account: str, seq: int | None = None) -> str:
    """Fetch the hash that an account's row before `seq` has, its newest row without one; the first hash without any."""
    query = select(facts.c.fact_hash).where(facts.c.account == account)
    if seq is not None:
        query = query.where(facts.c.seq < seq)
    found = connection.execute(query.order_by(facts.c.seq.desc()).limit(1)).scalar()
    return FIRST_PREVIOUS_HASH if found is None else found


def fetch_day_with_links(connection: Connection, trading_day: str, up_to_seq: int) -> list[tuple[Row, str]]:
    """Fetch the rows of a day, each with the hash of its account's row before it."""
    older = facts.alias()
    before = select(older.c.fact_hash).where(older.c.account == facts.c.account, older.c.seq < facts.c.seq)
    before = before.order_by(older.c.seq.desc()).limit(1).correlate(facts)
    previous = func.coalesce(before.scalar_subquery(), FIRST_PREVIOUS_HASH).label("hash_before")
    query = select(facts, previous).where(facts.c.trading_day == trading_day, facts.c.seq <= up_to_seq)
    return [(row, row["hash_before"]) for row in _fetch(connection, query.order_by(facts.c.seq))]


def append(connection: Connection, new_rows: Sequence[Row], recorded_at: datetime) -> list[Row]:
    """Append rows of `build_cells`, one after the other; the rows as they are stored. The write lock is held."""
    newest = connection.execute(select(func.max(facts.c.seq))).scalar() or 0
    hashes: dict[str, str] = {}
    rows: list[Row] = []
    for seq, new in enumerate(new_rows, newest + 1):
        account = new["account"]
        if account not in hashes:
            hashes[account] = fetch_hash_before(connection, account)
        row = new | {"seq": seq, "recorded_at": build_utc_text(recorded_at), "previous_hash": hashes[account]}
        row["fact_hash"] = hashes[account] = build_fact_hash(row)
        rows.append(row)
    connection.execute(facts.insert(), rows)
    return rows


def _fetch(connection: Connection, query: Select[Any]) -> list[Row]:
    return [dict(row) for row in connection.execute(query).mappings()]


def _build_query(selection: Selection) -> Select[Any]:
    column = facts.c
    query = select(facts)
    for name in ("account", "trading_day", "flatten_id"):
        wanted = getattr(selection, name)
        if wanted is not None:
            query = query.where(column[name] == wanted)
    if selection.kinds:
        query = query.where(column.kind.in_(selection.kinds))
    if selection.once_keys is not None:
        query = query.where(column.once_key.in_(selection.once_keys))
    if selection.after_seq is not None:
        query = query.where(column.seq > selection.after_seq)
    if selection.up_to_seq is not None:
        query = query.where(column.seq <= selection.up_to_seq)
    if selection.newest is not None:
        return query.order_by(column.seq.desc()).limit(selection.newest)
    return query.order_by(column.seq).limit(selection.limit)
