"""The folder in which Dagster keeps its runs: in the state folder, under the policy of the checkout. No Dagster here.

Dagster's databases are readable by every user, and hold sizes: the folder around them is not.
"""

from __future__ import annotations

import os
from pathlib import Path

from deepcoin_ops.domain.errors import SettingsError
from deepcoin_ops.settings import Settings
from deepcoin_ops.state_files import make_private_folder

_CHECKOUT = Path(__file__).resolve().parent.parent


def prepare_instance(settings: Settings) -> Path:
    """Make the instance folder, or bring it up to date. Writes: the folder and a link in it.

    The policy is linked and not copied, so that an edit of the checkout's file holds from the next start.

    Args:
        settings: The loaded settings.

    Returns:
        The folder to be named in DAGSTER_HOME.

    Raises:
        SettingsError: The project is not run from a checkout, or the folder cannot be written.
    """
    policy = find_in_checkout("dagster.yaml")
    folder = settings.state_folder / "dagster"
    link = folder / policy.name
    try:
        make_private_folder(folder)
        if not link.is_symlink() or link.readlink() != policy:
            # Renamed into place: another process may be starting on the same folder.
            fresh = folder / f".{policy.name}.{os.getpid()}"
            fresh.symlink_to(policy)
            fresh.replace(link)
    except OSError as error:
        raise SettingsError(
            f"Dagster's instance folder {folder} cannot be made: {error.strerror}. Nothing was started and nothing was "
            "sent. Name a folder that can be written in DEEPCOIN_OPS_STATE."
        ) from error
    return folder


def prepare_viewer_folder(settings: Settings) -> Path:
    """Make the folder in which the read-only page runs. Writes: the folder.

    Dagster reads a `.env` from the folder it is started in; the instance's own may hold one with an account's credentials.

    Raises:
        SettingsError: It cannot be made, or there is a `.env` in it.
    """
    folder = settings.state_folder / "viewer"
    try:
        make_private_folder(folder)
    except OSError as error:
        raise SettingsError(
            f"the viewer's folder {folder} cannot be made: {error.strerror}. Nothing was started. Name a folder that can "
            "be written in DEEPCOIN_OPS_STATE."
        ) from error
    if (folder / ".env").exists():
        raise SettingsError(
            f"{folder / '.env'} would be read by the page for viewers, which gets no variables but those it is started "
            "with. Nothing was started. Move it away."
        )
    return folder


def find_in_checkout(name: str) -> Path:
    """A file at the top of the checkout this module belongs to.

    Raises:
        SettingsError: There is none: the project was installed without its checkout.
    """
    path = _CHECKOUT / name
    if not path.is_file():
        raise SettingsError(
            f"{path} is missing: Dagster is started from a checkout of this project, not from an installed copy. Nothing "
            "was started and nothing was sent. Clone the project and run `make dev` in it."
        )
    return path
