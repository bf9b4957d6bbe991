"""A tool has written into one cell of the ledger: every other entry is read, and the damage is an alert of its own.

Columns and kinds come from the schema, so that what is added later is damaged too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from itertools import count, product
from typing import Any

import pytest
from sqlalchemy import Column

from deepcoin_ops.alerts.alert import Alert, AlertKind
from deepcoin_ops.alerts.facts import read_facts
from deepcoin_ops.alerts.finding import find_alerts
from deepcoin_ops.commands.reports import read_day_report, read_status_report
from deepcoin_ops.commands.tables import build_day_tables, build_status_tables
from deepcoin_ops.domain.checks import CheckPurpose
from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.model import Venue
from deepcoin_ops.ledger.days import read_account_days
from deepcoin_ops.ledger.history import History
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.ledger.schema import facts
from deepcoin_ops.settings import Settings, load_settings
from deepcoin_ops.settings_alerts import AlertAddresses

DAY = "2026-03-01"
# No text in any encoding, no text at all, a word, half of a JSON text, and a number without end.
DAMAGES = ("CAST(x'ff' AS TEXT)", "x'ff'", "'FLATT'", "'{'", "9e999")
_ACCOUNTS = """
accounts:
  main: {credentials_prefix: A, instruments: [BTC-USDT-SWAP, ETH-USDT-SWAP]}
  hedge: {credentials_prefix: B, instruments: [BTC-USDT-SWAP]}
"""


class Desk:
    """Two accounts in one ledger: everything is recorded of `main`, and `hedge` was left open."""

    def __init__(self, settings: Settings, samples: Any):
        self.settings, self.samples = settings, samples
        self.now = samples.start + timedelta(hours=1)

    def find(self, *, is_chain_walked: bool = True) -> list[Alert]:
        """What an alert pass finds."""
        return find_alerts(read_facts(self.settings, self.now, is_chain_walked=is_chain_walked))

    def damage(self, statement: str) -> None:
        """Write behind the ledger's back."""
        with closing(sqlite3.connect(self.settings.ledger_path)) as connection, connection:
            connection.execute("PRAGMA synchronous = OFF")
            for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                connection.execute(f"DROP TRIGGER {trigger}")
            connection.execute(statement)

    def read(self) -> History:
        """The ledger, open for reading."""
        ledger = History.open_existing(self.settings.ledger_path, Venue.PAPER)
        assert ledger is not None
        return ledger


@pytest.fixture
def desk(settings_file: Callable[..., dict[str, str]], samples: Any) -> Iterator[Desk]:
    """The desk an hour after its evening."""
    settings, seconds = load_settings(settings_file("http://127.0.0.1:1", _ACCOUNTS)), count()
    with Ledger.open(settings.ledger_path, Venue.PAPER, lambda: samples.start + timedelta(seconds=next(seconds))) as ledger:
        samples.record_all_kinds(ledger)
        ledger.record_flatten(replace(samples.request, flatten_id="H1", account="hedge"), "{}")
        ledger.record_verdicts("H1", [samples.verdict])
        ledger.record_closing(replace(samples.closing, flatten_id="H1"))
    return Desk(settings, samples)


def kinds_of(alerts: list[Alert], account: str) -> list[AlertKind]:
    """What was found of an account."""
    return [alert.kind for alert in alerts if alert.account == account]


def check_each(desk: Desk, columns: Iterable[Column[Any]], damages: Sequence[str]) -> None:
    """Damage one cell of each kind of fact after the other, and look what a pass finds; the file is put back each time."""
    path = desk.settings.ledger_path
    whole = path.read_bytes()
    with desk.read() as ledger:
        seqs = {each.kind: each.seq for each in reversed(ledger.read(account="main"))}
    for column, damage, (kind, seq) in product(columns, damages, seqs.items()):
        value = "7777" if column.name == "seq" else damage
        where = f"{kind}: {column.name} = {value}"
        desk.damage(f"UPDATE facts SET {column.name} = {value} WHERE seq = {seq}")
        found = desk.find()
        assert AlertKind.NOT_FLAT in kinds_of(found, "hedge"), where
        altered = [alert for alert in found if alert.kind is AlertKind.LEDGER_ALTERED]
        # A name that no chain begins with is an entry of another account, and one that its own account lacks.
        assert len(altered) == 1 or (column.name in ("account", "seq") and len(altered) == 2), where
        assert "entry " in altered[0].text, where
        path.write_bytes(whole)


def test_one_damaged_cell_is_one_alert_and_silences_no_other_account(desk: Desk) -> None:
    """Of every kind of fact, and in the cells that say what it is."""
    assert AlertKind.LEDGER_ALTERED not in kinds_of(desk.find(), "main")
    check_each(desk, [facts.c.body, facts.c.kind], DAMAGES[:1])


@pytest.mark.chaos
@pytest.mark.parametrize("column", list(facts.c), ids=lambda column: column.name)
def test_any_cell_may_hold_anything(desk: Desk, column: Column[Any]) -> None:
    """Every column in turn, with everything that does not belong there."""
    check_each(desk, [column], DAMAGES)


# The alert of an ending that cannot be read is that of the damage: it has ended, so it was not killed.
WHAT_IS_LEFT = {
    "verdicts_reached/1": ["LEDGER_ALTERED", "NOT_FLAT"],
    "flatten_ended/1": ["LEDGER_ALTERED"],
    "flatten_opened/1' AND flatten_id = 'F1": ["LEDGER_ALTERED"],
    "call_answered/1": ["LEDGER_ALTERED", "NOT_FLAT"],
    "check_made/1": ["LEDGER_ALTERED", "NOT_FLAT"],
}


@pytest.mark.parametrize(("kind", "left"), WHAT_IS_LEFT.items())
@pytest.mark.parametrize("change", ["body = replace(body, 'F', 'G')", "body = '{'", "recorded_at = x'ff'"])
def test_what_a_read_comes_upon_is_an_alert_of_the_next_pass(desk: Desk, kind: str, left: list[str], change: str) -> None:
    """Not only once an hour; and what can be read of the same account is found too."""
    desk.damage(f"UPDATE facts SET {change} WHERE account = 'main' AND kind = '{kind}'")
    found = [alert for alert in desk.find(is_chain_walked=False) if alert.account == "main"]
    kinds = [alert.kind.value for alert in found if alert.kind in ("LEDGER_ALTERED", "NOT_FLAT")]
    if not (kind.startswith("check_made") and "recorded_at" in change):
        # A check is looked for by its time, and this one has none; the walk along the chain finds it.
        assert sorted(set(kinds)) == left
        altered = next(alert for alert in found if alert.kind is AlertKind.LEDGER_ALTERED)
        assert "it is not what was recorded" in altered.text
    assert "F1" not in {each for each in read_facts(desk.settings, desk.now).killed}


def test_the_account_of_a_bad_check_is_flattened_by_the_check_before_it(desk: Desk) -> None:
    """One cell must keep no account open for ever, and no other account's flatten from sending."""
    admitted = replace(desk.samples.check, purpose=CheckPurpose.FLATTEN, findings=())
    with Ledger.open(desk.settings.ledger_path, Venue.PAPER) as ledger:
        for account, uid in (("main", "1"), ("main", "2"), ("hedge", "3")):
            newest = ledger.record_check(account, DAY, replace(admitted, uid=uid))
        desk.damage(f"UPDATE facts SET body = 'FLATT' WHERE seq = {newest - 1}")
        found = [ledger.read_admitted_check(account) for account in ("main", "hedge")]
    assert [check and check.check.uid for check in found] == ["1", "3"]


def test_nothing_is_sent_on_half_a_record_and_another_account_sends(desk: Desk) -> None:
    """A close that cannot be read may have happened a moment ago: its account is denied, by the entry's number."""
    desk.damage("UPDATE facts SET body = replace(body, '12.5', '2.5') WHERE once_key = 'intended A1'")
    with Ledger.open(desk.settings.ledger_path, Venue.PAPER) as ledger:
        assert ledger.read_attempts_since("hedge", desk.samples.start) == []
        with pytest.raises(LedgerError, match=r"account main, entry 5 \(call_intended/1, 2026-03-01\): it is not"):
            ledger.read_attempts_since("main", desk.samples.start)


def test_status_and_day_are_shown_without_what_cannot_be_read(desk: Desk) -> None:
    """The commands that a person runs at night end with a page and not with a traceback."""
    desk.damage("UPDATE facts SET body = replace(body, 'PARTIAL', 'ACCEPTED') WHERE once_key = 'answered A1'")
    desk.damage("UPDATE facts SET body = replace(body, 'RESIDUAL', 'FLAT') WHERE kind = 'verdicts_reached/1' AND seq < 20")
    report = read_day_report(desk.settings, DAY, None)
    assert {each.kind for each in report.altered} == {"call_answered/1", "verdicts_reached/1"}
    assert [flatten.request.flatten_id for flatten in report.flattens] == ["F1", "F2", "H1"]
    assert [attempt.outcome for attempt in report.attempts] == ["UNKNOWN", "UNKNOWN"]
    status = read_status_report(desk.settings, AlertAddresses())
    assert (status.ledger_trouble, status.accounts[1].last_flatten is None) == (None, False)
    build_day_tables(report)
    build_status_tables(status)


def test_the_tables_of_a_day_are_built_without_what_cannot_be_read(desk: Desk) -> None:
    """Of this account and of the other one; the break LEDGER_ALTERED comes from the chain."""
    desk.damage("UPDATE facts SET body = replace(body, '12.500', '1') WHERE kind = 'positions_read/1'")
    desk.damage("UPDATE facts SET body = replace(body, 'NOT_FLAT', 'FLAT') WHERE once_key = 'ended F1'")
    with desk.read() as ledger:
        head = ledger.read_head(DAY)
        assert head is not None
        days = read_account_days(ledger, DAY, head.seq, {}, None, desk.now)
        altered = ledger.read_altered_entries_of_day(DAY, head.seq)
    assert [(day.account, [flatten.closing is None for flatten in day.flattens]) for day in days] == [
        ("hedge", [False]),
        ("main", [True, True]),
    ]
    assert days[1].flattens[0].before == ()
    assert days[1].flattens[0].closed_at is not None
    assert [entry.account for entry in altered] == ["main"]
