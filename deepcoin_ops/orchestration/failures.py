"""What this project raises on purpose, as Dagster shows it: a message for a person, and never a retry."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import dagster as dg

from deepcoin_ops.domain.errors import DeepcoinOpsError

_Result = TypeVar("_Result")


def guarded(step: Callable[[], _Result]) -> _Result:
    """Run a step; what this project raises on purpose becomes a failure that is never retried."""
    try:
        return step()
    except DeepcoinOpsError as error:
        raise dg.Failure(str(error), metadata={"error": type(error).__name__}, allow_retries=False) from error
