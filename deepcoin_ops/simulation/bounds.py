"""What a night in which nothing interferes has to reach: all proven flat, in time, the largest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from deepcoin_ops.core import judge
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.orders import OrderKind
from deepcoin_ops.simulation.script import Script

_MARGIN_S = 15.0
# One lane reads three lists of an instrument, and a slot with the margin of the pace is longer than a second.
_LISTS_S, _SLOT_S = 3.6, 1.0


def find_latest_end_s(script: Script) -> float:
    """Find how long a flatten takes at most, whatever the exchange does: from its limits and the number of instruments.

    It waits so long for the first read, may send so long, has a last call on its way, and proves so long what is proven.
    """
    limits, count = script.limits, len(script.instruments)
    sends_s = min(limits.sending_time_s + count * limits.close_time_s, limits.max_sending_time_s)
    proves_s = limits.settle_s + limits.proof_time_s + count * limits.list_time_s
    frozen_s = script.freeze[1] if script.freeze else 0.0
    return limits.sending_time_s + sends_s + limits.gap_s + limits.unknown_hold_s + proves_s + frozen_s


def is_bounded(script: Script) -> bool:
    """Whether a script alone says how its night has to end."""
    limits = script.limits
    has_caps = limits.cap_usdt or limits.cap_instrument_usdt or limits.cap_open_instruments
    is_usual = limits.sending_time_s > 100 and limits.cancel_orders.value == "all" and not has_caps
    can_fire = any(each.can_open and each.kind is OrderKind.TRIGGER for each in script.orders)
    return script.is_undisturbed and is_usual and not can_fire and script.again_s is None


def find_excess(
    script: Script, facts: Sequence[f.AnyFact], judgements: Sequence[judge.Judgement], now_s: float
) -> Iterator[tuple[str, str, bool]]:
    """Check the end of such a night: the name of each check, what was seen, whether it is right."""
    left = [each.instrument_id for each in judgements if each.proven not in judge.FLAT]
    yield "not flat", f"{left}", not left
    habits = script.habits
    slowest_s = _LISTS_S * len(script.instruments) + habits.history_lag_s + 3 * script.limits.settle_s + _MARGIN_S
    yield "late", f"over after {now_s:.1f} s, bound {slowest_s:.1f} s", now_s <= slowest_s
    firsts: dict[str, f.Call] = {}
    for fact in facts:
        if isinstance(fact, f.CallIntended) and fact.call.kind.is_close:
            firsts.setdefault(fact.call.instrument_ids[0], fact.call)
    worth = [call.notional_usdt or Decimal("Infinity") for call in firsts.values()]
    waits = any(each.kind is OrderKind.RESTING for each in script.orders)
    yield "not largest first", f"{worth}", waits or worth == sorted(worth, reverse=True)


def find_exposure(closed: Sequence[tuple[float, f.ClosedRow]], prices: dict[str, Decimal]) -> float | None:
    """Weigh the exposure until all was closed against the least that one close a second allows; None without a close."""
    worth: dict[str, float] = {}
    exposure = 0.0
    for at_s, row in closed:
        value = float(row.closed_contracts * prices[row.instrument_id])
        worth[row.instrument_id] = worth.get(row.instrument_id, 0.0) + value
        exposure += value * at_s
    if not closed:
        return None
    first_s = min(at_s for at_s, _row in closed)
    ordered = sorted(worth.values(), reverse=True)
    return exposure / sum(value * (first_s + number * _SLOT_S) for number, value in enumerate(ordered))
