"""What the positions reads of one flatten have shown: what was open before, what is open now, what nothing is sent for."""

from __future__ import annotations

from deepcoin_ops.domain.model import FlattenRequest
from deepcoin_ops.domain.planning import ClosePlan, MarketData, PlanLine, find_held_back, plan_closes
from deepcoin_ops.flattening.desk import Desk
from deepcoin_ops.flattening.market import MarketReads
from deepcoin_ops.flattening.observation import AccountRead


class Sightings:
    """The complete reads of one flatten, as plans.

    Args:
        desk: The account.
        request: Which instruments the flatten is about.
        market_reads: The lists and prices that could be read so far.

    Attributes:
        before: What was open before the first send; None until the snapshot has been read.
        last: What the last complete read shows; None likewise.
        held_back: The instruments that no close may be sent for, each with its reason.
    """

    def __init__(self, desk: Desk, request: FlattenRequest, market_reads: MarketReads):
        self._configured = desk.account.instruments
        self._expected = desk.account.expected_positions
        self._asked_for = request.instruments
        self._market_reads = market_reads
        self._seen_open: set[str] = set()
        self.before: ClosePlan | None = None
        self.last: ClosePlan | None = None
        self.held_back: dict[str, str] = {}

    def take_in(self, read: AccountRead) -> ClosePlan:
        """Take in a complete read: what is open, and what may be closed."""
        market = self._market_reads.current()
        plan = plan_closes(self._asked_for, read.positions, market, self._configured, self._expected)
        self._seen_open |= {line.instrument_id for line in plan.lines}
        self.held_back = find_held_back(self._asked_for, self._seen_open, market)
        self.last = plan
        return plan

    def look_at_lists(self) -> dict[str, str]:
        """What is held back by the instrument lists that are there now."""
        self.held_back = find_held_back(self._asked_for, self._seen_open, self._market_reads.current())
        return self.held_back

    @property
    def market(self) -> MarketData:
        """The lists and prices that are there now."""
        return self._market_reads.current()

    @property
    def known(self) -> ClosePlan:
        """What the last complete read shows; an empty plan when there was none."""
        return self.last or ClosePlan((), ())

    @property
    def open_lines(self) -> tuple[PlanLine, ...]:
        """The open instruments of the last complete read."""
        return self.known.lines
