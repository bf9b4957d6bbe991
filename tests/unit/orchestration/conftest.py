"""A desk in New York whose day ends at five in the afternoon, the records its ledger holds, and runs in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import dagster as dg
import pytest
from flatten_lab import build_scenario, position

from deepcoin_ops.definitions import build_definitions
from deepcoin_ops.domain.evidence import EvidenceRead, EvidenceSource, EvidenceStatus
from deepcoin_ops.domain.model import FlattenClosing, FlattenRequest, FlattenResult, InstrumentType
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.paper.faults import Fault
from deepcoin_ops.paper.scenario import PaperPosition, Scenario
from deepcoin_ops.paper.server import PaperExchange
from deepcoin_ops.settings import Settings, load_settings

NEW_YORK = """
accounts:
  main: {credentials_prefix: MAIN, instruments: [BTC-USDT-SWAP]}
  hedge: {credentials_prefix: HEDGE, instruments: [ETH-USDT-SWAP]}
schedule: {first_trading_day: 2026-01-05, timezone: America/New_York, cron: "30 16 * * *", day_boundary: "17:00"}
"""

CONFIGURED_OPS = {
    "flatten_positions": "plan_closes",
    "plan_positions": "show_plan",
    "collect_evidence": "fetch_day_evidence",
}


@pytest.fixture
def settings(settings_file: Callable[..., dict[str, str]]) -> Settings:
    """The desk's settings. No exchange listens: whoever sends anything fails."""
    return load_settings(settings_file("http://127.0.0.1:1", NEW_YORK))


@pytest.fixture(scope="session")
def kept_dagster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """A Dagster with databases of its own, which keeps ticks and cursors."""
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as instance:
        yield instance


@pytest.fixture
def dagster(kept_dagster: dg.DagsterInstance) -> dg.DagsterInstance:
    """The same, with nothing kept yet."""
    assert kept_dagster.schedule_storage is not None
    kept_dagster.schedule_storage.wipe()
    return kept_dagster


class Evening:
    """The desk's ledger, written with a clock that stands where it is put."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self.now = datetime(2026, 3, 9, 20, 30, tzinfo=UTC)

    def open(self, trading_day: str, account: str = "main") -> str:
        """Record the opening row of a flatten; its id."""
        with self._ledger() as ledger:
            flatten_id = f"{trading_day}-{account}-{len(ledger.read_flattens(trading_day))}"
            ledger.record_flatten(
                FlattenRequest(flatten_id, account, trading_day, "a test", ("BTC-USDT-SWAP",), is_dry_run=False), "{}"
            )
        return flatten_id

    def close(self, flatten_id: str) -> int:
        """Record its closing row; the row's number."""
        closing = FlattenClosing(flatten_id, FlattenResult.FLAT, "flat", 1, 1, 0, Decimal(0), 1.0, 2.0, Decimal(0))
        with self._ledger() as ledger:
            return ledger.record_closing(closing)

    def record_evidence(self, trading_day: str, account: str = "main") -> int:
        """Record that the exchange was asked about a day, in vain; the row's number."""
        asked = (EvidenceSource.POSITIONS_HISTORY, InstrumentType.SWAP, self.now, self.now)
        read = EvidenceRead(*asked, EvidenceStatus.FAILED, "a test", self.now, self.now)
        with self._ledger() as ledger:
            return ledger.record_evidence(account, trading_day, read, ())

    def _ledger(self) -> Ledger:
        return Ledger.open(self._settings.ledger_path, self._settings.venue, lambda: self.now)


@pytest.fixture
def evening(settings: Settings) -> Evening:
    """Writes the desk's ledger."""
    return Evening(settings)


@dataclass(frozen=True)
class Stage:
    """A fast paper exchange with one open position, and Dagster's jobs run in this process against it."""

    exchange: PaperExchange
    settings: Settings
    instance: dg.DagsterInstance

    def run(
        self,
        job: str,
        config: Mapping[str, Any],
        tags: Mapping[str, str] | None = None,
        only_ops: Sequence[str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Run a job, or some of its ops, to the end, whatever becomes of it."""
        op = CONFIGURED_OPS[job]
        return (
            build_definitions(settings=self.settings)
            .resolve_job_def(job)
            .execute_in_process(
                run_config={"ops": {op: {"config": dict(config)}}},
                tags=dict(tags or {}),
                instance=self.instance,
                op_selection=only_ops,
                raise_on_error=False,
            )
        )

    def close_arrivals(self) -> list[str]:
        """The instruments of the closes that reached the exchange."""
        return [request["instrument_id"] for request in self.exchange.truth()["accounts"]["main"]["close_requests"]]


@pytest.fixture
def stage_of(
    monkeypatch: pytest.MonkeyPatch,
    paper: Callable[[Scenario], PaperExchange],
    settings_file: Callable[..., dict[str, str]],
) -> Iterator[Callable[..., Stage]]:
    """Builds a stage with further positions or faults. Its resources find their settings in the environment."""
    with dg.DagsterInstance.ephemeral() as instance:

        def build(*positions: PaperPosition, faults: Sequence[Fault] = ()) -> Stage:
            exchange = paper(build_scenario([position("BTC-USDT-SWAP", "1", "850"), *positions], faults))
            environ = settings_file(exchange.url)
            for name, value in environ.items():
                if name.startswith("DEEPCOIN"):
                    monkeypatch.setenv(name, value)
            return Stage(exchange, load_settings(environ), instance)

        yield build


@pytest.fixture
def stage(stage_of: Callable[..., Stage]) -> Stage:
    """A stage on which one position is open."""
    return stage_of()


@pytest.fixture
def failure_of() -> Callable[[dg.ExecuteInProcessResult], str]:
    """Tells what the failed step of a run says to people."""

    def tell(result: dg.ExecuteInProcessResult) -> str:
        [event] = [event for event in result.all_events if event.is_step_failure]
        told = event.step_failure_data.user_failure_data
        assert told is not None
        return str(told.description)

    return tell
