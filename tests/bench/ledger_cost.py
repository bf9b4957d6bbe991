"""What one send costs in the ledger: the intent before it and the outcome after it, each durable when it returns."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from deepcoin_ops.domain.model import (
    CloseAnswer,
    CloseIntent,
    FlattenRequest,
    Outcome,
    ProductGroup,
    RawAnswer,
    Venue,
)
from deepcoin_ops.ledger.journal import Ledger

SENDS = 500
_BODY = b'{"code":"0","msg":"","data":{"errorList":[]}}'


@dataclass(frozen=True)
class LedgerCost:
    """Milliseconds of each send: the intent, the outcome, and both together."""

    intent_ms: list[float]
    outcome_ms: list[float]

    @property
    def send_ms(self) -> list[float]:
        """Intent and outcome of one send."""
        return [intent + outcome for intent, outcome in zip(self.intent_ms, self.outcome_ms, strict=True)]


def measure_ledger_cost(folder: Path) -> LedgerCost:
    """Write 500 sends into a fresh ledger, one after the other."""
    intent_ms, outcome_ms = [], []
    with Ledger.open(folder / "ledger.sqlite", Venue.PAPER) as ledger:
        request = FlattenRequest("bench", "main", "2026-01-01", "bench", ("P001-USDT-SWAP",), is_dry_run=False)
        ledger.record_flatten(request, "{}")
        for number in range(1, SENDS + 1):
            intent, answer = _build_intent(number), _build_answer()
            begun_s = time.perf_counter()
            ledger.record_intent(request.flatten_id, intent)
            sent_s = time.perf_counter()
            ledger.record_outcome(intent.attempt_id, answer)
            outcome_ms.append((time.perf_counter() - sent_s) * 1000)
            intent_ms.append((sent_s - begun_s) * 1000)
    return LedgerCost(intent_ms, outcome_ms)


def _build_intent(number: int) -> CloseIntent:
    return CloseIntent(
        attempt_id=f"bench-{number:04d}",
        instrument_id="P001-USDT-SWAP",
        product_group=ProductGroup.SWAP_U,
        round_number=1,
        send_number=number,
        endpoint="/deepcoin/trade/batch-close-position",
        request_body='{"productGroup":"SwapU","instId":"P001-USDT-SWAP"}',
        quantity_contracts=Decimal(50),
        notional_usdt=Decimal(500),
    )


def _build_answer() -> CloseAnswer:
    now = datetime.now(UTC)
    raw = RawAnswer(200, _BODY, len(_BODY))
    return CloseAnswer(Outcome.ACCEPTED, "accepted", sent_at=now, answered_at=now, raw=raw)
