"""The time a pace lives by: a clock that nobody can set, shared by all processes of one boot of the machine.

Only clocks here. What the times mean is in `exchange/pace_state.py`, who waits for them in `exchange/pacing.py`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final, Protocol

from deepcoin_ops.boot_clock import boot_now_s, read_boot_id


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
        return read_boot_id()

    def now_s(self) -> float:
        """Seconds of the boot clock."""
        return boot_now_s()

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)

    def wall_now(self) -> datetime:
        """The wall clock, UTC."""
        return datetime.now(UTC)


SYSTEM_CLOCK: Final = SystemClock()
