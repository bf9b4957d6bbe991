"""The sensor by which people hear of what the ledger tells, whoever wrote to it. It launches nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import dagster as dg

from deepcoin_ops.alerts.delivering import deliver_due
from deepcoin_ops.ledger.journal import utc_now
from deepcoin_ops.settings import Settings, resolve_alert_addresses

_INTERVAL_S = 15


def build_alerts_due(settings: Settings, clock: Callable[[], datetime] = utc_now) -> dg.SensorDefinition:
    """Tell people what they should hear of: find it in the ledger, keep it, deliver what is due.

    On from the start, as it talks to nobody until DEEPCOIN_OPS_ALERT_URLS names an address. It has no job and so can launch
    none; delivering is done by processes of their own, for a bounded time.
    """

    @dg.sensor(
        name="alerts_due",
        minimum_interval_seconds=_INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Delivers alerts about flattens, schedule, checks and arming. Launches nothing.",
    )
    def alerts_due(_context: dg.SensorEvaluationContext) -> dg.SkipReason:
        # Nobody waits for another one's pass here: the next tick is as good.
        return dg.SkipReason(deliver_due(settings, resolve_alert_addresses(), clock(), wait_s=0).describe())

    return alerts_due
