"""A spot rest that cannot be sold is dust where it is worth little, and keeps nothing from being flat."""

from __future__ import annotations

from decimal import Decimal

import pytest

from deepcoin_ops.core import judge, rules
from deepcoin_ops.core.judge import Proven
from deepcoin_ops.core.state import State, fold
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.limits import Limits
from deepcoin_ops.domain.model import Instrument, InstrumentType, Outcome, Position, ProductGroup
from deepcoin_ops.domain.orders import OrderList

SOL = "SOL-USDT"
OWN = {"flatten_id": "one"}


def hold(quantity: str, started_s: float) -> f.PositionsRead:
    """A read that shows a spot holding."""
    row = Position(SOL, ProductGroup.SPOT, "", None, Decimal(quantity), "cash", "", None, "SOL")
    return f.PositionsRead(
        **OWN, at_s=started_s + 0.1, started_s=started_s, instrument_type=InstrumentType.SPOT, rows=(row,)
    )


def play(quantity: str, min_size: str, price: str, code: str = "") -> State:
    """A holding whose sale is answered with a code, and the reads that prove the rest."""
    listed = Instrument(SOL, ProductGroup.SPOT, Decimal(1), None, Decimal(min_size), None, "live")
    facts: list[f.AnyFact] = [
        f.FlattenOpened(**OWN, at_s=0.0, instruments=(SOL,), configured=(SOL,), limits=Limits()),
        f.InstrumentsRead(**OWN, at_s=0.1, instrument_type=InstrumentType.SPOT, instruments=(listed,)),
        f.PricesRead(**OWN, at_s=0.1, prices={SOL: Decimal(price)}),
        hold(quantity, 0.2),
        f.FlattenAdmitted(**OWN, at_s=0.4),
    ]
    if code:
        call = f.Call(kind=f.CallKind.BATCH_CLOSE, lane=f.Lane.CLOSE, instrument_ids=(SOL,))
        facts += [
            f.CallIntended(**OWN, at_s=0.5, call_id="c", call=call),
            f.CallAnswered(**OWN, at_s=0.6, call_id="c", outcome=Outcome.PARTIAL, reason=code, code=code),
        ]
    for order_list, about, started_s in ((OrderList.TRIGGER, SOL, 4.0), (OrderList.RESTING, None, 7.5)):
        facts.append(
            f.OrdersRead(**OWN, at_s=started_s, started_s=started_s, order_list=order_list, instrument_id=about, orders=())
        )
    return fold([*facts, hold(quantity, 11.0), hold(quantity, 12.5)])


@pytest.mark.parametrize(
    ("quantity", "min_size", "price", "code", "expected"),
    [
        ("0.02", "0.1", "184", "", Proven.ALREADY_FLAT),
        ("0.02", "0.01", "184", "194", Proven.FLAT),
        ("0.02", "0.01", "184", "195", Proven.FLAT),
        ("0.02", "0.01", "184", "51020", Proven.RESIDUAL),
        ("5", "10", "60000", "", Proven.RESIDUAL),
        ("42.5", "1000", "184", "194", Proven.RESIDUAL),
    ],
    ids=["below the least size", "too small", "position too small", "another code", "worth much", "worth much, refused"],
)
def test_only_what_cannot_be_sold_and_is_worth_little_is_dust(
    quantity: str, min_size: str, price: str, code: str, expected: Proven
) -> None:
    """Below the least size alone says nothing: five coins may be worth a fortune."""
    state = play(quantity, min_size, price, code)
    [judgement] = judge.judge(state, 13.0)
    assert judgement.proven is expected
    if expected is not Proven.RESIDUAL:
        assert rules.choose_target(state, state.instruments[SOL]) is None
