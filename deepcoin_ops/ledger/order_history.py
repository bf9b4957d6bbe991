"""Everything that reads waiting orders from the ledger: what the order lists showed, and what became of each cancel.

As in `history`: state is a fold over entries, so that a cancel without an outcome reads as UNKNOWN, and nothing that was
recorded after `up_to_seq` exists.
"""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import ColumnElement, and_, select

from deepcoin_ops.domain.day import OrderPage
from deepcoin_ops.domain.orders import CancelAttempt, CancelError, CancelIntent, Order
from deepcoin_ops.ledger.orders_schema import cancel_errors, cancel_intents, cancel_outcomes, order_reads, order_rows
from deepcoin_ops.ledger.queries import Row, Rows, fetch, is_up_to
from deepcoin_ops.ledger.reading import Reading
from deepcoin_ops.ledger.schema import entries

NO_CANCEL_OUTCOME_REASON = "no outcome is on record: the process ended or still waits; the order may have been cancelled"


class OrderHistory(Reading):
    """What the ledger has about waiting orders."""

    def read_cancels(self, trading_day: str, up_to_seq: int | None = None) -> list[CancelAttempt]:
        """The day's cancels with their outcomes and error items, in the order in which they were recorded."""
        return self._read_cancels(entries.c.trading_day == trading_day, up_to_seq)

    def read_cancels_of(self, flatten_id: str) -> list[CancelAttempt]:
        """The cancels of a flatten, likewise."""
        return self._read_cancels(entries.c.flatten_id == flatten_id)

    def read_open_cancels(self, account: str) -> list[CancelAttempt]:
        """The account's cancels without an outcome: what was done for them is not known."""
        return self._read_cancels(and_(entries.c.account == account, cancel_outcomes.c.seq.is_(None)))

    def read_order_pages(self, flatten_id: str, up_to_seq: int | None = None) -> list[OrderPage]:
        """The order lists that a flatten read whole, each with its orders, in the order of the reads."""
        wanted = [entries.c.flatten_id == flatten_id, order_reads.c.is_complete == 1, is_up_to(entries, up_to_seq)]
        query = select(order_reads).join(entries, entries.c.seq == order_reads.c.seq).where(*wanted)
        items = select(order_rows).join(entries, entries.c.seq == order_rows.c.seq).where(*wanted)
        items = items.join(order_reads, order_reads.c.seq == order_rows.c.seq)
        with self._store.reading() as connection:
            pages = fetch(connection, query.order_by(order_reads.c.seq))
            rows: dict[int, Rows] = defaultdict(list)
            for row in fetch(connection, items.order_by(order_rows.c.seq, order_rows.c.item_index)):
                rows[row["seq"]].append(row)
        return self._build_pages(OrderPage, pages, "orders", Order, rows)

    def _read_cancels(self, condition: ColumnElement[bool], up_to_seq: int | None = None) -> list[CancelAttempt]:
        is_outcome = and_(cancel_outcomes.c.cancel_id == cancel_intents.c.cancel_id, is_up_to(cancel_outcomes, up_to_seq))
        outcome_columns = [column.label(f"outcome_{column.name}") for column in cancel_outcomes.c if column.name != "body"]
        # Not the whole entry: its kind is another one than the order's.
        entry_columns = (entries.c.account, entries.c.flatten_id, entries.c.recorded_at)
        query = select(*entry_columns, cancel_intents, *outcome_columns)
        query = query.join(cancel_intents, cancel_intents.c.seq == entries.c.seq).outerjoin(cancel_outcomes, is_outcome)
        query = query.where(condition, is_up_to(entries, up_to_seq)).order_by(entries.c.seq)
        with self._store.reading() as connection:
            rows = fetch(connection, query)
            items = query.with_only_columns(cancel_errors).join(cancel_errors, cancel_errors.c.seq == cancel_outcomes.c.seq)
            errors: dict[int, Rows] = defaultdict(list)
            for row in fetch(connection, items.order_by(cancel_errors.c.item_index)):
                errors[row["seq"]].append(row)
        built = (self._build_cancel(row, errors) for row in rows)
        return [cancel for cancel in built if cancel is not None]

    def _build_cancel(self, row: Row, errors: dict[int, Rows]) -> CancelAttempt | None:
        intent = self._build(CancelIntent, row)
        if intent is None:
            return None
        items = tuple(self._build_each(CancelError, errors[row["outcome_seq"]]))
        return self._build_attempt(CancelAttempt, row, NO_CANCEL_OUTCOME_REASON, intent=intent, cancel_errors=items)
