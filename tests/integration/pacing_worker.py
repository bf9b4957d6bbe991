"""A process that closes as fast as its pace allows until somebody kills it; started by test_pacing_chaos.py.

Usage: pacing_worker.py URL FOLDER PERIOD_S MARGIN_S SEED SUICIDE_CHANCE

Before each send it adds the stamp of its slot, in seconds of the boot clock, to the file stamps.txt in FOLDER.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import requests

from deepcoin_ops.domain.paper_credentials import paper_credentials
from deepcoin_ops.exchange.pace_clock import SystemClock
from deepcoin_ops.exchange.pacing import FilePace
from deepcoin_ops.exchange.signing import format_timestamp, sign

ACCOUNT = "main"
PATH = "/deepcoin/trade/batch-close-position"
BODY = '{"productGroup":"SwapU","instId":"BTC-USDT-SWAP"}'
LANE = "batch-close"


class NotedClock(SystemClock):
    """The machine's clocks; when a slot was taken, `last_s` is what the lease was stamped with."""

    last_s = 0.0

    def now_s(self) -> float:
        """Seconds of the boot clock."""
        self.last_s = super().now_s()
        return self.last_s


def build_headers() -> dict[str, str]:
    """The signature of the one request this process knows, as of now."""
    credentials = paper_credentials(ACCOUNT)
    timestamp = format_timestamp(datetime.now(UTC))
    return {
        "Content-Type": "application/json",
        "DC-ACCESS-KEY": credentials.api_key,
        "DC-ACCESS-PASSPHRASE": credentials.passphrase,
        "DC-ACCESS-TIMESTAMP": timestamp,
        "DC-ACCESS-SIGN": sign(credentials.secret_key, timestamp, "POST", PATH, BODY),
    }


def send(session: requests.Session, url: str, free: threading.Semaphore) -> None:
    """Send one close; its answer is for the exchange's log, not for this process."""
    try:
        session.post(url + PATH, data=BODY, headers=build_headers(), timeout=10)
    finally:
        free.release()


def main() -> None:
    """Take slots and send. Each answer is awaited beside the next slot, as a flatten does it."""
    url, folder, period_s, margin_s, seed, suicide_chance = sys.argv[1:]
    dice = random.Random(int(seed))

    def die_sometimes() -> None:
        if dice.random() < float(suicide_chance):
            os.kill(os.getpid(), signal.SIGKILL)

    clock = NotedClock()
    pace = FilePace(Path(folder), {LANE: float(period_s)}, margin_s=float(margin_s), clock=clock)
    stamps = os.open(Path(folder) / "stamps.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    sessions = [requests.Session() for _ in range(2)]
    free = [threading.Semaphore() for _ in sessions]
    for session in sessions:
        # A new connection between stamp and arrival would eat the margin.
        session.trust_env = False
        session.get(url + "/__paper/health", timeout=10).raise_for_status()
    while True:
        for session, is_free in zip(sessions, free, strict=True):
            is_free.acquire()
            pace.take_slot(LANE, prepare=die_sometimes)
            os.write(stamps, f"{clock.last_s!r}\n".encode())
            threading.Thread(target=send, args=(session, url, is_free), daemon=True).start()
            die_sometimes()


if __name__ == "__main__":
    main()
