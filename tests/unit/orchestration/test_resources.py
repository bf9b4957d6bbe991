"""The resources: nothing about them can be chosen in the launchpad, and their text tells nothing."""

from __future__ import annotations

import dagster as dg
import pytest

from deepcoin_ops.definitions import build_definitions
from deepcoin_ops.orchestration.day_resources import DayTables, LedgerDays
from deepcoin_ops.orchestration.resources import FlattenDesk
from deepcoin_ops.settings import Settings

RESOURCES = {"desk": "flatten_positions", "ledger_days": "rebuild_day_tables", "day_tables": "rebuild_day_tables"}


@pytest.mark.parametrize(("resource", "job"), RESOURCES.items())
@pytest.mark.parametrize("field", ["base_url", "settings", "venue", "api_key", "_settings"])
def test_run_config_for_a_resource_is_refused(settings: Settings, resource: str, job: str, field: str) -> None:
    """Anybody who sees the page can edit run config; another base URL there would get the signed requests."""
    definition = build_definitions(settings=settings).resolve_job_def(job)
    config = {"resources": {resource: {"config": {field: "https://example.org"}}}}
    with pytest.raises(dg.DagsterInvalidConfigError, match=f'unexpected config entry "{field}"'):
        dg.validate_run_config(definition, config)


@pytest.mark.parametrize("resource", [FlattenDesk, LedgerDays, DayTables])
def test_a_resource_has_no_fields_and_its_repr_shows_nothing(resource: type[dg.ConfigurableResource]) -> None:
    """A repr ends up in logs and tracebacks."""
    assert resource.model_fields == {}
    assert repr(resource()) == f"{resource.__name__}()"
