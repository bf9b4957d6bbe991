"""What happens in a night, drawn from its seed: the exchange's habits, the positions, the people, the process."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

import msgspec

from deepcoin_ops.domain.limits import Limits
from deepcoin_ops.domain.orders import CancelOrders, OrderKind
from deepcoin_ops.simulation.strikes import Fate, Strike

Span = tuple[float, float]
_Some = TypeVar("_Some")
_FEW = 6  # instruments of a night in which much goes wrong: more of them only take longer


class LimitLaw(StrEnum):
    """How the exchange limits requests of an account.

    OWN:    each endpoint allows one a second.
    SHARED: all endpoints together allow one a second.
    TIERED: as OWN, but lists of trigger orders allow five a second and 150 a minute.
    """

    OWN = "OWN"
    SHARED = "SHARED"
    TIERED = "TIERED"


@dataclass(frozen=True)
class Habits:
    """How the exchange behaves. Chances are per event, durations seconds.

    An exchange keeps its word while what it did shows within the settle time: `fill_s` and `read_lag_s` together stay
    below it, and no read leaves an open row out (`omit`). `hides_s` is how long a position opened by an order stays out of
    every read; `fires_limit` that a trigger order which fires leaves a resting one; `throttles_first` how many closes are
    throttled at first; `ids_useless` that closes by ids find nothing; `hangs` that a read is never answered; `cuts` that a
    list ends early, and says so; `ledger_s` how long a record takes.
    """

    up_s: Span = (0.01, 0.05)
    down_s: Span = (0.02, 0.1)
    fill_s: Span = (0.0, 0.3)
    read_lag_s: float = 1.5
    history_lag_s: float = 2.0
    slow: float = 0.0
    lost_before: float = 0.0
    lost_after: float = 0.0
    garbled: float = 0.0
    partial: float = 0.0
    silent: float = 0.0
    rejected: float = 0.0
    not_sent: float = 0.0
    fails_read: float = 0.0
    hangs: float = 0.0
    cuts: float = 0.0
    omit: float = 0.0
    fills_on_cancel: float = 0.0
    fires_limit: float = 0.0
    fatal: float = 0.0
    law: LimitLaw = LimitLaw.OWN
    has_history: bool = True
    leaves_named: bool = False
    ids_useless: bool = False
    throttles_first: int = 0
    hides_s: float = 0.0
    page_size: int = 100
    ledger_s: Span = (0.0, 0.0)

    @property
    def keeps_word(self) -> bool:
        """Whether reads show within the settle time what was done, and leave nothing out."""
        return self.omit == 0.0 and self.hides_s == 0.0

    @property
    def is_smooth(self) -> bool:
        """Whether nothing goes wrong on the way or at the exchange."""
        chances = (
            self.slow, self.lost_before, self.lost_after, self.garbled, self.partial, self.silent, self.rejected,
            self.not_sent, self.fails_read, self.hangs, self.cuts, self.omit, self.fills_on_cancel, self.fatal,
            self.throttles_first,
        )  # fmt: skip
        is_odd = self.ids_useless or not self.has_history or self.law is LimitLaw.SHARED
        return not any(chances) and not is_odd and not self.hides_s


@dataclass(frozen=True)
class Placed:
    """A waiting order at the beginning of the night."""

    instrument_id: str
    kind: OrderKind
    can_open: bool


@dataclass(frozen=True)
class Script:
    """One night. Instruments and positions are what the account has; people and process act at moments in seconds.

    Attributes:
        positions: Instrument, side and contracts.
        copied: Instruments whose rows are of copy trading.
        unlisted: Instruments that the exchange does not list.
        unreadable: Instruments whose rows come in a spelling that cannot be placed.
        market_closed: Instruments whose closes are answered with a code, always the same.
        misnamed: Instruments of which every call is called wrong.
        listless: Instruments whose list of trigger orders is not to be had.
        min_size: The smallest order of a spot instrument.
        reopens, closes, places: When others open a position, close one, place an order that can open one.
        fires, removals: When a resting or trigger order fills, and when an order of others' goes.
        rivals_s: When another process without this ledger closes what is open, and uses up a slot.
        kills_s, reboots: When the process dies; whether the machine restarts with it.
        stop_s, kill_switch_s, freeze: When the process is asked to stop, sees the switch, is frozen.
        ledger_lost: From when, and for how long, nothing can be recorded.
        is_denied, ends_sending, is_planned: A guard denies the flatten; its op that sends ends before the proof; it only
            plans.
        again_s: How long after its end another flatten of the account begins.
        has_market: Whether prices and the list of instruments can be read.
        is_quick: Whether the lanes send as the tiers allow.
        merges: Whether positions of one side are one, under an id that is used again.
        decides_s: How long the guards take after the first complete read; drawn where it is None.
        strikes: Calls and reads that go wrong by their numbers.
    """

    seed: int
    instruments: tuple[str, ...]
    positions: tuple[tuple[str, str, Decimal], ...] = ()
    orders: tuple[Placed, ...] = ()
    habits: Habits = field(default_factory=Habits)
    limits: Limits = field(default_factory=Limits)
    copied: frozenset[str] = frozenset()
    unlisted: frozenset[str] = frozenset()
    unreadable: frozenset[str] = frozenset()
    market_closed: frozenset[str] = frozenset()
    misnamed: frozenset[str] = frozenset()
    listless: frozenset[str] = frozenset()
    min_size: Decimal = Decimal(1)
    reopens: tuple[tuple[float, str], ...] = ()
    closes: tuple[tuple[float, str], ...] = ()
    places: tuple[tuple[float, str], ...] = ()
    fires: tuple[float, ...] = ()
    removals: tuple[float, ...] = ()
    rivals_s: tuple[float, ...] = ()
    kills_s: tuple[float, ...] = ()
    reboots: bool = False
    stop_s: float | None = None
    kill_switch_s: float | None = None
    freeze: Span | None = None
    ledger_lost: Span | None = None
    is_denied: bool = False
    ends_sending: bool = False
    is_planned: bool = False
    again_s: float | None = None
    has_market: bool = True
    is_quick: bool = False
    merges: bool = False
    decides_s: float | None = None
    strikes: tuple[Strike, ...] = ()

    @property
    def keeps_word(self) -> bool:
        """Whether the exchange keeps its word in its habits, and no strike leaves a row out."""
        return self.habits.keeps_word and all(each.fate is not Fate.LEFT_OUT for each in self.strikes)

    @property
    def shows_rest(self) -> bool:
        """Whether reads leave nothing out but what an order opened, and others close nothing that stands for it."""
        others = self.reopens or self.closes or self.rivals_s
        return self.habits.omit == 0.0 and not others and all(each.fate is not Fate.LEFT_OUT for each in self.strikes)

    @property
    def is_undisturbed(self) -> bool:
        """Whether the flatten acts alone, on an exchange without a fault."""
        people = (
            self.reopens, self.closes, self.places, self.fires, self.removals, self.rivals_s, self.kills_s, self.stop_s,
            self.kill_switch_s, self.freeze, self.ledger_lost,
        )  # fmt: skip
        odd = (
            self.copied, self.unlisted, self.unreadable, self.market_closed, self.misnamed, self.listless, self.is_denied,
            self.is_planned, self.ends_sending, not self.has_market,
            self.is_quick and self.habits.law is not LimitLaw.TIERED, self.strikes,
        )  # fmt: skip
        return self.habits.is_smooth and not any(people) and not any(odd)


def draw(seed: int) -> Script:
    """Draw the night of a seed. The same seed is the same night."""
    rng = random.Random(seed)  # noqa: S311 - a night has to be repeatable
    maybe = rng.random
    count = rng.choice((1, 1, 2, 2, 3, 3, 4, 6)) if maybe() > 0.05 else rng.randint(40, 60)
    instruments = [f"C{number:03d}-USDT-SWAP" for number in range(count)]
    if maybe() < 0.2:
        instruments.append("SPOTA-USDT")
    opened = [name for name in instruments if maybe() < 0.7]
    positions = [
        (name, side, Decimal(rng.randint(1, 200)))
        for name in opened
        for side in ((("long",), ("short",), ("long", "short"))[rng.randrange(3)] if name.endswith("SWAP") else ("",))
    ]
    orders = [
        Placed(rng.choice(instruments), kind, can_open=maybe() < 0.6 and kind is not OrderKind.PROTECTION)
        for kind, counts in ((OrderKind.RESTING, (0, 0, 0, 1, 3, 30)), (OrderKind.TRIGGER, (0, 0, 1, 2)))
        for _ in range(rng.choice(counts))
    ]
    orders += [Placed(name, OrderKind.PROTECTION, can_open=False) for name in opened[:3] if maybe() < 0.2]
    orders += [Placed(name, OrderKind.TRAILING, can_open=False) for name in opened[:2] if maybe() < 0.1]
    if maybe() < 0.15:  # nothing interferes
        habits = Habits(read_lag_s=rng.choice((0.0, 1.5)), history_lag_s=rng.choice((0.0, 5.0)), leaves_named=maybe() < 0.2)
        return Script(seed, tuple(instruments), tuple(positions), tuple(orders), habits)

    def few(share: float) -> frozenset[str]:
        return frozenset(name for name in instruments if maybe() < share)

    if maybe() < 0.04:
        return _draw_fired(seed, rng)
    if maybe() < 0.04:
        return _draw_crowded(seed, rng, tuple(instruments), tuple(positions))
    if maybe() < 0.04:
        return _draw_stopped(seed, rng, tuple(instruments), tuple(positions), tuple(orders))
    script = Script(
        seed=seed,
        instruments=tuple(instruments),
        positions=tuple(positions),
        orders=tuple(orders),
        habits=_draw_habits(rng),
        limits=_draw_limits(rng),
        copied=few(0.1) if maybe() < 0.2 else frozenset(),
        unlisted=few(0.1) if maybe() < 0.1 else frozenset(),
        unreadable=few(0.3) if maybe() < 0.1 else frozenset(),
        market_closed=few(0.3) if maybe() < 0.1 else frozenset(),
        reopens=tuple((rng.uniform(0, 25), rng.choice(instruments)) for _ in range(rng.choice((0, 0, 0, 1, 2)))),
        fires=tuple(rng.uniform(0, rng.choice((4, 20))) for _ in range(rng.choice((0, 0, 1)))),
        removals=tuple(rng.uniform(0, 20) for _ in range(rng.choice((0, 0, 0, 2)))),
        misnamed=few(0.3) if maybe() < 0.03 else frozenset(),
        listless=few(0.3) if maybe() < 0.03 else frozenset(),
        closes=tuple((rng.uniform(0, 25), rng.choice(instruments)) for _ in range(rng.choice((0, 0, 0, 0, 2)))),
        places=tuple((rng.uniform(0, 15), rng.choice(instruments)) for _ in range(rng.choice((0, 0, 0, 0, 0, 1)))),
        rivals_s=tuple(rng.uniform(0, 25) for _ in range(rng.choice((0,) * 9 + (4,)))),
        kills_s=tuple(sorted(rng.uniform(0, 20) for _ in range(rng.choice((0, 0, 0, 0, 1, 2))))),
        reboots=maybe() < 0.3,
        stop_s=rng.uniform(0, rng.choice((4, 20))) if maybe() < 0.12 else None,
        kill_switch_s=rng.uniform(0, rng.choice((4, 20))) if maybe() < 0.08 else None,
        freeze=(rng.uniform(0, 10), rng.uniform(5.5, 70)) if maybe() < 0.08 else None,
        ledger_lost=(rng.uniform(0, 10), rng.choice((2.0, 60.0))) if maybe() < 0.04 else None,
        is_denied=maybe() < 0.02,
        ends_sending=maybe() < 0.1,
        is_planned=maybe() < 0.03,
        again_s=rng.uniform(0.5, 10) if maybe() < 0.1 else None,
        has_market=maybe() > 0.03,
        is_quick=maybe() < 0.1,
        merges=maybe() < 0.5,
    )
    return _make_harsh(script, rng) if maybe() < 0.04 and count <= _FEW else script


def _draw_fired(seed: int, rng: random.Random) -> Script:
    """Draw a night in which nothing is open and a trigger order fires between two reads."""
    instruments = tuple(f"C{number:03d}-USDT-SWAP" for number in range(rng.randint(1, 3)))
    order = Placed(instruments[-1], OrderKind.TRIGGER, can_open=True)
    habits = Habits(read_lag_s=1.9, history_lag_s=rng.choice((0.0, 5.0)))
    return Script(seed, instruments, orders=(order,), habits=habits, fires=(rng.uniform(2.5, 4.5),))


def _draw_crowded(
    seed: int, rng: random.Random, instruments: tuple[str, ...], positions: tuple[tuple[str, str, Decimal], ...]
) -> Script:
    """Draw a night with lists of several answers, from which others take orders away while they are read."""
    orders = tuple(
        Placed(rng.choice(instruments), OrderKind.RESTING, can_open=rng.random() < 0.05) for _ in range(rng.randint(15, 45))
    )
    return Script(
        seed=seed,
        instruments=instruments,
        positions=positions,
        orders=orders,
        habits=Habits(page_size=10, fails_read=0.1),
        limits=msgspec.structs.replace(Limits(), cancel_orders=CancelOrders.NONE),
        removals=tuple(rng.uniform(0, 30) for _ in range(rng.randint(4, 12))),
    )


def _draw_stopped(
    seed: int,
    rng: random.Random,
    instruments: tuple[str, ...],
    positions: tuple[tuple[str, str, Decimal], ...],
    orders: tuple[Placed, ...],
) -> Script:
    """Draw a night that is stopped while answers are awaited, at an exchange that rejects much."""
    habits = Habits(down_s=(0.5, 2.0), law=LimitLaw.SHARED, rejected=0.3, fills_on_cancel=0.5)
    return Script(seed, instruments, positions, orders, habits, stop_s=rng.uniform(0.5, 8.0))


def _make_harsh(script: Script, rng: random.Random) -> Script:
    """Let many things go wrong at once in the night of a script, with limits that are unusual."""

    def some(*values: _Some) -> _Some:
        return rng.choice((values[0], *values))

    habits = replace(
        script.habits,
        up_s=(0.01, some(0.05, 1.0)),
        history_lag_s=some(2.0, 15.0),
        partial=some(0.0, 0.2, 0.6),
        silent=some(0.0, 0.2, 0.5),
        lost_after=some(0.0, 0.4),
        hangs=some(0.0, 0.1),
        omit=some(0.0, 0.2, 0.6, 0.8),
        fills_on_cancel=some(0.0, 1.0),
        fires_limit=some(0.0, 1.0),
        hides_s=some(0.0, 9.0, 25.0),
        page_size=some(100, 2),
        ledger_s=some((0.0, 0.0), (0.0, 8.0), (4.0, 8.0)),
    )
    limits = msgspec.structs.replace(
        script.limits,
        max_attempts=some(10, 1),
        same_code_limit=some(3, 1),
        max_in_flight=some(3, 1),
        unknown_hold_s=some(15.0, 12.0),
        sending_time_s=some(120.0, 1.0),
        hold_s=some(35.0, 0.0),
        presence_s=some(20.0, 0.0),
        freshness_s=some(15.0, 4.0),
    )
    return replace(
        script,
        habits=habits,
        limits=limits,
        min_size=some(Decimal(1), Decimal(6), Decimal(1000)),
        fires=tuple(rng.uniform(0, 40) for _ in range(some(0, 1, 3))),
        kills_s=tuple(sorted(rng.uniform(0, some(8, 30)) for _ in range(some(0, 1, 4)))),
        stop_s=some(None, rng.uniform(0, 1), rng.uniform(0, 20)),
        again_s=some(None, rng.uniform(0.05, 10)),
    )


def _draw_habits(rng: random.Random) -> Habits:

    def rare(*chances: float) -> float:
        return rng.choice((0.0, 0.0, *chances))

    return Habits(
        up_s=(0.01, rng.choice((0.04, 0.06, 0.15))),
        down_s=(0.02, rng.choice((0.1, 0.3, 2.0))),
        fill_s=(0.0, rng.choice((0.1, 0.3, 1.0))),
        read_lag_s=rng.choice((0.0, 0.5, 1.5, 1.9)),
        history_lag_s=rng.choice((0.0, 1.0, 5.0, 10.0)),
        slow=rare(0.05),
        lost_before=rare(0.05, 0.3),
        lost_after=rare(0.05, 0.3),
        garbled=rare(0.05),
        partial=rare(0.2),
        silent=rare(0.1, 0.3),
        rejected=rare(0.05),
        not_sent=rare(0.05),
        fails_read=rare(0.05, 0.2),
        hangs=rare(0.02),
        cuts=rare(0.1),
        omit=rng.choice((0.0,) * 9 + (0.4,)),
        fills_on_cancel=rare(0.2),
        fires_limit=rare(0.3),
        fatal=rng.choice((0.0,) * 19 + (0.1,)),
        law=rng.choice((LimitLaw.OWN,) * 7 + (LimitLaw.SHARED, LimitLaw.TIERED, LimitLaw.TIERED)),
        has_history=rng.random() > 0.04,
        leaves_named=rng.random() < 0.1,
        page_size=rng.choice((100, 100, 20)),
        ledger_s=rng.choice(((0.0, 0.0), (0.0, 0.0), (0.0, 0.05), (0.0, 3.0))),
    )


def _draw_limits(rng: random.Random) -> Limits:
    limits = Limits()
    if rng.random() < 0.1:
        limits = msgspec.structs.replace(limits, max_attempts=rng.choice((1, 2, 3)))
    if rng.random() < 0.1:
        limits = msgspec.structs.replace(limits, close_reopened=False)
    if rng.random() < 0.1:
        limits = msgspec.structs.replace(limits, cancel_orders=rng.choice((CancelOrders.OPENING, CancelOrders.NONE)))
    if rng.random() < 0.1:
        limits = msgspec.structs.replace(limits, cap_usdt=Decimal(rng.randint(50, 2000)))
    if rng.random() < 0.05:
        limits = msgspec.structs.replace(limits, sending_time_s=rng.uniform(2.0, 20.0))
    if rng.random() < 0.05:
        limits = msgspec.structs.replace(limits, cap_open_instruments=rng.choice((1, 3)))
    if rng.random() < 0.05:
        limits = msgspec.structs.replace(limits, cap_instrument_usdt=Decimal(rng.randint(20, 600)))
    if rng.random() < 0.05:
        limits = msgspec.structs.replace(limits, close_copy_trading=True)
    return limits
