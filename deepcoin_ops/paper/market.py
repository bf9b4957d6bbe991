"""The world of the paper exchange: who holds what, what was closed, and how the world looked a moment ago.

No HTTP and no JSON. Time comes from an injected clock; scheduled events happen when somebody next looks.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from deepcoin_ops.domain.model import InstrumentType, PositionSide, ProductGroup
from deepcoin_ops.paper.clock import PaperClock
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.listing import PaperInstrument
from deepcoin_ops.paper.scenario import NoPositionAnswer, PaperAccount, PaperPosition, Scenario

FIRST_POSITION_NUMBER = 100001
FIRST_CLOSE_NUMBER = 700001


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
    """An executed close as the account's history keeps it: the row it was taken from, its price and profit, its number."""

    close: ExecutedClose
    row: OpenRow
    price: Decimal
    profit: Decimal
    number: int


@dataclass(frozen=True)
class CloseFailure:
    """A row, or a position id, that a close request could not close."""

    instrument_id: str
    position_id: str
    position_side: PositionSide | None
    code: int
    message: str


class AccountBook:
    """One account's rows now and before, its balances and its executed closes."""

    def __init__(self, account: PaperAccount) -> None:
        self.account = account
        self.history: list[ClosedRow] = []
        self.spot_balances = dict(account.spot_balances)
        self.swap_balances = dict(account.swap_balances)
        self._changed_s: list[float] = [float("-inf")]
        self._worlds: list[tuple[OpenRow, ...]] = [()]

    @property
    def closes(self) -> list[ExecutedClose]:
        """What was really closed, in order."""
        return [closed.close for closed in self.history]

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


class Market:
    """Every account's book, and the only place where positions open and close."""

    def __init__(self, scenario: Scenario, clock: PaperClock) -> None:
        self.scenario = scenario
        self.clock = clock
        self.instruments = {instrument.instrument_id: instrument for instrument in scenario.instruments}
        self.books = {account.name: AccountBook(account) for account in scenario.accounts}
        self._position_number = FIRST_POSITION_NUMBER
        self._scheduled: list[tuple[float, str, PaperPosition]] = []
        for name, book in self.books.items():
            for position in book.account.positions:
                self.open_position(name, position)
            book.begin_with(book.rows)

    def open_position(self, account: str, position: PaperPosition) -> str:
        """Open a row, or add to the row of the same side and margin mode when both are merged.

        Returns:
            The row's position id.

        Raises:
            KeyError: No such account or instrument.
        """
        book, instrument, now = self.books[account], self.instruments[position.instrument_id], self.clock.now()
        merged = next((row for row in book.rows if _merges(row.position, position)), None)
        if merged is not None:
            grown = _add(merged.position, position)
            rows = [replace(row, position=grown, updated_at=now) if row is merged else row for row in book.rows]
            book.change(rows, self.clock.monotonic_s())
            return grown.position_id
        opened = replace(
            position,
            position_id=position.position_id or f"PAPER-{self._position_number}",
            average_price=position.average_price or instrument.last_price,
        )
        self._position_number += 1
        book.change([*book.rows, OpenRow(opened, instrument, now, now)], self.clock.monotonic_s())
        return opened.position_id

    def rows(self, account: str, instrument_type: InstrumentType, lag_s: float = 0.0) -> tuple[OpenRow, ...]:
        """The rows of one instrument type as they were `lag_s` ago."""
        self._let_time_pass()
        book = self.books[account]
        rows = book.rows_at(self.clock.monotonic_s() - lag_s) if lag_s else book.rows
        return tuple(row for row in rows if row.instrument.product_group.instrument_type is instrument_type)

    def batch_close(
        self, account: str, instrument: PaperInstrument, arrival: int, fault: Fault | None = None
    ) -> list[CloseFailure]:
        """Close every row of an instrument: both sides, both margin modes, each split position.

        Source: https://www.deepcoin.com/docs/DeepCoinTrade/batchClosePosition.
        """
        self._let_time_pass()
        rows = [row for row in self.books[account].rows if row.instrument is instrument]
        if not rows and self.scenario.no_position_answer is NoPositionAnswer.ERROR_ITEM:
            return [CloseFailure(instrument.instrument_id, "", None, 51020, "Insufficient position")]
        return self._close(account, rows, arrival, fault)

    def close_by_ids(
        self, account: str, instrument: PaperInstrument, ids: Sequence[str], arrival: int, fault: Fault | None = None
    ) -> list[CloseFailure]:
        """Close the named rows; an id that is not open is reported, the others are closed all the same.

        Source: https://www.deepcoin.com/docs/DeepCoinTrade/closePositionByIds.
        """
        self._let_time_pass()
        rows = {row.position.position_id: row for row in self.books[account].rows if row.instrument is instrument}
        gone = [
            CloseFailure(instrument.instrument_id, position_id, None, 51404, "Position does not exist")
            for position_id in ids
            if position_id not in rows
        ]
        return gone + self._close(account, [rows[name] for name in dict.fromkeys(ids) if name in rows], arrival, fault)

    def all_rows(self, account: str) -> tuple[OpenRow, ...]:
        """Everything the account holds now."""
        self._let_time_pass()
        return self.books[account].rows

    def _close(self, account: str, rows: Sequence[OpenRow], arrival: int, fault: Fault | None) -> list[CloseFailure]:
        failures = []
        for row in rows:
            failure = self._find_hindrance(row, fault)
            if failure is not None:
                failures.append(failure)
                continue
            self._execute(account, row, arrival)
            if fault is not None and fault.action is FaultAction.REOPEN:
                reopened = replace(row.position, position_id="")
                self._scheduled.append((self.clock.monotonic_s() + fault.delay_s, account, reopened))
        return failures

    def _find_hindrance(self, row: OpenRow, fault: Fault | None) -> CloseFailure | None:
        position, instrument = row.position, row.instrument

        def failure(code: int, message: str) -> CloseFailure:
            return CloseFailure(instrument.instrument_id, position.position_id, position.position_side, code, message)

        if fault is not None and fault.spares(position.position_side):
            return failure(fault.error_code, fault.error_message)
        if instrument.state != "live":
            return failure(self.scenario.untradable_code, f"Instrument is in state {instrument.state}")
        if position.quantity_contracts < instrument.min_size:
            return failure(195, "PositionLessThanMinVolume")
        return None

    def _execute(self, account: str, row: OpenRow, arrival: int) -> None:
        book, now_s, now = self.books[account], self.clock.monotonic_s(), self.clock.now()
        position, closed = row.position, self._closable(row)
        rest = position.quantity_contracts - closed
        if rest:
            left = replace(row, position=replace(position, quantity_contracts=rest), updated_at=now)
            book.change([left if other is row else other for other in book.rows], now_s)
        else:
            book.change([other for other in book.rows if other is not row], now_s)
        close = ExecutedClose(
            now_s, now, arrival, position.instrument_id, position.position_id, position.position_side, closed
        )
        profit = row.unrealized_profit * closed / position.quantity_contracts
        price = row.instrument.last_price
        book.history.append(ClosedRow(close, row, price, profit, FIRST_CLOSE_NUMBER + len(book.history)))
        _settle(book, row, closed, profit)

    def _closable(self, row: OpenRow) -> Decimal:
        """How much one close takes: whole lots of spot, at most one market order if the scenario says so."""
        quantity, instrument = row.position.quantity_contracts, row.instrument
        if instrument.product_group is ProductGroup.SPOT and instrument.lot_size:
            quantity -= quantity % instrument.lot_size
        return min(quantity, instrument.max_market_size) if self.scenario.is_clamped else quantity

    def _let_time_pass(self) -> None:
        due = [event for event in self._scheduled if event[0] <= self.clock.monotonic_s()]
        self._scheduled = [event for event in self._scheduled if event not in due]
        for _due_s, account, position in due:
            self.open_position(account, position)


def _merges(held: PaperPosition, added: PaperPosition) -> bool:
    same_row = (held.instrument_id, held.position_side, held.margin_mode) == (
        added.instrument_id,
        added.position_side,
        added.margin_mode,
    )
    return same_row and held.merge_mode == added.merge_mode == "merge"


def _add(held: PaperPosition, added: PaperPosition) -> PaperPosition:
    total = held.quantity_contracts + added.quantity_contracts
    price = added.average_price or held.average_price
    paid = held.quantity_contracts * held.average_price + added.quantity_contracts * price
    return replace(held, quantity_contracts=total, average_price=paid / total)


def _settle(book: AccountBook, row: OpenRow, closed: Decimal, profit: Decimal) -> None:
    """Book what a close brought in: the proceeds of a sale, or the profit of a contract. No fees."""
    base, quote = row.instrument.currencies
    if row.instrument.product_group is ProductGroup.SPOT:
        book.spot_balances[quote] = book.spot_balances.get(quote, Decimal(0)) + closed * row.instrument.last_price
        return
    currency = base if row.instrument.product_group is ProductGroup.SWAP else quote
    book.swap_balances[currency] = book.swap_balances.get(currency, Decimal(0)) + profit
