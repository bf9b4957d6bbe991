"""The reads that may prove an account flat: which ones count, when the next one may be begun, whether they suffice.

A read counts when it was begun a settle time after the last answer or timeout of any send, closes and cancels alike, with
nothing in flight: the exchange's reads were seen to lag its writes by seconds. Two clean ones, far enough apart, are a
proof of the positions; the order lists (`order_watch`) have to be read too, and the last positions read has to be newer
than the first list without an order that can open one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from deepcoin_ops.domain.planning import ClosePlan
from deepcoin_ops.domain.verdicts import ProofRead, are_apart
from deepcoin_ops.flattening.observation import AccountRead
from deepcoin_ops.flattening.order_clearing import OrderClearing
from deepcoin_ops.flattening.sending import CloseSender
from deepcoin_ops.settings_model import FlattenSection

_VERIFY_LIMIT_S = 30.0  # seconds of reads before what is unproven stays unproven


class Proof:
    """The counting reads since the last send, and whether they and the order lists suffice.

    Args:
        sender: Knows which closes are in flight and when the last answer, error or timeout arrived.
        orders: Knows the same of the cancels, and which order lists are missing.
        settle_s: Seconds between that moment and the start of the first read that counts.
        gap_s: Seconds between the starts of two reads that prove something together.
    """

    def __init__(self, sender: CloseSender, orders: OrderClearing, settle_s: float, gap_s: float):
        self._sender = sender
        self._orders = orders
        self._settle_s = settle_s
        self._gap_s = gap_s
        self._reads: list[ProofRead] = []
        self._arrived_s: float | None = None

    def clear(self) -> None:
        """Forget the reads: something is about to be sent."""
        self._reads.clear()
        self._arrived_s = None

    def note(self, read: AccountRead, plan: ClosePlan, now_s: float) -> None:
        """Count a complete read, if it was begun late enough.

        Args:
            read: The read.
            plan: What it shows of the instruments asked for.
            now_s: When it had arrived, on the monotonic clock.
        """
        if read.started_s >= self._counts_from_s():
            self._reads.append(ProofRead(plan, read.started_monotonic_s))
            self._arrived_s = now_s

    @property
    def reads(self) -> list[ProofRead]:
        """Those that still count: a cancel that was answered meanwhile takes away those begun before it had settled."""
        from_s = self._counts_from_s()
        return [read for read in self._reads if min(read.started_monotonic_s) >= from_s]

    def next_start_s(self) -> float:
        """The earliest start of a further read that counts and is far enough from the last one, on the monotonic clock.

        Infinity while an answer is awaited.
        """
        counts_from_s, reads = self._counts_from_s(), self.reads
        if not reads:
            return counts_from_s
        return max(counts_from_s, reads[-1].started_monotonic_s[0] + self._gap_s)

    def next_read_at(self) -> float | None:
        """When the next read can prove something; None while that waits for order lists or answers.

        Lists of single instruments may take minutes: meanwhile the positions are not read again and again. The last read
        has to be newer than what the lists tell.
        """
        starts_s, is_done = self.next_start_s(), self._orders.is_done()
        has_open = any(read.plan.lines for read in self.reads[-1:])
        if math.isinf(starts_s) or (not is_done and (has_open or self.are_flat())):
            return None
        return max(starts_s, self._orders.positions_from_s()) if is_done else starts_s

    def are_flat(self) -> bool:
        """Whether the reads show everything asked for flat: two clean ones apart, and the last one clean."""
        reads = self.reads
        clean = [read for read in reads if not read.plan.lines]
        if len(clean) < 2 or clean[-1] is not reads[-1]:
            return False
        return are_apart(clean[0], clean[-1], self._gap_s)

    def is_complete(self) -> bool:
        """Whether everything is flat, no order list is missing, and a read shows what the orders did last."""
        return self.are_flat() and self._orders.is_done() and self.has_followed_lists()

    def has_followed_lists(self) -> bool:
        """Whether the last counting read shows whatever an order did before it was seen to be gone."""
        reads = self.reads
        return bool(reads) and min(reads[-1].started_monotonic_s) >= self._orders.positions_from_s()

    def completed_s(self) -> float | None:
        """When the last read or list that it needs had arrived, on the monotonic clock."""
        return None if self._arrived_s is None else max(self._arrived_s, self._orders.watch.completed_s())

    def _counts_from_s(self) -> float:
        if self._sender.has_in_flight or self._orders.has_in_flight:
            return float("inf")
        return max(self._sender.tally.settled_s, self._orders.settled_s) + self._settle_s


def build_verify_limit(
    starts_s: float, lists_s: float, is_stopped: Callable[[], bool], limits: FlattenSection
) -> Callable[[], bool]:
    """When verifying has to end: later for a flatten in peace than for one that was asked to stop.

    Args:
        starts_s: When the first read can begin, on the monotonic clock.
        lists_s: Seconds that the missing order lists take.
        is_stopped: Whether stopping was asked for.
        limits: How long reads settle, and how long they go on after an interrupt.
    """
    now_s = time.monotonic()
    ends_s = max(now_s, starts_s if math.isfinite(starts_s) else now_s) + lists_s + _VERIFY_LIMIT_S
    stop_ends_s: list[float] = []

    def is_over() -> bool:
        if is_stopped() and not stop_ends_s:
            stop_ends_s.append(time.monotonic() + limits.settle_s + limits.interrupt_read_s)
        return time.monotonic() >= min([ends_s, *stop_ends_s])

    return is_over
