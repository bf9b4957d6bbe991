"""Asks for one flatten whether its launch may act, with the clocks of this machine. `domain.launching` decides."""

from __future__ import annotations

from datetime import datetime, timedelta

from deepcoin_ops.domain.errors import GuardRefused
from deepcoin_ops.domain.launching import Launch, find_launch_objection
from deepcoin_ops.domain.model import FlattenRequest
from deepcoin_ops.exchange.pace_clock import SYSTEM_CLOCK, PaceClock
from deepcoin_ops.settings import Settings


class LaunchGuard:
    """The launch of one flatten, looked at before the account is locked and before the first send.

    Args:
        settings: The trading days and the limits.
        request: Which flatten, and the scheduled time it was launched for.
        launched_at: When it was launched, aware; None when that is now.
        clock: Its wall clock may be set while a flatten waits, its boot clock cannot be.
    """

    def __init__(
        self,
        settings: Settings,
        request: FlattenRequest,
        launched_at: datetime | None = None,
        clock: PaceClock = SYSTEM_CLOCK,
    ):
        self._settings = settings
        self._account = request.account
        self._clock = clock
        self._began_at, self._began_s = clock.wall_now(), clock.now_s()
        self._launch = Launch(launched_at or self._began_at, request.scheduled_at)

    def check_before_lock(self) -> None:
        """Deny a launch that is too old to begin, or too early.

        Raises:
            GuardRefused: It may not act; the message says why and what to do.
        """
        self._check(self._settings.schedule.max_lateness_s)

    def check_before_first_send(self) -> None:
        """Deny a launch that grew too old since: it may have waited for the lock and for what the guards ask.

        Raises:
            GuardRefused: It may not act; the message says why and what to do.
        """
        self._check(self._settings.max_start_delay_s)

    def _check(self, max_age_s: float) -> None:
        # The second reading is where the wall clock would be had it not been set since this flatten began.
        readings = (self._clock.wall_now(), self._began_at + timedelta(seconds=self._clock.now_s() - self._began_s))
        objection = find_launch_objection(self._launch, readings, self._settings.calendar, max_age_s)
        if objection is not None:
            raise GuardRefused(
                f"account {self._account}: {objection}. Nothing was sent and all positions are as they were. If the "
                "account should be flat now, launch flatten_positions anew by hand, without a scheduled time."
            )
