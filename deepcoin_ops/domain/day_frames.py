"""A trading day's records as rows and frames of the tables. Pure; the contracts are in `tables`.

What the day means is in `reconcile`; what no cell of its tables can hold is part of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain

import pandas as pd

from deepcoin_ops.domain.breaks import DEFINITIONS, ReconciliationRow
from deepcoin_ops.domain.day import AccountDay, DayFlatten, PositionPage
from deepcoin_ops.domain.error_codes import explain_code
from deepcoin_ops.domain.evidence_frames import list_shown_positions
from deepcoin_ops.domain.frames import Misfit, Row, Table
from deepcoin_ops.domain.model import CloseAttempt, Verdict
from deepcoin_ops.domain.order_frames import list_cancel_attempts, list_orders_after
from deepcoin_ops.domain.order_lists import find_orders_left
from deepcoin_ops.domain.reconcile import reconcile
from deepcoin_ops.domain.tables import (
    CANCEL_ATTEMPTS,
    CLOSE_ATTEMPTS,
    CLOSE_ERRORS,
    CLOSED_POSITIONS,
    FLATTEN_SUMMARY,
    ORDERS_AFTER,
    POSITIONS_AFTER,
    POSITIONS_BEFORE,
    RECONCILIATION,
)


def build_close_attempts(trading_day: str, attempts: Iterable[CloseAttempt]) -> pd.DataFrame:
    """The day's attempts, one row per send, in the order of the ledger; see `CLOSE_ATTEMPTS`."""
    return CLOSE_ATTEMPTS.build(list_close_attempts(trading_day, attempts))


def list_close_attempts(trading_day: str, attempts: Iterable[CloseAttempt]) -> list[Row]:
    """The rows of `build_close_attempts`."""
    return [
        _attempt_keys(trading_day, attempt)
        | {
            "product_group": attempt.intent.product_group.value,
            "round_number": attempt.intent.round_number,
            "send_number": attempt.intent.send_number,
            "endpoint": attempt.intent.endpoint,
            "quantity_contracts": attempt.intent.quantity_contracts,
            "notional_usdt": attempt.intent.notional_usdt,
            "intent_at": attempt.intent_at,
            "sent_at": attempt.sent_at,
            "answered_at": attempt.answered_at,
            "outcome": attempt.outcome.value,
            "reason": attempt.reason,
            "error_code": attempt.error_code,
            "http_status": attempt.http_status,
            "close_errors": len(attempt.close_errors),
        }
        for attempt in attempts
    ]


def build_close_errors(trading_day: str, attempts: Iterable[CloseAttempt]) -> pd.DataFrame:
    """The day's returned error items, one row each, in the order of the ledger; see `CLOSE_ERRORS`."""
    return CLOSE_ERRORS.build(list_close_errors(trading_day, attempts))


def list_close_errors(trading_day: str, attempts: Iterable[CloseAttempt]) -> list[Row]:
    """The rows of `build_close_errors`."""
    rows = []
    for attempt in attempts:
        for item in attempt.close_errors:
            meaning = explain_code(item.error_code)
            rows.append(
                _attempt_keys(trading_day, attempt)
                | {
                    "item_index": item.item_index,
                    "position_side": item.position_side.value if item.position_side else None,
                    "error_code": item.error_code,
                    "error_message": item.error_message,
                    "error_meaning": meaning.meaning,
                    "advice": meaning.advice,
                    "meaning_source": meaning.source,
                    "reported_instrument_id": item.instrument_id,
                    "member_id": item.member_id,
                    "exchange_account_id": item.exchange_account_id,
                    "trade_unit_id": item.trade_unit_id,
                    "answered_at": attempt.answered_at,
                    "raw_json": item.raw_json,
                }
            )
    return rows


def build_positions_before(trading_day: str, days: Sequence[AccountDay]) -> pd.DataFrame:
    """What each flatten of the day saw first, one row per position row; see `POSITIONS_BEFORE`."""
    return POSITIONS_BEFORE.build(list_positions_before(trading_day, days))


def list_positions_before(trading_day: str, days: Sequence[AccountDay]) -> list[Row]:
    """The rows of `build_positions_before`."""
    return _list_positions(trading_day, [(flatten, flatten.before) for day in days for flatten in day.flattens])


def build_positions_after(trading_day: str, days: Sequence[AccountDay]) -> pd.DataFrame:
    """What each flatten of the day saw last, one row per position row; see `POSITIONS_AFTER`."""
    return POSITIONS_AFTER.build(list_positions_after(trading_day, days))


def list_positions_after(trading_day: str, days: Sequence[AccountDay]) -> list[Row]:
    """The rows of `build_positions_after`."""
    return _list_positions(trading_day, [(flatten, flatten.after) for day in days for flatten in day.flattens])


def build_reconciliation(trading_day: str, days: Sequence[AccountDay]) -> pd.DataFrame:
    """What the day means, for all accounts; see `RECONCILIATION`."""
    return RECONCILIATION.build(row for day in days for row in _list_reconciliation(trading_day, day))


def build_flatten_summary(trading_day: str, days: Sequence[AccountDay]) -> pd.DataFrame:
    """The day's flattens, one row each, in the order in which they were opened; see `FLATTEN_SUMMARY`."""
    return FLATTEN_SUMMARY.build(list_flattens(trading_day, days))


def list_flattens(trading_day: str, days: Sequence[AccountDay]) -> list[Row]:
    """The rows of `build_flatten_summary`."""
    return [_build_summary_row(trading_day, flatten) for day in days for flatten in day.flattens]


def _list_reconciliation(trading_day: str, day: AccountDay) -> list[Row]:
    """An account's rows; a value that no cell of the day's tables can hold, one of these included, is a row of its own."""

    def judge(misfits: Sequence[Misfit]) -> list[Row]:
        return [_build_reconciliation_row(trading_day, row, day.ends_at) for row in reconcile(day, misfits)]

    rows = judge(())
    misfits = [
        misfit for table, list_rows in _ROWS_OF.items() for misfit in table.find_misfits(list_rows(trading_day, [day]))
    ]
    misfits += RECONCILIATION.find_misfits(rows)
    return judge(misfits) if misfits else rows


def _list_positions(trading_day: str, reads: Sequence[tuple[DayFlatten, Sequence[PositionPage]]]) -> list[Row]:
    rows = []
    for flatten, pages in reads:
        listed = [(page, position) for page in pages for position in page.positions]
        for index, (page, position) in enumerate(listed):
            rows.append(
                {
                    "trading_day": trading_day,
                    "account": flatten.request.account,
                    "flatten_id": flatten.request.flatten_id,
                    "row_index": index,
                    "instrument_id": position.instrument_id,
                    "product_group": position.product_group and position.product_group.value,
                    "position_id": position.position_id,
                    "position_side": position.position_side and position.position_side.value,
                    "quantity_contracts": position.quantity_contracts,
                    "margin_mode": position.margin_mode,
                    "merge_mode": position.merge_mode,
                    "average_price": position.average_price,
                    "margin_currency": position.margin_currency,
                    "is_configured": position.instrument_id in flatten.configured,
                    "is_dry_run": flatten.request.is_dry_run,
                    "read_purpose": page.purpose,
                    "read_started_at": page.started_at,
                    "read_finished_at": page.finished_at,
                }
            )
    return rows


def _build_reconciliation_row(trading_day: str, row: ReconciliationRow, ends_at: datetime) -> Row:
    age_s = None if row.since_at is None else max(ends_at.timestamp() - row.since_at.timestamp(), 0.0)
    return {
        "trading_day": trading_day,
        "account": row.account,
        "subject": row.subject,
        "instrument_id": row.instrument_id,
        "position_side": row.position_side and row.position_side.value,
        "flatten_id": row.flatten_id,
        "quantity_before_contracts": row.quantity_before_contracts,
        "notional_before_usdt": row.notional_before_usdt,
        "quantity_after_contracts": row.quantity_after_contracts,
        "notional_after_usdt": row.notional_after_usdt,
        "attempts": len(row.outcomes),
        "outcomes": ", ".join(row.outcomes),
        "error_items": len(row.error_items),
        "error_codes": ", ".join(dict.fromkeys(item.error_code for item in row.error_items)),
        "evidence": row.evidence,
        "orders_left": None if row.orders is None else len(row.orders),
        "residual_cause": row.residual_cause and row.residual_cause.value,
        "verdict": row.verdict and row.verdict.value,
        "break_type": row.break_type and row.break_type.value,
        "findings": ", ".join(row.findings),
        "is_break": row.is_break,
        "severity": row.severity and row.severity.value,
        "since_at": row.since_at,
        "age_s": age_s,
        "reason": row.reason,
        "what_to_do": DEFINITIONS[row.findings[0]].what_to_do if row.is_break else None,
    }


def _build_summary_row(trading_day: str, flatten: DayFlatten) -> Row:
    request, closing = flatten.request, flatten.closing
    verdicts = Counter(verdict.verdict for verdict in flatten.verdicts)
    unconfigured: Mapping[str, str] = closing.unconfigured if closing else {}
    return {
        "trading_day": trading_day,
        "account": request.account,
        "flatten_id": request.flatten_id,
        "launched_by": request.launched_by,
        "is_dry_run": request.is_dry_run,
        "scheduled_at": request.scheduled_at,
        "opened_at": flatten.opened_at,
        "closed_at": flatten.closed_at,
        "result": closing and closing.result.value,
        "reason": closing.reason if closing else "no closing row: it still runs, or was killed",
        "instruments": len(request.instruments),
        "already_flat": verdicts[Verdict.ALREADY_FLAT],
        "flat": verdicts[Verdict.FLAT],
        "residual": verdicts[Verdict.RESIDUAL],
        "resting_order_left": verdicts[Verdict.RESTING_ORDER_LEFT],
        "unverified": verdicts[Verdict.UNVERIFIED],
        "attempts": len(flatten.attempts),
        "error_items": sum(len(attempt.close_errors) for attempt in flatten.attempts),
        "throttled_sends": sum(attempt.is_throttled for attempt in flatten.attempts),
        "cancels": len(flatten.cancels),
        "orders_left": _count_orders_left(flatten),
        "rounds": closing and closing.rounds,
        "sends": closing and closing.sends,
        "refused_sends": closing and closing.refused_sends,
        "residual_notional_usdt": closing and closing.residual_notional_usdt,
        "time_to_last_close_s": closing and closing.time_to_last_close_s,
        "time_to_proven_flat_s": closing and closing.time_to_proven_flat_s,
        "exposure_usdt_s": closing and closing.exposure_usdt_s,
        "unconfigured": "; ".join(f"{instrument_id} {size}" for instrument_id, size in unconfigured.items()),
    }


def _count_orders_left(flatten: DayFlatten) -> int | None:
    by_instrument = [find_orders_left(flatten.orders_after, each) for each in set(flatten.request.instruments)]
    read = [orders for orders in by_instrument if orders is not None]
    return sum(map(len, read)) if read else None


def _attempt_keys(trading_day: str, attempt: CloseAttempt) -> Row:
    return {
        "trading_day": trading_day,
        "account": attempt.account,
        "flatten_id": attempt.flatten_id,
        "attempt_id": attempt.intent.attempt_id,
        "instrument_id": attempt.intent.instrument_id,
    }


_ROWS_OF: dict[Table, Callable[[str, Sequence[AccountDay]], list[Row]]] = {
    CLOSE_ATTEMPTS: lambda trading_day, days: list_close_attempts(trading_day, chain(*(day.attempts for day in days))),
    CLOSE_ERRORS: lambda trading_day, days: list_close_errors(trading_day, chain(*(day.attempts for day in days))),
    CANCEL_ATTEMPTS: list_cancel_attempts,
    POSITIONS_BEFORE: list_positions_before,
    POSITIONS_AFTER: list_positions_after,
    ORDERS_AFTER: list_orders_after,
    FLATTEN_SUMMARY: list_flattens,
    CLOSED_POSITIONS: list_shown_positions,
}
