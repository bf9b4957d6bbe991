"""Checks in time to act: which of the two the exchange did to a key, and what else a flatten would stumble over."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from command_line import run
from flatten_lab import build_scenario, position
from live_exchange import LIVE_SETTINGS, LiveStand, open_live_stand

from deepcoin_ops.alerts.alert import AlertKind
from deepcoin_ops.alerts.facts import read_facts
from deepcoin_ops.alerts.finding import find_alerts
from deepcoin_ops.definitions import build_definitions
from deepcoin_ops.domain.breaks import Severity
from deepcoin_ops.domain.checks import AccountCheck, CheckPurpose, FindingKind
from deepcoin_ops.flattening.preflight import check_account
from deepcoin_ops.ledger.history import History
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.settings import load_settings

SCENARIO = build_scenario([position("BTC-USDT-SWAP", "1", "1000")])
SETTINGS = LIVE_SETTINGS.replace("[BTC-USDT-SWAP, ETH-USDT-SWAP]", "[BTC-USDT-SWAP]")


def check(stand: LiveStand, purpose: CheckPurpose = CheckPurpose.PREFLIGHT) -> AccountCheck:
    """Check account `main`; what was found is in the ledger as well."""
    settings = load_settings(stand.variables)
    found = check_account(settings, "main", purpose, lambda _progress: None, stand.variables)
    with History.open_existing(settings.ledger_path, settings.venue) as history:
        record = history.read_last_check("main")
    assert (record.check, record.flatten_id) == (found, None)
    assert stand.exchange.sends() == []
    return found


@pytest.mark.parametrize(
    ("code", "kind", "told"),
    [
        ("50113", FindingKind.KEY_UNKNOWN, "after 30 idle days"),
        ("50110", FindingKind.ADDRESS_REFUSED, "the machine has a new one"),
        ("50105", FindingKind.KEY_REFUSED, "The passphrase is wrong"),
        ("50100", FindingKind.KEY_REFUSED, "frozen"),
    ],
)
def test_what_happened_to_a_key_is_told_apart(code: str, kind: FindingKind, told: str, tmp_path: Path) -> None:
    """A deleted key needs a new one, a moved machine a new address; at half past eleven nobody wants to guess."""
    fault = Fault(FaultAction.AUTH_ERROR, "account/uid", call=None, auth_code=code)
    with open_live_stand(tmp_path, replace(SCENARIO, faults=(fault,)), SETTINGS) as stand:
        stand.arm(expires_at=datetime.now(UTC) + timedelta(days=30))
        found = check(stand, CheckPurpose.CREDENTIALS)
        assert [(each.kind, each.is_blocking) for each in found.findings] == [(kind, True)]
        assert told in found.findings[0].text
        assert (found.uid, found.open_instruments) == (None, None)


def test_the_key_alone_is_asked_about_where_that_is_the_question(tmp_path: Path) -> None:
    """The daily check keeps a key from being idle; an account that is not armed is no news every morning."""
    with open_live_stand(tmp_path, SCENARIO, SETTINGS) as stand:
        found = check(stand, CheckPurpose.CREDENTIALS)
        assert (found.is_passed, found.findings, found.open_instruments) == (True, (), None)
        assert found.uid is not None


def test_positions_that_cannot_be_read_are_found_before_the_flatten_needs_them(tmp_path: Path) -> None:
    """The key may be good and the read refused all the same."""
    fault = Fault(FaultAction.SERVER_ERROR, "account/positions", call=None)
    with open_live_stand(tmp_path, replace(SCENARIO, faults=(fault,)), SETTINGS) as stand:
        stand.arm(expires_at=datetime.now(UTC) + timedelta(days=30))
        found = check(stand)
        assert [each.kind for each in found.findings] == [FindingKind.ACCOUNT_UNREADABLE]
        assert (found.notional_usdt, found.open_instruments) == (None, None)


def test_an_address_that_is_not_armed_is_found_without_asking_it(tmp_path: Path) -> None:
    """A signed read shows key and passphrase to whoever answers there."""
    with open_live_stand(tmp_path, SCENARIO, SETTINGS, DEEPCOIN_BASE_URL="https://deepcoin.invalid") as stand:
        found = check(stand)
        assert [each.kind for each in found.findings] == [FindingKind.ACCOUNT_UNREADABLE]
        assert "is not the exchange's own address" in found.findings[0].text


def run_job(stand: LiveStand, name: str, monkeypatch: pytest.MonkeyPatch) -> dg.ExecuteInProcessResult:
    """Run a job of the code location in this process, with the stand's variables."""
    for variable in [each for each in os.environ if each.startswith("DEEPCOIN")]:
        monkeypatch.delenv(variable)
    for variable, value in stand.variables.items():
        monkeypatch.setenv(variable, value)
    job = build_definitions(settings=load_settings(stand.variables)).get_repository_def().get_job(name)
    with dg.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(instance=instance, raise_on_error=False)


def test_a_preflight_run_fails_loudly_or_shows_what_it_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a desk sees in Dagster's list of runs an hour before the day ends."""
    with open_live_stand(tmp_path, SCENARIO, SETTINGS) as stand:
        failed = run_job(stand, "preflight", monkeypatch)
        assert not failed.success
        [event] = [each for each in failed.all_node_events if each.is_step_failure]
        told = event.step_failure_data.user_failure_data
        assert "Nothing would be sent. account main: not armed" in told.description
        assert "NOT_ARMED" in told.metadata["checks"].value
        assert run_job(stand, "check_credentials", monkeypatch).success
        stand.arm()
        assert run_job(stand, "preflight", monkeypatch).success
        assert stand.exchange.sends() == []


def test_an_instrument_that_is_not_listed_fails_the_preflight_and_wakes_the_desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every flatten would end UNVERIFIED, and there is time to correct the settings."""
    with open_live_stand(tmp_path, SCENARIO, SETTINGS.replace("[BTC-USDT-SWAP]", "[BTC-USDT-SWAP, BTC-USD-SWAP]")) as stand:
        stand.arm(expires_at=datetime.now(UTC) + timedelta(days=30))
        failed = run_job(stand, "preflight", monkeypatch)
        assert not failed.success
        [event] = [each for each in failed.all_node_events if each.is_step_failure]
        words = event.step_failure_data.user_failure_data.description
        assert "It would not end FLAT. account main: the exchange does not list BTC-USD-SWAP" in words
        ended = run(dict(os.environ) | stand.variables, "preflight")
        assert ended.returncode == 1
        assert "a flatten would be admitted and WOULD NOT END FLAT" in ended.stdout
        settings = load_settings(stand.variables)
        facts = read_facts(settings, datetime.now(UTC), pause=lambda _seconds: None)
        alerts = [each for each in find_alerts(facts) if each.kind is AlertKind.CHECK_FAILED]
        assert {(alert.severity, "NOT END FLAT" in alert.title) for alert in alerts} == {(Severity.ERROR, True)}
        assert stand.exchange.sends() == []
