"""Run config: plain values, the models' own defaults, and no way of having an environment variable read out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
import pytest

from deepcoin_ops.definitions import build_definitions
from deepcoin_ops.settings import Settings

CONFIGURABLE = (
    ("flatten_positions", "plan_closes"),
    ("plan_positions", "show_plan"),
    ("collect_evidence", "fetch_day_evidence"),
    ("preflight", "check_admission"),
    ("check_credentials", "check_keys"),
)


def validate(settings: Settings, job: str, op: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The config of an op as it would get it."""
    definition = build_definitions(settings=settings).resolve_job_def(job)
    validated: dict[str, Any] = dg.validate_run_config(definition, {"ops": {op: {"config": dict(config)}}})
    return dict(validated["ops"][op]["config"])


def list_fields(settings: Settings) -> list[tuple[str, str, str]]:
    """Every field of every op of every job that takes config."""
    jobs = build_definitions(settings=settings).get_repository_def().get_all_jobs()
    return [
        (job.name, node.name, field)
        for job in jobs
        if not job.name.startswith("__")
        for node in job.nodes
        for field in getattr(node.definition.config_schema.as_field().config_type, "fields", ())
    ]


def test_no_field_of_any_op_takes_a_variable(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The value would come back in the message that says what was not found, for everybody who sees the page."""
    monkeypatch.setenv("DEEPCOIN_SECRET_KEY", "hush")
    fields = list_fields(settings)
    assert {(job, op) for job, op, _field in fields} == set(CONFIGURABLE)
    for job, op, field in fields:
        for value in ({"env": "DEEPCOIN_SECRET_KEY"}, [{"env": "DEEPCOIN_SECRET_KEY"}]):
            with pytest.raises(dg.DagsterInvalidConfigError) as refused:
                validate(settings, job, op, {field: value})
            assert "hush" not in str(refused.value)


@pytest.mark.parametrize(("job", "op"), CONFIGURABLE)
def test_everything_may_be_left_out_or_said_plainly(settings: Settings, job: str, op: str) -> None:
    """The schedules and the desk's people write these."""
    assert validate(settings, job, op, {}).get("account") is None
    assert validate(settings, job, op, {"account": "main"})["account"] == "main"


def test_lists_and_switches_are_plain_too(settings: Settings) -> None:
    """What a rehearsal of one instrument is launched with."""
    config = {"account": "main", "instruments": ["BTC-USDT-SWAP"], "dry_run": True}
    assert validate(settings, "flatten_positions", "plan_closes", config) == config
    assert validate(settings, "flatten_positions", "plan_closes", {}) == {"account": None, "dry_run": None}


@pytest.mark.parametrize("op", ["issue_batch_closes", "verify_flat"])
@pytest.mark.parametrize("named", [{"pickle": {"path": "/x"}}, {"json": {"path": "/x"}}, {"value": "F1"}])
def test_an_input_names_no_file(settings: Settings, op: str, named: dict[str, Any]) -> None:
    """Dagster's own text would be unpickled from a file that the launch names, and that runs what is in it."""
    job = build_definitions(settings=settings).resolve_job_def("flatten_positions").get_subset(op_selection=[op])
    assert dg.validate_run_config(job, {"ops": {op: {"inputs": {"flatten_id": "F1"}}}})
    with pytest.raises(dg.DagsterInvalidConfigError):
        dg.validate_run_config(job, {"ops": {op: {"inputs": {"flatten_id": named}}}})
