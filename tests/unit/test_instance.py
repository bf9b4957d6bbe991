"""The instance folder: always there after it was asked for, and always under the checkout's policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepcoin_ops.domain.errors import SettingsError
from deepcoin_ops.instance import prepare_instance, prepare_viewer_folder
from deepcoin_ops.settings import load_settings

POLICY = Path(__file__).parents[2] / "dagster.yaml"


def test_the_instance_follows_the_policy_of_the_checkout(tmp_path: Path) -> None:
    """An edit of the checkout's file holds from the next start, without a copy to forget."""
    folder = prepare_instance(load_settings({"DEEPCOIN_OPS_STATE": str(tmp_path)}))
    assert folder == tmp_path / "dagster"
    assert (folder / "dagster.yaml").resolve() == POLICY


@pytest.mark.parametrize("is_link", [True, False])
def test_an_outdated_policy_is_replaced(tmp_path: Path, is_link: bool) -> None:
    """A moved checkout leaves a dangling link behind; an older version may have left a copy."""
    stale = tmp_path / "dagster" / "dagster.yaml"
    stale.parent.mkdir()
    if is_link:
        stale.symlink_to(tmp_path / "gone.yaml")
    else:
        stale.write_text("telemetry: {enabled: true}")
    folder = prepare_instance(load_settings({"DEEPCOIN_OPS_STATE": str(tmp_path)}))
    assert (folder / "dagster.yaml").resolve() == POLICY
    assert [path.name for path in folder.iterdir()] == ["dagster.yaml"]


def test_a_folder_that_cannot_be_made_is_told_with_its_cure(tmp_path: Path) -> None:
    """The state folder is a setting, and the message names it."""
    (tmp_path / "dagster").write_text("in the way")
    with pytest.raises(SettingsError, match="DEEPCOIN_OPS_STATE"):
        prepare_instance(load_settings({"DEEPCOIN_OPS_STATE": str(tmp_path)}))


def test_the_viewers_page_runs_in_a_folder_of_its_own_that_holds_no_variables(tmp_path: Path) -> None:
    """Dagster reads a `.env` where it is started: beside the instance, an operator may keep one with a key."""
    settings = load_settings({"DEEPCOIN_OPS_STATE": str(tmp_path)})
    folder = prepare_viewer_folder(settings)
    assert folder != prepare_instance(settings)
    assert list(folder.iterdir()) == []
    (folder / ".env").write_text("MAIN_API_KEY=x")
    with pytest.raises(SettingsError, match=r"viewer/\.env .* Move it away"):
        prepare_viewer_folder(settings)


def test_a_viewers_folder_that_cannot_be_made_is_told_with_its_cure(tmp_path: Path) -> None:
    """The state folder is a setting, and the message names it."""
    (tmp_path / "viewer").write_text("in the way")
    with pytest.raises(SettingsError, match="DEEPCOIN_OPS_STATE"):
        prepare_viewer_folder(load_settings({"DEEPCOIN_OPS_STATE": str(tmp_path)}))
