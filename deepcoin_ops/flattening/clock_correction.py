"""Bringing the clock that signs in line with the exchange's: once after a refused timestamp, and before anything live."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

from deepcoin_ops.domain.errors import GuardRefused, ReadFailed
from deepcoin_ops.exchange.client import DeepcoinClient
from deepcoin_ops.flattening.guards import check_clock_offset
from deepcoin_ops.flattening.progress import Progress

_TRIES = 3
# What is left after a correction is the error of measuring it; more than this is a clock that jumps, or a line that lags.
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
                offset = self._fetch_offset()
                check_clock_offset(offset, self._max_offset_s)
            except GuardRefused as error:
                # Whoever is refused next, in whichever thread, must not go on either.
                self._refused = error
                raise
            self._client.apply_clock_offset(offset)
            self._corrected_s = time.monotonic()
        self._report(Progress(f"the exchange's clock is {offset.total_seconds():+.3f} s from this machine's; corrected"))

    def align(self) -> float:
        """Bring the clock in line before anything was refused, and measure again whether it is.

        Returns:
            How far the exchange's clock is ahead of this machine's, in seconds.

        Raises:
            GuardRefused: The difference is too large, it cannot be read, or it is another one after the correction.
            SendWithdrawn: Stopping was asked for.
        """
        with self._lock:
            offset = self._fetch_offset()
            check_clock_offset(offset, self._max_offset_s)
            self._client.apply_clock_offset(offset)
            left_s = (self._fetch_offset() - offset).total_seconds()
        if abs(left_s) > _MOST_LEFT_S:
            raise GuardRefused(
                f"the exchange's clock was {offset.total_seconds():+.1f} s from this machine's, and {left_s:+.1f} s from "
                f"the corrected one a moment later; more than {_MOST_LEFT_S:.0f} s is no clock to sign with. Nothing more "
                "is sent. Look at this machine's clock and its line to the exchange."
            )
        return offset.total_seconds()

    def _fetch_offset(self) -> timedelta:
        failure: ReadFailed | None = None
        for _ in range(_TRIES):
            try:
                return self._client.fetch_clock_offset(self._is_stopped)
            except ReadFailed as error:
                failure = error
        raise GuardRefused(f"the exchange's clock could not be read: {failure}. Nothing more is sent.") from failure
