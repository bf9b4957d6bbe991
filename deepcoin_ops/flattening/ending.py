"""The end of a flatten: what was sent and seen becomes one verdict per instrument and one closing row, written once.

It judges and records; it sends nothing and asks the exchange nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from deepcoin_ops.domain.model import FlattenRequest, FlattenResult, InstrumentVerdict
from deepcoin_ops.domain.planning import describe_lines
from deepcoin_ops.domain.verdicts import InstrumentHistory, OrderEvidence, judge, result_of
from deepcoin_ops.flattening.closing import build_closing, describe_end, describe_unconfigured
from deepcoin_ops.flattening.desk import Desk
from deepcoin_ops.flattening.order_clearing import OrderClearing
from deepcoin_ops.flattening.progress import FlattenOutcome
from deepcoin_ops.flattening.proof import Proof
from deepcoin_ops.flattening.sending import CloseSender
from deepcoin_ops.flattening.sightings import Sightings


class Ending:
    """Judges one flatten and writes its end.

    Args:
        desk: The account.
        request: Who asked for what.
        sender: Knows what was sent.
        orders: Knows what the order lists show.
        proof: Knows which reads count.
        sightings: Knows what the reads show.

    Attributes:
        outcome: What was written; None until then.
    """

    def __init__(
        self,
        desk: Desk,
        request: FlattenRequest,
        sender: CloseSender,
        orders: OrderClearing,
        proof: Proof,
        sightings: Sightings,
    ):
        self._ledger = desk.ledger
        self._gap_s = desk.settings.flatten.read_gap_s
        self._request = request
        self._sender = sender
        self._orders = orders
        self._proof = proof
        self._sightings = sightings
        self._started_s = time.monotonic()
        self.outcome: FlattenOutcome | None = None

    def are_verdicts_settled(self) -> bool:
        """Whether no further read can change a verdict."""
        if not (self._orders.is_done() and self._proof.has_followed_lists()):
            return False
        # Without regard to the orders: which of them are left is settled, and what could not be read will not be.
        no_orders = {instrument_id: OrderEvidence() for instrument_id in self._request.instruments}
        return all(
            verdict.quantity_after_contracts
            or verdict.verdict.is_flat
            or verdict.instrument_id in self._sightings.held_back
            for verdict in self._judge(no_orders)
        )

    def write(
        self, *, rounds: int, blind_reason: str | None, is_interrupted: bool, is_past_deadline: bool
    ) -> FlattenOutcome:
        """Write the end of a flatten that looked at the account.

        Args:
            rounds: Rounds of closes.
            blind_reason: Why nothing more could be read, if something forbade it for good.
            is_interrupted: Whether it was asked to stop.
            is_past_deadline: Whether its time for sending was over.
        """
        verdicts = self._judge(self._orders.watch.evidence_of_all())
        open_lines = self._sightings.open_lines
        result = result_of(verdicts)
        reason = describe_end(
            result,
            rounds=rounds,
            sends=self._sender.tally.sends,
            cancels=self._orders.sends,
            fatal_reason=self._sender.fatal_reason,
            blind_reason=blind_reason,
            is_interrupted=is_interrupted,
            is_past_deadline=is_past_deadline,
            is_spent=bool(open_lines) and not any(self._sender.may_send(line) for line in open_lines),
            unconfigured=self._describe_unconfigured(),
        )
        return self._write(result, reason, verdicts, rounds)

    def write_dry_run(self, refusal: str | None) -> FlattenOutcome:
        """Write the end of a flatten that was only to show what it would close.

        Args:
            refusal: Why it would have been refused if it were none; None when it would have sent.
        """
        reason = f"dry run, nothing sent; open: {describe_lines(self._sightings.open_lines)}"
        if refusal is not None:
            reason += f"; a flatten would be refused now: {refusal}"
        return self._write(FlattenResult.DRY_RUN, reason, [], 0)

    def write_refusal(self, reason: str) -> FlattenOutcome:
        """Write the end of a flatten that sent nothing because a guard held."""
        instruments = self._request.instruments
        refused = {instrument_id: InstrumentHistory(held_back="refused before sending") for instrument_id in instruments}
        verdicts = judge(instruments, self._sightings.before, [], self._gap_s, refused, {})
        return self._write(FlattenResult.REFUSED, reason, verdicts, 0)

    def _judge(self, orders: Mapping[str, OrderEvidence]) -> list[InstrumentVerdict]:
        histories = self._sender.histories(self._sightings.look_at_lists(), self._sightings.open_lines)
        before, reads = self._sightings.before, self._proof.reads
        return judge(self._request.instruments, before, reads, self._gap_s, histories, orders)

    def _describe_unconfigured(self) -> dict[str, str]:
        return describe_unconfigured(self._sightings.last, self._sightings.market)

    def _write(self, result: FlattenResult, reason: str, verdicts: list[InstrumentVerdict], rounds: int) -> FlattenOutcome:
        closing = build_closing(
            self._request.flatten_id,
            result,
            reason,
            rounds=rounds,
            tally=self._sender.tally,
            before=self._sightings.before,
            verdicts=verdicts,
            started_s=self._started_s,
            ended_s=time.monotonic(),
            proven_s=self._proof.completed_s() if result is FlattenResult.FLAT else None,
            unconfigured=self._describe_unconfigured(),
        )
        if verdicts:
            self._ledger.record_verdicts(self._request.flatten_id, verdicts)
        self._ledger.record_closing(closing)
        self.outcome = FlattenOutcome(closing, tuple(verdicts), self._orders.sends)
        return self.outcome
