"""How much memory and processor time other processes took, as the kernel counts it; on Linux alone."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PAUSE_S = 0.2
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)
_GROUP, _USER_TICKS, _SYSTEM_TICKS = 2, 11, 12


@dataclass(frozen=True)
class Usage:
    """One process so far: its peak resident memory, and the processor time it took."""

    peak_mib: float
    cpu_s: float


@contextmanager
def watch_usage(groups: Mapping[str, int]) -> Iterator[dict[int, Usage]]:
    """Watch every process of these process groups until the end of the block.

    Args:
        groups: The groups to watch.

    Yields:
        The usage of each process seen, by process id; only what it took in its last moment is missed. Stays empty where
        there is no /proc.
    """
    seen: dict[int, Usage] = {}
    stop = threading.Event()
    watching = threading.Thread(target=_watch, args=(set(groups.values()), seen, stop))
    watching.start()
    try:
        yield seen
    finally:
        stop.set()
        watching.join()


def _watch(groups: set[int], seen: dict[int, Usage], stop: threading.Event) -> None:
    while not stop.wait(_PAUSE_S):
        for process in Path("/proc").glob("[0-9]*"):
            try:
                usage = _read_usage(process, groups)
            except OSError:  # it has ended meanwhile
                continue
            if usage is not None:
                seen[int(process.name)] = usage


def _read_usage(process: Path, groups: set[int]) -> Usage | None:
    # The command's name in front may hold blanks and parentheses.
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    if int(fields[_GROUP]) not in groups:
        return None
    peak = _PEAK.search((process / "status").read_text())
    ticks = int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])
    return Usage(int(peak[1]) / 1024, ticks / os.sysconf("SC_CLK_TCK")) if peak else None
