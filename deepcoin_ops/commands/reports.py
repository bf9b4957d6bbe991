"""What the read-only commands tell, gathered from exchange or ledger before any of it is printed. No layout here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from deepcoin_ops.commands.alerts import ShownAlert, read_untold_alerts
from deepcoin_ops.domain.checks import Finding
from deepcoin_ops.domain.errors import LedgerError, ReadFailed, ReadRefused
from deepcoin_ops.domain.model import CloseAttempt, InstrumentVerdict, Position, Refusal, Venue
from deepcoin_ops.domain.orders import CancelAttempt
from deepcoin_ops.domain.planned_orders import PlannedOrders
from deepcoin_ops.domain.planning import ClosePlan, MarketData
from deepcoin_ops.flattening.arming import Arming, find_arming
from deepcoin_ops.flattening.desk import ReadingDesk
from deepcoin_ops.flattening.guards import choose_instruments
from deepcoin_ops.flattening.key_probe import find_refused_key
from deepcoin_ops.flattening.kill_switch import KillNote, KillSwitch, find_strays, read_all_notes
from deepcoin_ops.flattening.observation import fetch_plan
from deepcoin_ops.ledger.history import History
from deepcoin_ops.ledger.mark import read_setback
from deepcoin_ops.ledger.records import AlteredEntry, CheckRecord, FlattenRecord, SkippedTick
from deepcoin_ops.settings import Settings
from deepcoin_ops.settings_alerts import AlertAddresses
from deepcoin_ops.settings_variables import find_kill_folder


@dataclass(frozen=True)
class PlanReport:
    """What a flatten would close and cancel now.

    Attributes:
        plan: What is open, in the order of the closes.
        market: The market data it was planned with.
        closes: How many closes a first round would send.
        spared: Instruments with rows that the settings leave open, each with which and why.
        unconfigured: Positions in instruments that are not configured, and so are never closed.
        held_back: Instruments that no close would be sent for, each with its reason.
        orders: What would become of the resting orders.
        kill_reason: Why a flatten would be refused, if the kill switch is on; None when it is off.
        time_to_last_close_s: Seconds, if nothing goes wrong.
        time_to_proven_flat_s: Likewise.
        findings: What of this keeps a flatten from ending FLAT, and what it leaves open beside its own.
    """

    venue: Venue
    account: str
    instruments: tuple[str, ...]
    plan: ClosePlan
    market: MarketData
    closes: int
    spared: Mapping[str, str]
    unconfigured: tuple[Position, ...]
    held_back: Mapping[str, str]
    orders: PlannedOrders
    kill_reason: str | None
    time_to_last_close_s: float
    time_to_proven_flat_s: float
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class DayReport:
    """What the ledger has about one trading day, up to the entry `head_seq`; that is None for a day without entries.

    `altered` names, per account, the first entry that breaks its hash chain, and what cannot be read. `ledger_setback` says
    why the ledger is not used, if it is older than its mark: the day may have forgotten something then; None otherwise.
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
    cancels: tuple[CancelAttempt, ...] = ()
    verdicts: Mapping[str, tuple[InstrumentVerdict, ...]] = field(default_factory=dict)
    skipped_ticks: tuple[SkippedTick, ...] = ()
    altered: tuple[AlteredEntry, ...] = ()
    ledger_setback: str | None = None


@dataclass(frozen=True)
class AccountStatus:
    """One account: what stops its sends, its arming, its last check and flatten, and what has no recorded outcome.

    There is no arming, and nothing wrong with it, on the paper venue.
    """

    name: str
    instruments: tuple[str, ...]
    kill_notes: tuple[KillNote, ...]
    arming: Arming | None
    arming_findings: tuple[Finding, ...]
    last_check: CheckRecord | None
    last_flatten: FlattenRecord | None
    open_intents: tuple[CloseAttempt, ...]
    open_cancels: tuple[CancelAttempt, ...]

    @property
    def is_flatten_unclosed(self) -> bool:
        """Whether the last flatten still runs, or was killed before it could close."""
        return self.last_flatten is not None and self.last_flatten.closing is None


@dataclass(frozen=True)
class StatusReport:
    """Where this machine stands.

    Attributes:
        ledger_trouble: Why the ledger cannot be read; None when it can, or when there is none. Then nothing is known of
            any account's flattens and checks, and of what has no recorded outcome.
        ledger_setback: Why nothing is recorded in the ledger, if it is older than its mark; None when it is not.
        unreadable: Entries that cannot be read; all else is shown without them.
        stray_kill_files: What lies beside the kill switches and stops nothing.
        other_kill_notes: What stops sends on the venue that is not in use, of whatever account.
        untold_alerts: Alerts of the last two days that somebody should have heard of and has not.
        unwatched: Why no alert says that a flatten is missing; None from the first trading day on.
    """

    venue: Venue
    base_url: str
    settings_path: Path
    state_folder: Path
    state_origin: str
    ledger_path: Path
    is_ledger_there: bool
    ledger_trouble: str | None
    ledger_setback: str | None
    stray_kill_files: tuple[Path, ...]
    other_kill_notes: tuple[KillNote, ...]
    accounts: tuple[AccountStatus, ...]
    untold_alerts: tuple[ShownAlert, ...]
    unwatched: str | None = None
    unreadable: tuple[AlteredEntry, ...] = ()


def fetch_plan_report(desk: ReadingDesk, instruments: Sequence[str]) -> PlanReport:
    """Read the account and plan its closes and cancels. Sends neither, records nothing, takes no lock.

    Raises:
        GuardRefused: An instrument that is not configured was asked for; or the pace cannot be kept.
        ReadFailed: No complete positions read.
    """
    chosen = choose_instruments(desk.account, instruments)
    try:
        found = fetch_plan(desk, chosen)
    except ReadFailed as failure:
        raise ReadFailed(
            f"account {desk.account.name} at {desk.settings.base_url}: no complete positions read, so there is no plan: "
            f"{failure}. Nothing was sent and all positions are as they were. {_advise(desk, failure)}",
            failure.raw,
        ) from failure
    return PlanReport(
        venue=desk.settings.venue,
        account=desk.account.name,
        instruments=chosen,
        plan=found.plan,
        market=found.market,
        closes=found.closes,
        spared=found.spared,
        unconfigured=found.plan.unconfigured,
        held_back=found.held_back,
        orders=found.orders,
        kill_reason=found.kill_reason,
        time_to_last_close_s=found.time_to_last_close_s,
        time_to_proven_flat_s=found.time_to_proven_flat_s,
        findings=found.findings,
    )


def _advise(desk: ReadingDesk, failure: ReadFailed) -> str:
    """What to do about positions that could not be read."""
    if isinstance(failure, ReadRefused):
        match failure.refusal:
            case Refusal.TIMESTAMP:
                most_s = desk.settings.exchange.max_clock_offset_s
                return (
                    f"Set this machine's clock: a flatten corrects up to {most_s:.0f} s by itself, a plan does not. "
                    f"`deepcoin-ops preflight --account {desk.account.name}` shows how far off it is."
                )
            case Refusal.FATAL if failure.error_code is not None:
                finding = find_refused_key(failure, desk.account.credentials_prefix)
                return f"Account {desk.account.name}: {finding.text}"
            case Refusal.THROTTLED:
                return "Another program may be asking with this account's key; ask again in a minute."
    starter = " (`deepcoin-ops paper` starts the paper one)" if desk.settings.venue is Venue.PAPER else ""
    return f"Check that the exchange answers there{starter}, then ask again."


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
        return replace(empty, ledger_setback=read_setback(settings.ledger_path, None))
    with ledger:
        empty = replace(empty, ledger_setback=ledger.read_setback())
        head = ledger.read_head(trading_day)
        hashes = {name: text for name, text in (head.hashes if head else {}).items() if account in (None, name)}
        return _read_day(ledger, empty, head.seq, hashes) if head and hashes else replace(empty, altered=ledger.unreadable)


def _read_day(ledger: History, empty: DayReport, head_seq: int, hashes: Mapping[str, str]) -> DayReport:
    day = empty.trading_day
    flattens = tuple(row for row in ledger.read_flattens(day, head_seq) if row.request.account in hashes)
    flatten_ids = [row.request.flatten_id for row in flattens]
    checked = ledger.read_altered_entries_of_day(day, head_seq)
    read = replace(
        empty,
        head_seq=head_seq,
        head_hashes=hashes,
        flattens=flattens,
        attempts=tuple(row for row in ledger.read_attempts(day, head_seq) if row.account in hashes),
        cancels=tuple(row for row in ledger.read_cancels(day, head_seq) if row.account in hashes),
        verdicts={flatten_id: tuple(ledger.read_verdicts(flatten_id, head_seq)) for flatten_id in flatten_ids},
        skipped_ticks=tuple(row for row in ledger.read_skipped_ticks(day, head_seq) if row.account in hashes),
    )
    found = {each.seq: each for each in (*checked, *ledger.unreadable) if each.account in hashes}
    return replace(read, altered=tuple(found[seq] for seq in sorted(found)))


def read_status_report(settings: Settings, addresses: AlertAddresses) -> StatusReport:
    """Read where every account stands, and which alerts reached nobody. Writes nothing, asks the exchange nothing.

    A ledger that cannot be read hides what is recorded in it, and not what is armed or stopped.
    """
    is_there, trouble, setback = settings.ledger_path.exists(), None, None
    now = datetime.now(UTC)
    unwatched = settings.find_unwatched(now)
    unreadable: tuple[AlteredEntry, ...] = ()
    try:
        ledger = History.open_existing(settings.ledger_path, settings.venue)
        with ledger or nullcontext():
            accounts = _read_accounts(settings, ledger)
            setback = ledger.read_setback() if ledger else read_setback(settings.ledger_path, None)
            unreadable = ledger.unreadable if ledger else ()
        is_there = ledger is not None
    except LedgerError as error:
        accounts, trouble = _read_accounts(settings, None), str(error)
    other = Venue.PAPER if settings.venue is Venue.LIVE else Venue.LIVE
    return StatusReport(
        venue=settings.venue,
        base_url=settings.base_url,
        settings_path=settings.source_path,
        state_folder=settings.state_folder,
        state_origin=settings.state_origin,
        ledger_path=settings.ledger_path,
        is_ledger_there=is_there,
        ledger_trouble=trouble,
        ledger_setback=setback,
        stray_kill_files=find_strays(settings.kill_folder, tuple(settings.accounts)),
        other_kill_notes=read_all_notes(find_kill_folder(settings.state_folder, other)),
        accounts=accounts,
        untold_alerts=tuple(read_untold_alerts(settings, addresses, now)),
        unwatched=unwatched.text if unwatched is not None else None,
        unreadable=unreadable,
    )


def _read_accounts(settings: Settings, ledger: History | None) -> tuple[AccountStatus, ...]:
    return tuple(
        AccountStatus(
            name=name,
            instruments=account.instruments,
            kill_notes=KillSwitch(settings.kill_folder, name).read_notes(),
            arming=arming,
            arming_findings=findings,
            last_check=ledger.read_last_check(name) if ledger else None,
            last_flatten=ledger.read_last_flatten(name) if ledger else None,
            open_intents=tuple(open_closes),
            open_cancels=tuple(open_cancels),
        )
        for name, account in settings.accounts.items()
        for arming, findings in [_find_arming(settings, name)]
        for open_closes, open_cancels in [ledger.read_open_calls(name) if ledger else ([], [])]
    )


def _find_arming(settings: Settings, account: str) -> tuple[Arming | None, tuple[Finding, ...]]:
    return find_arming(settings, account, datetime.now(UTC)) if settings.venue is Venue.LIVE else (None, ())
