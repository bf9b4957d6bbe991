"""The instance folder: always there after it was asked for, and always under the checkout's policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepcoin_ops.domain.errors import SettingsError
from deepcoin_ops.instance import prepare_instance
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
