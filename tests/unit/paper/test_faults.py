"""Which call a fault strikes."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from deepcoin_ops.domain.model import PositionSide
from deepcoin_ops.paper.faults import Fault, FaultAction, FaultScript

CLOSE = "/deepcoin/trade/batch-close-position"


def struck_calls(fault: Fault, calls: int = 5) -> list[int]:
    """The numbers of the calls, counted from 1, that a script of one fault strikes."""
    script = FaultScript([fault])
    return [number for number in range(1, calls + 1) if script.take(CLOSE, "main", "BTC-USDT-SWAP")]


@pytest.mark.parametrize(
    ("fault", "struck"),
    [
        (Fault(FaultAction.HANG), [1]),
        (Fault(FaultAction.HANG, call=3), [3]),
        (Fault(FaultAction.HANG, call=2, until_call=4), [2, 3, 4]),
        (Fault(FaultAction.HANG, call=None), [1, 2, 3, 4, 5]),
        (Fault(FaultAction.HANG, endpoint="account/positions", call=None), []),
        (Fault(FaultAction.HANG, endpoint="close-position", call=None), []),
        (Fault(FaultAction.HANG, instrument_id="ETH-USDT-SWAP", call=None), []),
        (Fault(FaultAction.HANG, account="other", call=None), []),
    ],
)
def test_a_fault_strikes_the_calls_it_names(fault: Fault, struck: list[int]) -> None:
    """A script is only useful if it is exact."""
    assert struck_calls(fault) == struck


def test_a_call_taken_by_an_earlier_fault_is_not_counted_by_a_later_one() -> None:
    """So two faults about the same call both come true, one after the other."""
    script = FaultScript([Fault(FaultAction.THROTTLE), Fault(FaultAction.HANG)])
    taken = [script.take(CLOSE, "main", "BTC-USDT-SWAP") for _call in range(3)]
    assert [fault.action if fault else None for fault in taken] == [FaultAction.THROTTLE, FaultAction.HANG, None]


def test_a_fault_added_later_counts_from_then_on() -> None:
    """A test adds its fault when the world is where it wants it."""
    script = FaultScript()
    assert script.take(CLOSE, "main", None) is None
    script.append(Fault(FaultAction.RESET))
    assert script.take(CLOSE, "main", None) == Fault(FaultAction.RESET)


def test_only_the_named_side_is_spared() -> None:
    """A partial failure leaves one side open."""
    fault = Fault(FaultAction.ERROR_ITEMS, position_side=PositionSide.SHORT)
    assert fault.spares(PositionSide.SHORT)
    assert not fault.spares(PositionSide.LONG)
    assert not Fault(FaultAction.HANG).spares(PositionSide.LONG)


def test_a_misspelt_field_is_refused() -> None:
    """A fault that silently matched everything would be a test that proves nothing."""
    with pytest.raises(ValidationError, match="instrument"):
        Fault(FaultAction.HANG, instrument="BTC-USDT-SWAP")  # type: ignore[call-arg]


def test_only_rows_of_the_named_side_are_left_out() -> None:
    """A list of positions without some of its rows looks like one that is whole."""
    fault = Fault(FaultAction.LEFT_OUT, endpoint="account/positions", position_side=PositionSide.SHORT)
    assert fault.leaves_out(PositionSide.SHORT)
    assert not fault.leaves_out(PositionSide.LONG)
    assert not Fault(FaultAction.STALE_READ).leaves_out(PositionSide.LONG)
