"""Whose key it is and what time it is at the exchange, asked beside everything else. Reads only.

The uid tells which account a close would go to; no other read does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event
from typing import Any

from deepcoin_ops.domain.checks import Finding, FindingKind
from deepcoin_ops.domain.errors import GuardRefused, ReadFailed, ReadRefused, SendWithdrawn
from deepcoin_ops.domain.model import Refusal
from deepcoin_ops.flattening.clock_correction import ClockCorrection
from deepcoin_ops.flattening.desk import ReadingDesk

_UNKNOWN_KEY_CODE = "50113"
_ADDRESS_CODE = "50110"
_POLL_S = 0.05


@dataclass(frozen=True)
class Probed:
    """What came of asking: the uid and the clock's offset in seconds, None where a finding says why not."""

    uid: str | None
    clock_offset_s: float | None
    findings: tuple[Finding, ...]


class KeyProbe:
    """Asks for one account's uid, and brings the clock that signs in line with the exchange's.

    Args:
        desk: The account.
        clock: Corrects the clock.
        is_stopped: Asked while waiting.
        limit_s: For how many seconds failed reads of the uid and of the clock are tried again.
    """

    def __init__(self, desk: ReadingDesk, clock: ClockCorrection, is_stopped: Callable[[], bool], limit_s: float):
        self._desk = desk
        self._clock = clock
        self._is_closed = Event()
        self._is_asked_to_stop = is_stopped
        self._limit_s = limit_s
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="probe")
        self._asked: tuple[Future[str | Finding], Future[float | Finding]] | None = None

    def _is_stopped(self) -> bool:
        return self._is_asked_to_stop() or self._is_closed.is_set()

    def start(self) -> tuple[Future[str | Finding], Future[float | Finding]]:
        """Begin asking, once; what will have been answered."""
        if self._asked is None:
            self._asked = self._pool.submit(self._fetch_uid), self._pool.submit(self._align_clock)
        return self._asked

    def wait(self) -> Probed:
        """Wait for both answers; each comes, or is given up, within the limit and a few timeouts.

        Raises:
            SendWithdrawn: Stopping was asked for.
        """
        asked_uid, asked_offset = self.start()
        asked: tuple[Future[Any], ...] = asked_uid, asked_offset
        while wait(asked, timeout=_POLL_S).not_done:
            if self._is_stopped():
                raise SendWithdrawn("stopped while it was asked whose key it is; nothing was sent")
        uid, offset = asked_uid.result(), asked_offset.result()
        return Probed(
            uid=uid if isinstance(uid, str) else None,
            clock_offset_s=offset if isinstance(offset, float) else None,
            findings=tuple(each for each in (uid, offset) if isinstance(each, Finding)),
        )

    def close(self) -> None:
        """Wait for nobody and ask no more; what is still on its way is of no use."""
        self._is_closed.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _fetch_uid(self) -> str | Finding:
        ends_s = time.monotonic() + self._limit_s
        while True:
            started_s = time.monotonic()
            try:
                return self._desk.client.fetch_uid(self._is_stopped)
            except ReadFailed as failure:
                found = self._judge(failure, started_s)
            except GuardRefused as error:
                found = _find(FindingKind.ACCOUNT_UNREADABLE, f"its uid cannot be asked for: {error}")
            if found is not None:
                return found
            if time.monotonic() >= ends_s:
                return _find(
                    FindingKind.ACCOUNT_UNREADABLE,
                    "its uid could not be read, so that it is not known which account a close would go to. Look whether "
                    "the exchange answers, then try again.",
                )

    def _judge(self, failure: ReadFailed, started_s: float) -> Finding | None:
        """What a failed read of the uid means; None when another try makes sense."""
        if not isinstance(failure, ReadRefused) or failure.refusal is Refusal.THROTTLED:
            return None
        if failure.refusal is Refusal.TIMESTAMP:
            try:
                self._clock.follow_refusal(started_s, str(failure))
            except GuardRefused as error:
                return _find(FindingKind.CLOCK_OFF, str(error))
            return None
        return find_refused_key(failure, self._desk.account.credentials_prefix)

    def _align_clock(self) -> float | Finding:
        try:
            return self._clock.align(self._limit_s, self._is_stopped)
        except GuardRefused as error:
            return _find(FindingKind.CLOCK_OFF, str(error))


def find_refused_key(refusal: ReadRefused, credentials_prefix: str) -> Finding:
    """What is wrong with a key that the exchange refuses, and what to do.

    Args:
        refusal: A refusal of the kind FATAL.
        credentials_prefix: What the names of the variables with the key begin with.
    """
    variables = f"{credentials_prefix}_API_KEY and its neighbours"
    match refusal.error_code:
        case code if code == _UNKNOWN_KEY_CODE:
            # Source: https://www.deepcoin.com/docs/authentication (deletion of idle keys without a bound address).
            text = (
                f"the exchange does not know its key (code {code}). It deletes a trading key without a bound address "
                "after 30 idle days. Make a new key there, bind this machine's address to it, and put it into "
                f"{variables}."
            )
            return _find(FindingKind.KEY_UNKNOWN, text)
        case code if code == _ADDRESS_CODE:
            text = (
                f"the exchange refuses its key from this machine's address (code {code}): the machine has a new one, "
                "or the key is bound to others. Bind the address to the key on the exchange's page."
            )
            return _find(FindingKind.ADDRESS_REFUSED, text)
    return _find(FindingKind.KEY_REFUSED, f"the exchange refuses its key: {refusal}. Look at {variables}.")


def _find(kind: FindingKind, text: str) -> Finding:
    return Finding(kind, True, text)
