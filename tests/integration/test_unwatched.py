"""Before the first trading day nothing is due: every command that a person looks at says so."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from flatten_lab import build_scenario, position
from live_exchange import LIVE_SETTINGS, LiveStand, open_live_stand

from deepcoin_ops.cli import main
from deepcoin_ops.domain.checks import CheckPurpose, Finding, FindingKind
from deepcoin_ops.flattening.preflight import check_account
from deepcoin_ops.settings import load_settings

SCENARIO = build_scenario([position("BTC-USDT-SWAP", "1", "1000")])
TOMORROW = datetime.now(UTC).date() + timedelta(days=2)  # tomorrow or later in every time zone
SETTINGS = f"{LIVE_SETTINGS}\nschedule: {{first_trading_day: {TOMORROW}}}\n"


def find_unwatched(stand: LiveStand, purpose: CheckPurpose) -> list[Finding]:
    """What a check of account `main` finds of the kind."""
    found = check_account(load_settings(stand.variables), "main", purpose, lambda _progress: None, stand.variables)
    return [finding for finding in found.findings if finding.kind is FindingKind.NOT_WATCHED]


def test_preflight_finds_that_nothing_is_watched_and_refuses_nothing(tmp_path: Path) -> None:
    """A flatten by hand is right before the first day; an evening without a watch has to be known."""
    with open_live_stand(tmp_path, SCENARIO, SETTINGS) as stand:
        [finding] = find_unwatched(stand, CheckPurpose.PREFLIGHT)
        assert not finding.is_blocking
        assert f"Nothing is watched before {TOMORROW}" in finding.text
        assert find_unwatched(stand, CheckPurpose.CREDENTIALS) == []
        assert stand.exchange.sends() == []


def test_preflight_finds_nothing_of_the_kind_once_the_desk_has_begun(tmp_path: Path) -> None:
    """The first trading day is in the past for all time after."""
    with open_live_stand(tmp_path, SCENARIO, LIVE_SETTINGS) as stand:
        assert find_unwatched(stand, CheckPurpose.PREFLIGHT) == []


@pytest.mark.parametrize(("schedule", "is_said"), [(f"{{first_trading_day: {TOMORROW}}}", True), ("{}", False)])
def test_status_says_that_nothing_is_watched(tmp_path: Path, schedule: str, is_said: bool) -> None:
    """To a person, and to a program."""
    path = tmp_path / "desk.yaml"
    account = "accounts: {main: {credentials_prefix: DEEPCOIN, instruments: [BTC-USDT-SWAP]}}"
    path.write_text(f"{account}\nschedule: {schedule}\n", encoding="utf-8")
    environ = {"DEEPCOIN_OPS_SETTINGS": str(path), "DEEPCOIN_OPS_STATE": str(tmp_path), "DEEPCOIN_OPS_VENUE": "paper"}
    shown = CliRunner(env=environ).invoke(main, ["status"])
    document = CliRunner(env=environ).invoke(main, ["status", "--json"])
    assert shown.exit_code == document.exit_code == 0
    assert (f"Nothing is watched before {TOMORROW}" in shown.output) is is_said
    assert (json.loads(document.stdout)["unwatched"] is not None) is is_said
