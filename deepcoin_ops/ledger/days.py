"""A trading day of the ledger, put together account by account as the records of `domain.day`. Reads, decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from deepcoin_ops.domain.day import AccountDay, DayFlatten, DueTick, OrderPage, PositionPage
from deepcoin_ops.domain.model import CloseAttempt
from deepcoin_ops.domain.orders import CancelAttempt
from deepcoin_ops.ledger.history import History
from deepcoin_ops.ledger.records import FlattenRecord


def read_account_days(
    ledger: History | None,
    trading_day: str,
    up_to_seq: int,
    configured: Mapping[str, tuple[str, ...]],
    due: DueTick | None,
    ends_at: datetime,
) -> list[AccountDay]:
    """What the ledger knows of a day, one record per account, by name.

    Args:
        ledger: The ledger, or None when there is none: then every account has a day without flattens.
        trading_day: The day.
        up_to_seq: Entries after this one do not exist for this read.
        configured: The configured instruments of each account, as the settings name them now; they count for an account
            that nobody flattened that day. An account that only the ledger knows is there too, and nothing was due for it.
        due: What was due on that day, for every configured account.
        ends_at: When the day's window ends, aware.
    """
    records = ledger.read_flattens(trading_day, up_to_seq) if ledger else []
    ticks = ledger.read_skipped_ticks(trading_day, up_to_seq) if ledger else []
    attempts = ledger.read_attempts(trading_day, up_to_seq) if ledger else []
    cancels = ledger.read_cancels(trading_day, up_to_seq) if ledger else []
    evidence = ledger.read_evidence(trading_day, up_to_seq) if ledger else []
    flattens = [_read_flatten(ledger, record, attempts, cancels, up_to_seq) for record in records] if ledger else []
    named = {*configured, *(flatten.request.account for flatten in flattens), *(tick.account for tick in ticks)}
    days = []
    for account in sorted(named):
        own = tuple(flatten for flatten in flattens if flatten.request.account == account)
        real = [flatten for flatten in own if not flatten.request.is_dry_run]
        days.append(
            AccountDay(
                trading_day=trading_day,
                account=account,
                instruments=real[-1].configured if real else configured.get(account, ()),
                ends_at=ends_at,
                flattens=own,
                due=due if account in configured else None,
                skipped_ticks=tuple(tick.reason for tick in ticks if tick.account == account),
                evidence=tuple(record.read for record in evidence if record.account == account),
            )
        )
    return days


def _read_flatten(
    ledger: History,
    record: FlattenRecord,
    attempts: Iterable[CloseAttempt],
    cancels: Iterable[CancelAttempt],
    up_to_seq: int,
) -> DayFlatten:
    request = record.request
    pages = ledger.read_position_pages(request.flatten_id, up_to_seq)
    lists = ledger.read_order_pages(request.flatten_id, up_to_seq)
    notes = dict.fromkeys(
        note for notes in [page.notes for page in pages] + [page.notes for page in lists] for note in notes
    )
    return DayFlatten(
        request=request,
        opened_at=record.opened_at,
        closing=record.closing,
        closed_at=record.closed_at,
        configured=record.configured,
        expected=record.expected,
        verdicts=tuple(ledger.read_verdicts(request.flatten_id, up_to_seq)),
        attempts=tuple(attempt for attempt in attempts if attempt.flatten_id == request.flatten_id),
        before=_find_last_pages([page for page in pages if page.purpose == "snapshot"]),
        after=_find_last_pages(pages),
        notes=tuple(notes),
        cancels=tuple(cancel for cancel in cancels if cancel.flatten_id == request.flatten_id),
        orders_after=_find_last_lists(lists),
    )


def _find_last_pages(pages: Sequence[PositionPage]) -> tuple[PositionPage, ...]:
    """The last page of each instrument type: a page that failed is not among them, and the one before it counts."""
    last = {page.instrument_type: page for page in pages}
    return tuple(last[kind] for kind in sorted(last, reverse=True))


def _find_last_lists(pages: Sequence[OrderPage]) -> tuple[OrderPage, ...]:
    """The last page of each order list, in the order in which the lists were first read."""
    return tuple({(page.order_list, page.instrument_id): page for page in pages}.values())
