"""The records that the state of a flatten is made of: its instruments, their orders, and what is kept of reads."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.model import Instrument, InstrumentType, Outcome, Position, ProductGroup, Refusal
from deepcoin_ops.domain.orders import Order, OrderKind, OrderList

if TYPE_CHECKING:
    from deepcoin_ops.core.state import State

_MISSING = object()
_Find = TypeVar("_Find", bound=Callable[..., Any])
NEVER_S = -math.inf
NOTHING = Decimal(0)
# A call with one of these outcomes may have had an effect; the other two prove that nothing was done.
MAY_HAVE_ACTED = frozenset({Outcome.ACCEPTED, Outcome.PARTIAL, Outcome.UNKNOWN})
EXITS = frozenset({OrderKind.PROTECTION, OrderKind.TRAILING})
# Answers of the exchange that say of a spot rest that it is too small to be sold.
# Source: deepcoin clients that met them (194 below the least volume, 195 position below the least).
TOO_SMALL = frozenset({"194", "195"})
UNRANKED = 1_000_000
KEPT_LISTS = 4


class Owed(NamedTuple):
    """Contracts that were open in a read which began at a moment: since then the history has to show as many closed."""

    contracts: Decimal
    since_s: float


@dataclass(slots=True)
class OrderState:
    """One waiting order of an instrument, as the newest list that shows it has it.

    `seen_s` is the start of that list; `gone_s` that of the first list since then without it, infinity while it is shown.
    `first_seen_s` is the arrival of the first list that showed it. `base` is what was open of its instrument when the order
    was last seen to wait; None while no read says it.
    """

    order: Order
    first_seen_s: float
    seen_s: float
    base: Owed | None = None
    gone_s: float = math.inf
    attempts: int = 0
    in_flight: str | None = None
    settled_s: float = NEVER_S
    end: f.OrderEnd | None = None
    filled_contracts: Decimal = NOTHING

    @property
    def is_open_end(self) -> bool:
        """Whether it may have opened a position that nothing has shown closed yet."""
        return self.order.can_open and (self.end is None or self.filled_contracts > 0)


@dataclass(slots=True)
class InstrumentState:
    """One instrument that the flatten is about.

    Attributes:
        rows: Its open rows in the newest positions read of its type, dust left out.
        dust: Its open rows where they are dust.
        notional_usdt: What `rows` are worth; None where a price or a contract size is not known.
        rank: Its place among what is open, in the order in which that is closed; `UNRANKED` where it is not open.
        owed: By `row_key` what the exchange's history has to show closed before absence is believed.
        base: What was open in the newest read that shows what the last close did.
        first_ids: Its position ids before the first close.
        was_open: Some read showed it open.
        calls, attempts: Closes of any outcome, and those that may have had an effect.
        in_flight: The close that awaits its answer.
        settled_s: When the last close was answered or given up waiting for.
        evidence_from_s: A read that began earlier does not show what the last close did.
        names_rows: An answer named rows that were left, so that the next close names them too.
        may_name_ids: Closes by ids are not known to be of no use.
        rejected: Why the exchange calls a close of it wrong; empty while it does not.
        last_code, same_codes: The code of the newest answer, and how often in a row it came.
        orders: Its waiting orders by `order_key`.
        cancelled_s: When the last cancel of orders in a list was settled.
        memo: What the rules worked out of it; the fold empties it when something about the instrument changes.
    """

    instrument_id: str
    product_group: ProductGroup
    instrument_type: InstrumentType
    rows: tuple[Position, ...] = ()
    dust: tuple[Position, ...] = ()
    notional_usdt: Decimal | None = None
    rank: int = UNRANKED
    owed: dict[str, Owed] = field(default_factory=dict)
    base: Owed | None = None
    first_ids: frozenset[str] = frozenset()
    was_open: bool = False
    calls: int = 0
    attempts: int = 0
    in_flight: str | None = None
    settled_s: float = NEVER_S
    evidence_from_s: float = NEVER_S
    names_rows: bool = False
    may_name_ids: bool = True
    rejected: str = ""
    last_code: str = ""
    same_codes: int = 0
    orders: dict[str, OrderState] = field(default_factory=dict)
    cancelled_s: dict[OrderList, float] = field(default_factory=dict)
    memo: dict[object, object] = field(default_factory=dict, compare=False, repr=False)

    def show(self, rows: tuple[Position, ...], started_s: float) -> None:
        """Take in its rows of a positions read that began at a moment."""
        # What a read shows that began before the last close can be seen is no news of what is open.
        is_certain = self.in_flight is None and started_s >= self.evidence_from_s
        if bool(rows) is not bool(self.rows or self.dust):
            self.memo.clear()
        shown: dict[str, Decimal] = {}
        for row in rows:
            shown[row_key(row)] = shown.get(row_key(row), NOTHING) + row.quantity_contracts
        for key, contracts in shown.items():
            known = self.owed.get(key)
            if known is None or is_certain or contracts > known.contracts:
                since_s = started_s if known is None or is_certain else known.since_s
                self.owed[key] = Owed(contracts, since_s)
                self.memo.clear()
        if is_certain:
            self.base = Owed(sum(shown.values(), NOTHING), started_s)
            if self.orders:
                self.memo.clear()
                for order in self.orders.values():
                    self.note_base(order)
        self.rows, self.dust = rows, ()

    def note_base(self, order: OrderState) -> None:
        """Take in what was open while an order waited, by a read that began no later than the list that shows it."""
        if self.base is not None and order.gone_s == math.inf and self.base.since_s <= order.seen_s:
            order.base = self.base

    def base_of(self, order: OrderState) -> Owed:
        """What was open while an order waited; where no read says it, all that is owed, which may count a fill twice."""
        if order.base is not None:
            return order.base
        owed = self.owed.values()
        since_s = min((each.since_s for each in owed), default=order.seen_s)
        return Owed(sum((each.contracts for each in owed), NOTHING), min(since_s, order.seen_s))

    def settle_close(self, call: f.Call, fact: f.CallAnswered, settle_s: float) -> None:
        """Take in what became of a close of it."""
        self.memo.clear()
        self.in_flight, self.settled_s = None, fact.at_s
        if fact.outcome in MAY_HAVE_ACTED:
            self.attempts += 1
            self.evidence_from_s = fact.at_s + settle_s
        if fact.outcome is Outcome.NOT_SENT or fact.refusal is Refusal.THROTTLED:
            return  # it says nothing about the instrument
        self.same_codes = self.same_codes + 1 if fact.code and fact.code == self.last_code else int(bool(fact.code))
        self.last_code = fact.code
        if call.kind is f.CallKind.CLOSE_BY_IDS:
            # A batch close names less and may still be taken, so that nothing is given up for it.
            self.may_name_ids = fact.outcome in (Outcome.ACCEPTED, Outcome.UNKNOWN)
            self.names_rows = fact.outcome is Outcome.ACCEPTED
        else:
            self.may_name_ids = True
            self.names_rows = self.names_rows or fact.outcome is Outcome.PARTIAL
            self.rejected = (fact.reason or "REJECTED") if fact.refusal is Refusal.PARAMETER else ""


@dataclass(slots=True, frozen=True)
class SeenPositions:
    """What is kept of a positions read: when it began, what it showed open, and what it could not show.

    `contracts` are those of each instrument of the flatten that it shows.
    """

    started_s: float
    contracts: dict[str, Decimal]
    unreadable: tuple[f.UnreadableRow, ...]


@dataclass(slots=True, frozen=True)
class SeenList:
    """What is kept of an order list. `opening` are the instruments of which it shows an order that can open a position.

    `ids` are all orders of a list that came in several answers, others' instruments included.
    """

    started_s: float
    arrived_s: float
    opening: frozenset[str]
    is_exhaustive: bool
    ids: frozenset[str]


@dataclass(slots=True)
class Failing:
    """A read that failed since its last success."""

    count: int
    last_s: float
    reason: str
    is_final: bool


def find_notional(
    each: InstrumentState, rows: tuple[Position, ...], listed: Instrument | None, price: Decimal | None
) -> Decimal | None:
    """What rows are worth in USDT; None where the price or the contract size is not known."""
    if listed is None or listed.contract_size is None:
        return None
    quantity = sum((row.quantity_contracts for row in rows), NOTHING) * listed.contract_size
    if each.product_group is ProductGroup.SWAP:
        return quantity  # its contract size is in USD
    return None if price is None else quantity * price


def can_be_dust(each: InstrumentState, rows: tuple[Position, ...], listed: Instrument | None) -> bool:
    """Whether a spot rest has a price and cannot be sold."""
    if each.product_group is not ProductGroup.SPOT or each.notional_usdt is None:
        return False
    quantity = sum((row.quantity_contracts for row in rows), NOTHING)
    return each.last_code in TOO_SMALL or (listed is not None and quantity < listed.min_size)


def row_key(row: Position | f.ClosedRow) -> str:
    """What tells a position from the others of its instrument: its id, or its side where positions merge or have none."""
    is_split = row.merge_mode == "split" and bool(row.position_id)
    side = row.side if isinstance(row, f.ClosedRow) else row.position_side or ""
    return row.position_id if is_split else f"side {side}"


def order_key(order: Order) -> str:
    """What tells an order from the others: its id; for a trailing exit, which has none, where it is."""
    return order.order_id or f"{order.kind}/{order.instrument_id}/{order.position_side}"


def once(find: _Find) -> _Find:
    """Work out something of an instrument once, until a fact changes it. Only for what depends on no moment."""

    @functools.wraps(find)
    def of_instrument(state: State, each: InstrumentState) -> object:
        found = each.memo.get(find, _MISSING)
        if found is _MISSING:
            found = each.memo[find] = find(state, each)
        return found

    @functools.wraps(find)
    def of_list(state: State, order_list: OrderList, each: InstrumentState) -> object:
        key = (find, order_list)
        found = each.memo.get(key, _MISSING)
        if found is _MISSING:
            found = each.memo[key] = find(state, order_list, each)
        return found

    return cast(_Find, of_list if len(inspect.signature(find).parameters) > 2 else of_instrument)


def list_read(order_list: OrderList, each: InstrumentState | None) -> f.Read:
    """The read of a list: of resting orders for all instruments at once, of the others for one."""
    if order_list is OrderList.RESTING or each is None:
        return f.Read(lane=f.Lane.RESTING, order_list=OrderList.RESTING)
    return f.Read(lane=f.Lane.TRIGGER, order_list=order_list, about=each.instrument_id)
