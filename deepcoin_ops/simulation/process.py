"""The process of a night: asks the core as the shell does, records before it sends, sends once, can die at any event.

It decides nothing. What is on its way when it dies goes on without it; what it had not yet sent never leaves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from deepcoin_ops.core import choose, judge
from deepcoin_ops.core.pace import Window
from deepcoin_ops.core.reads import Wait
from deepcoin_ops.core.state import fold
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.model import Instrument, InstrumentType, Outcome, Refusal, product_group_of
from deepcoin_ops.simulation.answers import THROTTLED, Answer
from deepcoin_ops.simulation.exchange import PAGE_S
from deepcoin_ops.simulation.strikes import Fate

if TYPE_CHECKING:
    from deepcoin_ops.simulation.night import Night

_TIMEOUT_S = 10.0
_SLOW_S = 6.0
_ASKED, _FOLDED = 0, 50  # of a hundred nights, which one asks every lane after each fact, and which one folds them all
_LEAST_S = 1e-6  # the sum of two clocks is rounded
WINDOWS: dict[str, tuple[Window, ...]] = {lane: (Window(1, 1.0),) for lane in f.Lane}
WINDOWS[f.Lane.CANCEL_SINGLE] = (Window(1, 0.05),)
QUICK_WINDOWS = WINDOWS | {f.Lane.TRIGGER: (Window(5, 1.0), Window(150, 60.0))}


class Process:
    """One flatten of a night, from its opening to its end or the death of its process."""

    def __init__(self, night: Night, number: int):
        self._night, self._script, self._rng, self._number = night, night.script, night.rng, number
        self._boot_s = night.boot_s
        self._busy: set[f.Lane] = set()
        self._wakes: dict[f.Lane, float] = {}
        self._looks: set[float] = set()
        self._paced_until_s = dict.fromkeys(f.Lane, -math.inf)
        self._unrecorded: list[f.AnyFact] = []
        self._is_decided = self._has_ended_sending = False
        self.is_alive = True
        self.state = fold(night.ledger)

    @property
    def now_s(self) -> float:
        """The moment on the clock of this boot."""
        return self._night.now_s - self._boot_s

    def start(self) -> bool:
        """Open the flatten and ask every lane; what cannot be recorded does not begin."""
        script, night = self._script, self._night
        opened = f.FlattenOpened(
            flatten_id=f"flatten-{self._number}",
            at_s=self.now_s,
            boot_id=night.boot_id,
            instruments=script.instruments,
            configured=script.instruments,
            limits=script.limits,
            may_send=not script.is_planned,
        )
        if not night.can_record():
            self.is_alive = False
            return False
        if not any(each.owed for each in self.state.instruments.values()):
            night.owed_since_s = night.now_s - script.limits.settle_s  # a read shows at most so much earlier
        self._record(opened)
        if script.has_market:
            self._soon(self._rng.uniform(0.05, 0.5), self._learn_market)
        self._poll(tuple(f.Lane))
        return True

    def hear(self, fact_type: type[f.Fact], **more: Any) -> None:
        """Take in what a person or the machine did."""
        self._take_in(fact_type(**self._own(), **more))  # type: ignore[arg-type]

    def check_fold(self) -> None:
        """Compare the running state with what another process would make of the ledger."""
        if not self._unrecorded:
            self._night.oracles.check_fold(self.state, self._night.ledger)

    def is_over(self) -> bool:
        """Whether the flatten ends now."""
        return choose.is_over(self.state, self.now_s)

    def finish(self) -> list[judge.Judgement]:
        """Judge, and record the verdicts."""
        judgements = judge.judge(self.state, self.now_s)
        flat = tuple(each.instrument_id for each in judgements if each.proven in judge.FLAT)
        self.check_fold()
        self._night.oracles.ended(judgements, self._night.now_s)
        self._record(f.VerdictsReached(**self._own(), flat=flat))
        self.is_alive = False
        return judgements

    def _own(self) -> dict[str, Any]:
        return {"flatten_id": self.state.flatten_id, "at_s": self.now_s, "boot_id": self._night.boot_id}

    def _learn_market(self) -> None:
        listed: dict[InstrumentType, list[Instrument]] = {}
        for name in self._script.instruments:
            group = product_group_of(name)
            known = listed.setdefault(group.instrument_type, [])
            if name not in self._script.unlisted:
                known.append(Instrument(name, group, Decimal(1), Decimal(1), self._script.min_size, None, "live"))
        for instrument_type, instruments in listed.items():
            self._record(f.InstrumentsRead(**self._own(), instrument_type=instrument_type, instruments=tuple(instruments)))
        self._take_in(f.PricesRead(**self._own(), prices=self._night.prices))

    # -- lanes --------------------------------------------------------------------------------------------------------

    def _poll(self, lanes: tuple[f.Lane, ...]) -> None:
        now_s, busy, paced = self._night.now_s, self._busy, self._paced_until_s
        for lane in lanes:
            if lane not in busy and now_s >= paced[lane]:  # else an answer or a wake comes
                self._ask(lane)
        self._watch()
        if self._script.seed % 100 == _ASKED and self._script.freeze is None:
            self._check_idle()

    def _watch(self) -> None:
        """Look again when a moment comes that can end sending or the flatten without a fact."""
        now_s, state = self.now_s, self.state
        for at_s in (judge.proof_ends_s(state), judge.presence_ends_s(state), state.deadline_s):
            if now_s < at_s < math.inf and at_s not in self._looks:
                self._looks.add(at_s)
                self._soon(at_s - now_s + _LEAST_S, self._look)

    def _look(self) -> None:
        self._night.has_news = True
        self._poll(tuple(f.Lane))

    def _check_idle(self) -> None:
        """See that no lane which was left alone has something to do sooner than it is asked again."""
        for lane in f.Lane:
            if lane in self._busy or self._night.pace.due_s(lane, self._night.now_s) > self._night.now_s:
                continue
            found = choose.next_call(self.state, lane, self.now_s)
            asked_s = self._wakes.get(lane, math.inf)
            is_right = isinstance(found, Wait) and (asked_s <= found.until_s + 1e-6)
            self._night.oracles.see("left idle", f"{lane} at {self.now_s:.2f}", is_right=is_right)

    def _ask(self, lane: f.Lane) -> None:
        night = self._night
        if lane in self._busy or not self.is_alive:
            return
        due_s = self._paced_until_s[lane]
        if due_s <= night.now_s:
            due_s = night.pace.due_s(lane, night.now_s)
        if due_s > night.now_s:
            self._paced_until_s[lane] = due_s
            self._wake(lane, due_s - self._boot_s)
            return
        found = choose.next_call(self.state, lane, self.now_s)
        if isinstance(found, Wait):
            if found.until_s < math.inf:
                self._wake(lane, found.until_s)
        elif isinstance(found, f.Call):
            self._send(found)
        else:
            self._read(found)

    def _wake(self, lane: f.Lane, at_s: float) -> None:
        now_s = self.now_s
        if now_s < self._wakes.get(lane, math.inf) <= at_s:
            return
        self._wakes[lane] = at_s
        self._soon(max(at_s - now_s, _LEAST_S), lambda: self._wake_up(lane, at_s))

    def _wake_up(self, lane: f.Lane, at_s: float) -> None:
        if self._wakes.get(lane) == at_s:  # else an earlier moment took its place
            del self._wakes[lane]
            self._ask(lane)

    def _take_slot(self, lane: f.Lane) -> None:
        night = self._night
        night.oracles.took_slot(lane, night.pace.windows[lane], night.now_s)
        night.pace.note_send(lane, night.now_s)

    # -- calls --------------------------------------------------------------------------------------------------------

    def _send(self, call: f.Call) -> None:
        """Record a call, and let it leave once the record is durable."""
        call_id, intended_s = self._night.new_call_id(), self.now_s
        intended = f.CallIntended(**self._own(), call_id=call_id, call=call)
        if not self._record(intended):
            self._watch()
            return
        self._busy.add(call.lane)
        for lane in choose.lanes_after(intended):
            self._ask(lane)
        self._soon(self._rng.uniform(*self._script.habits.ledger_s), lambda: self._leave(call_id, call, intended_s))

    def _leave(self, call_id: str, call: f.Call, intended_s: float) -> None:
        night, habits, draw = self._night, self._script.habits, self._rng.random
        self._busy.discard(call.lane)
        is_due = night.pace.due_s(call.lane, night.now_s) <= night.now_s
        if not is_due or not choose.may_still_send(self.state, call, intended_s, self.now_s):
            self._answer(call_id, call, Answer(Outcome.NOT_SENT))
            return
        self._take_slot(call.lane)
        night.oracles.sending(call_id, call, night.now_s)
        self._ask(call.lane)  # for its next slot
        if draw() < habits.not_sent:
            self._soon(0.01, lambda: self._answer(call_id, call, Answer(Outcome.NOT_SENT)))
            return
        strike = night.exchange.take_strike(call.lane, call.instrument_ids)
        fate = strike.fate if strike else None
        down_s = self._rng.uniform(*habits.down_s) + (_SLOW_S if draw() < habits.slow or fate is Fate.SLOW else 0.0)
        if draw() < habits.lost_before or fate is Fate.LOST_BEFORE:
            self._soon(_TIMEOUT_S, lambda: self._answer(call_id, call, None))
            return
        is_lost = draw() < habits.lost_after or fate is Fate.LOST_AFTER
        is_garbled, left_s = draw() < habits.garbled or fate is Fate.GARBLED, night.now_s

        def arrive() -> None:
            answer = night.receive(call, fate)
            known = None if is_lost or is_garbled else answer
            self._soon(_TIMEOUT_S if is_lost else down_s, lambda: self._answer(call_id, call, known, left_s))

        night.at(night.now_s + self._rng.uniform(*habits.up_s), arrive)

    def _answer(self, call_id: str, call: f.Call, answer: Answer | None, left_s: float | None = None) -> None:
        night = self._night
        answer = answer or Answer(Outcome.UNKNOWN)
        if left_s is not None:
            night.pace.note_trip(night.now_s - left_s)
        night.count_answer(call, answer, self.state, is_first_process=self._number == 1)
        if answer.code == THROTTLED:
            night.note_throttle(call.lane)
        answered = f.CallAnswered(
            **self._own(),
            call_id=call_id,
            outcome=answer.outcome,
            reason=answer.code or answer.outcome.lower(),
            refusal=answer.refusal,
            code=answer.code,
            failed_ids=answer.failed_ids,
            is_throttled=answer.refusal is Refusal.THROTTLED,
        )
        self._take_in(answered)

    # -- reads --------------------------------------------------------------------------------------------------------

    def _read(self, read: f.Read) -> None:
        night, habits = self._night, self._script.habits
        self._take_slot(read.lane)
        self._busy.add(read.lane)
        night.oracles.reading(read, night.now_s)
        flatten_id, started_s, left_s = self.state.flatten_id, self.now_s, night.now_s
        strike = night.exchange.take_strike(read.lane, (read.about,))
        fate, left_out = (strike.fate, strike.instrument_id) if strike else (None, None)
        fails, hangs = self._rng.random() < habits.fails_read, self._rng.random() < habits.hangs
        fails = fails or fate is Fate.FAILED
        down_s = _TIMEOUT_S if hangs else self._rng.uniform(*habits.down_s)

        def arrive() -> None:
            answers = night.exchange.count_answers(read, night.now_s)
            night.at(night.now_s + PAGE_S * (answers - 1), lambda: leave(answers))

        def leave(answers: int) -> None:
            fact, shows_s = night.exchange.read(
                read, flatten_id, started_s, night.now_s, answers, since_s=night.owed_since_s, left_out=left_out
            )
            night.oracles.shows[read, round(left_s, 6)] = shows_s
            if fails or hangs:
                fact = f.ReadFailed(flatten_id=flatten_id, at_s=shows_s, read=read, started_s=started_s, reason="no answer")
            elif answers == 1:
                self._soon(down_s, lambda: night.pace.note_trip(night.now_s - left_s))
            self._soon(down_s, lambda: self._bring(read, fact))

        night.at(night.now_s + self._rng.uniform(*habits.up_s), arrive)

    def _bring(self, read: f.Read, fact: f.AnyFact) -> None:
        self._busy.discard(read.lane)
        if isinstance(fact, f.ReadFailed) and fact.is_throttled:
            self._night.note_throttle(read.lane)
        if self._boot_s and isinstance(fact, f.HistoryRead):
            rows = (msgspec.structs.replace(row, closed_s=row.closed_s - self._boot_s) for row in fact.rows)
            fact = msgspec.structs.replace(fact, rows=tuple(rows))
        self._take_in(msgspec.structs.replace(fact, at_s=self.now_s, boot_id=self._night.boot_id))
        self._ask(read.lane)

    # -- facts --------------------------------------------------------------------------------------------------------

    def _take_in(self, fact: f.AnyFact) -> None:
        if not self.is_alive:
            return
        self._record(fact)
        if self.state.is_read and not self._is_decided:
            self._is_decided = True
            drawn_s, decides_s = self._rng.uniform(0.0, 1.5), self._script.decides_s
            self._soon(drawn_s if decides_s is None else decides_s, self._decide)
        self._end_sending()
        self._poll(choose.lanes_after(fact))

    def _decide(self) -> None:
        """The guards have decided; a person may have stopped it meanwhile."""
        if self._script.is_denied:
            self.hear(f.FlattenDenied, code="NOT_ARMED", text="not armed")
        elif self.state.stop is None and not self._script.is_planned:
            self.hear(f.FlattenAdmitted)

    def _end_sending(self) -> None:
        """The op that sends ends when nothing more is to be sent; what follows only reads."""
        if not self._script.ends_sending or self._has_ended_sending or not self.state.is_admitted:
            return
        if not self.state.in_flight and not choose.may_act(self.state, self.now_s):
            self._has_ended_sending = True
            self._record(f.SendingEnded(**self._own(), reason="nothing is left to send"))

    def _record(self, fact: f.AnyFact) -> bool:
        """Append a fact and fold it. While nothing can be recorded, only answers to own sends are known, as UNKNOWN."""
        night = self._night
        night.has_news = True
        if not night.can_record():
            if not self._unrecorded:
                self._keep(f.RecordLost(**self._own(), reason="the disk is full"))
            if isinstance(fact, f.CallAnswered):
                self._keep(msgspec.structs.replace(fact, outcome=Outcome.UNKNOWN, refusal=None))
            return False
        night.ledger.extend(self._unrecorded)
        self._unrecorded.clear()
        night.ledger.append(fact)
        self._fold(fact)
        if self._script.seed % 100 == _FOLDED:
            self.check_fold()
        return True

    def _keep(self, fact: f.AnyFact) -> None:
        self._unrecorded.append(fact)
        self._fold(fact)

    def _fold(self, fact: f.AnyFact) -> None:
        if self._boot_s:
            moments = {"at_s": fact.at_s + self._boot_s}
            if hasattr(fact, "started_s"):
                moments["started_s"] = fact.started_s + self._boot_s
            self._night.oracles.take_in(msgspec.structs.replace(fact, **moments))
        else:
            self._night.oracles.take_in(fact)
        self.state.apply(fact)

    def _soon(self, in_s: float, act: Callable[[], None]) -> None:
        """Do something later, unless the process is dead by then; while it is frozen, do it at the thaw."""

        def run() -> None:
            if not self.is_alive:
                return
            thaws_s = self._night.thaws_s()
            if thaws_s > self._night.now_s:
                self._night.at(thaws_s, run)
            else:
                act()

        self._night.at(self._night.now_s + in_s, run)
