"""The resources that cannot send: the ledger as days to be read, and the tables on disk. They know no exchange.

Neither has config fields: whatever is a field can be overridden in the launchpad by anybody who sees the page.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from deepcoin_ops.domain.day import AccountDay, DueTick
from deepcoin_ops.domain.table_head import TableHead
from deepcoin_ops.domain.trading_day import list_days
from deepcoin_ops.ledger.checked import verify_onward
from deepcoin_ops.ledger.days import read_account_days
from deepcoin_ops.ledger.history import History
from deepcoin_ops.ledger.journal import utc_now
from deepcoin_ops.ledger.records import AlteredEntry, EvidenceRecord
from deepcoin_ops.orchestration.failures import guarded
from deepcoin_ops.orchestration.reports import ReportStore
from deepcoin_ops.orchestration.tables import TableStore
from deepcoin_ops.settings import Settings, load_settings


class LedgerDays(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The ledger as days to be read, each at one head for the whole run. Never opens a socket, never creates a ledger.

    A ledger that cannot be used is a failure with a message, raised by whatever reads first.
    """

    _settings: Settings = PrivateAttr()
    _open: ExitStack = PrivateAttr()
    _opened: dict[Path, History | None] = PrivateAttr()
    _heads: dict[str, TableHead] = PrivateAttr()
    _days: dict[tuple[str, int], list[AccountDay]] = PrivateAttr()
    _now: datetime = PrivateAttr()

    def setup_for_execution(self, _context: dg.InitResourceContext) -> None:
        """Load the settings; the ledger is opened when it is first read."""
        self._settings = load_settings()
        self._open = ExitStack()
        self._opened = {}
        self._heads = {}
        self._days = {}
        self._now = utc_now()

    def teardown_after_execution(self, _context: dg.InitResourceContext) -> None:
        """Close the ledger."""
        self._open.close()

    @property
    def settings(self) -> Settings:
        """The settings of this run."""
        return self._settings

    @property
    def _ledger(self) -> History | None:
        """The ledger, open for reading, or None when there is none.

        Raises:
            dagster.Failure: It is no ledger, of another version or of another venue.
        """
        path = self._settings.ledger_path
        if path not in self._opened:
            # Not at setup: what a resource raises there reaches the page as an error of Dagster's own.
            ledger = guarded(lambda: History.open_existing(path, self._settings.venue))
            self._opened[path] = ledger and self._open.enter_context(ledger)
        return self._opened[path]

    def read_head(self, trading_day: str) -> TableHead:
        """The day's head, the same for every table of this run; seq 0 when the ledger has nothing on that day."""
        if trading_day not in self._heads:
            due = self._settings.find_due(trading_day, self._now)
            self._heads[trading_day] = _read_head(self._ledger, trading_day, due)
        return self._heads[trading_day]

    def read_account_days(self, trading_day: str, kept: TableHead | None = None) -> list[AccountDay]:
        """The day up to its head, account by account, judged at one moment for the whole run.

        Args:
            trading_day: The day.
            kept: The head of a file that another run has built meanwhile and that stays; the day is read up to there.
        """
        up_to_seq = max(self.read_head(trading_day).seq, kept.seq if kept else 0)
        if (trading_day, up_to_seq) not in self._days:
            settings = self._settings
            configured = {name: account.instruments for name, account in settings.accounts.items()}
            due, ends_at = settings.find_due(trading_day, self._now), settings.calendar.window(trading_day)[1]
            days = read_account_days(self._ledger, trading_day, up_to_seq, configured, due, ends_at)
            altered = self.read_head(trading_day).altered
            self._days[trading_day, up_to_seq] = [replace(day, altered=altered.get(day.account, "")) for day in days]
        return self._days[trading_day, up_to_seq]

    def find_altered_entries(self, trading_day: str | None) -> list[AlteredEntry]:
        """Find the first entry of each account that is not what was recorded; empty when the ledger is intact.

        The chains are walked from where they were last found good, so that the check costs what is new.

        Args:
            trading_day: A day that is checked whole, though it was found good before.
        """
        ledger = self._ledger
        if ledger is None:
            return []
        head = ledger.read_head(trading_day) if trading_day is not None else None
        of_day = ledger.read_altered_entries_of_day(head.trading_day, head.seq) if head is not None else []
        found = {each.account: each for each in (*of_day, *verify_onward(ledger))}
        return [found[account] for account in sorted(found)]

    def list_owed_days(self, first_day: str | None) -> list[str]:
        """The ended trading days that have to have tables, oldest first.

        Those are the days that the ledger has entries of, and, from the first day that anything is known of, the days on
        which a flatten was due.

        Args:
            first_day: The first day with a table, if there is any.
        """
        recorded = set(self._ledger.read_days()) if self._ledger else set()
        calendar, since = self._settings.calendar, self._settings.schedule.first_trading_day.isoformat()
        running = calendar.day_of(self._now)
        known = [day for day in (*recorded, *([first_day] if first_day else [])) if day >= since]
        owed = {day for day in list_days(min(known), running) if self._is_past_due(day)} if known else set()
        return sorted(day for day in owed | recorded if since <= day < running)

    def _is_past_due(self, trading_day: str) -> bool:
        due = self._settings.find_due(trading_day, self._now)
        return due is not None and due.is_past

    def read_evidence(self, trading_day: str) -> list[EvidenceRecord]:
        """What the exchange was asked about the day and answered, up to its head."""
        head = self.read_head(trading_day)
        return self._ledger.read_evidence(trading_day, head.seq) if self._ledger else []


class DayTables(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The tables and the reports on disk or in an object store."""

    _store: TableStore = PrivateAttr()
    _reports: ReportStore = PrivateAttr()

    def setup_for_execution(self, _context: dg.InitResourceContext) -> None:
        """Find out where the tables are."""
        settings = load_settings()
        self._store = TableStore(settings.tables_url, settings.locks_folder)
        self._reports = ReportStore(settings.tables_url, settings.locks_folder)

    @property
    def store(self) -> TableStore:
        """The tables of this run's venue."""
        return self._store

    @property
    def reports(self) -> ReportStore:
        """The reports of this run's venue."""
        return self._reports


def _read_head(ledger: History | None, trading_day: str, due: DueTick | None) -> TableHead:
    judged = TableHead("", 0, {}, {}, due.deadline_at.isoformat() if due else "", due is not None and due.is_past)
    if ledger is None:
        return judged
    judged = replace(judged, ledger_id=ledger.read_ledger_id())
    head = ledger.read_head(trading_day)
    if head is None:
        return judged
    altered = ledger.read_altered_entries_of_day(trading_day, head.seq)
    # The newest entry of a day may be what cannot be read: the head is an older one then, and does not reach it.
    altered += [each for each in ledger.unreadable if each.trading_day == trading_day]
    told = {each.account: each.describe() for each in reversed(altered)}
    return replace(judged, seq=head.seq, hashes=dict(head.hashes), altered=told)
