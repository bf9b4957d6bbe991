"""The hash chain as arithmetic."""

import pytest

from deepcoin_ops.ledger.chain import FIRST_PREVIOUS_HASH, build_entry_hash, build_misfit

ENTRY = {
    "seq": 7,
    "kind": "close_intent",
    "account": "main",
    "trading_day": "2026-03-01",
    "flatten_id": "F1",
    "recorded_at": "2026-03-01T23:55:00.000000+00:00",
    "previous_hash": FIRST_PREVIOUS_HASH,
}
DETAILS = {"close_intents": [{"seq": 7, "attempt_id": "A1", "body": b"bytes", "notional_usdt": None, "wait_s": 3}]}


@pytest.mark.parametrize("name", list(ENTRY))
def test_a_change_in_any_field_of_the_entry_changes_its_hash(name: str) -> None:
    """A field outside the hash could be edited unseen."""
    assert build_entry_hash(ENTRY | {name: "other"}, DETAILS) != build_entry_hash(ENTRY, DETAILS)


@pytest.mark.parametrize("change", [{"attempt_id": "A2"}, {"body": b"other"}, {"notional_usdt": "1"}, {"wait_s": 3.5}])
def test_a_change_in_a_detail_row_changes_the_hash(change: dict[str, object]) -> None:
    """The details are what the entry is about."""
    changed = {"close_intents": [DETAILS["close_intents"][0] | change]}
    assert build_entry_hash(ENTRY, changed) != build_entry_hash(ENTRY, DETAILS)


def test_a_row_moved_to_another_table_changes_the_hash() -> None:
    """The same values mean something else there."""
    assert build_entry_hash(ENTRY, {"verdicts": DETAILS["close_intents"]}) != build_entry_hash(ENTRY, DETAILS)


def test_a_hash_survives_columns_and_tables_that_a_later_version_adds() -> None:
    """A migration must not make every old entry look altered."""
    later = {"close_intents": [DETAILS["close_intents"][0] | {"new_column": None}], "new_table": []}
    assert build_entry_hash(ENTRY, later) == build_entry_hash(ENTRY, DETAILS)


def test_a_whole_number_hashes_the_same_when_the_database_returns_it_as_a_float() -> None:
    """A 3 put into a column of floats comes back as 3.0, which is no alteration."""
    returned = {"close_intents": [DETAILS["close_intents"][0] | {"wait_s": 3.0}]}
    assert build_entry_hash(ENTRY, returned) == build_entry_hash(ENTRY, DETAILS)


def test_an_entry_fits_only_behind_its_predecessor() -> None:
    """Otherwise a lost entry would leave no gap."""
    entry = ENTRY | {"entry_hash": build_entry_hash(ENTRY, DETAILS)}
    assert build_misfit(entry, DETAILS, FIRST_PREVIOUS_HASH) is None
    assert "does not follow" in str(build_misfit(entry, DETAILS, "f" * 64))
    assert "not what was recorded" in str(build_misfit(entry | {"kind": "verdicts"}, DETAILS, FIRST_PREVIOUS_HASH))
