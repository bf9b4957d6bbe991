"""A position in an instrument that the settings do not name: who hears of it, and that one which is expected is quiet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from command_line import run, run_json
from flatten_lab import SETTINGS, build_scenario, open_lab, position, read_days

from deepcoin_ops.alerts.alert import AlertKind
from deepcoin_ops.alerts.facts import read_facts
from deepcoin_ops.alerts.finding import find_alerts
from deepcoin_ops.domain.checks import CheckPurpose, FindingKind
from deepcoin_ops.domain.day_frames import build_reconciliation
from deepcoin_ops.domain.model import FlattenResult
from deepcoin_ops.flattening.preflight import check_account
from deepcoin_ops.paper.scenario import Scenario
from deepcoin_ops.paper.server import PaperExchange

DOT = "DOT-USDT-SWAP"
POSITIONS = [position("BTC-USDT-SWAP", "PAPER-1", "500"), position(DOT, "PAPER-2", "7")]
EXPECTED = SETTINGS.replace("close_spot: true", f"close_spot: true\n    expected_positions: [{DOT}]")


def test_the_last_line_of_a_flatten_names_it_and_an_alert_is_kept(
    paper: Callable[[Scenario], PaperExchange], settings_file: Callable[..., dict[str, str]]
) -> None:
    """The configured instruments are flat, exit code 0; what stays open is the last thing that is read."""
    variables = settings_file(paper(build_scenario(POSITIONS)).url)
    ended = run(variables, "flatten")
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[-1] == f"OPEN AND NOT CONFIGURED, never closed: {DOT} long 7 (50 USDT)."
    _, shown = run_json(variables, "alerts", "--show")
    assert f"[paper] main: OPEN AND NOT CONFIGURED, never closed: {DOT} long 7 (50 USDT)" in str(shown)


def test_one_that_is_expected_is_in_the_tables_alone(tmp_path: Path) -> None:
    """A hedge that is kept overnight on purpose wakes no desk, and a day can still be read."""
    with open_lab(tmp_path, build_scenario(POSITIONS), EXPECTED) as lab:
        since = datetime.now(UTC)
        outcome = lab.flatten()
        assert (outcome.closing.result, outcome.closing.unconfigured) == (FlattenResult.FLAT, {})
        assert "NOT CONFIGURED" not in outcome.closing.reason
        assert lab.truly_open() == {DOT}
        facts = read_facts(lab.desk.settings, datetime.now(UTC), pause=lambda _seconds: None)
        assert AlertKind.UNCONFIGURED_POSITION not in {alert.kind for alert in find_alerts(facts)}
        frame = build_reconciliation(*read_days(lab, since))
        [row] = frame[frame["instrument_id"] == DOT].to_dict("records")
        assert (row["break_type"], row["severity"], row["is_break"]) == ("EXPECTED_POSITION", "INFO", False)
        assert check_account(lab.desk.settings, "main", CheckPurpose.PREFLIGHT, lab.said.append).findings == ()


def test_the_preflight_names_it_while_it_may_still_be_closed(tmp_path: Path) -> None:
    """It keeps no flatten from ending FLAT, so the check passes."""
    with open_lab(tmp_path, build_scenario(POSITIONS)) as lab:
        check = check_account(lab.desk.settings, "main", CheckPurpose.PREFLIGHT, lab.said.append)
        assert [(each.kind, DOT in each.text) for each in check.findings] == [(FindingKind.UNCONFIGURED_POSITION, True)]
        assert check.would_end_flat
