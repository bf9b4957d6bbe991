"""What the exchange itself tells of a day's closes: records only.

Reading it from the exchange lives in `exchange.evidence`, keeping it in `ledger`, comparing it with the ledger in
`evidence_match`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from deepcoin_ops.domain.model import InstrumentType, PositionSide, ProductGroup, RawAnswer

# The exchange pads its times from whole seconds and its clock is not ours.
EVIDENCE_SLACK = timedelta(seconds=60)


class EvidenceSource(StrEnum):
    """Which of the exchange's lists was asked. Positions tell of contracts; spot sales are only among the fills."""

    POSITIONS_HISTORY = "POSITIONS_HISTORY"
    FILLS = "FILLS"


class EvidenceStatus(StrEnum):
    """What came of asking.

    COMPLETE:    every page of the window was read; zero rows mean that the exchange shows nothing.
    FAILED:      something is missing or unreadable; it proves nothing.
    UNAVAILABLE: the window is older than what the exchange keeps, so it was not asked: its empty answer would look like
                 a day without closes.
    """

    COMPLETE = "COMPLETE"
    FAILED = "FAILED"
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True)
class ClosedPosition:
    """One row of the positions history. Sizes are in contracts, money is in `currency`.

    The pages label the two times of a row contradictorily; a position is closed after it is opened, so the later one is
    `closed_at`. Whether a row is one close or the sum over a position's life is not documented.
    """

    instrument_id: str
    product_group: ProductGroup | None
    position_id: str
    position_side: PositionSide | None
    quantity_contracts: Decimal | None
    closed_contracts: Decimal
    average_open_price: Decimal | None
    average_close_price: Decimal | None
    pnl: Decimal | None
    fee: Decimal | None
    funding_fee: Decimal | None
    currency: str
    margin_mode: str
    merge_mode: str
    opened_at: datetime
    closed_at: datetime

    @property
    def instants(self) -> tuple[datetime, datetime]:
        """The times of which at least one lies in the window that was asked for."""
        return self.opened_at, self.closed_at


@dataclass(frozen=True)
class Fill:
    """One execution of an order. Sizes are in contracts, or in base currency for spot; the fee is in `fee_currency`."""

    instrument_id: str
    product_group: ProductGroup | None
    trade_id: str
    order_id: str
    bill_id: str
    side: str
    position_side: PositionSide | None
    price: Decimal
    quantity_contracts: Decimal
    execution_type: str
    fee: Decimal | None
    fee_currency: str
    filled_at: datetime

    @property
    def instants(self) -> tuple[datetime, ...]:
        """The time that lies in the window that was asked for."""
        return (self.filled_at,)


@dataclass(frozen=True)
class EvidenceQuestion:
    """What is asked for: one list, one instrument type, one window."""

    source: EvidenceSource
    instrument_type: InstrumentType
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class EvidenceRead:
    """What was asked and what came of it. `closed_positions` and `fills` are filled by a complete read only."""

    source: EvidenceSource
    instrument_type: InstrumentType
    starts_at: datetime
    ends_at: datetime
    status: EvidenceStatus
    reason: str
    started_at: datetime
    finished_at: datetime
    closed_positions: tuple[ClosedPosition, ...] = ()
    fills: tuple[Fill, ...] = ()
    notes: tuple[str, ...] = ()

    def covers(self, since: datetime, until: datetime) -> bool:
        """Whether it is complete, asked about all of that time, and was begun after it."""
        is_in_window = self.starts_at <= since and until <= self.ends_at
        return self.status is EvidenceStatus.COMPLETE and is_in_window and self.started_at >= until


@dataclass(frozen=True)
class EvidencePage:
    """One request of an evidence read and the bytes that came back, unreadable ones too."""

    query: str
    raw: RawAnswer
