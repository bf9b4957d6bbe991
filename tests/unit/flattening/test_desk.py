"""The desk's client: every lane that anybody sends in, each with the spacing that the settings give it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from deepcoin_ops.exchange.client import CANCEL_LANES, CLOSE_LANES
from deepcoin_ops.exchange.evidence import EVIDENCE_LANES
from deepcoin_ops.exchange.orders import ORDER_LANES
from deepcoin_ops.flattening import desk
from deepcoin_ops.settings import load_settings

SETTINGS = """
accounts: {main: {credentials_prefix: DEEPCOIN, instruments: [BTC-USDT-SWAP]}}
pace: {close_spacing_s: 1, positions_spacing_s: 2, account_spacing_s: 3, orders_spacing_s: 4, cancel_spacing_s: 5,
       trigger_cancel_spacing_s: 6, market_spacing_s: 7}
"""


def test_every_lane_has_the_spacing_that_the_settings_give_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing lane is an error in the middle of a flatten; one with another's spacing is a throttle or a lost minute."""
    built: dict[str, Mapping[str, float]] = {}

    def keep(folder: Path, spacings_s: Mapping[str, float], **_more: Any) -> None:
        built[folder.name] = spacings_s

    monkeypatch.setattr(desk, "FilePace", keep)
    path = tmp_path / "flatten.yaml"
    path.write_text(SETTINGS)
    settings = load_settings({"DEEPCOIN_OPS_SETTINGS": str(path)})
    desk.build_client(settings, settings.account(), {}).close()
    assert built["main"] == {
        **dict.fromkeys(CLOSE_LANES.values(), 1),
        "positions": 2,
        "account": 3,
        **dict.fromkeys(EVIDENCE_LANES, 3),
        **dict.fromkeys(ORDER_LANES, 4),
        **dict.fromkeys(CANCEL_LANES.values(), 5),
        "cancel-trigger": 6,
    }
    assert built["market"] == {"market": 7}
