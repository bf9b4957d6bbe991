"""Scenarios: read from a file, and the two that are ready made."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from deepcoin_ops.domain.model import PositionSide, ProductGroup
from deepcoin_ops.paper.clock import PaperClock
from deepcoin_ops.paper.faults import FaultAction
from deepcoin_ops.paper.market import Market
from deepcoin_ops.paper.open_questions import ClosingRules, InstrumentForm, OrderRules, OversizeAnswer
from deepcoin_ops.paper.order_records import OrderKind
from deepcoin_ops.paper.scenario import build_demo_scenario, build_scale_scenario, read_scenario

YAML = """
instruments:
  - {instrument_id: BTC-USDT-SWAP, last_price: "97250.5", contract_size: "0.001"}
accounts:
  - name: main
    positions:
      - {instrument_id: BTC-USDT-SWAP, position_side: short, quantity_contracts: "3.5"}
limits: {mode: penal, period_s: 0.05}
faults:
  - {action: error_items, call: 2, position_side: short}
"""


def test_a_scenario_comes_from_yaml(tmp_path: Path) -> None:
    """Every field can be written down, amounts as text so that they stay exact."""
    path = tmp_path / "scenario.yaml"
    path.write_text(YAML, "utf-8")
    scenario = read_scenario(path)
    position = scenario.accounts[0].positions[0]
    assert (position.position_side, position.quantity_contracts) == (PositionSide.SHORT, Decimal("3.5"))
    assert scenario.limits.period_s == 0.05
    assert scenario.faults[0].action is FaultAction.ERROR_ITEMS


def test_orders_bots_and_open_questions_come_from_yaml_too(tmp_path: Path) -> None:
    """Everything an evening can go wrong with is written down in one file."""
    orders = """
    orders:
      - {instrument_id: BTC-USDT-SWAP, position_side: short, quantity_contracts: "2", fills_before_cancel: true}
      - {instrument_id: BTC-USDT-SWAP, position_side: short, kind: protection, fills_after_close_s: 1.5}
    bots:
      - position: {instrument_id: BTC-USDT-SWAP, position_side: long, quantity_contracts: "1"}
        opens_after_s: [2, 4.5]
closing: {oversize: refused, dust: left, copy_trading: spared, frozen: free_part_closes}
ordering: {first_list: "true", instrument_form: any, list_lag_s: 2}
"""
    path = tmp_path / "scenario.yaml"
    path.write_text(YAML.partition("limits:")[0] + orders.lstrip("\n"), "utf-8")
    scenario = read_scenario(path)
    account = scenario.accounts[0]
    assert [order.kind for order in account.orders] == [OrderKind.RESTING, OrderKind.PROTECTION]
    assert account.bots[0].opens_after_s == (2.0, 4.5)
    assert (scenario.closing.oversize, scenario.ordering.instrument_form) == (OversizeAnswer.REFUSED, InstrumentForm.ANY)
    assert len(Market(scenario, PaperClock()).orders.books["main"].orders) == 2


def test_the_demonstration_has_an_order_for_each_thing_that_becomes_of_one() -> None:
    """One holds the size of a position, one would open a flat instrument, one waits for a price, one is a stranger's."""
    [account] = build_demo_scenario().accounts
    closing, opening, trigger, strangers = account.orders
    held = {row.instrument_id: row.quantity_contracts for row in account.positions}
    assert (closing.closes, closing.quantity_contracts) == (True, held[closing.instrument_id])
    assert not opening.closes
    assert opening.instrument_id not in held
    assert (trigger.kind, trigger.closes, trigger.instrument_id in held) == (OrderKind.TRIGGER, False, True)
    assert strangers.instrument_id == "DOT-USDT-SWAP"
    scripts = {(order.fills_after_s, order.fills_after_close_s, order.fills_before_cancel) for order in account.orders}
    assert scripts == {(None, None, False)}


def test_the_demonstration_settles_nothing_anew() -> None:
    """It decides no open question in its own way, and nobody trades in it."""
    scenario = build_demo_scenario()
    assert [account.bots for account in scenario.accounts] == [()]
    assert (scenario.closing, scenario.ordering) == (ClosingRules(), OrderRules())
    assert scenario.closing.oversize is OversizeAnswer.WHOLE


@pytest.mark.parametrize(
    ("wrong", "named"),
    [("read_lag: 3", "read_lag"), ("latency_ms: fast", "latency_ms"), ("limits: {mode: gentle}", "mode")],
)
def test_a_wrong_key_or_value_is_named(tmp_path: Path, wrong: str, named: str) -> None:
    """A setting that is silently ignored makes a scenario say something it does not do."""
    path = tmp_path / "scenario.yaml"
    path.write_text(YAML.partition("limits:")[0] + wrong, "utf-8")
    with pytest.raises(ValueError, match=named):
        read_scenario(path)


def test_the_demonstration_holds_every_kind_of_position() -> None:
    """It is what a stranger sees first, so it should show everything."""
    market = Market(build_demo_scenario(), PaperClock())
    rows = market.all_rows("main")
    assert {row.instrument.product_group for row in rows} == set(ProductGroup)
    assert {row.position.position_side for row in rows} == set(PositionSide)
    assert {row.position.margin_mode for row in rows} == {"cross", "isolated"}
    assert {row.position.merge_mode for row in rows} == {"merge", "split"}
    assert set(market.instruments) - {row.instrument.instrument_id for row in rows}
    assert len({row.position.position_id for row in rows}) == len(rows) == 14


def test_the_scale_scenario_is_as_large_as_asked_and_repeatable() -> None:
    """A benchmark compares two runs over the same book."""
    scenario = build_scale_scenario(configured=200, open_positions=40, seed=7)
    positions = scenario.accounts[0].positions
    assert len(scenario.instruments) == 200
    assert len({position.instrument_id for position in positions}) == len(positions) == 40
    assert scenario == build_scale_scenario(configured=200, open_positions=40, seed=7)
    assert scenario != build_scale_scenario(configured=200, open_positions=40, seed=8)
