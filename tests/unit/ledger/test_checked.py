"""The chains are checked onward from where they were last found good; `ledger verify` begins at the first entry."""

import dataclasses
import shutil
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
def walked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int | None]]:
    """Whose chain was walked, and after which entry."""
    walks: list[tuple[str, int | None]] = []
    read = History.read_altered_entry

    def note(history: History, account: str, after_seq: int | None = None, up_to_seq: int | None = None) -> object:
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
    assert ("main", None) in walked


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
    assert walked == [("", None), ("main", None)]


def record_more(ledger: Ledger, samples: Any) -> None:
    """Two accounts: the entries of `hedge` lie between those of `main`, and before the newest of them."""
    for number, account in enumerate(["main", "hedge", "main", "hedge", "main"], 1):
        ledger.record_flatten(dataclasses.replace(samples.request, flatten_id=f"F{number}", account=account), "{}")


@pytest.mark.parametrize(
    ("lost", "reasons"),
    [
        ("seq = 5", ["entry 5: it is missing"]),
        ("account = 'hedge'", ["entry 3: it is missing", "entry 5: it is missing"]),
        ("seq > 4", ["entry 5: it and those up to 6 are missing"]),
        (
            "seq IN (3, 4)",
            [
                "entry 3: it and those up to 4 are missing",
                "account hedge, entry 5 (flatten_opened/1, 2026-03-01): it does not follow",
                "account main, entry 6 (flatten_opened/1, 2026-03-01): it does not follow",
            ],
        ),
    ],
)
def test_the_whole_walk_names_what_is_missing(
    lost: str,
    reasons: list[str],
    ledger: Ledger,
    samples: Any,
    sql: Callable[..., list[Any]],
    drop_triggers: Callable[[], None],
) -> None:
    """The chain of an account that has lost its newest entries, or all of them, is whole in itself."""
    record_more(ledger, samples)
    assert verify(ledger) == []
    drop_triggers()
    sql(f"DELETE FROM facts WHERE {lost}")
    named = [each.describe() for each in verify(ledger)]
    assert len(named) == len(reasons)
    assert all(name.startswith(reason) for name, reason in zip(named, reasons, strict=True)), named


@pytest.mark.parametrize("lost", ["seq = 5", "account = 'hedge'", "seq > 4"])
def test_a_cut_tail_is_found_by_the_next_check_and_by_each_after_it(
    lost: str, ledger: Ledger, samples: Any, sql: Callable[..., list[Any]], drop_triggers: Callable[[], None]
) -> None:
    """Also when nothing tells the database's own numbers any more: an earlier check has seen the account's newest entry."""
    record_more(ledger, samples)
    assert verify_onward(ledger) == []
    drop_triggers()
    sql(f"DELETE FROM facts WHERE {lost}")
    sql("UPDATE sqlite_sequence SET seq = (SELECT max(seq) FROM facts)")
    for _ in range(2):
        assert ("hedge", 5) in [(each.account, each.seq) for each in verify_onward(ledger)]
    assert any("found good before" in each.reason for each in verify(ledger))


@pytest.fixture
def run(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The command line on a state folder with the test's ledger."""
    settings = tmp_path / "flatten.yaml"
    settings.write_text("accounts: {main: {credentials_prefix: A, instruments: [BTC-USDT-SWAP]}}\n")
    state = tmp_path / "desk"
    monkeypatch.setenv("DEEPCOIN_OPS_SETTINGS", str(settings))
    monkeypatch.setenv("DEEPCOIN_OPS_STATE", str(state))
    (state / "paper").mkdir(parents=True)

    def call(*arguments: str, mark: Path | None = None) -> Any:
        (state / "paper" / "ledger.sqlite").unlink(missing_ok=True)
        ledger.copy(state / "paper" / "ledger.sqlite")
        if mark is not None:
            shutil.copy(mark, state / "paper")
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


def test_the_command_names_a_cut_tail(
    run: Callable[..., Any],
    ledger: Ledger,
    samples: Any,
    sql: Callable[..., list[Any]],
    drop_triggers: Callable[[], None],
) -> None:
    """The database remembers a higher number, and so does the mark."""
    ledger.record_flatten(samples.request, "{}")
    ledger.record_intent("F1", samples.intent)
    triggers = sql("SELECT sql FROM sqlite_master WHERE type = 'trigger'")
    drop_triggers()
    sql("DELETE FROM facts WHERE seq = 3")
    for (trigger,) in triggers:
        sql(trigger)
    result = run("ledger", "verify")
    assert result.exit_code == 1
    assert "ALTERED: entry 3: it is missing" in result.output
    assert "trigger" not in result.output
    sql("UPDATE sqlite_sequence SET seq = 2")
    mark = ledger.path.with_name("ledger.mark.json")
    result = run("ledger", "verify", mark=mark)
    assert result.exit_code == 1
    assert "NOT USED: it is an old copy or another ledger: it does not have entry 3" in result.output


def test_there_is_nothing_to_verify_without_a_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A desk that has not flattened yet has no ledger; that is no fault of it."""
    settings = tmp_path / "flatten.yaml"
    settings.write_text("accounts: {main: {credentials_prefix: A, instruments: [BTC-USDT-SWAP]}}\n")
    monkeypatch.setenv("DEEPCOIN_OPS_SETTINGS", str(settings))
    monkeypatch.setenv("DEEPCOIN_OPS_STATE", str(tmp_path / "desk"))
    result = CliRunner().invoke(main, ["ledger", "verify"])
    assert result.exit_code != 0
