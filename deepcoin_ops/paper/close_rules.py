"""What a close may take of one row, and what it says about the rest. Row, frozen size and rules in, a decision out."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from deepcoin_ops.domain.model import ProductGroup
from deepcoin_ops.paper.book import CloseFailure, OpenRow
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.open_questions import CopyTradingAnswer, DustAnswer, FrozenAnswer, OversizeAnswer
from deepcoin_ops.paper.scenario import Scenario

INSUFFICIENT = (51020, "Insufficient position")


@dataclass(frozen=True)
class Decision:
    """How much of a row a close takes, in contracts, and the item it puts into the errorList, if any."""

    quantity_contracts: Decimal
    failure: CloseFailure | None = None


def decide(row: OpenRow, frozen: Decimal, scenario: Scenario, fault: Fault | None) -> Decision:
    """Decide on one row of a close request.

    Args:
        row: What is open.
        frozen: How much of it resting close orders hold, in contracts.
        scenario: The rules where the exchange's are not known.
        fault: What strikes the request, if anything.
    """
    refusal = _refusal(row, scenario, fault)
    if refusal is not None:
        return Decision(Decimal(0), _failure(row, *refusal))
    rules, held = scenario.closing, row.position.quantity_contracts
    if rules.copy_trading is CopyTradingAnswer.SPARED and _is_copied(row):
        return Decision(Decimal(0))
    if fault is not None and fault.action is FaultAction.HALF_CLOSED:
        held, frozen = (held / 2).to_integral_value(), Decimal(0)
    if not frozen:
        return Decision(_closable(row, held, scenario))
    free = held - frozen if rules.frozen is FrozenAnswer.FREE_PART_CLOSES else Decimal(0)
    return Decision(_closable(row, free, scenario), _failure(row, *INSUFFICIENT))


def _refusal(row: OpenRow, scenario: Scenario, fault: Fault | None) -> tuple[int, str] | None:
    """Code and message for a row that stays as it is."""
    position, instrument, rules = row.position, row.instrument, scenario.closing
    if fault is not None and fault.spares(position.position_side):
        return fault.error_code, fault.error_message
    if instrument.state != "live":
        return scenario.untradable_code, f"Instrument is in state {instrument.state}"
    if rules.copy_trading is CopyTradingAnswer.REFUSED and _is_copied(row):
        return 51000, "Parameter error"
    if position.quantity_contracts < instrument.min_size:
        return 195, "PositionLessThanMinVolume"
    is_contract = instrument.product_group is not ProductGroup.SPOT
    if rules.dust is DustAnswer.REFUSED and is_contract and _dust(row, position.quantity_contracts):
        return 44, "VolumeNotOnTick"
    if rules.oversize is OversizeAnswer.REFUSED and position.quantity_contracts > instrument.max_market_size:
        return 193, "VolumeTooLarge"
    return None


def _closable(row: OpenRow, wanted: Decimal, scenario: Scenario) -> Decimal:
    """How much one close takes: whole lots where only lots are traded, at most one market order if the rules say so."""
    if row.instrument.product_group is ProductGroup.SPOT or scenario.closing.dust is DustAnswer.LEFT:
        wanted -= _dust(row, wanted)
    is_clamped = scenario.closing.oversize is OversizeAnswer.CLAMPED
    return min(wanted, row.instrument.max_market_size) if is_clamped else wanted


def _dust(row: OpenRow, quantity: Decimal) -> Decimal:
    """The part of a quantity that is no whole lot."""
    return quantity % row.instrument.lot_size if row.instrument.lot_size else Decimal(0)


def _is_copied(row: OpenRow) -> bool:
    return row.position.is_leading or row.position.is_following


def _failure(row: OpenRow, code: int, message: str) -> CloseFailure:
    position = row.position
    return CloseFailure(position.instrument_id, position.position_id, position.position_side, code, message)
