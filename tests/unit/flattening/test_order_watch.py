"""Which order lists prove what: late enough, whole, and newer than what could still have changed."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from deepcoin_ops.domain.model import PositionSide, RawAnswer
from deepcoin_ops.domain.orders import Order, OrderKind, OrderList, OrdersRead
from deepcoin_ops.flattening.order_watch import OrderWatch

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
SETTLE_S = 3.0
NOW_S = time.monotonic()
AT = datetime(2026, 5, 4, 21, 0, tzinfo=UTC)
PAGE = RawAnswer(200, b"{}", 2)
OPENS = Order(OrderKind.RESTING, BTC, "1", "buy", PositionSide.LONG, Decimal(1), None)
CLOSES = replace(OPENS, order_id="2", side="sell")
FIRES = replace(OPENS, kind=OrderKind.TRIGGER)


class Closes:
    """When the closes of BTC were settled, for the watch to ask."""

    settled_s: float | None = float("-inf")

    def __call__(self, instrument_id: str) -> float | None:
        """ETH was never closed."""
        return self.settled_s if instrument_id == BTC else float("-inf")


def read(
    order_list: OrderList,
    started_s: float,
    *orders: Order,
    instrument_id: str | None = BTC,
    pages: int = 1,
    cut: bool = False,
) -> OrdersRead:
    """A list that was begun so many seconds after the start of these tests."""
    at = AT + timedelta(seconds=started_s)
    name = None if order_list is OrderList.RESTING else instrument_id
    return OrdersRead(order_list, name, orders, at, at, NOW_S + started_s, (PAGE,) * pages, not cut)


def resting(started_s: float, *orders: Order, pages: int = 1) -> OrdersRead:
    """The list of resting orders."""
    return read(OrderList.RESTING, started_s, *orders, pages=pages)


def triggers(started_s: float, *orders: Order, instrument_id: str = BTC, cut: bool = False) -> OrdersRead:
    """The list of the trigger orders of an instrument."""
    return read(OrderList.TRIGGER, started_s, *orders, instrument_id=instrument_id, cut=cut)


def watch(*reads: OrdersRead, closed_s: float | None = float("-inf")) -> OrderWatch:
    """A watch of a flatten that has settled at 0 and has taken in these lists; the closes of BTC were settled then."""
    closes = Closes()
    closes.settled_s = None if closed_s is None else NOW_S + closed_s
    found = OrderWatch([BTC, ETH], closes, SETTLE_S, started_s=NOW_S - SETTLE_S)
    for each in reads:
        found.note_read(each)
    return found


@pytest.mark.parametrize(
    ("reads", "closed_s", "missing"),
    [
        pytest.param([], float("-inf"), "not read late enough", id="nothing read"),
        pytest.param([resting(9)], float("-inf"), "trigger orders was not read", id="no trigger list"),
        pytest.param([triggers(1)], float("-inf"), "resting orders was not read", id="no resting list"),
        pytest.param([triggers(1), resting(9)], float("-inf"), None, id="both"),
        pytest.param([triggers(-1), resting(9)], float("-inf"), "trigger orders was not read", id="before it had settled"),
        pytest.param([triggers(1), resting(3)], float("-inf"), "resting orders was not read", id="resting too soon"),
        pytest.param([triggers(1), resting(9)], 5.0, "trigger orders was not read", id="a trigger list before the close"),
        pytest.param([triggers(6), resting(9)], 5.0, None, id="both after the close"),
        pytest.param([triggers(6), resting(9)], None, "not read late enough", id="a close in flight"),
        pytest.param([triggers(6, cut=True), resting(9)], 5.0, "may have been cut", id="a full page"),
        pytest.param([triggers(6), resting(8)], 5.0, "resting orders was not read", id="a trigger may have fired since"),
        pytest.param([triggers(1), triggers(6), resting(8)], 5.0, None, id="none fired: there was none before"),
        pytest.param([triggers(1, FIRES), triggers(6), resting(8)], 5.0, "resting orders", id="one was there before"),
        pytest.param([triggers(1), resting(9, pages=2)], float("-inf"), "several pages", id="several pages once"),
        pytest.param([triggers(1), resting(8, pages=2), resting(9, pages=2)], float("-inf"), None, id="twice"),
        pytest.param(
            [triggers(1), resting(8, OPENS, pages=2), resting(9, pages=2)],
            float("-inf"),
            "several pages",
            id="only the last",
        ),
    ],
)
def test_a_list_is_missing_unless_it_is_whole_and_late_enough(
    reads: list[OrdersRead], closed_s: float | None, missing: str | None
) -> None:
    """Each of these once hid an order that was really there."""
    told = watch(*reads, closed_s=closed_s).evidence(BTC).missing
    if missing is None:
        assert told is None
    else:
        assert told is not None
        assert missing in told


def test_the_newest_list_that_counts_tells_what_is_left() -> None:
    """An older one, or one from before the close, is history."""
    found = watch(triggers(6, FIRES), resting(1, OPENS), resting(9, CLOSES), closed_s=5.0).evidence(BTC)
    assert (found.left, found.opening) == ((CLOSES, FIRES), (FIRES,))
    assert watch(resting(9, OPENS)).evidence(ETH).left == ()


def test_an_order_that_is_seen_needs_no_further_proof() -> None:
    """That it is there is shown by one list; that nothing else is there does not matter any more."""
    assert watch(triggers(1), resting(9, OPENS, pages=2)).evidence(BTC).missing is None
    assert watch(triggers(1, FIRES, cut=True), resting(9)).evidence(BTC).missing is None


def test_what_an_order_did_last_shows_in_positions_read_after_the_first_list_without_it() -> None:
    """An order that filled is gone from its list; its position is what counts."""
    found = watch(triggers(1), resting(2, OPENS), resting(6), resting(9)).evidence(BTC)
    assert found.positions_from_s == pytest.approx(NOW_S + 6 + SETTLE_S)
    early = watch(triggers(1), resting(2), resting(5), resting(9)).evidence(BTC)
    # The one at 2 is too early to show what a trigger order left behind when it fired.
    assert early.positions_from_s == pytest.approx(NOW_S + 5 + SETTLE_S)


def test_a_cancel_takes_away_the_evidence_of_its_own_list_and_instruments() -> None:
    """Lists trail the writes: what was read before the cancel has settled shows the time before it."""
    found = watch(triggers(0), triggers(0, instrument_id=ETH), resting(4))
    assert found.evidence(BTC).missing is None
    found.note_cancel(OrderList.RESTING, [BTC])
    assert not found.is_read(OrderList.RESTING, BTC)
    assert found.is_read(OrderList.TRIGGER, BTC)
    assert found.is_read(OrderList.RESTING, ETH)
    recheck_s = found.recheck_from_s()
    assert recheck_s is not None
    assert recheck_s >= NOW_S + SETTLE_S
    found.note_read(resting(recheck_s - NOW_S + 0.1))
    assert found.evidence(BTC).missing is None
    assert found.recheck_from_s() is None


def test_a_failure_is_told_with_what_is_missing_and_forgotten_when_the_list_came() -> None:
    """Whoever reads the verdict has to know whether the exchange or the time was the reason."""
    found = watch(triggers(1))
    assert [found.note_failure(OrderList.RESTING, None, "HTTP 502")[0] for _ in range(2)] == [1, 2]
    assert "(HTTP 502)" in (found.evidence(BTC).missing or "")
    found.note_read(resting(9))
    assert found.evidence(BTC).missing is None
    assert found.note_failure(OrderList.RESTING, None, "HTTP 502")[0] == 1


def test_when_the_looking_broke_off_that_is_what_is_missing() -> None:
    """A key that may not read orders is one reason for all instruments."""
    found = watch()
    found.broken_reason = "the order lists prove nothing: no permission"
    assert found.evidence(BTC).missing == "the order lists prove nothing: no permission"
