"""The closing row of a flatten: counts, durations, exposure. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from deepcoin_ops.domain.model import FlattenClosing, FlattenResult, InstrumentVerdict, Position
from deepcoin_ops.domain.planning import ClosePlan, MarketData, describe_notional, notional_of
from deepcoin_ops.domain.showing import CELL, show_figure, show_text
from deepcoin_ops.domain.verdicts import residual_notional
from deepcoin_ops.flattening.sending import SendTally


def build_closing(
    flatten_id: str,
    result: FlattenResult,
    reason: str,
    *,
    rounds: int,
    tally: SendTally,
    before: ClosePlan | None,
    verdicts: Sequence[InstrumentVerdict],
    started_s: float,
    ended_s: float,
    proven_s: float | None,
    unconfigured: Mapping[str, str],
) -> FlattenClosing:
    """The closing row of a flatten.

    Args:
        flatten_id: Which one.
        result: How it ended.
        reason: Why it ended, in words.
        rounds: Rounds of sends.
        tally: What was sent.
        before: What was open before the first send, if a complete read showed it.
        verdicts: One per instrument; empty for a dry run.
        started_s: When it began, on this process's monotonic clock; counts where nothing was sent.
        ended_s: Now, on the same clock.
        proven_s: When the read that completed the proof had arrived, on the same clock; None when it is not proven flat.
        unconfigured: What the last complete read shows open in instruments that are neither configured nor expected.
    """
    zero_s = tally.first_slot_s if tally.first_slot_s is not None else started_s
    return FlattenClosing(
        flatten_id=flatten_id,
        result=result,
        reason=reason,
        rounds=rounds,
        sends=tally.sends,
        refused_sends=tally.refused,
        residual_notional_usdt=_find_residual(result, before, verdicts),
        time_to_last_close_s=None if tally.last_answer_s is None else tally.last_answer_s - zero_s,
        time_to_proven_flat_s=None if proven_s is None else proven_s - zero_s,
        exposure_usdt_s=_exposure(before, tally, verdicts, zero_s, ended_s),
        unconfigured=unconfigured,
    )


def describe_end(
    result: FlattenResult,
    *,
    rounds: int,
    sends: int,
    cancels: int,
    fatal_reason: str | None,
    blind_reason: str | None,
    is_interrupted: bool,
    is_past_deadline: bool,
    is_spent: bool,
    unconfigured: Mapping[str, str],
) -> str:
    """Why a flatten that looked at the account ended, for its closing row.

    Args:
        result: How it ended.
        rounds: Rounds of closes.
        sends: Closes sent.
        cancels: Cancels sent.
        fatal_reason: Why nothing more could be sent, if something forbade it for good.
        blind_reason: Why nothing more could be read, likewise.
        is_interrupted: Whether it was asked to stop.
        is_past_deadline: Whether its time for sending was over.
        is_spent: Whether something is open and none of it may be sent again.
        unconfigured: What is open in instruments that are neither configured nor expected, in words.
    """
    beside = f"; {describe_beside(unconfigured)}" if unconfigured else ""
    if fatal_reason is not None:
        reason = f"stopped for good: {fatal_reason}"
    elif blind_reason is not None:
        reason = f"no further read is possible: {blind_reason}"
    elif is_interrupted:
        reason = "interrupted: no new close was sent, answers in flight were awaited and recorded"
    else:
        reason = _describe_round_end(result, is_past_deadline=is_past_deadline, is_spent=is_spent)
        reason += f"{rounds} round(s), {sends} close(s) and {cancels} cancel(s)"
    return reason + beside


def describe_beside(unconfigured: Mapping[str, str]) -> str:
    """What is open outside the configured instruments, in words that can end a sentence or stand alone."""
    listed = ", ".join(f"{show_text(instrument_id, CELL)} {size}" for instrument_id, size in unconfigured.items())
    return f"OPEN AND NOT CONFIGURED, never closed: {listed}"


def _describe_round_end(result: FlattenResult, *, is_past_deadline: bool, is_spent: bool) -> str:
    if result is FlattenResult.FLAT:
        return "proven flat after "
    if is_past_deadline:
        return "the deadline passed after "
    if is_spent:
        return "what is open may not be sent again: refused for good, left alone, or tried too often; "
    return "ended after "


def _find_residual(
    result: FlattenResult, before: ClosePlan | None, verdicts: Sequence[InstrumentVerdict]
) -> Decimal | None:
    """The notional left open, in USDT; None where it is not known. What sent nothing left what it found."""
    if result not in (FlattenResult.REFUSED, FlattenResult.DRY_RUN):
        return residual_notional(verdicts)
    notionals = [line.notional_usdt for line in before.lines] if before else [None]
    known = [notional for notional in notionals if notional is not None]
    return sum(known, Decimal(0)) if len(known) == len(notionals) else None


def _exposure(
    before: ClosePlan | None, tally: SendTally, verdicts: Sequence[InstrumentVerdict], zero_s: float, ended_s: float
) -> Decimal | None:
    """Notional times the seconds it stayed open, over all that was open before, in USDT-seconds.

    What was proven closed counts until its last answer, everything else until now. None where a notional is unknown.
    """
    if before is None or any(line.notional_usdt is None for line in before.lines):
        return None
    closed = {verdict.instrument_id for verdict in verdicts if verdict.verdict.is_closed}
    exposure = Decimal(0)
    for line in before.lines:
        record = tally.records.get(line.instrument_id)
        is_closed = record is not None and record.attempts and line.instrument_id in closed
        until_s = record.settled_s if record is not None and is_closed else ended_s
        exposure += (line.notional_usdt or Decimal(0)) * Decimal(f"{max(0.0, until_s - zero_s):.3f}")
    return exposure


def describe_unconfigured(plan: ClosePlan | None, market: MarketData) -> dict[str, str]:
    """What is open in instruments that are neither configured nor expected: sides and sizes, and the notional if known."""
    rows: dict[str, list[Position]] = {}
    for position in plan.unconfigured if plan else ():
        rows.setdefault(position.instrument_id, []).append(position)
    return {instrument_id: _describe_rows(listed, market) for instrument_id, listed in rows.items()}


def _describe_rows(rows: Sequence[Position], market: MarketData) -> str:
    sizes = ", ".join(f"{row.position_side or 'side unknown'} {show_figure(row.quantity_contracts)}" for row in rows)
    notionals = [notional_of(row, market) for row in rows]
    known = [notional for notional in notionals if notional is not None]
    return f"{sizes} ({describe_notional(sum(known, Decimal(0)))})" if len(known) == len(rows) else sizes
