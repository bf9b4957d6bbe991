"""The time a pace lives by: a clock that nobody can set, shared by all processes of one boot of the machine.

Only clocks here. What the times mean is in `exchange/pace_state.py`, who waits for them in `exchange/pacing.py`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final, Protocol

# BOOTTIME goes on while the machine is suspended, as the exchange's window does. Where it is missing MONOTONIC is as
# safe: it can only make a wait longer.
BOOT_CLOCK: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class PaceClock(Protocol):
    """The time a pace lives by. Only `wall_now` follows the wall clock, and only people read it."""

    def boot_id(self) -> str:
        """What tells this boot of the machine from any other."""

    def now_s(self) -> float:
        """Seconds since the boot, the same in every process; never goes back and is never set."""

    def sleep(self, seconds: float) -> None:
        """Wait about so long; waking late is expected."""

    def wall_now(self) -> datetime:
        """The wall clock, UTC."""


class SystemClock:
    """The machine's clocks."""

    def boot_id(self) -> str:
        """The kernel's boot id, or a constant where there is none."""
        return _read_boot_id()

    def now_s(self) -> float:
        """Seconds of the boot clock."""
        return time.clock_gettime(BOOT_CLOCK)

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)

    def wall_now(self) -> datetime:
        """The wall clock, UTC."""
        return datetime.now(UTC)


SYSTEM_CLOCK: Final = SystemClock()


@cache
def _read_boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        # Without a boot id a reboot shows as a stamp in the future (wait one spacing) or as an old one, which is true:
        # booting takes longer than a spacing.
        return "unknown"
