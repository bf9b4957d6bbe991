"""The positions reads of a flatten: tried again where that makes sense, given up where no further one can succeed."""

from __future__ import annotations

import time
from collections.abc import Callable

from deepcoin_ops.domain.errors import GuardRefused, LedgerError, ReadFailed, ReadRefused, SendWithdrawn
from deepcoin_ops.domain.model import Refusal
from deepcoin_ops.flattening.clock_correction import ClockCorrection
from deepcoin_ops.flattening.observation import AccountRead, Observer
from deepcoin_ops.flattening.progress import Progress

_NOTHING_SENT = "Nothing was sent and all positions are as they were"


class AccountReader:
    """Reads an account for one flatten.

    Args:
        observer: Does the reading and records it.
        clock: Follows a read that was refused for its timestamp.
        report: Told of failed reads.

    Attributes:
        blind_reason: Why no further read can succeed; None as long as one may.
    """

    def __init__(self, observer: Observer, clock: ClockCorrection, report: Callable[[Progress], None]):
        self._observer = observer
        self._clock = clock
        self._report = report
        self.blind_reason: str | None = None

    def fetch_snapshot(self, account: str, limit_s: float, is_stopped: Callable[[], bool]) -> AccountRead:
        """The first complete read; failed ones are reported and tried again.

        Args:
            account: Its name, for the message.
            limit_s: For how many seconds.
            is_stopped: Asked while waiting.

        Raises:
            GuardRefused: The exchange refuses the key or the clock, or no complete read could be had in that time.
            SendWithdrawn: Stopping was asked for.
            LedgerError: A read could not be recorded.
        """
        ends_s = time.monotonic() + limit_s
        while True:
            started_s = time.monotonic()
            try:
                return self._observer.fetch_account("snapshot", 0, is_stopped)
            except ReadFailed as failure:
                self._report(Progress(f"a positions read failed: {failure}"))
                self._check_snapshot_failure(failure, started_s)
                if time.monotonic() > ends_s:
                    message = f"account {account}: no complete positions read. {_NOTHING_SENT}. Last: {failure}"
                    raise GuardRefused(message) from failure

    def try_fetch(self, purpose: str, round_number: int, is_stopped: Callable[[], bool]) -> AccountRead | None:
        """One read; None when it failed. When no further one can succeed, `blind_reason` says why."""
        started_s = time.monotonic()
        try:
            return self._observer.fetch_account(purpose, round_number, is_stopped)
        except SendWithdrawn:
            return None
        except (GuardRefused, LedgerError) as error:
            self.blind_reason = str(error)
        except ReadFailed as failure:
            self._report(Progress(f"a positions read failed and proves nothing: {failure}"))
            self._follow_failure(failure, started_s)
        return None

    def _check_snapshot_failure(self, failure: ReadFailed, started_s: float) -> None:
        """Return when another try makes sense; raise what ends the flatten otherwise."""
        if not isinstance(failure, ReadRefused) or failure.refusal is Refusal.THROTTLED:
            return
        if failure.refusal is Refusal.TIMESTAMP:
            self._clock.follow_refusal(started_s, str(failure))
            return
        raise GuardRefused(f"{failure}. {_NOTHING_SENT}.") from failure

    def _follow_failure(self, failure: ReadFailed, started_s: float) -> None:
        if not isinstance(failure, ReadRefused):
            return
        if failure.refusal is Refusal.FATAL:
            self.blind_reason = str(failure)
        elif failure.refusal is Refusal.TIMESTAMP:
            try:
                self._clock.follow_refusal(started_s, str(failure))
            except GuardRefused as error:
                self.blind_reason = str(error)
            except SendWithdrawn:
                return
