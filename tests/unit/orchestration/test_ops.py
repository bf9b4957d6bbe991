"""The ops, run in this process against a real paper exchange: what they refuse, what they say, what they leave behind."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.test_utils import freeze_time
from flatten_lab import position

from deepcoin_ops.alerts.alert import AlertKind
from deepcoin_ops.alerts.facts import read_facts
from deepcoin_ops.alerts.finding import find_alerts
from deepcoin_ops.definitions import build_definitions
from deepcoin_ops.domain.model import FlattenResult, PositionSide
from deepcoin_ops.domain.paper_credentials import paper_credentials
from deepcoin_ops.flattening.desk import open_desk
from deepcoin_ops.flattening.opening import open_flatten
from deepcoin_ops.ledger.history import History
from deepcoin_ops.ledger.records import FlattenRecord
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.order_records import PaperOrder

FailureOf = Callable[[dg.ExecuteInProcessResult], str]


def only_flatten(stage) -> FlattenRecord:
    """The one flatten that the ledger knows."""
    with History.open_existing(stage.settings.ledger_path, stage.settings.venue) as history:
        found = history.read_last_flatten("main")
    assert found is not None
    return found


def test_a_flatten_ends_flat_with_its_verdicts_on_the_run(stage) -> None:
    """The normal case, which the refusals below would otherwise pass by doing nothing."""
    result = stage.run("flatten_positions", {})
    assert result.success
    assert stage.close_arrivals() == ["BTC-USDT-SWAP"]
    run = stage.instance.get_run_by_id(result.run_id)
    record = only_flatten(stage)
    assert run.tags["deepcoin_ops/flatten_id"] == record.request.flatten_id
    assert run.tags["deepcoin_ops/result"] == "FLAT"
    assert record.request.parent_flatten_id is None
    [shown] = result.filter_events(lambda event: event.is_successful_output and event.step_key == "verify_flat")
    metadata = shown.step_output_data.metadata
    assert metadata["sends"].value == 1
    assert metadata["cancels"].value == 0
    assert metadata["residual_notional_usdt"].value == 0.0
    assert "BTC-USDT-SWAP" in metadata["verdicts"].value


def test_a_run_says_in_its_last_words_what_is_open_outside_the_configured_instruments(
    stage_of: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    """It ends well, and a position stays open that no flatten will ever close."""
    stage = stage_of(position("DOT-USDT-SWAP", "2", "7"))
    result = stage.run("flatten_positions", {})
    assert result.success
    [shown] = result.filter_events(lambda event: event.is_successful_output and event.step_key == "verify_flat")
    words = "OPEN AND NOT CONFIGURED, never closed: DOT-USDT-SWAP long 7 (50 USDT)"
    assert shown.step_output_data.metadata["reason"].value.endswith(words)
    [warning] = [line for line in capfd.readouterr().err.splitlines() if " WARNING " in line]
    assert words in warning


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"instruments": ["BTC-USDT-SWAP", "DOGE-USDT-SWAP"]}, "DOGE-USDT-SWAP is not among its configured instruments"),
        ({"account": "mian"}, "mian"),
    ],
    ids=["instrument", "account"],
)
def test_config_that_names_what_is_not_configured_fails_before_anything_is_sent(
    stage, failure_of: FailureOf, config: dict[str, object], told: str
) -> None:
    """A misspelt name in the launchpad: closing the rest quietly would look like success."""
    result = stage.run("flatten_positions", config)
    assert not result.success
    assert told in failure_of(result)
    assert stage.exchange.arrivals() == []


def test_a_tick_that_waited_too_long_in_the_queue_is_refused_before_anything_is_read(stage, failure_of: FailureOf) -> None:
    """The schedule was in time and the queue was not; the op checks again, and says so in the ledger."""
    tick = datetime.now(UTC) - timedelta(hours=7)
    result = stage.run("flatten_positions", {}, {"deepcoin_ops/scheduled_at": tick.isoformat()})
    assert not result.success
    assert "minutes late" in failure_of(result)
    assert stage.exchange.arrivals() == []
    record = only_flatten(stage)
    assert record.closing is not None
    assert record.closing.result is FlattenResult.REFUSED
    # It is a fact of the day on which it was denied, and keeps what it was launched for.
    assert record.request.trading_day == stage.settings.calendar.day_of(record.opened_at)
    assert record.request.scheduled_at == tick
    assert stage.instance.get_run_by_id(result.run_id).tags["deepcoin_ops/result"] == "REFUSED"


@pytest.mark.parametrize("text", ["this evening", "2026-03-09T23:30:00", "0001-01-01T00:00:00+14:00", ""])
def test_a_tag_that_is_no_time_is_refused_and_recorded(stage, failure_of: FailureOf, text: str) -> None:
    """A tag can be typed by hand; taken for "not scheduled" it would switch the check of the scheduled time off."""
    result = stage.run("flatten_positions", {}, {"deepcoin_ops/scheduled_at": text})
    assert "not a time" in failure_of(result)
    assert stage.exchange.arrivals() == []
    closing = only_flatten(stage).closing
    assert closing is not None
    assert (closing.result, "not a time" in closing.reason) == (FlattenResult.REFUSED, True)


def list_alerts(stage) -> set[AlertKind]:
    """What people hear of it."""
    return {alert.kind for alert in find_alerts(read_facts(stage.settings, datetime.now(UTC)))}


@pytest.mark.parametrize("ahead", [timedelta(minutes=1), timedelta(days=400)])
def test_a_scheduled_time_that_has_not_come_closes_nothing(stage, failure_of: FailureOf, ahead: timedelta) -> None:
    """The page shows tonight's runs, ready to be launched now; the desk holds its positions on purpose until tonight."""
    result = stage.run("flatten_positions", {}, {"deepcoin_ops/scheduled_at": (datetime.now(UTC) + ahead).isoformat()})
    assert "ahead: a flatten acts for now" in failure_of(result)
    assert stage.exchange.arrivals() == []
    record = only_flatten(stage)
    assert record.closing is not None
    assert record.closing.result is FlattenResult.REFUSED
    assert record.request.trading_day == stage.settings.calendar.day_of(record.opened_at)
    assert stage.instance.get_run_by_id(result.run_id).tags["deepcoin_ops/result"] == "REFUSED"
    assert AlertKind.REFUSED in list_alerts(stage)


@pytest.mark.parametrize("tagged", [False, True], ids=["by hand", "with a fresh scheduled time"])
def test_a_launch_that_waited_for_hours_closes_nothing(stage, failure_of: FailureOf, tagged: bool) -> None:
    """Launched while the daemon was down, taken from the queue when it was back: other positions are open by then."""
    now = datetime.now(UTC)
    tags = {"deepcoin_ops/scheduled_at": now.isoformat()} if tagged else {}
    with freeze_time(now - timedelta(hours=3)):  # Dagster's clock alone, by which it stamps the run
        result = stage.run("flatten_positions", {}, tags)
    assert "is 180 minutes old, more than the 30 minutes allowed" in failure_of(result)
    assert stage.exchange.arrivals() == []
    closing = only_flatten(stage).closing
    assert closing is not None
    assert (closing.result, closing.sends) == (FlattenResult.REFUSED, 0)
    assert AlertKind.REFUSED in list_alerts(stage)


def test_a_launch_that_waited_for_minutes_is_carried_out(stage) -> None:
    """A daemon that restarts costs nothing."""
    with freeze_time(datetime.now(UTC) - timedelta(minutes=29)):
        assert stage.run("flatten_positions", {}).success
    assert stage.close_arrivals() == ["BTC-USDT-SWAP"]


def test_a_live_desk_that_is_pointed_at_the_paper_exchange_sends_nothing(
    stage, failure_of: FailureOf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A marked answer is not the real exchange's, so that nothing it says is believed; nor is anything written on paper."""
    monkeypatch.setenv("DEEPCOIN_OPS_VENUE", "live")
    monkeypatch.setenv("DEEPCOIN_OPS_ARMING", str(tmp_path / "arming"))
    monkeypatch.setenv("DEEPCOIN_BASE_URL", stage.exchange.url)
    for name, value in asdict(paper_credentials("main")).items():
        monkeypatch.setenv(f"{stage.settings.account().credentials_prefix}_{name.upper()}", value)
    settings_text = stage.settings.source_path.read_text()
    stage.settings.source_path.write_text(settings_text[: settings_text.index("pace:")])
    for job, config in (("flatten_positions", {"dry_run": False}), ("plan_positions", {})):
        result = stage.run(job, config)
        assert "does not come from the live venue" in failure_of(result)
    assert stage.exchange.arrivals()
    assert stage.close_arrivals() == []
    assert not (stage.settings.state_folder / "paper").exists()


def test_a_flatten_that_was_opened_and_never_begun_is_closed_with_its_run(stage) -> None:
    """A run that ends between two ops, by Terminate or a selection, may not leave a flatten that looks at work for ever."""
    assert stage.run("flatten_positions", {}, only_ops=["plan_closes"]).success
    assert stage.close_arrivals() == []
    record = only_flatten(stage)
    assert record.closing is not None
    assert (record.closing.result, record.closing.sends) == (FlattenResult.REFUSED, 0)


@pytest.mark.parametrize("parts", [["plan_closes", "issue_batch_closes"], ["issue_batch_closes"]], ids="+".join)
def test_a_first_launch_of_a_part_closes_nothing(stage, parts: list[str]) -> None:
    """Its run would end green with nothing proven; it is recorded as refused, and people hear of it."""
    with open_desk(stage.settings, "main") as desk:
        earlier = open_flatten(desk, launched_by="an earlier run")
    inputs = {"inputs": {"flatten_id": earlier.flatten_id}}
    config = {"ops": {"plan_closes": {"config": {}}} if "plan_closes" in parts else {"issue_batch_closes": inputs}}
    job = build_definitions(settings=stage.settings).resolve_job_def("flatten_positions")
    result = job.execute_in_process(run_config=config, op_selection=parts, instance=stage.instance, raise_on_error=False)
    assert not result.success
    assert stage.close_arrivals() == []
    record = only_flatten(stage)
    assert record.closing.result is FlattenResult.REFUSED
    assert "launched without" in record.closing.reason


def test_a_part_that_was_denied_is_denied_again_when_it_is_executed_again(stage) -> None:
    """Neither a parent that was denied nor one that never was makes a run without a proof."""
    job = build_definitions(settings=stage.settings).resolve_job_def("flatten_positions")
    part = job.get_subset(op_selection=["plan_closes", "issue_batch_closes"])
    denied = part.execute_in_process(instance=stage.instance, raise_on_error=False)
    for parent in (denied.run_id, str(uuid.uuid4())):
        tags = {"dagster/parent_run_id": parent, "dagster/root_run_id": parent}
        run = stage.instance.create_run_for_job(part, tags=tags, parent_run_id=parent, root_run_id=parent)
        assert not execute_run(InMemoryJob(part), run, stage.instance, raise_on_error=False).success
        assert "launched without verify_flat" in only_flatten(stage).closing.reason
    assert stage.close_arrivals() == []


def test_a_second_worker_of_a_run_never_works_on_the_flatten_of_the_first(stage) -> None:
    """Two daemons on one instance start a queued run twice; both workers store their step results in the same place."""
    run_id = str(uuid.uuid4())
    with open_desk(stage.settings, "main") as desk:
        of_the_first = open_flatten(desk, launched_by="the first worker", run_id=run_id)
    result = (
        build_definitions(settings=stage.settings)
        .resolve_job_def("flatten_positions")
        .execute_in_process(
            run_config={"ops": {"issue_batch_closes": {"inputs": {"flatten_id": of_the_first.flatten_id}}}},
            op_selection=["issue_batch_closes", "verify_flat"],
            instance=stage.instance,
            run_id=run_id,
        )
    )
    assert result.success
    record = only_flatten(stage)
    assert record.request.parent_flatten_id == of_the_first.flatten_id
    assert (record.request.run_id, record.closing.result) == (run_id, FlattenResult.FLAT)
    with History.open_existing(stage.settings.ledger_path, stage.settings.venue) as history:
        assert history.read_flatten(of_the_first.flatten_id).closing is None


def test_a_dry_run_reads_and_sends_nothing(stage) -> None:
    """It is the rehearsal: the same way up to the first send."""
    result = stage.run("flatten_positions", {"dry_run": True})
    assert result.success
    assert stage.close_arrivals() == []
    record = only_flatten(stage)
    assert record.closing is not None
    assert record.closing.result is FlattenResult.DRY_RUN


def test_a_plan_shows_what_is_open_and_leaves_no_record(stage) -> None:
    """Anybody may look as often as they like without writing into the day's ledger."""
    result = stage.run("plan_positions", {})
    assert result.success
    [shown] = result.filter_events(lambda event: event.is_successful_output)
    assert "BTC-USDT-SWAP" in shown.step_output_data.metadata["open now"].value
    assert stage.close_arrivals() == []
    with History.open_existing(stage.settings.ledger_path, stage.settings.venue) as history:
        assert history.read_last_flatten("main") is None


def metadata_of(result: dg.ExecuteInProcessResult, op: str) -> dict[str, Any]:
    """What a successful op left on its output."""
    [shown] = result.filter_events(lambda event: event.is_successful_output and event.step_key == op)
    return {name: each.value for name, each in shown.step_output_data.metadata.items()}


def test_a_plan_shows_the_resting_orders_and_what_would_become_of_them(stage) -> None:
    """Who launches a flatten wants to know what else it takes away, and what it does not look at."""
    stage.exchange.place_order("main", PaperOrder("BTC-USDT-SWAP", PositionSide.LONG, Decimal(850), order_id="MINE"))
    stage.exchange.place_order("main", PaperOrder("DOT-USDT-SWAP", PositionSide.LONG, Decimal(1), order_id="STRANGER"))
    told = metadata_of(stage.run("plan_positions", {}), "show_plan")["resting orders"]
    assert "resting order MINE: buy long 850" in told
    assert "cancels it" in told
    assert "STRANGER" not in told
    assert "1 order(s) in other instruments would stay" in told
    assert "not read for a plan" in told


def test_a_plan_without_the_order_list_is_shown_and_says_so(stage_of) -> None:
    """The closes are known; that no order waits is not."""
    stage = stage_of(faults=[Fault(FaultAction.SERVER_ERROR, "v2/orders-pending", call=None)])
    result = stage.run("plan_positions", {})
    assert result.success
    metadata = metadata_of(result, "show_plan")
    assert "BTC-USDT-SWAP" in metadata["open now"]
    assert "could not be read" in metadata["resting orders"]


def test_concerns_causes_and_what_the_settings_leave_open_are_on_the_run(stage_of, failure_of: FailureOf) -> None:
    """A row of copy trading stays: the plan says so before, the step with the closes and the verdict say so after."""
    stage = stage_of(position("ETH-USDT-SWAP", "2", "7", is_leading=True))
    spared = {"ETH-USDT-SWAP": "copy-trading position(s) 2 (close_copy_trading is false); no close would be sent for it"}
    plan = metadata_of(stage.run("plan_positions", {}), "show_plan")
    assert "| copy-trading position(s) 2" in plan["open now"]
    assert plan["left open by the settings"] == spared
    result = stage.run("flatten_positions", {})
    before = metadata_of(result, "issue_batch_closes")
    assert "| copy-trading position(s) 2" in before["open before"]
    assert before["left open by the settings"] == spared
    [failed] = [event for event in result.all_events if event.is_step_failure]
    assert "COPY_TRADING" in failed.step_failure_data.user_failure_data.metadata["verdicts"].value


def test_the_cancels_of_a_flatten_are_counted_on_the_run(stage) -> None:
    """Orders that are gone are part of what it did."""
    stage.exchange.place_order("main", PaperOrder("BTC-USDT-SWAP", PositionSide.LONG, Decimal(5), order_id="MINE"))
    assert metadata_of(stage.run("flatten_positions", {}), "verify_flat")["cancels"] == 1
