"""Somebody reads the ledger's file with another program, and stays: a flatten takes no notice."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from flatten_lab import build_scenario, open_lab, position
from ledger_reader import LedgerReader, ledger_reader

from deepcoin_ops.domain.model import FlattenResult, Outcome
from deepcoin_ops.flattening.progress import Progress

POSITIONS = (position("BTC-USDT-SWAP", "PAPER-1", "500"), position("ETH-USDT-SWAP", "PAPER-2", "90.5", "short"))


@pytest.mark.parametrize("comes", ["before the flatten", "after its first close"])
def test_a_reader_that_stays_stops_no_flatten(tmp_path: Path, comes: str) -> None:
    """A database browser left open over lunch: every close is sent and recorded, and the reader's own view stands still."""
    with open_lab(tmp_path, build_scenario(POSITIONS)) as lab, ExitStack() as open_readers:
        readers: list[LedgerReader] = []

        def attach() -> None:
            readers.append(open_readers.enter_context(ledger_reader(lab.desk.ledger.path)))

        def report(progress: Progress) -> None:
            if progress.outcome is not None and not readers:
                attach()

        if comes == "before the flatten":
            attach()
        outcome = lab.flatten(report=report)
        assert outcome.closing.result is FlattenResult.FLAT
        assert [attempt.outcome for attempt in lab.attempts(outcome)] == [Outcome.ACCEPTED, Outcome.ACCEPTED]
        assert lab.truly_open() == set()
        assert lab.desk.ledger.read_altered_entry("main") is None
        [reader] = readers
        assert reader.look_again() == reader.seen
        head = lab.desk.ledger.read_head(lab.open().trading_day)
        assert head is not None
        assert head.seq > reader.seen
