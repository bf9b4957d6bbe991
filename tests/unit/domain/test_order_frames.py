"""Cancels and waiting orders as tables: one row each, with what a person looks for."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pandas as pd
from account_days import (
    BTC,
    DAY,
    DOT,
    ETH,
    TICK,
    build_cancel,
    build_day,
    build_flatten,
    build_list,
    build_order,
    build_protection,
    build_verdict,
)

from deepcoin_ops.domain.day_frames import build_flatten_summary, build_reconciliation
from deepcoin_ops.domain.model import FlattenResult, Outcome, ResidualCause, Verdict
from deepcoin_ops.domain.order_frames import build_cancel_attempts, build_orders_after
from deepcoin_ops.domain.orders import OrderKind, OrderList
from deepcoin_ops.domain.tables import CANCEL_ATTEMPTS, FLATTEN_SUMMARY, ORDERS_AFTER, RECONCILIATION

TRIGGER = build_order(
    BTC, None, kind=OrderKind.TRIGGER, order_id="8", side="", quantity_contracts=None, price=None,
    trigger_price=Decimal("3000.5"), trigger_type="mark",
)  # fmt: skip
TRAILING = build_protection(BTC, kind=OrderKind.TRAILING, order_id="", price=None)
FLATTEN = build_flatten(
    build_verdict(BTC, Verdict.RESTING_ORDER_LEFT),
    build_verdict(ETH),
    result=FlattenResult.NOT_FLAT,
    cancels=(
        build_cancel(1, Outcome.PARTIAL),
        build_cancel(2, Outcome.UNKNOWN, sent_at=None, answered_at=None, error_code=None, http_status=None),
    ),
    orders_after=(
        build_list(build_order(BTC), build_order(DOT, order_id="9")),
        build_list(TRIGGER, instrument_id=BTC),
        build_list(TRAILING, instrument_id=BTC, kind=OrderList.TRAILING),
    ),
)


def test_a_cancel_is_a_row_with_what_it_named_and_what_came_back() -> None:
    """Which orders were to go, and which of them the exchange says did not."""
    frame = build_cancel_attempts(DAY, [build_day(FLATTEN)])
    assert CANCEL_ATTEMPTS.find_violations(frame) == []
    first, second = frame.to_dict("records")
    assert (first["trading_day"], first["account"], first["flatten_id"]) == (DAY, "main", "F0")
    assert (first["cancel_id"], first["order_kind"], first["send_number"]) == ("F0-C1", "RESTING", 1)
    assert (first["instrument_ids"], first["order_ids"], first["orders"]) == (f"{BTC}, {ETH}", "7001, 7002", 2)
    assert (first["outcome"], first["cancel_errors"], first["error_codes"]) == ("PARTIAL", 1, "24")
    assert (first["sent_at"], first["endpoint"], first["http_status"]) == (TICK, "/cancel", 200)
    assert (second["outcome"], second["cancel_errors"], second["error_codes"]) == ("UNKNOWN", 0, "")
    assert all(pd.isna(second[name]) for name in ("sent_at", "answered_at", "error_code", "http_status"))


def test_a_cancel_that_names_nothing_has_empty_lists() -> None:
    """All trigger orders of a product group at once."""
    cancel = build_cancel()
    whole = replace(cancel, intent=replace(cancel.intent, kind=OrderKind.TRIGGER, instrument_ids=(), order_ids=()))
    [row] = build_cancel_attempts(DAY, [build_day(build_flatten(cancels=(whole,)))]).to_dict("records")
    assert (row["instrument_ids"], row["order_ids"], row["orders"], row["order_kind"]) == ("", "", 0, "TRIGGER")


def test_every_order_of_the_last_lists_is_a_row_that_says_what_it_can_do() -> None:
    """Whoever cancels by hand needs its id, its list and whether it is dangerous; a trailing exit has no id."""
    frame = build_orders_after(DAY, [build_day(FLATTEN)])
    assert ORDERS_AFTER.find_violations(frame) == []
    shown = ["row_index", "order_list", "order_kind", "instrument_id", "order_id", "can_open", "is_configured"]
    assert list(frame[shown].itertuples(index=False, name=None)) == [
        (0, "RESTING", "RESTING", BTC, "7001", True, True),
        (1, "RESTING", "RESTING", DOT, "9", True, False),
        (2, "TRIGGER", "TRIGGER", BTC, "8", True, True),
        (3, "TRAILING", "TRAILING", BTC, "", False, True),
    ]
    limit, _other, trigger, _trailing = frame.to_dict("records")
    assert (limit["side"], limit["position_side"], limit["quantity_contracts"]) == ("buy", "long", Decimal("2.5"))
    assert (limit["price"], limit["read_purpose"], limit["is_dry_run"]) == (Decimal("60000.5"), "verify", False)
    assert limit["read_started_at"] == limit["read_finished_at"] == FLATTEN.orders_after[0].started_at
    assert (trigger["trigger_price"], trigger["trigger_type"], trigger["side"]) == (Decimal("3000.5"), "mark", "")
    assert all(pd.isna(trigger[name]) for name in ("position_side", "quantity_contracts", "price"))


def test_a_rehearsals_orders_are_marked_as_that() -> None:
    """It cancelled nothing: its orders are no omission."""
    dry = build_flatten(result=FlattenResult.DRY_RUN, is_dry_run=True, orders_after=(build_list(build_order()),))
    assert list(build_orders_after(DAY, [build_day(dry)])["is_dry_run"]) == [True]


def test_the_summary_counts_cancels_and_the_orders_of_what_was_asked_for() -> None:
    """Another instrument's orders are not the flatten's; a list that nobody read is no list without orders."""
    unread = build_flatten(build_verdict(), number=1)
    frame = build_flatten_summary(DAY, [build_day(FLATTEN, unread)])
    assert FLATTEN_SUMMARY.find_violations(frame) == []
    first, second = frame.to_dict("records")
    assert (first["cancels"], first["orders_left"], first["resting_order_left"], first["flat"]) == (2, 3, 1, 1)
    assert (second["cancels"], second["resting_order_left"], second["flat"]) == (0, 0, 1)
    assert pd.isna(second["orders_left"])


def test_the_reconciliation_counts_a_sides_orders_and_names_the_cause() -> None:
    """Zero says that a list was read and showed none."""
    frame = build_reconciliation(DAY, [build_day(FLATTEN)])
    assert RECONCILIATION.find_violations(frame) == []
    sides = frame["position_side"].fillna("none")
    told = dict(zip(zip(frame["instrument_id"], sides, strict=True), frame["orders_left"], strict=True))
    assert told == {(BTC, "long"): 2, (BTC, "none"): 1, (ETH, "none"): 0}
    verdict = build_verdict(BTC, Verdict.RESIDUAL, cause=ResidualCause.COPY_TRADING)
    residual = build_flatten(verdict, build_verdict(ETH), result=FlattenResult.NOT_FLAT)
    old = build_reconciliation(DAY, [build_day(residual)])
    assert RECONCILIATION.find_violations(old) == []
    assert old["orders_left"].isna().all()
    causes = dict(zip(old["instrument_id"], old["residual_cause"], strict=True))
    assert (causes[BTC], pd.isna(causes[ETH])) == ("COPY_TRADING", True)
