"""Waiting orders in the ledger: they come back as they went in, and an older ledger gains their tables with its chain."""

import dataclasses
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.model import Outcome, Venue
from deepcoin_ops.domain.orders import OrderList
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.ledger.order_history import NO_CANCEL_OUTCOME_REASON
from deepcoin_ops.ledger.sqlite_file import driver

DAY = "2026-03-01"
# A ledger that the version before waiting orders wrote, as SQL: what `record_everything` and `record_evidence` put there.
OLD_LEDGER = Path(__file__).parent / "ledger_at_0002.sql"


@pytest.fixture
def opened(ledger: Ledger, samples: Any) -> Ledger:
    """A ledger with an opened flatten F1 and nothing else."""
    ledger.record_flatten(samples.request, "{}")
    return ledger


def test_the_order_lists_of_a_flatten_come_back_with_their_orders(opened: Ledger, samples: Any) -> None:
    """Which order was left is told from them, to the last digit; a list that failed is not among them."""
    samples.record_orders(opened)
    resting, triggers = opened.read_order_pages("F1")
    read = samples.orders_read
    assert (resting.purpose, resting.order_list, resting.instrument_id) == ("snapshot", OrderList.RESTING, None)
    assert (resting.orders, resting.notes, resting.is_exhaustive) == (read.orders, read.notes, True)
    assert (resting.started_at, resting.finished_at) == (read.started_at, read.finished_at)
    assert (triggers.purpose, triggers.order_list, triggers.instrument_id) == ("verify", "TRIGGER", "ETH-USDT-SWAP")
    assert (triggers.orders, triggers.is_exhaustive) == (samples.triggers_read.orders, False)
    assert opened.read_order_pages("F1", up_to_seq=2) == [resting]
    assert opened.read_order_pages("F9") == []


def test_every_page_of_an_order_list_is_kept(opened: Ledger, samples: Any, sql: Callable[..., list[Any]]) -> None:
    """The rows are our reading of it; the bytes are what the exchange said."""
    samples.record_orders(opened)
    pages = sql("SELECT body, body_length FROM order_pages WHERE seq = 2 ORDER BY item_index")
    assert [(zlib.decompress(body), length) for body, length in pages] == [
        (raw.body, raw.length) for raw in samples.orders_read.pages
    ]


def test_an_order_list_that_failed_is_on_record_without_orders(
    opened: Ledger, samples: Any, sql: Callable[..., list[Any]]
) -> None:
    """A list that failed must never look like one without orders; the answer it failed at is kept, if one came."""
    told = (OrderList.TRIGGER, "BTC-USDT-SWAP", samples.start, samples.start)
    opened.record_failed_orders_read("F1", "verify", *told, "timed out", None)
    opened.record_failed_orders_read("F1", "verify", *told, "HTTP 502", samples.read.raw)
    reads = sql("SELECT purpose, order_list, instrument_id, is_complete, is_exhaustive, failure FROM order_reads")
    assert reads == [("verify", "TRIGGER", "BTC-USDT-SWAP", 0, 0, why) for why in ("timed out", "HTTP 502")]
    assert [zlib.decompress(body) for (body,) in sql("SELECT body FROM order_pages")] == [samples.read.raw.body]
    assert opened.read_order_pages("F1") == []


def test_a_cancel_reads_with_its_outcome_and_error_items(opened: Ledger, samples: Any) -> None:
    """Intent, outcome and items are three tables and one story."""
    samples.record_orders(opened)
    cancel, answer = opened.read_cancels(DAY)[0], samples.cancel_answer
    assert (cancel.account, cancel.flatten_id, cancel.intent) == ("main", "F1", samples.cancel_intent)
    assert (cancel.outcome, cancel.reason, cancel.notes) == (Outcome.PARTIAL, answer.reason, answer.notes)
    assert (cancel.sent_at, cancel.answered_at) == (answer.sent_at, answer.answered_at)
    assert cancel.intent_at > samples.start
    assert (cancel.error_code, cancel.http_status, cancel.is_throttled) == ("0", 200, True)
    assert cancel.cancel_errors == answer.cancel_errors
    assert opened.read_cancels("2026-03-02") == []


def test_a_cancel_without_outcome_reads_as_unknown(opened: Ledger, samples: Any) -> None:
    """Nobody knows whether it was sent; neither success nor failure may be claimed."""
    samples.record_orders(opened)
    cancel = opened.read_cancels(DAY)[1]
    assert (cancel.intent.cancel_id, cancel.outcome, cancel.reason) == ("C2", Outcome.UNKNOWN, NO_CANCEL_OUTCOME_REASON)
    assert (cancel.sent_at, cancel.answered_at, cancel.cancel_errors, cancel.notes) == (None, None, (), ())


def test_cancels_without_outcome_are_found_by_account(opened: Ledger, samples: Any) -> None:
    """They are what a person has to look at after a crash, whichever day it was; another account's are no concern."""
    samples.record_orders(opened)
    [cancel] = opened.read_open_cancels("main")
    assert cancel == opened.read_cancels(DAY)[1]
    assert opened.read_open_cancels("hedge") == []
    opened.record_cancel_outcome("C2", samples.cancel_answer)
    assert opened.read_open_cancels("main") == []


def test_a_cancel_does_not_know_what_came_later(opened: Ledger, samples: Any) -> None:
    """Tables built one after the other while a flatten runs have to be of one moment."""
    samples.record_orders(opened)
    assert [cancel.outcome for cancel in opened.read_cancels(DAY, up_to_seq=3)] == [Outcome.UNKNOWN]
    assert [cancel.outcome for cancel in opened.read_cancels(DAY, up_to_seq=4)] == [Outcome.PARTIAL]
    assert opened.read_cancels(DAY, up_to_seq=2) == []


def test_orders_and_cancels_are_entries_under_their_flatten(
    opened: Ledger, samples: Any, sql: Callable[..., list[Any]]
) -> None:
    """The spine alone has to tell what happened in which order."""
    samples.record_orders(opened)
    kinds = ["order_read", "cancel_intent", "cancel_outcome", "order_read", "order_read", "cancel_intent"]
    assert sql("SELECT kind, flatten_id, account FROM entries WHERE seq > 1 ORDER BY seq") == [
        (kind, "F1", "main") for kind in kinds
    ]
    assert opened.read_altered_entry("main") is None


def test_a_cancel_is_recorded_once_and_only_after_its_intent(opened: Ledger, samples: Any) -> None:
    """A second outcome would replace what the exchange said; an outcome without its intent belongs to nobody."""
    with pytest.raises(LedgerError, match="no cancel intent C1"):
        opened.record_cancel_outcome("C1", samples.cancel_answer)
    samples.record_orders(opened)
    with pytest.raises(LedgerError, match="on record already"):
        opened.record_cancel_outcome("C1", samples.cancel_answer)
    with pytest.raises(LedgerError, match="UNIQUE"):
        opened.record_cancel_intent("F1", samples.cancel_intent)
    with pytest.raises(LedgerError, match="no flatten F9"):
        opened.record_cancel_intent("F9", dataclasses.replace(samples.cancel_intent, cancel_id="C9"))


@pytest.fixture
def old_path(path: Path) -> Path:
    """A ledger as the version before waiting orders left it."""
    path.parent.mkdir()
    with closing(driver.connect(path)) as connection:
        connection.executescript(OLD_LEDGER.read_text())
    return path


def test_a_ledger_from_before_orders_is_brought_up_to_date_with_its_chain_intact(old_path: Path, samples: Any) -> None:
    """The record of past flattens goes on in the same file, none of it looks altered, and what is added is covered too."""
    with Ledger.open(old_path, Venue.PAPER) as ledger:
        assert ledger.read_altered_entry("main") is None
        assert ledger.read_altered_entries_of_day(DAY, 12) == []
        assert ledger.read_head(DAY).seq == 12
        assert [verdict.cause for verdict in ledger.read_verdicts("F1")] == [None, None]
        assert (ledger.read_cancels(DAY), ledger.read_order_pages("F1")) == ([], [])
        samples.record_orders(ledger)
        ledger.record_verdicts("F1", [samples.verdict])
        assert ledger.read_verdicts("F1") == [samples.verdict]
        assert len(ledger.read_cancels(DAY)) == 2
        assert ledger.read_altered_entry("main") is None


def test_a_cause_that_was_given_to_an_old_verdict_is_noticed(
    old_path: Path, sql: Callable[..., list[Any]], drop_triggers: Callable[[], None]
) -> None:
    """An empty column is left out of the hash, and one that somebody filled is not."""
    with Ledger.open(old_path, Venue.PAPER) as ledger:
        drop_triggers()
        sql("UPDATE verdicts SET cause = 'OTHER' WHERE item_index = 0")
        assert ledger.read_altered_entry("main").kind == "verdicts"


def test_the_verdicts_of_an_old_ledger_can_be_changed_as_little_as_before(
    old_path: Path, sql: Callable[..., list[Any]]
) -> None:
    """A table that gains a column keeps its triggers."""
    Ledger.open(old_path, Venue.PAPER).close()
    with pytest.raises(driver.IntegrityError, match="the ledger is append-only"):
        sql("UPDATE verdicts SET cause = 'OTHER'")


def test_a_ledger_from_before_orders_is_not_read_as_one_without(old_path: Path) -> None:
    """A reader does not migrate, and "no order was left" would be a claim about a table that is not there."""
    with pytest.raises(LedgerError, match="older version's schema"):
        Ledger.open_existing(old_path, Venue.PAPER)
