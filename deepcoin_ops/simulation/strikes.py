"""Calls and reads of a night that go wrong by their numbers, where a habit's chance would be too vague."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from deepcoin_ops.domain import facts as f


class Fate(StrEnum):
    """What becomes of a call or read that is struck.

    A call: THROTTLED and FATAL are rejected as a whole, REJECTED leaves what it names, SILENT is accepted and does nothing,
    PARTIAL closes half of each row. LOST_BEFORE, LOST_AFTER, GARBLED and SLOW happen on the way.
    A read: FAILED brings nothing; LEFT_OUT lacks the positions of the strike's instrument.
    """

    THROTTLED = "THROTTLED"
    FATAL = "FATAL"
    REJECTED = "REJECTED"
    SILENT = "SILENT"
    PARTIAL = "PARTIAL"
    LOST_BEFORE = "LOST_BEFORE"
    LOST_AFTER = "LOST_AFTER"
    GARBLED = "GARBLED"
    SLOW = "SLOW"
    FAILED = "FAILED"
    LEFT_OUT = "LEFT_OUT"


@dataclass(frozen=True)
class Strike:
    """Which calls or reads go wrong, and how.

    `instrument_id` counts only those that name it, except for LEFT_OUT, which counts all. `last` None is for ever. The
    first strike that takes a call takes it alone.
    """

    fate: Fate
    lane: f.Lane = f.Lane.CLOSE
    instrument_id: str | None = None
    first: int = 1
    last: int | None = 1

    def concerns(self, lane: f.Lane, instrument_ids: tuple[str, ...]) -> bool:
        """Whether a call or read is one that this strike counts."""
        is_named = self.instrument_id is None or self.fate is Fate.LEFT_OUT or self.instrument_id in instrument_ids
        return lane is self.lane and is_named
