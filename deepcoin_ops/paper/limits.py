"""The rate limiter: which arrival is served and which refused. It decides from stamps it is given and never waits."""

from __future__ import annotations

import math
from collections import deque
from enum import StrEnum


class LimitMode(StrEnum):
    """How arrivals are counted. The exchange documents the number, not the window.

    STRICT: at most N accepted arrivals in any period, which for N = 1 is a smallest gap between them.
    PENAL:  the same, and refused arrivals count too, so that hammering keeps the door shut.
    FIXED:  at most N per period counted from a fixed origin.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/batchClosePosition ("Rate Limit: 1/1s").
    """

    STRICT = "strict"
    PENAL = "penal"
    FIXED = "fixed"


class RateLimiter:
    """Budgets by key; a key is whatever the exchange meters, such as account and endpoint."""

    def __init__(self, mode: LimitMode, period_s: float) -> None:
        self._mode = mode
        self._period_s = period_s
        self._counted: dict[tuple[str, ...], deque[float]] = {}

    def admits(self, key: tuple[str, ...], arrived_s: float, per_period: int) -> bool:
        """Decide on one arrival and count it.

        Args:
            key: Whose budget it draws on.
            arrived_s: Its stamp, in seconds on the monotonic clock.
            per_period: The budget: arrivals per period.
        """
        counted = self._counted.setdefault(key, deque(maxlen=per_period))
        is_admitted = len(counted) < per_period or self._is_past(counted[0], arrived_s)
        if is_admitted or self._mode is LimitMode.PENAL:
            counted.append(arrived_s)
        return is_admitted

    def _is_past(self, earlier_s: float, arrived_s: float) -> bool:
        """Whether the budget spent at `earlier_s` is available again."""
        if self._mode is LimitMode.FIXED:
            return math.floor(arrived_s / self._period_s) > math.floor(earlier_s / self._period_s)
        return arrived_s - earlier_s >= self._period_s
