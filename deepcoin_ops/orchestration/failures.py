"""What this project raises on purpose, as Dagster shows it: a message for a person, and never a retry."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from deepcoin_ops.domain.errors import DeepcoinOpsError
from deepcoin_ops.orchestration.shown import build_failure

_Result = TypeVar("_Result")


def guarded(step: Callable[[], _Result]) -> _Result:
    """Run a step; what this project raises on purpose becomes a failure that is never retried."""
    try:
        return step()
    except DeepcoinOpsError as error:
        raise build_failure(str(error), {"error": type(error).__name__}) from error
