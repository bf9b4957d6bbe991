"""A process that writes to a ledger, started by the tests of test_ledger_processes: `ledger_worker.py MODE PATH NAME`.

MODE `record`: wait for a line, open the ledger, record a flatten and 25 attempts with outcomes, end.
MODE `intend`: record a flatten and one intent, say so, and wait to be killed.
MODE `append`: append pairs of facts on three threads for ever, and name each pair that is on record by its numbers.
MODE `tear`:   as `intend`, and then write half a transaction into the log before waiting to be killed.
"""

import itertools
import os
import sys
import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from deepcoin_ops.domain.facts import StopAsked
from deepcoin_ops.domain.model import CloseAnswer, CloseIntent, FlattenRequest, Outcome, ProductGroup, Venue
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.ledger.records import NewFact
from deepcoin_ops.ledger.sqlite_file import driver

ATTEMPTS = 25


def build_intent(attempt_id: str) -> CloseIntent:
    """An intent of this id."""
    return CloseIntent(attempt_id, "BTC-USDT-SWAP", ProductGroup.SWAP_U, 1, 1, "/close", "{}", Decimal(1), None)


def tear(path: Path) -> None:
    """Write so much without committing that the pages go into the log, whose end then has to be left out."""
    connection = driver.connect(path, isolation_level=None)
    connection.execute("PRAGMA cache_size = 1")
    connection.execute("BEGIN")
    for seq in range(100, 300):
        connection.execute(
            "INSERT INTO facts VALUES (?, 'main', '2026-03-01', NULL, 'check_made/1', '', NULL, ?, NULL, '', '')",
            (seq, "x" * 5000),
        )
    wait_to_be_killed()


def wait_to_be_killed() -> None:
    """Let the test know that it is time, and stay."""
    say("ready")
    sys.stdin.readline()


def append_for_ever(ledger: Ledger, name: str, number: int) -> None:
    """Record pairs of facts of an account of this process's own; a line for each that `append` says is on record."""
    for count in itertools.count():
        fact = StopAsked(flatten_id=name, at_s=1.0, reason=f"{name}-{number}-{count}")
        first, second = ledger.append([NewFact(name, "2026-03-01", fact)] * 2)
        say(f"{fact.reason} {first} {second}")


def say(line: str) -> None:
    """Write a line to the test at once: the threads share the pipe, and a short write to it is never torn apart."""
    os.write(1, f"{line}\n".encode())


def main() -> None:
    """Do what the mode says."""
    mode, path, name = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    if mode == "record":
        wait_to_be_killed()
    with Ledger.open(path, Venue.PAPER) as ledger:
        if mode == "append":
            threads = [threading.Thread(target=append_for_ever, args=(ledger, name, number)) for number in range(3)]
            for thread in threads:
                thread.start()
            wait_to_be_killed()
        now = datetime.now(UTC)
        request = FlattenRequest(name, "main", "2026-03-01", "test", ("BTC-USDT-SWAP",), is_dry_run=False)
        ledger.record_flatten(request, "{}")
        if mode == "record":
            for number in range(ATTEMPTS):
                ledger.record_intent(name, build_intent(f"{name}-{number}"))
                ledger.record_outcome(f"{name}-{number}", CloseAnswer(Outcome.ACCEPTED, "accepted", now, now))
            return
        ledger.record_intent(name, build_intent(f"{name}-0"))
        if mode == "tear":
            tear(path)
        wait_to_be_killed()


if __name__ == "__main__":
    main()
