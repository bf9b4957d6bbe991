"""Rows of positions reads, picked and added up. Pure arithmetic; what it means for a day is decided elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from deepcoin_ops.domain.day import PositionPage
from deepcoin_ops.domain.model import Position, PositionSide


def find_rows(pages: Iterable[PositionPage], instrument_id: str) -> list[Position]:
    """The open rows of an instrument."""
    rows = [row for page in pages for row in page.positions]
    return [row for row in rows if row.instrument_id == instrument_id and row.quantity_contracts]


def list_open(page: PositionPage) -> set[str]:
    """The instruments that a page shows open."""
    return {row.instrument_id for row in page.positions if row.quantity_contracts}


def sum_by_side(rows: Iterable[Position]) -> dict[PositionSide | None, Decimal]:
    """Sizes by side, split rows and margin modes added."""
    sums: dict[PositionSide | None, Decimal] = {}
    for row in rows:
        sums[row.position_side] = sums.get(row.position_side, Decimal(0)) + row.quantity_contracts
    return sums
