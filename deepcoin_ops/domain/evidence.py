"""What the exchange itself tells of a day's closes, and whether that agrees with the ledger. Records and pure arithmetic.

Reading it from the exchange lives in `exchange.evidence`, keeping it in `ledger`. Nothing here decides what a desk does
about a disagreement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from deepcoin_ops.domain.model import InstrumentType, Position, PositionSide, ProductGroup, RawAnswer

# The exchange pads its times from whole seconds and its clock is not ours.
EVIDENCE_SLACK = timedelta(seconds=60)

SizeKey = tuple[str, PositionSide | None]
Sizes = Mapping[SizeKey, Decimal]


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


class EvidenceBreak(StrEnum):
    """How ledger and evidence can fail to agree on the size that was closed.

    EVIDENCE_MISMATCH:    the exchange shows another closed size than the ledger's reads before and after.
    EVIDENCE_UNAVAILABLE: there is no complete evidence of that time, so nothing can be compared.
    """

    EVIDENCE_MISMATCH = "EVIDENCE_MISMATCH"
    EVIDENCE_UNAVAILABLE = "EVIDENCE_UNAVAILABLE"


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


@dataclass(frozen=True)
class EvidenceFinding:
    """Ledger and evidence on one instrument and side. `break_type` None means that they agree to the last digit.

    Sizes are in contracts, or in base currency for spot; `closed_in_evidence` is None when there is no evidence.
    """

    instrument_id: str
    position_side: PositionSide | None
    closed_in_ledger: Decimal
    closed_in_evidence: Decimal | None
    break_type: EvidenceBreak | None
    reason: str


def choose_newest_complete(
    reads: Iterable[EvidenceRead],
) -> dict[tuple[EvidenceSource, InstrumentType], EvidenceRead]:
    """The last complete read of each list, of reads in the order in which they were recorded."""
    return {(read.source, read.instrument_type): read for read in reads if read.status is EvidenceStatus.COMPLETE}


def add_up_positions(positions: Iterable[Position]) -> dict[SizeKey, Decimal]:
    """Open sizes by instrument and side, split rows and margin modes added; zero rows are left out."""
    sizes: dict[SizeKey, Decimal] = {}
    for position in positions:
        if position.quantity_contracts:
            key = position.instrument_id, position.position_side
            sizes[key] = sizes.get(key, Decimal(0)) + position.quantity_contracts
    return sizes


def add_up_closed(read: EvidenceRead, since: datetime, until: datetime) -> dict[SizeKey, Decimal]:
    """Closed sizes by instrument and side that a read shows between two instants, 60 s on either side included.

    A sale of spot counts as closing a long position.
    """
    closed: list[tuple[SizeKey, Decimal, datetime]] = [
        ((row.instrument_id, row.position_side), row.closed_contracts, row.closed_at) for row in read.closed_positions
    ]
    is_spot = read.instrument_type is InstrumentType.SPOT
    sales = [fill for fill in read.fills if is_spot and fill.side == "sell"]
    closed += [((fill.instrument_id, PositionSide.LONG), fill.quantity_contracts, fill.filled_at) for fill in sales]
    sizes: dict[SizeKey, Decimal] = {}
    for key, size, at in closed:
        if since - EVIDENCE_SLACK <= at <= until + EVIDENCE_SLACK:
            sizes[key] = sizes.get(key, Decimal(0)) + size
    return sizes


def compare_with_evidence(
    instrument_type: InstrumentType,
    before: Sizes,
    after: Sizes,
    reads: Sequence[EvidenceRead],
    since: datetime,
    until: datetime,
) -> tuple[EvidenceFinding, ...]:
    """Whether the exchange shows as closed what the ledger's reads show as gone. The tolerance is zero.

    Args:
        instrument_type: What is compared: contracts with the positions history, spot with the fills.
        before: Open sizes of that type by instrument and side, from the read before the first send.
        after: The same from the last complete read.
        reads: The account's evidence reads of the day, in the order in which they were recorded.
        since: When the read before the first send was begun.
        until: When the last complete read was finished.

    Returns:
        One finding for each instrument and side that ledger or evidence knows, by instrument and side. A size that grew
        counts as nothing closed.
    """
    source = EvidenceSource.FILLS if instrument_type is InstrumentType.SPOT else EvidenceSource.POSITIONS_HISTORY
    asked = [read for read in reads if (read.source, read.instrument_type) == (source, instrument_type)]
    covering = [read for read in asked if read.covers(since, until)]
    closed = add_up_closed(covering[-1], since, until) if covering else None
    keys = sorted({*before, *after, *(closed or {})}, key=lambda key: (key[0], key[1] or ""))
    return tuple(_compare(key, before, after, closed, asked) for key in keys)


def _compare(
    key: SizeKey, before: Sizes, after: Sizes, closed: Sizes | None, asked: Sequence[EvidenceRead]
) -> EvidenceFinding:
    in_ledger = max(before.get(key, Decimal(0)) - after.get(key, Decimal(0)), Decimal(0))
    if closed is None:
        reason = _describe_missing(asked)
        return EvidenceFinding(*key, in_ledger, None, EvidenceBreak.EVIDENCE_UNAVAILABLE, reason)
    in_evidence = closed.get(key, Decimal(0))
    if in_evidence == in_ledger:
        return EvidenceFinding(*key, in_ledger, in_evidence, None, f"both say {in_ledger.normalize():f}")
    reason = f"the ledger's reads say {in_ledger.normalize():f} closed, the exchange {in_evidence.normalize():f}"
    return EvidenceFinding(*key, in_ledger, in_evidence, EvidenceBreak.EVIDENCE_MISMATCH, reason)


def _describe_missing(asked: Sequence[EvidenceRead]) -> str:
    if not asked:
        return "no evidence was collected; run collect_evidence"
    if asked[-1].status is EvidenceStatus.COMPLETE:
        return "the evidence was collected before the flatten ended; run collect_evidence again"
    return asked[-1].reason
