"""A few evenings that were really run on a paper exchange, and a past full of them: what tests of many days stand on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from itertools import cycle
from pathlib import Path

from flatten_lab import build_scenario, position, stubborn
from replayed_days import RecordedFlatten, record_evening, replay_days

from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.settings import Settings

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
_POSITIONS = (
    position(BTC, "PAPER-1", "500"),
    position(ETH, "PAPER-2", "90.5", "short"),
    position("SOL-USDT-SWAP", "PAPER-3", "40"),
)
# What goes wrong on each kind of evening.
_EVENINGS: Mapping[str, tuple[Fault, ...]] = {
    "clean": (),
    "error items": (Fault(FaultAction.ERROR_ITEMS),),
    "residual": tuple(stubborn(BTC)),
    "lost answer": (Fault(FaultAction.RESET, instrument_id=ETH),),
}
# A day on which nobody flattened.
MISSED = "missed"


def record_evenings(folder: Path, kinds: Iterable[str] = _EVENINGS) -> dict[str, RecordedFlatten]:
    """Run one evening of each kind; what their ledgers hold, by kind."""
    return {kind: record_evening(folder / f"evening {kind}", build_scenario(_POSITIONS, _EVENINGS[kind])) for kind in kinds}


def replay_past(settings: Settings, evenings: Mapping[str, RecordedFlatten], today: str, count: int) -> dict[str, str]:
    """Fill a desk's ledger with a past of so many days, each kind of evening and a missed one in turn, for every account.

    Returns:
        The kind of evening of each day, oldest day first.
    """
    past = [(date.fromisoformat(today) - timedelta(days=back)).isoformat() for back in range(count, 0, -1)]
    kinds = dict(zip(past, cycle([*evenings, MISSED]), strict=False))
    flattens = {
        day: [evenings[kind].of_account(account) for account in settings.accounts]
        for day, kind in kinds.items()
        if kind in evenings
    }
    replay_days(settings, flattens)
    return kinds
