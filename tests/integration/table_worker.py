"""A process that writes a day's table, started by test_table_processes: `table_worker.py TABLES LOCKS SEQ...`.

It waits for a line, and then writes the day once for each ledger head in turn, with as many rows as the head's number; it
says which head the file has after each write, and at its end how many threads it has then that it did not have before.
"""

import sys
from pathlib import Path

from account_days import DAY, build_attempt

from deepcoin_ops.domain.day_frames import build_close_attempts
from deepcoin_ops.domain.table_head import TableHead
from deepcoin_ops.domain.tables import CLOSE_ATTEMPTS
from deepcoin_ops.orchestration.tables import TableStore


def main() -> None:
    """Write one head after the other."""
    store = TableStore(sys.argv[1], Path(sys.argv[2]))
    print("ready", flush=True)  # noqa: T201 - the test reads it
    sys.stdin.readline()
    threads_before = count_threads()
    for seq in map(int, sys.argv[3:]):
        frame = build_close_attempts(DAY, [build_attempt(number) for number in range(seq)])
        stored = store.write(CLOSE_ATTEMPTS, DAY, frame, TableHead("ledger", seq, {}))
        print(seq, stored.head.seq, len(stored.frame), flush=True)  # noqa: T201
    print(count_threads() - threads_before, flush=True)  # noqa: T201


def count_threads() -> int:
    """The threads of this process, those of libraries included; always 0 where the system does not show them."""
    return len(list(Path("/proc/self/task").glob("*")))


if __name__ == "__main__":
    main()
