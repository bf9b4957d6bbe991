"""One account's orders, waiting and ended, and their fills. It remembers; `order_desk` decides what happens to them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from deepcoin_ops.paper.listing import PaperInstrument
from deepcoin_ops.paper.order_records import OrderKind, PaperOrder


class OrderState(StrEnum):
    """Where an order stands, in the exchange's words."""

    LIVE = "live"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"


@dataclass
class WorkingOrder:
    """An order the exchange knows. `ended_s` stays None while it waits; `arrival` is the request that cancelled it."""

    order: PaperOrder
    instrument: PaperInstrument
    placed_s: float
    placed_at: datetime
    updated_at: datetime
    state: OrderState = OrderState.LIVE
    filled_contracts: Decimal = Decimal(0)
    ended_s: float | None = None
    arrival: int | None = None
    is_awaiting_close: bool = False

    @property
    def is_working(self) -> bool:
        """Whether it still waits."""
        return self.ended_s is None

    @property
    def rest_contracts(self) -> Decimal:
        """What has not filled."""
        return self.order.quantity_contracts - self.filled_contracts

    def is_shown(self, instant_s: float) -> bool:
        """Whether a list made at this monotonic instant has it."""
        return self.placed_s <= instant_s and (self.ended_s is None or instant_s < self.ended_s)


@dataclass(frozen=True)
class OrderFill:
    """A fill that really happened: what it did to which position."""

    filled_s: float
    filled_at: datetime
    order_id: str
    instrument_id: str
    position_id: str
    is_closing: bool
    quantity_contracts: Decimal


@dataclass
class OrderBook:
    """Every order of one account, by id, in the order of placing."""

    orders: dict[str, WorkingOrder] = field(default_factory=dict)
    fills: list[OrderFill] = field(default_factory=list)

    def working(self, *kinds: OrderKind) -> list[WorkingOrder]:
        """Those of some kinds that still wait, oldest first."""
        return [held for held in self.orders.values() if held.is_working and held.order.kind in kinds]

    def shown(self, kinds: Collection[OrderKind], instant_s: float) -> list[WorkingOrder]:
        """Those of some kinds that a list made at an instant shows, newest first."""
        return [held for held in reversed(self.orders.values()) if held.order.kind in kinds and held.is_shown(instant_s)]
