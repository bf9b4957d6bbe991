"""When a lane may send: windows per lane, and lanes that share. Arithmetic on moments; storing it is the shell's.

A window allows so many sends in so many seconds; a lane may have several that hold at once. A throttle delays the lane that
was throttled and widens its margin; when a second lane is throttled within the memory of the first, the two share from then
on, until a day passes without another throttle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

_PUSH_LIMIT_S = 60.0
_MARGIN_STEP_S = 0.05
_MARGIN_LIMIT_S = 0.5
_JITTER_LIMIT_S = 0.25
_KEPT_TRIPS = 20
_SLOW_TRIP_S = 1.0
_SUSPICION_S = 10.0  # throttles of two lanes closer together than this say that they share
_FORGET_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Window:
    """At most `sends` sends in any `seconds`."""

    sends: int
    seconds: float


@dataclass(slots=True)
class Pace:
    """The sends of one account's lanes, on the boot clock.

    Attributes:
        windows: What each lane may do.
        margin_s: What is added to every window against jitter on the way; the spread of round trips widens it up to a
            bound, throttles beyond that.
        trips_s: The newest round trips that were no slow answers.
    """

    windows: Mapping[str, tuple[Window, ...]]
    margin_s: float = 0.06
    trips_s: list[float] = field(default_factory=list)
    sent: dict[str, list[float]] = field(default_factory=dict)
    not_before_s: dict[str, float] = field(default_factory=dict)
    throttled_s: dict[str, float] = field(default_factory=dict)
    sharing: frozenset[str] = frozenset()
    shared_s: float = -math.inf

    def due_s(self, lane: str, now_s: float) -> float:
        """The moment from which a lane may send again; the past when nothing holds it back."""
        if lane not in self.sharing or now_s >= self.shared_s + _FORGET_S:
            return self._due_s(self.not_before_s.get(lane, -math.inf), self.sent.get(lane, []), self.windows[lane])
        sent = sorted(at_s for each in self.sharing for at_s in self.sent.get(each, []))
        pushed_s = max(self.not_before_s.get(each, -math.inf) for each in self.sharing)
        # Lanes that share take the slowest of their windows as a single send.
        slowest_s = max(window.seconds / window.sends for each in self.sharing for window in self.windows[each])
        return self._due_s(pushed_s, sent, (Window(1, slowest_s),))

    def _due_s(self, due_s: float, sent: list[float], windows: tuple[Window, ...]) -> float:
        for window in windows:
            if len(sent) >= window.sends:
                due_s = max(due_s, sent[-window.sends] + window.seconds + self.margin_s)
        return due_s

    def note_send(self, lane: str, now_s: float) -> None:
        """Use up a slot of a lane."""
        most = max(window.sends for window in self.windows[lane])
        self.sent[lane] = [*self.sent.get(lane, [])[-most + 1 :], now_s] if most > 1 else [now_s]

    def note_trip(self, seconds: float) -> None:
        """Learn the jitter of the way from a request that was answered; a slow answer says nothing of the way."""
        if seconds > _SLOW_TRIP_S:
            return
        self.trips_s = [*self.trips_s[-_KEPT_TRIPS + 1 :], seconds]
        spread_s = max(self.trips_s) - min(self.trips_s)
        self.margin_s = max(self.margin_s, min(spread_s, _JITTER_LIMIT_S))

    def note_throttle(self, lane: str, now_s: float, retry_after_s: float | None) -> None:
        """Delay a lane that was throttled; let it share with another one that was throttled a moment ago."""
        slowest_s = max(window.seconds / window.sends for window in self.windows[lane])
        until_s = now_s + min(max(retry_after_s or 0.0, 2 * slowest_s), _PUSH_LIMIT_S)
        self.not_before_s[lane] = max(self.not_before_s.get(lane, -math.inf), until_s)
        self.margin_s = min(self.margin_s + _MARGIN_STEP_S, max(_MARGIN_LIMIT_S, self.margin_s))
        near = {each for each, at_s in self.throttled_s.items() if each != lane and now_s - at_s < _SUSPICION_S}
        if near or lane in self.sharing:
            self.sharing = self.sharing | near | {lane}
            self.shared_s = now_s
        self.throttled_s[lane] = now_s
