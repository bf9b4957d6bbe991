"""An order that waits, as a scenario writes it down: what it is, what it would do, and when it fills. No behaviour."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from deepcoin_ops.domain.model import PositionSide
from deepcoin_ops.paper.listing import Amount


class OrderKind(StrEnum):
    """Which of the exchange's separate lists an order is in, and which endpoint cancels it.

    RESTING: a limit order; `orders-pending`, `cancel-order`, `batch-cancel-order`, `swap/cancel-all`.
    TRIGGER: waits for a price and may open; `trigger-orders-pending`, `cancel-trigger-order`, `swap/cancel-trigger-all`.
    PROTECTION: a position's take profit or stop loss; in the same list, but cancelled by `cancel-position-sltp`.
    TRAILING: a trailing exit, without an id; `trace-order-list`, cancelled by `trace-order` with the price 0.
    """

    RESTING = "resting"
    TRIGGER = "trigger"
    PROTECTION = "protection"
    TRAILING = "trailing"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class PaperOrder:
    """An order to place. It never fills unless one of the three times below says so; a cancelled one never does.

    Attributes:
        instrument_id: What it trades.
        position_side: The position that it opens, enlarges or closes.
        quantity_contracts: How much; 0 for a protection or trailing order stands for the whole position.
        kind: Which list it is in.
        is_closing: Whether it closes; a protection and a trailing order always do.
        price: Its limit; 0 for the last price.
        trigger_price: For everything but resting orders; 0 for the last price.
        trigger_type: `triggerOrderType` of a trigger order: Conditional, Serial, Indicator, Complex, Tracking or Line.
        order_type: `limit` or `post_only`, for resting orders.
        margin_mode: `cross` or `isolated`.
        merge_mode: `merge` or `split`.
        leverage: Of the position it opens.
        position_id: Of the split position it closes; "" for any row that fits.
        order_id: Given by the exchange when it is left empty.
        fills_after_s: Seconds after it was placed at which it fills.
        fills_after_close_s: Seconds after the first close in its instrument that happens while it waits.
        fills_before_cancel: It fills in the instant before a cancel reaches it, which then finds no such order.
        fill_contracts: How much those times fill; 0 for everything. Less leaves the order partially filled.
    """

    instrument_id: str
    position_side: PositionSide
    quantity_contracts: Amount = Decimal(0)
    kind: OrderKind = OrderKind.RESTING
    is_closing: bool = False
    price: Amount = Decimal(0)
    trigger_price: Amount = Decimal(0)
    trigger_type: str = "Conditional"
    order_type: str = "limit"
    margin_mode: str = "cross"
    merge_mode: str = "merge"
    leverage: int = 10
    position_id: str = ""
    order_id: str = ""
    fills_after_s: float | None = None
    fills_after_close_s: float | None = None
    fills_before_cancel: bool = False
    fill_contracts: Amount = Decimal(0)

    def __post_init__(self) -> None:
        if not self.quantity_contracts and self.kind in (OrderKind.RESTING, OrderKind.TRIGGER):
            raise ValueError("quantity_contracts: only a protection or trailing order is without a size")

    @property
    def closes(self) -> bool:
        """Whether a fill makes the position smaller."""
        return self.is_closing or self.kind in (OrderKind.PROTECTION, OrderKind.TRAILING)

    @property
    def side(self) -> str:
        """`buy` or `sell`."""
        return "buy" if (self.position_side is PositionSide.LONG) is not self.closes else "sell"
