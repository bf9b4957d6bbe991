"""Waiting orders in the ledger: they come back as they went in."""

import dataclasses
from typing import Any

import pytest

from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.facts import OrdersRead, ReadFailed
from deepcoin_ops.domain.model import Outcome
from deepcoin_ops.domain.orders import OrderList
from deepcoin_ops.ledger.encoding import unpack_answers
from deepcoin_ops.ledger.folds import NO_CANCEL_OUTCOME_REASON
from deepcoin_ops.ledger.journal import Ledger

DAY = "2026-03-01"


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
    assert opened.read_order_pages("F1", up_to_seq=3) == [resting]
    assert opened.read_order_pages("F9") == []


def test_every_page_of_an_order_list_is_kept(opened: Ledger, samples: Any) -> None:
    """The rows are our reading of it; the bytes are what the exchange said."""
    samples.record_orders(opened)
    resting = opened.read(OrdersRead)[0]
    assert unpack_answers(resting.fact.of_read.answers, resting.raw) == samples.orders_read.pages


def test_an_order_list_that_failed_is_on_record_without_orders(opened: Ledger, samples: Any) -> None:
    """A list that failed must never look like one without orders; the answer it failed at is kept, if one came."""
    asked = (OrderList.TRIGGER, "BTC-USDT-SWAP", samples.start, samples.start)
    opened.record_failed_orders_read("F1", "verify", *asked, "timed out", None)
    opened.record_failed_orders_read("F1", "verify", *asked, "HTTP 502", samples.read.raw)
    first, second = opened.read(ReadFailed)
    assert [each.fact.reason for each in (first, second)] == ["timed out", "HTTP 502"]
    assert [(each.fact.read.order_list, each.fact.read.about) for each in (first, second)] == [asked[:2]] * 2
    assert first.raw is None
    assert unpack_answers(second.fact.of_read.answers, second.raw) == (samples.read.raw,)
    assert opened.read_order_pages("F1") == []


def test_a_cancel_reads_with_its_outcome_and_error_items(opened: Ledger, samples: Any) -> None:
    """Intent and answer are two facts and one story."""
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
    _closes, [cancel] = opened.read_open_calls("main")
    assert cancel == opened.read_cancels(DAY)[1]
    assert opened.read_open_calls("hedge") == ([], [])
    opened.record_cancel_outcome("C2", samples.cancel_answer)
    assert opened.read_open_calls("main") == ([], [])


def test_a_cancel_does_not_know_what_came_later(opened: Ledger, samples: Any) -> None:
    """Tables built one after the other while a flatten runs have to be of one moment."""
    samples.record_orders(opened)
    assert [cancel.outcome for cancel in opened.read_cancels(DAY, up_to_seq=4)] == [Outcome.UNKNOWN]
    assert [cancel.outcome for cancel in opened.read_cancels(DAY, up_to_seq=5)] == [Outcome.PARTIAL]
    assert opened.read_cancels(DAY, up_to_seq=3) == []


def test_orders_and_cancels_are_facts_of_their_flatten(opened: Ledger, samples: Any) -> None:
    """The columns alone have to tell what happened in which order."""
    samples.record_orders(opened)
    kinds = ["orders_read", "call_intended", "call_answered", "read_failed", "orders_read", "call_intended"]
    assert [(each.kind, each.account) for each in opened.read(flatten_id="F1", after_seq=2)] == [
        (f"{kind}/1", "main") for kind in kinds
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
