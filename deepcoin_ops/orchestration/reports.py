"""The reports on disk: one HTML page per trading day, beside the tables and under the same rule; see `day_files`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from upath import UPath

from deepcoin_ops.domain.table_head import TableHead
from deepcoin_ops.orchestration.day_files import DayFiles
from deepcoin_ops.reporting.facts import PageFacts

FLATTEN_REPORT = "flatten_report"
_SUFFIX = ".html"


@dataclass(frozen=True)
class StoredReport:
    """What `ReportStore.write` left in place. `is_kept` tells that a newer page was there already and stays."""

    path: str
    facts: PageFacts
    is_kept: bool

    @property
    def head(self) -> TableHead:
        """The ledger head that the page was built from."""
        return self.facts.head


class ReportStore:
    """Writes and reads the reports of one venue.

    Args:
        url: Where the tables are: a local folder or any URL that fsspec knows.
        locks_folder: Where the lock per day lives, on this host.
    """

    def __init__(self, url: str, locks_folder: Path):
        self._files = DayFiles(url, locks_folder)

    def path(self, trading_day: str) -> UPath:
        """Where the page of a day is."""
        return self._files.path(FLATTEN_REPORT, trading_day, _SUFFIX)

    def write(self, trading_day: str, page: str) -> StoredReport:
        """Write a day's page, unless one from a newer ledger head is there.

        Raises:
            ValueError: This is no page of a report.
            LedgerError: A page that was built from another ledger is there; it may be the last trace of that one.
            filelock.Timeout: Somebody else held this file for two minutes.
        """
        path, facts = self.path(trading_day), PageFacts.from_page(page)
        kept = self._files.write(path, page.encode(), facts.head, lambda: self.read(trading_day))
        return kept or StoredReport(str(path), facts, is_kept=False)

    def read(self, trading_day: str) -> StoredReport | None:
        """A day's page, or None when it was never built or is not whole; such a one is built anew."""
        path = self.path(trading_day)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return StoredReport(str(path), PageFacts.from_page(content.decode()), is_kept=True)
        except ValueError:
            return None
