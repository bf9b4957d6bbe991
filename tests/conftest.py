"""What tests of several rooms share: paper exchanges on free ports, and settings that make them quick."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flatten_lab import SETTINGS

from deepcoin_ops.paper.scenario import Scenario
from deepcoin_ops.paper.server import PaperExchange


@pytest.fixture
def paper() -> Iterator[Callable[[Scenario], PaperExchange]]:
    """Starts a paper exchange for a scenario; all of them are stopped at the end."""
    with ExitStack() as running:
        yield lambda scenario: running.enter_context(PaperExchange(scenario))


@pytest.fixture
def settings_file(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Writes a settings file as quick as the paper exchange allows; returns the environment of a process that uses it."""

    def write(paper_url: str, text: str = SETTINGS) -> dict[str, str]:
        path = tmp_path / "flatten.yaml"
        path.write_text(text)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DEEPCOIN", "DAGSTER"))}
        return inherited | {
            "DEEPCOIN_OPS_SETTINGS": str(path),
            "DEEPCOIN_OPS_STATE": str(tmp_path / "state"),
            "DEEPCOIN_OPS_PAPER_URL": paper_url,
        }

    return write
