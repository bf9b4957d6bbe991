"""The world of the paper exchange: positions that open and close, by request, by an order's fill or by a bot.

No HTTP and no JSON. Time comes from an injected clock; scheduled events happen when somebody next looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from deepcoin_ops.domain.model import InstrumentType, ProductGroup
from deepcoin_ops.paper.book import NO_ARRIVAL, AccountBook, ClosedRow, CloseFailure, ExecutedClose, OpenRow
from deepcoin_ops.paper.bots import Bot
from deepcoin_ops.paper.clock import PaperClock
from deepcoin_ops.paper.close_rules import decide
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.listing import PaperInstrument
from deepcoin_ops.paper.open_questions import NoPositionAnswer
from deepcoin_ops.paper.order_desk import FIRST_ORDER_NUMBER, OrderDesk
from deepcoin_ops.paper.scenario import PaperPosition, Scenario
from deepcoin_ops.paper.timetable import Timetable

FIRST_POSITION_NUMBER = 100001
FIRST_CLOSE_NUMBER = 700001


class Market:
    """Every account's book, and the only place where positions open and close.

    Args:
        scenario: What it starts from.
        clock: Its clocks.
        before: The market that this one follows after a reset: its history stays, and no id is given twice.
    """

    def __init__(self, scenario: Scenario, clock: PaperClock, before: Market | None = None) -> None:
        self.scenario = scenario
        self.clock = clock
        self.instruments = {instrument.instrument_id: instrument for instrument in scenario.instruments}
        earlier = {name: book.shown_history for name, book in before.books.items()} if before else {}
        self.books: dict[str, AccountBook] = {
            account.name: AccountBook(account, earlier.get(account.name, ())) for account in scenario.accounts
        }
        self.timetable = Timetable()
        self._position_number: int = before._position_number if before else FIRST_POSITION_NUMBER
        for name, book in self.books.items():
            for position in book.account.positions:
                self.open_position(name, position)
            book.begin_with(book.rows)
        first_order_number: int = before.orders.next_number if before else FIRST_ORDER_NUMBER
        self.orders: OrderDesk = OrderDesk(
            self, {account.name: account.orders for account in scenario.accounts}, first_order_number
        )
        self._bots = [Bot(self, account.name, bot) for account in scenario.accounts for bot in account.bots]

    def open_position(self, account: str, position: PaperPosition, at_s: float | None = None) -> str:
        """Open a row, or add to the row of the same side and margin mode when both are merged.

        Args:
            account: Whose.
            position: What to open.
            at_s: The monotonic instant at which it happened; None for now.

        Returns:
            The row's position id.

        Raises:
            KeyError: No such account or instrument.
        """
        book, instrument, now = self.books[account], self.instruments[position.instrument_id], self._wall(at_s)
        now_s = self._now_s(at_s)
        merged = next((row for row in book.rows if _merges(row.position, position)), None)
        if merged is not None:
            grown = _add(merged.position, position)
            rows = [replace(row, position=grown, updated_at=now) if row is merged else row for row in book.rows]
            book.change(rows, now_s)
            return grown.position_id
        opened = replace(
            position,
            position_id=position.position_id or f"PAPER-{self._position_number}",
            average_price=position.average_price or instrument.last_price,
        )
        self._position_number += 1
        book.change([*book.rows, OpenRow(opened, instrument, now, now)], now_s)
        return opened.position_id

    def rows(self, account: str, instrument_type: InstrumentType, lag_s: float = 0.0) -> tuple[OpenRow, ...]:
        """The rows of one instrument type as they were `lag_s` ago."""
        self.let_time_pass()
        book = self.books[account]
        rows = book.rows_at(self.clock.monotonic_s() - lag_s) if lag_s else book.rows
        return tuple(row for row in rows if row.instrument.product_group.instrument_type is instrument_type)

    def batch_close(
        self, account: str, instrument: PaperInstrument, arrival: int, fault: Fault | None = None
    ) -> list[CloseFailure]:
        """Close every row of an instrument: both sides, both margin modes, each split position.

        Source: https://www.deepcoin.com/docs/DeepCoinTrade/batchClosePosition.
        """
        self.let_time_pass()
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
        self.let_time_pass()
        rows = {row.position.position_id: row for row in self.books[account].rows if row.instrument is instrument}
        gone = [
            CloseFailure(instrument.instrument_id, position_id, None, 51404, "Position does not exist")
            for position_id in ids
            if position_id not in rows
        ]
        return gone + self._close(account, [rows[name] for name in dict.fromkeys(ids) if name in rows], arrival, fault)

    def all_rows(self, account: str) -> tuple[OpenRow, ...]:
        """Everything the account holds now."""
        self.let_time_pass()
        return self.books[account].rows

    def open_rows(self, account: str) -> tuple[OpenRow, ...]:
        """What the account holds, without letting time pass: for whoever acts while it does."""
        return self.books[account].rows

    def take(self, account: str, row: OpenRow, quantity: Decimal, order_id: str, at_s: float) -> None:
        """Close a part of a row because an order filled."""
        self._execute(account, row, quantity, NO_ARRIVAL, at_s, order_id)

    def note_opening(self, account: str, fill: ExecutedClose, price: Decimal, order_id: str) -> None:
        """Enter the fill of an order that opened into the history of fills."""
        book = self.books[account]
        row = next(held for held in book.rows if held.position.position_id == fill.position_id)
        number = FIRST_CLOSE_NUMBER + len(book.shown_history)
        book.history.append(ClosedRow(fill, row, price, Decimal(0), number, order_id, is_opening=True))

    def let_time_pass(self) -> None:
        """Let everything happen that was due by now."""
        self.timetable.run(self.clock.monotonic_s())

    def _close(self, account: str, rows: Sequence[OpenRow], arrival: int, fault: Fault | None) -> list[CloseFailure]:
        failures, now_s = [], self.clock.monotonic_s()
        # What is frozen is decided for all rows before the first of them is closed.
        decisions = [(row, decide(row, self.orders.frozen(account, row), self.scenario, fault)) for row in rows]
        for row, decision in decisions:
            if decision.failure is not None:
                failures.append(decision.failure)
            if decision.quantity_contracts <= 0:
                continue
            self._execute(account, row, decision.quantity_contracts, arrival, now_s)
            if fault is not None and fault.action is FaultAction.REOPEN:
                reopened = replace(row.position, position_id="")
                self.timetable.enter(now_s + fault.delay_s, partial(self._reopen, account, reopened))
        return failures

    def _reopen(self, account: str, position: PaperPosition, at_s: float) -> None:
        self.open_position(account, position, at_s)

    def _execute(self, account: str, row: OpenRow, closed: Decimal, arrival: int, at_s: float, order_id: str = "") -> None:
        book, now, position = self.books[account], self._wall(at_s), row.position
        rest = position.quantity_contracts - closed
        if rest:
            left = replace(row, position=replace(position, quantity_contracts=rest), updated_at=now)
            book.change([left if other is row else other for other in book.rows], at_s)
        else:
            book.change([other for other in book.rows if other is not row], at_s)
        close = ExecutedClose(
            at_s, now, arrival, position.instrument_id, position.position_id, position.position_side, closed
        )
        profit = row.unrealized_profit * closed / position.quantity_contracts
        price = row.instrument.last_price
        book.history.append(ClosedRow(close, row, price, profit, FIRST_CLOSE_NUMBER + len(book.shown_history), order_id))
        _settle(book, row, closed, profit)
        self.orders.note_close(account, row, at_s)
        for bot in self._bots:
            bot.note_close(account, row, at_s)

    def _now_s(self, at_s: float | None) -> float:
        return self.clock.monotonic_s() if at_s is None else at_s

    def _wall(self, at_s: float | None) -> datetime:
        """The wall clock's reading at a monotonic instant that has passed; None for now."""
        passed_s = 0.0 if at_s is None else self.clock.monotonic_s() - at_s
        return self.clock.now() - timedelta(seconds=passed_s)


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
