"""What the model exchange allows: so many requests of a lane in so many seconds. Several windows hold at once."""

from __future__ import annotations

from deepcoin_ops.domain import facts as f
from deepcoin_ops.simulation.script import LimitLaw

_Windows = tuple[tuple[int, float], ...]
_ONE_A_SECOND: _Windows = ((1, 1.0),)
_OWN: dict[f.Lane, _Windows] = {f.Lane.CANCEL_SINGLE: ((1, 0.03),)}
_TIERED = _OWN | {f.Lane.TRIGGER: ((5, 1.0), (150, 60.0))}
_KEPT_ARRIVALS = 150


class RateLimit:
    """The limit of one account under a law. A request that is rejected uses up nothing."""

    def __init__(self, law: LimitLaw):
        self._law = law
        self._arrivals_s: dict[f.Lane | None, list[float]] = {}

    def take(self, lane: f.Lane, at_s: float) -> bool:
        """Use up a slot of a lane, unless that would be too many requests."""
        is_shared = self._law is LimitLaw.SHARED
        windows = _ONE_A_SECOND if is_shared else (_TIERED if self._law is LimitLaw.TIERED else _OWN).get(lane)
        arrivals_s = self._arrivals_s.setdefault(None if is_shared else lane, [])
        for most, seconds in windows or _ONE_A_SECOND:
            if len(arrivals_s) >= most and at_s - arrivals_s[-most] < seconds:
                return False
        arrivals_s.append(at_s)
        del arrivals_s[:-_KEPT_ARRIVALS]
        return True
