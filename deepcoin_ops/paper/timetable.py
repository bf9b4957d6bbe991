"""What is to happen later, in the order in which it is due. Nothing here waits: events happen when somebody next looks."""

from __future__ import annotations

import heapq
from collections.abc import Callable

Event = Callable[[float], None]
"""What happens; called with the monotonic instant at which it was due, in seconds."""


class Timetable:
    """Events by their due instant; those of one instant happen in the order in which they were entered."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Event]] = []
        self._entered = 0

    def enter(self, due_s: float, event: Event) -> None:
        """Let an event happen once its instant has come."""
        self._entered += 1
        heapq.heappush(self._entries, (due_s, self._entered, event))

    def run(self, now_s: float) -> None:
        """Let everything happen that is due, also what becomes due by that."""
        while self._entries and self._entries[0][0] <= now_s:
            due_s, _number, event = heapq.heappop(self._entries)
            event(due_s)
