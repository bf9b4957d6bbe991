"""Waiting for what other processes do: until a condition holds, or for as long as one has to go on holding."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

Found = TypeVar("Found")

LIMIT_S = 120.0
_PAUSE_S = 0.2


def wait_for(what: str, look: Callable[[], Found | None], limit_s: float = LIMIT_S) -> Found:
    """The first answer of `look` that is neither None nor False.

    Args:
        what: What is waited for, for the failure's message.
        look: Asked again and again.
        limit_s: Seconds after which something must be wrong, on however busy a machine.
    """
    ends_s = time.monotonic() + limit_s
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        assert time.monotonic() < ends_s, f"not within {limit_s:.0f} s: {what}"
        Event().wait(_PAUSE_S)


def stays(look: Callable[[], Found], for_s: float) -> Found:
    """What `look` answers now, having answered the same for so many seconds."""
    first = look()
    ends_s = time.monotonic() + for_s
    while time.monotonic() < ends_s:
        Event().wait(_PAUSE_S)
        assert look() == first
    return first
