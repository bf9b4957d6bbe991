"""A small account on a fast paper exchange, flattened by the real controller: what the flatten tests share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from deepcoin_ops.domain.day import AccountDay, DueTick
from deepcoin_ops.domain.model import CloseAttempt, FlattenRequest
from deepcoin_ops.flattening.controller import Flatten
from deepcoin_ops.flattening.desk import Desk, open_desk
from deepcoin_ops.flattening.opening import open_flatten
from deepcoin_ops.flattening.progress import FlattenOutcome, Progress
from deepcoin_ops.ledger.days import read_account_days
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.listing import LISTED
from deepcoin_ops.paper.order_records import PaperOrder
from deepcoin_ops.paper.scenario import LimitSettings, PaperAccount, PaperBot, PaperPosition, Scenario
from deepcoin_ops.paper.server import PaperExchange
from deepcoin_ops.settings import load_settings

PERIOD_S = 0.05
SETTLE_S = 0.15
READ_TIMEOUT_S = 1.0

SETTINGS = f"""
accounts:
  main:
    credentials_prefix: DEEPCOIN
    close_spot: true
    instruments: [BTC-USDT-SWAP, ETH-USDT-SWAP, SOL-USDT-SWAP, ETH-USD-SWAP, XRP-USDT-SWAP, SOL-USDT]
pace: {{close_spacing_s: {PERIOD_S}, positions_spacing_s: {PERIOD_S}, account_spacing_s: {PERIOD_S},
        orders_spacing_s: {PERIOD_S}, cancel_spacing_s: {PERIOD_S}, trigger_cancel_spacing_s: {PERIOD_S},
        market_spacing_s: {PERIOD_S}, margin_ms: 30}}
flatten: {{settle_s: {SETTLE_S}, read_gap_s: 0.06, max_rounds: 5, unknown_hold_s: 2, lock_wait_s: 0.3,
          interrupt_read_s: 2, max_deadline_s: 60}}
exchange: {{connect_timeout_s: 2, read_timeout_s: {READ_TIMEOUT_S}}}
"""


def position(instrument_id: str, position_id: str, quantity: str, side: str = "long", **more: str) -> PaperPosition:
    """A position to start with."""
    return PaperPosition(
        instrument_id=instrument_id,
        position_id=position_id,
        position_side=side,
        quantity_contracts=Decimal(quantity),
        **more,
    )


def stubborn(instrument_id: str | None = None, **more: object) -> list[Fault]:
    """Every close of an instrument, whole or by ids, is answered with error items and closes nothing."""
    endpoints = ("batch-close-position", "close-position-by-ids")
    return [Fault(FaultAction.ERROR_ITEMS, each, instrument_id=instrument_id, call=None, **more) for each in endpoints]


def build_scenario(
    positions: Sequence[PaperPosition],
    faults: Sequence[Fault] = (),
    *,
    orders: Sequence[PaperOrder] = (),
    bots: Sequence[PaperBot] = (),
    **more: object,
) -> Scenario:
    """A fast exchange with one account."""
    return Scenario(
        instruments=LISTED,
        accounts=(PaperAccount("main", tuple(positions), tuple(orders), tuple(bots)),),
        faults=tuple(faults),
        limits=LimitSettings(period_s=PERIOD_S, retry_after="0"),
        **more,
    )


def with_account(lab: Lab, **settings: object) -> Lab:
    """The same lab with other settings of its account."""
    account = replace(lab.desk.account, **settings)
    everything = replace(lab.desk.settings, accounts={account.name: account})
    return replace(lab, desk=replace(lab.desk, account=account, settings=everything))


@dataclass
class Lab:
    """A running exchange, an opened desk, and what a flatten said."""

    exchange: PaperExchange
    desk: Desk
    stop: threading.Event = field(default_factory=threading.Event)
    said: list[Progress] = field(default_factory=list)

    def open(self, **more: object) -> FlattenRequest:
        """An opened flatten of all configured instruments."""
        return open_flatten(self.desk, launched_by="a test", **more)

    def flatten(
        self, request: FlattenRequest | None = None, report: Callable[[Progress], None] | None = None, **launch: Any
    ) -> FlattenOutcome:
        """Flatten to the end, as the command line does."""
        flatten = Flatten(self.desk, request or self.open(), self.stop, report or self.said.append, **launch)
        try:
            flatten.take_lock()
            flatten.close_rounds()
            return flatten.verify()
        finally:
            flatten.release()

    def attempts(self, outcome: FlattenOutcome) -> list[CloseAttempt]:
        """What the ledger says was sent by a flatten."""
        record = self.desk.ledger.read_flatten(outcome.closing.flatten_id)
        assert record is not None
        attempts = self.desk.ledger.read_attempts(record.request.trading_day)
        return [attempt for attempt in attempts if attempt.flatten_id == outcome.closing.flatten_id]

    def truly_open(self) -> set[str]:
        """The instruments that the exchange itself holds an open row of."""
        return {row["instrument_id"] for row in self.exchange.truth()["accounts"]["main"]["open"]}

    def truth(self) -> dict[str, Any]:
        """What the exchange itself knows of the account."""
        return self.exchange.truth()["accounts"]["main"]

    def waiting_orders(self) -> set[str]:
        """The ids of the orders that really still wait at the exchange."""
        return {order["order_id"] for order in self.truth()["orders"] if order["is_working"]}

    def close_arrivals(self) -> list[str]:
        """The instruments of the close requests that reached the exchange, in order, refused ones too."""
        return [request["instrument_id"] for request in self.exchange.truth()["accounts"]["main"]["close_requests"]]


@contextmanager
def open_lab(tmp_path: Path, scenario: Scenario, settings_text: str = SETTINGS, **environ: str) -> Iterator[Lab]:
    """Start the exchange, open the desk, and clean both up."""
    settings_file = tmp_path / "flatten.yaml"
    settings_file.write_text(settings_text)
    with PaperExchange(scenario) as exchange:
        variables = {
            "DEEPCOIN_OPS_SETTINGS": str(settings_file),
            "DEEPCOIN_OPS_STATE": str(tmp_path / "state"),
            "DEEPCOIN_OPS_PAPER_URL": exchange.url,
            **environ,
        }
        with open_desk(load_settings(variables), None, variables) as desk:
            yield Lab(exchange, desk)


def with_settings(lab: Lab, **flatten: object) -> Lab:
    """The same lab with other limits of a flatten."""
    settings = replace(lab.desk.settings, flatten=lab.desk.settings.flatten.model_copy(update=flatten))
    return replace(lab, desk=replace(lab.desk, settings=settings))


def read_days(lab: Lab, since: datetime) -> tuple[str, list[AccountDay]]:
    """Today as the ledger tells it, with a flatten due since a moment and its deadline past."""
    settings = lab.desk.settings
    trading_day = settings.calendar.day_of(since)
    due = DueTick(since, since + timedelta(seconds=1), is_past=True)
    configured = {name: account.instruments for name, account in settings.accounts.items()}
    ends_at = settings.calendar.window(trading_day)[1]
    return trading_day, read_account_days(lab.desk.ledger, trading_day, 10**9, configured, due, ends_at)


def wait_for(condition: Callable[[], object], limit_s: float = 20.0) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: It never did.
    """
    ends_s, pause = time.monotonic() + limit_s, threading.Event()
    while not condition():
        if time.monotonic() > ends_s:
            raise TimeoutError(f"not within {limit_s} s")
        pause.wait(0.01)
