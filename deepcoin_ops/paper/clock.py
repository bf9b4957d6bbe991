"""The paper exchange's two clocks: one that orders events, one that is written into answers. Tests inject both."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


def _now_utc() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class PaperClock:
    """Monotonic seconds for limits and lag; the wall clock, wrong by `offset_s` on purpose, for what is shown."""

    offset_s: float = 0.0
    monotonic_s: Callable[[], float] = time.monotonic
    wall: Callable[[], datetime] = _now_utc

    def now(self) -> datetime:
        """The exchange's idea of the time, in UTC."""
        return self.wall() + timedelta(seconds=self.offset_s)

    def now_ms(self) -> int:
        """The same in milliseconds since the epoch."""
        return int(self.now().timestamp() * 1000)
