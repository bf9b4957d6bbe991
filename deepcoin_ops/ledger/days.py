"""A trading day of the ledger, put together account by account as the records of `domain.day`. Reads, decides nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from deepcoin_ops.domain.day import AccountDay, DayFlatten, DueTick, OrderPage, PositionPage
from deepcoin_ops.ledger import folds
from deepcoin_ops.ledger.history import History
from deepcoin_ops.ledger.records import FlattenRecord, Recorded


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
    recorded = ledger.read(trading_day=trading_day, up_to_seq=up_to_seq) if ledger else []
    ticks, evidence = folds.fold_ticks(recorded), folds.fold_histories(recorded)
    of_flatten: dict[str, list[Recorded]] = defaultdict(list)
    for each in recorded:
        of_flatten[each.flatten_id].append(each)
    flattens = [_fold_flatten(record, of_flatten[record.request.flatten_id]) for record in folds.fold_flattens(recorded)]
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


def _fold_flatten(record: FlattenRecord, recorded: Sequence[Recorded]) -> DayFlatten:
    pages = folds.fold_position_pages(recorded)
    lists = folds.fold_order_pages(recorded)
    notes = dict.fromkeys(
        note for notes in [page.notes for page in pages] + [page.notes for page in lists] for note in notes
    )
    return DayFlatten(
        request=record.request,
        opened_at=record.opened_at,
        closing=record.closing,
        closed_at=record.closed_at,
        configured=record.configured,
        expected=record.expected,
        verdicts=tuple(folds.fold_verdicts(recorded)),
        attempts=tuple(folds.fold_attempts(recorded)),
        before=_find_last_pages([page for page in pages if page.purpose == "snapshot"]),
        after=_find_last_pages(pages),
        notes=tuple(notes),
        cancels=tuple(folds.fold_cancels(recorded)),
        orders_after=_find_last_lists(lists),
    )


def _find_last_pages(pages: Sequence[PositionPage]) -> tuple[PositionPage, ...]:
    """The last page of each instrument type: a page that failed is not among them, and the one before it counts."""
    last = {page.instrument_type: page for page in pages}
    return tuple(last[kind] for kind in sorted(last, reverse=True))


def _find_last_lists(pages: Sequence[OrderPage]) -> tuple[OrderPage, ...]:
    """The last page of each order list, in the order in which the lists were first read."""
    return tuple({(page.order_list, page.instrument_id): page for page in pages}.values())
