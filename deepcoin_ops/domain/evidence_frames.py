"""What the exchange showed of a trading day, as frames of the tables. Pure; the contracts are in `tables`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import pandas as pd

from deepcoin_ops.domain.day import AccountDay
from deepcoin_ops.domain.evidence import ClosedPosition, EvidenceRead, EvidenceSource, EvidenceStatus
from deepcoin_ops.domain.frames import Row
from deepcoin_ops.domain.tables import CLOSED_POSITIONS

_SHOWN = (EvidenceSource.POSITIONS_HISTORY, EvidenceStatus.COMPLETE)


def build_closed_positions(
    trading_day: str, window: tuple[datetime, datetime], reads: Iterable[tuple[int, str, EvidenceRead]]
) -> pd.DataFrame:
    """The positions that the exchange shows as closed on a day, one row each; see `CLOSED_POSITIONS`.

    Args:
        trading_day: The day's key.
        window: Its start (included) and end (excluded); reads reach a little beyond both.
        reads: The ledger entry, the account and the read, for the complete positions history reads to be shown.
    """
    starts_at, ends_at = window
    return CLOSED_POSITIONS.build(
        _build_row(trading_day, account, seq, item_index, row)
        for seq, account, read in reads
        for item_index, row in enumerate(read.closed_positions)
        if starts_at <= row.closed_at < ends_at
    )


def list_shown_positions(trading_day: str, days: Sequence[AccountDay]) -> list[Row]:
    """The rows of `build_closed_positions`, as far as a day's evidence has them: without the entry of their read."""
    rows = []
    for day in days:
        shown = [read for read in day.evidence if (read.source, read.status) == _SHOWN][-1:]
        rows += [
            _build_row(trading_day, day.account, None, item_index, row)
            for read in shown
            for item_index, row in enumerate(read.closed_positions)
            if row.closed_at < day.ends_at
        ]
    return rows


def _build_row(trading_day: str, account: str, seq: int | None, item_index: int, row: ClosedPosition) -> Row:
    return {
        "trading_day": trading_day,
        "account": account,
        "instrument_id": row.instrument_id,
        "product_group": row.product_group.value if row.product_group else None,
        "position_side": row.position_side.value if row.position_side else None,
        "position_id": row.position_id,
        "closed_contracts": row.closed_contracts,
        "quantity_contracts": row.quantity_contracts,
        "average_open_price": row.average_open_price,
        "average_close_price": row.average_close_price,
        "pnl": row.pnl,
        "fee": row.fee,
        "funding_fee": row.funding_fee,
        "currency": row.currency,
        "margin_mode": row.margin_mode,
        "merge_mode": row.merge_mode,
        "opened_at": row.opened_at,
        "closed_at": row.closed_at,
        "evidence_seq": seq,
        "item_index": item_index,
    }
