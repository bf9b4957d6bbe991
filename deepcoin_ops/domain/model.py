"""The frozen records that every room speaks in.

Amounts are `Decimal`, instants are UTC-aware `datetime`, ids and codes are text. Wire names stop in `exchange/wire.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum


class Venue(StrEnum):
    """Which exchange a process talks to. Ledger, tables and locks of the two never mix."""

    PAPER = "paper"
    LIVE = "live"


class ProductGroup(StrEnum):
    """The exchange's routing key of a close; the value is its wire spelling.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/batchClosePosition.
    """

    SPOT = "Spot"
    SWAP = "Swap"
    SWAP_U = "SwapU"

    @property
    def instrument_type(self) -> InstrumentType:
        """The instrument type under which the exchange's reads list this product group."""
        return InstrumentType.SPOT if self is ProductGroup.SPOT else InstrumentType.SWAP


class InstrumentType(StrEnum):
    """The exchange's key of its read endpoints; `SWAP` covers coin- and USDT-margined contracts together."""

    SPOT = "SPOT"
    SWAP = "SWAP"


class PositionSide(StrEnum):
    """The side of a position. A spot holding counts as long."""

    LONG = "long"
    SHORT = "short"


class Outcome(StrEnum):
    """What one close attempt is known to have done.

    ACCEPTED: HTTP 200, code 0, an empty errorList. Accepted, not flat: only positions reads say flat.
    PARTIAL:  HTTP 200, code 0, an errorList with items.
    REFUSED:  the exchange proved that it did nothing (an allowlist of answers).
    NOT_SENT: proved that no byte left.
    UNKNOWN:  everything else. It may have happened; the next positions read decides.
    """

    ACCEPTED = "ACCEPTED"
    PARTIAL = "PARTIAL"
    REFUSED = "REFUSED"
    NOT_SENT = "NOT_SENT"
    UNKNOWN = "UNKNOWN"


class Refusal(StrEnum):
    """Why the exchange refused, which decides what happens next.

    THROTTLED: push the pace; the next round sends again.
    TIMESTAMP: correct the clock offset once; a second one is fatal.
    PARAMETER: this request is wrong; the other instruments go on.
    FATAL:     key, signature, address or permission; the whole flatten stops.
    """

    THROTTLED = "THROTTLED"
    TIMESTAMP = "TIMESTAMP"
    PARAMETER = "PARAMETER"
    FATAL = "FATAL"


class Verdict(StrEnum):
    """What was proven about one configured instrument at the end of a flatten. Only the first two are success.

    RESTING_ORDER_LEFT: no position is open, and an order waits that can open one.
    UNVERIFIED:         nothing shows it open, and a read that would prove it flat is missing.
    """

    ALREADY_FLAT = "ALREADY_FLAT"
    FLAT = "FLAT"
    RESIDUAL = "RESIDUAL"
    RESTING_ORDER_LEFT = "RESTING_ORDER_LEFT"
    UNVERIFIED = "UNVERIFIED"

    @property
    def is_flat(self) -> bool:
        """Whether the instrument was proven flat, with no order left that can open a position."""
        return self in (Verdict.ALREADY_FLAT, Verdict.FLAT)

    @property
    def is_closed(self) -> bool:
        """Whether two complete reads proved that no position is open, whatever waits."""
        return self.is_flat or self is Verdict.RESTING_ORDER_LEFT


class ResidualCause(StrEnum):
    """Why something is still open after a flatten, as far as its reads and answers tell.

    NOT_TRADING:  the exchange's list says that the instrument is not live.
    COPY_TRADING: rows of copy trading, which the settings leave alone.
    FROZEN:       a waiting order holds the size.
    REOPENED:     positions that were not there before the first send.
    OVERSIZED:    a row larger than the instrument's largest market order.
    ODD_LOT:      a part of a row that is no whole lot.
    OTHER:        none of these; the answers of the closes say more.
    """

    NOT_TRADING = "NOT_TRADING"
    COPY_TRADING = "COPY_TRADING"
    FROZEN = "FROZEN"
    REOPENED = "REOPENED"
    OVERSIZED = "OVERSIZED"
    ODD_LOT = "ODD_LOT"
    OTHER = "OTHER"


class FlattenResult(StrEnum):
    """How a flatten ended, as its closing row in the ledger says.

    FLAT:         every instrument asked for was proven flat.
    NOT_FLAT:     something is left open, or an order that can open something.
    UNVERIFIED:   nothing is known to be open, and not everything was proven flat.
    REFUSED:      a guard stopped it before anything was sent.
    DRY_RUN:      it showed its plan and sent nothing.
    """

    FLAT = "FLAT"
    NOT_FLAT = "NOT_FLAT"
    UNVERIFIED = "UNVERIFIED"
    REFUSED = "REFUSED"
    DRY_RUN = "DRY_RUN"


@functools.cache
def product_group_of(instrument_id: str) -> ProductGroup:
    """The product group an instrument id belongs to, by its spelling.

    Raises:
        ValueError: The id is not upper-case `BASE-QUOTE` or `BASE-QUOTE-SWAP`.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/batchClosePosition (its samples).
    """
    parts = instrument_id.split("-")
    spelled_well = all(part.isascii() and part.isalnum() and part == part.upper() for part in parts)
    if not spelled_well or len(parts) not in (2, 3) or (len(parts) == 3 and parts[2] != "SWAP"):
        raise ValueError(f"{instrument_id!r} is not an instrument id such as BTC-USDT, ETH-USD-SWAP or BTC-USDT-SWAP")
    if len(parts) == 2:
        return ProductGroup.SPOT
    return ProductGroup.SWAP if parts[1] == "USD" else ProductGroup.SWAP_U


@dataclass(frozen=True)
class Instrument:
    """What is traded, as the exchange's instrument list describes it.

    `contract_size` is in base currency for linear contracts, in USD for inverse ones, and 1 for spot; None where the
    list does not say. Sizes are in contracts, or in base currency for spot.
    """

    instrument_id: str
    product_group: ProductGroup
    contract_size: Decimal | None
    lot_size: Decimal | None
    min_size: Decimal
    max_market_size: Decimal | None
    state: str


@dataclass(frozen=True)
class Position:
    """One row of a positions read. Several rows may share an instrument: sides, margin modes, split positions.

    `product_group` is None for an id whose spelling belongs to none; such a row is reported and never closed.
    `position_side` is None for a side of another spelling; a batch close takes every side, so it decides nothing.
    """

    instrument_id: str
    product_group: ProductGroup | None
    position_id: str
    position_side: PositionSide | None
    quantity_contracts: Decimal
    margin_mode: str
    merge_mode: str
    average_price: Decimal | None
    margin_currency: str
    is_leading: bool | None = None
    is_following: bool | None = None

    @property
    def is_of_copy_trading(self) -> bool:
        """Whether the row says that it leads or follows in copy trading; a row that says nothing is an ordinary one.

        Source: seen on the live service (`isLeading`, `isFollow`); the page of the positions does not list them.
        """
        return bool(self.is_leading or self.is_following)


@dataclass(frozen=True)
class RawAnswer:
    """The bytes an exchange answer consisted of, kept whole as long as they fit.

    `body` may be the beginning only: `is_truncated` says so, and `length` then counts what was received.
    """

    http_status: int | None
    body: bytes
    length: int
    is_truncated: bool = False


@dataclass(frozen=True)
class ClockReading:
    """How far the exchange's clock is ahead of this machine's, and by how many seconds either way that may be wrong."""

    offset: timedelta
    error_s: float


@dataclass(frozen=True)
class PositionsRead:
    """One complete positions read of one instrument type.

    `started_monotonic_s` orders reads and sends inside one process; `started_at` is for people.
    `notes` holds what the parser noticed and did not need, such as unknown fields.
    """

    instrument_type: InstrumentType
    positions: tuple[Position, ...]
    started_at: datetime
    finished_at: datetime
    started_monotonic_s: float
    raw: RawAnswer
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CloseError:
    """One errorList item of a batch close answer. A timeout is not one.

    `position_side` is None where the item names none that is known; `raw_json` is the item as received.
    """

    item_index: int
    instrument_id: str
    position_side: PositionSide | None
    error_code: str
    error_message: str
    member_id: str
    exchange_account_id: str
    trade_unit_id: str
    raw_json: str


@dataclass(frozen=True)
class CloseAnswer:
    """What became of one close request: the outcome, its reason in words, and the evidence.

    `sent_at` is None when nothing left. `answered_at` is when the answer, the error or the timeout arrived.
    """

    outcome: Outcome
    reason: str
    sent_at: datetime | None
    answered_at: datetime
    refusal: Refusal | None = None
    error_code: str | None = None
    retry_after_s: float | None = None
    close_errors: tuple[CloseError, ...] = ()
    raw: RawAnswer | None = None
    is_throttled: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CloseIntent:
    """A close that is about to be sent, written to the ledger before its first byte leaves."""

    attempt_id: str
    instrument_id: str
    product_group: ProductGroup
    round_number: int
    send_number: int
    endpoint: str
    request_body: str
    quantity_contracts: Decimal
    notional_usdt: Decimal | None


@dataclass(frozen=True)
class CloseAttempt:
    """One send as the ledger tells it: the intent and what became of it. No outcome on record reads as UNKNOWN."""

    account: str
    flatten_id: str
    intent: CloseIntent
    intent_at: datetime
    outcome: Outcome
    reason: str
    sent_at: datetime | None
    answered_at: datetime | None
    error_code: str | None
    http_status: int | None
    close_errors: tuple[CloseError, ...] = ()
    is_throttled: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FlattenRequest:
    """Who asked for which flatten. `scheduled_at` is set for a tick of the schedule and bounds its lateness."""

    flatten_id: str
    account: str
    trading_day: str
    launched_by: str
    instruments: tuple[str, ...]
    is_dry_run: bool
    scheduled_at: datetime | None = None
    run_id: str | None = None
    parent_flatten_id: str | None = None


@dataclass(frozen=True)
class InstrumentVerdict:
    """The verdict on one configured instrument: sizes and notional before the first send and after the last read.

    `quantity_after_contracts` is None when no complete read followed the last send. `cause` says why something is still
    open, for a RESIDUAL.
    """

    instrument_id: str
    verdict: Verdict
    quantity_before_contracts: Decimal | None
    notional_before_usdt: Decimal | None
    quantity_after_contracts: Decimal | None
    notional_after_usdt: Decimal | None
    attempts: int
    reason: str
    reopened_position_ids: tuple[str, ...] = ()
    cause: ResidualCause | None = None


@dataclass(frozen=True)
class FlattenClosing:
    """The closing row of a flatten. Durations are seconds since the first send slot was asked for."""

    flatten_id: str
    result: FlattenResult
    reason: str
    rounds: int
    sends: int
    refused_sends: int
    residual_notional_usdt: Decimal | None
    time_to_last_close_s: float | None
    time_to_proven_flat_s: float | None
    exposure_usdt_s: Decimal | None
    unconfigured: Mapping[str, str] = field(default_factory=dict)
