"""What a signal does to a command that has to end in order: the first one interrupts it, later ones change nothing."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interrupted_once() -> Iterator[None]:
    """Turn the first SIGINT, SIGTERM or SIGHUP of the block into a KeyboardInterrupt and pass over the others.

    Whoever is interrupted has something to finish, within bounds of its own; a second Ctrl-C must not lose that. A signal
    that was being ignored, such as the hang-up of a `nohup` command, stays ignored.
    """
    seen: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        seen.append(number)
        if len(seen) == 1:
            raise KeyboardInterrupt

    heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
