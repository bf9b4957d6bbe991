"""A day's table under several processes at once: whoever comes late with an older ledger head changes nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from account_days import DAY
from processes import start_process

from deepcoin_ops.domain.tables import CLOSE_ATTEMPTS
from deepcoin_ops.orchestration.tables import TableStore

WORKER = Path(__file__).with_name("table_worker.py")
SUPPORT = Path(__file__).parents[1] / "support"


@contextmanager
def writer(folder: Path, heads: Sequence[int]) -> Iterator[subprocess.Popen[str]]:
    """A process that is about to write the day from these ledger heads in turn."""
    command = [sys.executable, WORKER, folder / "tables", folder / "locks", *map(str, heads)]
    environ = os.environ | {"PYTHONPATH": str(SUPPORT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with start_process(command, env=environ, text=True, **pipes) as process:
        assert process.stdout.readline() == "ready\n"
        yield process


def let_go(process: subprocess.Popen[str]) -> None:
    """Tell a writer to begin."""
    process.stdin.write("go\n")
    process.stdin.flush()


def read_told(process: subprocess.Popen[str]) -> list[tuple[int, int, int]]:
    """What a writer said to its end: each head it wrote from, and the head and rows of the file afterwards.

    Reading and writing start no thread: a thread of Arrow's that is still there at the end of a process can abort it, and
    a step of Dagster whose work was done would count as failed.
    """
    *told, (threads_started,) = [tuple(map(int, line.split())) for line in process.stdout]
    assert process.wait() == 0
    assert threads_started == 0
    return told


def test_two_processes_that_write_one_day_never_take_it_back_to_an_older_head(tmp_path: Path) -> None:
    """Two backfills of one day, on whatever days of the week; and whoever reads meanwhile finds a whole file."""
    store = TableStore(str(tmp_path / "tables"), tmp_path / "locks")
    with writer(tmp_path, range(1, 60, 2)) as odd, writer(tmp_path, range(2, 61, 2)) as even:
        for process in (odd, even):
            let_go(process)
        seen = []
        while odd.poll() is None or even.poll() is None:
            stored = store.read(CLOSE_ATTEMPTS, DAY)
            if stored is not None:
                seen.append((stored.head.seq, len(stored.frame)))
            assert stored is not None or not seen
            Event().wait(0.01)
        told = [*read_told(odd), *read_told(even)]
    assert seen == sorted(seen)
    assert all(rows == head for head, rows in seen)
    assert len(told) == 60
    assert all(head >= wrote and rows == head for wrote, head, rows in told)
    assert store.read(CLOSE_ATTEMPTS, DAY).head.seq == 60


def test_a_process_that_was_overtaken_before_it_wrote_keeps_the_newer_file_and_says_so(tmp_path: Path) -> None:
    """The order is fixed here: the newer one writes and ends while the older one waits with its rows."""
    with writer(tmp_path, [3]) as older, writer(tmp_path, [7]) as newer:
        let_go(newer)
        assert read_told(newer) == [(7, 7, 7)]
        let_go(older)
        assert read_told(older) == [(3, 7, 7)]
