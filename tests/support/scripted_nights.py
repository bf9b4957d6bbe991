"""Thirty-six nights with names, for the simulator and for the wire, each with the verdicts and causes that are right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
from wire_scenario import DECIDES_S

from deepcoin_ops.core.judge import Judgement
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.limits import Limits
from deepcoin_ops.domain.orders import CancelOrders, OrderKind
from deepcoin_ops.simulation.script import Habits, Placed, Script
from deepcoin_ops.simulation.strikes import Fate, Strike

A, B, C, D = (f"C{number:03d}-USDT-SWAP" for number in range(4))
SPOT, DUST = "SPOTA-USDT", "SPOTB-USDT"
_CERTAIN = Habits(fill_s=(0.0, 0.0), read_lag_s=1.5, history_lag_s=0.0)
_BOTH = ((A, "long", Decimal(100)), (B, "short", Decimal(100)))  # B is worth twice as much
_ALONE = _BOTH[:1]
_EVER = {"first": 1, "last": None}

Verdicts = dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Summary:
    """What both sides have to agree on: verdict and cause by instrument, and the sends in their order."""

    verdicts: Verdicts
    sends: list[str]


def summarise(facts: Iterable[f.AnyFact], judgements: Iterable[Judgement]) -> Summary:
    """Keep of a night what does not depend on its moments."""
    verdicts = {each.instrument_id: (str(each.proven), each.cause) for each in judgements}
    calls = [fact.call for fact in facts if isinstance(fact, f.CallIntended)]
    return Summary(verdicts, [f"{call.kind} {', '.join(call.instrument_ids)}" for call in calls])


def _night(
    *instruments: str,
    positions: tuple[tuple[str, str, Decimal], ...] = _ALONE,
    limits: dict[str, Any] | None = None,
    **more: Any,
) -> Script:
    chosen = msgspec.structs.replace(Limits(), **(limits or {}))
    return Script(
        **{"seed": 1, "decides_s": DECIDES_S, "habits": _CERTAIN, **more},
        instruments=instruments,
        positions=positions,
        limits=chosen,
    )


def _habits(**more: Any) -> Habits:
    return Habits(**{"fill_s": (0.0, 0.0), "read_lag_s": 1.5, "history_lag_s": 0.0, **more})


def _waiting(kind: OrderKind, instrument: str) -> tuple[Placed, ...]:
    return (Placed(instrument, kind, can_open=kind is not OrderKind.PROTECTION),)


def _strike(fate: Fate, instrument: str | None = None, **more: Any) -> Strike:
    return Strike(fate, instrument_id=instrument, **more)


def _flat(*instruments: str) -> Verdicts:
    return dict.fromkeys(instruments, ("FLAT", ""))


def _left(cause: str, *instruments: str) -> Verdicts:
    return dict.fromkeys(instruments, ("RESIDUAL", cause))


_FOUR = tuple((name, "long", Decimal(100)) for name in (A, B, C, D))
_SHORT = {"sending_time_s": 8.0, "close_time_s": 0.0, "proof_time_s": 4.0, "list_time_s": 0.0}
_NO_SECOND_LIST = _strike(Fate.FAILED, lane=f.Lane.POSITIONS, first=2, last=None)
# What is closed is looked at again 6 s later, so that what happens to the process at 4.5 s comes well between.
_UNHURRIED = {"settle_s": 6.0}

NIGHTS: dict[str, tuple[Script, Verdicts]] = {
    # what is open
    "one position": (_night(A), _flat(A)),
    "the largest goes first": (_night(A, B, C, positions=_FOUR[:3]), _flat(A, B, C)),
    "nothing is open": (_night(A, B, positions=()), dict.fromkeys((A, B), ("ALREADY_FLAT", ""))),
    "a contract and spot, of which one is dust": (
        _night(
            A,
            SPOT,
            DUST,
            positions=((A, "long", Decimal(100)), (SPOT, "", Decimal(50)), (DUST, "", Decimal(3))),
            min_size=Decimal(10),
        ),
        {**_flat(A, SPOT), DUST: ("ALREADY_FLAT", "")},
    ),
    "copy trading is left": (
        _night(A, B, positions=_BOTH, copied=frozenset({A})),
        {**_left("COPY_TRADING", A), **_flat(B)},
    ),
    "long and short, of copy trading that is closed": (
        _night(
            A,
            positions=((A, "long", Decimal(100)), (A, "short", Decimal(40))),
            copied=frozenset({A}),
            limits={"close_copy_trading": True},
        ),
        _flat(A),
    ),
    "an instrument is not listed": (
        _night(A, B, positions=_BOTH, unlisted=frozenset({A})),
        {**_left("UNLISTED", A), **_flat(B)},
    ),
    "a row cannot be placed": (
        _night(A, B, positions=_BOTH, unreadable=frozenset({B}), limits={"proof_time_s": 8.0}),
        dict.fromkeys((A, B), ("UNVERIFIED", "UNREADABLE_ROW")),
    ),
    "more is open than the cap allows": (
        _night(A, B, positions=_BOTH, limits={"cap_usdt": Decimal(250)}),
        _left("ABOVE_CAP", A, B),
    ),
    # what closes are answered
    "one close does nothing, one is slow, one takes half": (
        _night(
            A,
            B,
            C,
            positions=_FOUR[:3],
            limits={"max_in_flight": 1},
            strikes=(_strike(Fate.PARTIAL, A), _strike(Fate.SLOW, B), _strike(Fate.SILENT, C)),
        ),
        _flat(A, B, C),
    ),
    "closes do nothing": (
        _night(A, B, positions=_BOTH, limits={"max_attempts": 3}, strikes=(_strike(Fate.SILENT, A, **_EVER),)),
        {**_left("MAX_ATTEMPTS", A), **_flat(B)},
    ),
    "a single attempt": (
        _night(A, B, positions=_BOTH, limits={"max_attempts": 1}, strikes=(_strike(Fate.SILENT, None, **_EVER),)),
        _left("MAX_ATTEMPTS", A, B),
    ),
    "a market is closed": (
        _night(A, B, positions=_BOTH, market_closed=frozenset({A})),
        {**_left("51999", A), **_flat(B)},
    ),
    "rows are named as left once": (_night(A, B, positions=_BOTH, strikes=(_strike(Fate.REJECTED, A),)), _flat(A, B)),
    "ids are of no use": (_night(A, habits=_habits(ids_useless=True), strikes=(_strike(Fate.REJECTED, A),)), _flat(A)),
    "a list fails once, two closes are throttled": (
        _night(
            A, B, positions=_BOTH, habits=_habits(throttles_first=2), strikes=(_strike(Fate.FAILED, lane=f.Lane.POSITIONS),)
        ),
        _flat(A, B),
    ),
    "the key is frozen": (
        _night(A, B, positions=_BOTH, limits={"max_in_flight": 1}, strikes=(_strike(Fate.FATAL),)),
        _left("50113", A, B),
    ),
    "a close is lost, an answer is lost, another is slow": (
        _night(
            A,
            B,
            C,
            positions=_FOUR[:3],
            strikes=(_strike(Fate.LOST_BEFORE, A), _strike(Fate.LOST_AFTER, B), _strike(Fate.SLOW, C)),
        ),
        _flat(A, B, C),
    ),
    "three outcomes are unknown, and no read follows": (
        _night(
            A,
            B,
            C,
            D,
            positions=_FOUR,
            limits={"max_in_flight": 1, **_SHORT},
            strikes=(_strike(Fate.GARBLED, last=3), _NO_SECOND_LIST),
        ),
        dict.fromkeys((A, B, C, D), ("UNVERIFIED", "SEEN_OPEN")),
    ),
    # orders
    "a resting order": (_night(A, B, positions=_BOTH, orders=_waiting(OrderKind.RESTING, B)), _flat(A, B)),
    "a trigger order, of which the first cancel does nothing": (
        _night(
            A,
            B,
            positions=_BOTH,
            orders=_waiting(OrderKind.TRIGGER, B),
            strikes=(_strike(Fate.SILENT, lane=f.Lane.CANCEL_SINGLE),),
        ),
        _flat(A, B),
    ),
    "an order stays by the settings": (
        _night(A, orders=_waiting(OrderKind.RESTING, A), limits={"cancel_orders": CancelOrders.NONE}),
        {A: ("RESTING_ORDER_LEFT", "ORDER_LEFT")},
    ),
    "an exit goes after its position, the history is late": (
        _night(A, B, positions=_BOTH, orders=_waiting(OrderKind.PROTECTION, A), habits=_habits(history_lag_s=9.0)),
        _flat(A, B),
    ),
    "an order fills while it is cancelled": (
        _night(A, positions=(), orders=_waiting(OrderKind.RESTING, A), habits=_habits(fills_on_cancel=1.0)),
        _flat(A),
    ),
    # reads
    "no list of positions comes": (
        _night(A, limits={"sending_time_s": 10.0}, strikes=(_strike(Fate.FAILED, lane=f.Lane.POSITIONS, **_EVER),)),
        {A: ("UNVERIFIED", "NOT_READ")},
    ),
    "no second list of positions comes": (
        _night(
            A,
            B,
            positions=_BOTH,
            limits={"freshness_s": 4.6, **_SHORT},
            habits=_habits(throttles_first=10),
            strikes=(_NO_SECOND_LIST,),
        ),
        dict.fromkeys((A, B), ("UNVERIFIED", "SEEN_OPEN")),
    ),
    "a trigger list never comes": (
        _night(A, limits={"proof_time_s": 8.0}, strikes=(_strike(Fate.FAILED, A, lane=f.Lane.TRIGGER, **_EVER),)),
        {A: ("UNVERIFIED", "LIST_MISSING")},
    ),
    "the history never comes": (
        _night(A, limits={"presence_s": 5.0}, strikes=(_strike(Fate.FAILED, lane=f.Lane.HISTORY, **_EVER),)),
        {A: ("FLAT_UNCONFIRMED", "HISTORY")},
    ),
    "a row is left out while its closes do nothing": (
        _night(
            A,
            B,
            positions=_BOTH,
            limits={**_UNHURRIED, "presence_s": 5.0},
            strikes=(
                _strike(Fate.LEFT_OUT, A, lane=f.Lane.POSITIONS, first=2, last=None),
                _strike(Fate.SILENT, A, **_EVER),
            ),
        ),
        {A: ("FLAT_UNCONFIRMED", "HISTORY"), **_flat(B)},
    ),
    # people, process, time
    "others open again": (_night(A, B, positions=_BOTH, reopens=((5.5, B),)), _flat(A, B)),
    "others open again, and it stays": (
        _night(A, B, positions=_BOTH, reopens=((5.5, B),), limits={"close_reopened": False}),
        {**_flat(A), **_left("REOPENED", B)},
    ),
    "killed while a close waits for its answer": (
        _night(A, B, positions=_BOTH, kills_s=(4.5,), strikes=(_strike(Fate.SLOW, B),)),
        _flat(A, B),
    ),
    "stopped, and nothing that was closed is": (
        _night(A, B, positions=_BOTH, stop_s=4.5, limits=_UNHURRIED, strikes=(_strike(Fate.SILENT, None, **_EVER),)),
        _left("INTERRUPTED", A, B),
    ),
    "the kill switch is on": (
        _night(A, B, positions=_BOTH, kill_switch_s=4.5, limits=_UNHURRIED, strikes=(_strike(Fate.SILENT, None, **_EVER),)),
        _left("KILL_SWITCH", A, B),
    ),
    "a guard denies it": (_night(A, is_denied=True), _left("NOT_ARMED", A)),
    "the time for sending is over": (
        _night(
            A,
            B,
            positions=_BOTH,
            limits={**_UNHURRIED, "sending_time_s": 4.5, "close_time_s": 0.0},
            strikes=(_strike(Fate.SILENT, None, **_EVER),),
        ),
        _left("DEADLINE", A, B),
    ),
}
