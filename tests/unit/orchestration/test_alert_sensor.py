"""The sensor of the alerts: it tells what the ledger does, to the addresses of its process, and shows none of them."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
import pytest
from alert_receiver import TOKEN, AlertReceiver

from deepcoin_ops.orchestration.alert_sensor import build_alerts_due
from deepcoin_ops.settings import Settings


def test_the_alerts_sensor_tells_what_was_missed_and_launches_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The addresses are those of the process at that moment; they are in no reason that the page shows."""
    now = datetime(2026, 3, 10, 12, tzinfo=UTC)
    sensor = build_alerts_due(settings, lambda: now)
    with AlertReceiver() as receiver, dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance)
        silent = sensor(context)
        assert isinstance(silent, dg.SkipReason)
        assert "names no address" in str(silent.skip_message)
        monkeypatch.setenv("DEEPCOIN_OPS_ALERT_URLS", receiver.url)
        told = sensor(context)
        assert isinstance(told, dg.SkipReason)
        assert TOKEN not in str(told.skip_message)
        assert sorted(receiver.titles) == [
            f"[paper] {account}: NOBODY FLATTENED by the deadline; what is open is not known"
            for account in ("hedge", "hedge", "main", "main")
        ]
