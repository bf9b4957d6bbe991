"""Reading the order lists of one flatten: recorded one by one, tried again after a pause, given up after long failing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from deepcoin_ops.domain.errors import GuardRefused, ReadFailed, ReadRefused
from deepcoin_ops.domain.model import Refusal
from deepcoin_ops.domain.orders import Order, OrderList, OrdersRead
from deepcoin_ops.exchange.orders import fetch_resting_orders, fetch_trailing_orders, fetch_trigger_orders
from deepcoin_ops.flattening.clock_correction import ClockCorrection
from deepcoin_ops.flattening.desk import Desk
from deepcoin_ops.flattening.order_watch import ListKey, OrderWatch

_FIRST_PAUSE_S = 0.5
_PATIENCE_ANSWERS = 6  # a list that fails for as long as so many answers may take is given up
_GIVEN_UP = float("inf")


class OtherVenue(GuardRefused):
    """Somebody else than the exchange of this venue answered: the whole flatten stops."""


class OrderReader:
    """Reads order lists and tells the watch. May be shared by threads.

    Args:
        desk: The account.
        flatten_id: Under which the reads are recorded.
        watch: Told of each list, and of each failure.
        clock: Follows a read that was refused for its timestamp.
        is_closed: Whether nobody wants the lists any more: then nothing is recorded.
    """

    def __init__(
        self, desk: Desk, flatten_id: str, watch: OrderWatch, clock: ClockCorrection, is_closed: Callable[[], bool]
    ):
        self._desk = desk
        self._flatten_id = flatten_id
        self._watch = watch
        self._clock = clock
        self._is_closed = is_closed
        self._patience_s = _PATIENCE_ANSWERS * desk.settings.exchange.read_timeout_s
        self._lock = threading.Lock()
        self._not_before_s: dict[ListKey, float] = {}

    def may_read(self, key: ListKey) -> bool:
        """Whether a list may be read now: it was not given up, and a pause after a failure is over."""
        with self._lock:
            return time.monotonic() >= self._not_before_s.get(key, 0.0)

    def is_given_up(self, key: ListKey) -> bool:
        """Whether a list is not read any more."""
        with self._lock:
            return self._not_before_s.get(key) == _GIVEN_UP

    def read(self, key: ListKey, purpose: str, on_page: Callable[[tuple[Order, ...]], None]) -> OrdersRead | None:
        """Read one list, record it, and tell the watch; None when it could not be read.

        Args:
            key: Which list, and of which instrument.
            purpose: What it is for: `clear` while closes go on, `verify` for the proof.
            on_page: Told of each page of the list of all instruments as it comes.

        Raises:
            OtherVenue: The answer does not come from this venue.
            GuardRefused: The exchange refused the key, or the clock or the pace cannot be kept.
            SendWithdrawn: Nobody wants it any more.
            LedgerError: It could not be recorded.
        """
        order_list, instrument_id = key
        started_at, started_s = datetime.now(UTC), time.monotonic()
        ledger = self._desk.ledger
        try:
            read = self._fetch(key, on_page)
        except ReadFailed as failure:
            if self._is_closed():
                return None
            ended_at = datetime.now(UTC)
            ledger.record_failed_orders_read(
                self._flatten_id, purpose, order_list, instrument_id, started_at, ended_at, str(failure), failure.raw
            )
            self._follow_failure(key, failure, started_s)
            return None
        if self._is_closed():
            return None
        ledger.record_orders_read(self._flatten_id, purpose, read)
        return read

    def _fetch(self, key: ListKey, on_page: Callable[[tuple[Order, ...]], None]) -> OrdersRead:
        order_list, instrument_id = key
        if instrument_id is None:
            return fetch_resting_orders(self._desk.client, self._is_closed, on_page)
        fetch = fetch_trailing_orders if order_list is OrderList.TRAILING else fetch_trigger_orders
        return fetch(self._desk.client, instrument_id, self._is_closed)

    def _follow_failure(self, key: ListKey, failure: ReadFailed, started_s: float) -> None:
        failed, failing_s = self._watch.note_failure(*key, str(failure))
        refusal = failure.refusal if isinstance(failure, ReadRefused) else None
        pause_s = min(_FIRST_PAUSE_S * 2 ** (failed - 1), self._patience_s / 6)
        is_given_up = refusal is Refusal.PARAMETER or failing_s > self._patience_s
        with self._lock:
            self._not_before_s[key] = _GIVEN_UP if is_given_up else time.monotonic() + pause_s
        if isinstance(failure, ReadRefused) and failure.refusal is Refusal.FATAL:
            # A key that may not list orders may still close; an answer of another venue says that nothing here may be sent.
            raise (OtherVenue if failure.error_code is None else GuardRefused)(str(failure))
        if refusal is Refusal.TIMESTAMP:
            self._clock.follow_refusal(started_s, str(failure))
