"""Standard output and error of the command line: what cannot be written there never ends a command, nor changes its end.

A letter that the stream's encoding does not have is written as its number. A reader that has gone away, a full disk behind
the stream or a stream that was closed at the start costs the output alone.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import Any


class LastingStream:
    """A text stream that drops what cannot be written, from the first failure on; else it is the stream behind it.

    Attributes:
        failure: Why nothing is written any more; None while all is.
    """

    def __init__(self, stream: io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
        self._stream = stream
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write a text, unless an earlier one could not be written."""
        if self.failure is None:
            try:
                return self._stream.write(text)
            except OSError as error:
                self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Hand over what was written."""
        if self.failure is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._give_up(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _give_up(self, failure: OSError) -> None:
        self.failure = failure
        with suppress(OSError):
            # What is still buffered goes there when the process ends, which would otherwise end with a code of its own.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        if failure.errno != errno.EPIPE and self is sys.stdout:
            sys.stderr.write(
                f"Standard output could not be written: {failure}. What it leaves out was done all the same.\n"
            )


def protect_streams() -> None:
    """Make standard output and error lasting ones, for the rest of the process."""
    sys.stdout, sys.stderr = _protect(sys.stdout), _protect(sys.stderr)


def _protect(stream: Any) -> Any:
    if stream is None:
        # Closed at the start: its number would go to the next file that is opened, and that may be the ledger.
        stream = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    return LastingStream(stream) if isinstance(stream, io.TextIOWrapper) else stream
