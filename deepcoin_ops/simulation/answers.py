"""What the model exchange holds, and what it answers to calls."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from deepcoin_ops.domain.model import Outcome, Refusal
from deepcoin_ops.simulation.strikes import Fate

THROTTLED, MARKET_CLOSED, INSUFFICIENT, GONE, ORDER_GONE = "50000", "51999", "51020", "51404", "24"
BAD_KEY, WRONG, FORBIDDEN = "50113", "51000", "50030"


@dataclass(frozen=True)
class Held:
    """One position as it truly is. `life` tells it from one that is opened later under the same id."""

    position_id: str
    instrument_id: str
    side: str
    quantity: Decimal
    life: int
    shows_from_s: float = -math.inf


@dataclass(frozen=True)
class Answer:
    """What the exchange answers to a call, before the way back."""

    outcome: Outcome
    code: str = ""
    refusal: Refusal | None = None
    failed_ids: tuple[str, ...] = ()


WITHOUT_EFFECT: dict[Fate | None, Answer] = {
    Fate.THROTTLED: Answer(Outcome.REFUSED, THROTTLED, Refusal.THROTTLED),
    Fate.FATAL: Answer(Outcome.REFUSED, BAD_KEY, Refusal.FATAL),
    Fate.REJECTED: Answer(Outcome.PARTIAL, INSUFFICIENT, failed_ids=("?",)),
    Fate.SILENT: Answer(Outcome.ACCEPTED),
}
