"""The records' few rules: which product group an id belongs to, and what counts as success."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcoin_ops.domain import model
from deepcoin_ops.domain.model import InstrumentType, ProductGroup, Verdict, product_group_of


@pytest.mark.parametrize(
    ("instrument_id", "group"),
    [
        ("BTC-USDT", ProductGroup.SPOT),
        ("BTC-USD", ProductGroup.SPOT),
        ("BTC-USD-SWAP", ProductGroup.SWAP),
        ("BTC-USDT-SWAP", ProductGroup.SWAP_U),
        ("BTC-USDC-SWAP", ProductGroup.SWAP_U),
        ("1000PEPE-USDT-SWAP", ProductGroup.SWAP_U),
        ("USD-USDT-SWAP", ProductGroup.SWAP_U),
    ],
)
def test_a_product_group_follows_from_the_spelling(instrument_id: str, group: ProductGroup) -> None:
    """A close in the wrong group may be answered like a success, so the id alone decides; the quote, not the base."""
    assert product_group_of(instrument_id) is group


@pytest.mark.parametrize(
    "instrument_id",
    [
        "",
        "BTC",
        "BTCUSDT",
        "btc-usdt",
        "BTC-USDT-swap",
        "BTC-USDT-SWAP-1",
        "BTC-USDT-261225",
        "BTC--SWAP",
        "-",
        "BTC_USDT",
        "BTC-USDT ",
        "BTÇ-USDT",
    ],
)
def test_an_id_of_another_spelling_is_refused(instrument_id: str) -> None:
    """A guess at the group of an unknown kind of product could close nothing and look like success."""
    with pytest.raises(ValueError, match="is not an instrument id such as"):
        product_group_of(instrument_id)


@given(st.text(max_size=24))
def test_any_text_has_a_group_or_is_refused(text: str) -> None:
    """Ids come from settings and from the exchange; neither may bring anything but a group or a ValueError."""
    try:
        group = product_group_of(text)
    except ValueError:
        return
    assert text.endswith("-SWAP") == (group.instrument_type is InstrumentType.SWAP)


def test_both_kinds_of_swaps_are_read_as_one_instrument_type() -> None:
    """The exchange closes by product group and reads by instrument type; one swap read covers both groups."""
    assert [group.instrument_type.value for group in ProductGroup] == ["SPOT", "SWAP", "SWAP"]


def test_only_proven_flat_is_success() -> None:
    """A verdict that is added one day is no success until somebody says so."""
    assert {verdict for verdict in Verdict if verdict.is_flat} == {Verdict.ALREADY_FLAT, Verdict.FLAT}


def test_every_record_is_frozen() -> None:
    """Records pass between threads and rooms; one that can change is no evidence."""
    records = [kind for kind in vars(model).values() if isinstance(kind, type) and dataclasses.is_dataclass(kind)]
    assert len(records) > 10
    assert [record.__name__ for record in records if not record.__dataclass_params__.frozen] == []


def test_closed_is_said_of_the_positions_and_flat_of_the_orders_too() -> None:
    """An order that waits takes the success away, and not the proof that nothing is open."""
    assert {verdict for verdict in Verdict if verdict.is_closed} - {verdict for verdict in Verdict if verdict.is_flat} == {
        Verdict.RESTING_ORDER_LEFT
    }
    assert not Verdict.RESIDUAL.is_closed
    assert not Verdict.UNVERIFIED.is_closed
