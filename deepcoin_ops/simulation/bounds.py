"""What a night in which nothing interferes has to reach: all proven flat, in time, the largest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from deepcoin_ops.core import judge
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.orders import OrderKind
from deepcoin_ops.simulation.script import Script

_MARGIN_S = 15.0
_A_CALL_S, _SLOT_S = 2.5, 1.0


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
    slowest_s = _A_CALL_S * len(script.instruments) + habits.history_lag_s + 3 * script.limits.settle_s + _MARGIN_S
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
