"""Evidence in the ledger: it comes back as it went in."""

import dataclasses
from collections.abc import Callable
from typing import Any

from deepcoin_ops.domain.evidence import EvidenceStatus
from deepcoin_ops.domain.facts import HistoryCollected
from deepcoin_ops.ledger.encoding import unpack_answers
from deepcoin_ops.ledger.journal import Ledger

DAY = "2026-03-01"


def test_evidence_reads_back_as_it_was_recorded(ledger: Ledger, samples: Any) -> None:
    """Sizes, money and instants to the last digit, and each row under its own read."""
    samples.record_evidence(ledger)
    history, fills = ledger.read_evidence(DAY)
    assert (history.read, fills.read) == (samples.history, samples.fills)
    assert (history.seq, history.account, history.trading_day) == (2, "main", DAY)
    assert ledger.read_evidence("2026-03-02") == []


def test_every_page_is_kept_with_what_was_asked(ledger: Ledger, samples: Any) -> None:
    """The rows are our reading of it; the bytes are what the exchange said."""
    samples.record_evidence(ledger)
    for each in ledger.read(HistoryCollected):
        assert [answer.query for answer in each.fact.answers] == ["limit=100", "limit=100"]
        assert unpack_answers(each.fact.answers, each.raw) == (samples.read.raw, samples.answer.raw)


def test_evidence_that_failed_or_was_not_to_be_had_is_recorded_without_rows(ledger: Ledger, samples: Any) -> None:
    """That somebody asked, and why nothing came of it, is what tells it from an empty day."""
    for status in (EvidenceStatus.FAILED, EvidenceStatus.UNAVAILABLE):
        read = dataclasses.replace(samples.history, status=status, reason="why", closed_positions=())
        ledger.record_evidence("main", DAY, read, ())
    assert [record.read.status for record in ledger.read_evidence(DAY)] == ["FAILED", "UNAVAILABLE"]


def test_later_evidence_does_not_exist_for_an_earlier_head(ledger: Ledger, samples: Any) -> None:
    """Tables of one run are of one moment."""
    samples.record_evidence(ledger)
    assert [record.seq for record in ledger.read_evidence(DAY, up_to_seq=2)] == [2]
    assert ledger.read_head(DAY).seq == 3
    assert ledger.read_altered_entry("main") is None


def test_a_row_of_evidence_that_is_taken_away_is_noticed(
    ledger: Ledger, samples: Any, sql: Callable[..., list[Any]], drop_triggers: Callable[[], None]
) -> None:
    """A close less in the evidence would make a mismatch of a good day, or hide a bad one."""
    samples.record_evidence(ledger)
    drop_triggers()
    sql("UPDATE facts SET body = json_remove(body, '$.history.closed_positions[1]') WHERE seq = 2")
    assert ledger.read_altered_entry("main").seq == 2


def test_the_last_closed_flatten_is_neither_open_nor_a_dry_run(ledger: Ledger, samples: Any) -> None:
    """Evidence is collected for what was sent, once that is over."""
    assert ledger.read_last_closed_flatten("main") is None
    samples.record_everything(ledger)
    rehearsal = dataclasses.replace(samples.request, flatten_id="F3", is_dry_run=True)
    ledger.record_flatten(rehearsal, "{}")
    ledger.record_closing(dataclasses.replace(samples.closing, flatten_id="F3"))
    assert ledger.read_last_closed_flatten("main").request.flatten_id == "F1"
    assert ledger.read_last_closed_flatten("other") is None
