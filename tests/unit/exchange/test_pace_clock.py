"""The real clock of the pace, as far as every process of a machine has to agree on it."""

from __future__ import annotations

import subprocess
import sys

from deepcoin_ops.exchange.pace_clock import SYSTEM_CLOCK

ASK = "from deepcoin_ops.exchange.pace_clock import SYSTEM_CLOCK as clock\nprint(clock.boot_id(), repr(clock.now_s()))"


def test_another_process_reads_the_same_boot_and_the_same_clock() -> None:
    """Stamps travel between processes, so their clocks need one origin."""
    before_s = SYSTEM_CLOCK.now_s()
    answer = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
    boot_id, asked_s = answer.stdout.split()
    assert boot_id == SYSTEM_CLOCK.boot_id()
    assert before_s <= float(asked_s) <= SYSTEM_CLOCK.now_s()
