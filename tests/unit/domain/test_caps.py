"""Caps: what is more than they allow, whatever cannot be priced included."""

from dataclasses import replace
from decimal import Decimal

import pytest

from deepcoin_ops.domain.caps import Caps, OnCap, find_excess
from deepcoin_ops.domain.checks import FindingKind
from deepcoin_ops.domain.model import Instrument, Position, PositionSide, ProductGroup
from deepcoin_ops.domain.planning import MarketData, PlanLine

NO_CAPS = Caps(None, None, None, OnCap.REFUSE)
BTC = Instrument("BTC-USDT-SWAP", ProductGroup.SWAP_U, Decimal("0.001"), Decimal(1), Decimal(1), Decimal(200_000), "live")
MARKET = MarketData({"BTC-USDT-SWAP": BTC}, {})


def line(instrument_id: str, notional: str | None, average_price: str | None = "90000") -> PlanLine:
    """One open instrument of 100 contracts."""
    position = Position(
        instrument_id=instrument_id,
        product_group=ProductGroup.SWAP_U,
        position_id="1",
        position_side=PositionSide.LONG,
        quantity_contracts=Decimal(100),
        margin_mode="cross",
        merge_mode="merge",
        average_price=Decimal(average_price) if average_price else None,
        margin_currency="USDT",
    )
    known = Decimal(notional) if notional else None
    return PlanLine(instrument_id, ProductGroup.SWAP_U, Decimal(100), known, (position,), "live")


LINES = [line("BTC-USDT-SWAP", "9000"), line("ETH-USDT-SWAP", "3000")]


@pytest.mark.parametrize(
    ("caps", "kinds", "told"),
    [
        (NO_CAPS, [], ""),
        (replace(NO_CAPS, notional_usdt=Decimal(12_000)), [], ""),
        (replace(NO_CAPS, notional_usdt=Decimal("11999.99")), [FindingKind.CAP_EXCEEDED], "12,000 USDT are open"),
        (replace(NO_CAPS, instrument_notional_usdt=Decimal(9000)), [], ""),
        (replace(NO_CAPS, instrument_notional_usdt=Decimal(8999)), [FindingKind.CAP_EXCEEDED], "BTC-USDT-SWAP 9,000 USDT:"),
        (replace(NO_CAPS, open_instruments=2), [], ""),
        (replace(NO_CAPS, open_instruments=1), [FindingKind.CAP_EXCEEDED], "2 instruments are open"),
    ],
    ids=["none", "just within", "above", "each within", "one above", "as many", "one too many"],
)
def test_a_cap_holds_to_the_cent_and_its_own_limit_is_within(caps: Caps, kinds: list[FindingKind], told: str) -> None:
    """A desk that caps at what it holds must not be refused for it."""
    found = find_excess(LINES, MARKET, caps)
    assert [finding.kind for finding in found] == kinds
    assert all(finding.is_blocking and told in finding.text for finding in found)


def test_without_a_price_the_price_of_the_opening_stands_in() -> None:
    """A price list that is missing for a minute must not leave the account open; the cap is about orders of magnitude."""
    lines = [line("BTC-USDT-SWAP", None)]
    assert find_excess(lines, MARKET, replace(NO_CAPS, notional_usdt=Decimal(9000))) == ()
    [found] = find_excess(lines, MARKET, replace(NO_CAPS, notional_usdt=Decimal(8999)))
    assert found.kind is FindingKind.CAP_EXCEEDED


@pytest.mark.parametrize(
    ("lines", "market"),
    [
        ([line("BTC-USDT-SWAP", None, None)], MARKET),
        ([line("BTC-USDT-SWAP", None, "0")], MARKET),
        ([line("BTC-USDT-SWAP", None)], MarketData({}, {})),
    ],
    ids=["no average price", "an average price of zero", "no contract size"],
)
def test_what_cannot_be_priced_counts_as_above_the_cap(lines: list[PlanLine], market: MarketData) -> None:
    """Otherwise a missing list would be a way past it."""
    [found] = find_excess(lines, market, replace(NO_CAPS, notional_usdt=Decimal(10**9)))
    assert (found.kind, found.is_blocking) == (FindingKind.NOTIONAL_UNKNOWN, True)
    assert find_excess(lines, market, replace(NO_CAPS, open_instruments=1)) == ()


def test_a_desk_may_choose_to_close_all_the_same() -> None:
    """Then it is told, and blocks nothing."""
    chosen = Caps(Decimal(1), Decimal(1), 1, OnCap.CLOSE_AND_ALERT)
    found = find_excess(LINES, MARKET, chosen)
    assert len(found) == 3
    assert not any(finding.is_blocking for finding in found)
    assert all("closed all the same" in finding.text for finding in found)
