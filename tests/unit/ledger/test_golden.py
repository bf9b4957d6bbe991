"""Each kind of fact is stored as its golden file says: what a ledger holds has to be read for ever."""

from pathlib import Path

import pytest
from golden_facts import (
    GOLDEN,
    build_samples,
    find_words,
    name_golden_file,
    read_bodies,
    read_stored,
    read_words,
    write_missing,
)

from deepcoin_ops.ledger.encoding import KINDS, build_body

WRITE = "`.venv/bin/python tests/support/golden_facts.py` writes what is missing."
NEW_VERSION = (
    "{kind} is not stored as it was. Ledgers hold it, so that it may not change: leave the fact and every record in it as "
    "they were, and make a new version of the kind beside it, `name/2` with a type of its own in domain/facts.py and in "
    f"AnyFact. {WRITE} Do not edit or remove a golden file."
)


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_kind_is_stored_as_it_ever_was(kind: str) -> None:
    """Another field, another name, another default, another spelling of a number: each is a new version."""
    path = GOLDEN / name_golden_file(kind)
    assert path.exists(), f"{kind} has no golden file. {WRITE}"
    bodies = read_bodies(path)
    read = [read_stored(kind, body) for body in bodies]
    assert [each.problem for each in read] == ["", ""], NEW_VERSION.format(kind=kind)
    assert [each.fact for each in read] == build_samples(KINDS[kind]), NEW_VERSION.format(kind=kind)
    assert [build_body(each.fact) for each in read] == bodies, NEW_VERSION.format(kind=kind)


def test_a_golden_file_without_a_kind_is_a_kind_that_was_taken_away() -> None:
    """Its facts are in ledgers, and would be unknown."""
    named = {name_golden_file(kind) for kind in KINDS}
    lost = sorted(path.name for path in GOLDEN.iterdir() if path.name not in named)
    assert lost == [], f"No kind is stored as {lost} any more. Put the type back into AnyFact: ledgers hold it."


def test_no_word_was_taken_away_or_goes_unrecorded() -> None:
    """A fact with a word that is unknown cannot be read. A new word is read by this version and later ones."""
    recorded, words = read_words(), find_words()
    lost = {name: set(recorded[name]) - set(words.get(name, [])) for name in recorded}
    assert not any(lost.values()), f"Facts on record may say {lost}; put the words back."
    added = {name: set(words[name]) - set(recorded.get(name, [])) for name in words}
    assert not any(added.values()), f"New words: {added}. {WRITE}"


def test_the_script_writes_what_is_missing_and_never_over_a_file(tmp_path: Path) -> None:
    """A golden file that follows the code would hold nothing."""
    kept = tmp_path / "stop_asked-1.json"
    kept.write_text("as it was")
    assert len(write_missing(tmp_path)) == len(KINDS) - 1
    assert kept.read_text() == "as it was"
    assert write_missing(tmp_path) == []
    assert (tmp_path / "flatten_ended-1.json").read_text() == (GOLDEN / "flatten_ended-1.json").read_text()
