"""The paths in the environment: one and the same wherever they are read, and closed to others."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepcoin_ops.domain.errors import SettingsError
from deepcoin_ops.settings import load_settings


@pytest.fixture
def settings_path(tmp_path: Path) -> Path:
    """A settings file that is right."""
    path = tmp_path / "flatten.yaml"
    path.write_text("accounts: {main: {credentials_prefix: MAIN, instruments: [BTC-USDT-SWAP]}}")
    return path


def test_a_path_with_a_step_back_is_refused_with_where_it_leads(settings_path: Path, tmp_path: Path) -> None:
    """Through a folder that is missing, or a link, it leads elsewhere than it looks."""
    environ = {"DEEPCOIN_OPS_SETTINGS": str(settings_path), "DEEPCOIN_OPS_STATE": f"{tmp_path}/missing/../desk"}
    with pytest.raises(SettingsError, match=f"without .*write {tmp_path / 'desk'}"):
        load_settings(environ)
    assert not (tmp_path / "missing").exists()


def test_a_settings_file_in_the_working_folder_is_refused(settings_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another shell would flatten other instruments by another file of that name."""
    monkeypatch.chdir(settings_path.parent)
    with pytest.raises(SettingsError, match=f"DEEPCOIN_OPS_SETTINGS: .*if you mean the one here, write {settings_path}"):
        load_settings({"DEEPCOIN_OPS_SETTINGS": settings_path.name, "DEEPCOIN_OPS_STATE": str(settings_path.parent)})


def test_a_path_from_the_home_folder_on_is_the_same_everywhere(
    settings_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings file as well, which a tilde did not reach before; a home folder that is relative itself is refused."""
    monkeypatch.setenv("HOME", str(settings_path.parent))
    environ = {"DEEPCOIN_OPS_SETTINGS": f"~/{settings_path.name}", "DEEPCOIN_OPS_STATE": "~/state"}
    settings = load_settings(environ)
    assert (settings.source_path, settings.state_folder) == (settings_path, settings_path.parent / "state")
    monkeypatch.setenv("HOME", "home")
    with pytest.raises(SettingsError, match="DEEPCOIN_OPS_STATE: expected a folder, written in full"):
        load_settings(environ)


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_state_folder_that_others_may_write_to_is_refused(settings_path: Path, tmp_path: Path, mode: int) -> None:
    """They could put a lock of their own in the place of ours, or take a kill switch away."""
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(mode)
    environ = {"DEEPCOIN_OPS_SETTINGS": str(settings_path), "DEEPCOIN_OPS_STATE": str(state)}
    with pytest.raises(SettingsError, match=f"run `chmod go-w {state}`"):
        load_settings(environ)
    state.chmod(0o755)
    assert load_settings(environ).state_folder == state


def test_the_settings_say_why_it_is_this_state_folder(settings_path: Path, tmp_path: Path) -> None:
    """A shell without the variable works on another folder, and has to say so."""
    named = load_settings({"DEEPCOIN_OPS_SETTINGS": str(settings_path), "DEEPCOIN_OPS_STATE": str(tmp_path)})
    assert named.state_origin == "named by DEEPCOIN_OPS_STATE"
    assert load_settings({}).state_origin == "the default of this checkout, because DEEPCOIN_OPS_STATE is not set"
