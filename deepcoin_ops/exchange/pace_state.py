"""The send lease as a record: what is written on disk about the last sends, and the arithmetic on it.

Pure: bytes and numbers in, records and numbers out. No clock, lock or file here; those are in `exchange/pacing.py`.
Every time is in seconds of the machine's boot clock and means nothing after a reboot: hence the boot id beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt, ValidationError

# Longer than this nobody is kept from closing positions by one refusal, whatever Retry-After says.
PUSH_LIMIT_S: Final = 60.0
# Each throttle says that the margin did not cover the jitter on the way to the exchange.
MARGIN_STEP_UP_S: Final = 0.050
MARGIN_STEP_DOWN_S: Final = 0.005
MARGIN_CAP_S: Final = 0.500
CLEAN_SENDS_PER_STEP_DOWN: Final = 50


class PaceState(BaseModel):
    """The lease of one account or one host, shared by every process that sends for it.

    Attributes:
        boot_id: The boot during which the times below were taken.
        margin_s: What is added to the spacing, in seconds; a pace never uses less than it was configured with.
        last_send_s: The newest send of each lane.
        not_before_s: The end of a push, for each lane that was throttled.
        is_merged: Whether all lanes share one budget, because a throttle was seen.
        clean_sends: Answers without a throttle since the margin last changed.
        written_at: Wall time of the last write, for people only.
    """

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False, extra="forbid")

    boot_id: str
    margin_s: NonNegativeFloat
    last_send_s: dict[str, float] = {}
    not_before_s: dict[str, float] = {}
    is_merged: bool = False
    clean_sends: NonNegativeInt = 0
    written_at: str = ""

    def changed(self, **changes: object) -> PaceState:
        """The same lease with some fields replaced."""
        return self.model_copy(update=changes)

    def due_s(self, lane: str, spacings_s: Mapping[str, float]) -> float:
        """The boot time from which a lane may send again; minus infinity when nothing holds it back.

        Args:
            lane: The lane that wants to send.
            spacings_s: The least time between two sends, in seconds, for each lane.
        """
        lanes = set(self.last_send_s) | set(self.not_before_s) if self.is_merged else {lane}
        gap_s = self.spacing_s(lane, spacings_s) + self.margin_s
        sent = (self.last_send_s[name] + gap_s for name in lanes if name in self.last_send_s)
        pushed = (self.not_before_s[name] for name in lanes if name in self.not_before_s)
        return max((*sent, *pushed), default=-math.inf)

    def spacing_s(self, lane: str, spacings_s: Mapping[str, float]) -> float:
        """The spacing in force for a lane, in seconds: the largest of all once the lanes share a budget."""
        return max(spacings_s.values()) if self.is_merged else spacings_s[lane]

    def sent(self, lane: str, now_s: float) -> PaceState:
        """The lease after a send of one lane."""
        return self.changed(last_send_s={**self.last_send_s, lane: now_s})

    def pushed(self, lane: str, now_s: float, delay_s: float) -> PaceState:
        """The lease after a throttle: nothing for `delay_s` seconds (bounded), and a wider margin."""
        until_s = max(self.not_before_s.get(lane, -math.inf), now_s + min(delay_s, PUSH_LIMIT_S))
        wider_s = max(self.margin_s, min(MARGIN_CAP_S, self.margin_s + MARGIN_STEP_UP_S))
        return self.changed(not_before_s={**self.not_before_s, lane: until_s}, margin_s=wider_s, clean_sends=0)

    def answered_cleanly(self, least_margin_s: float) -> PaceState:
        """The lease after an answer that was no throttle: every so many of them, the margin narrows a little."""
        if self.margin_s <= least_margin_s:
            return self
        if self.clean_sends + 1 < CLEAN_SENDS_PER_STEP_DOWN:
            return self.changed(clean_sends=self.clean_sends + 1)
        return self.changed(clean_sends=0, margin_s=max(least_margin_s, self.margin_s - MARGIN_STEP_DOWN_S))

    def is_doubtful(self, boot_id: str, now_s: float) -> bool:
        """Whether a time in it cannot be true now: taken in another boot, or in the future."""
        return (
            self.boot_id != boot_id
            or any(sent_s > now_s for sent_s in self.last_send_s.values())
            or any(until_s > now_s + PUSH_LIMIT_S for until_s in self.not_before_s.values())
        )

    def restamped(self, boot_id: str, now_s: float, lanes: Iterable[str]) -> PaceState:
        """The lease when its times cannot be trusted: as if every lane had sent just now, so each waits one spacing.

        What was learnt about the exchange (margin, lane mode) is no matter of clocks and stays.
        """
        return self.changed(boot_id=boot_id, last_send_s=dict.fromkeys(lanes, now_s), not_before_s={})


def build_trusted_state(
    stored: bytes | None, *, boot_id: str, now_s: float, lanes: Iterable[str], least_margin_s: float
) -> PaceState:
    """The lease that a pace may act on, whatever was found on disk.

    Args:
        stored: The file's bytes; None when there was no file, so that nothing was ever sent from here.
        boot_id: The current boot.
        now_s: The boot clock, in seconds.
        lanes: Every lane of the pace.
        least_margin_s: The configured margin, in seconds.

    Returns:
        The stored lease if it can be true, else one in which every lane has to wait one full spacing from now.
    """
    fresh = PaceState(boot_id=boot_id, margin_s=least_margin_s)
    if stored is None:
        return fresh
    try:
        state = PaceState.model_validate_json(stored)
    except ValidationError:
        return fresh.restamped(boot_id, now_s, lanes)
    state = state.changed(margin_s=max(state.margin_s, least_margin_s))
    return state.restamped(boot_id, now_s, lanes) if state.is_doubtful(boot_id, now_s) else state
