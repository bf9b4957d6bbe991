"""What a flatten says while it runs and when it is over, for whoever watches. No decisions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from deepcoin_ops.domain.model import FlattenClosing, FlattenResult, InstrumentVerdict, Outcome
from deepcoin_ops.domain.planning import ClosePlan
from deepcoin_ops.domain.verdicts import describe_verdicts


@dataclass(frozen=True)
class Progress:
    """Something a person watching wants to know. Notional in USDT.

    `sends` counts all sends so far; `outcome` is set when this tells of one answer.
    """

    text: str
    sends: int = 0
    open_instruments: int = 0
    answered_notional_usdt: Decimal = Decimal(0)
    total_notional_usdt: Decimal = Decimal(0)
    outcome: Outcome | None = None

    @property
    def answered_share(self) -> float | None:
        """Share of the notional whose closes were accepted, 0 to 1; None while there is nothing to divide by."""
        if not self.total_notional_usdt:
            return None
        return min(1.0, float(self.answered_notional_usdt / self.total_notional_usdt))


class Teller:
    """Tells how far a flatten has come, measured by what was open at its beginning.

    Args:
        report: Who is told.
    """

    def __init__(self, report: Callable[[Progress], None]):
        self._report = report
        self._open_instruments = 0
        self._total_usdt = Decimal(0)
        self._answered_usdt = Decimal(0)

    def begin(self, text: str, before: ClosePlan) -> None:
        """Tell what is open before the first send."""
        self._open_instruments, self._total_usdt = len(before.lines), before.notional_usdt
        self.tell(text, 0)

    def tell(self, text: str, sends: int, outcome: Outcome | None = None, accepted_usdt: Decimal | None = None) -> None:
        """Tell of something.

        Args:
            text: What happened.
            sends: All sends so far.
            outcome: Set when this tells of one answer.
            accepted_usdt: The notional whose close was just accepted, if it is known.
        """
        self._answered_usdt += accepted_usdt or Decimal(0)
        self._report(Progress(text, sends, self._open_instruments, self._answered_usdt, self._total_usdt, outcome))


@dataclass(frozen=True)
class FlattenOutcome:
    """How a flatten ended: its closing row, one verdict per instrument asked for, how many cancels may have been sent."""

    closing: FlattenClosing
    verdicts: tuple[InstrumentVerdict, ...]
    cancels: int = 0

    @property
    def is_success(self) -> bool:
        """Whether the account is proven flat, or nothing was to be sent in the first place."""
        return self.closing.result in (FlattenResult.FLAT, FlattenResult.DRY_RUN)

    def describe_failure(self) -> str:
        """What is left, size and notional first, then why."""
        return f"{describe_verdicts(self.verdicts)}. {self.closing.reason}".lstrip(". ")
