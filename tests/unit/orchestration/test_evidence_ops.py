"""The job that collects evidence, and the table built from it: run in this process against a real paper exchange."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import dagster as dg
import pytest

from deepcoin_ops.definitions import build_definitions
from deepcoin_ops.domain.tables import CLOSED_POSITIONS
from deepcoin_ops.orchestration.sensors import build_evidence_due
from deepcoin_ops.orchestration.tables import TableStore
from deepcoin_ops.paper.faults import Fault, FaultAction

FailureOf = Callable[[dg.ExecuteInProcessResult], str]


def today(stage) -> str:
    """The running trading day."""
    return stage.settings.calendar.day_of(datetime.now(UTC))


def build_table(stage, trading_day: str) -> tuple[Any, Mapping[str, Any]]:
    """The day's `closed_positions` as a frame, and what its partition shows."""
    before = len(stage.exchange.arrivals())
    job = build_definitions(settings=stage.settings).resolve_job_def("rebuild_day_tables")
    result = job.execute_in_process(instance=stage.instance, partition_key=trading_day)
    assert len(stage.exchange.arrivals()) == before
    [shown] = [
        event.step_materialization_data.materialization
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey("closed_positions")
    ]
    stored = TableStore(stage.settings.tables_url, stage.settings.locks_folder).read(CLOSED_POSITIONS, trading_day)
    assert stored is not None
    return stored.frame, {name: value.value for name, value in shown.metadata.items()}


def test_after_a_flatten_the_exchanges_own_closes_become_a_table(stage) -> None:
    """Launched without any config it takes the last flatten's day; the table is built from the ledger alone."""
    assert stage.run("flatten_positions", {}).success
    assert stage.run("collect_evidence", {}).success
    frame, metadata = build_table(stage, today(stage))
    assert list(frame["instrument_id"]) == ["BTC-USDT-SWAP"]
    row = frame.iloc[0]
    assert (row["account"], row["position_side"], row["position_id"]) == ("main", "long", "1")
    assert (row["closed_contracts"], row["fee"], row["currency"]) == (Decimal(850), Decimal(0), "USDT")
    assert row["closed_at"].date() == datetime.now(UTC).date()
    assert metadata["evidence"]["main"].startswith("COMPLETE up to ")
    assert (metadata["row_count"], metadata["flatten_results"]) == (1, ["FLAT"])


def test_what_the_sensor_asks_for_is_a_run_of_the_job(stage) -> None:
    """Its config is written by hand; a misspelt key would show only in the daemon's log."""
    stage.run("flatten_positions", {})
    sensor = build_evidence_due(stage.settings, lambda: datetime.now(UTC) + timedelta(minutes=2))
    [request] = sensor(dg.build_sensor_context(instance=stage.instance))
    job = build_definitions(settings=stage.settings).resolve_job_def(sensor.job_name)
    assert job.execute_in_process(run_config=request.run_config, instance=stage.instance).success
    assert build_table(stage, today(stage))[1]["row_count"] == 1


def test_the_job_makes_get_requests_alone(stage) -> None:
    """Counted at the exchange: not one request of it may be able to change a position."""
    stage.run("collect_evidence", {"trading_day": today(stage)})
    arrivals = stage.exchange.arrivals()
    assert [arrival.method for arrival in arrivals] == ["GET"] * 3
    assert stage.close_arrivals() == []


def test_a_day_nobody_asked_about_has_no_rows_and_says_so(stage) -> None:
    """Zero rows are a statement only beside complete evidence."""
    stage.run("flatten_positions", {})
    frame, metadata = build_table(stage, today(stage))
    assert len(frame) == 0
    assert metadata["evidence"] == {"main": "NOT_COLLECTED: nobody asked the exchange; launch collect_evidence"}


def test_an_empty_day_that_was_asked_about_says_that_it_is_complete(stage) -> None:
    """The same zero rows, and now they mean that nothing was closed."""
    assert stage.run("collect_evidence", {"trading_day": today(stage)}).success
    frame, metadata = build_table(stage, today(stage))
    assert len(frame) == 0
    assert metadata["evidence"]["main"].startswith("COMPLETE up to ")


def test_a_day_older_than_the_exchange_keeps_is_unavailable_in_run_and_table(stage) -> None:
    """Never an empty day: the run succeeds, because it recorded what is true."""
    old = (datetime.now(UTC).date() - timedelta(days=9)).isoformat()
    result = stage.run("collect_evidence", {"trading_day": old})
    assert result.success
    assert stage.exchange.arrivals() == []
    frame, metadata = build_table(stage, old)
    assert len(frame) == 0
    assert metadata["evidence"]["main"].startswith("UNAVAILABLE: ")


def test_a_list_that_could_not_be_read_fails_the_run_naming_it(stage, failure_of: FailureOf) -> None:
    """Somebody has to launch it again while the exchange still knows."""
    stage.exchange.add_fault(Fault(FaultAction.STRANGE_ROW, endpoint="account/positions-history", call=None))
    result = stage.run("collect_evidence", {"trading_day": today(stage)})
    told = failure_of(result)
    assert told.startswith("1 of 3 lists could not be read whole, first POSITIONS_HISTORY SWAP of account main")
    assert "Launch collect_evidence again" in told
    _frame, metadata = build_table(stage, today(stage))
    assert metadata["evidence"]["main"].startswith("FAILED: ")


def test_rows_survive_a_later_read_that_failed(stage) -> None:
    """What the exchange once said whole is not unsaid by a bad answer."""
    stage.run("flatten_positions", {})
    stage.run("collect_evidence", {})
    stage.exchange.add_fault(Fault(FaultAction.HTML, endpoint="account/positions-history", call=None))
    assert not stage.run("collect_evidence", {}).success
    frame, metadata = build_table(stage, today(stage))
    assert len(frame) == 1
    assert metadata["evidence"]["main"].startswith("COMPLETE up to ")


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({}, "nothing was asked"),
        ({"account": "mian"}, "mian"),
        ({"trading_day": "yesterday"}, "no trading day"),
        ({"trading_day": "2999-01-01"}, "begins at"),
    ],
    ids=["no flatten yet", "account", "no day", "future"],
)
def test_config_that_leads_nowhere_fails_with_the_cure(
    stage, failure_of: FailureOf, config: dict[str, str], told: str
) -> None:
    """A run that asked nothing must not look like one that found nothing."""
    result = stage.run("collect_evidence", config)
    assert not result.success
    assert told in failure_of(result)
    assert stage.exchange.arrivals() == []
