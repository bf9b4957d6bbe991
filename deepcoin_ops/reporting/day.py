"""What a report is made of: the day's frames, and what they do not hold. Records only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from deepcoin_ops.domain.day import DueTick
from deepcoin_ops.domain.table_head import TableHead


@dataclass(frozen=True)
class ReportAccount:
    """An account beside its frames: what was due for it, which ticks were skipped, how far the exchange's evidence goes."""

    account: str
    due: DueTick | None
    skipped_ticks: tuple[str, ...]
    evidence: str


@dataclass(frozen=True)
class ReportDay:
    """The day beside its frames.

    `starts_at` and `ends_at` are the window in the desk's timezone. `close_period_s` is the exchange's limit: seconds for
    one batch close. `head` is the point of the ledger that the frames were built from.
    """

    trading_day: str
    venue: str
    timezone: str
    starts_at: datetime
    ends_at: datetime
    close_period_s: float
    head: TableHead
    accounts: tuple[ReportAccount, ...]


@dataclass(frozen=True)
class DayFrames:
    """The day's tables of these names, all from one ledger head."""

    close_attempts: pd.DataFrame
    close_errors: pd.DataFrame
    reconciliation: pd.DataFrame
    flatten_summary: pd.DataFrame
    positions_after: pd.DataFrame


def list_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A frame's rows in their order, with None for what is missing."""
    columns = {
        str(name): [None if is_missing else value for value, is_missing in zip(column, column.isna(), strict=True)]
        for name, column in frame.items()
    }
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
