"""How much memory other processes took at most, as the kernel counts it; on Linux alone."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_PAUSE_S = 0.2
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


@contextmanager
def watch_peaks(groups: Mapping[str, int]) -> Iterator[dict[int, float]]:
    """Watch every process of these process groups until the end of the block.

    Args:
        groups: The groups to watch.

    Yields:
        The peak resident memory of each process seen, in MiB by process id. The kernel keeps the peak, so that only growth
        in a process's last moment is missed. Stays empty where there is no /proc.
    """
    peaks: dict[int, float] = {}
    stop = threading.Event()
    watching = threading.Thread(target=_watch, args=(set(groups.values()), peaks, stop))
    watching.start()
    try:
        yield peaks
    finally:
        stop.set()
        watching.join()


def _watch(groups: set[int], peaks: dict[int, float], stop: threading.Event) -> None:
    while not stop.wait(_PAUSE_S):
        for process in Path("/proc").glob("[0-9]*"):
            try:
                # The command's name in front may hold blanks and parentheses.
                group = int((process / "stat").read_text().rpartition(")")[2].split()[2])
                peak = _PEAK.search((process / "status").read_text()) if group in groups else None
            except OSError:
                continue
            if peak is not None:
                peaks[int(process.name)] = int(peak[1]) / 1024
