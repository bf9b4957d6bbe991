"""Reading and cancelling the waiting orders of a flatten's instruments, beside its closes.

Level-triggered like the rounds: a list is read, what has to go is cancelled, the list is read again. It runs in threads of
its own and in lanes of its own, so that a cancel costs the closes no slot. What goes wrong here holds up nothing: it is
missing evidence, which the verdict names.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from deepcoin_ops.domain.errors import DeepcoinOpsError, SendWithdrawn
from deepcoin_ops.domain.model import Outcome, Refusal
from deepcoin_ops.domain.orders import Order
from deepcoin_ops.domain.planning import ClosePlan
from deepcoin_ops.exchange.wire_cancels import BATCH_CANCEL, MOST_CANCEL_IDS
from deepcoin_ops.flattening.cancel_queue import CancelQueue
from deepcoin_ops.flattening.cancelling import (
    CancelRefused,
    CancelSender,
    CancelTarget,
    target_batch,
    target_one,
    target_product_group,
)
from deepcoin_ops.flattening.clock_correction import ClockCorrection
from deepcoin_ops.flattening.desk import Desk
from deepcoin_ops.flattening.list_choice import RESTING, ListChoice
from deepcoin_ops.flattening.order_reading import OrderReader, OtherVenue
from deepcoin_ops.flattening.order_watch import ListKey, OrderWatch
from deepcoin_ops.flattening.progress import Progress

logger = logging.getLogger(__name__)

_POLL_S = 0.02
# Proof that nothing was done: such a cancel is no try, and the next slot may bring it again.
_NOTHING_DONE = frozenset({Outcome.REFUSED, Outcome.NOT_SENT})
_LIST_READERS = 3  # lists of single instruments that may wait for their answer at once
_LISTS_PER_MESSAGE = 20
_PATIENCE_S = 0.2  # for a thread that may be awaiting a list


class OrderClearing:
    """The waiting orders of one flatten. `start` it, tell it of plans with `follow`, `close` it at the end.

    Args:
        desk: The account.
        instruments: What the flatten is about.
        flatten_id: Under which reads, intents and outcomes are recorded.
        closes_settled_s: See `OrderWatch`.
        is_stopped: Whether stopping was asked for: then nothing more is cancelled.
        clock: Follows an answer that refuses the timestamp.
        report: Told what happens.
    """

    def __init__(
        self,
        desk: Desk,
        instruments: tuple[str, ...],
        flatten_id: str,
        closes_settled_s: Callable[[str], float | None],
        is_stopped: Callable[[], bool],
        clock: ClockCorrection,
        report: Callable[[Progress], None],
    ):
        self._desk = desk
        self._instruments = instruments
        self._report = report
        self.watch = OrderWatch(instruments, closes_settled_s, desk.settings.flatten.settle_s)
        exchange, max_tries = desk.settings.exchange, desk.settings.flatten.max_rounds
        longest_hold_s = exchange.connect_timeout_s + exchange.read_timeout_s
        self._queue = CancelQueue(desk.account, instruments, max_tries, longest_hold_s, self.watch.is_read)
        self._is_stopped = is_stopped
        self._kill_switch = desk.kill_switch
        self._sender = CancelSender(desk, flatten_id, self._find_objection, clock.follow_refusal)
        self._is_closed = threading.Event()
        self._reader = OrderReader(desk, flatten_id, self.watch, clock, self._is_closed.is_set)
        self._lists = ListChoice(desk, instruments, self.watch, self._reader, self._queue)
        self._first_page = threading.Event()
        self._lock = threading.Lock()
        self.fatal_reason: str | None = None
        self._takes_batches = True
        self._told_left = len(instruments)
        self._threads: list[threading.Thread] = []

    # -- what the controller asks and tells -------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin reading the lists. Nothing is cancelled before `allow_cancels`."""
        steps = [self._step_resting, *[self._step_instrument] * _LIST_READERS]
        self._threads = [threading.Thread(target=self._run, args=(step,), name="orders", daemon=True) for step in steps]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the threads. A cancel that is on its way is awaited and recorded; a list that is, is of no use any more."""
        self._queue.forbid()
        self._is_closed.set()
        for thread in self._threads:
            thread.join(_PATIENCE_S)
        while self._sender.is_at_work:
            time.sleep(_POLL_S)

    def allow_cancels(self) -> None:
        """Let what has to go be cancelled, from now on. Sends."""
        self._queue.allow()

    def forbid_cancels(self) -> None:
        """Send no further cancel. Lists are still read."""
        self._queue.forbid()

    def follow(self, plan: ClosePlan, *, is_finishing: bool) -> None:
        """Tell what the newest positions read shows.

        Args:
            plan: What is open.
            is_finishing: Whether no close is left to be sent for now: then the lists are read for the proof.
        """
        self._lists.follow(plan, is_finishing=is_finishing)

    def look_again(self) -> None:
        """Read the resting orders once more: a close was answered with an item, and an order may hold its size."""
        self._lists.look_again()

    def wait_first_page(self, limit_s: float) -> None:
        """Wait until the first page of resting orders is there, or could not be read, for at most `limit_s` seconds."""
        self._first_page.wait(limit_s)

    def is_held_up(self, instrument_id: str) -> bool:
        """Whether a close of the instrument has to wait for a cancel."""
        return self._queue.is_held_up(instrument_id)

    @property
    def has_in_flight(self) -> bool:
        """Whether a cancel is unanswered."""
        return self._sender.has_in_flight

    @property
    def settled_s(self) -> float:
        """When the last cancel was answered, on the monotonic clock; minus infinity when none was sent."""
        return self._sender.settled_s

    @property
    def sends(self) -> int:
        """How many cancels were sent, or may have been."""
        return self._sender.sends

    def is_done(self) -> bool:
        """Whether there is nothing left to read or cancel, or no more can be done."""
        if self.watch.broken_reason is not None or not self._threads:
            return True
        if self._queue.has_work() or self._sender.has_in_flight:
            return False
        return self._lists.is_done()

    def positions_from_s(self) -> float:
        """The earliest start of a positions read that shows whatever an order did before it was gone (monotonic)."""
        return max(each.positions_from_s for each in self.watch.evidence_of_all().values())

    def needed_s(self) -> float:
        """About how long the lists that are still missing take to be read, in seconds."""
        pace = self._desk.settings.pace
        return self._lists.count_missing() * (pace.orders_spacing_s + pace.margin_ms / 1000)

    # -- the threads ------------------------------------------------------------------------------------------------------

    def _run(self, step: Callable[[], bool]) -> None:
        while not self._is_closed.is_set() and self.watch.broken_reason is None:
            try:
                if not step():
                    self._is_closed.wait(_POLL_S)
            except SendWithdrawn:
                continue
            except (CancelRefused, OtherVenue) as error:
                self.fatal_reason = str(error)
                self._break_off(str(error))
            except DeepcoinOpsError as error:
                self._break_off(str(error))
            except Exception as error:  # a fault of this program: nothing may wait for it
                logger.exception("looking after the orders broke off")
                self._break_off(f"looking after them broke off: {type(error).__name__}")

    def _break_off(self, reason: str) -> None:
        self.watch.broken_reason = f"the order lists prove nothing: {reason}"
        self._queue.forbid()
        self._first_page.set()
        self._report(Progress(f"waiting orders are not looked after any more: {reason}"))

    def _step_resting(self) -> bool:
        batch = self._queue.take_resting(MOST_CANCEL_IDS if self._takes_batches else 1)
        if batch:
            self._cancel(target_batch(batch) if self._takes_batches else target_one(batch[0]), batch)
            return True
        if not self._lists.is_resting_list_wanted():
            return False
        self._read(RESTING)
        return True

    def _step_instrument(self) -> bool:
        wanted = self._lists.take_list()
        if wanted is not None:
            try:
                self._read(wanted)
                self._cancel_singles()
            finally:
                self._lists.note_done(wanted)
            return True
        group = self._queue.take_group()
        if group is None:
            return self._cancel_singles()
        try:
            self._cancel(target_product_group(group, self._instruments), [])
        finally:
            self._queue.note_group_answered()
        return True

    # -- reading ----------------------------------------------------------------------------------------------------------

    def _read(self, key: ListKey) -> None:
        """Read one list, and note what has to go."""
        read = self._reader.read(key, "verify" if self._lists.is_finishing else "clear", self._note_page)
        if read is None:
            if key == RESTING:
                self._queue.note_failed_list()
        else:
            self._queue.note_list(*key, read.orders)
            self.watch.note_read(read)
            self._tell_progress()
        self._first_page.set()

    def _tell_progress(self) -> None:
        """Say now and then how many lists are left: with many instruments they take minutes after the last close."""
        with self._lock:
            left = self._lists.count_missing()
            is_told = self._lists.is_finishing and left < self._told_left and left % _LISTS_PER_MESSAGE == 0
            if is_told:
                self._told_left = left
        if is_told and left:
            self._report(Progress(f"nothing more to close; order lists of {left} instruments are still to be read"))

    def _note_page(self, orders: tuple[Order, ...]) -> None:
        self._queue.hold_up(orders)
        self._first_page.set()

    # -- cancelling -------------------------------------------------------------------------------------------------------

    def _cancel_singles(self) -> bool:
        """Cancel what takes a call of its own, until nothing of that kind is left."""
        order = self._queue.take_single()
        if order is None:
            return False
        while order is not None:
            self._cancel(target_one(order), [order])
            order = self._queue.take_single()
        return True

    def _find_objection(self) -> str | None:
        """Why no cancel may be sent any more. A kill switch that was seen on stops this flatten for good."""
        if self._is_stopped() or not self._queue.is_allowed:
            return self.fatal_reason or "stopped before it was sent"
        killed = self._kill_switch.read_reason()
        if killed is not None:
            self.fatal_reason = self.fatal_reason or killed
            self._queue.forbid()
        return killed

    def _cancel(self, target: CancelTarget, orders: list[Order]) -> None:
        try:
            answer = self._sender.send(target)
        except SendWithdrawn:
            self._queue.put_back(orders)
            raise
        except DeepcoinOpsError:
            self._note_answered(target, orders)
            raise
        is_batch_wrong = answer.refusal is Refusal.PARAMETER and target.endpoint == BATCH_CANCEL
        if is_batch_wrong:
            # The pages spell its parameter in two ways; cancelling one order at a time has only one spelling.
            self._takes_batches = False
        if is_batch_wrong or (answer.outcome in _NOTHING_DONE and answer.refusal is not Refusal.PARAMETER):
            self._queue.put_back(orders)
        else:
            self._note_answered(target, orders)
        if answer.outcome is not Outcome.ACCEPTED or len(target.order_ids) != 1:
            self._report(Progress(f"cancelling {target.describe()}: {answer.outcome}, {answer.reason}"))

    def _note_answered(self, target: CancelTarget, orders: list[Order]) -> None:
        # The evidence is void before the queue says that nothing is at work, so that nobody takes it for a proof between.
        self.watch.note_cancel(target.kind.order_list, target.instrument_ids)
        self._queue.note_answered(orders)
