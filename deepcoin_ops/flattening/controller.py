"""The flatten controller: rounds until the account is proven flat, or until nothing more may be tried.

It does not retry requests. A round sends one close for each configured instrument that a positions read shows open, then
reads again; a throttle, a partial failure, an unknown outcome and a position somebody reopened are all the same to it: the
instrument is still open in the next read. Waiting orders are read and cancelled beside the rounds (`order_clearing`), and
nothing is flat while one is left that can open a position. No Dagster here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from threading import Event

from deepcoin_ops.domain.errors import GuardRefused, LedgerError, SendWithdrawn
from deepcoin_ops.domain.model import FlattenRequest, Outcome
from deepcoin_ops.domain.planning import ClosePlan, PlanLine, describe_lines, total_notional
from deepcoin_ops.exchange.pace_clock import SYSTEM_CLOCK, PaceClock
from deepcoin_ops.flattening.account_lock import AccountLock
from deepcoin_ops.flattening.admission import Admission
from deepcoin_ops.flattening.clock_correction import ClockCorrection
from deepcoin_ops.flattening.desk import Desk
from deepcoin_ops.flattening.ending import Ending
from deepcoin_ops.flattening.launch_guard import LaunchGuard
from deepcoin_ops.flattening.market import MarketReads
from deepcoin_ops.flattening.observation import AccountRead, Observer, wait_until
from deepcoin_ops.flattening.order_clearing import OrderClearing
from deepcoin_ops.flattening.progress import FlattenOutcome, Progress, Teller
from deepcoin_ops.flattening.proof import Proof, build_verify_limit
from deepcoin_ops.flattening.reading import AccountReader
from deepcoin_ops.flattening.sending import CloseSender, Delivery
from deepcoin_ops.flattening.sightings import Sightings

# Seconds the first send waits for prices and orders; without them it goes out in another order, and may find size frozen.
_PATIENCE_S = 3.0
_POLL_S = 0.05
_FRESH_S = 5.0  # seconds for which a positions read may lead to a first send, or to sends that were held up


class Flatten:
    """One flatten of one account. Call `take_lock`, `close_rounds`, `verify`, and `release` at the end, in this order.

    The opening row of `request` has to be in the ledger. None of these methods may be interrupted in the middle: they run
    in a thread of their own (`flattening.supervision`) and stop by themselves once `stop` is set.

    Args:
        desk: The account's desk.
        request: Who asked for what.
        stop: Set by whoever wants it to end: no new send, answers in flight awaited, what was seen is written down.
        report: Told what happens, for people.
        launched_at: When it was launched, aware; None when that is now.
        clock: What the age of the launch is read from.
    """

    def __init__(
        self,
        desk: Desk,
        request: FlattenRequest,
        stop: Event,
        report: Callable[[Progress], None],
        launched_at: datetime | None = None,
        clock: PaceClock = SYSTEM_CLOCK,
    ):
        self._desk = desk
        self._limits = desk.settings.flatten
        self.request = request
        self._stop = stop
        self._report = report
        self._teller = Teller(report)
        self._observer = Observer(desk, request.instruments, (desk.ledger, request.flatten_id))
        self._market_reads = MarketReads(desk.client, self._observer.instrument_types, stop.is_set)
        self._launch = LaunchGuard(desk.settings, request, launched_at, clock)
        self._lock = AccountLock(desk.settings.locks_folder, request.account)
        max_offset_s = desk.settings.exchange.max_clock_offset_s
        self._clock = ClockCorrection(desk.client, max_offset_s, stop.is_set, report)
        self._reader = AccountReader(self._observer, self._clock, report)
        self._admission = Admission(desk, request, self._clock, stop.is_set, report)
        self._orders = OrderClearing(
            desk, request.instruments, request.flatten_id, self._find_closes_settled, stop.is_set, self._clock, report
        )
        is_held_up = self._orders.is_held_up
        self._sender = CloseSender(
            desk, request.flatten_id, self._is_stopping, is_held_up, self._tell_delivery, self._clock
        )
        self._proof = Proof(self._sender, self._orders, self._limits.settle_s, self._limits.read_gap_s)
        self._sightings = Sightings(desk, request, self._market_reads)
        self._ending = Ending(desk, request, self._sender, self._orders, self._proof, self._sightings)
        self._rounds = 0
        self._is_verifying = False
        self._deadline_s = self._orders_deadline_s = float("inf")

    @property
    def plan(self) -> ClosePlan | None:
        """What was open before the first send; None until the snapshot has been read."""
        return self._sightings.before

    @property
    def outcome(self) -> FlattenOutcome | None:
        """How it ended; None until that is written."""
        return self._ending.outcome

    def take_lock(self, *, only_reads: bool = False) -> None:
        """Ask whether the launch may act now, then wait for the account's flatten lock.

        Args:
            only_reads: Nothing is going to be sent, so that a launch of any age may go on.

        Raises:
            GuardRefused: The launch may not act, the lock cannot be used, or another flatten held it for the whole wait
                (LockTimeout); recorded as a refused flatten.
            SendWithdrawn: Stopping was asked for; recorded likewise.
        """
        holder = f"flatten {self.request.flatten_id}, {self.request.launched_by}"
        try:
            if not only_reads:
                self._launch.check_before_lock()
            self._lock.acquire(holder, self._limits.lock_wait_s, self._stop.is_set, self._report)
        except (GuardRefused, SendWithdrawn) as error:
            self._ending.write_refusal(str(error))
            raise

    def release(self) -> None:
        """End the threads and give the lock back; answers still in flight are awaited and recorded first."""
        try:
            self._admission.close()
            self._market_reads.close()
            self._sender.close()
            self._orders.close()
        finally:
            self._lock.release()

    def abandon(self, reason: str) -> None:
        """Close a flatten whose own steps were not all taken; nothing to do when it is closed. Sends nothing.

        Args:
            reason: Why it ended early, for the closing row.
        """
        if self.outcome is not None:
            return
        self._stop.set()
        if self.plan is None:
            self._ending.write_refusal(reason)
        else:
            self._sender.fatal_reason = self._sender.fatal_reason or reason
            self.verify()

    def take_snapshot(self) -> AccountRead:
        """The first complete read, side by side with instruments and prices; what it shows is what was open before.

        Raises:
            GuardRefused: No complete read could be had, or the exchange refused the key or the clock; recorded.
            SendWithdrawn: Stopping was asked for; recorded likewise.
        """
        try:
            left_s = self._sender.take_over()
            if left_s:
                self._report(Progress(f"closes of an earlier flatten are not settled yet; waiting up to {left_s:.0f} s"))
            self._market_reads.start_missing()
            if not self.request.is_dry_run:
                self._orders.start()
            read = self._reader.fetch_snapshot(self.request.account, self._desk.settings.deadline_s(0), self._stop.is_set)
            ends_s = time.monotonic() + _PATIENCE_S
            self._market_reads.wait(_PATIENCE_S)
            if not self.request.is_dry_run:
                self._orders.wait_first_page(ends_s - time.monotonic())
        except (GuardRefused, SendWithdrawn) as error:
            self._ending.write_refusal(str(error))
            raise
        plan = self._note(read)
        self._sightings.before = plan
        self._sender.targets.know(frozenset(row.position_id for line in plan.lines for row in line.positions))
        # On the boot clock, which goes on while the machine is suspended: a flatten that wakes hours later must not send.
        self._deadline_s = SYSTEM_CLOCK.now_s() + left_s + self._desk.settings.deadline_s(len(plan.lines))
        self._orders_deadline_s = self._deadline_s + self._desk.settings.orders_time_s(len(self.request.instruments))
        shown = f"{len(plan.lines)} of {len(self.request.instruments)} instruments open: {describe_lines(plan.lines)}"
        self._teller.begin(shown, plan)
        return read

    def close_rounds(self) -> None:
        """Read the account, check the guards, send rounds of closes until it looks flat or nothing more may be tried.

        Returns normally with whatever is left. When stopping was asked for, the verdicts and the closing row are written
        before it returns.

        Raises:
            GuardRefused: A guard held before the first send; nothing was sent, and that is recorded.
            SendWithdrawn: Stopping was asked for before the first send; recorded likewise.
        """
        if not self.request.is_dry_run:
            self._admission.start()
        read = self.take_snapshot()
        if self.request.is_dry_run:
            self._ending.write_dry_run(self._desk.kill_switch.read_reason())
            return
        read = self._admit(read)
        self._orders.allow_cancels()
        self._run_rounds(read)
        self._orders.forbid_cancels()
        self._sender.collect_all()
        if self._stop.is_set():
            self.verify()

    def verify(self) -> FlattenOutcome:
        """Take the reads that are still missing for a proof, write the verdicts and the closing row.

        Returns:
            The outcome; the same one again when it was written before.
        """
        if self.outcome is not None:
            return self.outcome
        self._orders.forbid_cancels()
        self._sender.collect_all()
        if self._sightings.held_back:
            # Perhaps only because a list could not be read; a later one may still know what it holds back.
            self._market_reads.start_missing()
            self._market_reads.wait(_PATIENCE_S)
        self._is_verifying = True
        self._orders.follow(self._sightings.known, is_finishing=True)
        is_over = build_verify_limit(self._proof.next_start_s(), self._orders.needed_s(), self._stop.is_set, self._limits)
        while self._reader.blind_reason is None and not self._ending.are_verdicts_settled() and not is_over():
            starts_s = self._proof.next_read_at()
            if starts_s is None:
                time.sleep(_POLL_S)
            elif wait_until(starts_s, is_over, time.sleep):
                self._try_fetch("verify", is_over)
        return self._ending.write(
            rounds=self._rounds,
            blind_reason=self._reader.blind_reason,
            is_interrupted=self._stop.is_set(),
            is_past_deadline=SYSTEM_CLOCK.now_s() >= self._deadline_s,
        )

    def _admit(self, read: AccountRead) -> AccountRead:
        """Have it decided whether anything may be sent; the read that this was decided on, and that is fresh.

        Raises:
            GuardRefused: Nothing may be sent; recorded.
            SendWithdrawn: Stopping was asked for; recorded likewise.
        """
        began_s = time.monotonic()
        try:
            while True:
                self._admission.check(self._sightings.open_lines, self._market_reads)
                # On the boot clock: it may have taken a while, or the machine may have been suspended.
                if SYSTEM_CLOCK.now_s() - read.arrived_s <= _FRESH_S:
                    break
                limit_s = self._desk.settings.deadline_s(0)
                read = self._reader.fetch_snapshot(self.request.account, limit_s, self._stop.is_set)
                self._note(read)
            self._launch.check_before_first_send()
        except (GuardRefused, SendWithdrawn) as error:
            self._ending.write_refusal(str(error))
            raise
        # Deciding takes nothing from the closes. Not on the boot clock: time asleep is not given back.
        waited_s = time.monotonic() - began_s
        self._deadline_s += waited_s
        self._orders_deadline_s += waited_s
        return read

    # -- rounds ---------------------------------------------------------------------------------------------------------

    def _run_rounds(self, read: AccountRead) -> None:
        while True:
            due = self._due_lines(read)
            if due and self._is_within_caps():
                self._rounds += 1
                size = f"{len(due)} instrument(s), {total_notional(due):,.0f} USDT"
                self._teller.tell(f"round {self._rounds}: closing {size}, largest first", self._sender.tally.sends)
                self._proof.clear()
                self._sender.send_round(self._rounds, due, self._market_reads.price_lines)
            newer = self._fetch_next(read)
            if newer is None:
                return
            read = newer

    def _is_within_caps(self) -> bool:
        """Whether what is open now may still be closed; once it may not, this flatten sends nothing more."""
        try:
            objection = self._admission.find_objection(self._sightings.open_lines, self._market_reads)
        except LedgerError as error:
            objection = str(error)
        self._sender.fatal_reason = self._sender.fatal_reason or objection
        return objection is None

    def _due_lines(self, read: AccountRead) -> list[PlanLine]:
        """Open instruments that this read is evidence about, that nothing is in flight for and no cancel holds up."""
        return [
            line
            for line in self._sendable_lines()
            if self._is_ready(line) and read.started_s >= self._sender.evidence_from_s(line.instrument_id)
        ]

    def _sendable_lines(self) -> list[PlanLine]:
        if self._is_stopping():
            return []
        return [line for line in self._sightings.open_lines if self._sender.may_send(line)]

    def _is_ready(self, line: PlanLine) -> bool:
        return not self._sender.is_in_flight(line.instrument_id) and not self._orders.is_held_up(line.instrument_id)

    def _find_closes_settled(self, instrument_id: str) -> float | None:
        """Since when reads show what the closes of an instrument did; None while one is in flight."""
        is_in_flight = self._sender.is_in_flight(instrument_id)
        return None if is_in_flight else self._sender.evidence_from_s(instrument_id)

    def _is_over(self) -> bool:
        """Whether nothing more may be tried, or nothing more is left to try."""
        self._sender.fatal_reason = self._sender.fatal_reason or self._orders.fatal_reason
        if self._sendable_lines():
            # Nothing may be about to be sent for a long while, such as after an unknown outcome.
            self._sender.follow_kill_switch()
        if self._stop.is_set() or self._sender.fatal_reason is not None or self._reader.blind_reason is not None:
            return True
        if SYSTEM_CLOCK.now_s() >= self._orders_deadline_s:
            return True
        is_left = self._is_stopping() or bool(self._sightings.open_lines)
        is_at_rest = not self._sendable_lines() and not self._sender.has_in_flight
        return is_left and is_at_rest and self._orders.is_done()

    def _is_stopping(self) -> bool:
        is_refused = self._orders.fatal_reason is not None
        return self._stop.is_set() or is_refused or SYSTEM_CLOCK.now_s() >= self._deadline_s

    def _fetch_next(self, last: AccountRead) -> AccountRead | None:
        """The next complete read, begun when it can bring something new; None when it is over before that.

        It is the last one once more while that is fresh and shows what a cancel held up until now.
        """
        while not (self._is_over() or self._proof.is_complete()):
            self._sender.collect()
            is_fresh = time.monotonic() - last.started_s <= _FRESH_S and not self._sender.is_paused
            if is_fresh and self._due_lines(last):
                return last
            starts_s = self._next_read_at()
            if starts_s is None:
                self._sender.collect(_POLL_S)
                self._stop.wait(0.0 if self._sender.has_in_flight else _POLL_S)
                continue
            if time.monotonic() < starts_s:
                wait_until(min(starts_s, time.monotonic() + 0.1), self._stop.is_set, self._stop.wait)
                continue
            read = self._try_fetch("round", self._stop.is_set)
            if read is not None:
                self._sender.resume()
                return read
        return None

    def _next_read_at(self) -> float | None:
        """When the next read can change what is done; None while only answers in flight or order lists can."""
        sendable = self._sendable_lines()
        waiting = [self._sender.evidence_from_s(line.instrument_id) for line in sendable if self._is_ready(line)]
        if waiting:
            # Something can be sent at once if a read still shows it; otherwise one round for all that wait, not one each.
            now_s = time.monotonic()
            return now_s if min(waiting) <= now_s else max(waiting)
        if sendable or self._sender.has_in_flight:
            return None
        self._orders.follow(self._sightings.known, is_finishing=True)
        return self._proof.next_read_at()

    def _try_fetch(self, purpose: str, is_stopped: Callable[[], bool]) -> AccountRead | None:
        """One read, noted; None when it failed."""
        read = self._reader.try_fetch(purpose, self._rounds, is_stopped)
        if read is not None:
            self._note(read)
        return read

    def _note(self, read: AccountRead) -> ClosePlan:
        """Take in a complete read: what is open, what may be closed, and whether it counts as proof."""
        plan = self._sightings.take_in(read)
        is_finishing = self._is_verifying or not (plan.lines or self._sender.has_in_flight)
        self._orders.follow(plan, is_finishing=is_finishing)
        self._proof.note(read, plan, time.monotonic())
        return plan

    def _tell_delivery(self, delivery: Delivery) -> None:
        intent, answer = delivery.intent, delivery.answer
        accepted_usdt = intent.notional_usdt if answer.outcome is Outcome.ACCEPTED else None
        text = f"{intent.instrument_id}: {answer.outcome}, {answer.reason}"
        self._teller.tell(text, self._sender.tally.sends, answer.outcome, accepted_usdt)
        if answer.outcome is Outcome.PARTIAL:
            self._orders.look_again()
