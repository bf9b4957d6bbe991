"""A day put together account by account: whose it is, what was configured then, and nothing from after the head."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

from deepcoin_ops.domain.day import DueTick
from deepcoin_ops.domain.model import InstrumentType, Outcome
from deepcoin_ops.ledger.days import read_account_days
from deepcoin_ops.ledger.journal import Ledger

DAY = "2026-03-01"
NOW_CONFIGURED = {"main": ("SOL-USDT-SWAP",), "hedge": ("ETH-USDT-SWAP",)}
ALL = 10**9
DAY_END = datetime(2026, 3, 2, tzinfo=UTC)


def test_every_configured_account_has_a_day_without_a_ledger_too() -> None:
    """Before the first flatten there is no file; the accounts are due all the same."""
    days = read_account_days(None, DAY, 0, NOW_CONFIGURED, None, DAY_END)
    assert [(day.account, day.instruments, day.flattens) for day in days] == [
        ("hedge", ("ETH-USDT-SWAP",), ()),
        ("main", ("SOL-USDT-SWAP",), ()),
    ]


def test_what_was_configured_is_read_from_the_flatten_and_not_from_the_settings_of_now(
    ledger: Ledger, samples: Any
) -> None:
    """An instrument that was added yesterday was not forgotten last month; a day has to rebuild as it was."""
    then = {"accounts": {"main": {"instruments": ["BTC-USDT-SWAP", "ETH-USDT-SWAP", "XRP-USDT-SWAP"]}}}
    ledger.record_flatten(samples.request, json.dumps(then))
    main = read_account_days(ledger, DAY, ALL, NOW_CONFIGURED, None, DAY_END)[1]
    assert main.instruments == ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "XRP-USDT-SWAP")


def test_an_account_that_left_the_settings_keeps_its_day_and_owes_nothing(ledger: Ledger, samples: Any) -> None:
    """Its flattens stay on record; nobody schedules it any more."""
    due = DueTick(samples.request.scheduled_at, samples.request.scheduled_at, is_past=True)
    ledger.record_flatten(samples.request, "{}")
    hedge, main = read_account_days(ledger, DAY, ALL, {"hedge": ("ETH-USDT-SWAP",)}, due, DAY_END)
    assert (hedge.due, main.due) == (due, None)
    assert len(main.flattens) == 1


def test_a_flatten_has_its_own_attempts_verdicts_and_reads_up_to_the_head(ledger: Ledger, samples: Any) -> None:
    """All tables of a run are of one moment; what was recorded later does not exist for them."""
    samples.record_everything(ledger)
    whole = read_account_days(ledger, DAY, ALL, {}, None, DAY_END)
    first, second = whole[0].flattens
    assert [[attempt.intent.attempt_id for attempt in each.attempts] for each in (first, second)] == [["A1"], ["A2"]]
    assert first.attempts[0].notes == samples.answer.notes
    assert first.verdicts
    opened = ledger.read_flattens(DAY)[0].seq
    [early] = read_account_days(ledger, DAY, opened, {}, None, DAY_END)[0].flattens
    assert (early.attempts, early.verdicts, early.before, early.closing) == ((), (), (), None)


def test_before_is_the_snapshot_and_after_the_last_page_of_each_type(ledger: Ledger, samples: Any) -> None:
    """A spot page that failed leaves the one before it as the last word on spot."""
    swap, spot = samples.read, dataclasses.replace(samples.read, instrument_type=InstrumentType.SPOT)
    ledger.record_flatten(samples.request, "{}")
    for purpose, page in (("snapshot", swap), ("snapshot", spot), ("round", dataclasses.replace(swap, positions=()))):
        ledger.record_read("F1", purpose, 0, page)
    [flatten] = read_account_days(ledger, DAY, ALL, {}, None, DAY_END)[0].flattens
    assert [(page.instrument_type, page.purpose) for page in flatten.before] == [("SWAP", "snapshot"), ("SPOT", "snapshot")]
    assert [(page.instrument_type, page.purpose) for page in flatten.after] == [("SWAP", "round"), ("SPOT", "snapshot")]
    assert flatten.notes == samples.read.notes


def test_the_last_complete_read_of_each_order_list_is_what_was_left(ledger: Ledger, samples: Any) -> None:
    """A list that failed leaves the one before it as the last word; each instrument has lists of its own."""
    triggers = samples.triggers_read
    other = dataclasses.replace(triggers, instrument_id="BTC-USDT-SWAP", orders=())
    ledger.record_flatten(samples.request, "{}")
    for read in (samples.orders_read, triggers, other, dataclasses.replace(samples.orders_read, orders=())):
        head = ledger.record_orders_read("F1", "snapshot", read)
    failed = (triggers.order_list, triggers.instrument_id, samples.start, samples.start, "timed out", None)
    ledger.record_failed_orders_read("F1", "verify", *failed)
    ledger.record_orders_read("F1", "verify", dataclasses.replace(other, orders=triggers.orders))
    [flatten] = read_account_days(ledger, DAY, ALL, {}, None, DAY_END)[0].flattens
    assert [(page.order_list, page.instrument_id, page.purpose, page.orders) for page in flatten.orders_after] == [
        ("RESTING", None, "snapshot", ()),
        ("TRIGGER", "ETH-USDT-SWAP", "snapshot", triggers.orders),
        ("TRIGGER", "BTC-USDT-SWAP", "verify", triggers.orders),
    ]
    assert flatten.notes == samples.orders_read.notes
    [early] = read_account_days(ledger, DAY, head, {}, None, DAY_END)[0].flattens
    assert [page.purpose for page in early.orders_after] == ["snapshot"] * 3


def test_a_flatten_has_its_own_cancels(ledger: Ledger, samples: Any) -> None:
    """Two flattens of a day may cancel the same instrument's orders."""
    ledger.record_flatten(samples.request, "{}")
    ledger.record_flatten(dataclasses.replace(samples.request, flatten_id="F2"), "{}")
    ledger.record_cancel_intent("F1", samples.cancel_intent)
    head = ledger.record_cancel_intent("F2", dataclasses.replace(samples.cancel_intent, cancel_id="C2"))
    ledger.record_cancel_outcome("C2", samples.cancel_answer)
    first, second = read_account_days(ledger, DAY, ALL, {}, None, DAY_END)[0].flattens
    assert [[cancel.intent.cancel_id for cancel in each.cancels] for each in (first, second)] == [["C1"], ["C2"]]
    assert second.cancels[0].notes == samples.cancel_answer.notes
    _first, early = read_account_days(ledger, DAY, head, {}, None, DAY_END)[0].flattens
    assert early.cancels[0].outcome is Outcome.UNKNOWN


def test_evidence_belongs_to_the_account_that_was_asked_about(ledger: Ledger, samples: Any) -> None:
    """Two accounts trade the same instruments; one's closes explain nothing of the other's."""
    head = ledger.record_evidence("main", DAY, samples.history, ())
    ledger.record_evidence("hedge", DAY, samples.history, ())
    hedge, main = read_account_days(ledger, DAY, head, NOW_CONFIGURED, None, DAY_END)
    assert (main.evidence, hedge.evidence) == ((samples.history,), ())
