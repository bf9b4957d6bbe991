"""Sixty nights of the paper exchange, by name: positions, orders, faults, other people, settings. No behaviour.

Each is quick, and ends the same way every time it is played; what may differ from one time to the next, such as the order
of two lanes, is not recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from flatten_lab import position, stubborn

from deepcoin_ops.domain.model import PositionSide
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.order_records import OrderKind, PaperOrder
from deepcoin_ops.paper.scenario import PaperBot, PaperPosition

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
BTC, ETH, SOL, USD, XRP, SPOT = (
    "BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP", "ETH-USD-SWAP", "XRP-USDT-SWAP", "SOL-USDT",
)  # fmt: skip
CLOSE, BY_IDS, POSITIONS, RESTING, TRIGGERS, BATCH_CANCEL = (
    "batch-close-position", "close-position-by-ids", "account/positions", "v2/orders-pending", "trigger-orders-pending",
    "batch-cancel-order",
)  # fmt: skip
THREE = (position(BTC, "1", "850"), position(ETH, "2", "140.5"), position(SOL, "3", "900", "short"))
_A = FaultAction


@dataclass(frozen=True)
class Night:
    """One script. `account` and `flatten` change fields of the account's settings and of the flatten's."""

    positions: Sequence[PaperPosition] = THREE
    faults: Sequence[Fault] = ()
    orders: Sequence[PaperOrder] = ()
    bots: Sequence[PaperBot] = ()
    account: Mapping[str, Any] = field(default_factory=dict)
    flatten: Mapping[str, Any] = field(default_factory=dict)
    scenario: Mapping[str, Any] = field(default_factory=dict)
    instruments: Sequence[str] = ()
    is_dry_run: bool = False


def _order(instrument: str, *, closing: bool = False, kind: OrderKind = OrderKind.RESTING, **more: Any) -> PaperOrder:
    quantity = Decimal(0) if kind in (OrderKind.PROTECTION, OrderKind.TRAILING) else Decimal(100)
    return PaperOrder(instrument, LONG, quantity, kind, is_closing=closing, price=Decimal(1), **more)


_OF_A_CLOSE = (
    _A.THROTTLE, _A.RESET, _A.DISCONNECT, _A.TRUNCATED_BODY, _A.CUT_STATUS_LINE, _A.SERVER_ERROR, _A.HTML, _A.NOT_AN_OBJECT,
    _A.ERROR_LIST_MISSING, _A.ERROR_LIST_NULL, _A.ERROR_LIST_NOT_A_LIST, _A.DATA_NULL, _A.DATA_NOT_A_LIST, _A.CODE_AS_INT,
    _A.UNKNOWN_FIELDS, _A.ERROR_ITEMS, _A.DUPLICATED_ITEMS, _A.TOO_MANY_REQUESTS, _A.UNAUTHORIZED_HTML, _A.REDIRECT,
    _A.HANG,
)  # fmt: skip
_OF_A_LOST_CLOSE = (_A.RESET, _A.SERVER_ERROR, _A.HTML, _A.ERROR_LIST_MISSING, _A.DATA_NULL, _A.HANG)
_OF_A_READ = (_A.DISCONNECT, _A.HTML, _A.SERVER_ERROR, _A.DATA_NULL, _A.NOT_AN_OBJECT, _A.THROTTLE, _A.STRANGE_ROW)

NIGHTS: dict[str, Night] = {
    "nothing is open": Night(positions=()),
    "three are open": Night(),
    "long and short": Night((position(BTC, "1", "850"), position(BTC, "2", "120", "short"))),
    "coin-margined": Night((position(USD, "1", "900"),)),
    "spot is sold": Night((position(SPOT, "1", "42.5"),)),
    "all six": Night((*THREE, position(USD, "4", "900"), position(XRP, "5", "700"), position(SPOT, "6", "42.5"))),
    "a stranger is left": Night((*THREE, position("DOGE-USDT-SWAP", "9", "240"))),
    "some instruments alone": Night(instruments=(BTC, ETH)),
    "a dry run": Night(is_dry_run=True),
    "answers are slow": Night(scenario={"latency_ms": (100.0, 200.0)}),
    "reads lag": Night(scenario={"read_lag_s": 0.1}),
    **{f"close: {each.value}": Night(faults=[Fault(each)]) for each in _OF_A_CLOSE},
    **{f"close: {each.value}, not executed": Night(faults=[Fault(each, is_executed=False)]) for each in _OF_A_LOST_CLOSE},
    "close: wrong signature": Night(faults=[Fault(_A.AUTH_ERROR, auth_code="50111")]),
    "close: timestamp once": Night(faults=[Fault(_A.AUTH_ERROR, auth_code="50102")]),
    "close: BTC never closes": Night(faults=stubborn(BTC)),
    "close: nothing ever closes": Night(faults=stubborn()),
    **{f"positions: {each.value}": Night(faults=[Fault(each, endpoint=POSITIONS, call=2)]) for each in _OF_A_READ},
    "positions: never readable": Night(
        faults=[Fault(_A.HTML, endpoint=POSITIONS, call=None)], flatten={"max_deadline_s": 1}
    ),
    "an order that opens": Night(orders=[_order(XRP)]),
    "an order that holds the size": Night(orders=[_order(BTC, closing=True)]),
    "orders stay by the settings": Night(orders=[_order(XRP)], account={"cancel_orders": "none"}),
    "a trigger order": Night(orders=[_order(XRP, kind=OrderKind.TRIGGER)]),
    "a protection": Night(orders=[_order(BTC, kind=OrderKind.PROTECTION)]),
    "a cancel is refused": Night(orders=[_order(XRP)], faults=[Fault(_A.ERROR_ITEMS, endpoint=BATCH_CANCEL)]),
    "a cancel is lost": Night(orders=[_order(XRP)], faults=[Fault(_A.DISCONNECT, endpoint=BATCH_CANCEL)]),
    "a position is opened again": Night(bots=[PaperBot(position(ETH, "8", "10"), follows_close_s=0.3)]),
    "what is opened again stays": Night(
        bots=[PaperBot(position(ETH, "8", "10"), follows_close_s=0.3)], account={"close_reopened": False}
    ),
    "copy trading is left": Night((*THREE, position(XRP, "7", "50", is_leading=True))),
}  # fmt: skip
