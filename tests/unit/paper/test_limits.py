"""The rate limiter, with stamps instead of a clock."""

from __future__ import annotations

import pytest

from deepcoin_ops.paper.limits import LimitMode, RateLimiter

KEY = ("account", "main", "/close")


@pytest.mark.parametrize(
    ("mode", "arrivals_s", "admitted"),
    [
        (LimitMode.STRICT, [0.0, 0.999, 1.0, 1.5, 2.0], [True, False, True, False, True]),
        (LimitMode.PENAL, [0.0, 0.999, 1.0, 1.5, 2.5], [True, False, False, False, True]),
        (LimitMode.FIXED, [0.9, 1.0, 1.1, 2.0, 2.9], [True, True, False, True, False]),
    ],
)
def test_each_mode_counts_arrivals_its_own_way(mode: LimitMode, arrivals_s: list[float], admitted: list[bool]) -> None:
    """Which window the real exchange uses is not known, so the pace has to hold under each."""
    limiter = RateLimiter(mode, period_s=1.0)
    assert [limiter.admits(KEY, arrived_s, per_period=1) for arrived_s in arrivals_s] == admitted


def test_a_larger_budget_is_counted_over_a_sliding_period() -> None:
    """Market data allows five a second."""
    limiter = RateLimiter(LimitMode.STRICT, period_s=1.0)
    stamps = [0.0, 0.1, 0.2, 0.3, 0.4, 0.9, 1.0, 1.05]
    admitted = [limiter.admits(KEY, stamp, per_period=5) for stamp in stamps]
    assert admitted == [True] * 5 + [False, True, False]


def test_budgets_of_different_keys_are_separate() -> None:
    """Accounts and endpoints do not eat from each other unless they share a key."""
    limiter = RateLimiter(LimitMode.STRICT, period_s=1.0)
    assert limiter.admits(KEY, 0.0, 1)
    assert limiter.admits(("account", "other", "/close"), 0.0, 1)
