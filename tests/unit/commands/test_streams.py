"""Streams that cannot take what is written: the output is lost or replaced, the command's end is not."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from deepcoin_ops.commands.streams import LastingStream

SAY = """
import sys
from deepcoin_ops.commands.streams import protect_streams
protect_streams()
for _ in range(3):
    print("\u4ed3\u4f4d " + "x" * 9000)
print("the end", file=sys.stderr)
sys.exit(3)
"""


def say(stdout: int | None, **environ: str) -> subprocess.CompletedProcess[str]:
    """A process that writes Chinese, more than a pipe's buffer of it, and ends with 3. Without a stream it is closed."""
    close = {"preexec_fn": lambda: os.close(1)} if stdout is None else {"stdout": stdout}
    command = [sys.executable, "-c", SAY]
    inherited = {**os.environ, **environ}
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, env=inherited, check=False, **close)


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "ascii:strict", "utf-8"])
def test_a_letter_that_the_encoding_lacks_is_replaced(encoding: str) -> None:
    """The message of an exchange is in its own language, the terminal in another."""
    ended = say(subprocess.PIPE, PYTHONIOENCODING=encoding)
    assert ended.returncode == 3
    assert ended.stdout.startswith("\u4ed3\u4f4d " if encoding == "utf-8" else r"\u4ed3\u4f4d ")
    assert ended.stdout.count("x") == 27_000


@pytest.mark.parametrize("reader", ["gone", "full", "closed"])
def test_a_reader_that_goes_away_changes_no_exit_code(reader: str) -> None:
    """`| head` and a full disk say nothing about whether an account is flat."""
    opened: list[int] = []
    if reader == "gone":
        opened = list(os.pipe())
        os.close(opened.pop(0))
    elif reader == "full":
        opened = [os.open("/dev/full", os.O_WRONLY)]
    try:
        ended = say(opened[0] if opened else None)
    finally:
        for each in opened:
            os.close(each)
    assert ended.returncode == 3
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr
    assert ended.stderr.endswith("the end\n")
    assert ("No space left" in ended.stderr) is (reader == "full")


def test_half_a_surrogate_pair_is_written_as_its_number() -> None:
    """What came in by an argument may hold one, and no encoding has it."""
    written = io.BytesIO()
    stream = LastingStream(io.TextIOWrapper(written, encoding="utf-8"))
    stream.write("a\ud800b")
    stream.flush()
    assert written.getvalue() == rb"a\ud800b"
    assert stream.failure is None
