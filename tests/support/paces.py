"""A pace that lets everything through at once and remembers it, for tests whose subject is not the pace."""

from __future__ import annotations

from collections.abc import Callable

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
