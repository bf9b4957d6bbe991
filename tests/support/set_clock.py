"""A clock that stands where a test puts it: the wall clock, which can be set, and the boot clock, which cannot."""

from __future__ import annotations

from datetime import datetime, timedelta


class SetClock:
    """The clocks of a machine.

    Args:
        now: The wall clock, aware.
    """

    def __init__(self, now: datetime):
        self._now = now
        self._boot_s = 1000.0

    def boot_id(self) -> str:
        """Always the same boot."""
        return "boot"

    def now_s(self) -> float:
        """Seconds of the boot clock."""
        return self._boot_s

    def wall_now(self) -> datetime:
        """The wall clock."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let the time go by."""
        self.pass_time(timedelta(seconds=seconds))

    def pass_time(self, span: timedelta) -> None:
        """Let the time go by: both clocks go on."""
        self._now += span
        self._boot_s += span.total_seconds()

    def set_wall(self, now: datetime) -> None:
        """Set the wall clock, as a person or a time service does."""
        self._now = now
