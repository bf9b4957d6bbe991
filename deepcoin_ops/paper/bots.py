"""Somebody who trades beside the client and was not told to stop. It opens positions at the times a scenario gives it."""

from __future__ import annotations

from typing import Protocol

from deepcoin_ops.paper.book import OpenRow
from deepcoin_ops.paper.clock import PaperClock
from deepcoin_ops.paper.scenario import PaperBot, PaperPosition
from deepcoin_ops.paper.timetable import Timetable


class Positions(Protocol):
    """What a bot needs of the market."""

    clock: PaperClock
    timetable: Timetable

    def open_position(self, account: str, position: PaperPosition, at_s: float | None = None) -> str:
        """Open or enlarge a row; its position id."""
        ...

    def open_rows(self, account: str) -> tuple[OpenRow, ...]:
        """What is open, without letting time pass."""
        ...


class Bot:
    """One bot of one account."""

    def __init__(self, market: Positions, account: str, bot: PaperBot) -> None:
        self._market = market
        self._account = account
        self._bot = bot
        self._follows_left = bot.follows
        start_s = market.clock.monotonic_s()
        for after_s in bot.opens_after_s:
            market.timetable.enter(start_s + after_s, self._open_unless_held)

    def note_close(self, account: str, row: OpenRow, at_s: float) -> None:
        """Take note of a close; one of its own position is answered by opening it again, as often as it may."""
        delay_s = self._bot.follows_close_s
        if account != self._account or delay_s is None or not self._is_mine(row) or not self._follows_left:
            return
        self._follows_left -= 1
        self._market.timetable.enter(at_s + delay_s, self._open_unless_held)

    def _open_unless_held(self, at_s: float) -> None:
        if not any(self._is_mine(row) for row in self._market.open_rows(self._account)):
            self._market.open_position(self._account, self._bot.position, at_s)

    def _is_mine(self, row: OpenRow) -> bool:
        mine, other = self._bot.position, row.position
        return (mine.instrument_id, mine.position_side) == (other.instrument_id, other.position_side)
