"""The chains are checked onward from where they were last found good; `ledger verify` begins at the first entry."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from deepcoin_ops.cli import main
from deepcoin_ops.domain.model import Venue
from deepcoin_ops.ledger.checked import verify, verify_onward
from deepcoin_ops.ledger.history import History
from deepcoin_ops.ledger.journal import Ledger

ALTER = "UPDATE facts SET body = body || ' ' WHERE seq = ?"


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Whose chain was walked, and after which entry."""
    walks: list[tuple[str, int]] = []
    read = History.read_altered_entry

    def note(history: History, account: str, after_seq: int = 0, up_to_seq: int | None = None) -> object:
        walks.append((account, after_seq))
        return read(history, account, after_seq, up_to_seq)

    monkeypatch.setattr(History, "read_altered_entry", note)
    return walks


def test_a_second_check_begins_where_the_first_one_ended(ledger: Ledger, samples: Any, walked: list[Any]) -> None:
    """What a check costs must not grow with every flatten that was ever recorded."""
    ledger.record_flatten(samples.request, "{}")
    assert verify_onward(ledger) == []
    ledger.record_flatten(dataclasses.replace(samples.request, flatten_id="F2"), "{}")
    walked.clear()
    assert verify_onward(ledger) == []
    assert walked == [("", 1), ("main", 2)]


def test_what_is_altered_after_the_last_good_entry_is_found_again_and_again(
    ledger: Ledger, samples: Any, sql: Callable[..., list[Any]], drop_triggers: Callable[[], None]
) -> None:
    """A finding that is reported once would be gone with the next run."""
    ledger.record_flatten(samples.request, "{}")
    verify_onward(ledger)
    seq = ledger.record_flatten(dataclasses.replace(samples.request, flatten_id="F2"), "{}")
    drop_triggers()
    sql(ALTER, seq)
    assert [each.seq for each in verify_onward(ledger)] == [seq]
    assert [each.seq for each in verify_onward(ledger)] == [seq]


def test_the_whole_walk_finds_what_lies_before_the_last_good_entry(
    ledger: Ledger, samples: Any, sql: Callable[..., list[Any]], drop_triggers: Callable[[], None]
) -> None:
    """The heads save time and prove nothing."""
    ledger.record_flatten(samples.request, "{}")
    verify_onward(ledger)
    drop_triggers()
    sql(ALTER, 2)
    assert verify_onward(ledger) == []
    assert [each.seq for each in verify(ledger)] == [2]


@pytest.mark.parametrize(
    "heads", [b"", b"no json", b'{"main": 7}', b'{"main": {"ledger_id": "x", "seq": 1, "fact_hash": ""}}']
)
def test_heads_that_are_not_this_ledgers_are_not_believed(
    heads: bytes, ledger: Ledger, samples: Any, walked: list[Any]
) -> None:
    """A file of another ledger, or half of one, makes the check longer and never shorter."""
    ledger.record_flatten(samples.request, "{}")
    ledger.path.with_name("ledger.checked.json").write_bytes(heads)
    assert verify_onward(ledger) == []
    assert ("main", 0) in walked


def test_another_ledger_at_the_same_path_is_checked_from_its_beginning(
    ledger: Ledger, samples: Any, walked: list[Any]
) -> None:
    """An old copy that was put back has the same path and other heads."""
    ledger.record_flatten(samples.request, "{}")
    verify_onward(ledger)
    ledger.close()
    for each in ledger.path.parent.glob("ledger.sqlite*"):
        each.unlink()
    ledger.path.with_name("ledger.mark.json").unlink()
    walked.clear()
    with Ledger.open(ledger.path, Venue.PAPER) as other:
        other.record_flatten(samples.request, "{}")
        assert verify_onward(other) == []
    assert walked == [("", 0), ("main", 0)]


@pytest.fixture
def run(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The command line on a state folder with the test's ledger."""
    settings = tmp_path / "flatten.yaml"
    settings.write_text("accounts: {main: {credentials_prefix: A, instruments: [BTC-USDT-SWAP]}}\n")
    state = tmp_path / "desk"
    monkeypatch.setenv("DEEPCOIN_OPS_SETTINGS", str(settings))
    monkeypatch.setenv("DEEPCOIN_OPS_STATE", str(state))
    (state / "paper").mkdir(parents=True)

    def call(*arguments: str) -> Any:
        ledger.copy(state / "paper" / "ledger.sqlite")
        return CliRunner().invoke(main, arguments)

    return call


def test_the_command_says_that_all_of_it_is_what_was_recorded(
    run: Callable[..., Any], ledger: Ledger, samples: Any
) -> None:
    """A person asks once a month, and after every doubt."""
    ledger.record_flatten(samples.request, "{}")
    result = run("ledger", "verify")
    assert (result.exit_code, result.output.count("\n")) == (0, 1)
    assert "every entry of 1 account(s) is what was recorded" in result.output


def test_the_command_names_what_is_wrong(
    run: Callable[..., Any],
    ledger: Ledger,
    samples: Any,
    sql: Callable[..., list[Any]],
    drop_triggers: Callable[[], None],
) -> None:
    """Which entry, and that what kept the file append-only is gone."""
    ledger.record_flatten(samples.request, "{}")
    drop_triggers()
    sql(ALTER, 2)
    result = run("ledger", "verify")
    assert result.exit_code == 1
    assert "account main, entry 2 (flatten_opened/1, 2026-03-01): it is not what was recorded" in result.output
    assert "facts_no_delete, facts_no_update is missing" in result.output


def test_there_is_nothing_to_verify_without_a_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A desk that has not flattened yet has no ledger; that is no fault of it."""
    settings = tmp_path / "flatten.yaml"
    settings.write_text("accounts: {main: {credentials_prefix: A, instruments: [BTC-USDT-SWAP]}}\n")
    monkeypatch.setenv("DEEPCOIN_OPS_SETTINGS", str(settings))
    monkeypatch.setenv("DEEPCOIN_OPS_STATE", str(tmp_path / "desk"))
    result = CliRunner().invoke(main, ["ledger", "verify"])
    assert result.exit_code != 0
