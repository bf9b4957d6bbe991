"""What keeps a flatten from ending FLAT is found by the preflight before: each trouble, on a real exchange, both ways."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flatten_lab import Lab, build_scenario, open_lab, position, with_account, with_settings

from deepcoin_ops.domain.checks import AccountCheck, CheckPurpose, FindingKind
from deepcoin_ops.domain.model import FlattenResult, PositionSide
from deepcoin_ops.domain.orders import CancelOrders
from deepcoin_ops.flattening.preflight import check_account
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.listing import LISTED
from deepcoin_ops.paper.open_questions import ClosingRules, DustAnswer, OversizeAnswer
from deepcoin_ops.paper.order_records import OrderKind, PaperOrder

BTC, ETH, XRP, SOL = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "XRP-USDT-SWAP", "SOL-USDT-SWAP"
DOGE, LTC, ADA, LINK, DOT = "DOGE-USDT-SWAP", "LTC-USDT-SWAP", "ADA-USDT-SWAP", "LINK-USDT-SWAP", "DOT-USDT-SWAP"
LONG = PositionSide.LONG
OPEN = [position(BTC, "1", "500"), position(ETH, "2", "90"), position(XRP, "3", "40")]
# What keeps each of these instruments from being flat.
TROUBLES = {
    BTC: FindingKind.OVERSIZED,
    ETH: FindingKind.ODD_LOT,
    XRP: FindingKind.ORDER_HOLDS_SIZE,
    SOL: FindingKind.NOT_TRADING,
    DOGE: FindingKind.COPY_TRADING_LEFT,
    LTC: FindingKind.ORDER_LEFT,
    LINK: FindingKind.ORDER_LEFT,
    ADA: FindingKind.INSTRUMENT_UNLISTED,
}
ODD = {BTC: {"max_market_size": Decimal(100)}, ETH: {"lot_size": Decimal(7)}, SOL: {"state": "suspend"}}


def check(lab: Lab) -> AccountCheck:
    """A preflight of the lab's account, which sends nothing but reads."""
    found = check_account(lab.desk.settings, "main", CheckPurpose.PREFLIGHT, lab.said.append)
    assert {arrival.method for arrival in lab.exchange.arrivals()} == {"GET"}
    return found


def test_what_keeps_an_instrument_from_being_flat_is_foreseen_by_its_name(tmp_path: Path) -> None:
    """The preflight comes while a person can still act; after the flatten it is late."""
    positions = [
        *OPEN,
        position(SOL, "4", "30"),
        replace(position(DOGE, "5", "20", merge_mode="split"), is_leading=True),
    ]
    orders = (
        PaperOrder(XRP, LONG, Decimal(40), is_closing=True),
        PaperOrder(LTC, LONG, Decimal(3)),
        PaperOrder(LINK, LONG, Decimal(3), OrderKind.TRIGGER),
    )
    closing = ClosingRules(oversize=OversizeAnswer.REFUSED, dust=DustAnswer.REFUSED)
    odd = tuple(replace(each, **ODD.get(each.instrument_id, {})) for each in LISTED if each.instrument_id != ADA)
    scenario = replace(build_scenario(positions, orders=orders, closing=closing), instruments=odd)
    with open_lab(tmp_path, scenario) as lab:
        account: dict[str, Any] = {"instruments": (*TROUBLES, DOT), "cancel_orders": CancelOrders.NONE}
        lab = with_settings(with_account(lab, **account), max_rounds=2)
        found = check(lab)
        texts = {(finding.kind, name) for finding in found.findings for name in TROUBLES if name in finding.text}
        assert texts == {(kind, name) for name, kind in TROUBLES.items()}
        assert (found.is_passed, found.would_end_flat) == (True, False)
        verdicts = {verdict.instrument_id: verdict.verdict for verdict in lab.flatten().verdicts}
        assert {name for name, verdict in verdicts.items() if not verdict.is_flat} == set(TROUBLES)


@pytest.mark.parametrize(
    ("kind", "endpoint", "limits"),
    [
        (FindingKind.LISTING_UNREAD, "market/instruments", {}),
        (FindingKind.ORDERS_UNREADABLE, "v2/orders-pending", {}),
        (FindingKind.ORDERS_UNREADABLE, "trigger-orders-pending", {}),
        (FindingKind.DEADLINE_TOO_SHORT, None, {"max_deadline_s": 0.1}),
    ],
)
def test_what_keeps_the_account_from_being_proven_is_foreseen(
    tmp_path: Path, kind: FindingKind, endpoint: str | None, limits: dict[str, float]
) -> None:
    """A key that may not read a list, and more to close than there is time for."""
    faults = [Fault(FaultAction.AUTH_ERROR, endpoint, call=None, auth_code="50114")] if endpoint else []
    with open_lab(tmp_path, build_scenario(OPEN, faults)) as lab:
        lab = with_settings(with_account(lab, instruments=(BTC, ETH, XRP, DOT), close_spot=False), **limits)
        found = check(lab)
        assert [finding.kind for finding in found.findings] == [kind]
        assert (found.is_passed, found.would_end_flat) == (True, False)
        assert lab.flatten().closing.result is not FlattenResult.FLAT


def test_what_ends_flat_is_not_doubted(tmp_path: Path) -> None:
    """Orders that are cancelled, positions that are closed, and nothing else."""
    orders = (PaperOrder(LTC, LONG, Decimal(3)), PaperOrder(XRP, LONG, Decimal(3), OrderKind.TRIGGER))
    with open_lab(tmp_path, build_scenario(OPEN, orders=orders)) as lab:
        lab = with_account(lab, instruments=(BTC, ETH, XRP, LTC), close_spot=False)
        found = check(lab)
        assert (found.findings, found.would_end_flat) == ((), True)
        assert lab.flatten().closing.result is FlattenResult.FLAT
