"""Account days as the ledger would tell them, for tests of what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from deepcoin_ops.domain.day import AccountDay, DayFlatten, DueTick, OrderPage, PositionPage
from deepcoin_ops.domain.model import (
    CloseAttempt,
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
    ProductGroup,
    Verdict,
)
from deepcoin_ops.domain.orders import CancelAttempt, CancelError, CancelIntent, Order, OrderKind, OrderList

DAY, ACCOUNT = "2026-03-08", "main"
BTC, ETH, DOT = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "DOT-USDT-SWAP"
TICK = datetime(2026, 3, 8, 23, 30, tzinfo=UTC)
DAY_END = TICK + timedelta(hours=2)
PAST_DUE = DueTick(TICK, TICK + timedelta(hours=1), is_past=True)
NOT_YET_DUE = DueTick(TICK, TICK + timedelta(hours=1), is_past=False)


def build_verdict(instrument_id: str = BTC, verdict: Verdict = Verdict.FLAT, **changes: Any) -> InstrumentVerdict:
    """A verdict with sizes that fit it."""
    is_open, is_known = verdict is Verdict.RESIDUAL, verdict is not Verdict.UNVERIFIED
    fields = {
        "instrument_id": instrument_id,
        "verdict": verdict,
        "quantity_before_contracts": Decimal(0 if verdict is Verdict.ALREADY_FLAT else 10),
        "notional_before_usdt": Decimal(0 if verdict is Verdict.ALREADY_FLAT else 1000),
        "quantity_after_contracts": Decimal(4 if is_open else 0) if is_known else None,
        "notional_after_usdt": Decimal(400 if is_open else 0) if is_known else None,
        "attempts": 0 if verdict is Verdict.ALREADY_FLAT else 1,
        "reason": f"{instrument_id} is {verdict}",
    }
    return InstrumentVerdict(**(fields | changes))


def build_page(*rows: tuple[str, PositionSide | None, str], purpose: str = "snapshot", ids: str = "P") -> PositionPage:
    """A complete page with these rows: instrument, side, size."""
    positions = tuple(
        Position(each, ProductGroup.SWAP_U, f"{ids}{number}", side, Decimal(size), "cross", "merge", None, "USDT")
        for number, (each, side, size) in enumerate(rows)
    )
    return PositionPage(purpose, 0, InstrumentType.SWAP, TICK, TICK, positions)


def build_order(instrument_id: str = BTC, position_side: PositionSide | None = PositionSide.LONG, **changes: Any) -> Order:
    """A limit order that opens a position on its side, unless told otherwise."""
    fields = {
        "kind": OrderKind.RESTING,
        "instrument_id": instrument_id,
        "order_id": "7001",
        "side": "sell" if position_side is PositionSide.SHORT else "buy",
        "position_side": position_side,
        "quantity_contracts": Decimal("2.50"),
        "price": Decimal("60000.5"),
    }
    return Order(**(fields | changes))


def build_protection(
    instrument_id: str = BTC, position_side: PositionSide | None = PositionSide.LONG, **changes: Any
) -> Order:
    """A stop loss of a position: it can only close."""
    side_word = "buy" if position_side is PositionSide.SHORT else "sell"
    return build_order(instrument_id, position_side, **({"kind": OrderKind.PROTECTION, "side": side_word} | changes))


def build_list(*orders: Order, instrument_id: str | None = None, kind: OrderList | None = None) -> OrderPage:
    """An order list that was read whole: the one of all instruments, or of one the trigger orders."""
    order_list = kind or (OrderList.RESTING if instrument_id is None else OrderList.TRIGGER)
    return OrderPage("verify", order_list, instrument_id, TICK, TICK, is_exhaustive=True, orders=orders)


def build_cancel(number: int = 1, outcome: Outcome = Outcome.ACCEPTED, **changes: Any) -> CancelAttempt:
    """A cancel of two orders, and its outcome; one that is not wholly accepted brought an error item."""
    intent = CancelIntent(f"F0-C{number}", OrderKind.RESTING, (BTC, ETH), ("7001", "7002"), number, "/cancel", "{}")
    errors = (CancelError(0, "7002", "24", "OrderNotFound", "1", "2", "{}"),) if outcome is Outcome.PARTIAL else ()
    told = CancelAttempt(ACCOUNT, "F0", intent, TICK, outcome, "a test", TICK, TICK, "0", 200, errors)
    return replace(told, **changes)


def build_item(index: int = 0, side: PositionSide | None = PositionSide.LONG, code: str = "51020") -> CloseError:
    """An errorList item; items of one side and code are alike, as duplicates are."""
    return CloseError(index, BTC, side, code, "message", "1", "2", "3", f'{{"{side}": "{code}"}}')


def build_attempt(
    number: int = 1,
    outcome: Outcome = Outcome.ACCEPTED,
    items: Sequence[CloseError] = (),
    instrument_id: str = BTC,
    flatten_id: str = "F0",
) -> CloseAttempt:
    """A close and its outcome."""
    attempt_id = f"{flatten_id}-{instrument_id}-{number}"
    intent = CloseIntent(attempt_id, instrument_id, ProductGroup.SWAP_U, 1, number, "/close", "{}", Decimal(10), None)
    return CloseAttempt(ACCOUNT, flatten_id, intent, TICK, outcome, "a test", TICK, TICK, "0", 200, tuple(items))


def build_flatten(
    *verdicts: InstrumentVerdict,
    number: int = 0,
    result: FlattenResult | None = FlattenResult.FLAT,
    opened_at: datetime = TICK,
    reason: str = "a test",
    is_dry_run: bool = False,
    instruments: Sequence[str] = (BTC, ETH),
    **changes: Any,
) -> DayFlatten:
    """A flatten that took a minute and read at its start and in its middle; one without a result has no closing row."""
    read_at = {"before": opened_at} | dict.fromkeys(("after", "orders_after"), opened_at + timedelta(seconds=30))
    for name, at in read_at.items():
        pages = changes.get(name, ())
        changes[name] = tuple(replace(page, started_at=at, finished_at=at) for page in pages)
    flatten_id = f"F{number}"
    closing = FlattenClosing(flatten_id, result, reason, 1, 1, 0, Decimal(0), 1.0, 2.0, Decimal(0)) if result else None
    return DayFlatten(
        request=FlattenRequest(flatten_id, ACCOUNT, DAY, "a test", tuple(instruments), is_dry_run=is_dry_run),
        opened_at=opened_at,
        closing=closing,
        closed_at=opened_at + timedelta(minutes=1) if result else None,
        configured=(BTC, ETH),
        verdicts=verdicts,
        **changes,
    )


def build_day(*flattens: DayFlatten, due: DueTick | None = PAST_DUE, **changes: Any) -> AccountDay:
    """A day of an account with two configured instruments."""
    return AccountDay(DAY, ACCOUNT, (BTC, ETH), DAY_END, flattens, due, **changes)
