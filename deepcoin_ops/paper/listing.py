"""What the paper exchange lists: the instrument record, and a catalogue like the real exchange's, with sizes like its own.

The coin-margined contracts are the five that were seen listed on 2026-09-22; BTC-USD-SWAP is none of them. Prices are made
up and stand still.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from deepcoin_ops.domain.model import ProductGroup, product_group_of

Amount = Annotated[Decimal, Field(ge=0)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class PaperInstrument:
    """One instrument. `contract_size` is in base currency, in USD for inverse contracts, 1 for spot.

    With `is_listed` False the list of instruments does not name it, while it can be held and closed and has a price.
    """

    instrument_id: str
    last_price: Annotated[Decimal, Field(gt=0)]
    contract_size: Amount = Decimal(1)
    lot_size: Amount = Decimal(1)
    min_size: Amount = Decimal(1)
    max_market_size: Amount = Decimal(200000)
    tick_size: Amount = Decimal("0.1")
    leverage: int = 50
    state: str = "live"
    is_listed: bool = True

    @property
    def product_group(self) -> ProductGroup:
        """The product group the instrument trades in."""
        return product_group_of(self.instrument_id)

    @property
    def currencies(self) -> tuple[str, str]:
        """Base and quote."""
        base, quote = self.instrument_id.split("-")[:2]
        return base, quote


def _listed(
    instrument_id: str, price: str, contract: str, lot: str, smallest: str, largest: str, tick: str, leverage: int
) -> PaperInstrument:
    """One line of the catalogue, in the order of its columns."""
    sizes = (Decimal(contract), Decimal(lot), Decimal(smallest), Decimal(largest))
    return PaperInstrument(instrument_id, Decimal(price), *sizes, tick_size=Decimal(tick), leverage=leverage)


LISTED = (
    _listed("BTC-USDT", "97250.5", "1", "0.00001", "0.0001", "20", "0.1", 1),
    _listed("ETH-USDT", "3310.42", "1", "0.0001", "0.001", "500", "0.01", 1),
    _listed("SOL-USDT", "184.36", "1", "0.001", "0.01", "8000", "0.01", 1),
    _listed("ETH-USD-SWAP", "3309.8", "10", "1", "1", "100000", "0.05", 100),
    _listed("XRP-USD-SWAP", "2.2698", "10", "1", "1", "100000", "0.0001", 75),
    _listed("LTC-USD-SWAP", "103.15", "10", "1", "1", "100000", "0.01", 75),
    _listed("BCH-USD-SWAP", "512.4", "10", "1", "1", "100000", "0.05", 75),
    _listed("LINK-USD-SWAP", "22.48", "10", "1", "1", "100000", "0.001", 75),
    _listed("BTC-USDT-SWAP", "97250.5", "0.001", "1", "1", "200000", "0.1", 125),
    _listed("ETH-USDT-SWAP", "3310.42", "0.1", "0.1", "0.1", "50000", "0.01", 125),
    _listed("SOL-USDT-SWAP", "184.36", "1", "1", "1", "60000", "0.01", 100),
    _listed("XRP-USDT-SWAP", "2.2704", "10", "1", "1", "400000", "0.0001", 75),
    _listed("DOGE-USDT-SWAP", "0.33415", "100", "1", "1", "500000", "0.00001", 75),
    _listed("LTC-USDT-SWAP", "103.18", "1", "1", "1", "40000", "0.01", 75),
    _listed("ADA-USDT-SWAP", "0.9231", "10", "1", "1", "500000", "0.0001", 75),
    _listed("LINK-USDT-SWAP", "22.487", "1", "1", "1", "90000", "0.001", 75),
    _listed("AVAX-USDT-SWAP", "37.92", "1", "1", "1", "60000", "0.01", 75),
    _listed("DOT-USDT-SWAP", "7.114", "1", "1", "1", "200000", "0.001", 75),
)
"""Spot, coin-margined and USDT-margined: id, price, contract size, lot, smallest, largest market order, tick, leverage."""
