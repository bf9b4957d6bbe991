"""Programs started as a terminal starts them, and ended with everything that they started themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

# A test runner in the background may ignore these signals, and whatever it starts would then inherit that.
_WITH_DEFAULT_SIGNALS = (
    "import os, signal, sys; "
    "[signal.signal(each, signal.SIG_DFL) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]; "
    "os.execv(sys.argv[1], sys.argv[1:])"
)


@contextmanager
def start_process(command: Sequence[str | Path], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Start a program in a session of its own; its whole group is killed at the end, whatever happens.

    Args:
        command: The executable's path and its arguments.
        options: As for `subprocess.Popen`.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", _WITH_DEFAULT_SIGNALS, *map(str, command)], start_new_session=True, **options
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):  # it has ended, and nothing of it is left
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
