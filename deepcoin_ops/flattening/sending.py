"""Sending closes: wait for the slot, record the intent, send once beside the loop, record the outcome.

A slow answer holds nobody up: the slot is waited for in the caller's thread, the answer in a small pool. What was sent is
never sent again from here, and nothing is judged here; the rounds decide that, from a positions read begun late enough to
be evidence.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from deepcoin_ops.domain.errors import GuardRefused, LedgerError, SendWithdrawn
from deepcoin_ops.domain.model import CloseAnswer, CloseIntent, Outcome, Refusal
from deepcoin_ops.domain.planning import PlanLine
from deepcoin_ops.domain.verdicts import InstrumentHistory
from deepcoin_ops.exchange.client import CLOSE_BY_IDS
from deepcoin_ops.flattening.clock_correction import ClockCorrection
from deepcoin_ops.flattening.desk import Desk
from deepcoin_ops.flattening.targets import CloseTarget, CloseTargets

logger = logging.getLogger(__name__)

_UNKNOWNS_BEFORE_PAUSE = 3
_POLL_S = 0.1
# Outcomes after which a positions read has to have settled before the instrument may be sent again. The other two are
# proof that nothing was done, so any later read is evidence.
_MAY_HAVE_CLOSED = frozenset({Outcome.ACCEPTED, Outcome.PARTIAL, Outcome.UNKNOWN})


@dataclass
class InstrumentRecord:
    """What was done to one instrument; moments are on this process's monotonic clock.

    `evidence_from_s` is the earliest start of a read that may lead to a further send; `settled_s` is when its last answer,
    error or timeout arrived. `tries` counts the sends that may have closed something; `is_given_up` says that the exchange
    called the request itself wrong, so that the same one would be refused again. `is_second_pass` says that an answer
    named rows it did not close, and that no close by ids was lost since; `may_name_ids` that none was called wrong.
    """

    attempts: int = 0
    tries: int = 0
    is_given_up: bool = False
    is_second_pass: bool = False
    may_name_ids: bool = True
    last_reason: str = ""
    evidence_from_s: float = 0.0
    settled_s: float = 0.0


@dataclass(frozen=True)
class Delivery:
    """A close that was sent: when, and when its answer, error or timeout had been recorded (monotonic clock)."""

    intent: CloseIntent
    answer: CloseAnswer
    sent_s: float
    settled_s: float


@dataclass
class SendTally:
    """Counts over a whole flatten; moments are on this process's monotonic clock."""

    sends: int = 0
    refused: int = 0
    unknown_streak: int = 0
    first_slot_s: float | None = None
    last_answer_s: float | None = None
    settled_s: float = float("-inf")
    records: dict[str, InstrumentRecord] = field(default_factory=dict)


class CloseSender:
    """Sends the closes of one flatten, at most a few in flight, never two for one instrument.

    Args:
        desk: The account.
        flatten_id: Under which intents and outcomes are recorded.
        is_stopped: Asked before every send.
        is_held_up: Whether an instrument has to wait, because its orders are being cancelled.
        on_delivery: Told of each answer, in the thread that calls this object.
        clock_correction: Follows an answer that refuses the timestamp.
    """

    def __init__(
        self,
        desk: Desk,
        flatten_id: str,
        is_stopped: Callable[[], bool],
        is_held_up: Callable[[str], bool],
        on_delivery: Callable[[Delivery], None],
        clock_correction: ClockCorrection,
    ):
        self._desk = desk
        self._flatten_id = flatten_id
        self._is_stopped = is_stopped
        self._is_held_up = is_held_up
        self._on_delivery = on_delivery
        self._clock_correction = clock_correction
        self._kill_switch = desk.kill_switch
        self._settle_s = desk.settings.flatten.settle_s
        self._pool = ThreadPoolExecutor(desk.settings.flatten.max_in_flight, thread_name_prefix="close")
        self._in_flight: dict[str, Future[Delivery]] = {}
        self.targets = CloseTargets(desk.account)
        self.tally = SendTally()
        self.fatal_reason: str | None = None

    def close(self) -> None:
        """Wait for every answer, record it, and end the threads."""
        self.collect_all()
        self._pool.shutdown()

    def is_in_flight(self, instrument_id: str) -> bool:
        """Whether a close of the instrument is still unanswered."""
        return instrument_id in self._in_flight

    @property
    def has_in_flight(self) -> bool:
        """Whether any close is still unanswered."""
        return bool(self._in_flight)

    def evidence_from_s(self, instrument_id: str) -> float:
        """The earliest start, on the monotonic clock, of a read that may lead to a send of the instrument."""
        record = self.tally.records.get(instrument_id)
        return record.evidence_from_s if record else float("-inf")

    def may_send(self, line: PlanLine) -> bool:
        """Whether a further close of what is open makes sense: allowed, not refused for good, and tries left.

        Throttled and unsent closes are no tries; the deadline bounds them. So an instrument that is only ever refused does
        not use up what another one still needs.
        """
        record = self.tally.records.get(line.instrument_id)
        if record and (record.is_given_up or record.tries >= self._desk.settings.flatten.max_rounds):
            return False
        return self._choose_target(line) is not None

    def histories(self, held_back: dict[str, str], open_lines: Iterable[PlanLine]) -> dict[str, InstrumentHistory]:
        """What was done to each instrument, for the verdicts.

        Args:
            held_back: Why no close may be sent for an instrument, by its id.
            open_lines: What the last read shows open.
        """
        left_alone = {line.instrument_id: self.targets.describe_spared(line) for line in open_lines}
        histories = {
            instrument_id: InstrumentHistory(record.attempts, record.last_reason)
            for instrument_id, record in self.tally.records.items()
        }
        histories |= {name: InstrumentHistory(held_back=reason) for name, reason in held_back.items()}
        return {
            name: replace(histories.get(name, InstrumentHistory()), left_alone=left_alone.get(name, ""))
            for name in {*histories, *left_alone}
        }

    def take_over(self) -> float:
        """Take over what was sent before this flatten: answers that reads may not show yet, and closes without an answer.

        An earlier process may have ended a moment ago. What it sent counts like an own send: it is not sent again before a
        read was begun late enough. A close that nobody lived to record may still be executed for a while.

        Returns:
            Seconds until the last of them is settled; 0 when there is none.
        """
        limits, exchange = self._desk.settings.flatten, self._desk.settings.exchange
        now, now_s = datetime.now(UTC), time.monotonic()
        # Reads lag: a position opened a moment ago may not show in them yet, so no proof begins before this has settled.
        self.tally.settled_s = now_s
        # An answer takes at most a connection, a head and a body. It counts from its arrival; the query is about intents.
        answer_s = exchange.connect_timeout_s + 3 * exchange.read_timeout_s
        longest_s = answer_s + limits.settle_s + limits.unknown_hold_s
        attempts = self._desk.ledger.read_attempts_since(self._desk.account.name, now - timedelta(seconds=longest_s))
        longest_left_s = 0.0
        for attempt in attempts:
            if attempt.answered_at is None:
                left_s = limits.unknown_hold_s - (now - attempt.intent_at).total_seconds()
            else:
                left_s = -(now - attempt.answered_at).total_seconds()
            # A clock that was set back must not hold a close for longer than the rule does.
            settled_s = now_s + min(left_s, limits.unknown_hold_s)
            self.tally.settled_s = max(self.tally.settled_s, settled_s)
            if attempt.outcome in _MAY_HAVE_CLOSED:
                record = self._record(attempt.intent.instrument_id)
                record.evidence_from_s = max(record.evidence_from_s, settled_s + limits.settle_s)
                longest_left_s = max(longest_left_s, record.evidence_from_s - now_s)
        return longest_left_s

    def send_round(
        self, round_number: int, lines: Iterable[PlanLine], price_lines: Callable[[list[PlanLine]], list[PlanLine]]
    ) -> None:
        """Send one close for each line, in order, until stopped, refused for good, or paused by unknown outcomes.

        A line that is held up lets the others go first; what is still held up when no other is left waits for the next
        round.

        Args:
            round_number: Which round it is.
            lines: What is closed.
            price_lines: Puts lines in order by the prices that are there by then: where answers are slow, a round takes
                minutes, and prices that were late for its beginning still order the rest of it.
        """
        waiting = list(lines)
        while waiting:
            self._wait_for_room()
            if self._is_stopped() or self.fatal_reason or self.is_paused:
                return
            if any(line.notional_usdt is None for line in waiting):
                waiting = price_lines(waiting)
            line = next((each for each in waiting if not self._is_held_up(each.instrument_id)), None)
            if line is None:
                return
            waiting.remove(line)
            try:
                self._send(round_number, line)
            except SendWithdrawn:
                return
            self.collect()

    def follow_kill_switch(self) -> None:
        """Look at the kill switch. Once it was seen on, this flatten sends nothing more, even if it is switched off."""
        self.fatal_reason = self.fatal_reason or self._kill_switch.read_reason()

    @property
    def is_paused(self) -> bool:
        """Whether so many outcomes in a row were unknown that a positions read has to succeed first."""
        return self.tally.unknown_streak >= _UNKNOWNS_BEFORE_PAUSE

    def resume(self) -> None:
        """A positions read has succeeded: sends may go on."""
        self.tally.unknown_streak = 0

    def collect(self, wait_s: float = 0.0) -> None:
        """Take in the answers that have arrived; wait for the next one for at most `wait_s` seconds."""
        if wait_s and self._in_flight:
            wait(self._in_flight.values(), timeout=wait_s, return_when=FIRST_COMPLETED)
        for instrument_id, future in list(self._in_flight.items()):
            if future.done():
                del self._in_flight[instrument_id]
                self._take_in(instrument_id, future)

    def collect_all(self) -> None:
        """Wait for every answer that is still out; each ends with its timeout at the latest."""
        while self._in_flight:
            self.collect(_POLL_S)

    def _wait_for_room(self) -> None:
        while len(self._in_flight) >= self._desk.settings.flatten.max_in_flight:
            self.collect(_POLL_S)

    def _choose_target(self, line: PlanLine) -> CloseTarget | None:
        record = self.tally.records.get(line.instrument_id, InstrumentRecord())
        return self.targets.choose(line, is_second_pass=record.is_second_pass, may_name_ids=record.may_name_ids)

    def _send(self, round_number: int, line: PlanLine) -> None:
        tally, target = self.tally, self._choose_target(line)
        if target is None:
            return
        if tally.first_slot_s is None:
            tally.first_slot_s = time.monotonic()
        intent = CloseIntent(
            attempt_id=f"{self._flatten_id}-{tally.sends + 1:04d}",
            instrument_id=line.instrument_id,
            product_group=line.product_group,
            round_number=round_number,
            send_number=tally.sends + 1,
            endpoint=target.endpoint,
            request_body=target.body,
            quantity_contracts=target.quantity_contracts,
            notional_usdt=target.notional_usdt,
        )
        if not self._take_slot(intent):
            return
        self._in_flight[line.instrument_id] = self._pool.submit(self._deliver, intent)
        tally.sends += 1
        record = self._record(line.instrument_id)
        record.attempts += 1

    def _take_slot(self, intent: CloseIntent) -> bool:
        """Wait for the slot and record the intent in it; False when that cannot be done, which ends all sending."""
        recorded: list[int] = []
        try:
            self._desk.client.take_close_slot(
                intent.endpoint,
                lambda: recorded.append(self._desk.ledger.record_intent(self._flatten_id, intent)),
                self._may_not_send,
            )
        except (GuardRefused, LedgerError) as error:
            self.fatal_reason = f"{intent.instrument_id} was not sent: {error}"
            if recorded:
                self._record_not_sent(intent, f"the slot was lost: {error}")
            return False
        if self._may_not_send():
            # Recording the intent may have had to wait for the ledger; stopping may have been asked for meanwhile.
            self._record_not_sent(intent, self.fatal_reason or "stopped before it was sent")
            return False
        return True

    def _may_not_send(self) -> bool:
        """Asked while the slot is waited for, when it has come, and once more right before the send."""
        self.follow_kill_switch()
        return self.fatal_reason is not None or self._is_stopped()

    def _record_not_sent(self, intent: CloseIntent, reason: str) -> None:
        answer = CloseAnswer(Outcome.NOT_SENT, reason, None, datetime.now(UTC))
        self._desk.ledger.record_outcome(intent.attempt_id, answer)

    def _deliver(self, intent: CloseIntent) -> Delivery:
        sent_s = time.monotonic()
        answer = self._send_once(intent)
        self._desk.ledger.record_outcome(intent.attempt_id, answer)
        settled_s = time.monotonic()
        self._desk.client.note_close_answer(intent.endpoint, answer)
        return Delivery(intent, answer, sent_s, settled_s)

    def _send_once(self, intent: CloseIntent) -> CloseAnswer:
        sent_at = datetime.now(UTC)
        try:
            return self._desk.client.send_close(intent.endpoint, intent.request_body)
        except Exception as error:  # a fault of this program must not lose the record of a send
            logger.exception("close %s broke off", intent.attempt_id)
            return CloseAnswer(Outcome.UNKNOWN, f"broke off: {type(error).__name__}", sent_at, datetime.now(UTC))

    def _take_in(self, instrument_id: str, future: Future[Delivery]) -> None:
        tally, record = self.tally, self._record(instrument_id)
        # Until more is known: it ended just now, and it may have closed something.
        tally.settled_s = record.settled_s = time.monotonic()
        record.evidence_from_s = record.settled_s + self._settle_s
        record.last_reason = "the answer could not be recorded"
        try:
            delivery = future.result()
        except LedgerError as error:
            # The intent stands in the ledger without an outcome, so it reads as UNKNOWN. Without a ledger nothing is sent.
            self.fatal_reason = f"the ledger could not record an answer: {error}"
            return
        answer = delivery.answer
        record.settled_s, record.last_reason = delivery.settled_s, f"{answer.outcome}, {answer.reason}"
        if answer.outcome in _MAY_HAVE_CLOSED:
            record.tries += 1
            tally.last_answer_s = max(tally.last_answer_s or 0.0, delivery.settled_s)
        else:
            record.evidence_from_s = delivery.settled_s
        tally.refused += answer.outcome is Outcome.REFUSED
        tally.unknown_streak = tally.unknown_streak + 1 if answer.outcome is Outcome.UNKNOWN else 0
        if delivery.intent.endpoint == CLOSE_BY_IDS:
            # A batch close names less and may still be taken, so nothing is given up for it.
            record.may_name_ids = answer.refusal is not Refusal.PARAMETER
            record.is_second_pass = answer.outcome is not Outcome.UNKNOWN
        else:
            record.is_given_up = answer.refusal is Refusal.PARAMETER
            record.is_second_pass = record.is_second_pass or answer.outcome is Outcome.PARTIAL
        self._follow_refusal(delivery)
        self._on_delivery(delivery)

    def _follow_refusal(self, delivery: Delivery) -> None:
        answer = delivery.answer
        if answer.refusal is Refusal.FATAL:
            self.fatal_reason = answer.reason
        elif answer.refusal is Refusal.TIMESTAMP:
            try:
                self._clock_correction.follow_refusal(delivery.sent_s, answer.reason)
            except (GuardRefused, SendWithdrawn) as error:
                self.fatal_reason = str(error)

    def _record(self, instrument_id: str) -> InstrumentRecord:
        return self.tally.records.setdefault(instrument_id, InstrumentRecord())
