"""One night in virtual time: the core asked as the shell asks it, against the model exchange, with oracles watching.

The process of the night sends once what it recorded, can be killed between any two events and be frozen; what is on its
way then goes on without it.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from deepcoin_ops.core import choose, judge
from deepcoin_ops.core.pace import Pace, Window
from deepcoin_ops.core.reads import Wait
from deepcoin_ops.core.state import State, fold
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.model import Instrument, InstrumentType, Outcome, product_group_of
from deepcoin_ops.simulation.exchange import PAGE_S, THROTTLED, Answer, ModelExchange
from deepcoin_ops.simulation.oracles import Oracles
from deepcoin_ops.simulation.script import Fate, Script

_TIMEOUT_S = 10.0
_SLOW_S = 6.0
_ENDS_BY_S = 3000.0
_SPACING_S = dict.fromkeys(f.Lane, 1.0) | {f.Lane.CANCEL_SINGLE: 0.05}
WINDOWS: dict[str, tuple[Window, ...]] = {lane: (Window(1, seconds),) for lane, seconds in _SPACING_S.items()}


@dataclass
class Result:
    """How a night went. Moments are virtual seconds; exposure is in USDT seconds until the last close of each."""

    script: Script
    facts: list[f.AnyFact] = field(default_factory=list)
    judgements: list[judge.Judgement] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    throttled: int = 0
    ended_s: float = math.inf
    last_close_s: float = 0.0

    @property
    def worst(self) -> judge.Proven:
        """The worst verdict of the night."""
        return min((each.proven for each in self.judgements), key=list(judge.Proven).index)


class Night:
    """Plays a script once."""

    def __init__(self, script: Script):
        self.script = script
        self._rng = random.Random(script.seed + 1)  # noqa: S311 - a night has to be repeatable
        self._exchange = ModelExchange(script, self._rng)
        self._oracles = Oracles(script, self._exchange)
        self._result = Result(script)
        self._now_s = 0.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._pace = Pace(WINDOWS)
        self._shows: dict[tuple[f.Read, float], float] = {}
        self._process = 0
        self._has_news = False
        self._die()
        self._plan_events()

    def play(self) -> Result:
        """Play until the flatten is over."""
        self._start()
        while self._heap:
            at_s, _order, act = heapq.heappop(self._heap)
            if at_s > _ENDS_BY_S:
                break
            self._now_s = max(self._now_s, at_s)
            self._has_news = False
            act()
            if self._has_news and self._is_alive and self._is_over():
                return self._finish()
        self._oracles.see("does not end", f"at {self._now_s:.0f} s", is_right=False)
        return self._finish()

    def _finish(self) -> Result:
        result = self._result
        result.ended_s, result.judgements = self._now_s, judge.judge(self._state)
        self._oracles.see("does not end", "", is_right=True)
        self._oracles.ended(self._state, result.judgements, self._shows, self._now_s)
        result.violations, result.checked = self._oracles.violations, dict(self._oracles.checked)
        return result

    def _is_over(self) -> bool:
        return judge.is_over(self._state, self._now_s, may_act=choose.may_act(self._state, self._now_s))

    # -- people and process -------------------------------------------------------------------------------------------

    def _plan_events(self) -> None:
        script, exchange = self.script, self._exchange
        for at_s, name in script.reopens:
            self._at(at_s, lambda name=name: exchange.open(name, Decimal(self._rng.randint(1, 50)), self._now_s))  # type: ignore[misc]
        for at_s in script.fires:
            self._at(at_s, lambda: exchange.fire_trigger(self._now_s))
        for at_s in script.removals:
            self._at(at_s, lambda: exchange.remove_order(self._now_s))
        for at_s in script.kills_s:
            self._at(at_s, self._kill)
        if script.stop_s is not None:
            self._at(script.stop_s, lambda: self._hear(f.StopAsked(**self._own(), reason="asked to stop")))
        if script.kill_switch_s is not None:
            self._at(script.kill_switch_s, lambda: self._hear(f.KillSwitchSeen(**self._own(), reason="kill switch")))
        if script.freeze is not None:
            starts_s, length_s = script.freeze
            self._at(starts_s + length_s, lambda: self._hear(f.SchedulerGap(**self._own(), gap_s=length_s)))

    def _own(self) -> dict[str, Any]:
        return {"flatten_id": self._state.flatten_id, "at_s": self._now_s}

    def _hear(self, fact: f.AnyFact) -> None:
        if self._is_alive:
            self._take_in(fact)

    def _kill(self) -> None:
        if self._is_alive:
            self._oracles.check_fold(self._state)
            self._die()
            self._at(self._now_s + self._rng.uniform(0.2, 6.0), self._start)

    def _die(self) -> None:
        self._process += 1
        self._is_alive = False
        self._state = State()
        self._busy: set[f.Lane] = set()
        self._wakes: dict[f.Lane, float] = {}
        self._looks: set[float] = set()
        self._is_decided = False

    def _start(self) -> None:
        self._is_alive = True
        self._state = fold(self._result.facts)
        opened = f.FlattenOpened(
            flatten_id=f"flatten-{self._process}",
            at_s=self._now_s,
            instruments=self.script.instruments,
            configured=self.script.instruments,
            limits=self.script.limits,
        )
        self._record(opened)
        self._soon(self._rng.uniform(0.05, 0.5), self._learn_market)
        self._poll()

    def _learn_market(self) -> None:
        listed: dict[InstrumentType, list[Instrument]] = {}
        for name in self.script.instruments:
            group = product_group_of(name)
            known = listed.setdefault(group.instrument_type, [])
            if name not in self.script.unlisted:
                known.append(Instrument(name, group, Decimal(1), Decimal(1), self.script.min_size, None, "live"))
        for instrument_type, instruments in listed.items():
            self._record(f.InstrumentsRead(**self._own(), instrument_type=instrument_type, instruments=tuple(instruments)))
        prices = {name: Decimal(1 + number) for number, name in enumerate(self.script.instruments)}
        self._take_in(f.PricesRead(**self._own(), prices=prices))

    # -- lanes --------------------------------------------------------------------------------------------------------

    def _poll(self) -> None:
        for lane in f.Lane:
            self._ask(lane)
        state = self._state
        for at_s in (judge.proof_ends_s(state), judge.presence_ends_s(state), state.deadline_s):
            if self._now_s < at_s < math.inf and at_s not in self._looks:
                self._looks.add(at_s)
                self._soon(at_s - self._now_s, self._look)

    def _look(self) -> None:
        self._has_news = True
        self._poll()

    def _ask(self, lane: f.Lane) -> None:
        if lane in self._busy or not self._is_alive:
            return
        due_s = self._pace.due_s(lane, self._now_s)
        if due_s > self._now_s:
            self._wake(lane, due_s)
            return
        found = choose.next_call(self._state, lane, self._now_s)
        if isinstance(found, Wait):
            if found.until_s < math.inf:
                self._wake(lane, found.until_s)
            return
        self._oracles.took_slot(lane, self._pace.windows[lane][0].seconds, self._now_s)
        self._pace.note_send(lane, self._now_s)
        if isinstance(found, f.Call):
            self._send(found)
        else:
            self._read(found)

    def _wake(self, lane: f.Lane, at_s: float) -> None:
        if self._now_s < self._wakes.get(lane, math.inf) <= at_s:
            return
        self._wakes[lane] = at_s
        self._soon(at_s - self._now_s, lambda: self._ask(lane))

    def _send(self, call: f.Call) -> None:
        call_id = f"{self._process}-{next(self._order)}"
        self._record(f.CallIntended(**self._own(), call_id=call_id, call=call))
        habits, draw = self.script.habits, self._rng.random
        strike = self._exchange.take_strike(call.lane, call.instrument_ids)
        fate = strike.fate if strike else None
        down_s = self._rng.uniform(*habits.down_s) + (_SLOW_S if draw() < habits.slow or fate is Fate.SLOW else 0.0)
        if draw() < habits.not_sent:
            self._oracles.sending(call_id, call, self._now_s)
            self._soon(0.01, lambda: self._answer(call_id, call, Answer(Outcome.NOT_SENT)))
            return
        self._oracles.sending(call_id, call, self._now_s)
        if draw() < habits.lost_before or fate is Fate.LOST_BEFORE:
            self._soon(_TIMEOUT_S, lambda: self._answer(call_id, call, None))
            return
        is_lost = draw() < habits.lost_after or fate is Fate.LOST_AFTER
        is_garbled, process = draw() < habits.garbled or fate is Fate.GARBLED, self._process

        def arrive() -> None:
            answer, effects = self._exchange.receive(call, self._now_s, fate)
            for at_s, effect in effects:
                self._at(at_s, lambda effect=effect: effect(self._now_s))  # type: ignore[misc]
            told = None if is_lost or is_garbled else answer
            back_s = _TIMEOUT_S if is_lost else down_s
            self._soon(back_s, lambda: self._answer(call_id, call, told), process)

        self._at(self._now_s + self._rng.uniform(*habits.up_s), arrive)
        self._ask(call.lane)

    def _answer(self, call_id: str, call: f.Call, answer: Answer | None) -> None:
        answer = answer or Answer(Outcome.UNKNOWN)
        self._result.outcomes[answer.outcome] += 1
        if answer.code == THROTTLED:
            self._note_throttle(call.lane)
        if call.kind.is_close:
            self._result.last_close_s = self._now_s
        answered = f.CallAnswered(
            **self._own(),
            call_id=call_id,
            outcome=answer.outcome,
            reason=answer.code or answer.outcome.lower(),
            refusal=answer.refusal,
            code=answer.code,
            failed_ids=answer.failed_ids,
        )
        self._take_in(answered)

    def _read(self, read: f.Read) -> None:
        self._busy.add(read.lane)
        self._oracles.reading(read, self._now_s)
        habits, process, flatten_id, started_s = self.script.habits, self._process, self._state.flatten_id, self._now_s
        fails, down_s = self._rng.random() < habits.fails_read, self._rng.uniform(*habits.down_s)
        strike = self._exchange.take_strike(read.lane, (read.about,))
        fate, left_out = (strike.fate, strike.instrument_id) if strike else (None, None)

        def arrive() -> None:
            answers = self._exchange.count_answers(read, self._now_s)
            self._at(self._now_s + PAGE_S * (answers - 1), lambda: leave(answers))

        def leave(answers: int) -> None:
            fact, shows_s = self._exchange.read(read, flatten_id, started_s, self._now_s, answers, left_out)
            self._shows[read, started_s] = shows_s
            if fails or fate is Fate.FAILED:
                fact = f.ReadFailed(flatten_id=flatten_id, at_s=shows_s, read=read, started_s=started_s, reason="no answer")
            self._soon(down_s, lambda: self._bring(read, fact), process)

        self._at(self._now_s + self._rng.uniform(*habits.up_s), arrive)

    def _bring(self, read: f.Read, fact: f.AnyFact) -> None:
        self._busy.discard(read.lane)
        if isinstance(fact, f.ReadFailed) and fact.is_throttled:
            self._note_throttle(read.lane)
        self._take_in(msgspec.structs.replace(fact, at_s=self._now_s))

    def _note_throttle(self, lane: f.Lane) -> None:
        self._result.throttled += 1
        self._pace.note_throttle(lane, self._now_s, 1.0)

    def _take_in(self, fact: f.AnyFact) -> None:
        self._record(fact)
        if self._state.is_read and not self._is_decided:
            self._is_decided = True
            drawn_s, decides_s = self._rng.uniform(0.0, 1.5), self.script.decides_s
            self._soon(drawn_s if decides_s is None else decides_s, self._decide)
        self._poll()

    def _decide(self) -> None:
        """The guards have decided; a person may have stopped it meanwhile."""
        if self.script.is_denied:
            self._take_in(f.FlattenDenied(**self._own(), code="NOT_ARMED", text="not armed"))
        elif self._state.stop is None:
            self._take_in(f.FlattenAdmitted(**self._own()))

    def _record(self, fact: f.AnyFact) -> None:
        self._has_news = True
        self._result.facts.append(fact)
        self._oracles.take_in(fact)
        self._state.apply(fact)

    def _at(self, at_s: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (at_s, next(self._order), act))

    def _soon(self, in_s: float, act: Callable[[], None], process: int | None = None) -> None:
        """Let the process do something later, unless it is dead by then; while it is frozen it does it at the thaw."""
        process = self._process if process is None else process

        def run() -> None:
            if process != self._process or not self._is_alive:
                return
            thaws_s = self._thaws_s()
            if thaws_s > self._now_s:
                self._at(thaws_s, run)
            else:
                act()

        self._at(self._now_s + in_s, run)

    def _thaws_s(self) -> float:
        if self.script.freeze is None:
            return -math.inf
        starts_s, length_s = self.script.freeze
        return starts_s + length_s if starts_s <= self._now_s < starts_s + length_s else -math.inf
