"""Writing: one call, one entry, whole or not at all."""

import dataclasses
import hashlib
import threading
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.model import InstrumentType, Venue
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.ledger.schema import DETAIL_TABLES


def test_each_record_is_one_entry_under_the_flattens_account_and_day(
    ledger: Ledger, samples: Any, sql: Callable[..., list[Any]]
) -> None:
    """The spine alone has to tell what happened in which order, and to whom."""
    samples.record_everything(ledger)
    assert sql("SELECT seq, kind, flatten_id FROM entries ORDER BY seq") == [
        (1, "flatten", "F1"),
        (2, "position_read", "F1"),
        (3, "position_read", "F1"),
        (4, "close_intent", "F1"),
        (5, "close_outcome", "F1"),
        (6, "verdicts", "F1"),
        (7, "flatten_closing", "F1"),
        (8, "skipped_tick", None),
        (9, "flatten", "F2"),
        (10, "close_intent", "F2"),
    ]
    assert sql("SELECT DISTINCT account, trading_day FROM entries") == [("main", "2026-03-01")]


def test_an_instant_is_the_clocks_and_in_utc(ledger: Ledger, samples: Any, sql: Callable[..., list[Any]]) -> None:
    """Time comes from outside, and is stored so that text order is time order."""
    ledger.record_flatten(samples.request, "{}")
    assert sql("SELECT recorded_at FROM entries") == [("2026-03-01T23:55:02.000000+00:00",)]


def test_a_positions_read_keeps_each_row_and_the_raw_body(
    ledger: Ledger, samples: Any, sql: Callable[..., list[Any]]
) -> None:
    """Flat or not is decided by these rows, so that they are the evidence."""
    ledger.record_flatten(samples.request, "{}")
    ledger.record_read("F1", "snapshot", 0, samples.read)
    assert sql("SELECT item_index, position_id, quantity_contracts, average_price, is_leading FROM position_rows") == [
        (0, "1001", "12.500", "61234.5", 0),
        (1, "1002", "12.500", None, 0),
    ]
    [(body, length, digest, is_truncated)] = sql(
        "SELECT body, body_length, body_sha256, is_body_truncated FROM position_reads"
    )
    assert zlib.decompress(body) == samples.read.raw.body
    assert (length, is_truncated) == (880, 0)
    assert digest == hashlib.sha256(samples.read.raw.body).hexdigest()


def test_a_failed_read_is_on_record_without_rows(ledger: Ledger, samples: Any, sql: Callable[..., list[Any]]) -> None:
    """A read that failed must never look like one that found no positions."""
    ledger.record_flatten(samples.request, "{}")
    ledger.record_failed_read("F1", "round", 2, InstrumentType.SWAP, samples.start, samples.start, "timed out", None)
    told = sql("SELECT purpose, round_number, is_complete, failure, body, http_status FROM position_reads")
    assert told == [("round", 2, 0, "timed out", None, None)]


def test_a_second_outcome_of_an_attempt_is_refused_and_leaves_nothing(
    ledger: Ledger, samples: Any, sql: Callable[..., list[Any]]
) -> None:
    """Two outcomes of one send would let a later guess replace what the exchange said."""
    samples.record_everything(ledger)
    with pytest.raises(LedgerError, match="on record already"):
        ledger.record_outcome("A1", samples.answer)
    assert sql("SELECT count(*) FROM entries") == [(10,)]
    assert sql("SELECT count(*) FROM close_errors") == [(2,)]
    assert ledger.read_altered_entry("main") is None


@pytest.mark.parametrize("again", ["record_flatten", "record_intent", "record_closing"])
def test_what_happens_once_cannot_be_recorded_twice(ledger: Ledger, samples: Any, again: str) -> None:
    """A flatten opens once and closes once, and an attempt id stands for one send."""
    samples.record_everything(ledger)
    arguments = {
        "record_flatten": (samples.request, "{}"),
        "record_intent": ("F1", samples.intent),
        "record_closing": (samples.closing,),
    }
    with pytest.raises(LedgerError, match="UNIQUE"):
        getattr(ledger, again)(*arguments[again])


def test_nothing_is_recorded_for_a_flatten_that_was_not_opened(ledger: Ledger, samples: Any) -> None:
    """An intent that belongs to nobody is found by nobody."""
    with pytest.raises(LedgerError, match="no flatten F1"):
        ledger.record_intent("F1", samples.intent)


def test_no_outcome_is_recorded_without_its_intent(ledger: Ledger, samples: Any) -> None:
    """The order is the point: the intent is there before the first byte leaves."""
    ledger.record_flatten(samples.request, "{}")
    with pytest.raises(LedgerError, match="no close intent A1"):
        ledger.record_outcome("A1", samples.answer)


def test_the_database_error_is_shown_without_the_values(ledger: Ledger, samples: Any) -> None:
    """A request body or a setting does not belong in a traceback that lands in a shared log."""
    ledger.record_flatten(samples.request, '{"settings": "words"}')
    with pytest.raises(LedgerError) as caught:
        ledger.record_flatten(samples.request, '{"settings": "words"}')
    assert "words" not in f"{caught.value} {caught.value.__cause__}"


def test_two_ledgers_on_one_file_continue_one_chain(ledger: Ledger, samples: Any) -> None:
    """The next previous hash is read from the file in the transaction that uses it, never from memory."""
    with Ledger.open(ledger.path, Venue.PAPER) as other:
        ledger.record_flatten(samples.request, "{}")
        other.record_intent("F1", samples.intent)
        ledger.record_outcome("A1", samples.answer)
        other.record_closing(samples.closing)
    assert ledger.read_altered_entry("main") is None
    assert ledger.read_head("2026-03-01").seq == 4


def test_threads_record_at_once_without_losing_an_entry(ledger: Ledger, samples: Any) -> None:
    """Answers come in on threads while the next intent is written."""
    ledger.record_flatten(samples.request, "{}")
    failures: list[LedgerError] = []

    def send(thread_number: int) -> None:
        try:
            for i in range(10):
                attempt_id = f"T{thread_number}-{i}"
                ledger.record_intent("F1", dataclasses.replace(samples.intent, attempt_id=attempt_id))
                ledger.record_outcome(attempt_id, samples.answer)
        except LedgerError as error:
            failures.append(error)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert ledger.read_head("2026-03-01").seq == 1 + 4 * 10 * 2
    assert ledger.read_open_intents("main") == []
    assert ledger.read_altered_entry("main") is None


def test_the_samples_fill_every_detail_table(ledger: Ledger, samples: Any, sql: Callable[..., list[Any]]) -> None:
    """The tests over all tables prove nothing about an empty one."""
    samples.record_all_tables(ledger)
    assert [table.name for table in DETAIL_TABLES if not sql(f"SELECT 1 FROM {table.name}")] == []
