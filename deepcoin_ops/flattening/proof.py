"""The reads that may prove an account flat: which ones count, when the next one may be begun, whether they suffice.

A read counts when it was begun a settle time after the last answer or timeout of any send, with nothing in flight: the
exchange's reads were seen to lag its writes by seconds. Two clean ones, far enough apart, are a proof.
"""

from __future__ import annotations

from deepcoin_ops.domain.planning import ClosePlan
from deepcoin_ops.domain.verdicts import ProofRead, are_apart
from deepcoin_ops.flattening.observation import AccountRead
from deepcoin_ops.flattening.sending import CloseSender


class ProofReads:
    """The counting reads since the last send.

    Args:
        sender: Knows what is in flight and when the last answer, error or timeout arrived.
        settle_s: Seconds between that moment and the start of the first read that counts.
        gap_s: Seconds between the starts of two reads that prove something together.
    """

    def __init__(self, sender: CloseSender, settle_s: float, gap_s: float):
        self._sender = sender
        self._settle_s = settle_s
        self._gap_s = gap_s
        self.reads: list[ProofRead] = []
        self.completed_s: float | None = None

    def clear(self) -> None:
        """Forget them all: something is about to be sent."""
        self.reads.clear()
        self.completed_s = None

    def note(self, read: AccountRead, plan: ClosePlan, now_s: float) -> None:
        """Count a complete read, if it was begun late enough.

        Args:
            read: The read.
            plan: What it shows of the instruments asked for.
            now_s: When it had arrived, on the monotonic clock.
        """
        if read.started_s >= self._sender.tally.settled_s + self._settle_s and not self._sender.has_in_flight:
            self.reads.append(ProofRead(plan, read.started_monotonic_s))
            self.completed_s = now_s

    def next_start_s(self) -> float:
        """The earliest start of a further read that counts and is far enough from the last one, on the monotonic clock."""
        settled_s = self._sender.tally.settled_s + self._settle_s
        if not self.reads:
            return settled_s
        return max(settled_s, self.reads[-1].started_monotonic_s[0] + self._gap_s)

    def are_flat(self) -> bool:
        """Whether they show everything asked for flat: two clean ones apart, and the last one clean."""
        clean = [read for read in self.reads if not read.plan.lines]
        if len(clean) < 2 or clean[-1] is not self.reads[-1]:
            return False
        return are_apart(clean[0], clean[-1], self._gap_s)
