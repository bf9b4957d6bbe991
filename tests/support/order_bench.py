"""A paper exchange with waiting orders, and clients of it that wait for no slot: what the tests of orders share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from paces import RecordingPace
from raw_server import PATIENCE_S

from deepcoin_ops.domain.model import PositionSide, Venue
from deepcoin_ops.domain.paper_credentials import paper_credentials
from deepcoin_ops.exchange.client import DeepcoinClient
from deepcoin_ops.exchange.transport import Transport
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.listing import LISTED
from deepcoin_ops.paper.order_records import PaperOrder
from deepcoin_ops.paper.scenario import LimitSettings, PaperAccount, PaperPosition, Scenario
from deepcoin_ops.paper.server import PaperExchange

BTC = "BTC-USDT-SWAP"


def paper_order(order_id: str, instrument_id: str = BTC, size: str = "4", **more: Any) -> PaperOrder:
    """A resting order that would open long, unless told otherwise."""
    more = {"position_side": PositionSide.LONG, **more}
    return PaperOrder(instrument_id=instrument_id, order_id=order_id, quantity_contracts=Decimal(size), **more)


class OrderBench:
    """One paper exchange, and clients of it that share a recording pace."""

    def __init__(self, opened: ExitStack, orders: Sequence[PaperOrder], **settings: Any) -> None:
        positions = (PaperPosition(BTC, PositionSide.LONG, Decimal(35), position_id="11"),)
        # The pace waits for nothing, so the exchange must not mind.
        limits = LimitSettings(private_per_period=1000)
        owner = PaperAccount("main", positions, tuple(orders))
        self.exchange = opened.enter_context(PaperExchange(Scenario(LISTED, (owner,), limits=limits, **settings)))
        self.pace = RecordingPace()
        self._opened = opened

    def client(
        self,
        url: str | None = None,
        read_timeout_s: float = PATIENCE_S,
        venue: Venue = Venue.PAPER,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> DeepcoinClient:
        """A client of the exchange or of another address, closed at the end of the test."""
        client = DeepcoinClient(
            transport=Transport(url or self.exchange.url, connect_timeout_s=PATIENCE_S, read_timeout_s=read_timeout_s),
            venue=venue,
            credentials=paper_credentials("main"),
            account_pace=self.pace,
            market_pace=RecordingPace(),
            now=now,
        )
        self._opened.callback(client.close)
        return client

    def spoil(self, action: FaultAction, endpoint: str, **details: object) -> None:
        """Make the next call of an endpoint go wrong."""
        self.exchange.add_fault(Fault(action, endpoint=endpoint, **details))

    def working(self) -> list[str]:
        """The ids of the orders that still wait, as the exchange itself has it."""
        orders = self.exchange.truth()["accounts"]["main"]["orders"]
        return [order["order_id"] for order in orders if order["is_working"]]


@contextmanager
def open_bench(orders: Sequence[PaperOrder] = (), **settings: Any) -> Iterator[OrderBench]:
    """Start the exchange with these orders, and clean up."""
    with ExitStack() as opened:
        yield OrderBench(opened, orders, **settings)
