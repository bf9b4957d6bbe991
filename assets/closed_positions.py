"""`closed_positions`: what the exchange itself says was closed on a trading day, rebuilt from evidence in the ledger.

Asking the exchange is the job `collect_evidence`; materialising this asks nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg
import pandas as pd

from deepcoin_ops.assets.day_tables import build_table_asset
from deepcoin_ops.domain.evidence import EvidenceSource, EvidenceStatus
from deepcoin_ops.domain.evidence_frames import build_closed_positions
from deepcoin_ops.domain.tables import CLOSED_POSITIONS
from deepcoin_ops.ledger.records import EvidenceRecord
from deepcoin_ops.orchestration.day_resources import LedgerDays

_NOT_COLLECTED = "NOT_COLLECTED: nobody asked the exchange; launch collect_evidence"


def build_closed_positions_asset(trading_days: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset for a desk's trading days: a file per day, and beside it how far the evidence goes."""
    asset: dg.AssetsDefinition = build_table_asset(CLOSED_POSITIONS, _build_day, trading_days)
    return asset


def _build_day(trading_day: str, ledger_days: LedgerDays) -> tuple[pd.DataFrame, dict[str, Any]]:
    asked = read_history(trading_day, ledger_days)
    shown = {r.account: r for r in asked if r.read.status is EvidenceStatus.COMPLETE}.values()
    window = ledger_days.settings.calendar.window(trading_day)
    frame = build_closed_positions(trading_day, window, [(r.seq, r.account, r.read) for r in shown])
    accounts = tuple(ledger_days.settings.accounts)
    return frame, {"evidence": {account: describe_evidence(account, asked) for account in accounts}}


def read_history(trading_day: str, ledger_days: LedgerDays) -> list[EvidenceRecord]:
    """What was asked of the exchange's positions history of the day, and answered, up to the day's head."""
    return [
        record
        for record in ledger_days.read_evidence(trading_day)
        if record.read.source is EvidenceSource.POSITIONS_HISTORY
    ]


def describe_evidence(account: str, asked: Sequence[EvidenceRecord]) -> str:
    """How far an account's evidence of a day goes: of its newest complete read, else of its newest one."""
    own = [record.read for record in asked if record.account == account]
    complete = [read for read in own if read.status is EvidenceStatus.COMPLETE]
    if complete:
        return f"{EvidenceStatus.COMPLETE} up to {complete[-1].started_at.isoformat(timespec='seconds')}"
    return f"{own[-1].status}: {own[-1].reason}" if own else _NOT_COLLECTED
