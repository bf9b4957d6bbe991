"""Answers of the history lists: a row that cannot be read wholly makes the page unreadable, never shorter."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from deepcoin_ops.domain.model import InstrumentType, PositionSide, ProductGroup
from deepcoin_ops.exchange.wire import parse_envelope
from deepcoin_ops.exchange.wire_evidence import parse_closed_positions, parse_fills
from deepcoin_ops.exchange.wire_values import UnreadableAnswer

PAYLOADS = Path(__file__).parents[2] / "payloads"
SWAP = InstrumentType.SWAP


def read_data(name: str) -> Any:
    """The `data` of a documented answer, through the same door as a real one."""
    body = json.loads((PAYLOADS / f"{name}.json").read_text("utf-8"))["body"]
    return parse_envelope(json.dumps(body).encode()).data


CLOSED = read_data("positions_history")[0]
FILL = read_data("fills")[0]


def test_a_documented_history_row_is_read_whole() -> None:
    """Sizes, prices and money keep their digits; empty money is missing, not zero."""
    (long, short), notes = parse_closed_positions(read_data("positions_history"), SWAP)
    assert (long.instrument_id, long.position_side, long.position_id) == (
        "BTC-USDT-SWAP",
        PositionSide.LONG,
        "1000777000000010",
    )
    assert (long.closed_contracts, long.average_close_price, long.pnl) == (
        Decimal(35),
        Decimal(91150),
        Decimal("-1.7675"),
    )
    assert (short.product_group, short.currency, short.closed_contracts) == (ProductGroup.SWAP, "BTC", Decimal("4.5"))
    assert (short.fee, short.funding_fee) == (None, None)
    assert notes == ()


def test_the_later_of_the_two_times_is_when_it_was_closed() -> None:
    """The pages label them contradictorily, and the second documented row has them the other way round."""
    rows, _notes = parse_closed_positions(read_data("positions_history"), SWAP)
    assert [row.closed_at.second for row in rows] == [0, 1]
    assert all(row.opened_at == datetime(2026, 1, 2, 11, 0, tzinfo=UTC) for row in rows)


def test_a_documented_fill_is_read_whole() -> None:
    """Fills are the only list in which a sale of spot shows."""
    (fill,), notes = parse_fills(read_data("fills"), SWAP)
    assert (fill.side, fill.position_side, fill.quantity_contracts) == ("sell", PositionSide.LONG, Decimal(35))
    assert (fill.price, fill.fee, fill.fee_currency) == (Decimal(91150), Decimal("-1.914"), "USDT")
    assert (fill.bill_id, fill.filled_at) == ("10001710000000211", datetime(2026, 1, 2, 23, 30, tzinfo=UTC))
    assert notes == ()


@pytest.mark.parametrize("data", [None, {}, "", {"rows": []}, [None]])
def test_data_that_is_no_list_of_rows_is_unreadable(data: Any) -> None:
    """An empty list says that nothing was closed; nothing else says it."""
    for parse in (parse_closed_positions, parse_fills):
        with pytest.raises(UnreadableAnswer):
            parse(data, SWAP)


@pytest.mark.parametrize(
    "change",
    [
        {"instId": ""},
        {"instType": "SPOT"},
        {"closePos": ""},
        {"closePos": "many"},
        {"closePos": None},
        {"closeAvgPx": "NaN"},
        {"pnl": "n/a"},
        {"cTime": ""},
        {"uTime": "yesterday"},
        {"uTime": "9" * 30},
    ],
)
def test_a_history_row_that_is_not_whole_makes_the_page_unreadable(change: dict[str, Any]) -> None:
    """Passed over, it would be a close that never happened."""
    with pytest.raises(UnreadableAnswer):
        parse_closed_positions([CLOSED, CLOSED | change], SWAP)


@pytest.mark.parametrize(
    "change", [{"instId": None}, {"side": ""}, {"side": "short"}, {"fillSz": ""}, {"fillPx": "x"}, {"fee": "x"}, {"ts": ""}]
)
def test_a_fill_that_is_not_whole_makes_the_page_unreadable(change: dict[str, Any]) -> None:
    """The same for fills."""
    with pytest.raises(UnreadableAnswer):
        parse_fills([FILL | change], SWAP)


def test_a_new_field_is_noticed_and_a_strange_side_or_id_is_kept() -> None:
    """What was closed is true whatever it is called; the comparison shows that it fits nothing."""
    (row,), notes = parse_closed_positions([CLOSED | {"posSide": "net", "instId": "BTC-USDT-261225", "adl": 1}], SWAP)
    assert (row.position_side, row.product_group) == (None, None)
    assert notes == (
        "positions history row with unknown field(s): adl",
        "positions history row with unreadable value(s) of: posSide",
    )
