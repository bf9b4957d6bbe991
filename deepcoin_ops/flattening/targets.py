"""What one close of an instrument is to take: everything by a batch close, or named positions alone. Pure.

A batch close takes whatever is open when it arrives. So it is not sent where a row has to stay open, and not again once its
answer has named rows it did not close: naming the rows that the last read showed leaves alone what somebody opened since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from deepcoin_ops.domain.model import Position, ProductGroup
from deepcoin_ops.domain.planning import ClosePlan, PlanLine
from deepcoin_ops.exchange.client import BATCH_CLOSE, CLOSE_BY_IDS
from deepcoin_ops.exchange.wire import close_body, close_by_ids_body
from deepcoin_ops.settings import AccountSettings


@dataclass(frozen=True)
class CloseTarget:
    """One request: where it goes, what it says, and how much it is to close. Notional in USDT, None when unknown."""

    endpoint: str
    body: str
    quantity_contracts: Decimal
    notional_usdt: Decimal | None


class CloseTargets:
    """What the account's settings let a flatten close.

    Args:
        account: The account's settings.
    """

    def __init__(self, account: AccountSettings):
        self._account = account
        self._known_ids: frozenset[str] | None = None

    def know(self, position_ids: frozenset[str]) -> None:
        """Tell which positions were open before the first send; any other one was opened since."""
        self._known_ids = position_ids

    def choose(self, line: PlanLine, *, is_second_pass: bool, may_name_ids: bool) -> CloseTarget | None:
        """The close of an instrument, or None when nothing of it may be closed.

        Args:
            line: What the last read shows open.
            is_second_pass: Whether an earlier close of it was answered with an errorList item.
            may_name_ids: Whether the exchange takes closes by id for it, as far as is known.
        """
        spared = self._find_spared(line)
        rows = [row for row in line.positions if row not in spared]
        ids = [row.position_id for row in rows]
        can_name = may_name_ids and all(ids) and line.product_group is not ProductGroup.SPOT
        if not rows or (spared and not can_name):
            return None
        quantity = sum((row.quantity_contracts for row in rows), Decimal(0))
        notional = line.notional_usdt
        if notional is not None and spared:
            # One price and one contract size hold for all rows of an instrument.
            notional = notional * quantity / line.quantity_contracts
        if spared or (is_second_pass and can_name):
            return CloseTarget(CLOSE_BY_IDS, close_by_ids_body(line.instrument_id, ids), quantity, notional)
        return CloseTarget(BATCH_CLOSE, close_body(line.instrument_id), quantity, notional)

    def describe_spared(self, line: PlanLine) -> str:
        """Which rows the settings leave open and by which setting, in words; empty when none."""
        copied, reopened = self._find_copied(line), self._find_reopened(line)
        told = []
        if copied:
            told.append(f"copy-trading position(s) {_list_ids(copied)} (close_copy_trading is false)")
        if reopened:
            told.append(f"position(s) {_list_ids(reopened)} opened since the first read (close_reopened is false)")
        return "; ".join(told)

    def would_send(self, line: PlanLine) -> bool:
        """Whether a first close of an instrument would be sent: not where all of it, or what cannot be named, is spared."""
        return self.choose(line, is_second_pass=False, may_name_ids=True) is not None

    def describe_all_spared(self, plan: ClosePlan) -> dict[str, str]:
        """Which instruments have rows that the settings leave open, each with which, why, and whether nothing is sent."""
        spared = {}
        for line in plan.lines:
            if words := self.describe_spared(line):
                spared[line.instrument_id] = words if self.would_send(line) else f"{words}; no close would be sent for it"
        return spared

    def _find_spared(self, line: PlanLine) -> list[Position]:
        return [*self._find_copied(line), *self._find_reopened(line)]

    def _find_copied(self, line: PlanLine) -> list[Position]:
        if self._account.close_copy_trading:
            return []
        return [row for row in line.positions if row.is_of_copy_trading]

    def _find_reopened(self, line: PlanLine) -> list[Position]:
        if self._account.close_reopened or self._known_ids is None:
            return []
        return [row for row in line.positions if row.position_id not in self._known_ids]


def _list_ids(rows: Sequence[Position]) -> str:
    return ", ".join(row.position_id or "without an id" for row in rows)
