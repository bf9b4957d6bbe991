"""A ledger in a temporary folder, a clock that is not the machine's, and the records the ledger's tests put into it."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from deepcoin_ops.domain.checks import AccountCheck, CheckPurpose, Finding, FindingKind
from deepcoin_ops.domain.evidence import (
    ClosedPosition,
    EvidencePage,
    EvidenceRead,
    EvidenceSource,
    EvidenceStatus,
    Fill,
)
from deepcoin_ops.domain.model import (
    CloseAnswer,
    CloseError,
    CloseIntent,
    FlattenClosing,
    FlattenRequest,
    FlattenResult,
    InstrumentType,
    InstrumentVerdict,
    Outcome,
    Position,
    PositionSide,
    PositionsRead,
    ProductGroup,
    RawAnswer,
    Refusal,
    ResidualCause,
    Venue,
    Verdict,
)
from deepcoin_ops.domain.orders import (
    CancelAnswer,
    CancelError,
    CancelIntent,
    Order,
    OrderKind,
    OrderList,
    OrdersRead,
)
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.ledger.sqlite_file import driver

START = datetime(2026, 3, 1, 23, 55, tzinfo=UTC)

REQUEST = FlattenRequest(
    flatten_id="F1",
    account="main",
    trading_day="2026-03-01",
    launched_by="schedule",
    instruments=("BTC-USDT-SWAP", "ETH-USDT-SWAP"),
    is_dry_run=False,
    scheduled_at=START,
    run_id="run-1",
)
POSITION = Position(
    instrument_id="BTC-USDT-SWAP",
    product_group=ProductGroup.SWAP_U,
    position_id="1001",
    position_side=PositionSide.LONG,
    quantity_contracts=Decimal("12.500"),
    margin_mode="cross",
    merge_mode="merge",
    average_price=Decimal("61234.5"),
    margin_currency="USDT",
    is_leading=False,
)
READ = PositionsRead(
    instrument_type=InstrumentType.SWAP,
    positions=(POSITION, dataclasses.replace(POSITION, position_id="1002", average_price=None)),
    started_at=START,
    finished_at=START + timedelta(seconds=1),
    started_monotonic_s=17.0,
    raw=RawAnswer(http_status=200, body=b'{"code":"0","data":[]}' * 40, length=880),
    notes=("unknown field: foo",),
)
INTENT = CloseIntent(
    attempt_id="A1",
    instrument_id="BTC-USDT-SWAP",
    product_group=ProductGroup.SWAP_U,
    round_number=1,
    send_number=1,
    endpoint="/deepcoin/trade/batch-close-position",
    request_body='{"productGroup":"SwapU","instId":"BTC-USDT-SWAP"}',
    quantity_contracts=Decimal("12.5"),
    notional_usdt=Decimal("765.431250"),
)
ERROR = CloseError(
    item_index=0,
    instrument_id="BTC-USDT-SWAP",
    position_side=PositionSide.LONG,
    error_code="51020",
    error_message="Insufficient position",
    member_id="100",
    exchange_account_id="200",
    trade_unit_id="300",
    raw_json='{"errorCode":51020}',
)
ANSWER = CloseAnswer(
    outcome=Outcome.PARTIAL,
    reason="errorList has 2 items",
    sent_at=START + timedelta(seconds=2),
    answered_at=START + timedelta(seconds=3),
    refusal=Refusal.PARAMETER,
    error_code="0",
    retry_after_s=2,
    close_errors=(ERROR, dataclasses.replace(ERROR, item_index=1, position_side=None)),
    raw=RawAnswer(http_status=200, body=b'{"code":"0"}', length=12),
    notes=("noticed",),
)
VERDICT = InstrumentVerdict(
    instrument_id="BTC-USDT-SWAP",
    verdict=Verdict.RESIDUAL,
    quantity_before_contracts=Decimal("12.5"),
    notional_before_usdt=Decimal("765.43"),
    quantity_after_contracts=Decimal("1"),
    notional_after_usdt=Decimal("61.2"),
    attempts=1,
    reason="one contract is left",
    reopened_position_ids=("1002",),
    cause=ResidualCause.FROZEN,
)
CLOSING = FlattenClosing(
    flatten_id="F1",
    result=FlattenResult.NOT_FLAT,
    reason="one contract is left",
    rounds=1,
    sends=1,
    refused_sends=0,
    residual_notional_usdt=Decimal("61.2"),
    time_to_last_close_s=3,
    time_to_proven_flat_s=4.25,
    exposure_usdt_s=Decimal("2296.29"),
    unconfigured={"DOGE-USDT-SWAP": "3"},
)

CLOSED = ClosedPosition(
    instrument_id="BTC-USDT-SWAP",
    product_group=ProductGroup.SWAP_U,
    position_id="1001",
    position_side=PositionSide.LONG,
    quantity_contracts=Decimal("12.5"),
    closed_contracts=Decimal("11.500"),
    average_open_price=Decimal("61234.5"),
    average_close_price=Decimal("61200"),
    pnl=Decimal("-0.39675"),
    fee=Decimal("-0.35"),
    funding_fee=Decimal("0.01"),
    currency="USDT",
    margin_mode="cross",
    merge_mode="merge",
    opened_at=START - timedelta(hours=5),
    closed_at=START + timedelta(seconds=2),
)
FILL = Fill(
    instrument_id="BTC-USDT-SWAP",
    product_group=ProductGroup.SWAP_U,
    trade_id="T1",
    order_id="O1",
    bill_id="B1",
    side="sell",
    position_side=PositionSide.LONG,
    price=Decimal("61200"),
    quantity_contracts=Decimal("11.5"),
    execution_type="T",
    fee=Decimal("-0.35"),
    fee_currency="USDT",
    filled_at=START + timedelta(seconds=2),
)
HISTORY = EvidenceRead(
    source=EvidenceSource.POSITIONS_HISTORY,
    instrument_type=InstrumentType.SWAP,
    starts_at=START - timedelta(days=1),
    ends_at=START + timedelta(minutes=1),
    status=EvidenceStatus.COMPLETE,
    reason="2 row(s) in 2 page(s)",
    started_at=START + timedelta(seconds=30),
    finished_at=START + timedelta(seconds=33),
    closed_positions=(CLOSED, dataclasses.replace(CLOSED, position_side=None, fee=None, quantity_contracts=None)),
    notes=("positions history row with unknown field(s): foo",),
)
FILLS = dataclasses.replace(
    HISTORY,
    source=EvidenceSource.FILLS,
    closed_positions=(),
    fills=(FILL, dataclasses.replace(FILL, position_side=None, fee=None)),
    notes=(),
)
RESTING_ORDER = Order(
    kind=OrderKind.RESTING,
    instrument_id="BTC-USDT-SWAP",
    order_id="7001",
    side="buy",
    position_side=PositionSide.LONG,
    quantity_contracts=Decimal("3.50"),
    price=Decimal("60000.0"),
    margin_mode="cross",
    state="partially_filled",
)
TRIGGER_ORDER = Order(
    kind=OrderKind.TRIGGER,
    instrument_id="ETH-USDT-SWAP",
    order_id="7002",
    side="sell",
    position_side=None,
    quantity_contracts=None,
    price=None,
    trigger_price=Decimal("3000.5"),
    trigger_type="mark",
    margin_mode="isolated",
    state="live",
    retrace_point="0.1",
)
ORDERS_READ = OrdersRead(
    order_list=OrderList.RESTING,
    instrument_id=None,
    orders=(RESTING_ORDER, dataclasses.replace(TRIGGER_ORDER, kind=OrderKind.RESTING)),
    started_at=START,
    finished_at=START + timedelta(seconds=1),
    started_monotonic_s=17.0,
    pages=(READ.raw, RawAnswer(http_status=200, body=b'{"code":"0","data":[]}', length=22)),
    notes=("orders row with unknown field(s): foo",),
)
TRIGGERS_READ = dataclasses.replace(
    ORDERS_READ,
    order_list=OrderList.TRIGGER,
    instrument_id="ETH-USDT-SWAP",
    orders=(TRIGGER_ORDER,),
    is_exhaustive=False,
    notes=(),
)
CANCEL_INTENT = CancelIntent(
    cancel_id="C1",
    kind=OrderKind.RESTING,
    instrument_ids=("BTC-USDT-SWAP", "ETH-USDT-SWAP"),
    order_ids=("7001", "7002"),
    send_number=1,
    endpoint="/deepcoin/trade/batch-cancel-order",
    request_body='{"orderSysIDs":["7001","7002"]}',
)
CANCEL_ANSWER = CancelAnswer(
    outcome=Outcome.PARTIAL,
    reason="errorList has 2 items",
    sent_at=START + timedelta(seconds=2),
    answered_at=START + timedelta(seconds=3),
    refusal=Refusal.PARAMETER,
    error_code="0",
    retry_after_s=2,
    cancel_errors=tuple(
        CancelError(index, order_id, "24", "OrderNotFound", "100", "200", f'{{"orderSysID":"{order_id}"}}')
        for index, order_id in enumerate(("7001", "7002"))
    ),
    raw=RawAnswer(http_status=200, body=b'{"code":"0"}', length=12),
    is_throttled=True,
    notes=("a cancel's item with unknown field(s): bar",),
)


class Clock:
    """Tells a time that moves a second with each look."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


CHECK = AccountCheck(
    purpose=CheckPurpose.PREFLIGHT,
    checked_at=START,
    base_url="https://api.deepcoin.com",
    uid="36007029",
    open_instruments=3,
    notional_usdt=Decimal("1250000.5"),
    clock_offset_s=0.25,
    armed_until=START + timedelta(days=9),
    cap_usdt=Decimal(1_000_000),
    findings=(
        Finding(FindingKind.CAP_EXCEEDED, True, "1,250,001 USDT are open and the cap is 1,000,000."),
        Finding(FindingKind.ARMING_ENDING, False, "The arming ends in 9 days."),
    ),
)


@dataclasses.dataclass(frozen=True)
class Samples:
    """One record of each kind, every field filled where that is possible."""

    request: FlattenRequest = REQUEST
    read: PositionsRead = READ
    intent: CloseIntent = INTENT
    answer: CloseAnswer = ANSWER
    verdict: InstrumentVerdict = VERDICT
    closing: FlattenClosing = CLOSING
    start: datetime = START
    history: EvidenceRead = HISTORY
    fills: EvidenceRead = FILLS
    orders_read: OrdersRead = ORDERS_READ
    triggers_read: OrdersRead = TRIGGERS_READ
    cancel_intent: CancelIntent = CANCEL_INTENT
    cancel_answer: CancelAnswer = CANCEL_ANSWER
    check: AccountCheck = CHECK

    def record_everything(self, ledger: Ledger, verdict: InstrumentVerdict | None = None) -> None:
        """Put entries about positions and closes into the ledger: nine of them, the tenth an intent that stays open."""
        ledger.record_flatten(self.request, '{"rounds": 10}')
        ledger.record_read("F1", "snapshot", 0, self.read)
        ledger.record_failed_read("F1", "round", 1, InstrumentType.SPOT, self.start, self.start, "timed out", self.read.raw)
        ledger.record_intent("F1", self.intent)
        ledger.record_outcome("A1", self.answer)
        ledger.record_verdicts("F1", [verdict or self.verdict] * 2)
        ledger.record_closing(self.closing)
        ledger.record_skipped_tick("main", "2026-03-01", self.start, "31 min late")
        ledger.record_flatten(dataclasses.replace(self.request, flatten_id="F2", parent_flatten_id="F1"), "{}")
        ledger.record_intent("F2", dataclasses.replace(self.intent, attempt_id="A2"))

    def record_evidence(self, ledger: Ledger) -> None:
        """Put an evidence read of each list into the ledger, as two entries."""
        pages = [EvidencePage("limit=100", self.read.raw), EvidencePage("limit=100", self.answer.raw)]
        ledger.record_evidence("main", "2026-03-01", self.history, pages)
        ledger.record_evidence("main", "2026-03-01", self.fills, pages)

    def record_orders(self, ledger: Ledger) -> None:
        """Put two reads of order lists and two cancels of flatten F1 into the ledger, the second cancel without outcome."""
        ledger.record_orders_read("F1", "snapshot", self.orders_read)
        ledger.record_cancel_intent("F1", self.cancel_intent)
        ledger.record_cancel_outcome("C1", self.cancel_answer)
        failed = (OrderList.TRAILING, "BTC-USDT-SWAP", self.start, self.start, "timed out", self.read.raw)
        ledger.record_failed_orders_read("F1", "verify", *failed)
        ledger.record_orders_read("F1", "verify", self.triggers_read)
        ledger.record_cancel_intent("F1", dataclasses.replace(self.cancel_intent, cancel_id="C2"))

    def record_all_kinds(self, ledger: Ledger) -> None:
        """Put a fact of each kind that the ledger's own methods record into the ledger."""
        self.record_everything(ledger)
        self.record_evidence(ledger)
        self.record_orders(ledger)
        ledger.record_check("main", "2026-03-01", self.check)


@pytest.fixture
def samples() -> Samples:
    """The sample records."""
    return Samples()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the test's ledger is, or will be."""
    return tmp_path / "state" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    """An empty paper ledger, open for writing."""
    with Ledger.open(path, Venue.PAPER, Clock()) as opened:
        yield opened


@pytest.fixture
def sql(path: Path) -> Callable[..., list[Any]]:
    """Run a statement on the ledger's file behind the ledger's back, and commit it."""

    def run(statement: str, *parameters: object) -> list[Any]:
        with closing(driver.connect(path, timeout=30)) as connection, connection:
            return connection.execute(statement, parameters).fetchall()

    return run


@pytest.fixture
def drop_triggers(sql: Callable[..., list[Any]]) -> Callable[[], None]:
    """Take away what keeps the ledger append-only, as somebody with the file can."""

    def drop() -> None:
        for (name,) in sql("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            sql(f"DROP TRIGGER {name}")

    return drop
