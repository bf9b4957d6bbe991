"""What the paper exchange keeps for each account: rows now and before, executed closes, balances. No rules, no JSON."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from deepcoin_ops.domain.model import PositionSide, ProductGroup
from deepcoin_ops.paper.listing import PaperInstrument
from deepcoin_ops.paper.scenario import PaperAccount, PaperPosition

NO_ARRIVAL = 0
"""Stands for the arrival of a trade that no request did."""


@dataclass(frozen=True)
class OpenRow:
    """One row of the position list, with the instrument it is in."""

    position: PaperPosition
    instrument: PaperInstrument
    created_at: datetime
    updated_at: datetime

    @property
    def unrealized_profit(self) -> Decimal:
        """Profit at the last price: in quote currency, in base currency for inverse contracts."""
        held, instrument = self.position, self.instrument
        sign = 1 if held.position_side is PositionSide.LONG else -1
        size = held.quantity_contracts * instrument.contract_size * sign
        if not held.average_price:
            return Decimal(0)
        if instrument.product_group is ProductGroup.SWAP:
            return size * (1 / held.average_price - 1 / instrument.last_price)
        return size * (instrument.last_price - held.average_price)


@dataclass(frozen=True)
class ExecutedClose:
    """A close that really happened, and the number of the arrival that did it."""

    executed_s: float
    executed_at: datetime
    arrival: int
    instrument_id: str
    position_id: str
    position_side: PositionSide
    quantity_contracts: Decimal


@dataclass(frozen=True)
class ClosedRow:
    """An executed close as the account's history keeps it: the row it was taken from, its price and profit, its number.

    `order_id` is "" for a close by request, whose order nothing names. With `is_opening` it is no close but the fill of an
    order that opened: a fill like any other, and none of the closes.
    """

    close: ExecutedClose
    row: OpenRow
    price: Decimal
    profit: Decimal
    number: int
    order_id: str = ""
    is_opening: bool = False


@dataclass(frozen=True)
class CloseFailure:
    """A row, or a position id, that a close request could not close."""

    instrument_id: str
    position_id: str
    position_side: PositionSide | None
    code: int
    message: str


class AccountBook:
    """One account's rows now and before, its balances and its executed closes.

    `earlier` is its history from before the last reset, which the exchange goes on to show; `history` has what came since.
    """

    def __init__(self, account: PaperAccount, earlier: tuple[ClosedRow, ...] = ()) -> None:
        self.account = account
        self.earlier = earlier
        self.history: list[ClosedRow] = []
        self.spot_balances = dict(account.spot_balances)
        self.swap_balances = dict(account.swap_balances)
        self._changed_s: list[float] = [float("-inf")]
        self._worlds: list[tuple[OpenRow, ...]] = [()]

    @property
    def closes(self) -> list[ExecutedClose]:
        """What was really closed since the last reset, in order."""
        return [closed.close for closed in self.history if not closed.is_opening]

    @property
    def shown_history(self) -> tuple[ClosedRow, ...]:
        """Everything that a read of the history may show, oldest first."""
        return (*self.earlier, *self.history)

    @property
    def rows(self) -> tuple[OpenRow, ...]:
        """What is open now."""
        return self._worlds[-1]

    def rows_at(self, instant_s: float) -> tuple[OpenRow, ...]:
        """What was open at a monotonic instant; before the start, what the scenario starts with."""
        return self._worlds[max(0, bisect_right(self._changed_s, instant_s) - 1)]

    def begin_with(self, rows: tuple[OpenRow, ...]) -> None:
        """Make the world that a lagging read sees when it looks past the start."""
        self._worlds, self._changed_s = [rows], [float("-inf")]

    def change(self, rows: Iterable[OpenRow], now_s: float) -> None:
        """Replace what is open, remembering what was."""
        self._worlds.append(tuple(rows))
        self._changed_s.append(now_s)
