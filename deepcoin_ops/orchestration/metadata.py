"""What the ops leave on their runs for people: records in, Dagster metadata out. Nothing is read or decided here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from deepcoin_ops.domain.model import InstrumentVerdict
from deepcoin_ops.domain.planned_orders import NOT_READ_FOR_A_PLAN, PlannedOrders
from deepcoin_ops.domain.planning import ClosePlan, describe_notional
from deepcoin_ops.flattening.observation import AccountPlan
from deepcoin_ops.flattening.progress import FlattenOutcome
from deepcoin_ops.orchestration.shown import build_markdown, show_metadata, show_paragraph

_MOST_ORDERS = 50


def build_before_metadata(plan: ClosePlan, spared: Mapping[str, str]) -> dict[str, Any]:
    """What was open before the first send, and what of it the settings leave open."""
    return show_metadata({"open before": _build_plan_table(plan), "left open by the settings": spared})


def build_plan_metadata(found: AccountPlan) -> dict[str, Any]:
    """What a flatten would close and cancel now."""
    plan = found.plan
    shown = {
        "open now": _build_plan_table(plan),
        "notional_usdt": float(plan.notional_usdt),
        "left open by the settings": dict(found.spared),
        "not configured, never closed": sorted({row.instrument_id for row in plan.unconfigured}),
        "expected to stay open": sorted({row.instrument_id for row in plan.expected}),
        "held back": dict(found.held_back),
        "findings": [f"{finding.kind}: {finding.text}" for finding in found.findings],
        "resting orders": _build_orders_table(found.orders),
        "kill switch": found.kill_reason or "off",
    }
    return show_metadata(shown)


def build_outcome_metadata(outcome: FlattenOutcome) -> dict[str, Any]:
    """How a flatten ended."""
    closing = outcome.closing
    residual = closing.residual_notional_usdt
    shown = {
        "verdicts": _build_verdict_table(outcome.verdicts),
        "residual_notional_usdt": "unknown" if residual is None else float(residual),
        "result": closing.result.value,
        "reason": closing.reason,
        "rounds": closing.rounds,
        "sends": closing.sends,
        "refused_sends": closing.refused_sends,
        "cancels": outcome.cancels,
        "time_to_last_close_s": closing.time_to_last_close_s if closing.time_to_last_close_s is not None else "none sent",
        "time_to_proven_flat_s": (
            closing.time_to_proven_flat_s if closing.time_to_proven_flat_s is not None else "not proven"
        ),
        "not configured, never closed": dict(closing.unconfigured),
    }
    return show_metadata(shown)


def _build_plan_table(plan: ClosePlan) -> dg.MetadataValue[Any]:
    rows = [
        {
            "instrument": line.instrument_id,
            "side": line.sides,
            "size": line.quantity_contracts,
            "notional": describe_notional(line.notional_usdt),
            "state": line.state,
            "concerns": "; ".join(line.concerns.values()),
        }
        for line in plan.lines
    ]
    return build_markdown(rows, "nothing")


def _build_orders_table(planned: PlannedOrders) -> dg.MetadataValue[Any]:
    """The resting orders with what a flatten would do to each; their number, or why it is not known, stands below."""
    orders = planned.orders or ()
    rows = [
        {
            "instrument": each.order.instrument_id,
            "order": each.order.describe(),
            "if it is left": each.effect,
            "a flatten": "cancels it" if each.is_cancelled else "leaves it",
        }
        for each in orders[:_MOST_ORDERS]
    ]
    more = len(orders) - len(rows)
    table = build_markdown(rows, "").value or ""
    parts = [table, f"... and {more} more" if more else "", show_paragraph(f"{planned.describe()} {NOT_READ_FOR_A_PLAN}")]
    return dg.MetadataValue.md("\n\n".join(filter(None, parts)))


def _build_verdict_table(verdicts: Sequence[InstrumentVerdict]) -> dg.MetadataValue[Any]:
    rows = [
        {
            "instrument": verdict.instrument_id,
            "verdict": verdict.verdict.value,
            "cause": verdict.cause or "",
            "notional before": describe_notional(verdict.notional_before_usdt),
            "notional after": describe_notional(verdict.notional_after_usdt),
            "attempts": verdict.attempts,
            "reason": verdict.reason,
        }
        for verdict in verdicts
    ]
    return build_markdown(rows, "none: a dry run")
