"""Collecting the exchange's own account of a trading day into the ledger. Reads only, and gives way to a flatten.

What the evidence means is in `domain.evidence`; how a list is paged in `exchange.evidence`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from deepcoin_ops.domain.errors import GuardRefused
from deepcoin_ops.domain.evidence import (
    EVIDENCE_SLACK,
    EvidencePage,
    EvidenceQuestion,
    EvidenceRead,
    EvidenceSource,
    EvidenceStatus,
)
from deepcoin_ops.domain.model import InstrumentType, product_group_of
from deepcoin_ops.exchange.evidence import fetch_evidence
from deepcoin_ops.flattening.account_lock import AccountLock
from deepcoin_ops.flattening.clock_correction import ClockCorrection
from deepcoin_ops.flattening.desk import Desk
from deepcoin_ops.flattening.progress import Progress
from deepcoin_ops.ledger.journal import utc_now
from deepcoin_ops.settings import AccountSettings, Settings


def collect_evidence(
    desk: Desk,
    trading_day: str,
    report: Callable[[Progress], None],
    clock: Callable[[], datetime] = utc_now,
) -> tuple[EvidenceRead, ...]:
    """Ask for what was closed and executed on a trading day, and record each answer. Sends GETs only. Writes evidence.

    Args:
        desk: The account.
        trading_day: Which day, `YYYY-MM-DD`; its window is asked for with 60 s on either side, a running day up to now, and
            further where a flatten of the day ended after it.
        report: Told of each answer and of a corrected clock.
        clock: The wall clock.

    Returns:
        One read for each list, as recorded: complete, failed, or unavailable because it lies too far back.

    Raises:
        GuardRefused: That is no trading day, or it has not begun.
        LedgerError: An answer could not be recorded.
    """
    own = desk.ledger.read_flattens(trading_day, account=desk.account.name)
    ended_at = max((each.closed_at for each in own if each.closed_at), default=None)
    questions = plan_questions(desk.settings, desk.account, trading_day, clock(), ended_at)
    lock = AccountLock(desk.settings.locks_folder, desk.account.name)
    correction = ClockCorrection(desk.client, desk.settings.exchange.max_clock_offset_s, lock.is_held, report)
    reads = []
    for question in questions:
        pages: tuple[EvidencePage, ...] = ()
        if _is_forgotten(desk.settings, question, clock()):
            read = _build_unavailable(desk.settings, question, clock())
        else:
            read, pages = fetch_evidence(desk.client, question, correction.follow_refusal, lock.is_held)
        desk.ledger.record_evidence(desk.account.name, trading_day, read, pages)
        report(Progress(f"{read.source} {read.instrument_type} of {trading_day}: {read.status}, {read.reason}"))
        reads.append(read)
    return tuple(reads)


def plan_questions(
    settings: Settings,
    account: AccountSettings,
    trading_day: str,
    now: datetime,
    flattened_at: datetime | None = None,
) -> tuple[EvidenceQuestion, ...]:
    """What to ask about a day: positions history and fills of contracts, and fills of spot where spot is configured.

    Args:
        settings: Decide the day's window.
        account: Decides whether spot is asked about.
        trading_day: The day.
        now: The time, aware; nothing later is asked about.
        flattened_at: When the day's last flatten ended, if any did.

    Raises:
        GuardRefused: That is no trading day, or it has not begun.
    """
    try:
        date.fromisoformat(trading_day)
    except ValueError as error:
        raise GuardRefused(f"{trading_day!r} is no trading day such as 2026-01-31. Nothing was asked.") from error
    starts_at, ends_at = (edge.astimezone(UTC) for edge in settings.calendar.window(trading_day))
    if starts_at > now:
        raise GuardRefused(f"trading day {trading_day} begins at {starts_at.isoformat()}. Nothing was asked.")
    ends_at = max(ends_at, flattened_at or ends_at)
    window = starts_at - EVIDENCE_SLACK, min(ends_at, now) + EVIDENCE_SLACK
    asked = [(EvidenceSource.POSITIONS_HISTORY, InstrumentType.SWAP), (EvidenceSource.FILLS, InstrumentType.SWAP)]
    if any(product_group_of(name).instrument_type is InstrumentType.SPOT for name in account.instruments):
        asked.append((EvidenceSource.FILLS, InstrumentType.SPOT))
    return tuple(EvidenceQuestion(source, instrument_type, *window) for source, instrument_type in asked)


def _is_forgotten(settings: Settings, question: EvidenceQuestion, now: datetime) -> bool:
    return now - question.starts_at > timedelta(days=settings.exchange.history_days) + EVIDENCE_SLACK


def _build_unavailable(settings: Settings, question: EvidenceQuestion, now: datetime) -> EvidenceRead:
    return EvidenceRead(
        source=question.source,
        instrument_type=question.instrument_type,
        starts_at=question.starts_at,
        ends_at=question.ends_at,
        status=EvidenceStatus.UNAVAILABLE,
        reason=(
            f"the window begins {(now - question.starts_at).days} days ago and the exchange is trusted to keep "
            f"{settings.exchange.history_days} (exchange.history_days); it was not asked"
        ),
        started_at=now,
        finished_at=now,
    )
