"""What the exchange shows of an account: complete positions reads, recorded one by one. Sends nothing that changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from deepcoin_ops.domain.checks import Finding
from deepcoin_ops.domain.errors import ReadFailed
from deepcoin_ops.domain.model import InstrumentType, Position, PositionsRead
from deepcoin_ops.domain.plan_findings import PlanFacts, find_plan_findings
from deepcoin_ops.domain.planned_orders import PlannedOrders
from deepcoin_ops.domain.planning import ClosePlan, MarketData, find_held_back, instrument_types_of, plan_closes
from deepcoin_ops.exchange.pace_clock import SYSTEM_CLOCK
from deepcoin_ops.exchange.pacing import never
from deepcoin_ops.flattening.desk import ReadingDesk
from deepcoin_ops.flattening.durations import estimate_durations
from deepcoin_ops.flattening.market import MarketReads
from deepcoin_ops.flattening.order_preview import OrderPreview
from deepcoin_ops.flattening.targets import CloseTargets
from deepcoin_ops.ledger.journal import Ledger

_PLAN_PATIENCE_S = 10.0


@dataclass(frozen=True)
class AccountRead:
    """One complete positions read of an account: a page per instrument type, always in the same order.

    `arrived_s` is when the last page had arrived, on the boot clock.
    """

    pages: tuple[PositionsRead, ...]
    arrived_s: float = field(default_factory=SYSTEM_CLOCK.now_s)

    @property
    def positions(self) -> tuple[Position, ...]:
        """All rows of all pages."""
        return tuple(position for page in self.pages for position in page.positions)

    @property
    def started_monotonic_s(self) -> tuple[float, ...]:
        """When each page's request was sent, on this process's monotonic clock."""
        return tuple(page.started_monotonic_s for page in self.pages)

    @property
    def started_s(self) -> float:
        """When the first page's request was sent: what the whole read can be evidence for."""
        return min(self.started_monotonic_s)


class Observer:
    """Reads one account for one set of instruments, and records each read under a flatten.

    Args:
        desk: The account.
        instrument_ids: What the flatten is about; it decides whether spot holdings are read.
        kept_in: The ledger, and the flatten under which reads are recorded in it; None records nothing (a plan that
            nobody asked to keep).
    """

    def __init__(self, desk: ReadingDesk, instrument_ids: tuple[str, ...], kept_in: tuple[Ledger, str] | None = None):
        self._desk = desk
        self._kept_in = kept_in
        self.instrument_types = instrument_types_of(instrument_ids)

    def fetch_account(self, purpose: str, round_number: int, is_stopped: Callable[[], bool]) -> AccountRead:
        """One complete read of the account.

        Raises:
            ReadFailed: A page is missing or unreadable; the read proves nothing. It is recorded as failed.
            SendWithdrawn: Stopping was asked for before it was sent.
            GuardRefused: The pace cannot be kept.
            LedgerError: It could not be recorded, so it proves nothing.
        """
        pages = tuple(self._fetch_page(kind, purpose, round_number, is_stopped) for kind in self.instrument_types)
        return AccountRead(pages)

    def _fetch_page(
        self, kind: InstrumentType, purpose: str, round_number: int, is_stopped: Callable[[], bool]
    ) -> PositionsRead:
        started_at = datetime.now(UTC)
        try:
            page = self._desk.client.fetch_positions(kind, is_stopped)
        except ReadFailed as failure:
            if self._kept_in is not None:
                (ledger, flatten_id), ended_at = self._kept_in, datetime.now(UTC)
                ledger.record_failed_read(
                    flatten_id, purpose, round_number, kind, started_at, ended_at, str(failure), failure.raw
                )
            raise
        if self._kept_in is not None:
            ledger, flatten_id = self._kept_in
            ledger.record_read(flatten_id, purpose, round_number, page)
        return page


@dataclass(frozen=True)
class AccountPlan:
    """What a flatten would find and do.

    Attributes:
        plan: What is open.
        market: The market data it was planned with.
        spared: Instruments with rows that the settings leave open, each with which and why.
        closes: How many closes a first round would send.
        orders: What would become of the resting orders.
        kill_reason: Why a flatten would send nothing, if the kill switch is on; None when it is off.
        held_back: Instruments that no close would be sent for, each with its reason.
        time_to_last_close_s: Seconds, if nothing goes wrong.
        time_to_proven_flat_s: Likewise.
        findings: What of all this keeps a flatten from ending FLAT, and what it leaves open beside its own.
    """

    plan: ClosePlan
    market: MarketData
    spared: Mapping[str, str]
    closes: int
    orders: PlannedOrders
    kill_reason: str | None
    held_back: Mapping[str, str]
    time_to_last_close_s: float
    time_to_proven_flat_s: float
    findings: tuple[Finding, ...]


def fetch_plan(desk: ReadingDesk, instrument_ids: tuple[str, ...], *, reads_triggers: bool = False) -> AccountPlan:
    """What a flatten of these instruments would close and cancel now. Records nothing, sends only reads.

    Args:
        desk: The account.
        instrument_ids: What the flatten would be about.
        reads_triggers: Whether to look at lists of trigger orders too, a slot each: one, or as many as the settings leave
            and there is time for.

    Raises:
        ReadFailed: No complete positions read. A list of orders that cannot be read is told in the plan instead.
    """
    account, observer = desk.account, Observer(desk, instrument_ids)
    market_reads = MarketReads(desk.client, observer.instrument_types, never)
    preview = OrderPreview(desk)
    try:
        market_reads.start_missing()
        preview.start()
        if reads_triggers:
            preview.start_triggers(instrument_ids)
        read = observer.fetch_account("plan", 0, never)
        market_reads.wait(_PLAN_PATIENCE_S)
        market = market_reads.current()
        plan = plan_closes(instrument_ids, read.positions, market, account.instruments, account.expected_positions)
        orders = preview.wait(instrument_ids, plan)
    finally:
        market_reads.close()
        preview.close()
    targets = CloseTargets(desk.account)
    spared, closes = targets.describe_all_spared(plan), sum(map(targets.would_send, plan.lines))
    held_back = find_held_back(instrument_ids, {line.instrument_id for line in plan.lines}, market)
    closing_s, proving_s = estimate_durations(
        desk.settings, instrument_ids, closes, is_pace_shared=desk.client.has_shared_pace
    )
    deadline_s = desk.settings.deadline_s(len(plan.lines))
    named = {*account.instruments, *account.expected_positions}
    facts = PlanFacts(plan, market, held_back, spared, named, orders, closing_s, deadline_s)
    return AccountPlan(
        plan=plan,
        market=market,
        spared=spared,
        closes=closes,
        orders=orders,
        kill_reason=desk.kill_switch.read_reason(),
        held_back=held_back,
        time_to_last_close_s=closing_s,
        time_to_proven_flat_s=proving_s,
        findings=find_plan_findings(facts),
    )


def wait_until(moment_s: float, is_stopped: Callable[[], bool], wait: Callable[[float], object]) -> bool:
    """Wait for a moment of the monotonic clock; False when stopping was asked for before it came."""
    while (left_s := moment_s - time.monotonic()) > 0:
        if is_stopped():
            return False
        wait(min(left_s, 0.1))
    return not is_stopped()
