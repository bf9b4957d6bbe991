"""A night's script as a paper exchange at its start: the same account, and the same things go wrong. Times are divided.

What a script leaves to chance (a habit between 0 and 1) has no counterpart here and is refused.
"""

from __future__ import annotations

from decimal import Decimal

from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.model import PositionSide
from deepcoin_ops.domain.orders import OrderKind
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.listing import PaperInstrument
from deepcoin_ops.paper.open_questions import ClosingRules, OrderRules
from deepcoin_ops.paper.order_records import OrderKind as PaperKind
from deepcoin_ops.paper.order_records import PaperOrder
from deepcoin_ops.paper.scenario import LimitSettings, PaperAccount, PaperPosition, Scenario
from deepcoin_ops.simulation.script import Habits, LimitLaw, Script
from deepcoin_ops.simulation.strikes import Fate, Strike

ACCOUNT = "main"
DECIDES_S = 1.0  # how long the guards take in all these nights
SLOW_S = 6.0  # as the model exchange has it
# Far below the spacing of the lanes: the limits of the exchange are held against the pace elsewhere.
_PERIOD_S = 0.005
_BATCH, _BY_IDS = "batch-close-position", "close-position-by-ids"
_HISTORIES = ("positions-history", "trade/fills", "orders-history", "trigger-orders-history")
_ENDPOINTS = {
    f.Lane.CLOSE: (_BATCH, _BY_IDS),
    f.Lane.CANCEL_RESTING: ("batch-cancel-order",),
    f.Lane.CANCEL_SINGLE: ("cancel-trigger-order", "cancel-position-sltp"),
    f.Lane.POSITIONS: ("account/positions",),
    f.Lane.RESTING: ("v2/orders-pending",),
    f.Lane.TRIGGER: ("trigger-orders-pending",),
    f.Lane.HISTORY: ("positions-history", "trade/fills"),
    f.Lane.ORDER_END: ("trade/orders-history", "trigger-orders-history"),
}
_ACTIONS = {
    Fate.THROTTLED: {"action": FaultAction.THROTTLE},
    Fate.FATAL: {"action": FaultAction.AUTH_ERROR, "auth_code": "50113"},
    Fate.REJECTED: {"action": FaultAction.ERROR_ITEMS},
    Fate.SILENT: {"action": FaultAction.DELAY, "is_executed": False},
    Fate.PARTIAL: {"action": FaultAction.HALF_CLOSED},
    Fate.LOST_BEFORE: {"action": FaultAction.HANG, "is_executed": False},
    Fate.LOST_AFTER: {"action": FaultAction.HANG},
    Fate.GARBLED: {"action": FaultAction.HTML},
    Fate.SLOW: {"action": FaultAction.DELAY},
    Fate.FAILED: {"action": FaultAction.SERVER_ERROR},
    Fate.LEFT_OUT: {"action": FaultAction.LEFT_OUT},
}
_EVER = {"call": None}


def build_scenario(script: Script, speed: float) -> Scenario:
    """Build the exchange of a night that goes so many times faster than its script says.

    Raises:
        ValueError: The script leaves to chance what the paper exchange does by numbers.
    """
    habits = script.habits
    assert script.decides_s == DECIDES_S, "the guards of a simulated night would take a while of their own"
    if not _is_certain(habits):
        raise ValueError(f"night {script.seed} leaves to chance what the wire does by numbers: {habits}")
    return Scenario(
        instruments=tuple(_list(script, number, name) for number, name in enumerate(script.instruments)),
        accounts=(PaperAccount(ACCOUNT, tuple(_hold(script)), tuple(_place(script))),),
        faults=tuple(_build_faults(script, speed)),
        limits=LimitSettings(period_s=_PERIOD_S, retry_after="0"),
        # The model's orders hold no size, and its exits stay when their position is gone.
        closing=ClosingRules(freezes_size=False),
        ordering=OrderRules(protection_ends=False, list_lag_s=habits.read_lag_s / speed),
        read_lag_s=habits.read_lag_s / speed,
    )


def _is_certain(habits: Habits) -> bool:
    chances = (
        habits.slow, habits.lost_before, habits.lost_after, habits.garbled, habits.partial, habits.silent, habits.rejected,
        habits.not_sent, habits.fails_read, habits.hangs, habits.cuts, habits.omit, habits.fatal,
    )  # fmt: skip
    return not any(chances) and habits.fills_on_cancel in (0.0, 1.0) and habits.law is LimitLaw.OWN and not habits.hides_s


def _list(script: Script, number: int, name: str) -> PaperInstrument:
    """One instrument, at the price that the process of a simulated night learns."""
    return PaperInstrument(
        name, Decimal(1 + number), min_size=script.min_size, is_listed=name not in script.unlisted, tick_size=Decimal(1)
    )


def _hold(script: Script) -> list[PaperPosition]:
    return [
        PaperPosition(
            name,
            PositionSide(side or "long"),
            quantity,
            merge_mode="merge" if side == "short" else "split",  # the model knows split ones alone, the exchange both
            is_leading=name in script.copied,
        )
        for name, side, quantity in script.positions
        if name not in script.unreadable  # their rows come as a strange one
    ]


def _place(script: Script) -> list[PaperOrder]:
    return [
        PaperOrder(
            placed.instrument_id,
            PositionSide.LONG,
            Decimal(0) if placed.kind is OrderKind.PROTECTION else Decimal(5),
            PaperKind(placed.kind.lower()),
            is_closing=not placed.can_open,
            price=Decimal(1),
            merge_mode="split",
            fills_before_cancel=placed.can_open and script.habits.fills_on_cancel == 1.0,
        )
        for placed in script.orders
    ]


def _build_faults(script: Script, speed: float) -> list[Fault]:
    habits, faults = script.habits, []
    for strike in script.strikes:
        faults += _build_strike(script, strike, speed)
    if habits.throttles_first:
        faults.append(Fault(FaultAction.THROTTLE, until_call=habits.throttles_first))
    if habits.ids_useless:
        faults.append(Fault(FaultAction.ERROR_ITEMS, _BY_IDS, error_code=51404, **_EVER))
    for name in script.market_closed:
        faults += [
            Fault(FaultAction.ERROR_ITEMS, each, instrument_id=name, error_code=51999, **_EVER)
            for each in (_BATCH, _BY_IDS)
        ]
    if script.unreadable:
        faults.append(Fault(FaultAction.STRANGE_ROW, "account/positions", **_EVER))
    if habits.history_lag_s:
        lag_s = habits.history_lag_s / speed
        faults += [Fault(FaultAction.STALE_READ, each, delay_s=lag_s, **_EVER) for each in _HISTORIES]
    return faults


def _build_strike(script: Script, strike: Strike, speed: float) -> list[Fault]:
    """The same calls go wrong. Where a strike ends, its calls of a lane with two endpoints are those of the first."""
    endpoints = _ENDPOINTS[strike.lane] if strike.last is None else _ENDPOINTS[strike.lane][:1]
    turns = (
        _EVER if (strike.first, strike.last) == (1, None) else {"call": strike.first, "until_call": strike.last or 10**6}
    )
    fields = {**_ACTIONS[strike.fate], **turns, "delay_s": SLOW_S / speed if strike.fate is Fate.SLOW else 0.0}
    if strike.fate is Fate.LEFT_OUT:
        [side] = {side for name, side, _quantity in script.positions if name == strike.instrument_id}
        assert sum(each == side for _name, each, _quantity in script.positions) == 1, "another row has this side"
        fields["position_side"] = PositionSide(side)
    elif strike.lane in (f.Lane.CLOSE, f.Lane.TRIGGER):
        fields["instrument_id"] = strike.instrument_id
    else:
        assert strike.instrument_id is None, "such a request names no instrument"
    return [Fault(endpoint=each, **fields) for each in endpoints]
