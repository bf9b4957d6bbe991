"""The shipped settings: what a fresh clone would close, held against what the exchange was seen to list."""

from __future__ import annotations

import json
from pathlib import Path

from deepcoin_ops.domain.model import ProductGroup, Venue, product_group_of
from deepcoin_ops.paper.listing import LISTED
from deepcoin_ops.settings import load_settings
from deepcoin_ops.settings_model import AccountSection

HERE = Path(__file__).parent


def test_the_shipped_file_loads_and_sells_no_spot() -> None:
    """A fresh clone works without editing anything, and what it leaves out is as safe as the default."""
    settings = load_settings({})
    instruments = settings.account().instruments
    assert settings.venue is Venue.PAPER
    assert settings.source_path.name == "flatten.yaml"
    assert {product_group_of(instrument) for instrument in instruments} == {ProductGroup.SWAP, ProductGroup.SWAP_U}
    assert not settings.account().close_spot
    assert AccountSection.model_fields["close_spot"].default is False


def test_the_shipped_instruments_are_listed() -> None:
    """One that the exchange does not list ends every night of a fresh clone UNVERIFIED.

    The recorded listing names the coin-margined contracts; of the others only the number was recorded.
    """
    seen = json.loads((HERE / "listing_of_2026_09_22.json").read_text())
    shipped = {each for each in load_settings({}).account().instruments if product_group_of(each) is ProductGroup.SWAP}
    on_paper = {each.instrument_id for each in LISTED if each.product_group is ProductGroup.SWAP}
    assert shipped
    assert shipped <= set(seen["names"]["Swap"])
    assert on_paper == set(seen["names"]["Swap"])
