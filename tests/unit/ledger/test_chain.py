"""The hash chain as arithmetic."""

import pytest

from deepcoin_ops.ledger.chain import FIRST_PREVIOUS_HASH, build_fact_hash, describe_alteration, describe_misfit
from deepcoin_ops.ledger.schema import facts

ROW = {
    "seq": 7,
    "account": "main",
    "trading_day": "2026-03-01",
    "flatten_id": "F1",
    "kind": "call_intended/1",
    "recorded_at": "2026-03-01T23:55:00.000000+00:00",
    "once_key": "intended A1",
    "body": '{"kind":"call_intended/1"}',
    "raw": b"bytes",
    "previous_hash": FIRST_PREVIOUS_HASH,
}


def test_every_column_is_covered() -> None:
    """A column outside the hash could be edited unseen."""
    assert set(facts.c.keys()) - set(ROW) == {"fact_hash"}


@pytest.mark.parametrize("name", list(ROW))
@pytest.mark.parametrize("other", ["other", b"other", None, 8.5, float("inf")])
def test_a_change_in_any_column_changes_the_hash(name: str, other: object) -> None:
    """Whatever a tool puts there: another text, bytes, nothing, a number without end."""
    assert build_fact_hash(ROW | {name: other}) != build_fact_hash(ROW)


def test_bytes_are_not_the_text_of_the_same_letters() -> None:
    """A text cell that was made bytes reads differently, so that it is another content."""
    assert build_fact_hash(ROW | {"account": b"main"}) != build_fact_hash(ROW)


def test_a_fact_fits_only_behind_its_predecessor() -> None:
    """Otherwise a lost fact would leave no gap."""
    row = ROW | {"fact_hash": build_fact_hash(ROW)}
    assert describe_alteration(row) is None
    assert describe_misfit(row, FIRST_PREVIOUS_HASH) is None
    assert "does not follow" in str(describe_misfit(row, "f" * 64))
    assert "not what was recorded" in str(describe_misfit(row | {"kind": "stop_asked/1"}, FIRST_PREVIOUS_HASH))
