"""Everything that happens, as facts: frozen, typed, each with its moment. What is known is a fold over them.

Moments that rules use are seconds on one axis, the boot clock of the process that opened the flatten; a fact of another
boot or host is placed on it before it is folded. Instants (UTC) are for people and tables. A fact has no opinion: what it
means is decided in `core`.

The ledger keeps each fact as JSON under its kind, `name/version`. A released kind never changes: a new field, or another
default, is a new version, and older versions are read for ever.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from deepcoin_ops.domain.checks import AccountCheck
from deepcoin_ops.domain.evidence import EvidenceRead
from deepcoin_ops.domain.limits import Limits
from deepcoin_ops.domain.model import (
    CloseError,
    FlattenClosing,
    FlattenRequest,
    Instrument,
    InstrumentType,
    InstrumentVerdict,
    Outcome,
    Position,
    Refusal,
    Venue,
)
from deepcoin_ops.domain.orders import CancelError, Order, OrderKind, OrderList


class Lane(StrEnum):
    """What is paced apart. A lane has at most one read in flight; the four that send are chosen for separately."""

    CLOSE = "CLOSE"
    CANCEL_RESTING = "CANCEL_RESTING"
    CANCEL_SINGLE = "CANCEL_SINGLE"
    POSITIONS = "POSITIONS"
    RESTING = "RESTING"
    TRIGGER = "TRIGGER"
    HISTORY = "HISTORY"
    ORDER_END = "ORDER_END"


class CallKind(StrEnum):
    """What a call does: close everything of an instrument, close named positions, or cancel orders."""

    BATCH_CLOSE = "BATCH_CLOSE"
    CLOSE_BY_IDS = "CLOSE_BY_IDS"
    CANCEL = "CANCEL"

    @property
    def is_close(self) -> bool:
        """Whether it closes positions."""
        return self is not CallKind.CANCEL


class OrderEnd(StrEnum):
    """How an order ended, by the exchange's own history."""

    CANCELLED = "CANCELLED"
    FILLED = "FILLED"


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request that may change something. `ids` are position ids of a close by ids, order ids of a cancel.

    `instrument_ids` names one instrument for a close, those whose orders it is about for a cancel. `rule` is the number of
    the rule of `core.choose` that chose it.
    """

    kind: CallKind
    lane: Lane
    instrument_ids: tuple[str, ...]
    ids: tuple[str, ...] = ()
    order_kind: OrderKind | None = None
    quantity_contracts: Decimal | None = None
    notional_usdt: Decimal | None = None
    rule: str = ""


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """One read that is worth a slot now. `about` is an instrument, an order or empty."""

    lane: Lane
    instrument_type: InstrumentType | None = None
    order_list: OrderList | None = None
    about: str = ""
    rule: str = ""


class Fact(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What all facts have.

    `flatten_id` is empty for a fact of no flatten. `at_s` is when it became known, in seconds of the boot `boot_id`; `at`
    is the same moment by the wall clock, which places it for another boot or host.
    """

    flatten_id: str
    at_s: float
    boot_id: str = ""
    at: datetime | None = None


class Answer(msgspec.Struct, frozen=True):
    """One answer of the exchange, whose bytes are kept beside the fact.

    `length` counts the bytes received, `kept` those that are kept; `is_truncated` says that more came. `query` is what was
    asked for, where a fact has several answers.
    """

    http_status: int | None
    length: int
    kept: int
    is_truncated: bool = False
    query: str = ""


class ReadNotes(msgspec.Struct, frozen=True, kw_only=True):
    """What people want to know about a read and no rule uses.

    `purpose` is `snapshot`, `round` or `verify`; `round_number` counts from 1, 0 before the first close. `notes` is what
    the parser noticed and did not need.
    """

    purpose: str
    round_number: int
    started_at: datetime
    finished_at: datetime
    notes: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()


class LedgerCreated(Fact, frozen=True, kw_only=True, tag="ledger_created/1"):
    """The first fact of a ledger: what tells it from any other, and the venue that it is of."""

    ledger_id: str
    venue: Venue


class TickSkipped(Fact, frozen=True, kw_only=True, tag="tick_skipped/1"):
    """A scheduled time launched nothing, and why."""

    scheduled_at: datetime
    reason: str


class CheckMade(Fact, frozen=True, kw_only=True, tag="check_made/1"):
    """An account was checked: whether closes may be sent, as far as this check looked."""

    check: AccountCheck


class HistoryCollected(Fact, frozen=True, kw_only=True, tag="history_collected/1"):
    """What the exchange's own history says of a trading day, or why it does not."""

    history: EvidenceRead
    answers: tuple[Answer, ...] = ()


class FlattenOpened(Fact, frozen=True, kw_only=True, tag="flatten_opened/1"):
    """A flatten begins. `may_send` is False for a plan, a dry run and a verification.

    `request` says who asked for it; `settings_json` are the settings in force, without secrets.
    """

    instruments: tuple[str, ...]
    configured: tuple[str, ...]
    limits: Limits
    may_send: bool = True
    request: FlattenRequest | None = None
    settings_json: str = ""
    tool_version: str = ""


class FlattenAdmitted(Fact, frozen=True, kw_only=True, tag="flatten_admitted/1"):
    """Every guard let it pass; it may send from now on."""


class FlattenDenied(Fact, frozen=True, kw_only=True, tag="flatten_denied/1"):
    """A guard denied it. `code` is data, `text` is for people."""

    code: str
    text: str


class InstrumentsRead(Fact, frozen=True, kw_only=True, tag="instruments_read/1"):
    """The exchange's list of instruments of one type."""

    instrument_type: InstrumentType
    instruments: tuple[Instrument, ...]


class PricesRead(Fact, frozen=True, kw_only=True, tag="prices_read/1"):
    """Last prices by instrument, in quote currency."""

    prices: dict[str, Decimal]


class UnreadableRow(msgspec.Struct, frozen=True):
    """A row whose instrument or size cannot be read. `text` is the row as it came, bounded."""

    text: str
    instrument_id: str = ""


class PositionsRead(Fact, frozen=True, kw_only=True, tag="positions_read/1"):
    """One positions read of one instrument type that was answered whole. `at_s` is its arrival.

    Readable rows may lead to a close whatever else is in the list; it proves absence only without unreadable rows.
    """

    instrument_type: InstrumentType
    started_s: float
    rows: tuple[Position, ...]
    unreadable: tuple[UnreadableRow, ...] = ()
    of_read: ReadNotes | None = None


class OrdersRead(Fact, frozen=True, kw_only=True, tag="orders_read/1"):
    """One order list that was answered whole, of all instruments (None) or of one. `at_s` is its arrival.

    `is_exhaustive` is False where the list may have been cut. `pages` counts answers: a list that shrinks between two of
    them may hide an order.
    """

    order_list: OrderList
    instrument_id: str | None
    started_s: float
    orders: tuple[Order, ...]
    is_exhaustive: bool = True
    pages: int = 1
    of_read: ReadNotes | None = None


class ClosedRow(msgspec.Struct, frozen=True):
    """One row of the exchange's history: contracts closed of a position, or base currency sold of a spot instrument.

    `merge_mode` is `split` or `merge`; the id of a merged position is reused, so that it is known by its side. `closed_s`
    is when it was closed, by the exchange's clock and the measured offset.
    """

    instrument_id: str
    position_id: str
    side: str
    merge_mode: str
    closed_contracts: Decimal
    closed_s: float


class HistoryRead(Fact, frozen=True, kw_only=True, tag="history_read/1"):
    """What the exchange's history shows closed since the first read that owes it something. `at_s` is its arrival."""

    instrument_type: InstrumentType
    started_s: float
    rows: tuple[ClosedRow, ...]


class EndedOrder(msgspec.Struct, frozen=True):
    """How one order ended. `filled_contracts` is what it opened or closed before it ended."""

    order_id: str
    end: OrderEnd
    filled_contracts: Decimal = Decimal(0)


class OrderEndsRead(Fact, frozen=True, kw_only=True, tag="order_ends_read/1"):
    """How the orders of one list and type ended, by the exchange's own history. What it does not name has not ended yet."""

    instrument_type: InstrumentType
    order_list: OrderList
    started_s: float
    ended: tuple[EndedOrder, ...]


class ReadFailed(Fact, frozen=True, kw_only=True, tag="read_failed/1"):
    """A read brought no answer that proves anything. `is_final` says that asking again is of no use."""

    read: Read
    started_s: float
    reason: str
    is_final: bool = False
    is_throttled: bool = False
    of_read: ReadNotes | None = None


class CallIntended(Fact, frozen=True, kw_only=True, tag="call_intended/1"):
    """A call is about to be sent. Its answer, or the lack of one, is a later fact with the same `call_id`.

    `send_number` counts the account's sends of the flatten from 1. `endpoint` and `request_body` are what leaves.
    """

    call_id: str
    call: Call
    round_number: int = 0
    send_number: int = 0
    endpoint: str = ""
    request_body: str = ""


class CallAnswered(Fact, frozen=True, kw_only=True, tag="call_answered/1"):
    """What became of a call. `at_s` is when the answer, the error or the timeout arrived.

    `code` is the exchange's code for the call, or of its first error item; `failed_ids` are the orders or positions that
    the answer says were left. `error_code` is the exchange's code for the call alone. `sent_at` is None when no byte left.
    """

    call_id: str
    outcome: Outcome
    reason: str
    refusal: Refusal | None = None
    code: str = ""
    failed_ids: tuple[str, ...] = ()
    retry_after_s: float | None = None
    is_throttled: bool = False
    error_code: str | None = None
    sent_at: datetime | None = None
    answered_at: datetime | None = None
    close_errors: tuple[CloseError, ...] = ()
    cancel_errors: tuple[CancelError, ...] = ()
    notes: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()


class StopAsked(Fact, frozen=True, kw_only=True, tag="stop_asked/1"):
    """A person or the orchestrator asked the flatten to end."""

    reason: str


class KillSwitchSeen(Fact, frozen=True, kw_only=True, tag="kill_switch_seen/1"):
    """The kill switch was on. Once seen, the flatten sends nothing more."""

    reason: str


class RecordLost(Fact, frozen=True, kw_only=True, tag="record_lost/1"):
    """The ledger could not record: nothing is sent without a record."""

    reason: str


class SchedulerGap(Fact, frozen=True, kw_only=True, tag="scheduler_gap/1"):
    """The process did not run for `gap_s` seconds: what was read before it is no reason to send."""

    gap_s: float


class SendingEnded(Fact, frozen=True, kw_only=True, tag="sending_ended/1"):
    """Nothing more is to be sent; only reads follow."""

    reason: str


class VerdictsReached(Fact, frozen=True, kw_only=True, tag="verdicts_reached/1"):
    """What was proven. What is proven flat owes the exchange's history nothing any more."""

    flat: tuple[str, ...]
    verdicts: tuple[InstrumentVerdict, ...] = ()


class FlattenEnded(Fact, frozen=True, kw_only=True, tag="flatten_ended/1"):
    """A flatten is over. It ends once."""

    closing: FlattenClosing


AnyFact = (
    LedgerCreated
    | TickSkipped
    | CheckMade
    | HistoryCollected
    | FlattenOpened
    | FlattenAdmitted
    | FlattenDenied
    | InstrumentsRead
    | PricesRead
    | PositionsRead
    | OrdersRead
    | HistoryRead
    | OrderEndsRead
    | ReadFailed
    | CallIntended
    | CallAnswered
    | StopAsked
    | KillSwitchSeen
    | RecordLost
    | SchedulerGap
    | SendingEnded
    | VerdictsReached
    | FlattenEnded
)
