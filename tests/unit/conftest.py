"""What all unit tests share: how properties are searched on a machine that may be busy."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A deadline per example would be a timed assertion, and fails on a busy machine.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
