"""Reading: the fold over entries, heads of days, and the walk along the chain."""

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from deepcoin_ops.domain.model import Outcome, Verdict
from deepcoin_ops.ledger import walking
from deepcoin_ops.ledger.folds import NO_OUTCOME_REASON
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.ledger.schema import facts

DAY = "2026-03-01"


def test_a_flatten_reads_as_it_was_opened_and_closed(ledger: Ledger, samples: Any) -> None:
    """The record is what a report is built from."""
    samples.record_everything(ledger)
    flatten = ledger.read_flatten("F1")
    assert (flatten.request, flatten.settings_json, flatten.closing) == (samples.request, '{"rounds": 10}', samples.closing)
    assert flatten.opened_at < flatten.closed_at
    assert ledger.read_flatten("F9") is None


def test_a_flatten_without_closing_is_still_open(ledger: Ledger, samples: Any) -> None:
    """A killed flatten has to look different from one that ended."""
    ledger.record_flatten(samples.request, "{}")
    assert ledger.has_unclosed_flatten(DAY)
    assert ledger.read_flatten("F1").closed_at is None
    ledger.record_closing(samples.closing)
    assert not ledger.has_unclosed_flatten(DAY)
    assert not ledger.has_unclosed_flatten("2026-03-02")


def test_the_last_flatten_is_the_accounts_own(ledger: Ledger, samples: Any) -> None:
    """Another account's newer flatten says nothing about this one."""
    samples.record_everything(ledger)
    ledger.record_flatten(dataclasses.replace(samples.request, flatten_id="F3", account="other"), "{}")
    assert ledger.read_last_flatten("main").request.flatten_id == "F2"
    assert ledger.read_last_flatten("nobody") is None


def test_an_attempt_reads_with_its_outcome_and_error_items(ledger: Ledger, samples: Any) -> None:
    """Intent and answer are two facts and one story."""
    samples.record_everything(ledger)
    attempt = ledger.read_attempts(DAY)[0]
    assert (attempt.account, attempt.flatten_id, attempt.intent) == ("main", "F1", samples.intent)
    assert (attempt.outcome, attempt.reason) == (Outcome.PARTIAL, samples.answer.reason)
    assert (attempt.sent_at, attempt.answered_at) == (samples.answer.sent_at, samples.answer.answered_at)
    assert (attempt.error_code, attempt.http_status) == ("0", 200)
    assert attempt.close_errors == samples.answer.close_errors


def test_an_intent_without_outcome_reads_as_unknown(ledger: Ledger, samples: Any) -> None:
    """Nobody knows whether it was sent; neither success nor failure may be claimed."""
    samples.record_everything(ledger)
    attempt = ledger.read_attempts(DAY)[1]
    assert (attempt.intent.attempt_id, attempt.outcome) == ("A2", Outcome.UNKNOWN)
    assert attempt.reason == NO_OUTCOME_REASON
    assert (attempt.sent_at, attempt.answered_at, attempt.close_errors) == (None, None, ())
    assert ledger.read_open_calls("main") == ([attempt], [])
    assert ledger.read_open_calls("other") == ([], [])


def test_a_read_up_to_an_entry_does_not_see_what_came_later(ledger: Ledger, samples: Any) -> None:
    """Tables built one after the other while a flatten runs have to be of one moment."""
    samples.record_everything(ledger)
    assert [a.outcome for a in ledger.read_attempts(DAY, up_to_seq=5)] == [Outcome.UNKNOWN]
    assert [a.outcome for a in ledger.read_attempts(DAY, up_to_seq=6)] == [Outcome.PARTIAL]
    assert ledger.read_attempts(DAY, up_to_seq=4) == []
    assert [f.closing for f in ledger.read_flattens(DAY, up_to_seq=7)] == [None]
    assert [f.closing for f in ledger.read_flattens(DAY, up_to_seq=10)] == [samples.closing, None]
    assert ledger.read_verdicts("F1", up_to_seq=6) == []
    assert ledger.read_skipped_ticks(DAY, up_to_seq=8) == []


def test_a_day_reads_its_own_entries_only(ledger: Ledger, samples: Any) -> None:
    """A partition is a statement about one day."""
    samples.record_everything(ledger)
    assert ledger.read_attempts("2026-03-02") == []
    assert ledger.read_flattens("2026-03-02") == []
    assert ledger.read_skipped_ticks("2026-03-02") == []
    assert ledger.read_head("2026-03-02") is None


def test_the_newest_verdicts_count(ledger: Ledger, samples: Any) -> None:
    """An interrupted flatten may judge first and prove afterwards."""
    ledger.record_flatten(samples.request, "{}")
    assert ledger.read_verdicts("F1") == []
    ledger.record_verdicts("F1", [samples.verdict])
    proven = [
        dataclasses.replace(samples.verdict, verdict=Verdict.FLAT, instrument_id=name, notional_after_usdt=None)
        for name in ("ETH-USDT-SWAP", "BTC-USDT-SWAP")
    ]
    ledger.record_verdicts("F1", proven)
    assert ledger.read_verdicts("F1") == proven


def test_a_skipped_tick_shows_why(ledger: Ledger, samples: Any) -> None:
    """A day on which nobody flattened has to say so, and why."""
    ledger.record_skipped_tick("main", DAY, samples.start, "31 min late")
    [tick] = ledger.read_skipped_ticks(DAY)
    assert (tick.account, tick.scheduled_at, tick.reason) == ("main", samples.start, "31 min late")


def test_the_head_of_a_day_names_each_accounts_newest_hash(
    ledger: Ledger, samples: Any, sql: Callable[..., list[Any]]
) -> None:
    """These hashes are kept outside the ledger, to notice later that it was altered."""
    samples.record_everything(ledger)
    ledger.record_skipped_tick("other", DAY, samples.start, "late")
    ledger.record_skipped_tick("other", "2026-03-02", samples.start + timedelta(days=1), "late")
    head = ledger.read_head(DAY)
    assert head.seq == 12
    assert head.hashes == dict(sql("SELECT account, fact_hash FROM facts WHERE seq IN (11, 12)"))


def test_days_with_newer_entries_are_listed_by_their_heads(ledger: Ledger, samples: Any) -> None:
    """The tables follow the ledger by asking from the last entry they have seen."""
    samples.record_everything(ledger)
    ledger.record_skipped_tick("main", "2026-02-28", samples.start, "late")
    assert [(day.trading_day, day.seq) for day in ledger.read_newer_days(0)] == [(DAY, 11), ("2026-02-28", 12)]
    assert [(day.trading_day, day.seq) for day in ledger.read_newer_days(11)] == [("2026-02-28", 12)]
    assert ledger.read_newer_days(12) == []
    assert ledger.read_newer_days(11)[0].recorded_at == ledger.read_head("2026-02-28").recorded_at


def test_a_change_in_any_cell_of_the_file_is_found_and_not_believed(
    ledger: Ledger, samples: Any, sql: Callable[..., list[Any]], drop_triggers: Callable[[], None]
) -> None:
    """Dropping the triggers takes one statement; the chain still names what was edited, down to a byte of a raw answer."""
    samples.record_all_kinds(ledger)
    drop_triggers()
    seqs = [seq for (seq,) in sql("SELECT seq FROM facts WHERE account = 'main' ORDER BY seq")]
    for seq, after in zip(seqs, [*seqs[1:], None], strict=True):
        for column in set(facts.c.keys()) - {"seq"}:
            [(original,)] = sql(f"SELECT {column} FROM facts WHERE seq = {seq}")
            changed = original[:-1] + b"!" if isinstance(original, bytes) else f"{original or ''}9"
            sql(f"UPDATE facts SET {column} = ? WHERE seq = {seq}", changed)
            altered, where = ledger.read_altered_entry("main"), (seq, column)
            # A fact that left the account's chain breaks it at the one after it.
            assert (altered.seq if altered else None) == (after if column == "account" else seq), where
            read = ledger.read(is_tolerant=True, after_seq=seq - 1, up_to_seq=seq)
            assert [each.fact for each in read] == [None], where
            sql(f"UPDATE facts SET {column} = ? WHERE seq = {seq}", original)
    assert ledger.read_altered_entry("main") is None


@pytest.mark.parametrize("seq", range(2, 11))
def test_a_deleted_entry_is_found_at_the_one_after_it(
    seq: int, ledger: Ledger, samples: Any, sql: Callable[..., list[Any]], drop_triggers: Callable[[], None]
) -> None:
    """A half restored backup and a deleted row look the same: the next entry names a predecessor that is not there."""
    samples.record_everything(ledger)
    drop_triggers()
    sql("DELETE FROM facts WHERE seq = ?", seq)
    altered = ledger.read_altered_entry("main")
    assert (altered.seq, "does not follow" in altered.reason) == (seq + 1, True)


def test_an_item_less_in_an_answer_is_found(
    ledger: Ledger, samples: Any, sql: Callable[..., list[Any]], drop_triggers: Callable[[], None]
) -> None:
    """An error item less makes an answer look better than it was."""
    samples.record_everything(ledger)
    drop_triggers()
    sql("UPDATE facts SET body = json_remove(body, '$.close_errors[1]') WHERE seq = 6")
    altered = ledger.read_altered_entry("main")
    assert (altered.seq, altered.kind, altered.trading_day) == (6, "call_answered/1", DAY)


@pytest.mark.parametrize(
    ("alter", "seq", "told"),
    [
        ("UPDATE facts SET body = replace(body, 'RESIDUAL', 'FLAT') WHERE seq = 7", 7, "not what was recorded"),
        ("UPDATE facts SET raw = NULL WHERE seq = 6", 6, "not what was recorded"),
        ("DELETE FROM facts WHERE seq = 5", 6, "does not follow"),
        ("UPDATE facts SET trading_day = '2026-01-01' WHERE seq = 5", None, None),
    ],
)
def test_an_altered_day_is_found_by_looking_at_that_day(
    alter: str,
    seq: int | None,
    told: str | None,
    ledger: Ledger,
    samples: Any,
    sql: Callable[..., list[Any]],
    drop_triggers: Callable[[], None],
) -> None:
    """A day's tables are not built over what an intact ledger told; what moved to another day only the whole walk sees."""
    samples.record_everything(ledger)
    ledger.record_skipped_tick("main", "2026-03-02", samples.start, "late")
    assert ledger.read_altered_entries_of_day(DAY, 11) == []
    drop_triggers()
    sql(alter)
    found = ledger.read_altered_entries_of_day(DAY, 11)
    assert [each.seq for each in found] == ([seq] if seq else [])
    assert all(told in each.describe() for each in found if told)
    assert ledger.read_altered_entries_of_day("2026-03-02", 12) == []
    assert ledger.read_altered_entries_of_day(DAY, 4) == []
    assert ledger.read_altered_entry("main") is not None


def test_one_accounts_alteration_leaves_the_others_chain_intact(
    ledger: Ledger, samples: Any, sql: Callable[..., list[Any]], drop_triggers: Callable[[], None]
) -> None:
    """Chains are per account, so that one desk's doubt is not everybody's."""
    samples.record_everything(ledger)
    ledger.record_skipped_tick("other", DAY, samples.start, "late")
    drop_triggers()
    sql("UPDATE facts SET body = replace(body, 'late', 'soon') WHERE seq = 12")
    assert ledger.read_altered_entry("main") is None
    assert ledger.read_altered_entry("other").seq == 12
    assert ledger.read_altered_entry("nobody") is None


def test_a_long_chain_is_walked_over_its_batches(
    ledger: Ledger, samples: Any, monkeypatch: pytest.MonkeyPatch, sql: Callable[..., list[Any]]
) -> None:
    """The link between two batches is checked like any other, and the walk ends also on a full last batch."""
    monkeypatch.setattr(walking, "_BATCH", 5)
    samples.record_everything(ledger)
    assert ledger.read_altered_entry("main") is None
    sql("DROP TRIGGER facts_no_delete")
    sql("DELETE FROM facts WHERE seq = 7")
    assert ledger.read_altered_entry("main").seq == 8


def test_the_pages_of_complete_reads_come_back_with_their_rows(ledger: Ledger, samples: Any) -> None:
    """What was open before and after is told from them; a read that failed proves nothing and is not among them."""
    ledger.record_flatten(samples.request, "{}")
    ledger.record_read("F1", "snapshot", 0, samples.read)
    seq = ledger.record_read("F1", "verify", 1, dataclasses.replace(samples.read, positions=()))
    read = samples.read
    ledger.record_failed_read("F1", "verify", 1, read.instrument_type, read.started_at, read.finished_at, "HTTP 502", None)
    first, last = ledger.read_position_pages("F1")
    assert (first.purpose, first.positions, first.notes) == ("snapshot", samples.read.positions, samples.read.notes)
    assert (last.purpose, last.round_number, last.positions) == ("verify", 1, ())
    assert ledger.read_position_pages("F1", seq - 1) == [first]
    assert ledger.read_position_pages("F9") == []


def test_the_accounts_are_those_with_an_entry(ledger: Ledger, samples: Any) -> None:
    """The chain of an account that was taken out of the settings is checked too."""
    assert ledger.read_accounts() == []
    ledger.record_flatten(samples.request, "{}")
    ledger.record_skipped_tick("early", DAY, samples.request.scheduled_at, "late")
    assert ledger.read_accounts() == ["early", "main"]
