"""The composition root of a desk: the tables of `reading_definitions`, and everything that talks to the exchange.

No asset or op bodies.
"""

from __future__ import annotations

import dagster as dg

from deepcoin_ops.orchestration.alert_sensor import build_alerts_due
from deepcoin_ops.orchestration.jobs import (
    build_flatten_job,
    check_credentials,
    collect_evidence,
    plan_positions,
    preflight,
)
from deepcoin_ops.orchestration.resources import FlattenDesk
from deepcoin_ops.orchestration.schedule_watch import build_schedule_watch
from deepcoin_ops.orchestration.schedules import build_credentials_check, build_end_of_day_flatten
from deepcoin_ops.orchestration.sensors import build_evidence_due, build_preflight_due
from deepcoin_ops.reading_definitions import build_reading_definitions
from deepcoin_ops.settings import Settings, load_settings


def build_definitions(*, settings: Settings | None = None) -> dg.Definitions:
    """Everything in a desk's code location.

    Args:
        settings: Decide schedule and trading days; read from the environment when left out.
    """
    chosen = settings or load_settings()
    flatten_positions = build_flatten_job(chosen)
    asking = dg.Definitions(
        jobs=[flatten_positions, plan_positions, preflight, check_credentials, collect_evidence],
        schedules=[
            build_end_of_day_flatten(chosen, flatten_positions),
            build_credentials_check(chosen, check_credentials),
        ],
        sensors=[
            build_evidence_due(chosen),
            build_preflight_due(chosen),
            build_alerts_due(chosen),
            build_schedule_watch(chosen),
        ],
        resources={"desk": FlattenDesk()},
    )
    return dg.Definitions.merge(asking, build_reading_definitions(settings=chosen, follows_ledger=True))


defs = build_definitions()
