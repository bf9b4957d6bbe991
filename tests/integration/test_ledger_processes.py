"""The ledger under several processes, and under kill -9."""

import subprocess
import sys
from pathlib import Path

from deepcoin_ops.domain.facts import StopAsked
from deepcoin_ops.domain.model import Outcome, Venue
from deepcoin_ops.ledger.checked import verify
from deepcoin_ops.ledger.journal import Ledger

WORKER = Path(__file__).with_name("ledger_worker.py")
DAY = "2026-03-01"


def _start(mode: str, path: Path, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(WORKER), mode, str(path), name]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _kill_when_ready(process: subprocess.Popen[str]) -> None:
    with process:
        assert process.stdout.readline() == "ready\n"
        process.kill()


def test_four_processes_that_create_and_write_one_ledger_make_one_chain(tmp_path: Path) -> None:
    """Two daemons, a hand launch and the command line may meet on one file; no entry may be lost or linked wrongly."""
    path = tmp_path / "ledger.sqlite"
    processes = [_start("record", path, f"F{number}") for number in range(4)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        with process:
            assert process.wait() == 0
    with Ledger.open_existing(path, Venue.PAPER) as ledger:
        attempts = ledger.read_attempts(DAY)
        assert len(attempts) == 4 * 25
        assert {attempt.outcome for attempt in attempts} == {Outcome.ACCEPTED}
        assert ledger.read_head(DAY).seq == 1 + 4 * (1 + 2 * 25)
        assert ledger.read_altered_entry("main") is None


def test_a_process_killed_after_its_intent_leaves_an_unknown_attempt(tmp_path: Path) -> None:
    """The next start has to know what it does not know: this close may have been sent."""
    path = tmp_path / "ledger.sqlite"
    _kill_when_ready(_start("intend", path, "F1"))
    with Ledger.open(path, Venue.PAPER) as ledger:
        [attempt], _cancels = ledger.read_open_calls("main")
        assert (attempt.intent.attempt_id, attempt.outcome) == ("F1-0", Outcome.UNKNOWN)
        assert ledger.has_unclosed_flatten(DAY)
        assert ledger.read_altered_entry("main") is None


def test_a_process_killed_inside_a_transaction_leaves_what_was_committed(tmp_path: Path) -> None:
    """Half an entry in the log is left out by the next one that looks, also when that one only reads."""
    path = tmp_path / "ledger.sqlite"
    _kill_when_ready(_start("tear", path, "F1"))
    assert path.with_name("ledger.sqlite-wal").stat().st_size > 100 * 5000
    with Ledger.open_existing(path, Venue.PAPER) as ledger:
        assert ledger.read_head(DAY).seq == 3
        assert [attempt.intent.attempt_id for attempt in ledger.read_open_calls("main")[0]] == ["F1-0"]
        assert ledger.read_altered_entry("main") is None


def test_what_a_killed_process_was_assured_of_is_on_record(tmp_path: Path) -> None:
    """Two processes append at once and are killed in the midst of it, twice: nothing is lost, halved or linked wrongly."""
    path, assured = tmp_path / "ledger.sqlite", dict[str, list[int]]()
    for life in range(2):
        processes = [_start("append", path, f"account{number}-{life}") for number in range(2)]
        for process in processes:
            with process:
                lines = [process.stdout.readline() for _ in range(100)]
                process.kill()
                lines += process.stdout.readlines()
            named = [line.split() for line in lines if line.endswith("\n") and line != "ready\n"]
            assured |= {reason: [int(seq) for seq in seqs] for reason, *seqs in named if len(seqs) == 2}
    with Ledger.open(path, Venue.PAPER) as ledger:
        recorded: dict[str, list[int]] = {}
        for each in ledger.read(StopAsked, trading_day=DAY):
            recorded.setdefault(each.fact.reason, []).append(each.seq)
        assert len(assured) >= 4 * 95
        assert {reason: recorded.get(reason) for reason in assured} == assured
        assert {len(seqs) for seqs in recorded.values()} == {2}
        assert verify(ledger) == []
