"""An evening's facts, as the ledger would tell them, for tests of what somebody has to hear of."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from account_days import ACCOUNT, BTC, DAY, DAY_END, ETH, TICK

from deepcoin_ops.alerts.alert import Alert
from deepcoin_ops.alerts.facts import HORIZON, AlertFacts, DueDay
from deepcoin_ops.alerts.finding import find_alerts
from deepcoin_ops.domain.checks import AccountCheck, CheckPurpose, Finding, FindingKind
from deepcoin_ops.domain.day import DueTick
from deepcoin_ops.domain.model import Venue
from deepcoin_ops.ledger.records import CheckRecord

# The flatten of the evening has ended by then, and the deadline of its tick is an hour away.
NOW = TICK + timedelta(minutes=20)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered outside the state folder is the test's own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))


@pytest.fixture
def facts_of() -> Callable[..., AlertFacts]:
    """Builds the facts of an account with two instruments; `now` moves what is due and what is news."""

    def build(now: datetime = NOW, is_due: bool = True, **changes: Any) -> AlertFacts:
        deadline_at = TICK + timedelta(hours=1)
        due = DueDay(DAY, DueTick(TICK, deadline_at, is_past=now >= deadline_at), DAY_END)
        fields = {
            "venue": Venue.PAPER,
            "now": now,
            "today": now.date().isoformat(),
            "since": now - HORIZON,
            "accounts": {ACCOUNT: (BTC, ETH)},
            "max_lateness_s": 1800.0,
            "throttled_often": 5,
            "due_days": (due,) if is_due and now >= TICK else (),
        }
        return AlertFacts(**(fields | changes))

    return build


@pytest.fixture
def find(facts_of: Callable[..., AlertFacts]) -> Callable[..., dict[str, Alert]]:
    """What is found in such facts, by key."""

    def find(**changes: Any) -> dict[str, Alert]:
        found = find_alerts(facts_of(**changes))
        keys = [alert.key for alert in found]
        assert len(set(keys)) == len(keys)
        return {alert.key: alert for alert in found}

    return find


def build_check(
    *kinds: FindingKind,
    purpose: CheckPurpose = CheckPurpose.PREFLIGHT,
    at: datetime = TICK - timedelta(hours=1),
    is_blocking: bool = True,
    flatten_id: str | None = None,
    **changes: Any,
) -> CheckRecord:
    """A check of the account as it was recorded, with findings of these kinds."""
    findings = tuple(Finding(kind, is_blocking, f"{kind} in words.") for kind in kinds)
    fields = {"open_instruments": 3, "notional_usdt": Decimal(250_000), "findings": findings}
    check = AccountCheck(purpose, at, "http://127.0.0.1:1", **(fields | changes))
    return CheckRecord(1, ACCOUNT, DAY, flatten_id, at.astimezone(UTC), check)


@pytest.fixture
def check_of() -> Callable[..., CheckRecord]:
    """Builds a check of the account."""
    return build_check
