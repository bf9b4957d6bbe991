"""Evidence in the ledger: it comes back as it went in, and an older ledger gains its tables without losing its chain."""

import dataclasses
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.evidence import EvidenceStatus
from deepcoin_ops.domain.model import Venue
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.ledger.sqlite_file import driver

DAY = "2026-03-01"


def test_evidence_reads_back_as_it_was_recorded(ledger: Ledger, samples: Any) -> None:
    """Sizes, money and instants to the last digit, and each row under its own read."""
    samples.record_evidence(ledger)
    history, fills = ledger.read_evidence(DAY)
    assert (history.read, fills.read) == (samples.history, samples.fills)
    assert (history.seq, history.account, history.trading_day) == (1, "main", DAY)
    assert ledger.read_evidence("2026-03-02") == []


def test_every_page_is_kept_with_what_was_asked(ledger: Ledger, samples: Any, sql: Callable[..., list[Any]]) -> None:
    """The rows are our reading of it; the bytes are what the exchange said."""
    samples.record_evidence(ledger)
    pages = sql("SELECT query, body, body_length FROM evidence_pages WHERE seq = 1 ORDER BY item_index")
    kept = [(query, zlib.decompress(body), length) for query, body, length in pages]
    raws = (samples.read.raw, samples.answer.raw)
    assert kept == [("limit=100", raw.body, raw.length) for raw in raws]


def test_evidence_that_failed_or_was_not_to_be_had_is_recorded_without_rows(ledger: Ledger, samples: Any) -> None:
    """That somebody asked, and why nothing came of it, is what tells it from an empty day."""
    for status in (EvidenceStatus.FAILED, EvidenceStatus.UNAVAILABLE):
        read = dataclasses.replace(samples.history, status=status, reason="why", closed_positions=())
        ledger.record_evidence("main", DAY, read, ())
    assert [record.read.status for record in ledger.read_evidence(DAY)] == ["FAILED", "UNAVAILABLE"]


def test_later_evidence_does_not_exist_for_an_earlier_head(ledger: Ledger, samples: Any) -> None:
    """Tables of one run are of one moment."""
    samples.record_evidence(ledger)
    assert [record.seq for record in ledger.read_evidence(DAY, up_to_seq=1)] == [1]
    assert ledger.read_head(DAY).seq == 2
    assert ledger.read_altered_entry("main") is None


def test_a_row_of_evidence_that_is_taken_away_is_noticed(
    ledger: Ledger, samples: Any, sql: Callable[..., list[Any]], drop_triggers: Callable[[], None]
) -> None:
    """A close less in the evidence would make a mismatch of a good day, or hide a bad one."""
    samples.record_evidence(ledger)
    drop_triggers()
    sql("DELETE FROM closed_positions WHERE item_index = 1")
    assert ledger.read_altered_entry("main").seq == 1


def test_the_last_closed_flatten_is_neither_open_nor_a_dry_run(ledger: Ledger, samples: Any) -> None:
    """Evidence is collected for what was sent, once that is over."""
    assert ledger.read_last_closed_flatten("main") is None
    samples.record_everything(ledger)
    rehearsal = dataclasses.replace(samples.request, flatten_id="F3", is_dry_run=True)
    ledger.record_flatten(rehearsal, "{}")
    ledger.record_closing(dataclasses.replace(samples.closing, flatten_id="F3"))
    assert ledger.read_last_closed_flatten("main").request.flatten_id == "F1"
    assert ledger.read_last_closed_flatten("other") is None


@pytest.fixture
def old_path(ledger: Ledger, samples: Any, path: Path) -> Path:
    """A ledger as the version before evidence left it, with entries."""
    samples.record_everything(ledger, dataclasses.replace(samples.verdict, cause=None))
    ledger.close()
    with closing(driver.connect(path)) as connection, connection:
        orders = ("cancel_errors", "cancel_outcomes", "cancel_intents", "order_rows", "order_pages", "order_reads")
        checks = ("check_findings", "account_checks")
        for table in (*checks, *orders, "fills", "closed_positions", "evidence_pages", "evidence_reads"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("ALTER TABLE verdicts DROP COLUMN cause")
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    return path


def test_a_ledger_from_before_evidence_is_brought_up_to_date_with_its_chain_intact(old_path: Path, samples: Any) -> None:
    """The record of past flattens goes on in the same file, and none of it looks altered."""
    with Ledger.open(old_path, Venue.PAPER) as ledger:
        assert ledger.read_altered_entry("main") is None
        samples.record_evidence(ledger)
        assert len(ledger.read_evidence(DAY)) == 2
        assert ledger.read_altered_entry("main") is None
        assert len(ledger.read_attempts(DAY)) == 2


def test_a_ledger_from_before_evidence_is_not_read_as_one_without(old_path: Path) -> None:
    """A reader does not migrate, and "no evidence" would be a claim about a table that is not there."""
    with pytest.raises(LedgerError, match="older version's schema"):
        Ledger.open_existing(old_path, Venue.PAPER)
