"""The code location without a desk: what is in it, and what starts by itself."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg
import pytest

from deepcoin_ops.definitions import build_definitions
from deepcoin_ops.reading_definitions import build_reading_definitions
from deepcoin_ops.settings import Settings, load_settings


@pytest.fixture
def settings(settings_file: Callable[..., dict[str, str]]) -> Settings:
    """A desk's settings, whose accounts have no key here."""
    return load_settings(settings_file("http://127.0.0.1:1"))


def test_it_holds_what_rebuilds_tables_and_nothing_that_asks_or_sends(settings: Settings) -> None:
    """Whatever somebody launches here, there is nothing that could close a position."""
    definitions = build_reading_definitions(settings=settings)
    dg.Definitions.validate_loadable(definitions)
    repository = definitions.get_repository_def()
    assert {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")} == {"rebuild_day_tables"}
    assert set(definitions.resources or {}) == {"ledger_days", "day_tables"}


def test_its_tables_and_checks_are_those_of_the_desks_location(settings: Settings) -> None:
    """Two ways of building one table would be two truths."""
    reading, desk = (
        build(settings=settings).resolve_asset_graph() for build in (build_reading_definitions, build_definitions)
    )
    assert reading.get_all_asset_keys() == desk.get_all_asset_keys()
    assert reading.asset_check_keys == desk.asset_check_keys


@pytest.mark.parametrize("follows_ledger", [False, True])
def test_nothing_in_it_starts_by_itself_unless_it_is_the_one_that_follows_the_ledger(
    settings: Settings, follows_ledger: bool
) -> None:
    """Of two locations over one ledger, each would otherwise build every day."""
    repository = build_reading_definitions(settings=settings, follows_ledger=follows_ledger).get_repository_def()
    [sensor], [schedule] = repository.sensor_defs, repository.schedule_defs
    assert (sensor.name, sensor.default_status is dg.DefaultSensorStatus.RUNNING) == ("ledger_moved", follows_ledger)
    assert (schedule.name, schedule.default_status is dg.DefaultScheduleStatus.RUNNING) == ("day_end", follows_ledger)
