"""A reader of the ledger's file: Python's own SQLite in a process of its own, with a transaction that stays."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PROGRAM = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
for _ in range(2):
    print(connection.execute("SELECT count(*) FROM facts").fetchone()[0], flush=True)
    sys.stdin.readline()
connection.close()
"""


@dataclass
class LedgerReader:
    """A reader at work.

    Attributes:
        seen: How many entries it saw when it began.
    """

    process: subprocess.Popen[str]
    seen: int

    def look_again(self) -> int:
        """How many entries its transaction sees now."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@contextmanager
def ledger_reader(path: Path) -> Iterator[LedgerReader]:
    """Hold a read transaction on a ledger for as long as the block lasts."""
    command = [sys.executable, "-c", _PROGRAM, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield LedgerReader(process, int(process.stdout.readline()))
        finally:
            process.kill()
