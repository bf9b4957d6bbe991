"""The sensor that watches the schedule: what Dagster skipped gets its row once, and what it keeps survives a restart."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorType, TickData, TickStatus

from deepcoin_ops.ledger.history import History
from deepcoin_ops.orchestration.schedule_watch import WatchCursor, build_schedule_watch
from deepcoin_ops.settings import Settings, load_settings

TICK = datetime(2026, 3, 9, 20, 30, tzinfo=UTC)
NOW = TICK + timedelta(hours=8)
REASON = "the scheduled time is 480 minutes late; nothing was sent"
HERE = RegisteredCodeLocationOrigin("desk")


def add_tick(
    instance: dg.DagsterInstance,
    at: datetime = TICK,
    status: TickStatus = TickStatus.SKIPPED,
    location: RegisteredCodeLocationOrigin = HERE,
) -> None:
    """Have Dagster keep a tick of the evening's schedule, as its daemon does."""
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "repository"), "end_of_day_flatten")
    instance.create_tick(
        TickData(
            instigator_origin_id=origin.get_id(),
            instigator_name=origin.instigator_name,
            instigator_type=InstigatorType.SCHEDULE,
            status=status,
            timestamp=at.timestamp(),
            selector_id=origin.get_selector().get_id(),
            run_ids=[],
            skip_reason=REASON if status is TickStatus.SKIPPED else None,
        )
    )


def watch(settings: Settings, instance: dg.DagsterInstance, cursor: str | None = None, now: datetime = NOW) -> str:
    """Evaluate the sensor once; its next cursor."""
    sensor = build_schedule_watch(settings, lambda: now)
    with dg.SensorEvaluationContext(
        instance_ref=instance.get_ref(),
        last_tick_completion_time=None,
        last_run_key=None,
        cursor=cursor,
        repository_name="repository",
        code_location_origin=HERE,
    ) as context:
        answer = sensor(context)
    assert isinstance(answer, dg.SensorResult)
    assert not answer.run_requests
    return str(answer.cursor)


def list_recorded(settings: Settings) -> list[tuple[str, str, datetime, str]]:
    """The skipped times of the ledger."""
    history = History.open_existing(settings.ledger_path, settings.venue)
    if history is None:
        return []
    with history:
        ticks = [tick for day in ("2026-03-08", "2026-03-09") for tick in history.read_skipped_ticks(day)]
    return [(tick.account, tick.trading_day, tick.scheduled_at, tick.reason) for tick in ticks]


def test_a_skipped_time_is_recorded_once_for_every_account(settings: Settings, dagster: dg.DagsterInstance) -> None:
    """Under the day it was for, with the reason that the page shows."""
    add_tick(dagster)
    cursor = watch(settings, dagster)
    assert list_recorded(settings) == [(name, "2026-03-08", TICK, REASON) for name in ("main", "hedge")]
    watch(settings, dagster, cursor)
    # A second daemon skips the same time; a sensor that is started over has no cursor.
    add_tick(dagster)
    watch(settings, dagster, cursor)
    watch(settings, dagster, None)
    assert len(list_recorded(settings)) == 2


def test_what_was_launched_or_begins_or_is_another_location_s_is_not_recorded(
    settings: Settings, dagster: dg.DagsterInstance
) -> None:
    """And without anything to record no ledger comes into being."""
    add_tick(dagster, status=TickStatus.SUCCESS)
    add_tick(dagster, status=TickStatus.STARTED)
    add_tick(dagster, location=RegisteredCodeLocationOrigin("another desk"))
    watch(settings, dagster)
    assert not settings.state_folder.exists()


def test_a_later_skip_is_recorded_too(settings: Settings, dagster: dg.DagsterInstance) -> None:
    """The next night may be missed as well."""
    add_tick(dagster)
    cursor = watch(settings, dagster)
    add_tick(dagster, TICK + timedelta(days=1))
    watch(settings, dagster, cursor)
    assert [day for _, day, _, _ in list_recorded(settings)] == ["2026-03-08"] * 2 + ["2026-03-09"] * 2


def test_the_schedule_keeps_its_age_over_a_restart_and_is_new_after_a_change(
    settings: Settings, dagster: dg.DagsterInstance, settings_file: Callable[..., dict[str, str]]
) -> None:
    """The cursor is what a process that has just been started knows of the one before."""
    cursor = watch(settings, dagster, None, NOW)
    again = WatchCursor.parse(watch(settings, dagster, cursor, NOW + timedelta(days=1)))
    assert again.seen is not None
    assert (again.seen.since, again.seen.cron) == (NOW, "30 16 * * *")
    text = settings.source_path.read_text()
    for changed_text in (text.replace("30 16", "31 16"), text.replace("America/New_York", "America/Toronto")):
        edited = load_settings(settings_file("http://127.0.0.1:1", changed_text))
        changed = WatchCursor.parse(watch(edited, dagster, cursor, NOW + timedelta(days=1)))
        assert changed.seen is not None
        assert changed.seen.since == NOW + timedelta(days=1)


@pytest.mark.parametrize("text", [None, "", "x", "[]", "{}", '{"tick_id": "x"}', '{"desk": "d", "since": "soon"}'])
def test_a_cursor_that_cannot_be_read_starts_over(text: str | None) -> None:
    """A person may set it on the page; the schedule then counts as a new one."""
    assert WatchCursor.parse(text) == WatchCursor()
