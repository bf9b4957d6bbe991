"""The inside of a measured child process: runs one program to its end and writes down its peak memory. Nothing else.

The kernel's account of a child (`ru_maxrss`) begins with the size of the process that started it, which here is a large
one. What the child says of itself does not.
"""

from __future__ import annotations

import re
import resource
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

_PROC_STATUS = Path("/proc/self/status")


def read_peak_memory_mib() -> float:
    """This process's peak resident memory, in MiB."""
    if _PROC_STATUS.exists():
        peak_kib = re.search(r"^VmHWM:\s+(\d+) kB", _PROC_STATUS.read_text(), re.MULTILINE)
        if peak_kib is not None:
            return int(peak_kib[1]) / 1024
    # Linux counts in KiB, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    """Run `module:function` with the remaining arguments as its command line; the first argument is where to write."""
    note, program, *arguments = sys.argv[1:]
    sys.argv = [program, *arguments]
    try:
        EntryPoint(program, program, "console_scripts").load()()
    finally:
        Path(note).write_text(f"{read_peak_memory_mib():.1f}")


if __name__ == "__main__":
    main()
