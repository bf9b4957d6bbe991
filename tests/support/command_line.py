"""The real executable, run as a person or a script runs it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from processes import start_process

EXECUTABLE = Path(sys.executable).with_name("deepcoin-ops")
PATIENCE_S = 60.0


def run(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [EXECUTABLE, *arguments], env=environ, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def run_json(environ: dict[str, str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run a command with `--json`; its exit code and its document."""
    ended = run(environ, *arguments, "--json")
    return ended.returncode, json.loads(ended.stdout)


@contextmanager
def started(environ: dict[str, str], *arguments: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Start a command whose standard output is read by the test."""
    with start_process([EXECUTABLE, *arguments], env=environ, text=True, stdout=subprocess.PIPE, **options) as process:
        yield process


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until something is true, for as long as anything here may take."""
    gives_up_s = time.monotonic() + PATIENCE_S
    tick = threading.Event()
    while not condition():
        assert time.monotonic() < gives_up_s, "it never came true"
        tick.wait(0.02)
