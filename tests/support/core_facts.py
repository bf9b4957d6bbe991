"""Builds facts of one flatten in a line each, for tests of the core."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from deepcoin_ops.core.state import State, fold
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.limits import Limits
from deepcoin_ops.domain.model import Instrument, InstrumentType, Outcome, Position, PositionSide, product_group_of
from deepcoin_ops.domain.orders import Order, OrderKind, OrderList

A, B, COIN, SPOT = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "BTC-USD-SWAP", "SOL-USDT"
OWN = {"flatten_id": "one"}
_TRIP_S = 0.1  # a read takes so long


def row_of(name: str, contracts: int = 5, position_id: str = "1", **more: Any) -> Position:
    """A long position; a spot holding has no id."""
    group = product_group_of(name)
    if name == SPOT:
        return Position(name, group, "", None, Decimal(contracts), "cash", "", None, "SOL", **more)
    return Position(name, group, position_id, PositionSide.LONG, Decimal(contracts), "cross", "split", None, "USDT", **more)


def order_of(name: str, order_id: str = "o", kind: OrderKind = OrderKind.RESTING, side: str = "buy") -> Order:
    """An order of a long position: a buy can open it."""
    return Order(kind, name, order_id, side, PositionSide.LONG, Decimal(1), Decimal(1))


def opened(*names: str, at_s: float = 0.0, flatten_id: str = "one", boot_id: str = "", **limits: Any) -> f.FlattenOpened:
    """A flatten of some instruments."""
    return f.FlattenOpened(
        flatten_id=flatten_id, at_s=at_s, boot_id=boot_id, instruments=names, configured=names, limits=Limits(**limits)
    )


def admitted(at_s: float = 1.2) -> f.FlattenAdmitted:
    """Every guard let it pass."""
    return f.FlattenAdmitted(**OWN, at_s=at_s)


def positions(
    started_s: float, *rows: Position, kind: InstrumentType = InstrumentType.SWAP, arrived_s: float | None = None
) -> f.PositionsRead:
    """A read that shows these rows."""
    at_s = started_s + _TRIP_S if arrived_s is None else arrived_s
    return f.PositionsRead(**OWN, at_s=at_s, started_s=started_s, instrument_type=kind, rows=rows)


def listing(
    started_s: float,
    *orders: Order,
    about: str | None = None,
    of: OrderList | None = None,
    arrived_s: float | None = None,
    **more: Any,
) -> f.OrdersRead:
    """A list of the resting orders of all instruments, or of the trigger orders of one."""
    kind = of or (OrderList.RESTING if about is None else OrderList.TRIGGER)
    at_s = started_s + _TRIP_S if arrived_s is None else arrived_s
    return f.OrdersRead(**OWN, at_s=at_s, started_s=started_s, order_list=kind, instrument_id=about, orders=orders, **more)


def listed(*names: str, contract_size: str = "1", min_size: str = "1") -> f.InstrumentsRead:
    """What the exchange lists of one type."""
    group = product_group_of(names[0])
    rows = tuple(
        Instrument(name, product_group_of(name), Decimal(contract_size), None, Decimal(min_size), None, "live")
        for name in names
    )
    return f.InstrumentsRead(**OWN, at_s=0.1, instrument_type=group.instrument_type, instruments=rows)


def priced(**prices: str) -> f.PricesRead:
    """Last prices; an instrument is named by its base currency."""
    names = {"btc": A, "eth": B, "sol": SPOT}
    return f.PricesRead(**OWN, at_s=0.1, prices={names[each]: Decimal(price) for each, price in prices.items()})


def close(at_s: float, call_id: str = "c", name: str = A, ids: tuple[str, ...] = ()) -> f.CallIntended:
    """A close is about to leave."""
    kind = f.CallKind.CLOSE_BY_IDS if ids else f.CallKind.BATCH_CLOSE
    call = f.Call(kind=kind, lane=f.Lane.CLOSE, instrument_ids=(name,), ids=ids)
    return f.CallIntended(**OWN, at_s=at_s, call_id=call_id, call=call)


def cancel(at_s: float, call_id: str = "k", name: str = A, ids: tuple[str, ...] = ("o",)) -> f.CallIntended:
    """A cancel of resting orders is about to leave."""
    call = f.Call(
        kind=f.CallKind.CANCEL,
        lane=f.Lane.CANCEL_RESTING,
        instrument_ids=(name,),
        ids=ids,
        order_kind=OrderKind.RESTING,
    )
    return f.CallIntended(**OWN, at_s=at_s, call_id=call_id, call=call)


def answered(at_s: float, outcome: Outcome = Outcome.ACCEPTED, call_id: str = "c", **more: Any) -> f.CallAnswered:
    """What became of a call."""
    return f.CallAnswered(**OWN, at_s=at_s, call_id=call_id, outcome=outcome, reason="", **more)


def sent(at_s: float, outcome: Outcome = Outcome.ACCEPTED, call_id: str = "c", name: str = A) -> list[f.AnyFact]:
    """A close and its answer, a tenth of a second later."""
    return [close(at_s, call_id, name), answered(at_s + _TRIP_S, outcome, call_id)]


def start(*rows: Position, **limits: Any) -> State:
    """A flatten of the instruments of these rows, which is admitted and saw them open at the first second."""
    names = tuple(dict.fromkeys(row.instrument_id for row in rows))
    kinds = dict.fromkeys(product_group_of(name).instrument_type for name in names)
    reads = [
        positions(1.0, *(row for row in rows if product_group_of(row.instrument_id).instrument_type is kind), kind=kind)
        for kind in kinds
    ]
    return fold([opened(*names, **limits), *reads, admitted()])


def after(state: State, *facts: f.AnyFact) -> State:
    """The same state with some facts more."""
    for fact in facts:
        state.apply(fact)
    return state
