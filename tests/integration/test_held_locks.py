"""A flatten whose locks another process keeps: it ends, says why, and loses no record."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from filelock import FileLock
from flatten_lab import SETTINGS, Lab, build_scenario, open_lab, position
from waiting import wait_for

from deepcoin_ops.alerts.alert import AlertKind
from deepcoin_ops.alerts.facts import read_facts
from deepcoin_ops.alerts.finding import find_alerts
from deepcoin_ops.domain.errors import GuardRefused
from deepcoin_ops.domain.model import FlattenResult, Outcome
from deepcoin_ops.exchange import pacing

HELD = [position("BTC-USDT-SWAP", "1", "1000"), position("ETH-USDT-SWAP", "2", "10"), position("SOL-USDT-SWAP", "3", "9")]
SLOW_SLOTS = SETTINGS.replace("close_spacing_s: 0.05", "close_spacing_s: 1")


@pytest.fixture(autouse=True)
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second in the place of ten."""
    monkeypatch.setattr(pacing, "LOCK_LIMIT_S", 0.5)


def pace_lock_of(lab: Lab) -> Path:
    """The lock of the account's pace."""
    return lab.desk.settings.pace_folder / "accounts" / "main" / "pace.lock"


def test_a_pace_that_stays_locked_refuses_the_flatten_with_the_true_reason_and_an_alert(tmp_path: Path) -> None:
    """Another user's process held it for as long as it liked, and the flatten hung without a word."""
    with open_lab(tmp_path, build_scenario(HELD)) as lab:
        request = lab.open()
        with FileLock(pace_lock_of(lab)), pytest.raises(GuardRefused, match="stayed locked"):
            lab.flatten(request)
        assert lab.close_arrivals() == []
        record = lab.desk.ledger.read_flatten(request.flatten_id)
        assert record is not None
        assert record.closing is not None
        assert record.closing.result is FlattenResult.REFUSED
        assert str(pace_lock_of(lab)) in record.closing.reason
        facts = read_facts(lab.desk.settings, datetime.now(UTC) + timedelta(seconds=1))
        [alert] = [each for each in find_alerts(facts) if each.kind is AlertKind.REFUSED]
        assert "stayed locked" in alert.text
        assert lab.flatten().closing.result is FlattenResult.FLAT


def test_a_pace_that_is_locked_in_the_middle_ends_the_flatten_with_every_close_recorded(tmp_path: Path) -> None:
    """What was sent has its answer in the ledger, what was not sent is open, and the closing row says why."""
    with open_lab(tmp_path, build_scenario(HELD), SLOW_SLOTS) as lab, ThreadPoolExecutor(1) as pool:
        running = pool.submit(lab.flatten)
        wait_for("the first close", lambda: lab.close_arrivals() or None)
        with FileLock(pace_lock_of(lab)):
            outcome = running.result()
        closed = lab.close_arrivals()
        assert len(closed) < len(HELD)
        assert [(each.intent.instrument_id, each.outcome) for each in lab.attempts(outcome) if each.sent_at] == [
            (name, Outcome.ACCEPTED) for name in closed
        ]
        assert all(each.answered_at for each in lab.attempts(outcome))
        # No read was to be had after the last send.
        assert outcome.closing.result is FlattenResult.UNVERIFIED
        assert "stayed locked" in outcome.closing.reason
