"""The JSON documents of the command line: records in, text out. Amounts are decimal text, instants ISO text in UTC."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from deepcoin_ops.commands.alerts import summarise_alert
from deepcoin_ops.commands.flatten import FlattenEnding
from deepcoin_ops.commands.reports import AccountStatus, DayReport, PlanReport, StatusReport
from deepcoin_ops.domain.checks import AccountCheck
from deepcoin_ops.domain.model import CloseAttempt
from deepcoin_ops.domain.orders import CancelAttempt
from deepcoin_ops.domain.planned_orders import NOT_READ_FOR_A_PLAN, PlannedOrders
from deepcoin_ops.domain.planning import ClosePlan
from deepcoin_ops.flattening.desk import Desk
from deepcoin_ops.flattening.targets import CloseTargets
from deepcoin_ops.ledger.records import FlattenRecord


def build_plan_document(report: PlanReport) -> str:
    """What `plan` shows."""
    return _build_json(
        {
            "venue": report.venue,
            "account": report.account,
            "instruments": report.instruments,
            "closes": _closes(report.plan),
            "notional_usdt": report.plan.notional_usdt,
            "unconfigured": report.unconfigured,
            "expected": report.plan.expected,
            "left_open": report.spared,
            "held_back": report.held_back,
            "orders": _planned_orders(report.orders),
            "kill_switch": report.kill_reason,
            "findings": report.findings,
            "expected_time_to_last_close_s": round(report.time_to_last_close_s, 3),
            "expected_time_to_proven_flat_s": round(report.time_to_proven_flat_s, 3),
        }
    )


def build_flatten_document(desk: Desk, ending: FlattenEnding) -> str | None:
    """What `flatten` did; None when it has no closing row, so that there is nothing to vouch for."""
    if ending.flatten is None or ending.outcome is None:
        return None
    closing = _plain(ending.outcome.closing)
    return _build_json(
        {
            "flatten_id": closing.pop("flatten_id"),
            "result": closing.pop("result"),
            "is_interrupted": ending.is_interrupted,
            "venue": desk.settings.venue,
            **_without(_plain(ending.flatten.request), "flatten_id"),
            "open_before": _closes(ending.plan) if ending.plan else None,
            "left_open": CloseTargets(desk.account).describe_all_spared(ending.plan) if ending.plan else None,
            "verdicts": ending.outcome.verdicts,
            "attempts": [_attempt(attempt) for attempt in ending.attempts],
            "close_errors": _close_errors(ending.attempts),
            "cancels": [_cancel(cancel) for cancel in ending.cancels],
            "cancel_errors": _cancel_errors(ending.cancels),
            "closing": closing,
            "ledger": desk.ledger.path,
        }
    )


def build_day_document(report: DayReport) -> str:
    """What `ledger show` shows."""
    return _build_json(
        {
            "venue": report.venue,
            "trading_day": report.trading_day,
            "starts_at": report.starts_at,
            "ends_at": report.ends_at,
            "ledger": report.ledger_path,
            "head_seq": report.head_seq,
            "head_hashes": report.head_hashes,
            "is_chain_intact": None if report.head_seq is None else not report.altered,
            "altered": report.altered,
            "ledger_setback": report.ledger_setback,
            "flattens": [_flatten(record) for record in report.flattens],
            "verdicts": report.verdicts,
            "attempts": [_attempt(attempt) for attempt in report.attempts],
            "close_errors": _close_errors(report.attempts),
            "cancels": [_cancel(cancel) for cancel in report.cancels],
            "cancel_errors": _cancel_errors(report.cancels),
            "skipped_ticks": report.skipped_ticks,
        }
    )


def build_status_document(report: StatusReport) -> str:
    """What `status` shows."""
    accounts = [_account(account) for account in report.accounts]
    untold = [summarise_alert(alert) for alert in report.untold_alerts]
    return _build_json(_plain(report) | {"accounts": accounts, "untold_alerts": untold})


def build_checks_document(checks: Mapping[str, AccountCheck]) -> str:
    """What `preflight` shows."""
    return _build_json({"accounts": [{"name": name, **_check(check)} for name, check in checks.items()]})


def _closes(plan: ClosePlan) -> list[dict[str, Any]]:
    return [
        {
            "order": order,
            "instrument_id": line.instrument_id,
            "product_group": line.product_group,
            "position_sides": line.sides,
            "quantity_contracts": line.quantity_contracts,
            "notional_usdt": line.notional_usdt,
            "state": line.state,
            "concerns": line.concerns,
        }
        for order, line in enumerate(plan.lines, 1)
    ]


def _planned_orders(planned: PlannedOrders) -> dict[str, Any]:
    """The resting orders; null where the list could not be read, which is not the same as an empty one."""
    told = None
    if planned.orders is not None:
        told = [
            {**_plain(each.order), "can_open": each.order.can_open, "is_cancelled": each.is_cancelled}
            for each in planned.orders
        ]
    return {
        "cancel_orders": planned.cancel_orders,
        "resting": told,
        "elsewhere": planned.elsewhere,
        "failure": planned.failure,
        "not_read": NOT_READ_FOR_A_PLAN,
    }


def _attempt(attempt: CloseAttempt) -> dict[str, Any]:
    return {**_plain(attempt.intent), **_without(_plain(attempt), "intent", "close_errors")}


def _close_errors(attempts: Iterable[CloseAttempt]) -> list[dict[str, Any]]:
    return [
        {"attempt_id": attempt.intent.attempt_id, **_plain(item)} for attempt in attempts for item in attempt.close_errors
    ]


def _cancel(cancel: CancelAttempt) -> dict[str, Any]:
    return {**_plain(cancel.intent), **_without(_plain(cancel), "intent", "cancel_errors")}


def _cancel_errors(cancels: Iterable[CancelAttempt]) -> list[dict[str, Any]]:
    return [{"cancel_id": cancel.intent.cancel_id, **_plain(item)} for cancel in cancels for item in cancel.cancel_errors]


def _flatten(record: FlattenRecord) -> dict[str, Any]:
    return _without(_plain(record), "request", "settings_json") | {
        **_plain(record.request),
        "settings": json.loads(record.settings_json),
    }


def _check(check: AccountCheck) -> dict[str, Any]:
    return {**_plain(check), "is_passed": check.is_passed, "would_end_flat": check.would_end_flat}


def _account(account: AccountStatus) -> dict[str, Any]:
    return {
        "name": account.name,
        "instruments": account.instruments,
        "is_kill_switch_on": bool(account.kill_notes),
        "kill_notes": account.kill_notes,
        "arming": account.arming,
        "arming_findings": account.arming_findings,
        "last_check": _check(account.last_check.check) if account.last_check else None,
        "last_flatten": _flatten(account.last_flatten) if account.last_flatten else None,
        "is_flatten_unclosed": account.is_flatten_unclosed,
        "open_intents": [_attempt(attempt) for attempt in account.open_intents],
        "open_cancels": [_cancel(cancel) for cancel in account.open_cancels],
    }


def _without(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}


def _build_json(document: Mapping[str, Any]) -> str:
    return json.dumps(_plain(document), indent=2)


def _plain(value: Any) -> Any:
    """Records, amounts and instants as what JSON knows."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value) if isinstance(value, Path) else value
