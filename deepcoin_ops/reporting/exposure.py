"""How much of an account was still open while a flatten worked: from the day's frames to steps over time. Pure.

An answer says nothing about sizes, so a level is what was read: of an instrument it is its value before each close, and
after the last one what the flatten found in the end. It changes when the answer (or the timeout) came. A close that was
refused or never left changes nothing. What no read has settled stays open in the picture until the flatten ends, and the
picture ends with the residual notional of the flatten's own summary, where that is known.

An instrument for which nothing was sent is in the picture of the flatten that decides about it; one without a price is
named and left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import zip_longest
from typing import Any

from deepcoin_ops.domain.model import Outcome
from deepcoin_ops.reporting.day import DayFrames, list_rows

_WITHOUT_EFFECT = {Outcome.REFUSED.value, Outcome.NOT_SENT.value}
_Row = Mapping[str, Any]


@dataclass(frozen=True)
class ExposureStep:
    """From this moment on so much is open: seconds since the first send, and USDT."""

    at_s: float
    open_usdt: Decimal


@dataclass(frozen=True)
class FlattenExposure:
    """One flatten that sent something.

    `steps` begin at 0 s and end when the flatten did. `instruments` counts those that a close was sent for, `unpriced`
    names what has no price. `left_usdt` is the residual notional, None where nobody knows it. Durations are seconds since
    the first send slot, None where it never came to that.
    """

    account: str
    flatten_id: str
    began_at: datetime
    steps: tuple[ExposureStep, ...]
    instruments: int
    unpriced: tuple[str, ...]
    left_usdt: Decimal | None
    last_close_s: float | None
    proven_flat_s: float | None

    def limit_s(self, close_period_s: float) -> float:
        """The least time in which the exchange takes one close of each of its instruments: the first one waits for none."""
        return max(0, self.instruments - 1) * close_period_s


@dataclass(frozen=True)
class _Level:
    """An instrument's value from a moment on; no moment means when the flatten ended."""

    at_s: float | None
    open_usdt: Decimal


@dataclass(frozen=True)
class _Flatten:
    """One flatten's rows: its summary, its closes, what it read last; and all that the day's reconciliation says."""

    summary: _Row
    attempts: Sequence[_Row]
    read_last: Sequence[_Row]
    found: Sequence[_Row]

    @property
    def began_at(self) -> datetime:
        """When the first close left."""
        return min(_left_at(attempt) for attempt in self.attempts)

    def decided(self, instrument_id: str) -> list[_Row]:
        """The rows, one per side, in which this flatten has the day's word on an instrument."""
        wanted = (self.summary["flatten_id"], instrument_id)
        return [row for row in self.found if (row["flatten_id"], row["instrument_id"]) == wanted]


def build_exposures(frames: DayFrames) -> list[FlattenExposure]:
    """The exposure of each flatten that sent something, in the order of the summary."""
    attempts, read_last, found = (
        list_rows(frame) for frame in (frames.close_attempts, frames.positions_after, frames.reconciliation)
    )
    exposures = []
    for summary in list_rows(frames.flatten_summary):
        own_attempts, own_reads = (
            [row for row in rows if row["flatten_id"] == summary["flatten_id"]] for rows in (attempts, read_last)
        )
        if own_attempts:
            exposures.append(_build_exposure(_Flatten(summary, own_attempts, own_reads, found)))
    return exposures


def group_by_account(exposures: Sequence[FlattenExposure]) -> dict[str, list[FlattenExposure]]:
    """The exposures of each account that has any, by name."""
    accounts = sorted({each.account for each in exposures})
    return {account: [each for each in exposures if each.account == account] for account in accounts}


def _build_exposure(flatten: _Flatten) -> FlattenExposure:
    summary = flatten.summary
    named = list(dict.fromkeys(attempt["instrument_id"] for attempt in flatten.attempts))
    untouched = [row["instrument_id"] for row in flatten.found if _is_untouched(row, summary)]
    courses = {instrument_id: _build_course(flatten, instrument_id) for instrument_id in named}
    courses |= {instrument_id: _build_untouched(flatten.decided(instrument_id)) for instrument_id in untouched}
    return FlattenExposure(
        account=summary["account"],
        flatten_id=summary["flatten_id"],
        began_at=flatten.began_at,
        steps=_add_up([course for course in courses.values() if course is not None], summary, flatten.began_at),
        instruments=len(named),
        unpriced=tuple(sorted(name for name, course in courses.items() if course is None)),
        left_usdt=summary["residual_notional_usdt"],
        last_close_s=summary["time_to_last_close_s"],
        proven_flat_s=summary["time_to_proven_flat_s"],
    )


def _build_course(flatten: _Flatten, instrument_id: str) -> list[_Level] | None:
    """The levels of an instrument that closes were sent for, the first one at 0 s; None without a price."""
    sent = [attempt for attempt in flatten.attempts if attempt["instrument_id"] == instrument_id]
    if any(attempt["notional_usdt"] is None for attempt in sent):
        return None
    left_usdt = _find_left(flatten, instrument_id, sent[-1])
    course = [_Level(0.0, sent[0]["notional_usdt"])]
    effective = [attempt for attempt in sent if attempt["outcome"] not in _WITHOUT_EFFECT]
    for attempt, following in zip_longest(effective, effective[1:]):
        after = following["notional_usdt"] if following else left_usdt
        answered_at = attempt["answered_at"] or (following and _left_at(following))
        if after is not None:
            course.append(_Level(_seconds(flatten.began_at, answered_at) if answered_at else None, after))
    if not effective and left_usdt is not None:
        course.append(_Level(None, left_usdt))
    return course


def _find_left(flatten: _Flatten, instrument_id: str, last_attempt: _Row) -> Decimal | None:
    """What a flatten left open of an instrument; None where no read of it counts.

    The day's word, where this flatten has it; else its last read, valued as before its last close. Where the residual
    notional is known, that read was late enough to count.
    """
    decided = [row["notional_after_usdt"] for row in flatten.decided(instrument_id)]
    if decided:
        return None if None in decided else sum(decided, Decimal(0))
    if flatten.summary["residual_notional_usdt"] is None:
        return None
    rows = [row for row in flatten.read_last if row["instrument_id"] == instrument_id]
    sizes = [row["quantity_contracts"] for row in rows]
    if None in sizes or not last_attempt["quantity_contracts"]:
        return None
    quantity = sum(sizes, Decimal(0))
    left: Decimal = last_attempt["notional_usdt"] * quantity / last_attempt["quantity_contracts"]
    return left


def _is_untouched(row: _Row, summary: _Row) -> bool:
    """Whether a reconciliation row tells of something open that this flatten answers for and nobody sent a close for."""
    is_own = row["flatten_id"] == summary["flatten_id"] and row["verdict"] is not None
    return is_own and not row["attempts"] and bool(row["quantity_before_contracts"])


def _build_untouched(sides: Sequence[_Row]) -> list[_Level] | None:
    before, after = ([side[name] for side in sides] for name in ("notional_before_usdt", "notional_after_usdt"))
    if None in before:
        return None
    course = [_Level(0.0, sum(before, Decimal(0)))]
    return course if None in after else [*course, _Level(None, sum(after, Decimal(0)))]


def _add_up(courses: Sequence[Sequence[_Level]], summary: _Row, began_at: datetime) -> tuple[ExposureStep, ...]:
    """All instruments together, one step for each moment at which something changed, and one for the end."""
    moments = {level.at_s for course in courses for level in course if level.at_s is not None}
    ended_s = _find_end(summary, began_at, max(moments, default=0.0))
    steps = []
    for at_s in sorted({0.0, *moments, ended_s}):
        levels = [_level_at(course, at_s, ended_s) for course in courses]
        steps.append(ExposureStep(at_s, sum(levels, Decimal(0))))
    if summary["residual_notional_usdt"] is not None:
        steps[-1] = ExposureStep(ended_s, summary["residual_notional_usdt"])
    return tuple(steps)


def _level_at(course: Sequence[_Level], at_s: float, ended_s: float) -> Decimal:
    return [level.open_usdt for level in course if (ended_s if level.at_s is None else level.at_s) <= at_s][-1]


def _find_end(summary: _Row, began_at: datetime, last_s: float) -> float:
    """When the proof was complete, else when the closing row was written, else the last thing that is known."""
    ended_s = summary["time_to_proven_flat_s"]
    if ended_s is None and summary["closed_at"] is not None:
        ended_s = _seconds(began_at, summary["closed_at"])
    return max(last_s, ended_s or 0.0)


def _seconds(began_at: datetime, moment: datetime) -> float:
    """Never before the beginning: the wall clock may have been put back meanwhile."""
    return max(0.0, (moment - began_at).total_seconds())


def _left_at(attempt: _Row) -> datetime:
    moment: datetime = attempt["sent_at"] or attempt["intent_at"]
    return moment
