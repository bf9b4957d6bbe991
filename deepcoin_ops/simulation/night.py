"""One night in virtual time: the core, asked by a modelled process, against the model exchange, with oracles watching.

Time is a heap of events. The process can be killed between any two of them, restart, and be frozen; people stop it, open
and close positions of their own, and the machine may restart with it.
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
from functools import partial

from deepcoin_ops.core import judge
from deepcoin_ops.core.pace import Pace
from deepcoin_ops.core.state import State
from deepcoin_ops.domain import facts as f
from deepcoin_ops.simulation.answers import Answer
from deepcoin_ops.simulation.exchange import ModelExchange
from deepcoin_ops.simulation.oracles import Oracles
from deepcoin_ops.simulation.process import QUICK_WINDOWS, WINDOWS, Process
from deepcoin_ops.simulation.script import Script
from deepcoin_ops.simulation.strikes import Fate

_ENDS_BY_S = 3000.0
_TRIES_AGAIN_S = 5.0
_WORST_FIRST = list(judge.Proven)


@dataclass
class Result:
    """How a night went. Moments are virtual seconds; `judgements` are those of the last flatten.

    `exposure` is the exposure until all was closed against the least that the rate limit allows, where nothing interfered.
    """

    script: Script
    facts: list[f.AnyFact] = field(default_factory=list)
    judgements: list[judge.Judgement] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    throttled: int = 0
    ended_s: float = math.inf
    last_close_s: float = 0.0
    exposure: float | None = None

    @property
    def worst(self) -> judge.Proven:
        """The worst verdict of the last flatten."""
        return min((each.proven for each in self.judgements), key=_WORST_FIRST.index)


class Night:
    """Plays a script once. What is public here serves the process."""

    def __init__(self, script: Script):
        self.script = script
        self.rng = random.Random(script.seed + 1)  # noqa: S311 - a night has to be repeatable
        self.prices = {name: Decimal(1 + number) for number, name in enumerate(script.instruments)}
        self.exchange = ModelExchange(script, self.rng)
        self.oracles = Oracles(script, self.exchange, self.prices)
        self.pace = Pace(QUICK_WINDOWS if script.is_quick else WINDOWS)
        self.now_s = self.boot_s = self.owed_since_s = 0.0
        self.has_news = False
        self._result = Result(script)
        self.ledger = self._result.facts
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._boots = self._processes = 1
        self._ends = 1 if script.again_s is None else 2
        self._process = Process(self, 1)
        self._plan_events()

    @property
    def boot_id(self) -> str:
        """What tells this boot of the machine from the one before."""
        return f"boot-{self._boots}"

    def play(self) -> Result:
        """Play until the last flatten is over."""
        self._process.start()
        while self._heap:
            at_s, _order, act = heapq.heappop(self._heap)
            if at_s > _ENDS_BY_S:
                break
            self.now_s = max(self.now_s, at_s)
            self.has_news = False
            act()
            if self.has_news and self._process.is_alive and self._process.is_over():
                self._end_flatten()
                if not self._ends:
                    return self._finish()
        self.oracles.see("does not end", f"at {self.now_s:.0f} s", is_right=False)
        self._end_flatten()
        return self._finish()

    def _end_flatten(self) -> None:
        self._ends -= 1
        self._result.judgements = self._process.finish()
        if self._ends and self.script.again_s is not None:
            self.at(self.now_s + self.script.again_s, self._start_again)

    def _finish(self) -> Result:
        result, oracles = self._result, self.oracles
        oracles.see("does not end", "", is_right=True)
        result.ended_s, result.exposure = self.now_s, oracles.exposure
        result.violations, result.checked = oracles.violations, dict(oracles.checked)
        return result

    # -- people and machine -------------------------------------------------------------------------------------------

    def _plan_events(self) -> None:
        script, exchange = self.script, self.exchange
        for at_s, name in script.reopens:
            self.at(at_s, partial(self._open, name))
        for at_s, name in script.closes:
            self.at(at_s, partial(self._call_exchange, exchange.close, name))
        for at_s, name in script.places:
            self.at(at_s, partial(self._call_exchange, exchange.place, name))
        for moments, act in ((script.fires, exchange.fire_order), (script.removals, exchange.remove_order),
                             (script.rivals_s, exchange.rival)):  # fmt: skip
            for at_s in moments:
                self.at(at_s, partial(self._call_exchange, act))
        for at_s in script.kills_s:
            self.at(at_s, self._kill)
        if script.stop_s is not None:
            self.at(script.stop_s, lambda: self._hear(f.StopAsked, reason="asked to stop"))
        if script.kill_switch_s is not None:
            self.at(script.kill_switch_s, lambda: self._hear(f.KillSwitchSeen, reason="kill switch"))
        if script.freeze is not None:
            starts_s, length_s = script.freeze
            self.at(starts_s + length_s, lambda: self._hear(f.SchedulerGap, gap_s=length_s))

    def _call_exchange(self, act: Callable[..., None], *arguments: str) -> None:
        act(*arguments, self.now_s)

    def _open(self, name: str) -> None:
        self.exchange.open(name, Decimal(self.rng.randint(1, 50)), self.now_s)

    def _hear(self, fact_type: type[f.Fact], **more: object) -> None:
        thaws_s = self.thaws_s()
        if thaws_s > self.now_s:
            self.at(thaws_s, partial(self._hear, fact_type, **more))
        elif self._process.is_alive:
            self._process.hear(fact_type, **more)

    def _kill(self) -> None:
        if self._process.is_alive:
            self._process.check_fold()
            self._process.is_alive = False
            self.at(self.now_s + self.rng.uniform(0.2, 6.0), self._restart)

    def _restart(self) -> None:
        if self.script.reboots:
            # The clock of a boot begins anew, anywhere: another host's may be far ahead.
            self.boot_s = self.now_s - self.rng.uniform(0.0, 10_000.0)
            self._boots += 1
        self._start_again()

    def _start_again(self) -> None:
        self._processes += 1
        self._process = Process(self, self._processes)
        if not self._process.start():
            self.at(self.now_s + _TRIES_AGAIN_S, self._start_again)

    # -- what the process uses ----------------------------------------------------------------------------------------

    def new_call_id(self) -> str:
        """Name a call."""
        return f"call-{next(self._order)}"

    def receive(self, call: f.Call, fate: Fate | None) -> Answer:
        """Let a call arrive at the exchange."""
        answer, effects = self.exchange.receive(call, self.now_s, fate)
        for at_s, effect in effects:
            self.at(at_s, partial(effect, at_s))
        return answer

    def can_record(self) -> bool:
        """Whether the ledger takes a record now."""
        if self.script.ledger_lost is None:
            return True
        starts_s, length_s = self.script.ledger_lost
        return not starts_s <= self.now_s < starts_s + length_s

    def count_answer(self, call: f.Call, answer: Answer, state: State, *, is_first_process: bool) -> None:
        """Count an outcome by the phase in which it came."""
        kind = "close" if call.kind.is_close else "cancel"
        is_again = call.kind.is_close and state.instruments[call.instrument_ids[0]].attempts > 0
        phase = "first" if not is_again else "again"
        if state.stop is not None:
            phase = "after a stop"
        elif not is_first_process:
            phase = "after a restart"
        self._result.outcomes[f"{kind} {answer.outcome} {phase}"] += 1
        if call.kind.is_close:
            self._result.last_close_s = self.now_s

    def note_throttle(self, lane: f.Lane) -> None:
        """Take in that a lane was throttled."""
        self._result.throttled += 1
        self.pace.note_throttle(lane, self.now_s, 1.0)

    def at(self, at_s: float, act: Callable[[], None]) -> None:
        """Let something happen at a moment."""
        heapq.heappush(self._heap, (at_s, next(self._order), act))

    def thaws_s(self) -> float:
        """When a frozen process goes on; the past where it is not frozen."""
        if self.script.freeze is None:
            return -math.inf
        starts_s, length_s = self.script.freeze
        return starts_s + length_s if starts_s <= self.now_s < starts_s + length_s else -math.inf
