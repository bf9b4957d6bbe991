"""What one send costs in the ledger: the intent before it and the outcome after it, each durable when it returns.

Three ledgers in one run, a send of each in turn: with the write-ahead log, with a log and a reader that stays, and with
the rollback journal that the ledger had before. Times are good to compare within a run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
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
from deepcoin_ops.ledger.mark import LedgerMark
from deepcoin_ops.ledger.sqlite_file import driver
from deepcoin_ops.ledger.store import Store
from tests.support.ledger_reader import ledger_reader

SENDS = 500
LOG, LOG_WITH_READER, ROLLBACK_JOURNAL = "write-ahead log", "log, a reader stays", "rollback journal"
_FLATTEN = FlattenRequest("bench", "main", "2026-01-01", "bench", ("P001-USDT-SWAP",), is_dry_run=False)
_BODY = b'{"code":"0","msg":"","data":{"errorList":[]}}'


@dataclass
class LedgerCost:
    """What sends cost one ledger.

    Attributes:
        intent_ms: Milliseconds for the intent of each send.
        outcome_ms: The same for its outcome.
        log_mib: The size of the log behind the last send.
    """

    intent_ms: list[float] = field(default_factory=list)
    outcome_ms: list[float] = field(default_factory=list)
    log_mib: float = 0.0

    @property
    def send_ms(self) -> list[float]:
        """Intent and outcome of one send."""
        return [intent + outcome for intent, outcome in zip(self.intent_ms, self.outcome_ms, strict=True)]


def measure_ledger_cost(folder: Path) -> dict[str, LedgerCost]:
    """Write 500 sends into each of the ledgers, by what it is; the first is the one that a desk has."""
    paths = {name: folder / name.replace(" ", "-") / "ledger.sqlite" for name in (LOG, LOG_WITH_READER, ROLLBACK_JOURNAL)}
    costs = {name: LedgerCost() for name in paths}
    with ExitStack() as opened:
        ledgers = {name: opened.enter_context(_open(path, name)) for name, path in paths.items()}
        opened.enter_context(ledger_reader(paths[LOG_WITH_READER]))
        for number in range(1, SENDS + 1):
            for name, ledger in ledgers.items():
                _send(ledger, number, costs[name])
        for name, path in paths.items():
            log = path.with_name(f"{path.name}-wal")
            costs[name].log_mib = log.stat().st_size / 2**20 if log.exists() else 0.0
    return costs


@contextmanager
def _open(path: Path, name: str) -> Iterator[Ledger]:
    """A ledger with an opened flatten."""
    with Ledger.open(path, Venue.PAPER) as ledger:
        ledger.record_flatten(_FLATTEN, "{}")
        if name != ROLLBACK_JOURNAL:
            yield ledger
            return
    with closing(driver.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    # Past `Ledger.open`, which would switch the log on again.
    with Ledger(Store(path), mark=LedgerMark(path)) as ledger:
        yield ledger


def _send(ledger: Ledger, number: int, cost: LedgerCost) -> None:
    intent, answer = _build_intent(number), _build_answer()
    begun_s = time.perf_counter()
    ledger.record_intent(_FLATTEN.flatten_id, intent)
    sent_s = time.perf_counter()
    ledger.record_outcome(intent.attempt_id, answer)
    cost.outcome_ms.append((time.perf_counter() - sent_s) * 1000)
    cost.intent_ms.append((sent_s - begun_s) * 1000)


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
