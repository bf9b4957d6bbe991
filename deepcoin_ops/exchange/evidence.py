"""Reading a whole window of the positions history or of the fills, page by page. Sends reads only.

Which end of a window a full page shows, and whether its bounds belong to it, is not documented. So a full page is never
continued: its window is asked again in two halves that overlap a little, until every page is a short one. What does not
fit together is unreadable, never complete.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from deepcoin_ops.domain.errors import GuardRefused, ReadFailed, ReadRefused, SendWithdrawn
from deepcoin_ops.domain.evidence import (
    EVIDENCE_SLACK,
    ClosedPosition,
    EvidencePage,
    EvidenceQuestion,
    EvidenceRead,
    EvidenceSource,
    EvidenceStatus,
    Fill,
)
from deepcoin_ops.domain.model import InstrumentType, Refusal
from deepcoin_ops.exchange.client import DeepcoinClient
from deepcoin_ops.exchange.pacing import never
from deepcoin_ops.exchange.wire_evidence import parse_closed_positions, parse_fills

PAGE_ROWS = 100
_TRIES = 3
# Times are padded from whole seconds, so that a narrower window cannot be told from its neighbour.
_NARROWEST_MS = 2000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

_Row = ClosedPosition | Fill
_Rows = tuple[_Row, ...]
_Window = tuple[int, int]
_Parse = Callable[[Any, InstrumentType], tuple[_Rows, tuple[str, ...]]]


@dataclass(frozen=True)
class _List:
    """One of the exchange's lists: where it is, its lane, and the names of its window's bounds."""

    path: str
    lane: str
    starts: str
    ends: str
    parse: _Parse


# Source: https://www.deepcoin.com/docs/DeepCoinAccount/accountPositionsHistory and .../DeepCoinTrade/tradeFills.
_LISTS: Mapping[EvidenceSource, _List] = {
    EvidenceSource.POSITIONS_HISTORY: _List(
        "/deepcoin/account/positions-history", "positions-history", "startTime", "endTime", parse_closed_positions
    ),
    EvidenceSource.FILLS: _List("/deepcoin/trade/fills", "fills", "begin", "end", parse_fills),
}
EVIDENCE_LANES = tuple(each.lane for each in _LISTS.values())


def fetch_evidence(
    client: DeepcoinClient,
    question: EvidenceQuestion,
    follow_refused_timestamp: Callable[[float, str], None],
    is_stopped: Callable[[], bool] = never,
) -> tuple[EvidenceRead, tuple[EvidencePage, ...]]:
    """Read one list over one window, whatever becomes of it. Sends one GET for each page, each in its own slot.

    Args:
        client: The account's client.
        question: What to ask.
        follow_refused_timestamp: Corrects the clock after a refused timestamp, or raises GuardRefused; told when the
            refused request was begun, on the monotonic clock, and what was said.
        is_stopped: Whether a flatten of the account is at work, which goes first; asked before each page.

    Returns:
        The read, COMPLETE or FAILED, and every page that was answered.
    """
    walk = _Walk(client, question, follow_refused_timestamp, is_stopped)
    started_at = datetime.now(UTC)
    rows: _Rows = ()
    try:
        rows = walk.fetch((_to_ms(question.starts_at), _to_ms(question.ends_at)))
        status, reason = EvidenceStatus.COMPLETE, f"{len(rows)} row(s) in {len(walk.pages)} page(s)"
    except SendWithdrawn:
        status, reason = EvidenceStatus.FAILED, "it gave way to a flatten of the account; collect again once that has ended"
    except (ReadFailed, GuardRefused) as error:
        status, reason = EvidenceStatus.FAILED, str(error)
    read = EvidenceRead(
        **asdict(question),
        status=status,
        reason=reason,
        started_at=started_at,
        finished_at=datetime.now(UTC),
        closed_positions=tuple(row for row in rows if isinstance(row, ClosedPosition)),
        fills=tuple(row for row in rows if isinstance(row, Fill)),
        notes=tuple(sorted(walk.notes)),
    )
    return read, tuple(walk.pages)


class _Walk:
    """One walk over a window, with everything that was answered on the way."""

    def __init__(
        self,
        client: DeepcoinClient,
        question: EvidenceQuestion,
        follow_refused_timestamp: Callable[[float, str], None],
        is_stopped: Callable[[], bool],
    ):
        self.pages: list[EvidencePage] = []
        self.notes: set[str] = set()
        self._client = client
        self._question = question
        self._list = _LISTS[question.source]
        self._follow_refused_timestamp = follow_refused_timestamp
        self._is_stopped = is_stopped

    def fetch(self, window: _Window) -> _Rows:
        """Every row of a window.

        Raises:
            ReadFailed: A page is missing or unreadable, or the pages do not fit together.
            SendWithdrawn: Stopping was asked for.
            GuardRefused: No request can be signed or paced.
        """
        return self._complete(self._fetch_page(window), window)

    def _complete(self, page: _Rows, window: _Window) -> _Rows:
        if len(page) < PAGE_ROWS:
            return page
        earlier, later = _halve(window)
        first, second = self._fetch_page(earlier), self._fetch_page(later)
        if first == second:
            raise ReadFailed(f"{self._list.path} answers both halves of a window with the same page: it ignores the window")
        rows = self._complete(first, earlier)
        known = set(rows)
        rows += tuple(row for row in self._complete(second, later) if row not in known)
        if not set(page) <= set(rows):
            raise ReadFailed(f"{self._list.path}: rows of a full page are in neither half of its window")
        return rows

    def _fetch_page(self, window: _Window) -> _Rows:
        """One page, asked for again after a throttle, a refused timestamp or no readable answer: reading is harmless."""
        for tries_left in reversed(range(_TRIES)):
            started_s = time.monotonic()
            try:
                return self._try_page(window)
            except ReadRefused as refused:
                if refused.refusal is Refusal.TIMESTAMP:
                    self._follow_refused_timestamp(started_s, str(refused))
                elif refused.refusal is not Refusal.THROTTLED or not tries_left:
                    raise
            except ReadFailed:
                if not tries_left:
                    raise
        raise ReadFailed(f"{self._list.path}: the timestamp was refused {_TRIES} times")

    def _try_page(self, window: _Window) -> _Rows:
        query = {
            "instType": self._question.instrument_type.value,
            self._list.starts: str(window[0]),
            self._list.ends: str(window[1]),
            "limit": str(PAGE_ROWS),
        }
        asked = "&".join(f"{name}={value}" for name, value in query.items())

        def parse(data: Any) -> tuple[_Rows, tuple[str, ...]]:
            return self._list.parse(data, self._question.instrument_type)

        try:
            answered = self._client.fetch_page(self._list.lane, self._list.path, query, parse, self._is_stopped)
        except ReadFailed as failure:
            if failure.raw is not None:
                self.pages.append(EvidencePage(asked, failure.raw))
            raise
        rows, notes = answered.parsed
        self.pages.append(EvidencePage(asked, answered.raw))
        self.notes.update(notes)
        if any(_is_outside(row, window) for row in rows):
            raise ReadFailed(
                f"{self._list.path} shows rows from outside the window {asked}: it does not keep to it", answered.raw
            )
        return rows


def _halve(window: _Window) -> tuple[_Window, _Window]:
    """Two windows that overlap by a millisecond, in the middle of a second, where padded times never are."""
    starts, ends = window
    if ends - starts <= _NARROWEST_MS:
        raise ReadFailed(f"more than {PAGE_ROWS} rows between {starts} and {ends} ms: they cannot be paged by time")
    middle = (starts + ends) // 2 // 1000 * 1000 + 500
    return (starts, middle + 1), (middle, ends)


def _is_outside(row: _Row, window: _Window) -> bool:
    """Whether none of a row's times is near the window; which of the two times of a position counts is not documented."""
    starts, ends = (_EPOCH + bound * _MILLISECOND for bound in window)
    return not any(starts - EVIDENCE_SLACK <= instant <= ends + EVIDENCE_SLACK for instant in row.instants)


def _to_ms(instant: datetime) -> int:
    return (instant - _EPOCH) // _MILLISECOND
