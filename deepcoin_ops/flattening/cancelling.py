"""Sending cancels: wait for the slot, record the intent, send once, record the outcome. Each endpoint has its own lane.

A cancel is harmless to repeat, as an order that is gone cannot be cancelled once more; it is recorded like a close all the
same. Nothing is judged here: the next order list says what is left.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from deepcoin_ops.domain.errors import GuardRefused, SendWithdrawn
from deepcoin_ops.domain.model import Outcome, ProductGroup, Refusal, product_group_of
from deepcoin_ops.domain.orders import CancelAnswer, CancelIntent, Order, OrderKind
from deepcoin_ops.exchange import wire_cancels
from deepcoin_ops.flattening.desk import Desk

logger = logging.getLogger(__name__)


class CancelRefused(GuardRefused):
    """The exchange refused a cancel in a way that holds for every request of the key: the whole flatten stops."""


@dataclass(frozen=True)
class CancelTarget:
    """One request: what it cancels, where it goes, what it says."""

    kind: OrderKind
    instrument_ids: tuple[str, ...]
    order_ids: tuple[str, ...]
    endpoint: str
    body: str

    def describe(self) -> str:
        """What it cancels, in words for a person."""
        where = ", ".join(self.instrument_ids[:5]) + (" and others" if len(self.instrument_ids) > 5 else "")
        return f"{len(self.order_ids) or 'all'} {self.kind.lower()} order(s) of {where}"


def target_batch(orders: list[Order]) -> CancelTarget:
    """One call for up to fifty resting orders of any instruments."""
    ids = tuple(order.order_id for order in orders)
    names = tuple(dict.fromkeys(order.instrument_id for order in orders))
    return CancelTarget(OrderKind.RESTING, names, ids, wire_cancels.BATCH_CANCEL, wire_cancels.batch_cancel_body(ids))


def target_one(order: Order) -> CancelTarget:
    """The call that cancels one order, by its kind.

    Raises:
        ValueError: A trailing exit without a known side, which its cancel has to name.
    """
    name, order_id = order.instrument_id, order.order_id
    match order.kind:
        case OrderKind.RESTING:
            endpoint, body = wire_cancels.CANCEL_ORDER, wire_cancels.cancel_order_body(name, order_id)
        case OrderKind.TRIGGER:
            endpoint, body = wire_cancels.CANCEL_TRIGGER, wire_cancels.cancel_trigger_body(name, order_id)
        case OrderKind.PROTECTION:
            endpoint, body = wire_cancels.CANCEL_PROTECTION, wire_cancels.cancel_protection_body(name, order_id)
        case OrderKind.TRAILING:
            if order.position_side is None:
                raise ValueError(f"a trailing exit of {name} names no side")
            body = wire_cancels.cancel_trailing_body(name, order.position_side, order.retrace_point)
            endpoint = wire_cancels.CANCEL_TRAILING
    return CancelTarget(order.kind, (name,), (order_id,) if order_id else (), endpoint, body)


def target_product_group(group: ProductGroup, instrument_ids: tuple[str, ...]) -> CancelTarget:
    """One call for all trigger orders of a product group, whichever instrument they are in.

    Args:
        group: Which.
        instrument_ids: Those of its instruments that the flatten is about.
    """
    names = tuple(name for name in instrument_ids if product_group_of(name) is group)
    body = wire_cancels.cancel_trigger_group_body(group)
    return CancelTarget(OrderKind.TRIGGER, names, (), wire_cancels.CANCEL_TRIGGER_GROUP, body)


class CancelSender:
    """Sends the cancels of one flatten. May be shared by threads.

    Args:
        desk: The account.
        flatten_id: Under which intents and outcomes are recorded.
        find_objection: Asked before every send: why nothing may be cancelled any more, None as long as it may.
        follow_refused_timestamp: Corrects the clock, or raises GuardRefused; told when the refused request was sent
            (monotonic) and what was said.
    """

    def __init__(
        self,
        desk: Desk,
        flatten_id: str,
        find_objection: Callable[[], str | None],
        follow_refused_timestamp: Callable[[float, str], None],
    ):
        self._desk = desk
        self._flatten_id = flatten_id
        self._find_objection = find_objection
        self._follow_refused_timestamp = follow_refused_timestamp
        self._lock = threading.Lock()
        self._sent = 0
        self._at_work = 0
        self._in_flight = 0
        self._settled_s = float("-inf")

    @property
    def has_in_flight(self) -> bool:
        """Whether any cancel is still unanswered."""
        with self._lock:
            return self._in_flight > 0

    @property
    def is_at_work(self) -> bool:
        """Whether any cancel waits for its slot, is being recorded, or is unanswered."""
        with self._lock:
            return self._at_work > 0

    @property
    def settled_s(self) -> float:
        """When the last cancel was answered or given up, on the monotonic clock; minus infinity when none was sent."""
        with self._lock:
            return self._settled_s

    @property
    def sends(self) -> int:
        """How many cancels were sent, or may have been."""
        with self._lock:
            return self._sent

    def send(self, target: CancelTarget) -> CancelAnswer:
        """Send one cancel in its lane's slot, and record it. Sends.

        Raises:
            SendWithdrawn: Stopping was asked for before it was sent.
            CancelRefused: The exchange refused the key for good, or somebody else answered.
            GuardRefused: The pace cannot be kept, or the clock cannot be corrected.
            LedgerError: It could not be recorded.
        """
        with self._lock:
            self._at_work += 1
        try:
            answer, sent_s = self._send_in_slot(target)
        finally:
            with self._lock:
                self._at_work -= 1
        self._follow_refusal(answer, sent_s)
        return answer

    def _send_in_slot(self, target: CancelTarget) -> tuple[CancelAnswer, float]:
        recorded: list[CancelIntent] = []
        try:
            self._take_slot(target, recorded)
            sent_s = time.monotonic()
            answer = self._send_once(recorded[0])
            self._desk.ledger.record_cancel_outcome(recorded[0].cancel_id, answer)
        finally:
            with self._lock:
                self._in_flight -= len(recorded)
                self._settled_s = time.monotonic() if recorded else self._settled_s
        self._desk.client.note_cancel_answer(target.endpoint, answer)
        return answer, sent_s

    def _take_slot(self, target: CancelTarget, recorded: list[CancelIntent]) -> None:
        """Wait for the slot and record the intent in it; what was recorded and is not sent is on record as that."""
        client, ledger = self._desk.client, self._desk.ledger
        reason: GuardRefused | SendWithdrawn
        try:
            client.take_cancel_slot(
                target.endpoint,
                lambda: recorded.append(self._record_intent(target)),
                lambda: self._find_objection() is not None,
            )
        except GuardRefused as lost:
            reason = lost
        else:
            # Recording the intent may have had to wait for the ledger; stopping may have been asked for meanwhile.
            objection = self._find_objection()
            if objection is None:
                return
            reason = SendWithdrawn(objection)
        for intent in recorded:
            answer = CancelAnswer(Outcome.NOT_SENT, f"not sent: {reason}", None, datetime.now(UTC))
            ledger.record_cancel_outcome(intent.cancel_id, answer)
        raise reason

    def _record_intent(self, target: CancelTarget) -> CancelIntent:
        with self._lock:
            self._sent += 1
            number = self._sent
        intent = CancelIntent(
            cancel_id=f"{self._flatten_id}-c{number:04d}",
            kind=target.kind,
            instrument_ids=target.instrument_ids,
            order_ids=target.order_ids,
            send_number=number,
            endpoint=target.endpoint,
            request_body=target.body,
        )
        self._desk.ledger.record_cancel_intent(self._flatten_id, intent)
        with self._lock:
            self._in_flight += 1
        return intent

    def _send_once(self, intent: CancelIntent) -> CancelAnswer:
        sent_at = datetime.now(UTC)
        try:
            return self._desk.client.send_cancel(intent.endpoint, intent.request_body)
        except Exception as error:  # a fault of this program must not lose the record of a send
            logger.exception("cancel %s broke off", intent.cancel_id)
            return CancelAnswer(Outcome.UNKNOWN, f"broke off: {type(error).__name__}", sent_at, datetime.now(UTC))

    def _follow_refusal(self, answer: CancelAnswer, sent_s: float) -> None:
        if answer.refusal is Refusal.FATAL:
            raise CancelRefused(f"a cancel was refused for good: {answer.reason}")
        if answer.refusal is Refusal.TIMESTAMP:
            self._follow_refused_timestamp(sent_s, answer.reason)
