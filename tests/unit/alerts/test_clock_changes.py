"""Alerts on the nights on which clocks change: none before Dagster has fired."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from dagster._utils.schedules import get_next_cron_tick

from deepcoin_ops.alerts.alert import AlertKind
from deepcoin_ops.alerts.facts import read_facts
from deepcoin_ops.alerts.finding import find_alerts
from deepcoin_ops.settings import Settings, load_settings

ACCOUNT = "accounts: {main: {credentials_prefix: DEEPCOIN, instruments: [BTC-USDT-SWAP]}}\n"
MISSED = {AlertKind.NOT_STARTED, AlertKind.FLATTEN_MISSING}
Load = Callable[[str, str, date], Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads the settings of a desk that flattens at night and began on a day."""

    def load(timezone: str, cron: str, first_day: date) -> Settings:
        schedule = f'{{timezone: {timezone}, cron: "{cron}", day_boundary: "12:00", first_trading_day: {first_day}}}'
        path = tmp_path / "desk.yaml"
        path.write_text(f"{ACCOUNT}schedule: {schedule}\n", encoding="utf-8")
        return load_settings({"DEEPCOIN_OPS_SETTINGS": str(path), "DEEPCOIN_OPS_STATE": str(tmp_path / "state")})

    return load


@pytest.mark.parametrize(
    ("timezone", "cron", "day"),
    [
        ("America/New_York", "0 1 * * *", "2026-11-01"),
        ("America/New_York", "30 1 * * 0", "2026-11-01"),
        ("America/New_York", "30 2 * * *", "2026-03-08"),
        ("Europe/Berlin", "0 2 * * *", "2026-10-25"),
        ("Europe/Berlin", "0 2 * * *", "2026-03-29"),
        ("Europe/Berlin", "30 2 L * 0", "2026-03-29"),
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-05"),
        ("America/Havana", "30 0 * 10,11 *", "2026-11-01"),
    ],
)
def test_no_flatten_is_missed_before_dagster_fires_and_one_is_afterwards(
    load: Load, timezone: str, cron: str, day: str
) -> None:
    """A person woken an hour before Dagster starts the flatten closes by hand, and then both close."""
    first_day = date.fromisoformat(day) - timedelta(days=1)
    settings = load(timezone, cron, first_day)
    starts, _ends = settings.calendar.window(first_day.isoformat())
    tick = get_next_cron_tick(cron, starts, timezone).astimezone(UTC)
    assert settings.calendar.day_of(tick) == first_day.isoformat()

    def find_missed(now: datetime) -> set[AlertKind]:
        return {alert.kind for alert in find_alerts(read_facts(settings, now))} & MISSED

    for minutes in range(-180, 1, 5):
        assert not find_missed(tick + timedelta(minutes=minutes)), f"{minutes} minutes after Dagster's tick"
    late_s = settings.schedule.max_lateness_s + 60
    assert find_missed(tick + timedelta(seconds=late_s)) == {AlertKind.NOT_STARTED}
    assert find_missed(tick + timedelta(seconds=settings.max_run_time_s + 60)) >= {AlertKind.FLATTEN_MISSING}
