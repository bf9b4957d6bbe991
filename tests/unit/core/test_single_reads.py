"""What is proven by single reads, where no drawn night is sure to bring them about."""

from __future__ import annotations

from decimal import Decimal

import pytest

from deepcoin_ops.core import judge
from deepcoin_ops.core.state import fold
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.limits import Limits
from deepcoin_ops.domain.model import Instrument, InstrumentType, Position, ProductGroup
from deepcoin_ops.domain.orders import Order, OrderKind, OrderList

SPOT = "BTC-USDT"
OWN = {"flatten_id": "one"}
OPENED = f.FlattenOpened(**OWN, at_s=0.0, instruments=(SPOT,), configured=(SPOT,), limits=Limits())
LISTED = Instrument(SPOT, ProductGroup.SPOT, Decimal(1), Decimal(1), Decimal(6), None, "live")

RESTING = Order(OrderKind.RESTING, "ETH-USDT", "7", "sell", None, Decimal(5), Decimal(1))


def read_spot(started_s: float, contracts: int) -> f.PositionsRead:
    """A positions read of a holding of spot."""
    row = Position(SPOT, ProductGroup.SPOT, "", None, Decimal(contracts), "cash", "merge", None, "USDT")
    return f.PositionsRead(
        **OWN, at_s=started_s + 0.1, started_s=started_s, instrument_type=InstrumentType.SPOT, rows=(row,)
    )


@pytest.mark.parametrize(
    ("before", "is_absent"),
    [((), False), ((5,), True), ((4,), True), ((9,), False), ((5, 9), False)],
    ids=["one read", "two", "two, and less before", "more before", "more between"],
)
def test_dust_takes_two_reads_like_what_is_gone(before: tuple[int, ...], is_absent: bool) -> None:
    """Each shows no more than the rest that cannot be sold."""
    market = (
        f.InstrumentsRead(**OWN, at_s=0.1, instrument_type=InstrumentType.SPOT, instruments=(LISTED,)),
        f.PricesRead(**OWN, at_s=0.1, prices={SPOT: Decimal(1)}),
    )
    reads = [read_spot(4.0 + 2 * number, contracts) for number, contracts in enumerate((*before, 5))]
    state = fold([OPENED, *market, *reads])
    each = state.instruments[SPOT]
    assert each.dust
    assert judge.f2_is_absent(state, each, judge.f1_counting(state, InstrumentType.SPOT)) is is_absent


@pytest.mark.parametrize(
    ("more", "since_s"),
    [({}, 5.0), ({"is_exhaustive": False}, 9.0), ({"pages": 2, "orders": (RESTING,)}, 9.0)],
    ids=["whole", "cut", "of two answers that the next does not confirm"],
)
def test_positions_are_read_after_the_first_list_that_can_prove_absence(more: dict[str, object], since_s: float) -> None:
    """An order that an earlier list left out may have filled since then."""
    lists = [
        f.OrdersRead(
            **OWN, at_s=at_s + 0.1, started_s=at_s, order_list=OrderList.RESTING, instrument_id=None,
            **{"orders": (), **others},
        )
        for at_s, others in ((5.0, more), (9.0, {}))
    ]  # fmt: skip
    state = fold([OPENED, *lists])
    assert judge.quiet_since_s(state, OrderList.RESTING, state.instruments[SPOT]) == since_s
