"""What should be closed, in what order, and what is left. Pure: positions, instruments and prices in, a plan out.

The order is largest notional first: with equal time per close it takes the most exposure off the desk soonest. An
instrument whose notional is unknown goes first, because it may be the largest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal, localcontext

from deepcoin_ops.domain.model import (
    Instrument,
    InstrumentType,
    Position,
    ProductGroup,
    ResidualCause,
    product_group_of,
)
from deepcoin_ops.domain.showing import show_figure, show_usdt

# `live` is documented; a client library maps the number as well. An unlisted state is told apart from both by being empty.
# Digits enough for the remainder of any two sizes that are traded; what needs more has none.
_WIDE = Context(prec=100, traps=[])
_TRADING_STATES = frozenset({"live", "2", ""})


@dataclass(frozen=True)
class MarketData:
    """What the exchange says about its instruments: the list and the last prices, either possibly incomplete.

    `listed_types` are the instrument types whose list was read; only there does a missing instrument mean anything.
    """

    instruments: Mapping[str, Instrument]
    prices: Mapping[str, Decimal]
    listed_types: frozenset[InstrumentType] = frozenset()


@dataclass(frozen=True)
class PlanLine:
    """One instrument with an open position, as one batch close would close it.

    `quantity_contracts` adds up the sizes of all rows, long and short alike; `notional_usdt` is in quote currency (USD
    counts as USDT) and None when a price or a contract size is missing. `concerns` says in words what may keep a close from
    closing it whole.
    """

    instrument_id: str
    product_group: ProductGroup
    quantity_contracts: Decimal
    notional_usdt: Decimal | None
    positions: tuple[Position, ...]
    state: str
    concerns: Mapping[ResidualCause, str] = field(default_factory=dict)

    @property
    def position_ids(self) -> frozenset[str]:
        """The ids of the open rows."""
        return frozenset(position.position_id for position in self.positions)

    @property
    def sides(self) -> str:
        """The open sides in words: `long`, `short` or `long+short`."""
        return "+".join(sorted({position.position_side or "side unknown" for position in self.positions}))


@dataclass(frozen=True)
class ClosePlan:
    """What is open of the instruments asked for, largest notional first, and what is open elsewhere.

    `expected` are the rows in instruments whose positions the settings expect to stay; `unconfigured` are those in the
    instruments that they do not name at all. Neither is ever closed.
    """

    lines: tuple[PlanLine, ...]
    unconfigured: tuple[Position, ...]
    expected: tuple[Position, ...] = ()

    @property
    def notional_usdt(self) -> Decimal:
        """The known notional of all lines together."""
        return total_notional(self.lines)


def plan_closes(
    instrument_ids: Iterable[str],
    positions: Sequence[Position],
    market: MarketData,
    configured: Iterable[str] | None = None,
    expected: Collection[str] = (),
) -> ClosePlan:
    """Plan the closes of a set of instruments from one complete positions read.

    Args:
        instrument_ids: What may be closed. Positions in anything else are never closed.
        positions: All rows of the read.
        market: Contract sizes and prices; gaps only change the order.
        configured: What the account's settings name; a position in anything else is named as unconfigured. Left out: the
            instruments themselves.
        expected: Instruments whose positions the settings expect to stay open.
    """
    wanted = set(instrument_ids)
    named = wanted | set(configured or ())
    open_rows: dict[str, list[Position]] = {}
    unconfigured: list[Position] = []
    kept: list[Position] = []
    for position in positions:
        if position.instrument_id in wanted:
            open_rows.setdefault(position.instrument_id, []).append(position)
        elif position.quantity_contracts != 0 and position.instrument_id not in named:
            (kept if position.instrument_id in expected else unconfigured).append(position)
    lines = [_plan_line(instrument_id, rows, market) for instrument_id, rows in open_rows.items()]
    still_open = [line for line in lines if is_open(line, market)]
    return ClosePlan(tuple(sorted(still_open, key=_urgency)), tuple(unconfigured), tuple(kept))


def price_lines(lines: Iterable[PlanLine], market: MarketData) -> list[PlanLine]:
    """The same lines, largest first, with what is known by now of their instruments and prices."""
    priced = (_plan_line(line.instrument_id, line.positions, market) for line in lines)
    return sorted(priced, key=_urgency)


def is_open(line: PlanLine, market: MarketData) -> bool:
    """Whether a line is more than flat: any contract; for spot, more than the instrument's minimum size.

    What is no more than a spot instrument's minimum cannot be sold, so it counts as flat.
    """
    if line.product_group is not ProductGroup.SPOT:
        return line.quantity_contracts != 0
    instrument = market.instruments.get(line.instrument_id)
    return line.quantity_contracts > (instrument.min_size if instrument else Decimal(0))


def notional_of(position: Position, market: MarketData) -> Decimal | None:
    """Size times contract size times price, in quote currency; for inverse contracts the contract size is USD already."""
    instrument = market.instruments.get(position.instrument_id)
    if instrument is None or instrument.contract_size is None:
        return None
    if instrument.product_group is ProductGroup.SWAP:
        return position.quantity_contracts * instrument.contract_size
    price = market.prices.get(position.instrument_id)
    return None if price is None else position.quantity_contracts * instrument.contract_size * price


def total_notional(lines: Iterable[PlanLine]) -> Decimal:
    """The known notional of some lines together, in USDT."""
    return sum((line.notional_usdt for line in lines if line.notional_usdt is not None), Decimal(0))


def describe_lines(lines: Sequence[PlanLine]) -> str:
    """What is open, in words for a person: size, side and notional of each instrument."""
    if not lines:
        return "nothing"
    return "; ".join(
        f"{line.instrument_id} {line.sides} {show_figure(line.quantity_contracts)} "
        f"({describe_notional(line.notional_usdt)}{''.join(f', {words}' for words in line.concerns.values())})"
        for line in lines
    )


def describe_notional(notional_usdt: Decimal | None) -> str:
    """A notional for a person, rounded to whole USDT; an unknown one says so."""
    return "notional unknown" if notional_usdt is None else f"{show_usdt(notional_usdt)} USDT"


def find_held_back(instrument_ids: Iterable[str], seen_open: Collection[str], market: MarketData) -> dict[str, str]:
    """The instruments that no close may be sent for and that are not called flat, each with its reason.

    A misspelt instrument has no position either, and a close for it could be answered with an empty errorList. So an
    instrument has to be known to the exchange: by its list, or by an open position that a read has shown.

    Args:
        instrument_ids: What was asked for.
        seen_open: Instruments that any read of this flatten has shown open.
        market: The lists that could be read.
    """
    held_back = {}
    for instrument_id in instrument_ids:
        if instrument_id in seen_open or instrument_id in market.instruments:
            continue
        if product_group_of(instrument_id).instrument_type in market.listed_types:
            reason = (
                f"the exchange's instrument list has no {instrument_id}; a misspelt one would look flat. Mend the settings"
            )
        else:
            reason = (
                "the exchange's instrument list could not be read, and no read showed it open: whether the exchange knows "
                "it is not proven. Flatten again"
            )
        held_back[instrument_id] = reason
    return held_back


def instrument_types_of(instrument_ids: tuple[str, ...]) -> tuple[InstrumentType, ...]:
    """The positions pages that cover a set of instruments: contracts always, spot only where spot is asked for."""
    kinds = {product_group_of(instrument_id).instrument_type for instrument_id in instrument_ids}
    return tuple(kind for kind in (InstrumentType.SWAP, InstrumentType.SPOT) if kind in kinds | {InstrumentType.SWAP})


def _plan_line(instrument_id: str, rows: Sequence[Position], market: MarketData) -> PlanLine:
    open_rows = tuple(row for row in rows if row.quantity_contracts != 0)
    notionals = [notional_of(row, market) for row in open_rows]
    known = [notional for notional in notionals if notional is not None]
    instrument = market.instruments.get(instrument_id)
    return PlanLine(
        instrument_id=instrument_id,
        product_group=product_group_of(instrument_id),
        quantity_contracts=sum((row.quantity_contracts for row in open_rows), Decimal(0)),
        notional_usdt=sum(known, Decimal(0)) if len(known) == len(notionals) else None,
        positions=open_rows,
        state=instrument.state if instrument else "",
        concerns=_find_concerns(open_rows, instrument),
    )


def _find_concerns(rows: Sequence[Position], instrument: Instrument | None) -> dict[ResidualCause, str]:
    """What may keep a batch close from closing these rows whole; what the exchange does with each is not documented."""
    concerns = {}
    if instrument is not None:
        if instrument.state.lower() not in _TRADING_STATES:
            concerns[ResidualCause.NOT_TRADING] = f"not trading: state {instrument.state}"
        largest = instrument.max_market_size
        if largest and any(row.quantity_contracts > largest for row in rows):
            concerns[ResidualCause.OVERSIZED] = f"larger than one market order of {show_figure(largest)}"
        lot = instrument.lot_size
        # What is left of a spot holding below its minimum counts as flat.
        left = instrument.min_size if instrument.product_group is ProductGroup.SPOT else 0
        if lot and any(_has_odd_part(row.quantity_contracts, lot, left) for row in rows):
            concerns[ResidualCause.ODD_LOT] = f"not a multiple of the lot {show_figure(lot)}"
    copied = [row.position_id or "without an id" for row in rows if row.is_of_copy_trading]
    if copied:
        concerns[ResidualCause.COPY_TRADING] = f"copy-trading position(s) {', '.join(copied)}"
    return concerns


def _has_odd_part(quantity: Decimal, lot: Decimal, left: Decimal | int) -> bool:
    """Whether more than `left` of a size is no whole lot; a size of which that cannot be told counts as odd."""
    with localcontext(_WIDE):
        rest = quantity % lot
        return rest.is_nan() or rest > left


def _urgency(line: PlanLine) -> tuple[bool, Decimal, str]:
    # False sorts first: an unknown notional goes before every known one. The id makes equal notionals reproducible.
    return (line.notional_usdt is not None, -(line.notional_usdt or Decimal(0)), line.instrument_id)
