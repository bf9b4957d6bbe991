"""A desk with a ledger of past evenings, and the day tables built in this process. No exchange listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest
from account_days import build_order
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from deepcoin_ops.definitions import build_definitions
from deepcoin_ops.domain.due import find_tick
from deepcoin_ops.domain.model import (
    FlattenClosing,
    FlattenRequest,
    FlattenResult,
    InstrumentVerdict,
    Outcome,
    RawAnswer,
    Verdict,
)
from deepcoin_ops.domain.orders import CancelAnswer, CancelIntent, OrderKind, OrderList, OrdersRead
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.orchestration.tables import TableStore
from deepcoin_ops.settings import Settings, load_settings

BTC = "BTC-USDT-SWAP"
SETTINGS = """
accounts:
  main: {credentials_prefix: MAIN, instruments: [BTC-USDT-SWAP]}
schedule: {first_trading_day: 2026-01-05, timezone: America/New_York, cron: "30 16 * * *", day_boundary: "17:00"}
"""


@dataclass(frozen=True)
class Office:
    """A desk the morning after: its settings, its ledger, its tables, and a Dagster instance of its own."""

    settings: Settings
    instance: dg.DagsterInstance

    @property
    def store(self) -> TableStore:
        """The tables on disk."""
        return TableStore(self.settings.tables_url, self.settings.locks_folder)

    def record_flatten(self, trading_day: str, verdict: Verdict = Verdict.FLAT) -> None:
        """Record a flatten of the day's tick with this verdict on the one instrument; where an order is left, with it."""
        schedule = self.settings.schedule
        tick = find_tick(self.settings.calendar, schedule.cron, trading_day)
        assert tick is not None
        left = Decimal(2 if verdict is Verdict.RESIDUAL else 0)
        told = InstrumentVerdict(BTC, verdict, Decimal(5), Decimal(500), left, left * 100, 1, "recorded by a test")
        result = FlattenResult.FLAT if verdict.is_flat else FlattenResult.NOT_FLAT
        with Ledger.open(self.settings.ledger_path, self.settings.venue, lambda: tick + timedelta(minutes=1)) as ledger:
            flatten_id = f"{trading_day}-{len(ledger.read_flattens(trading_day))}"
            request = FlattenRequest(flatten_id, "main", trading_day, "a test", (BTC,), is_dry_run=False)
            ledger.record_flatten(request, self.settings.as_public_json())
            if verdict is Verdict.RESTING_ORDER_LEFT:
                _record_order(ledger, flatten_id, tick)
            ledger.record_verdicts(flatten_id, [told])
            ledger.record_closing(FlattenClosing(flatten_id, result, "a test", 1, 1, 0, left * 100, 1.0, 2.0, Decimal(0)))

    def skip_tick(self, trading_day: str, reason: str) -> None:
        """Record a tick that launched nothing."""
        with Ledger.open(self.settings.ledger_path, self.settings.venue) as ledger:
            ledger.record_skipped_tick("main", trading_day, datetime.fromisoformat(f"{trading_day}T21:30:00+00:00"), reason)

    def rebuild(self, first_day: str, last_day: str | None = None) -> dg.ExecuteInProcessResult:
        """Rebuild a day's tables, or those of several days in one run."""
        job = build_definitions(settings=self.settings).resolve_job_def("rebuild_day_tables")
        if last_day is None:
            return job.execute_in_process(partition_key=first_day, instance=self.instance)
        tags = {ASSET_PARTITION_RANGE_START_TAG: first_day, ASSET_PARTITION_RANGE_END_TAG: last_day}
        return job.execute_in_process(tags=tags, instance=self.instance)


def _record_order(ledger: Ledger, flatten_id: str, at: datetime) -> None:
    """An order, a cancel of it that was refused, and the order again."""
    raw = RawAnswer(200, b"{}", 2)
    read = OrdersRead(OrderList.RESTING, None, (build_order(BTC),), at, at, 0.0, (raw,))
    intent = CancelIntent(f"{flatten_id}-C1", OrderKind.RESTING, (BTC,), ("7001",), 1, "/cancel", "{}")
    ledger.record_orders_read(flatten_id, "snapshot", read)
    ledger.record_cancel_intent(flatten_id, intent)
    ledger.record_cancel_outcome(
        intent.cancel_id, CancelAnswer(Outcome.REFUSED, "a test", at, at, error_code="24", raw=raw)
    )
    ledger.record_orders_read(flatten_id, "verify", read)


@pytest.fixture
def office(
    monkeypatch: pytest.MonkeyPatch, settings_file: Callable[..., dict[str, str]], tmp_path: Path
) -> Iterator[Office]:
    """An office whose resources find their settings where they look for them: in the environment."""
    environ = settings_file("http://127.0.0.1:1", SETTINGS)
    for name, value in environ.items():
        if name.startswith("DEEPCOIN"):
            monkeypatch.setenv(name, value)
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path / "dagster")) as instance:
        yield Office(load_settings(environ), instance)
