"""Day tables of the reconciliation on disk with rows of one's choice, for tests of who reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from deepcoin_ops.domain.frames import Column, Kind
from deepcoin_ops.domain.tables import RECONCILIATION
from deepcoin_ops.orchestration.tables import TableHead, TableStore

BTC, ETH, DOT = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "DOT-USDT-SWAP"
Rows = Iterable[Mapping[str, Any]]
_EMPTY = {Kind.TEXT: "", Kind.INTEGER: 0, Kind.BOOLEAN: False, Kind.DECIMAL: Decimal(0)}


def build_row(
    account: str = "main", instrument_id: str | None = None, side: str | None = None, **values: Any
) -> dict[str, Any]:
    """A row of the reconciliation without its day; what is not named is missing, or empty where it may not be."""
    named = {"account": account, "instrument_id": instrument_id, "position_side": side, **values}
    what = [instrument_id, side] if instrument_id else [values.get("break_type")]
    named["subject"] = "/".join([account, *(each for each in what if each)])
    return {column.name: named.get(column.name, _empty(column)) for column in RECONCILIATION.columns}


def build_break(
    account: str = "main", instrument_id: str | None = None, side: str | None = None, **values: Any
) -> dict[str, Any]:
    """A row that somebody has to do something about."""
    return build_row(account, instrument_id, side, is_break=True, **{"severity": "ERROR", **values})


def write_days(tables: Path, days: Mapping[str, Rows | None]) -> None:
    """Write the day's file for each day, none for a day that has None instead of rows."""
    store = TableStore(str(tables), tables.parent / "locks")
    for trading_day, rows in days.items():
        if rows is not None:
            frame = RECONCILIATION.build({**row, "trading_day": trading_day} for row in rows)
            store.write(RECONCILIATION, trading_day, frame, TableHead("ledger", 1, {}))


def _empty(column: Column) -> Any:
    return None if column.is_nullable else _EMPTY[column.kind]
