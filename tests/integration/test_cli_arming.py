"""Arming from the command line: what is shown, what has to be typed, what is written, and what `status` makes of it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from command_line import EXECUTABLE, PATIENCE_S, run, run_json
from flatten_lab import build_scenario, position
from live_exchange import LIVE_SETTINGS, LiveStand, live_uid, open_live_stand

SCENARIO = build_scenario([position("BTC-USDT-SWAP", "1", "1000")])
SETTINGS = LIVE_SETTINGS.replace("[BTC-USDT-SWAP, ETH-USDT-SWAP]", "[BTC-USDT-SWAP]")


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[LiveStand]:
    """A live desk with nothing armed and a position of some 90,000 USDT."""
    with open_live_stand(tmp_path, SCENARIO, SETTINGS, PATH=os.environ["PATH"], HOME=str(tmp_path)) as stand:
        yield stand


def type_in(stand: LiveStand, typed: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command with somebody at the keyboard."""
    return subprocess.run(
        [EXECUTABLE, *arguments],
        env=stand.variables,
        input=typed,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def set_caps(stand: LiveStand, line: str) -> None:
    """Give account main a cap in the settings, or what happens above one."""
    path = Path(stand.variables["DEEPCOIN_OPS_SETTINGS"])
    path.write_text(SETTINGS.replace("    credentials_prefix", f"    {line}\n    credentials_prefix", 1))


def test_arming_shows_the_account_asks_for_its_uid_and_lets_a_flatten_send(stand: LiveStand) -> None:
    """From an unarmed desk to a flat account, as a person does it for the first time."""
    uid = live_uid("main")
    assert run(stand.variables, "flatten").returncode == 2
    armed = type_in(stand, f"{uid}\n", "arm", "--cap", "250000", "--days", "20")
    assert armed.returncode == 0, armed.stderr
    for told in (uid, stand.exchange.url, "250,000 USDT in one flatten", "BTC-USDT-SWAP", "1,000", "(19 days)"):
        assert told in armed.stdout
    path = stand.arming / "main.json"
    assert (path.stat().st_mode & 0o777, stand.arming.stat().st_mode & 0o777) == (0o600, 0o700)
    written = json.loads(path.read_text())
    assert (written["uid"], written["cap_usdt"], written["base_url"]) == (uid, "250000", stand.exchange.url)
    assert written["state_folder"] == stand.variables["DEEPCOIN_OPS_STATE"]
    assert datetime.fromisoformat(written["expires_at"]) - datetime.now(UTC) < timedelta(days=20)
    assert stand.exchange.sends() == []
    assert run(stand.variables, "flatten").returncode == 0
    assert len(stand.exchange.sends()) == 1


@pytest.mark.parametrize(
    ("arguments", "typed", "told"),
    [
        (("--cap", "5000"), "12345678\n", "that is not its uid"),
        (("--cap", "5000"), "", "Aborted"),
        (("--cap", "5000", "--yes-uid", "12345678"), "", "that is not its uid"),
        (("--cap", "-5"), "", "no amount of USDT"),
        (("--cap", "NaN"), "", "no amount of USDT"),
        ((), "", "--cap"),
        (("--cap", "5000", "--days", "91"), "", "91 is not in the range"),
        (("--cap", "5000", "--trust-url", "https://deepcoin.invalid"), "", "is not the address in use"),
        (("--cap", "5000", "--account", "mian"), "", "main"),
    ],
)
def test_nothing_is_armed_by_mistake(stand: LiveStand, arguments: tuple[str, ...], typed: str, told: str) -> None:
    """Whatever is not meant writes nothing."""
    ended = type_in(stand, typed, "arm", *arguments)
    assert ended.returncode in (1, 2)
    assert told in ended.stderr
    assert not stand.arming.exists()


def test_a_uid_that_is_armed_already_is_not_armed_under_a_second_name(tmp_path: Path) -> None:
    """Two names for one account have two locks and two paces."""
    twin = SETTINGS.replace("pace:", "  twin: {credentials_prefix: TWIN, instruments: [BTC-USDT-SWAP]}\npace:")
    with open_live_stand(tmp_path, SCENARIO, twin, PATH=os.environ["PATH"], HOME=str(tmp_path)) as stand:
        for part in ("API_KEY", "SECRET_KEY", "PASSPHRASE"):
            stand.variables[f"TWIN_{part}"] = stand.variables[f"DEEPCOIN_{part}"]
        stand.arm()
        ended = run(stand.variables, "arm", "--account", "twin", "--cap", "5000", "--yes-uid", live_uid("main"))
        assert ended.returncode == 2
        assert "armed as account main already" in ended.stderr
        assert not (stand.arming / "twin.json").exists()


def test_a_uid_is_armed_under_one_name_whatever_settings_file_names_it(stand: LiveStand) -> None:
    """A second desk on the machine, or an account that was renamed: its old arming lives on until it ends."""
    renamed = stand.arming.with_name("renamed.yaml")
    renamed.write_text(SETTINGS.replace("  main:", "  renamed:"))
    other = stand.variables | {"DEEPCOIN_OPS_SETTINGS": str(renamed)}
    stand.arm()
    ended = run(other, "arm", "--cap", "5000", "--yes-uid", live_uid("main"))
    assert ended.returncode == 2
    assert "armed as account main already" in ended.stderr
    assert str(stand.arming) in ended.stderr
    now = datetime.now(UTC)
    stand.arm(armed_at=now - timedelta(days=2), expires_at=now - timedelta(days=1))
    assert run(other, "arm", "--cap", "5000", "--yes-uid", live_uid("main")).returncode == 0


def test_arming_under_a_kill_switch_says_that_nothing_is_sent_yet(stand: LiveStand) -> None:
    """Whoever arms after a stop should not go home believing that the evening's flatten will send."""
    assert run(stand.variables, "kill", "--reason", "wrong evening").returncode == 1, (
        "nothing was ever run here, and it is on all the same"
    )
    armed = run(stand.variables, "arm", "--cap", "250000", "--yes-uid", live_uid("main"))
    assert armed.returncode == 0, armed.stderr
    assert armed.stdout.count("wrong evening") == 2
    assert "It sends nothing yet" in armed.stdout
    assert "now sends" not in armed.stdout


@pytest.mark.parametrize(
    ("caps", "cap", "told"),
    [
        ("", "5000", "a flatten may close 5,000 USDT"),
        ("cap_notional_usdt: 7000", "250000", "a flatten may close 7,000 USDT"),
        ("cap_instrument_notional_usdt: 6000", "250000", "6,000 USDT"),
    ],
)
def test_arming_below_what_is_open_says_that_a_flatten_would_be_refused(
    stand: LiveStand, caps: str, cap: str, told: str
) -> None:
    """Some 90,000 USDT are open. Whoever arms with too low a cap must hear it now and not from the evening's alert."""
    set_caps(stand, caps)
    armed = run(stand.variables, "arm", "--cap", cap, "--yes-uid", live_uid("main"))
    assert armed.returncode == 0, armed.stderr
    assert "now sends" not in armed.stdout
    refusal = armed.stdout.partition("A flatten now would be refused: ")[2]
    assert told in refusal
    assert armed.stdout.count(told) == 2
    assert run(stand.variables, "flatten").returncode == 2
    assert stand.exchange.sends() == []


def test_arming_below_what_is_open_sends_all_the_same_where_the_settings_say_so(stand: LiveStand) -> None:
    """With on_cap: close_and_alert a cap only alerts, and calling that a refusal would be as wrong."""
    set_caps(stand, "on_cap: close_and_alert")
    armed = run(stand.variables, "arm", "--cap", "5000", "--yes-uid", live_uid("main"))
    assert armed.returncode == 0, armed.stderr
    assert "A flatten of it now sends real closes. " in armed.stdout
    assert "it is closed all the same" in armed.stdout
    assert "refused" not in armed.stdout
    assert run(stand.variables, "flatten").returncode == 0
    assert len(stand.exchange.sends()) == 1


def test_a_second_state_folder_is_not_armed_by_the_first_ones_arming(stand: LiveStand, tmp_path: Path) -> None:
    """Locks, pace and kill switch are kept in it: two of them would close one account side by side."""
    stand.arm()
    ended = run(stand.variables | {"DEEPCOIN_OPS_STATE": str(tmp_path / "another")}, "flatten")
    assert ended.returncode == 2
    assert "which has other locks" in ended.stderr
    assert stand.exchange.sends() == []


def test_paper_needs_no_arming(stand: LiveStand) -> None:
    """Nobody should believe that paper was armed, or live by it."""
    ended = run(stand.variables | {"DEEPCOIN_OPS_VENUE": "paper"}, "arm", "--cap", "5000")
    assert ended.returncode == 2
    assert "needs no arming" in ended.stderr
    assert stand.exchange.arrivals() == []


def test_status_tells_what_is_armed_and_disarm_ends_it(stand: LiveStand) -> None:
    """Before the evening a person looks there; stopping takes one command and no key."""
    assert "not armed: there is no" in run(stand.variables, "status").stdout
    stand.arm(expires_at=datetime.now(UTC) + timedelta(days=5, hours=1))
    shown = run(stand.variables, "status").stdout
    assert "armed until" in shown
    assert f"(5 days), uid {live_uid('main')}, by a test" in shown
    assert "its arming ends at" in shown
    _, document = run_json(stand.variables, "status")
    [account] = document["accounts"]
    assert (account["arming"]["uid"], account["arming_findings"][0]["kind"]) == (live_uid("main"), "ARMING_ENDING")
    keyless = {name: value for name, value in stand.variables.items() if not name.endswith(("KEY", "PASSPHRASE"))}
    assert "not armed any more" in run(keyless, "disarm").stdout
    assert not (stand.arming / "main.json").exists()
    assert "was not armed" in run(keyless, "disarm", "--account", "main").stdout
    assert run(stand.variables, "flatten").returncode == 2
    assert stand.exchange.sends() == []


def test_a_preflight_says_in_time_what_a_flatten_would_be_refused_for(stand: LiveStand) -> None:
    """An hour before, somebody can still arm, mend a key or raise a cap."""
    code, document = run_json(stand.variables, "preflight")
    [check] = document["accounts"]
    assert (code, check["is_passed"], check["uid"]) == (1, False, live_uid("main"))
    assert [finding["kind"] for finding in check["findings"]] == ["NOT_ARMED"]
    stand.arm(cap_usdt=1000)
    shown = run(stand.variables, "preflight")
    assert shown.returncode == 1
    assert "NOTHING WOULD BE SENT" in shown.stdout
    assert "CAP_EXCEEDED" in shown.stdout
    stand.arm(expires_at=datetime.now(UTC) + timedelta(days=30))
    shown = run(stand.variables, "preflight")
    assert (shown.returncode, "a flatten would be admitted" in shown.stdout) == (0, True)
    assert "last check (preflight)" in run(stand.variables, "status").stdout
    assert stand.exchange.sends() == []
    no_key = {name: value for name, value in stand.variables.items() if name != "DEEPCOIN_SECRET_KEY"}
    code, document = run_json(no_key, "preflight")
    assert (code, document["accounts"][0]["findings"][0]["kind"]) == (1, "CREDENTIALS_MISSING")
