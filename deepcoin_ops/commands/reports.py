"""What the read-only commands tell, gathered from exchange or ledger before any of it is printed. No layout here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from deepcoin_ops.domain.errors import ReadFailed
from deepcoin_ops.domain.model import CloseAttempt, InstrumentVerdict, Position, Venue
from deepcoin_ops.domain.planning import ClosePlan
from deepcoin_ops.flattening.desk import Desk
from deepcoin_ops.flattening.guards import choose_instruments, find_held_back
from deepcoin_ops.flattening.observation import fetch_plan, instrument_types_of
from deepcoin_ops.ledger.history import History
from deepcoin_ops.ledger.records import AlteredEntry, FlattenRecord, SkippedTick
from deepcoin_ops.settings import Settings


@dataclass(frozen=True)
class PlanReport:
    """What a flatten would close now.

    Attributes:
        plan: The closes, in order.
        unconfigured: Positions in instruments that are not configured, and so are never closed.
        held_back: Instruments that no close would be sent for, each with its reason.
        time_to_last_close_s: Seconds, if nothing goes wrong.
        time_to_proven_flat_s: Likewise.
    """

    venue: Venue
    account: str
    instruments: tuple[str, ...]
    plan: ClosePlan
    unconfigured: tuple[Position, ...]
    held_back: Mapping[str, str]
    time_to_last_close_s: float
    time_to_proven_flat_s: float


@dataclass(frozen=True)
class DayReport:
    """What the ledger has about one trading day, up to the entry `head_seq`; that is None for a day without entries.

    `altered` names, per account, the first entry that breaks its hash chain.
    """

    venue: Venue
    trading_day: str
    starts_at: datetime
    ends_at: datetime
    ledger_path: Path
    head_seq: int | None = None
    head_hashes: Mapping[str, str] = field(default_factory=dict)
    flattens: tuple[FlattenRecord, ...] = ()
    attempts: tuple[CloseAttempt, ...] = ()
    verdicts: Mapping[str, tuple[InstrumentVerdict, ...]] = field(default_factory=dict)
    skipped_ticks: tuple[SkippedTick, ...] = ()
    altered: tuple[AlteredEntry, ...] = ()


@dataclass(frozen=True)
class AccountStatus:
    """One account: its last flatten, and closes whose outcome nobody recorded."""

    name: str
    instruments: tuple[str, ...]
    last_flatten: FlattenRecord | None
    open_intents: tuple[CloseAttempt, ...]

    @property
    def is_flatten_unclosed(self) -> bool:
        """Whether the last flatten still runs, or was killed before it could close."""
        return self.last_flatten is not None and self.last_flatten.closing is None


@dataclass(frozen=True)
class StatusReport:
    """Where this machine stands."""

    venue: Venue
    base_url: str
    settings_path: Path
    state_folder: Path
    ledger_path: Path
    is_ledger_there: bool
    accounts: tuple[AccountStatus, ...]


def fetch_plan_report(desk: Desk, instruments: Sequence[str]) -> PlanReport:
    """Read the account and plan its closes. Sends no close, records nothing, takes no lock.

    Raises:
        GuardRefused: An instrument that is not configured was asked for.
        ReadFailed: No complete positions read.
    """
    chosen = choose_instruments(desk.account, instruments)
    try:
        plan, market = fetch_plan(desk, chosen)
    except ReadFailed as failure:
        raise ReadFailed(
            f"account {desk.account.name} at {desk.settings.base_url}: no complete positions read, so there is no plan: "
            f"{failure}. Nothing was sent and all positions are as they were. Check that the exchange answers there "
            "(`deepcoin-ops paper` starts the paper one), then ask again.",
            failure.raw,
        ) from failure
    closing_s, proving_s = estimate_durations(desk.settings, len(plan.lines), len(instrument_types_of(chosen)))
    return PlanReport(
        venue=desk.settings.venue,
        account=desk.account.name,
        instruments=chosen,
        plan=plan,
        unconfigured=plan.unconfigured,
        held_back=find_held_back(chosen, {line.instrument_id for line in plan.lines}, market),
        time_to_last_close_s=closing_s,
        time_to_proven_flat_s=closing_s + proving_s,
    )


def estimate_durations(settings: Settings, open_instruments: int, pages: int) -> tuple[float, float]:
    """How long a flatten without incidents takes: one slot per close, then the settle time and two complete reads.

    Args:
        settings: The pace and the waits.
        open_instruments: How many closes there are.
        pages: Requests that one complete positions read consists of.

    Returns:
        Seconds until the last close, and from there to the proof.
    """
    margin_s = settings.pace.margin_ms / 1000
    read_s = pages * (settings.pace.positions_spacing_s + margin_s)
    settle_s = settings.flatten.settle_s if open_instruments else 0.0
    closing_s = open_instruments * (settings.pace.close_spacing_s + margin_s)
    return closing_s, settle_s + read_s + max(read_s, settings.flatten.read_gap_s)


def read_day_report(settings: Settings, trading_day: str, account: str | None) -> DayReport:
    """Read a trading day from the ledger, all of it as of one entry. Writes nothing.

    Args:
        settings: Where the ledger is.
        trading_day: Its key.
        account: Only this account's entries; None for all.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    starts_at, ends_at = settings.calendar.window(trading_day)
    empty = DayReport(settings.venue, trading_day, starts_at, ends_at, settings.ledger_path)
    ledger = History.open_existing(settings.ledger_path, settings.venue)
    if ledger is None:
        return empty
    with ledger:
        head = ledger.read_head(trading_day)
        hashes = {name: text for name, text in (head.hashes if head else {}).items() if account in (None, name)}
        return _read_day(ledger, empty, head.seq, hashes) if head and hashes else empty


def _read_day(ledger: History, empty: DayReport, head_seq: int, hashes: Mapping[str, str]) -> DayReport:
    day = empty.trading_day
    flattens = tuple(row for row in ledger.read_flattens(day, head_seq) if row.request.account in hashes)
    flatten_ids = [row.request.flatten_id for row in flattens]
    checked = [ledger.read_altered_entry(name) for name in hashes]
    return replace(
        empty,
        head_seq=head_seq,
        head_hashes=hashes,
        flattens=flattens,
        attempts=tuple(row for row in ledger.read_attempts(day, head_seq) if row.account in hashes),
        verdicts={flatten_id: tuple(ledger.read_verdicts(flatten_id, head_seq)) for flatten_id in flatten_ids},
        skipped_ticks=tuple(row for row in ledger.read_skipped_ticks(day, head_seq) if row.account in hashes),
        altered=tuple(entry for entry in checked if entry is not None),
    )


def read_status_report(settings: Settings) -> StatusReport:
    """Read where every account stands. Writes nothing, asks the exchange nothing.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    ledger = History.open_existing(settings.ledger_path, settings.venue)
    try:
        accounts = tuple(
            AccountStatus(
                name=name,
                instruments=account.instruments,
                last_flatten=ledger.read_last_flatten(name) if ledger else None,
                open_intents=tuple(ledger.read_open_intents(name)) if ledger else (),
            )
            for name, account in settings.accounts.items()
        )
    finally:
        if ledger is not None:
            ledger.close()
    return StatusReport(
        venue=settings.venue,
        base_url=settings.base_url,
        settings_path=settings.source_path,
        state_folder=settings.state_folder,
        ledger_path=settings.ledger_path,
        is_ledger_there=ledger is not None,
        accounts=accounts,
    )
