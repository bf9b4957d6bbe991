"""A pace that lets everything through at once and remembers it, and a clock that moves only when a sender sleeps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from deepcoin_ops.domain.errors import SendWithdrawn
from deepcoin_ops.exchange.pacing import never, no_op


class RecordingPace:
    """A pace without waits that remembers what it was told. `on_slot` is called when a slot is given."""

    def __init__(self) -> None:
        self.slots: list[str] = []
        self.pushes: list[tuple[str, float | None]] = []
        self.clean: list[str] = []
        self.on_slot: Callable[[], None] = no_op
        self.is_merged = False

    def take_slot(self, lane: str, *, prepare: Callable[[], None] = no_op, is_stopped: Callable[[], bool] = never) -> None:
        if is_stopped():
            raise SendWithdrawn(lane)
        self.on_slot()
        prepare()
        self.slots.append(lane)

    def push(self, lane: str, retry_after_s: float | None) -> None:
        self.pushes.append((lane, retry_after_s))

    def record_clean(self, lane: str) -> None:
        self.clean.append(lane)

    def is_shared(self) -> bool:
        return self.is_merged


class VirtualClock:
    """A boot clock that moves only in a sleep. `on_sleep` is called after each sleep."""

    def __init__(self, boot_id: str = "boot-1", start_s: float = 5000.0) -> None:
        self.boot = boot_id
        self.boot_s = start_s
        self.wall = datetime(2026, 1, 2, 16, 0, tzinfo=UTC)
        self.oversleep_s = 0.0
        self.on_sleep: Callable[[], None] = lambda: None

    def boot_id(self) -> str:
        return self.boot

    def now_s(self) -> float:
        return self.boot_s

    def wall_now(self) -> datetime:
        return self.wall

    def sleep(self, seconds: float) -> None:
        self.pass_time(seconds + self.oversleep_s)
        self.on_sleep()

    def pass_time(self, seconds: float) -> None:
        self.boot_s += seconds
        self.wall += timedelta(seconds=seconds)
