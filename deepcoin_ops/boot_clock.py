"""The clock that nobody can set, shared by all processes of one boot of the machine, and what names that boot."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import Final

# BOOTTIME goes on while the machine is suspended, as the exchange's window does. Where it is missing MONOTONIC is as
# safe: it can only make a wait longer.
BOOT_CLOCK: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boot_now_s() -> float:
    """Read the boot clock: seconds since the boot, the same in every process; they never go back."""
    return time.clock_gettime(BOOT_CLOCK)


@cache
def read_boot_id() -> str:
    """Read what tells this boot from any other; a constant where the kernel has nothing of the kind."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        # Without a boot id a reboot shows as a stamp in the future (wait one spacing) or as an old one, which is true:
        # booting takes longer than a spacing.
        return "unknown"
