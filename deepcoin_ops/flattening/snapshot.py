"""The first complete positions read of a flatten: tried again until it succeeds, or until going on makes no sense."""

from __future__ import annotations

import time
from collections.abc import Callable

from deepcoin_ops.domain.errors import GuardRefused, ReadFailed, ReadRefused
from deepcoin_ops.domain.model import Refusal
from deepcoin_ops.flattening.clock_correction import ClockCorrection
from deepcoin_ops.flattening.desk import Desk
from deepcoin_ops.flattening.observation import AccountRead, Observer
from deepcoin_ops.flattening.progress import Progress

_NOTHING_SENT = "Nothing was sent and all positions are as they were"


def fetch_snapshot(
    desk: Desk,
    observer: Observer,
    clock: ClockCorrection,
    is_stopped: Callable[[], bool],
    report: Callable[[Progress], None],
) -> AccountRead:
    """One complete read of the account; failed ones are reported and tried again for as long as an empty flatten may last.

    Raises:
        GuardRefused: The exchange refuses the key or the clock, or no complete read could be had in that time.
        SendWithdrawn: Stopping was asked for.
        LedgerError: A read could not be recorded.
    """
    ends_s = time.monotonic() + desk.settings.deadline_s(0)
    while True:
        started_s = time.monotonic()
        try:
            return observer.fetch_account("snapshot", 0, is_stopped)
        except ReadFailed as failure:
            report(Progress(f"a positions read failed: {failure}"))
            _check_failure(failure, started_s, clock)
            if time.monotonic() > ends_s:
                message = f"account {desk.account.name}: no complete positions read. {_NOTHING_SENT}. Last: {failure}"
                raise GuardRefused(message) from failure


def _check_failure(failure: ReadFailed, started_s: float, clock: ClockCorrection) -> None:
    """Return when another try makes sense; raise what ends the flatten otherwise."""
    if not isinstance(failure, ReadRefused) or failure.refusal is Refusal.THROTTLED:
        return
    if failure.refusal is Refusal.TIMESTAMP:
        clock.follow_refusal(started_s, str(failure))
        return
    raise GuardRefused(f"{failure}. {_NOTHING_SENT}.") from failure
