"""How long a flatten takes without incidents, as it is reckoned and not read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from deepcoin_ops.flattening.durations import estimate_durations
from deepcoin_ops.settings import Settings, load_settings

TEXT = """
accounts: {main: {credentials_prefix: DEEPCOIN, close_spot: true, instruments: [BTC-USDT-SWAP, SOL-USDT]}}
pace: {close_spacing_s: 1, positions_spacing_s: 0.5, orders_spacing_s: 0.4, cancel_spacing_s: 2,
       trigger_cancel_spacing_s: 1, margin_ms: 0}
flatten: {settle_s: 3, read_gap_s: 1.5}
"""
CONTRACTS = ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP")


@pytest.fixture
def settings(settings_file: Callable[..., dict[str, str]]) -> Settings:
    """Lanes that can be told apart, and no margin."""
    return load_settings(settings_file("http://127.0.0.1:1", TEXT))


@pytest.mark.parametrize(
    ("instruments", "closes", "closing_s", "proven_s"),
    [
        # The reads: 3 s to settle, one page of 0.5 s, 1.5 s apart. The lists of three are over before that.
        (CONTRACTS, 3, 3.0, 3.0 + 3.0 + 0.5 + 1.5),
        # A positions page for spot too: 1 s a read, which is still less than the gap.
        ((*CONTRACTS, "SOL-USDT"), 3, 3.0, 3.0 + 3.0 + 1.0 + 1.5),
        # Nothing is open, but orders are looked for: three lists of 0.4 s, then 3 s until a read can follow them.
        (CONTRACTS, 0, 0.0, 0.0 + 3.0 + 0.5 + 1.5),
        # A hundred lists take longer than three closes; what was closed is asked about once more.
        (CONTRACTS * 33 + CONTRACTS[:1], 3, 3.0, 100 * 0.4 + 3.0 + 0.5),
        (CONTRACTS * 33 + CONTRACTS[:1], 20, 20.0, 120 * 0.4),
    ],
)
def test_the_proof_waits_for_the_reads_or_for_the_lists(
    settings: Settings, instruments: tuple[str, ...], closes: int, closing_s: float, proven_s: float
) -> None:
    """Whichever is later: with many flat instruments the lists are, and a desk has to know that before it waits."""
    estimated = estimate_durations(settings, instruments, closes, is_pace_shared=False)
    assert estimated == pytest.approx((closing_s, proven_s))


def test_with_one_budget_the_lists_come_after_the_closes(settings: Settings) -> None:
    """One list for each instrument, one for each close, the list of resting orders, three reads: all at the widest pace."""
    requests = 3 + 2 + 1 + 3
    estimated = estimate_durations(settings, CONTRACTS, 2, is_pace_shared=True)
    assert estimated == pytest.approx((2 * 2.0, 2 * 2.0 + 3.0 + requests * 2.0))
