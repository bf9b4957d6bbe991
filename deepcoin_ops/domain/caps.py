"""The caps on what one flatten may close, and what is found when more than that is open. Pure.

A cap is there for the day on which something is wrong: another account's key, a position a thousand times too large. It
must not fail in the wrong direction on the most volatile day, so a desk chooses what happens above it, and what cannot be
priced counts as above it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from deepcoin_ops.domain.checks import Finding, FindingKind
from deepcoin_ops.domain.model import ProductGroup
from deepcoin_ops.domain.planning import MarketData, PlanLine, describe_notional

# What `find_excess` finds.
EXCESS = frozenset({FindingKind.CAP_EXCEEDED, FindingKind.NOTIONAL_UNKNOWN})


class OnCap(StrEnum):
    """What a flatten does when more is open than a cap allows; either way somebody is alerted.

    REFUSE:          it sends nothing.
    CLOSE_AND_ALERT: it closes all the same.
    """

    REFUSE = "refuse"
    CLOSE_AND_ALERT = "close_and_alert"


@dataclass(frozen=True)
class Caps:
    """The most that one flatten may close: USDT in all, USDT in one instrument, and how many instruments. None: no cap."""

    notional_usdt: Decimal | None
    instrument_notional_usdt: Decimal | None
    open_instruments: int | None
    on_cap: OnCap

    @property
    def need_notionals(self) -> bool:
        """Whether what is open has to be priced before anything is sent."""
        return self.notional_usdt is not None or self.instrument_notional_usdt is not None


def find_excess(lines: Sequence[PlanLine], market: MarketData, caps: Caps) -> tuple[Finding, ...]:
    """What of the open instruments is more than the caps allow.

    Args:
        lines: What is open.
        market: Contract sizes, for instruments without a price.
        caps: The caps.
    """
    told = []
    if caps.open_instruments is not None and len(lines) > caps.open_instruments:
        text = f"{len(lines)} instruments are open, and a flatten may close {caps.open_instruments}"
        told.append((FindingKind.CAP_EXCEEDED, text))
    notionals = {line.instrument_id: _estimate(line, market) for line in lines}
    if caps.need_notionals:
        unknown = [instrument_id for instrument_id, notional in notionals.items() if notional is None]
        if unknown:
            text = f"a cap is set and the notional of {', '.join(unknown)} is not known, so it counts as above the cap"
            told.append((FindingKind.NOTIONAL_UNKNOWN, text))
    known = {instrument_id: notional for instrument_id, notional in notionals.items() if notional is not None}
    total = sum(known.values(), Decimal(0))
    if caps.notional_usdt is not None and total > caps.notional_usdt:
        text = f"{describe_notional(total)} are open, and a flatten may close {describe_notional(caps.notional_usdt)}"
        told.append((FindingKind.CAP_EXCEEDED, text))
    most = caps.instrument_notional_usdt
    larger = {name: notional for name, notional in known.items() if most is not None and notional > most}
    if larger and most is not None:
        listed = ", ".join(f"{name} {describe_notional(notional)}" for name, notional in larger.items())
        text = f"{listed}: more than the {describe_notional(most)} that a flatten may close in one instrument"
        told.append((FindingKind.CAP_EXCEEDED, text))
    is_blocking = caps.on_cap is OnCap.REFUSE
    ends = "on_cap is refuse." if is_blocking else "on_cap is close_and_alert, so it is closed all the same."
    return tuple(Finding(kind, is_blocking, f"{text}; {ends}") for kind, text in told)


def has_unknown_notional(lines: Iterable[PlanLine], market: MarketData) -> bool:
    """Whether the notional of a line is not known, by its opening prices neither."""
    return any(_estimate(line, market) is None for line in lines)


def _estimate(line: PlanLine, market: MarketData) -> Decimal | None:
    """The notional of a line; without a last price, by the prices at which its rows were opened."""
    if line.notional_usdt is not None:
        return line.notional_usdt
    instrument = market.instruments.get(line.instrument_id)
    if instrument is None or instrument.contract_size is None or line.product_group is ProductGroup.SWAP:
        return None
    # Not what it is worth now, but a cap is there to catch another order of magnitude.
    prices = [(row.quantity_contracts, row.average_price) for row in line.positions]
    values = [quantity * price * instrument.contract_size for quantity, price in prices if price]
    return sum(values, Decimal(0)) if len(values) == len(prices) else None
