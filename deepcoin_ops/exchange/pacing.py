"""The pace: when the next request may leave, across threads, processes, runs and restarts.

Here live the send lease and its lock. Nothing is sent from here, and no other room decides when something may be.

A lease is stamped at the send and never ahead of it: a process that reserves a slot and is late for it shortens the
next gap. So a waiting process holds nothing, and whoever finds the lane due writes the stamp and sends. The order is

    wait until last send + spacing + margin → lock → still due? → stopped? → prepare → stamp → unlock → the caller sends

and a process killed at any of these points costs the others at most one slot.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from filelock import Timeout

from deepcoin_ops.domain.errors import GuardRefused, SendWithdrawn
from deepcoin_ops.exchange.pace_clock import SYSTEM_CLOCK, PaceClock
from deepcoin_ops.exchange.pace_state import PaceState, build_trusted_state
from deepcoin_ops.state_files import build_lock, describe_process, find_lock_holder, make_private_folder

logger = logging.getLogger(__name__)

# A stop is noticed within this time, and a late wake-up costs no more than its own lateness.
STOP_POLL_S: Final = 0.050
# The lock is held for a commit and a small write, about 2 ms; polling it slowly would waste slots.
LOCK_POLL_S: Final = 0.005
# Nobody keeps the lock this long but a process that records its intent on a slow disk, or one that is frozen.
LOOK_LIMIT_S: Final = 1.0
# A send, or the note of an answer, waits no longer for the lock, and says so after a second. While this process itself
# prepares a slot, nothing is counted: the ledger's own limit bounds that.
LOCK_REPORT_S: Final = 1.0
LOCK_LIMIT_S: Final = 10.0
# One page: a shorter lease leaves nothing of a longer one behind it.
LEASE_BYTES: Final = 4096


class Pace(Protocol):
    """When a lane may send. A lane is one endpoint of an account, or the market data of a host."""

    def take_slot(self, lane: str, *, prepare: Callable[[], None] = ..., is_stopped: Callable[[], bool] = ...) -> None:
        """Wait for the lane's next slot and use it up; the caller sends at once.

        Args:
            lane: The lane that sends.
            prepare: Called once, when the slot is there and just before it is used up: the intent is recorded here.
                If it raises, no slot is used and the exception goes on to the caller.
            is_stopped: Asked while waiting, and last before `prepare`.

        Raises:
            SendWithdrawn: `is_stopped` became true. Nothing was prepared, no slot was used.
            GuardRefused: The pace cannot be kept here; nothing may be sent. Possibly noticed only after `prepare`.
        """

    def push(self, lane: str, retry_after_s: float | None) -> None:
        """Delay everybody after a throttle.

        Args:
            lane: The lane that was refused.
            retry_after_s: How long the exchange asked to wait, in seconds, if it did.
        """

    def record_clean(self, lane: str) -> None:
        """Count an answer of this lane that was no throttle; enough of them narrow a widened margin again."""

    def is_shared(self) -> bool:
        """Whether all lanes share one budget at present, so that each request holds up all the others.

        Raises:
            GuardRefused: The pace cannot be read.
        """


def no_op() -> None:
    """Nothing to prepare."""


def never() -> bool:
    """Nobody can stop this send."""
    return False


class FilePace:
    """The pace of one host: a lease file and a lock beside it, in a folder on a local disk.

    One folder is one account, or one market data host. Once a throttle was seen, all lanes of an account share one
    budget, because the exchange does not say whether its endpoints do; every process with the same folder follows.
    Deleting the folder while nothing runs brings the separate lanes and the configured margin back.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/batchClosePosition (one request per second).
    """

    def __init__(
        self,
        folder: Path,
        spacings_s: Mapping[str, float],
        *,
        margin_s: float = 0.06,
        merges_lanes: bool = True,
        clock: PaceClock = SYSTEM_CLOCK,
    ) -> None:
        """Open or create the lease.

        Args:
            folder: Where the lease is kept; created if missing.
            spacings_s: The least time between two sends, in seconds, for each lane there is.
            margin_s: What is added to every spacing, in seconds, against jitter between the stamp and the exchange.
            merges_lanes: Whether a throttle makes the lanes share one budget.
            clock: The time to live by.

        Raises:
            GuardRefused: The folder cannot be created.
        """
        self._folder = folder
        self._spacings_s = dict(spacings_s)
        self._margin_s = margin_s
        self._merges_lanes = merges_lanes
        self._clock = clock
        self._is_preparing = False
        with self._explained():
            make_private_folder(folder)

    def take_slot(self, lane: str, *, prepare: Callable[[], None] = no_op, is_stopped: Callable[[], bool] = never) -> None:
        """Wait for the lane's next slot and use it up; see `Pace.take_slot`.

        Raises:
            SendWithdrawn: `is_stopped` became true first.
            GuardRefused: The lease cannot be read or written, or its lock stayed with another process.
            KeyError: There is no such lane.
        """
        self._check_lane(lane)
        while (wait_s := self._try_slot(lane, prepare, is_stopped)) > 0:
            wake_s = self._clock.now_s() + wait_s
            while not is_stopped() and (left_s := wake_s - self._clock.now_s()) > 0:
                self._clock.sleep(min(left_s, STOP_POLL_S))

    def push(self, lane: str, retry_after_s: float | None) -> None:
        """Delay every process by Retry-After or two spacings, whichever is longer; see `Pace.push`.

        Never raises for the disk: the answer that brought the throttle has yet to be recorded, and the next slot is
        refused for the same trouble.
        """

        def pushed(state: PaceState) -> PaceState:
            shared = state.changed(is_merged=state.is_merged or self._merges_lanes)
            delay_s = max(2 * shared.spacing_s(lane, self._spacings_s), retry_after_s or 0.0)
            return shared.pushed(lane, self._clock.now_s(), delay_s)

        self._change(lane, pushed)

    def record_clean(self, lane: str) -> None:
        """Count a clean answer while the margin is wider than configured; see `Pace.record_clean`."""
        self._change(lane, lambda state: state.answered_cleanly(self._margin_s))

    def is_shared(self) -> bool:
        """Whether the lanes share one budget because a throttle was seen; see `Pace.is_shared`. Changes nothing.

        Not to be asked while a slot is prepared, when the lease is locked. A lease that stays locked is taken for shared:
        then nobody sends, and the slower answer harms nobody.

        Raises:
            GuardRefused: The lease cannot be read.
        """
        give_up_s = self._clock.now_s() + LOOK_LIMIT_S
        with self._locked(lambda: self._clock.now_s() > give_up_s) as is_locked:
            return self._read().is_merged if is_locked else True

    def _try_slot(self, lane: str, prepare: Callable[[], None], is_stopped: Callable[[], bool]) -> float:
        """Use the slot if it is there; else the seconds until it may be."""
        wait = _LockWait(self._lock_path, self._clock)
        with self._locked(lambda: is_stopped() or wait.is_over(is_counted=not self._is_preparing)) as is_locked:
            if not is_locked:
                if wait.has_ended:
                    raise wait.build_refusal()
                raise SendWithdrawn(f"Stopped while waiting for a slot of lane {lane!r}; nothing was sent.")
            state = self._read()
            wait_s = state.due_s(lane, self._spacings_s) - self._clock.now_s()
            if wait_s > 0:
                # A lease that had to be mended is kept mended, or it would be found torn again after the wait.
                self._write(state)
                return wait_s
            if is_stopped():
                raise SendWithdrawn(f"Stopped when the slot of lane {lane!r} came; nothing was sent.")
            self._is_preparing = True
            try:
                prepare()
            finally:
                self._is_preparing = False
            self._write(state.sent(lane, self._clock.now_s()))
            return 0.0

    def _change(self, lane: str, change: Callable[[PaceState], PaceState]) -> None:
        """Replace the lease after an answer; trouble is logged, because the answer matters more."""
        self._check_lane(lane)
        wait = _LockWait(self._lock_path, self._clock)
        try:
            with self._locked(lambda: wait.is_over(is_counted=not self._is_preparing)) as is_locked:
                if not is_locked:
                    # Only a frozen or foreign process holds the lock so long, and nothing is sent meanwhile.
                    logger.warning("The pace in %s stayed locked; an answer on %r went unnoted.", self._folder, lane)
                    return
                state = self._read()
                changed = change(state)
                if changed != state:
                    self._write(changed)
        except GuardRefused:
            logger.exception("The answer on lane %r could not be noted in the pace; it is recorded all the same.", lane)

    @contextmanager
    def _locked(self, is_abandoned: Callable[[], bool]) -> Iterator[bool]:
        """Hold the lease's lock; yields False, without it, once the wait is abandoned.

        A lock of its own for each use, so that threads of one process exclude each other too.
        """
        lock = build_lock(self._lock_path)
        while not is_abandoned():
            try:
                with self._explained():
                    lock.acquire(blocking=False)
            except Timeout:
                self._clock.sleep(LOCK_POLL_S)
                continue
            try:
                yield True
            finally:
                lock.release()
            return
        yield False

    def _read(self) -> PaceState:
        with self._explained():
            try:
                stored = self._lease_path.read_bytes()
            except FileNotFoundError:
                stored = None
        return build_trusted_state(
            stored,
            boot_id=self._clock.boot_id(),
            now_s=self._clock.now_s(),
            lanes=self._spacings_s,
            least_margin_s=self._margin_s,
        )

    def _write(self, state: PaceState) -> None:
        """Overwrite the lease in place, in one write within one page, which a kill cannot tear.

        Not renamed and not synced: beside other programs' commits, the ledger's too, a rename was seen to take up to
        130 ms between stamp and send, this write 0.4 ms. A lease torn by a power failure is of another boot anyway.
        """
        text = state.changed(written_at=self._clock.wall_now().isoformat()).model_dump_json()
        with self._explained():
            lease = os.open(self._lease_path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.write(lease, text.encode().ljust(LEASE_BYTES))
            finally:
                os.close(lease)

    @property
    def _lease_path(self) -> Path:
        return self._folder / "pace.json"

    @property
    def _lock_path(self) -> Path:
        return self._folder / "pace.lock"

    def _check_lane(self, lane: str) -> None:
        if lane not in self._spacings_s:
            raise KeyError(
                f"no lane {lane!r}; a misspelt one would get a budget of its own. Lanes: {sorted(self._spacings_s)}"
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say what trouble with the disk means for a send. A lock held elsewhere is no trouble and passes."""
        try:
            yield
        except Timeout:
            raise
        except OSError as problem:
            raise GuardRefused(
                f"The pace in {self._folder} cannot be kept: {problem}. Nothing more is sent, positions may be open. "
                "Make the folder writable for this user and flatten again."
            ) from problem


class _LockWait:
    """One wait for the lock, which takes milliseconds unless its holder is frozen or means harm."""

    def __init__(self, path: Path, clock: PaceClock):
        self._path = path
        self._clock = clock
        self._counted_s = 0.0
        self._last_s = clock.now_s()
        self._is_reported = False

    def is_over(self, *, is_counted: bool) -> bool:
        """Count the time since the last call, and say once for what it waits; whether it has been long enough."""
        now_s = self._clock.now_s()
        # A machine that slept meanwhile has not waited.
        self._counted_s += min(now_s - self._last_s, LOCK_REPORT_S) if is_counted else 0.0
        self._last_s = now_s
        if self._counted_s >= LOCK_REPORT_S and not self._is_reported:
            self._is_reported = True
            logger.warning(
                "The pace's lock %s is waited for, which %s holds; for %.0f s at most. Nothing is sent meanwhile.",
                self._path,
                self._describe_holder(),
                LOCK_LIMIT_S,
            )
        return self.has_ended

    @property
    def has_ended(self) -> bool:
        """Whether it has been long enough."""
        return self._counted_s >= LOCK_LIMIT_S

    def build_refusal(self) -> GuardRefused:
        """The refusal of a send whose wait is over."""
        return GuardRefused(
            f"The pace's lock {self._path} stayed locked for {LOCK_LIMIT_S:.0f} s; {self._describe_holder()} holds it. "
            "Nothing more is sent, positions may be open. End that process if it is frozen or none of this desk's, then "
            "flatten again."
        )

    def _describe_holder(self) -> str:
        holder = find_lock_holder(self._path)
        return "a process that cannot be seen from here" if holder is None else describe_process(holder)
