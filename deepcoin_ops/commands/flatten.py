"""A flatten launched from the command line: the same controller as Dagster's ops, with a person watching. No Dagster.

It runs beside the thread that is interrupted and comes back with everything there is to tell, whichever way it ended.
Nothing is printed here.
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event

from deepcoin_ops.domain.errors import DeepcoinOpsError, FlattenFailed, LedgerError
from deepcoin_ops.domain.model import CloseAttempt
from deepcoin_ops.domain.orders import CancelAttempt
from deepcoin_ops.domain.planning import ClosePlan
from deepcoin_ops.flattening.controller import Flatten
from deepcoin_ops.flattening.desk import Desk
from deepcoin_ops.flattening.opening import open_flatten
from deepcoin_ops.flattening.progress import FlattenOutcome, Progress
from deepcoin_ops.flattening.supervision import run_beside


@dataclass(frozen=True)
class FlattenEnding:
    """How a flatten launched by hand ended.

    Attributes:
        flatten: What was asked for; None when it ended before its opening row was written.
        outcome: Its closing row and verdicts; None when they could not be written.
        plan: What was open before the first send; None when no complete read was had.
        attempts: The closes that were sent, as the ledger tells it.
        cancels: Likewise, the cancels of waiting orders.
        error: Why it could not go on, if something of ours stopped it.
        is_interrupted: Whether a signal ended it.
    """

    flatten: Flatten | None
    outcome: FlattenOutcome | None
    plan: ClosePlan | None
    attempts: tuple[CloseAttempt, ...]
    cancels: tuple[CancelAttempt, ...]
    error: DeepcoinOpsError | None
    is_interrupted: bool

    @property
    def is_success(self) -> bool:
        """Whether the account is proven flat, or it was a dry run."""
        return self.error is None and self.outcome is not None and self.outcome.is_success

    def describe_interrupt(self) -> str:
        """Say what an interrupt left behind."""
        if self.flatten is None or (self.outcome is not None and not self.outcome.closing.sends):
            return "Interrupted before anything was sent; all positions are as they were."
        if self.outcome is None:
            return (
                "Interrupted, and no closing row could be written. `deepcoin-ops status` shows what has no recorded answer."
            )
        return "Interrupted: no new close was sent, and what was on its way has been awaited and recorded."


class HandFlatten:
    """One flatten, launched by a person.

    Args:
        desk: The account.
        instruments: What to close; none named means all configured ones.
        is_dry_run: Show what would be closed and send nothing.
    """

    def __init__(self, desk: Desk, instruments: Sequence[str], *, is_dry_run: bool):
        self._desk = desk
        self._instruments = instruments
        self._is_dry_run = is_dry_run
        self._stop = Event()
        self._messages: SimpleQueue[Progress] = SimpleQueue()
        self._flatten: Flatten | None = None
        self._attempts: tuple[CloseAttempt, ...] = ()
        self._cancels: tuple[CancelAttempt, ...] = ()

    def run(self, show: Callable[[Progress], None]) -> FlattenEnding:
        """Run it to its end. Sends.

        A KeyboardInterrupt stops new sends; answers in flight are awaited, and verdicts and closing row written.

        Args:
            show: Told what happens, in this thread.
        """
        error: DeepcoinOpsError | None = None
        is_interrupted = False
        try:
            run_beside(self._work, self._stop, self._messages, show)
        except KeyboardInterrupt:
            is_interrupted = True
        except DeepcoinOpsError as raised:
            error = raised
        flatten = self._flatten
        is_proven = flatten is not None and flatten.outcome is not None and flatten.outcome.is_success
        if isinstance(error, LedgerError) and flatten is not None and flatten.plan is not None and not is_proven:
            error = FlattenFailed(f"The account is not proven flat. {error}")
        return FlattenEnding(
            flatten=flatten,
            outcome=flatten.outcome if flatten else None,
            plan=flatten.plan if flatten else None,
            attempts=self._attempts,
            cancels=self._cancels,
            error=error,
            is_interrupted=is_interrupted,
        )

    def _work(self) -> None:
        # The opening row is written in here, so that no interrupt can leave one that nobody closes.
        request = open_flatten(
            self._desk,
            launched_by=f"command line, {describe_user()}",
            instruments=self._instruments,
            is_dry_run=self._is_dry_run,
        )
        self._flatten = flatten = Flatten(self._desk, request, self._stop, self._messages.put)
        try:
            flatten.take_lock()
            flatten.close_rounds()
            flatten.verify()
        finally:
            self._finish(flatten)
        self._attempts = tuple(self._desk.ledger.read_attempts_of(request.flatten_id))
        self._cancels = tuple(self._desk.ledger.read_cancels_of(request.flatten_id))

    def _finish(self, flatten: Flatten) -> None:
        try:
            flatten.abandon("ended by an error")
        finally:
            flatten.release()


def describe_user() -> str:
    """`user@host` of this process, for the ledger."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
