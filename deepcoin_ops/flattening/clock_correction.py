"""Bringing the clock that signs in line with the exchange's: once after a refused timestamp, and before anything live."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from deepcoin_ops.domain.errors import GuardRefused, ReadFailed
from deepcoin_ops.domain.model import ClockReading
from deepcoin_ops.exchange.client import DeepcoinClient
from deepcoin_ops.flattening.guards import check_clock_offset
from deepcoin_ops.flattening.observation import wait_until
from deepcoin_ops.flattening.progress import Progress

_TRIES = 3
_PAUSE_S = 1.0  # between tries that may take a while: the market's lane is needed for prices too
# Two readings may differ by what each may be wrong by, and this; more is a clock that jumps.
_MOST_LEFT_S = 2.0


class ClockCorrection:
    """The one correction of a flatten.

    Args:
        client: Whose clock signs.
        max_offset_s: Seconds of difference that are corrected at most.
        is_stopped: Asked while waiting for a slot.
        report: Told of the correction.
    """

    def __init__(
        self,
        client: DeepcoinClient,
        max_offset_s: float,
        is_stopped: Callable[[], bool],
        report: Callable[[Progress], None],
    ):
        self._client = client
        self._max_offset_s = max_offset_s
        self._is_stopped = is_stopped
        self._report = report
        self._corrected_s: float | None = None
        self._refused: GuardRefused | None = None
        # Closes, reads and cancels may be refused side by side; one of them corrects, the others find it done.
        self._lock = threading.Lock()

    def follow_refusal(self, sent_s: float, refusal: str) -> None:
        """Correct the clock after a refused timestamp; nothing to do when the refused request is older than a correction.

        Args:
            sent_s: When the refused request was sent, or shortly before, on the monotonic clock: the wall clock is what is
                in doubt.
            refusal: What the exchange said.

        Raises:
            GuardRefused: The clock had been corrected before that request, its difference is too large, or the exchange's
                clock cannot be read: no request can be signed.
            SendWithdrawn: Stopping was asked for.
        """
        with self._lock:
            if self._corrected_s is not None:
                if sent_s >= self._corrected_s:
                    raise GuardRefused(f"{refusal}, after the clock had been corrected. Nothing more is sent.")
                return
            if self._refused is not None:
                raise self._refused
            try:
                offset = self._fetch_at_once().offset
                check_clock_offset(offset, self._max_offset_s)
            except GuardRefused as error:
                # Whoever is refused next, in whichever thread, must not go on either.
                self._refused = error
                raise
            self._client.apply_clock_offset(offset)
            self._corrected_s = time.monotonic()
        self._report(Progress(f"the exchange's clock is {offset.total_seconds():+.3f} s from this machine's; corrected"))

    def align(self, limit_s: float, is_stopped: Callable[[], bool]) -> float:
        """Bring the clock in line before anything was refused, by two readings that have to agree.

        A slow answer says less about the time of day, and nothing against the clock: the surer of the two is signed with,
        and they may differ by what each may be wrong by.

        Args:
            limit_s: For how many seconds readings that fail are tried again.
            is_stopped: Asked while waiting.

        Returns:
            How far the exchange's clock is ahead of this machine's, in seconds.

        Raises:
            GuardRefused: The difference is too large, it cannot be read, or it is another one a moment later.
            SendWithdrawn: Stopping was asked for.
        """
        ends_s = time.monotonic() + limit_s
        readings = [self._fetch_in_time(ends_s, is_stopped) for _ in range(2)]
        surest = min(readings, key=lambda reading: reading.error_s)
        check_clock_offset(surest.offset, self._max_offset_s)
        first, second = readings
        moved_s = (second.offset - first.offset).total_seconds()
        if abs(moved_s) > _MOST_LEFT_S + first.error_s + second.error_s:
            raise GuardRefused(
                f"the exchange's clock was {first.offset.total_seconds():+.1f} s from this machine's, and "
                f"{second.offset.total_seconds():+.1f} s a moment later; with more than {_MOST_LEFT_S:.0f} s between them "
                "it is no clock to sign with. Nothing more is sent. Look at this machine's clock and its line to the "
                "exchange."
            )
        with self._lock:
            self._client.apply_clock_offset(surest.offset)
        return surest.offset.total_seconds()

    def _fetch_at_once(self) -> ClockReading:
        """A reading within a few tries: somebody waits with a request that was refused."""
        failure: ReadFailed | None = None
        for _ in range(_TRIES):
            try:
                return self._client.fetch_clock(self._is_stopped)
            except ReadFailed as error:
                failure = error
        raise _unreadable(failure) from failure

    def _fetch_in_time(self, ends_s: float, is_stopped: Callable[[], bool]) -> ClockReading:
        """A reading that is good for something, as soon as there is one."""
        failure: ReadFailed | None = None
        while True:
            try:
                reading = self._client.fetch_clock(is_stopped)
                if reading.error_s <= self._max_offset_s:
                    return reading
            except ReadFailed as error:
                failure = error
            if time.monotonic() >= ends_s:
                raise _unreadable(failure) from failure
            wait_until(time.monotonic() + _PAUSE_S, is_stopped, time.sleep)


def _unreadable(failure: ReadFailed | None) -> GuardRefused:
    why = failure or "its answers took too long to tell the time by"
    return GuardRefused(f"the exchange's clock could not be read: {why}. Nothing more is sent.")
