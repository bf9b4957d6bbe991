"""What one close takes: everything, or the named rows alone. Most of it is seen at work in the integration tests."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcoin_ops.domain.model import Position, PositionSide, ProductGroup, product_group_of
from deepcoin_ops.domain.planning import PlanLine
from deepcoin_ops.exchange.client import BATCH_CLOSE, CLOSE_BY_IDS
from deepcoin_ops.flattening.targets import CloseTargets
from deepcoin_ops.settings import AccountSettings

BTC, SPOT = "BTC-USDT-SWAP", "SOL-USDT"


def row(
    position_id: str = "1", quantity: str = "5", instrument_id: str = BTC, *, is_copied: bool | None = None
) -> Position:
    """An open row."""
    group, size = product_group_of(instrument_id), Decimal(quantity)
    return Position(
        instrument_id, group, position_id, PositionSide.LONG, size, "cross", "split", None, "USDT", is_following=is_copied
    )


def line(*rows: Position, notional: str | None = "100") -> PlanLine:
    """A line of these rows."""
    size = sum((each.quantity_contracts for each in rows), Decimal(0))
    group = rows[0].product_group or ProductGroup.SWAP_U
    return PlanLine(rows[0].instrument_id, group, size, None if notional is None else Decimal(notional), rows, "live")


def targets(known: str = "1 2 3", **settings: bool) -> CloseTargets:
    """The targets of an account that knew these ids at its first read."""
    found = CloseTargets(AccountSettings("main", "DEEPCOIN", close_spot=True, instruments=(BTC, SPOT), **settings))
    found.know(frozenset(known.split()))
    return found


@pytest.mark.parametrize(
    ("open_line", "is_second_pass", "may_name_ids", "ids"),
    [
        (line(row()), False, True, None),
        (line(row("1"), row("2")), True, True, ["1", "2"]),
        (line(row("1"), row("2")), True, False, None),
        (line(row("1"), row("")), True, True, None),
        (line(row("1", instrument_id=SPOT)), True, True, None),
        (line(row("1"), row("2", is_copied=True)), False, True, ["1"]),
        (line(row("1", is_copied=False)), False, True, None),
    ],
)
def test_ids_are_named_in_a_second_pass_and_beside_a_row_that_stays(
    open_line: PlanLine, is_second_pass: bool, may_name_ids: bool, ids: list[str] | None
) -> None:
    """Spot has no ids to name, and a row without one cannot be named: then the instrument is closed whole."""
    target = targets().choose(open_line, is_second_pass=is_second_pass, may_name_ids=may_name_ids)
    assert target is not None
    assert target.endpoint == (BATCH_CLOSE if ids is None else CLOSE_BY_IDS)
    assert json.loads(target.body).get("positionIds") == ids


@pytest.mark.parametrize(
    "open_line",
    [
        line(row("1", is_copied=True)),
        line(row(""), row("2", is_copied=True)),
        line(row("1", instrument_id=SPOT), row("2", instrument_id=SPOT, is_copied=True)),
    ],
    ids=["nothing else", "the other row has no id", "spot"],
)
def test_nothing_is_sent_where_a_row_that_stays_could_not_be_spared(open_line: PlanLine) -> None:
    """A batch close might take it, and what cannot be named cannot be closed apart from it."""
    assert targets().choose(open_line, is_second_pass=False, may_name_ids=True) is None


def test_what_is_closed_beside_a_row_that_stays_has_its_share_of_the_notional() -> None:
    """Progress and exposure count what is really sent."""
    found = targets().choose(
        line(row("1", "15"), row("2", "5", is_copied=True), notional="80"), is_second_pass=False, may_name_ids=True
    )
    assert found is not None
    assert (found.quantity_contracts, found.notional_usdt) == (15, 60)
    unknown = targets().choose(
        line(row("1"), row("2", is_copied=True), notional=None), is_second_pass=False, may_name_ids=True
    )
    assert unknown is not None
    assert unknown.notional_usdt is None


@given(
    st.lists(st.tuples(st.sampled_from(["", "1", "2", "8", "9"]), st.booleans()), min_size=1, max_size=5),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_no_close_can_take_a_row_that_the_settings_leave_alone(
    found: list[tuple[str, bool]], close_copy_trading: bool, close_reopened: bool, is_second_pass: bool, may_name_ids: bool
) -> None:
    """Over any mix of rows: a batch close only where every row may go, an id only of a row that may."""
    rows = tuple(row(position_id, is_copied=is_copied) for position_id, is_copied in found)
    chooser = targets("1 2", close_copy_trading=close_copy_trading, close_reopened=close_reopened)
    target = chooser.choose(line(*rows), is_second_pass=is_second_pass, may_name_ids=may_name_ids)
    may_stay = [
        each
        for each in rows
        if (each.is_of_copy_trading and not close_copy_trading)
        or (each.position_id not in ("1", "2") and not close_reopened)
    ]
    assert bool(chooser.describe_spared(line(*rows))) == bool(may_stay)
    if target is not None and target.endpoint == BATCH_CLOSE:
        assert not may_stay
    if target is not None and target.endpoint == CLOSE_BY_IDS:
        named = json.loads(target.body)["positionIds"]
        assert len(named) == len(rows) - len(may_stay)
        assert may_name_ids
