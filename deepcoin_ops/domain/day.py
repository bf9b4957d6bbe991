"""One account's trading day as the ledger tells it, put together for the tables and the reconciliation. Records only.

What follows from it is decided in `reconcile`; nothing here reads a ledger, a clock or the settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from deepcoin_ops.domain.evidence import EvidenceRead
from deepcoin_ops.domain.model import (
    CloseAttempt,
    FlattenClosing,
    FlattenRequest,
    FlattenResult,
    InstrumentType,
    InstrumentVerdict,
    Position,
)
from deepcoin_ops.domain.orders import CancelAttempt, Order, OrderList


@dataclass(frozen=True)
class PositionPage:
    """A complete page of a positions read, as recorded. `purpose` is `snapshot`, `round` or `verify`."""

    purpose: str
    round_number: int
    instrument_type: InstrumentType
    started_at: datetime
    finished_at: datetime
    positions: tuple[Position, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class OrderPage:
    """A complete read of one order list, as recorded. `instrument_id` is None for the list of all instruments.

    What a list shows is there; what one that is not exhaustive leaves out may be there all the same.
    """

    purpose: str
    order_list: OrderList
    instrument_id: str | None
    started_at: datetime
    finished_at: datetime
    is_exhaustive: bool
    orders: tuple[Order, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class DayFlatten:
    """One flatten with everything that was recorded for it.

    `configured` is what the account's settings named when it was opened, `expected` the instruments in which they expected
    a position to stay open. `before` and `after` are the pages of its
    snapshot and of its last complete read, one for each instrument type; `notes` are what parsers noticed in answers.
    `orders_after` is the last complete read of each order list: the one of all instruments, and two for each instrument.
    """

    request: FlattenRequest
    opened_at: datetime
    closing: FlattenClosing | None
    closed_at: datetime | None
    configured: tuple[str, ...]
    verdicts: tuple[InstrumentVerdict, ...] = ()
    attempts: tuple[CloseAttempt, ...] = ()
    before: tuple[PositionPage, ...] = ()
    after: tuple[PositionPage, ...] = ()
    notes: tuple[str, ...] = ()
    cancels: tuple[CancelAttempt, ...] = ()
    orders_after: tuple[OrderPage, ...] = ()
    expected: tuple[str, ...] = ()

    @property
    def is_refused(self) -> bool:
        """Whether a guard stopped it before anything was sent: it says nothing about the account."""
        return self.closing is not None and self.closing.result is FlattenResult.REFUSED

    @property
    def has_looked(self) -> bool:
        """Whether it can say anything about the account: it read it or sent something, and was not a dry run."""
        if self.request.is_dry_run or self.is_refused:
            return False
        return self.closing is not None or bool(self.after or self.attempts or self.cancels or self.orders_after)

    @property
    def stands_at(self) -> datetime:
        """The moment up to which it speaks: its end; without one the last thing it is known to have done.

        One that was killed may have waited for another one's lock: it was opened before that one's end and looked after it.
        """
        if self.closed_at is not None and self.has_looked:
            return self.closed_at
        read_at = [page.finished_at for page in self.after] + [page.finished_at for page in self.orders_after]
        sent_at = [attempt.answered_at or attempt.intent_at for attempt in self.attempts]
        sent_at += [cancel.answered_at or cancel.intent_at for cancel in self.cancels]
        return max([self.opened_at, *(read_at + sent_at if self.has_looked else [])])


@dataclass(frozen=True)
class DueTick:
    """The tick of the schedule that a trading day has, and when a flatten for it has to have ended.

    Both are in UTC. `is_past` says whether that deadline had passed when the day was looked at.
    """

    scheduled_at: datetime
    deadline_at: datetime
    is_past: bool


@dataclass(frozen=True)
class AccountDay:
    """One account on one trading day.

    `instruments` are the configured ones, by the day's last flatten or else by the settings of now. `due` is None on a
    day without a tick. `flattens` are in the order in which they were opened, dry runs included; `evidence` is what the
    exchange was asked about the day, in the order in which it was recorded. `ends_at` is the end of the day's window;
    `altered` tells what in the account's entries of the day is not what was recorded, empty when nothing is.
    """

    trading_day: str
    account: str
    instruments: tuple[str, ...]
    ends_at: datetime
    flattens: tuple[DayFlatten, ...] = ()
    due: DueTick | None = None
    skipped_ticks: tuple[str, ...] = ()
    evidence: tuple[EvidenceRead, ...] = ()
    altered: str = ""

    @property
    def counting(self) -> tuple[DayFlatten, ...]:
        """The flattens that say something about the end of this day: what was opened after it speaks of the next one."""
        return tuple(flatten for flatten in self.flattens if flatten.opened_at < self.ends_at)

    @property
    def attempts(self) -> Iterator[CloseAttempt]:
        """All close attempts of the day."""
        return (attempt for flatten in self.flattens for attempt in flatten.attempts)
