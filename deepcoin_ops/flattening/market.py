"""Instrument lists and prices, fetched beside everything else. What is late or missing holds nobody up."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from decimal import Decimal
from threading import Event
from time import monotonic
from typing import Any, TypeVar

from deepcoin_ops.domain.errors import GuardRefused, ReadFailed, SendWithdrawn
from deepcoin_ops.domain.model import Instrument, InstrumentType
from deepcoin_ops.domain.planning import MarketData, PlanLine, price_lines
from deepcoin_ops.exchange.client import DeepcoinClient

logger = logging.getLogger(__name__)

_TRIES = 2
_POLL_S = 0.05
_Row = TypeVar("_Row")
_Lists = dict[InstrumentType, Future[dict[str, _Row] | None]]


class MarketReads:
    """The market data of one flatten, as far as it has come in.

    Args:
        client: The account's client.
        instrument_types: Which lists are needed.
        is_stopped: Asked while waiting for slots.
    """

    def __init__(
        self, client: DeepcoinClient, instrument_types: tuple[InstrumentType, ...], is_stopped: Callable[[], bool]
    ):
        self._client = client
        self._is_closed = Event()
        self._is_asked_to_stop = is_stopped
        self._pool = ThreadPoolExecutor(2 * len(instrument_types), thread_name_prefix="market")
        self._instrument_types = instrument_types
        self._instruments: _Lists[Instrument] = {}
        self._prices: _Lists[Decimal] = {}

    def _is_stopped(self) -> bool:
        return self._is_asked_to_stop() or self._is_closed.is_set()

    def start_missing(self) -> None:
        """Begin fetching whatever is neither there nor on its way."""
        for kind in self._instrument_types:
            if _is_missing(self._instruments.get(kind)):
                self._instruments[kind] = self._pool.submit(self._try_fetch, self._client.fetch_instruments, kind)
            if _is_missing(self._prices.get(kind)):
                self._prices[kind] = self._pool.submit(self._try_fetch, self._client.fetch_last_prices, kind)

    def wait(self, limit_s: float) -> None:
        """Wait for what is on its way, for at most `limit_s` seconds, or until stopping is asked for."""
        ends_s = monotonic() + limit_s
        pending: set[Future[Any]] = {*self._instruments.values(), *self._prices.values()}
        while pending and monotonic() < ends_s and not self._is_stopped():
            pending = wait(pending, timeout=_POLL_S).not_done

    def current(self) -> MarketData:
        """What has come in so far."""
        instruments, prices = _arrived(self._instruments), _arrived(self._prices)
        return MarketData(
            {name: row for rows in instruments.values() for name, row in rows.items()},
            {name: row for rows in prices.values() for name, row in rows.items()},
            frozenset(instruments),
        )

    def price_lines(self, lines: Iterable[PlanLine]) -> list[PlanLine]:
        """The lines of a plan, largest first by what has come in so far."""
        return price_lines(lines, self.current())

    def close(self) -> None:
        """Wait for nobody; what is still on its way is of no use any more."""
        self._is_closed.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _try_fetch(
        self, fetch: Callable[[InstrumentType, Callable[[], bool]], dict[str, _Row]], kind: InstrumentType
    ) -> dict[str, _Row] | None:
        for _ in range(_TRIES):
            try:
                return fetch(kind, self._is_stopped)
            except ReadFailed:
                continue
            except (GuardRefused, SendWithdrawn):
                return None
            except Exception:  # whatever it is, it holds nobody up
                logger.exception("a market read broke off")
                return None
        return None


def _is_missing(future: Future[dict[str, _Row] | None] | None) -> bool:
    return future is None or (future.done() and future.result() is None)


def _arrived(lists: _Lists[_Row]) -> Mapping[InstrumentType, dict[str, _Row]]:
    done = {kind: future.result() for kind, future in lists.items() if future.done()}
    return {kind: rows for kind, rows in done.items() if rows is not None}
