"""The resource that can send: the desk of a run. What only reads the ledger and writes tables is in `day_resources`.

It has no config fields. Whatever is a field can be overridden in the launchpad by anybody who sees the page, and an
overridden base URL or variable name would send signed requests elsewhere.
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from queue import SimpleQueue
from threading import Event

import dagster as dg
from pydantic import PrivateAttr

from deepcoin_ops.domain.model import FlattenRequest
from deepcoin_ops.flattening.controller import Flatten
from deepcoin_ops.flattening.desk import Desk, open_desk
from deepcoin_ops.flattening.progress import Progress
from deepcoin_ops.flattening.supervision import run_beside
from deepcoin_ops.flattening.targets import CloseTargets
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.ledger.records import FlattenRecord
from deepcoin_ops.settings import Settings, load_settings


class FlattenDesk(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The signed client, the pace and the ledger of a run, and the flattens it has begun. Can send closes."""

    _settings: Settings = PrivateAttr()
    _open: ExitStack = PrivateAttr()
    _desks: dict[str, Desk] = PrivateAttr()
    _flattens: dict[str, RunningFlatten] = PrivateAttr()

    def setup_for_execution(self, _context: dg.InitResourceContext) -> None:
        """Load the settings; nothing is opened before it is asked for."""
        self._settings = load_settings()
        self._open = ExitStack()
        self._desks = {}
        self._flattens = {}

    def teardown_after_execution(self, _context: dg.InitResourceContext) -> None:
        """End what an error or an interrupt left open: verdicts and closing row are written, locks given back."""
        with self._open:
            for flatten in self._flattens.values():
                self._open.callback(flatten.finish)

    @property
    def settings(self) -> Settings:
        """The settings of this run."""
        return self._settings

    def open(self, account: str | None) -> Desk:
        """The desk of an account, opened once per run.

        Raises:
            DeepcoinOpsError: No such account, a missing credential, or a ledger that cannot be used.
        """
        name = self._settings.account(account).name
        if name not in self._desks:
            self._desks[name] = self._open.enter_context(open_desk(self._settings, name))
        return self._desks[name]

    def open_of(self, flatten_id: str) -> tuple[Desk, FlattenRecord]:
        """The desk and the record of a flatten that an earlier step opened.

        Raises:
            DeepcoinOpsError: As `open`; or the ledger does not know the flatten.
        """
        with Ledger.open(self._settings.ledger_path, self._settings.venue) as ledger:
            record = ledger.read_flatten(flatten_id)
        if record is None:
            raise dg.Failure(
                f"The ledger {self._settings.ledger_path} does not know flatten {flatten_id}, so nothing was sent. Launch "
                "flatten_positions anew.",
                allow_retries=False,
            )
        return self.open(record.request.account), record

    def begin(self, desk: Desk, request: FlattenRequest, launched_at: datetime) -> RunningFlatten:
        """Take charge of a flatten whose opening row is written; it gets its closing row with this run at the latest."""
        running = RunningFlatten(desk, request, launched_at)
        self._flattens[request.flatten_id] = running
        return running

    def running(self, flatten_id: str) -> RunningFlatten | None:
        """The flatten that this process has begun, if it is this one."""
        return self._flattens.get(flatten_id)


class RunningFlatten:
    """A flatten of this process with the means to stop it and to hear from it."""

    def __init__(self, desk: Desk, request: FlattenRequest, launched_at: datetime):
        self.stop = Event()
        self.messages: SimpleQueue[Progress] = SimpleQueue()
        self.flatten = Flatten(desk, request, self.stop, self.messages.put, launched_at)
        self._account = desk.account

    def describe_spared(self) -> dict[str, str]:
        """Which instruments have rows that the settings leave open, with which and why; empty before the first read."""
        return CloseTargets(self._account).describe_all_spared(self.flatten.plan) if self.flatten.plan else {}

    def finish(self) -> None:
        """Make sure that the closing row is written and the lock is free; sends nothing.

        It runs beside the main thread, so that a further interrupt cannot break it in the middle.
        """
        run_beside(self._end, self.stop, self.messages, _say_nothing)

    def _end(self) -> None:
        try:
            self.flatten.abandon("the run ended before its last step")
        finally:
            self.flatten.release()


def _say_nothing(_progress: Progress) -> None:
    """Nobody listens any more."""
