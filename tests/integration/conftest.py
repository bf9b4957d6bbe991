"""What integration tests share that takes long to build."""

from __future__ import annotations

import pytest
from fortnight import build_fortnight

from deepcoin_ops.settings import Settings


@pytest.fixture(scope="session")
def fortnight(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The desk of two weeks whose tables are on disk. Read it, and leave it as it is."""
    return build_fortnight(tmp_path_factory.mktemp("fortnight"))
