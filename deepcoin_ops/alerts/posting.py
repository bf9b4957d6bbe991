"""Letters to addresses: a courier process for each address, all at once, for a bounded time. Knows no ledger, no outbox."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from deepcoin_ops.settings import without_credentials
from deepcoin_ops.settings_alerts import AlertAddress

# Long enough for a slow service, and short enough for a sensor's tick and for a person at the command line.
LIMIT_S = 20.0
# On top, before a courier that does not even end itself is killed.
_GRACE_S = 5.0


@dataclass(frozen=True)
class Letter:
    """What is carried. `key` is its sender's."""

    key: str
    title: str
    body: str
    is_urgent: bool


@dataclass(frozen=True)
class Receipt:
    """What became of a letter at an address: why it was not delivered, or None when it was.

    What ended in a timeout may have arrived all the same. A letter that was not begun has no receipt.
    """

    key: str
    address: AlertAddress
    failure: str | None

    @property
    def is_delivered(self) -> bool:
        """Whether the service took it."""
        return self.failure is None


def post_letters(letters: Mapping[AlertAddress, Sequence[Letter]], limit_s: float = LIMIT_S) -> list[Receipt]:
    """Carry letters, those of an address one after the other, all addresses at once. Sends, to third parties.

    Takes as long as the slowest address, at most `limit_s` and a few seconds. Never raises because of an address.

    Args:
        letters: What goes to each address, most urgent first; after a failure the rest is not tried.
        limit_s: Seconds after which a courier ends, wherever it is.
    """
    if not letters:
        return []
    # Leaving kills the couriers first, so that no thread waits for one any longer.
    with ThreadPoolExecutor(len(letters)) as pool, ExitStack() as running:
        couriers = [running.enter_context(_Courier(address, each, limit_s)) for address, each in letters.items()]
        waits = [pool.submit(courier.carry) for courier in couriers]
        return [receipt for wait in waits for receipt in wait.result()]


class _Courier:
    """One courier process and what it was given."""

    def __init__(self, address: AlertAddress, letters: Sequence[Letter], limit_s: float):
        self._address = address
        self._letters = letters
        self._limit_s = limit_s
        # Not from the working directory, which may hold modules of any name; without the exchange's keys, which are none of
        # its business; and its complaints go nowhere.
        command = [sys.executable, "-P", "-m", "deepcoin_ops.alerts.courier"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter and a module of this project
            command,
            env=without_credentials(),
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
        )
        told = [{"title": each.title, "body": each.body, "is_urgent": each.is_urgent} for each in letters]
        self._order = json.dumps({"url": address.url, "limit_s": limit_s, "letters": told})

    def __enter__(self) -> _Courier:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()

    def carry(self) -> list[Receipt]:
        """Hand over the letters and wait for the courier's end."""
        try:
            said, _ = self._process.communicate(self._order, timeout=self._limit_s + _GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            said, _ = self._process.communicate()
        return self._read_receipts(said)

    def _read_receipts(self, said: str) -> list[Receipt]:
        states: dict[int, str | None] = {}
        # One that is killed in the middle of a line leaves half of it, and the library may print words of its own.
        steps = [found for line in said[: said.rfind("\n") + 1].splitlines() if (found := _read_step(line)) is not None]
        for step in steps:
            if "problem" in step:
                return [Receipt(each.key, self._address, step["problem"]) for each in self._letters]
            # One that was begun and of which no more is heard hung until its courier ended.
            hung = f"no answer within {self._limit_s:g} s; it may have arrived"
            states[step["letter"]] = {"begun": hung, "delivered": None}.get(step["state"], step.get("reason"))
        if not states:
            return [Receipt(self._letters[0].key, self._address, "the delivering process said nothing")]
        return [Receipt(self._letters[number].key, self._address, failure) for number, failure in states.items()]


def _read_step(line: str) -> dict[str, Any] | None:
    """One step of a courier; None when the line is none."""
    try:
        step = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return step if isinstance(step, dict) and ("problem" in step or "letter" in step) else None
