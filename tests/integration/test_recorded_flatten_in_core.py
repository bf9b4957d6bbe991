"""A flatten that the controller ran and recorded, folded by the core: both say the same of every instrument."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from flatten_lab import build_scenario, open_lab, position, stubborn

from deepcoin_ops.core.judge import Proven, judge
from deepcoin_ops.core.state import fold
from deepcoin_ops.domain.facts import AnyFact, FlattenOpened, InstrumentsRead, VerdictsReached
from deepcoin_ops.domain.model import Instrument, InstrumentType, Verdict, product_group_of
from deepcoin_ops.paper.faults import Fault
from deepcoin_ops.paper.order_records import PaperOrder
from deepcoin_ops.paper.scenario import Scenario

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
HELD = [position(BTC, "1001", "5"), position(ETH, "1002", "7", "short")]
# The exchange's history is collected after the flatten, so that the core does not have it yet.
SAME = {
    Verdict.FLAT: Proven.FLAT_UNCONFIRMED,
    Verdict.ALREADY_FLAT: Proven.ALREADY_FLAT,
    Verdict.RESIDUAL: Proven.RESIDUAL,
    Verdict.UNVERIFIED: Proven.UNVERIFIED,
    Verdict.RESTING_ORDER_LEFT: Proven.RESTING_ORDER_LEFT,
}


def scenario_of(faults: Sequence[Fault] = (), orders: Sequence[PaperOrder] = ()) -> Scenario:
    """Two positions on a fast exchange."""
    return build_scenario(HELD, faults, orders=orders)


@pytest.mark.parametrize(
    ("scenario", "closed"),
    [
        pytest.param(scenario_of(), {BTC, ETH}, id="two-closes"),
        pytest.param(scenario_of(orders=[PaperOrder(BTC, "long", Decimal(2), order_id="O1")]), {BTC, ETH}, id="an-order"),
        pytest.param(scenario_of(stubborn(ETH)), {BTC}, id="one-stays-open"),
    ],
)
def test_the_core_reads_a_recorded_flatten_as_the_controller_did(
    tmp_path: Path, scenario: Scenario, closed: set[str]
) -> None:
    """The facts on record are all that the core needs; nothing has to be recorded anew for it."""
    with open_lab(tmp_path, scenario) as lab:
        outcome = lab.flatten()
        facts = [each.fact for each in lab.desk.ledger.read(flatten_id=outcome.closing.flatten_id)]
    known = [fact for fact in facts if fact is not None]
    opened, reached = known[0], next(fact for fact in known if isinstance(fact, VerdictsReached))
    assert isinstance(opened, FlattenOpened)
    assert len(known) == len(facts)
    proven = {
        each.instrument_id: each.proven for each in judge(fold(_until(reached, _with_listing(opened, known))), reached.at_s)
    }
    assert proven == {each.instrument_id: SAME[each.verdict] for each in reached.verdicts}
    assert {name for name in (BTC, ETH) if proven[name] is Proven.FLAT_UNCONFIRMED} == closed


def _until(end: AnyFact, facts: Sequence[AnyFact]) -> list[AnyFact]:
    return list(facts[: facts.index(end)])


def _with_listing(opened: FlattenOpened, facts: Sequence[AnyFact]) -> list[AnyFact]:
    """Add what the exchange lists, which the controller does not record."""
    listed = [
        Instrument(name, product_group_of(name), Decimal(1), Decimal("0.001"), Decimal("0.001"), None, "live")
        for name in opened.instruments
    ]
    reads: list[AnyFact] = [
        InstrumentsRead(
            flatten_id=opened.flatten_id,
            at_s=opened.at_s,
            instrument_type=kind,
            instruments=tuple(each for each in listed if each.product_group.instrument_type is kind),
        )
        for kind in InstrumentType
    ]
    return [facts[0], *reads, *facts[1:]]
