"""Orders that wait at the exchange, and what is done about them: the records that every room speaks in. No wire names.

An order matters to a flatten in two ways: it can open a position again, or it holds the size that a close would take.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from deepcoin_ops.domain.model import Outcome, PositionSide, ProductGroup, RawAnswer, Refusal, product_group_of
from deepcoin_ops.domain.showing import show_figure


class OrderKind(StrEnum):
    """What kind of order it is, which decides how it is cancelled.

    RESTING:    a limit order in the book.
    TRIGGER:    waits for a price, then places an order of its own.
    PROTECTION: a position's take profit or stop loss; it can only close.
    TRAILING:   a trailing exit of a position; it can only close, and has no id.
    """

    RESTING = "RESTING"
    TRIGGER = "TRIGGER"
    PROTECTION = "PROTECTION"
    TRAILING = "TRAILING"

    @property
    def order_list(self) -> OrderList:
        """The list that shows such orders."""
        return _LIST_OF[self]


class OrderList(StrEnum):
    """The exchange's three lists of waiting orders; none of them shows what is in another one.

    RESTING:  the limit orders of all instruments, in pages.
    TRIGGER:  the trigger and protection orders of one instrument, a hundred at most.
    TRAILING: the trailing exits of one instrument.
    """

    RESTING = "RESTING"
    TRIGGER = "TRIGGER"
    TRAILING = "TRAILING"


_LIST_OF = {
    OrderKind.RESTING: OrderList.RESTING,
    OrderKind.TRIGGER: OrderList.TRIGGER,
    OrderKind.PROTECTION: OrderList.TRIGGER,
    OrderKind.TRAILING: OrderList.TRAILING,
}


class CancelOrders(StrEnum):
    """Which waiting orders of the instruments asked for a flatten cancels; the value is the settings' spelling.

    ALL:     every one of them.
    OPENING: those that can open a position; what can only close stays, and may hold the size that a close would take.
    NONE:    none. What is left still decides the verdict.
    """

    ALL = "all"
    OPENING = "opening"
    NONE = "none"

    def takes(self, order: Order) -> bool:
        """Whether such an order is cancelled, once its time has come."""
        return self is CancelOrders.ALL or (self is CancelOrders.OPENING and order.can_open)


class CancelTriggers(StrEnum):
    """How trigger orders are cancelled; the value is the settings' spelling.

    BY_ID:            each by its id, after its instrument's list was read.
    BY_PRODUCT_GROUP: all of a product group in one call, those of instruments that are not configured too.
    """

    BY_ID = "by_id"
    BY_PRODUCT_GROUP = "by_product_group"


@dataclass(frozen=True)
class Order:
    """One waiting order.

    `order_id` is empty for trailing exits. `side` is `buy` or `sell`, as far as it is told. `quantity_contracts` is what
    has not filled yet; 0 for a protection of a whole position, None where the list has no readable size. `retrace_point`
    is the distance of a trailing exit, which its cancel has to repeat.
    """

    kind: OrderKind
    instrument_id: str
    order_id: str
    side: str
    position_side: PositionSide | None
    quantity_contracts: Decimal | None
    price: Decimal | None
    trigger_price: Decimal | None = None
    trigger_type: str = ""
    margin_mode: str = ""
    state: str = ""
    retrace_point: str = ""

    @functools.cached_property
    def can_open(self) -> bool:
        """Whether it may open or enlarge a position. What is not plainly a closing order may.

        Source: https://www.deepcoin.com/docs/DeepCoinTrade/ordersPendingV2 (side and position side; a row does not say
        whether it may only reduce).
        """
        if self.kind in (OrderKind.PROTECTION, OrderKind.TRAILING):
            return False
        try:
            is_spot = product_group_of(self.instrument_id) is ProductGroup.SPOT
        except ValueError:
            return True
        if is_spot:
            return self.side != "sell"
        return (self.position_side, self.side) not in ((PositionSide.LONG, "sell"), (PositionSide.SHORT, "buy"))

    def describe(self) -> str:
        """What it is, in words for a person."""
        size = "" if not self.quantity_contracts else f" {show_figure(self.quantity_contracts)}"
        price = "" if not (self.price or self.trigger_price) else f" at {show_figure(self.price or self.trigger_price)}"
        side = f" {self.side}" if self.side else ""
        position_side = f" {self.position_side}" if self.position_side else ""
        name = f" {self.order_id}" if self.order_id else ""
        return f"{self.kind.lower()} order{name}:{side}{position_side}{size}{price}"


@dataclass(frozen=True)
class OrdersRead:
    """One read of one order list that was answered whole.

    `instrument_id` is None for the list of all instruments. `is_exhaustive` is False when the list may have been cut, so
    that what it does not show proves nothing. `pages` are the answers as they came. `started_monotonic_s` orders reads and
    sends inside one process.
    """

    order_list: OrderList
    instrument_id: str | None
    orders: tuple[Order, ...]
    started_at: datetime
    finished_at: datetime
    started_monotonic_s: float
    pages: tuple[RawAnswer, ...]
    is_exhaustive: bool = True
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CancelError:
    """One order that a cancel's answer says was not cancelled. `raw_json` is the item as received."""

    item_index: int
    order_id: str
    error_code: str
    error_message: str
    member_id: str
    exchange_account_id: str
    raw_json: str


@dataclass(frozen=True)
class CancelIntent:
    """A cancel that is about to be sent, written to the ledger before its first byte leaves.

    `order_ids` is empty where the request names none: a trailing exit, or all trigger orders of a product group.
    `instrument_ids` are those whose orders it is about; empty for a whole product group.
    """

    cancel_id: str
    kind: OrderKind
    instrument_ids: tuple[str, ...]
    order_ids: tuple[str, ...]
    send_number: int
    endpoint: str
    request_body: str


@dataclass(frozen=True)
class CancelAnswer:
    """What became of one cancel request: the outcome, its reason in words, and the evidence.

    The outcome means what it means for a close: ACCEPTED is accepted, not gone; only a later order list says that.
    `sent_at` is None when nothing left. `answered_at` is when the answer, the error or the timeout arrived.
    """

    outcome: Outcome
    reason: str
    sent_at: datetime | None
    answered_at: datetime
    refusal: Refusal | None = None
    error_code: str | None = None
    retry_after_s: float | None = None
    cancel_errors: tuple[CancelError, ...] = ()
    raw: RawAnswer | None = None
    is_throttled: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CancelAttempt:
    """One cancel as the ledger tells it: the intent and what became of it. No outcome on record reads as UNKNOWN."""

    account: str
    flatten_id: str
    intent: CancelIntent
    intent_at: datetime
    outcome: Outcome
    reason: str
    sent_at: datetime | None
    answered_at: datetime | None
    error_code: str | None
    http_status: int | None
    cancel_errors: tuple[CancelError, ...] = ()
    is_throttled: bool = False
    notes: tuple[str, ...] = ()
