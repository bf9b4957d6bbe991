"""What is open, what it is worth and in what order it is closed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcoin_ops.domain.model import Instrument, Position, PositionSide, ResidualCause, product_group_of
from deepcoin_ops.domain.planning import (
    MarketData,
    describe_lines,
    describe_notional,
    notional_of,
    plan_closes,
    price_lines,
    total_notional,
)

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def listed(instrument_id: str, contract_size: str | None = "1", min_size: str = "1", state: str = "live") -> Instrument:
    """A listed instrument."""
    size = None if contract_size is None else Decimal(contract_size)
    return Instrument(instrument_id, product_group_of(instrument_id), size, None, Decimal(min_size), None, state)


def held(instrument_id: str, quantity: str | Decimal, side: PositionSide = LONG, position_id: str = "1") -> Position:
    """A positions row; an id of unknown spelling has no product group."""
    try:
        group = product_group_of(instrument_id)
    except ValueError:
        group = None
    return Position(instrument_id, group, position_id, side, Decimal(quantity), "cross", "merge", None, "USDT")


MARKET = MarketData(
    instruments={
        instrument.instrument_id: instrument
        for instrument in (
            listed("BTC-USDT-SWAP", "0.001"),
            listed("BTC-USD-SWAP", "100"),
            listed("ETH-USDT-SWAP", "0.1", state="suspend"),
            listed("GAP-USDT-SWAP", None),
            listed("SOL-USDT", "1", min_size="0.05"),
        )
    },
    prices={
        "BTC-USDT-SWAP": Decimal(90000),
        "BTC-USD-SWAP": Decimal(90000),
        "ETH-USDT-SWAP": Decimal(3000),
        "GAP-USDT-SWAP": Decimal(7),
        "SOL-USDT": Decimal(150),
    },
)
NO_MARKET = MarketData({}, {})


@pytest.mark.parametrize(
    ("position", "notional"),
    [
        (held("BTC-USDT-SWAP", "35"), Decimal(3150)),
        (held("BTC-USDT-SWAP", "35", SHORT), Decimal(3150)),
        (held("BTC-USD-SWAP", "35"), Decimal(3500)),
        (held("ETH-USDT-SWAP", "0.3"), Decimal(90)),
        (held("SOL-USDT", "4.25"), Decimal("637.5")),
        (held("GAP-USDT-SWAP", "5"), None),
        (held("NEW-USDT-SWAP", "5"), None),
    ],
)
def test_a_notional_follows_the_kind_of_contract(position: Position, notional: Decimal | None) -> None:
    """Linear: size x contract x price. Inverse: the contract is dollars already. A gap is unknown, never zero."""
    assert notional_of(position, MARKET) == notional


def sized(state: str = "live", lot: str = "1", largest: str = "100", name: str = "BTC-USDT-SWAP") -> MarketData:
    """A market of one instrument with these rules."""
    size, group = Decimal(1), product_group_of(name)
    instrument = Instrument(name, group, size, Decimal(lot), Decimal(lot), Decimal(largest), state)
    return MarketData({name: instrument}, {name: Decimal(10)})


@pytest.mark.parametrize(
    ("quantity", "market", "concerns"),
    [
        ("5", sized(), {}),
        ("100", sized(), {}),
        ("101", sized(), {ResidualCause.OVERSIZED: "larger than one market order of 100"}),
        ("5.5", sized(), {ResidualCause.ODD_LOT: "not a multiple of the lot 1"}),
        ("5.5", sized(lot="0.1"), {}),
        ("50", sized(lot="1e-18"), {}),
        ("5", sized("suspend"), {ResidualCause.NOT_TRADING: "not trading: state suspend"}),
        ("5", sized("2"), {}),
        ("5", sized(""), {}),
        ("5", NO_MARKET, {}),
    ],
)
def test_a_plan_says_what_a_close_may_not_close_whole(
    quantity: str, market: MarketData, concerns: dict[ResidualCause, str]
) -> None:
    """Before anything is sent: a desk can still do something about it then."""
    (line,) = plan_closes(["BTC-USDT-SWAP"], [held("BTC-USDT-SWAP", quantity)], market).lines
    assert line.concerns == concerns
    assert all(words in describe_lines([line]) for words in concerns.values())


def test_the_largest_market_order_bounds_each_row_and_not_their_sum() -> None:
    """Rows are closed one by one: long and short of 60 each are two orders of 60."""
    rows = [held("BTC-USDT-SWAP", "60"), held("BTC-USDT-SWAP", "60", SHORT, "2")]
    (line,) = plan_closes(["BTC-USDT-SWAP"], rows, sized()).lines
    assert line.concerns == {}


def test_a_size_of_which_no_remainder_can_be_told_counts_as_odd() -> None:
    """A size of four hundred digits ends no plan."""
    (line,) = plan_closes(["BTC-USDT-SWAP"], [held("BTC-USDT-SWAP", "1E+400")], sized(largest="1E+18")).lines
    assert ResidualCause.ODD_LOT in line.concerns


@pytest.mark.parametrize(("quantity", "is_odd"), [("4.25", False), ("4.3", False), ("4.29", False)])
def test_what_a_spot_sale_leaves_below_the_minimum_is_no_concern(quantity: str, is_odd: bool) -> None:
    """It counts as flat afterwards, so a warning before every sale of spot would be noise."""
    (line,) = plan_closes(["SOL-USDT"], [held("SOL-USDT", quantity)], sized(lot="0.1", name="SOL-USDT")).lines
    assert (ResidualCause.ODD_LOT in line.concerns) == is_odd


def test_rows_of_copy_trading_are_named_in_the_plan() -> None:
    """They are somebody else's money, or follow somebody else's trades."""
    copied = replace(held("BTC-USDT-SWAP", "5", position_id="77"), is_following=True)
    (line,) = plan_closes(["BTC-USDT-SWAP"], [held("BTC-USDT-SWAP", "5"), copied], sized()).lines
    assert line.concerns == {ResidualCause.COPY_TRADING: "copy-trading position(s) 77"}


def test_an_inverse_contract_needs_no_price() -> None:
    """Its contract size is in USD, so a missing ticker does not make it unknown."""
    market = MarketData(MARKET.instruments, {})
    assert notional_of(held("BTC-USD-SWAP", "2"), market) == Decimal(200)
    assert notional_of(held("BTC-USDT-SWAP", "2"), market) is None


def test_the_largest_goes_first_and_the_unknown_before_it() -> None:
    """With equal time per close this takes the most exposure off soonest; an unknown one may be the largest."""
    rows = [held("ETH-USDT-SWAP", "0.3"), held("BTC-USDT-SWAP", "35"), held("GAP-USDT-SWAP", "1"), held("SOL-USDT", "4")]
    plan = plan_closes([row.instrument_id for row in rows], rows, MARKET)
    assert [line.instrument_id for line in plan.lines] == ["GAP-USDT-SWAP", "BTC-USDT-SWAP", "SOL-USDT", "ETH-USDT-SWAP"]


def test_lines_that_were_planned_without_prices_are_put_in_order_once_these_are_there() -> None:
    """A slow exchange may show positions long before prices; the lines are then what they would have been with them."""
    rows = [held("ETH-USDT-SWAP", "0.3"), held("BTC-USDT-SWAP", "35"), held("GAP-USDT-SWAP", "1"), held("SOL-USDT", "4")]
    blind = plan_closes([row.instrument_id for row in rows], rows, MarketData({}, {}))
    assert {line.notional_usdt for line in blind.lines} == {None}
    assert price_lines(blind.lines, MARKET) == list(plan_closes([row.instrument_id for row in rows], rows, MARKET).lines)


def test_one_line_gathers_every_row_of_its_instrument() -> None:
    """One batch close takes all rows of an instrument; long and short add up and never cancel out."""
    rows = [held("BTC-USDT-SWAP", "35", LONG, "1"), held("BTC-USDT-SWAP", "35", SHORT, "2")]
    (line,) = plan_closes(["BTC-USDT-SWAP"], rows, MARKET).lines
    assert (line.quantity_contracts, line.notional_usdt, line.sides) == (Decimal(70), Decimal(6300), "long+short")
    assert line.position_ids == {"1", "2"}


def test_zero_rows_are_flat() -> None:
    """A closed position may linger as a row of size zero."""
    rows = [
        held("BTC-USDT-SWAP", "0", LONG, "1"),
        held("ETH-USDT-SWAP", "0", LONG, "2"),
        held("ETH-USDT-SWAP", "1", SHORT, "3"),
    ]
    (line,) = plan_closes(["BTC-USDT-SWAP", "ETH-USDT-SWAP"], rows, MARKET).lines
    assert (line.instrument_id, line.sides, line.position_ids) == ("ETH-USDT-SWAP", "short", {"3"})


def test_the_smallest_fraction_of_a_contract_is_open() -> None:
    """There is no tolerance for contracts: what is not zero is a position."""
    assert plan_closes(["BTC-USDT-SWAP"], [held("BTC-USDT-SWAP", "0.00000001")], MARKET).lines


@pytest.mark.parametrize(
    ("quantity", "is_open"), [("0", False), ("0.049", False), ("0.05", False), ("0.050001", True), ("4", True)]
)
def test_spot_dust_counts_as_flat(quantity: str, is_open: bool) -> None:
    """No more than the smallest size cannot be sold, so it would never become flat."""
    assert bool(plan_closes(["SOL-USDT"], [held("SOL-USDT", quantity)], MARKET).lines) == is_open


def test_spot_dust_is_judged_by_the_sum_of_its_rows() -> None:
    """Two rows below the smallest size are one holding above it."""
    rows = [held("SOL-USDT", "0.03", position_id="1"), held("SOL-USDT", "0.03", position_id="2")]
    assert plan_closes(["SOL-USDT"], rows, MARKET).lines


def test_an_unlisted_spot_holding_has_no_dust() -> None:
    """Without a smallest size nothing is known to be unsellable."""
    assert plan_closes(["SOL-USDT"], [held("SOL-USDT", "0.0001")], NO_MARKET).lines


def test_what_nobody_configured_is_named_and_never_planned() -> None:
    """A position in an instrument that was not asked for may be somebody's on purpose; a zero row is nobody's."""
    rows = [
        held("BTC-USDT-SWAP", "1"),
        held("DOT-USDT-SWAP", "9"),
        held("XRP-USDT-SWAP", "0"),
        held("BTC-USDT-261225", "2"),
    ]
    plan = plan_closes(["BTC-USDT-SWAP"], rows, MARKET)
    assert [line.instrument_id for line in plan.lines] == ["BTC-USDT-SWAP"]
    assert [row.instrument_id for row in plan.unconfigured] == ["DOT-USDT-SWAP", "BTC-USDT-261225"]


def test_what_is_expected_to_stay_open_is_neither_planned_nor_unconfigured() -> None:
    """The settings name it, so that whatever is left is worth an alert."""
    rows = [held("BTC-USDT-SWAP", "1"), held("DOT-USDT-SWAP", "9"), held("XRP-USDT-SWAP", "3")]
    plan = plan_closes(["BTC-USDT-SWAP"], rows, MARKET, expected=["XRP-USDT-SWAP"])
    assert [row.instrument_id for row in plan.unconfigured] == ["DOT-USDT-SWAP"]
    assert [row.instrument_id for row in plan.expected] == ["XRP-USDT-SWAP"]


def test_what_is_configured_and_not_asked_for_is_neither_planned_nor_named() -> None:
    """A flatten by hand for one instrument must not report the desk's other instruments as strangers."""
    rows = [held("BTC-USDT-SWAP", "1"), held("ETH-USDT-SWAP", "9"), held("DOT-USDT-SWAP", "2")]
    plan = plan_closes(["BTC-USDT-SWAP"], rows, MARKET, configured=["BTC-USDT-SWAP", "ETH-USDT-SWAP"])
    assert [line.instrument_id for line in plan.lines] == ["BTC-USDT-SWAP"]
    assert [row.instrument_id for row in plan.unconfigured] == ["DOT-USDT-SWAP"]


def test_gaps_in_the_market_data_do_not_hide_a_position() -> None:
    """A failed ticker read changes the order of closes, not their number."""
    (line,) = plan_closes(["BTC-USDT-SWAP"], [held("BTC-USDT-SWAP", "5")], NO_MARKET).lines
    assert (line.notional_usdt, line.state, line.quantity_contracts) == (None, "", Decimal(5))


def test_a_line_carries_the_state_of_its_instrument() -> None:
    """A suspended instrument is planned all the same; a guard decides, with its name and size on record."""
    (line,) = plan_closes(["ETH-USDT-SWAP"], [held("ETH-USDT-SWAP", "1")], MARKET).lines
    assert line.state == "suspend"


def test_a_total_adds_what_is_known() -> None:
    """An unknown notional cannot be added and is said elsewhere."""
    rows = [held("BTC-USDT-SWAP", "35"), held("GAP-USDT-SWAP", "1"), held("BTC-USD-SWAP", "1")]
    plan = plan_closes([row.instrument_id for row in rows], rows, MARKET)
    assert plan.notional_usdt == total_notional(plan.lines) == Decimal(3250)
    assert total_notional([]) == 0


def test_lines_are_described_without_exponents() -> None:
    """Sizes are read by people in a hurry; 3E+1 is not one."""
    rows = [held("BTC-USD-SWAP", "30"), held("ETH-USDT-SWAP", "0.30"), held("GAP-USDT-SWAP", "1", SHORT)]
    plan = plan_closes([row.instrument_id for row in rows], rows, MARKET)
    assert describe_lines(plan.lines) == (
        "GAP-USDT-SWAP short 1 (notional unknown); BTC-USD-SWAP long 30 (3,000 USDT); ETH-USDT-SWAP long 0.3 (90 USDT, "
        "not trading: state suspend)"
    )
    assert describe_lines([]) == "nothing"
    assert describe_notional(Decimal("1234567.89")) == "1,234,568 USDT"


IDS = ["BTC-USDT-SWAP", "BTC-USD-SWAP", "ETH-USDT-SWAP", "GAP-USDT-SWAP", "NEW-USDT-SWAP", "SOL-USDT", "BTC-USDT-261225"]
ASKED = [instrument_id for instrument_id in IDS if instrument_id != "BTC-USDT-261225"]
rows_strategy = st.lists(
    st.builds(
        held,
        st.sampled_from(IDS),
        st.decimals(0, 10**6, places=4),
        st.sampled_from([LONG, SHORT]),
        st.uuids().map(str),
    )
)
asked_strategy = st.sets(st.sampled_from(ASKED))


@given(asked_strategy, rows_strategy)
def test_a_plan_is_ordered_by_unknown_first_then_falling_notional(asked: set[str], rows: list[Position]) -> None:
    """The order holds for any book, and the same book gives the same order."""
    plan = plan_closes(asked, rows, MARKET)
    notionals = [line.notional_usdt for line in plan.lines]
    known = [notional for notional in notionals if notional is not None]
    assert notionals[len(notionals) - len(known) :] == known == sorted(known, reverse=True)
    turned_round = plan_closes(asked, rows[::-1], MARKET).lines
    assert [line.instrument_id for line in turned_round] == [line.instrument_id for line in plan.lines]


@given(asked_strategy, rows_strategy)
def test_every_open_row_is_planned_unconfigured_or_dust(asked: set[str], rows: list[Position]) -> None:
    """No position may fall between the lines."""
    plan = plan_closes(asked, rows, MARKET)
    planned = {row.position_id for line in plan.lines for row in line.positions}
    unconfigured = {row.position_id for row in plan.unconfigured}
    assert not planned & unconfigured
    for row in rows:
        if row.quantity_contracts == 0:
            assert row.position_id not in planned | unconfigured
        elif row.instrument_id not in asked:
            assert row.position_id in unconfigured
        else:
            assert row.position_id in planned or row.instrument_id == "SOL-USDT"


@given(asked_strategy, rows_strategy)
def test_an_instrument_has_one_line_with_the_sum_of_its_rows(asked: set[str], rows: list[Position]) -> None:
    """Two lines would be two closes."""
    lines = plan_closes(asked, rows, MARKET).lines
    assert len({line.instrument_id for line in lines}) == len(lines)
    for line in lines:
        total = sum(row.quantity_contracts for row in rows if row.instrument_id == line.instrument_id)
        assert line.quantity_contracts == total > 0
