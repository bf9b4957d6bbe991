"""Which positions a settings file may expect to stay open, and what is wrong with others."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepcoin_ops.domain.errors import SettingsError
from deepcoin_ops.settings import load_settings

ACCOUNT = "accounts: {{main: {{credentials_prefix: DEEPCOIN, instruments: [BTC-USDT-SWAP], expected_positions: {}}}}}\n"


def expected(folder: Path, text: str) -> tuple[str, ...]:
    """What an account expects to stay open, by a settings file that says this."""
    path = folder / "desk.yaml"
    path.write_text(ACCOUNT.format(text))
    return load_settings({"DEEPCOIN_OPS_SETTINGS": str(path)}).account().expected_positions


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[DOT-USDT-SWAP, SOL-USDT]", ("DOT-USDT-SWAP", "SOL-USDT")),
        ("[{instrument: ETH-USD-SWAP, product_group: Swap}]", ("ETH-USD-SWAP",)),
        ("[]", ()),
        ("null", ()),
    ],
)
def test_instruments_that_are_never_closed_may_be_expected(tmp_path: Path, text: str, named: tuple[str, ...]) -> None:
    """Spot too, whatever close_spot says: nothing is sold by being expected."""
    assert expected(tmp_path, text) == named


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("[DOT-USDT-SWAP, BTC-USDT-SWAP]", "expected_positions[1]", "an instrument that is never closed"),
        ("[DOT-USDT-SWAP, DOT-USDT-SWAP]", "expected_positions[1]", "each instrument once"),
        ("[dot_usdt_swap]", "expected_positions[0]", "did you mean DOT-USDT-SWAP?"),
        ("[7]", "expected_positions[0]", "found 7"),
        ("DOT-USDT-SWAP", "expected_positions", "a list of instruments"),
    ],
)
def test_what_is_closed_misspelt_or_named_twice_is_refused(tmp_path: Path, text: str, place: str, problem: str) -> None:
    """A name that fits nothing would silence nothing, and one that is closed as well would mean two things."""
    with pytest.raises(SettingsError) as caught:
        expected(tmp_path, text)
    assert f"main.{place}" in str(caught.value)
    assert problem in str(caught.value)
