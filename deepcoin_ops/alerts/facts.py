"""What alerts are found in: the last days of the ledger, what was due, and whether anybody still works on a flatten.

Reads the ledger and the account locks; writes nothing and asks the exchange nothing. What follows is decided in `finding`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from deepcoin_ops.domain.day import DayFlatten, DueTick
from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.model import CloseAttempt, FlattenResult, Venue
from deepcoin_ops.domain.orders import CancelAttempt
from deepcoin_ops.domain.trading_day import list_days
from deepcoin_ops.flattening.account_lock import AccountLock
from deepcoin_ops.ledger.history import History
from deepcoin_ops.ledger.mark import read_setback
from deepcoin_ops.ledger.records import AlteredEntry, CheckRecord, FlattenRecord, SkippedTick
from deepcoin_ops.settings import Settings

# What is older is no news: a desk that sets up alerts, or comes back from a week off, is not told of its past.
HORIZON = timedelta(hours=48)
# A flatten belongs to the day in which it begins, and may end the day after.
_DAY_BEFORE = timedelta(days=1)
# Between its opening row and the account's lock a flatten holds no lock: a second, on a busy machine a few more.
_OPENING = timedelta(minutes=1)
# Whoever waits for the lock looks again every tenth of a second: free for this long, nobody does.
_LOOK_AGAIN_S = 1.0


@dataclass(frozen=True)
class DueDay:
    """A trading day on which a flatten of every configured account was due."""

    trading_day: str
    tick: DueTick
    ends_at: datetime


@dataclass(frozen=True)
class AlertFacts:
    """Everything that is looked at for alerts, as of one moment.

    Attributes:
        venue: Of ledger and settings.
        now: The moment, aware.
        today: The trading day it belongs to.
        since: What ended before this is no news.
        accounts: The configured instruments of each account.
        max_lateness_s: How late a tick may still start a flatten, in seconds.
        throttled_often: From how many throttled sends of one flatten on it is told.
        due_days: The days with a tick, oldest first.
        flattens: Of all accounts and days, in the order in which they were opened. Pages are there only where one has no
            closing row or is not proven flat, and is not kept as an alert already.
        killed: The ids of flattens without a closing row that nobody works on.
        overdue: The ids of those that should have ended long ago, and whose account's lock is held or cannot be looked at.
        skipped_ticks: Ticks of the schedule that came too late.
        checks: Checks of accounts, oldest first.
        ledger_problem: Why the ledger could not be read; empty when it could, or when there is none yet.
        ledger_setback: Why every flatten refuses the ledger by its mark; empty when none does. What it holds was read.
        altered: Entries that cannot be read, or are not what was recorded; everything else was read without the former.
    """

    venue: Venue
    now: datetime
    today: str
    since: datetime
    accounts: Mapping[str, tuple[str, ...]]
    max_lateness_s: float
    throttled_often: int
    due_days: tuple[DueDay, ...] = ()
    flattens: tuple[DayFlatten, ...] = ()
    killed: frozenset[str] = frozenset()
    overdue: frozenset[str] = frozenset()
    skipped_ticks: tuple[SkippedTick, ...] = ()
    checks: tuple[CheckRecord, ...] = ()
    ledger_problem: str = ""
    ledger_setback: str = ""
    altered: tuple[AlteredEntry, ...] = ()


def read_facts(
    settings: Settings,
    now: datetime,
    pause: Callable[[float], None] = time.sleep,
    kept: Collection[str] = (),
    *,
    is_chain_walked: bool = False,
) -> AlertFacts:
    """Read everything that is looked at. A ledger that cannot be read is one of the facts.

    Args:
        settings: Where ledger and locks are, and what is due.
        now: The time to judge by, aware.
        pause: Waits so many seconds between two looks at the lock of an account whose flatten has no closing row.
        kept: Flattens whose alerts are kept already: the pages of their reads, by far the most of what there is, are left
            out. Every commit of a flatten at work waits while the ledger is read.
        is_chain_walked: Whether to look at every entry of these days, and not only at what alerts are found in.
    """
    since = now - HORIZON
    days = list_days(settings.calendar.day_of(since - _DAY_BEFORE), settings.calendar.day_of(now))
    facts = AlertFacts(
        venue=settings.venue,
        now=now,
        today=settings.calendar.day_of(now),
        since=since,
        accounts={name: account.instruments for name, account in settings.accounts.items()},
        max_lateness_s=settings.schedule.max_lateness_s,
        throttled_often=settings.alerts.throttled_often,
        due_days=tuple(_find_due_days(settings, days, now)),
    )
    try:
        return _read_ledger(settings, facts, days, pause, kept, is_chain_walked=is_chain_walked)
    except LedgerError as error:
        return replace(facts, ledger_problem=str(error))


def _find_due_days(settings: Settings, days: Iterable[str], now: datetime) -> Iterable[DueDay]:
    for day in days:
        tick = settings.find_due(day, now)
        if tick is not None and tick.scheduled_at <= now:
            yield DueDay(day, tick, settings.calendar.window(day)[1].astimezone(UTC))


def _read_ledger(
    settings: Settings,
    facts: AlertFacts,
    days: Iterable[str],
    pause: Callable[[float], None],
    kept: Collection[str],
    *,
    is_chain_walked: bool,
) -> AlertFacts:
    flattens: list[DayFlatten] = []
    ticks: list[SkippedTick] = []
    # Asked before it is opened: a mark is written after its ledger, so one that is there already has lost its ledger.
    lost = read_setback(settings.ledger_path, None)
    ledger = History.open_existing(settings.ledger_path, settings.venue)
    if ledger is None:
        return replace(facts, ledger_setback=lost or "")
    with ledger:
        setback = ledger.read_setback()
        suspects = {
            record.request.flatten_id: record
            for day in days
            for record in ledger.read_flattens(day)
            if record.closed_at is None and record.opened_at + _OPENING <= facts.now
        }
        # Looked at before the rows are read once more: who ended meanwhile has a closing row by then.
        unheld = _find_unheld(settings, frozenset(record.request.account for record in suspects.values()), pause)
        for day in days:
            records = ledger.read_flattens(day)
            ticks += ledger.read_skipped_ticks(day)
            attempts, cancels = (ledger.read_attempts(day), ledger.read_cancels(day)) if records else ([], [])
            flattens += [_read_flatten(ledger, record, attempts, cancels, kept) for record in records]
        checks = tuple(ledger.read_checks_since(facts.since))
        walked = ledger.read_altered_entries_since(facts.since) if is_chain_walked else []
        altered = {each.seq: each for each in (*walked, *ledger.unreadable)}
    unclosed = {flatten.request.flatten_id for flatten in flattens if flatten.closed_at is None}
    left = {flatten_id: record for flatten_id, record in suspects.items() if flatten_id in unclosed}
    killed = frozenset(flatten_id for flatten_id, record in left.items() if record.request.account in unheld)
    longest = timedelta(seconds=settings.max_run_time_s)
    overdue = frozenset(flatten_id for flatten_id, record in left.items() if record.opened_at + longest <= facts.now)
    return replace(
        facts,
        flattens=tuple(sorted(flattens, key=lambda flatten: flatten.opened_at)),
        killed=killed,
        overdue=overdue - killed,
        skipped_ticks=tuple(tick for tick in ticks if tick.recorded_at >= facts.since),
        checks=checks,
        ledger_setback=setback or "",
        altered=tuple(altered[seq] for seq in sorted(altered)),
    )


def _find_unheld(settings: Settings, accounts: frozenset[str], pause: Callable[[float], None]) -> frozenset[str]:
    """The accounts that no flatten works on or waits for; none whose lock cannot be looked at."""
    if not settings.locks_folder.exists():
        return accounts
    free = {account for account in accounts if _is_free(settings, account)}
    if free:
        pause(_LOOK_AGAIN_S)
    return frozenset(account for account in free if _is_free(settings, account))


def _is_free(settings: Settings, account: str) -> bool:
    try:
        return not AccountLock(settings.locks_folder, account).is_held()
    except OSError:
        return False


def _read_flatten(
    ledger: History,
    record: FlattenRecord,
    attempts: list[CloseAttempt],
    cancels: list[CancelAttempt],
    kept: Collection[str],
) -> DayFlatten:
    flatten_id = record.request.flatten_id
    is_proven = record.closing is not None and record.closing.result in (FlattenResult.FLAT, FlattenResult.DRY_RUN)
    # One page of each instrument type: a later one takes the place of an earlier one.
    pages = [] if is_proven or flatten_id in kept else ledger.read_position_pages(flatten_id)
    return DayFlatten(
        request=record.request,
        opened_at=record.opened_at,
        closing=record.closing,
        closed_at=record.closed_at,
        configured=record.configured,
        verdicts=tuple(ledger.read_verdicts(flatten_id)),
        attempts=tuple(attempt for attempt in attempts if attempt.flatten_id == flatten_id),
        before=tuple({page.instrument_type: page for page in pages if page.purpose == "snapshot"}.values()),
        after=tuple({page.instrument_type: page for page in pages}.values()),
        cancels=tuple(cancel for cancel in cancels if cancel.flatten_id == flatten_id),
    )
