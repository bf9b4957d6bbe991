"""The break types: what each means, how serious it is, what its owner does; and the row that carries them.

The only place where a break type is defined. When one applies is decided in `reconcile` and `instrument_days`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from deepcoin_ops.domain.model import CloseError, Outcome, PositionSide, ResidualCause, Verdict
from deepcoin_ops.domain.orders import Order


class Severity(StrEnum):
    """How serious a row of the reconciliation is.

    ERROR: money is at risk, or may be.  WARN: somebody has to decide.  INFO: nothing to clear; worth knowing.
    """

    ERROR = "ERROR"
    WARN = "WARN"
    INFO = "INFO"


class BreakType(StrEnum):
    """What can be wrong with a row, most serious first. Of several, the one of the highest severity names the row."""

    LEDGER_ALTERED = "LEDGER_ALTERED"
    FLATTEN_MISSING = "FLATTEN_MISSING"
    LOCK_TIMEOUT = "LOCK_TIMEOUT"
    REOPENED = "REOPENED"
    RESIDUAL_POSITION = "RESIDUAL_POSITION"
    RESTING_ORDER_LEFT = "RESTING_ORDER_LEFT"
    UNKNOWN_OUTCOME = "UNKNOWN_OUTCOME"
    PARTIAL_FAILURE = "PARTIAL_FAILURE"
    UNVERIFIED = "UNVERIFIED"
    UNCONFIGURED_POSITION = "UNCONFIGURED_POSITION"
    EVIDENCE_MISMATCH = "EVIDENCE_MISMATCH"
    EVIDENCE_UNAVAILABLE = "EVIDENCE_UNAVAILABLE"
    DUPLICATE_ERROR_ITEM = "DUPLICATE_ERROR_ITEM"
    SCHEMA_DRIFT = "SCHEMA_DRIFT"
    EXPECTED_POSITION = "EXPECTED_POSITION"
    ALREADY_FLAT = "ALREADY_FLAT"


@dataclass(frozen=True)
class BreakDefinition:
    """One break type, in writing.

    `severity` holds as long as the instrument is not proven flat; what a proof has settled is INFO. One that no positions
    read can settle keeps its severity.
    """

    meaning: str
    severity: Severity
    what_to_do: str
    is_settled_by_proof: bool = True


_T, _S = BreakType, Severity

DEFINITIONS: dict[BreakType, BreakDefinition] = {
    _T.LEDGER_ALTERED: BreakDefinition(
        "Entries of this day in the ledger are not what was recorded: no other row of the account can be relied on.",
        _S.ERROR,
        "Keep the ledger file, look at the positions yourself, and compare the day's head hashes with a backup.",
        is_settled_by_proof=False,
    ),
    _T.FLATTEN_MISSING: BreakDefinition(
        "A flatten was due on this day and its deadline is over, and none that looked at the account ended after the tick.",
        _S.ERROR,
        "Look at the account's positions now and launch flatten_positions; then find out why nothing ran.",
    ),
    _T.LOCK_TIMEOUT: BreakDefinition(
        "A flatten gave up because another one held the account for the whole wait; it sent nothing.",
        _S.ERROR,
        "Look at the result of the flatten that held the account. If there is none, flatten again.",
    ),
    _T.REOPENED: BreakDefinition(
        "A position is open that was not there before the first close: somebody or something traded meanwhile.",
        _S.ERROR,
        "Find and stop who trades in this account, then flatten again.",
    ),
    _T.RESIDUAL_POSITION: BreakDefinition(
        "The last counting positions read shows it open.",
        _S.ERROR,
        "Read the error codes and the reason, then flatten again or close it by hand.",
    ),
    _T.RESTING_ORDER_LEFT: BreakDefinition(
        "An order waits in an instrument that should be flat: it can open a position again, or close the next one, or it "
        "holds a size that a close would take.",
        _S.ERROR,
        "Cancel the order, then flatten again.",
    ),
    _T.UNKNOWN_OUTCOME: BreakDefinition(
        "What at least one close did is not known: it may have been executed.",
        _S.ERROR,
        "Look at the positions before anything is sent again; flatten again if something is open.",
    ),
    _T.PARTIAL_FAILURE: BreakDefinition(
        "The exchange accepted a close and returned error items for it.",
        _S.ERROR,
        "Read the items in close_errors, look at the position, then flatten again or close it by hand.",
    ),
    _T.UNVERIFIED: BreakDefinition(
        "Nothing shows it open, and the two counting reads that prove it flat are missing.",
        _S.ERROR,
        "Look at the position yourself, or flatten again.",
    ),
    _T.UNCONFIGURED_POSITION: BreakDefinition(
        "A position is open in an instrument that the settings do not name; it is never closed.",
        _S.WARN,
        "Decide whose it is: add the instrument to the settings, or name it in expected_positions.",
    ),
    _T.EVIDENCE_MISMATCH: BreakDefinition(
        "The exchange's own list shows another closed size for the time of the flattens than their reads before and after.",
        _S.WARN,
        "Compare closed_positions with positions_before and close_attempts: somebody else traded, or a list is wrong.",
        is_settled_by_proof=False,
    ),
    _T.EVIDENCE_UNAVAILABLE: BreakDefinition(
        "Something was closed, and there is no complete list of the exchange to compare it with.",
        _S.INFO,
        "Launch collect_evidence for the day, as long as the exchange keeps it.",
    ),
    _T.DUPLICATE_ERROR_ITEM: BreakDefinition(
        "One answer held the same error item more than once; each is kept as a row of its own.",
        _S.INFO,
        "Count positions by the positions tables and not by error items.",
    ),
    _T.SCHEMA_DRIFT: BreakDefinition(
        "An answer of the exchange held fields or types that are not known; the raw answer is kept. It is a WARN where no "
        "table can hold a value: its cell is null, and the reason has the value.",
        _S.INFO,
        "Compare what the reason names with the exchange's pages, and have the parser looked at.",
    ),
    _T.EXPECTED_POSITION: BreakDefinition(
        "A position is open in an instrument that the settings expect to stay open; it is never closed.",
        _S.INFO,
        "Nothing.",
    ),
    _T.ALREADY_FLAT: BreakDefinition(
        "Two counting reads show it flat, and no close was sent for it on this day.",
        _S.INFO,
        "Nothing.",
    ),
}


def rank_findings(
    kinds: Iterable[BreakType], *, is_settled: bool, unsettled: Collection[BreakType] = ()
) -> list[tuple[BreakType, Severity]]:
    """What was found with its severity, most serious first.

    Args:
        kinds: What was found.
        is_settled: Whether counting reads have shown the end of it, so that most of it is information.
        unsettled: What those reads do not settle this time.
    """
    ranked = []
    for kind in kinds:
        definition = DEFINITIONS[kind]
        is_information = is_settled and definition.is_settled_by_proof and kind not in unsettled
        ranked.append((kind, Severity.INFO if is_information else definition.severity))
    by_type, by_severity = list(BreakType).index, list(Severity).index
    return sorted(ranked, key=lambda each: (by_severity(each[1]), by_type(each[0])))


@dataclass(frozen=True)
class ReconciliationRow:
    """One account x instrument x side, or one finding about a whole account, where `instrument_id` is None.

    Sizes are in contracts, notionals in USDT. `position_side` is None where no side was seen. `findings` holds everything
    found, most serious first; the first one is the break type, and `since_at` tells since when that holds. `evidence` is
    what the exchange's own lists say, in words; None where there is nothing to compare. `orders` are those left of its
    side, None where no order list was read; `residual_cause` says why its size is still open, as far as that is known.
    """

    account: str
    instrument_id: str | None = None
    position_side: PositionSide | None = None
    flatten_id: str | None = None
    quantity_before_contracts: Decimal | None = None
    notional_before_usdt: Decimal | None = None
    quantity_after_contracts: Decimal | None = None
    notional_after_usdt: Decimal | None = None
    outcomes: tuple[Outcome, ...] = ()
    error_items: tuple[CloseError, ...] = ()
    evidence: str | None = None
    orders: tuple[Order, ...] | None = None
    residual_cause: ResidualCause | None = None
    verdict: Verdict | None = None
    findings: tuple[BreakType, ...] = ()
    severity: Severity | None = None
    since_at: datetime | None = None
    reason: str = ""

    @property
    def break_type(self) -> BreakType | None:
        """The most serious finding; None when all is well."""
        return self.findings[0] if self.findings else None

    @property
    def subject(self) -> str:
        """What the row is about, by which it is found again on another day; one row of a day has it."""
        if self.instrument_id is None:
            return "/".join([self.account, *self.findings])
        return "/".join([self.account, self.instrument_id, *([self.position_side] if self.position_side else [])])

    @property
    def is_break(self) -> bool:
        """Whether somebody has to do something about it."""
        return self.severity in (Severity.ERROR, Severity.WARN)
