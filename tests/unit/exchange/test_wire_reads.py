"""Answers to reads: what is incomplete is unreadable and never empty, and oddities are kept or noticed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from deepcoin_ops.domain.model import InstrumentType, Position, PositionSide, ProductGroup
from deepcoin_ops.exchange import wire

PAYLOADS = Path(__file__).parents[2] / "payloads"
ROW = {"instType": "SWAP", "instId": "BTC-USDT-SWAP", "posId": "7", "posSide": "long", "pos": "35"}


def parse_positions(
    data: Any, instrument_type: InstrumentType = InstrumentType.SWAP
) -> tuple[tuple[Position, ...], tuple[str, ...]]:
    """The contracts page of an answer, unless another one is asked for."""
    return wire.parse_positions(data, instrument_type)


def read_data(name: str) -> Any:
    """The `data` of a documented answer, through the same door as a real one."""
    body = json.loads((PAYLOADS / f"{name}.json").read_text("utf-8"))["body"]
    return wire.parse_envelope(json.dumps(body).encode()).data


def test_an_envelope_tells_missing_data_from_null() -> None:
    """Null data is part of a proven refusal; missing data is no proof."""
    missing, null = wire.parse_envelope(b'{"code":"51"}'), wire.parse_envelope(b'{"code":"51","data":null}')
    assert (missing.has_data, missing.data) == (False, None)
    assert (null.has_data, null.data) == (True, None)
    assert missing.message == ""


def test_numbers_in_an_answer_keep_their_digits() -> None:
    """A size that passed through a binary fraction would no longer be the exchange's."""
    (position,), _notes = parse_positions(
        wire.parse_envelope(json.dumps({"code": 0, "data": [ROW]}).replace('"35"', "0.1").encode()).data
    )
    assert position.quantity_contracts == Decimal("0.1")


@pytest.mark.parametrize("data", [None, {}, "", 0, {"rows": []}, [None], [[]], [ROW, "x"]])
def test_positions_data_that_is_no_list_of_rows_is_unreadable(data: Any) -> None:
    """Taking it for an empty list would call an open account flat."""
    with pytest.raises(wire.UnreadableAnswer):
        parse_positions(data)


@pytest.mark.parametrize(
    "change",
    [
        {"instId": ""},
        {"instId": None},
        {"pos": ""},
        {"pos": None},
        {"pos": "many"},
        {"pos": "NaN"},
        {"pos": "Infinity"},
        {"pos": True},
        {"pos": ["35"]},
        {"instType": "SPOT"},
    ],
    ids=repr,
)
def test_one_unreadable_row_makes_the_whole_read_unreadable(change: dict[str, Any]) -> None:
    """A skipped row would be a position nobody closes, even one whose size reads as zero."""
    with pytest.raises(wire.UnreadableAnswer):
        parse_positions([ROW, ROW | change])


@pytest.mark.parametrize("name", ["instId", "pos"])
def test_a_row_without_a_needed_field_is_unreadable(name: str) -> None:
    """A missing field is as bad as an empty one."""
    with pytest.raises(wire.UnreadableAnswer):
        parse_positions([{key: value for key, value in ROW.items() if key != name}])


@pytest.mark.parametrize("side", ["", None, "net", "2"])
def test_a_side_of_another_spelling_keeps_the_row_without_a_side(side: Any) -> None:
    """A batch close takes every side; a row that stopped the read would leave the whole account open."""
    (position,), _notes = parse_positions([ROW | {"posSide": side}])
    assert (position.position_side, position.quantity_contracts) == (None, Decimal(35))


def test_an_empty_list_of_positions_is_readable() -> None:
    """This one, and only this one, says that nothing is open."""
    assert parse_positions(read_data("positions_none")) == ((), ())


def test_every_row_of_an_instrument_is_kept() -> None:
    """Sides, margin modes and split rows are separate positions, and a zero row is for the planner to judge."""
    positions, notes = parse_positions(read_data("positions_swap"))
    assert [(position.instrument_id, position.position_side, position.quantity_contracts) for position in positions] == [
        ("BTC-USDT-SWAP", PositionSide.LONG, Decimal(35)),
        ("BTC-USDT-SWAP", PositionSide.SHORT, Decimal(12)),
        ("ETH-USDT-SWAP", PositionSide.SHORT, Decimal("0.3")),
        ("BTC-USD-SWAP", PositionSide.LONG, Decimal(0)),
    ]
    assert [position.margin_mode for position in positions] == ["cross", "isolated", "cross", "cross"]
    assert positions[2].merge_mode == "split"
    assert positions[0].average_price == Decimal("91200.5")
    assert positions[0].position_id == "1000777000000010"
    assert notes == ()


@pytest.mark.parametrize(("side", "size"), [("long", "-35"), ("short", "-35"), ("short", -35)])
def test_a_sign_on_a_size_changes_neither_size_nor_side(side: str, size: Any) -> None:
    """Sizes are documented without a sign; a negative one must still count as open, not cancel another row out."""
    (position,), _notes = parse_positions([ROW | {"posSide": side, "pos": size}])
    assert (position.position_side.value, position.quantity_contracts) == (side, Decimal(35))


def test_a_spot_row_without_a_side_is_long() -> None:
    """The pages show an empty side for holdings, and a holding can only be owned."""
    (position,), _notes = parse_positions(read_data("positions_spot"), InstrumentType.SPOT)
    assert (position.product_group, position.position_side) == (ProductGroup.SPOT, PositionSide.LONG)
    assert (position.quantity_contracts, position.margin_mode, position.merge_mode) == (Decimal("4.25"), "cash", "")


def test_the_undocumented_fields_of_live_rows_are_known() -> None:
    """They were seen on the live service; a note on each read would drown a real change."""
    (position,), notes = parse_positions(read_data("positions_live_fields"))
    assert (position.is_leading, position.is_following) == (True, False)
    assert notes == ()


def test_copy_trading_flags_that_are_missing_are_not_false() -> None:
    """The documented rows lack them; "not a leader" would be a claim nobody made."""
    (position,), _notes = parse_positions([ROW])
    assert (position.is_leading, position.is_following) == (None, None)


def test_a_new_field_of_a_row_is_noticed_and_harmless() -> None:
    """A changed exchange shows first in a new field; it is said, and the read stays good."""
    positions, notes = parse_positions([ROW, ROW | {"adl": "3"}])
    assert len(positions) == 2
    assert notes == ("positions row with unknown field(s): adl",)


@pytest.mark.parametrize(
    "change", [{"avgPx": "n/a"}, {"avgPx": ["1"]}, {"posSide": "net"}, {"isLeading": "yes"}, {"isFollow": 1}], ids=str
)
def test_a_value_of_another_type_is_noticed_and_counts_as_missing(change: dict[str, Any]) -> None:
    """The size still counts; that the exchange writes something else now must not go unseen."""
    (position,), notes = parse_positions([ROW | change])
    assert position.quantity_contracts == Decimal(35)
    assert notes == (f"positions row with unreadable value(s) of: {next(iter(change))}",)


@pytest.mark.parametrize("change", [{"avgPx": ""}, {"avgPx": None}, {"isLeading": False}, {"posSide": "Short"}], ids=str)
def test_an_empty_or_known_value_is_no_change(change: dict[str, Any]) -> None:
    """The pages' own examples leave fields empty; crying about those would hide the day it matters."""
    assert parse_positions([ROW | change])[1] == ()


@pytest.mark.parametrize("instrument_id", ["BTCUSDT", "btc-usdt-swap", "BTC-USDT-261225", "BTC-USDT-SWAP-X"])
def test_an_oddly_named_instrument_is_kept_without_a_product_group(instrument_id: str) -> None:
    """It cannot be closed by its spelling, but the position is real and has to be reported."""
    (position,), _notes = parse_positions([ROW | {"instId": instrument_id}])
    assert (position.instrument_id, position.product_group) == (instrument_id, None)


def test_instruments_are_read_with_their_gaps() -> None:
    """The documented sample leaves ctType and ctValCcy empty; an empty size is unknown, not zero."""
    instruments = wire.parse_instruments(read_data("instruments"))
    groups = {name: instrument.product_group for name, instrument in instruments.items()}
    assert groups == {
        "BTC-USDT-SWAP": ProductGroup.SWAP_U,
        "BTC-USD-SWAP": ProductGroup.SWAP,
        "ETH-USDT-SWAP": ProductGroup.SWAP_U,
        "SOL-USDT": ProductGroup.SPOT,
    }
    assert instruments["BTC-USDT-SWAP"].contract_size == Decimal("0.001")
    assert instruments["BTC-USDT-SWAP"].max_market_size == Decimal(150000)
    assert (instruments["ETH-USDT-SWAP"].contract_size, instruments["ETH-USDT-SWAP"].max_market_size) == (None, None)
    assert instruments["ETH-USDT-SWAP"].state == "suspend"
    assert (instruments["SOL-USDT"].contract_size, instruments["SOL-USDT"].min_size) == (Decimal(1), Decimal("0.05"))


def test_an_instrument_with_an_unknown_spelling_does_not_spoil_the_list() -> None:
    """The list only orders and guards closes; one new kind of product must not stop the others."""
    assert list(wire.parse_instruments([{"instId": "BTC-USDT-261225"}, {}, {"instId": "BTC-USDT"}])) == ["BTC-USDT"]


@pytest.mark.parametrize("value", ["0", "-0.001", "1e-400", "1E+400", "NaN", "", None])
def test_a_worthless_contract_or_price_is_unknown_and_passes_under_no_cap(value: Any) -> None:
    """A notional of nothing would be below every cap, and a negative one would hide others."""
    row = {"instId": "BTC-USDT-SWAP", "ctVal": value, "lotSz": value, "minSz": value, "maxMktSz": value, "state": "live"}
    found = wire.parse_instruments([row])["BTC-USDT-SWAP"]
    assert (found.contract_size, found.lot_size, found.max_market_size, found.min_size) == (None, None, None, 0)
    assert wire.parse_last_prices([{"instId": "BTC-USDT-SWAP", "last": value}]) == {}


def test_prices_that_are_empty_or_zero_are_left_out() -> None:
    """A zero price would make a large position look worthless and close it last."""
    assert wire.parse_last_prices(read_data("tickers")) == {
        "BTC-USDT-SWAP": Decimal("91300.1"),
        "BTC-USD-SWAP": Decimal(91310),
    }


@pytest.mark.parametrize("data", [None, {}, "x", [1]])
def test_lists_that_are_no_lists_are_unreadable(data: Any) -> None:
    """Instruments and prices follow the same rule as positions."""
    with pytest.raises(wire.UnreadableAnswer):
        wire.parse_instruments(data)
    with pytest.raises(wire.UnreadableAnswer):
        wire.parse_last_prices(data)


@pytest.mark.parametrize("ts", [1767355200123, "1767355200123"])
def test_the_server_time_is_read_in_milliseconds(ts: Any) -> None:
    """Documented as a number, like so much else possibly text."""
    expected = datetime(2026, 1, 2, 12, 0, 0, 123000, tzinfo=UTC)
    assert wire.parse_server_time({"ts": ts}) == expected
    assert wire.parse_server_time(read_data("server_time")) == expected


@pytest.mark.parametrize(
    "data", [None, {}, [], {"ts": ""}, {"ts": None}, {"ts": "soon"}, {"ts": True}, {"ts": 10**17}, {"ts": 10**30}]
)
def test_a_server_time_without_a_number_is_unreadable(data: Any) -> None:
    """A clock corrected by a guess would sign requests that are refused."""
    with pytest.raises(wire.UnreadableAnswer):
        wire.parse_server_time(data)


def test_a_uid_is_text_whatever_its_type() -> None:
    """It is compared with a written one, and a large number must not lose digits."""
    assert wire.parse_uid(read_data("uid")) == "10000042"
    assert wire.parse_uid({"uid": 10000042}) == "10000042"


@pytest.mark.parametrize("data", [None, {}, [], {"uid": ""}, {"uid": None}, {"uid": True}])
def test_a_missing_uid_is_unreadable(data: Any) -> None:
    """An empty uid could equal another empty one and let a live flatten pass."""
    with pytest.raises(wire.UnreadableAnswer):
        wire.parse_uid(data)
