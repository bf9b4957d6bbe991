"""Evenings of two accounts that were really flattened on the paper exchange, each as what a report is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from flatten_lab import Lab, position, with_settings
from report_lab import build_report, open_labs

from deepcoin_ops.flattening.progress import Progress
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.reporting.day import DayFrames, ReportDay

A = FaultAction
POSITIONS = {
    "main": [
        position("BTC-USDT-SWAP", "1", "970"),
        position("ETH-USDT-SWAP", "2", "200.7", "short"),
        position("SOL-USDT-SWAP", "3", "1250"),
        position("DOT-USDT-SWAP", "4", "7"),
    ],
    "hedge": [position("BTC-USDT-SWAP", "11", "500", "short"), position("ETH-USDT-SWAP", "12", "90.5")],
}
# DOT is not configured and never closed; an evening without it can be flat without a break.
CONFIGURED_ONLY = {account: [row for row in rows if "DOT" not in row.instrument_id] for account, rows in POSITIONS.items()}
STUCK_ETH = (
    Fault(A.ERROR_ITEMS, account="main", instrument_id="ETH-USDT-SWAP"),
    Fault(A.ERROR_ITEMS, "close-position-by-ids", account="main", instrument_id="ETH-USDT-SWAP", call=1, until_call=4),
)
BLIND = Fault(A.SERVER_ERROR, account="main", endpoint="account/positions", call=3, until_call=10_000)


@dataclass(frozen=True)
class Evening:
    """What a report of an evening is made of, and what the exchange itself holds open at its end."""

    day: ReportDay
    frames: DayFrames
    truly_open: set[str]


def flatten_both(labs: dict[str, Lab]) -> None:
    labs["main"].flatten()
    labs["hedge"].flatten()


def flatten_main_twice(labs: dict[str, Lab]) -> None:
    labs["main"].flatten()
    labs["main"].flatten()


def flatten_blindly(labs: dict[str, Lab]) -> None:
    """Main cannot read after its closes, and is stopped instead of trying for half a minute."""
    main = with_settings(labs["main"], max_rounds=3, interrupt_read_s=0.3)

    def stop_when_blind(progress: Progress) -> None:
        if "read failed" in progress.text:
            main.stop.set()

    main.flatten(report=stop_when_blind)
    labs["hedge"].flatten()


EVENINGS: dict[str, tuple[dict[str, list[object]], list[Fault], Callable[[dict[str, Lab]], None]]] = {
    "flat": (CONFIGURED_ONLY, [], flatten_both),
    "residual": (POSITIONS, [*STUCK_ETH, Fault(A.THROTTLE, account="main", call=2)], flatten_both),
    "twice": (POSITIONS, [*STUCK_ETH], flatten_main_twice),
    "unknown": (CONFIGURED_ONLY, [Fault(A.RESET, account="main"), BLIND], flatten_blindly),
    "nobody": (POSITIONS, [], lambda _labs: None),
    "dry run": (POSITIONS, [], lambda labs: labs["hedge"].flatten(labs["hedge"].open(is_dry_run=True))),
}


@pytest.fixture(scope="session")
def evenings(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Evening]:
    """Tells an evening by its name; each is flattened once, when it is first asked for."""
    told: dict[str, Evening] = {}

    def tell(name: str) -> Evening:
        if name not in told:
            positions, faults, flatten = EVENINGS[name]
            with open_labs(tmp_path_factory.mktemp("evening"), positions, faults) as labs:
                since = datetime.now(UTC)
                flatten(labs)
                told[name] = Evening(*build_report(labs["main"], since), labs["main"].truly_open())
        return told[name]

    return tell
