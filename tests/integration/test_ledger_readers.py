"""Another program reads the ledger's file, and stays: a flatten takes no notice."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from command_line import run
from flatten_lab import build_scenario, open_lab, position
from ledger_reader import LedgerReader, ledger_reader

from deepcoin_ops.domain.model import FlattenResult, Outcome, Venue
from deepcoin_ops.flattening.progress import Progress
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.paper.scenario import Scenario
from deepcoin_ops.paper.server import PaperExchange

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


def test_the_ledger_is_copied_by_a_command_while_it_is_in_use(
    paper: Callable[[Scenario], PaperExchange], settings_file: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    """A backup by cron takes no notice of what runs; a file that is there already is never overwritten."""
    variables = settings_file(paper(build_scenario(POSITIONS)).url)
    assert run(variables, "flatten", "--dry-run").returncode == 0
    ledger, target = Path(variables["DEEPCOIN_OPS_STATE"]) / "paper" / "ledger.sqlite", tmp_path / "backup.sqlite"
    with ledger_reader(ledger) as reader:
        copied = run(variables, "ledger", "copy", str(target))
        assert (copied.returncode, str(target) in copied.stdout) == (0, True)
        refused = run(variables, "ledger", "copy", str(target))
        assert (refused.returncode, "File exists" in refused.stderr) == (2, True)
    with Ledger.open_existing(target, Venue.PAPER) as backup:
        assert backup.read_altered_entry("main") is None
        assert backup.read_last_flatten("main").closing is not None
    with ledger_reader(target) as counted:
        assert counted.seen == reader.seen
