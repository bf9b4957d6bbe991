"""One thing after the other is taken away from an evening, and each time the next run of the timer is heard of.

The evening's tick is at 23:00, a flatten may start ten minutes late, and the timer comes every five minutes. What is taken
away without Dagster's help is what its death takes away too: only the timer is left then.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from alert_receiver import AlertReceiver

from deepcoin_ops.alerts import delivering
from deepcoin_ops.alerts.delivering import deliver_due
from deepcoin_ops.alerts.outbox import Outbox
from deepcoin_ops.domain.errors import DeepcoinOpsError
from deepcoin_ops.domain.model import FlattenClosing, FlattenRequest, FlattenResult, InstrumentVerdict, Venue, Verdict
from deepcoin_ops.flattening.account_lock import AccountLock
from deepcoin_ops.ledger import store
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.settings import Settings, load_settings
from deepcoin_ops.settings_alerts import parse_alert_urls

BTC = "BTC-USDT-SWAP"
DAY = "2026-03-05"
TICK = datetime(2026, 3, 5, 23, tzinfo=UTC)
LATENESS, TIMER = timedelta(minutes=10), timedelta(minutes=5)
TEXT = f"""
accounts:
  main: {{credentials_prefix: A, instruments: [{BTC}]}}
  hedge: {{credentials_prefix: B, instruments: [{BTC}]}}
schedule: {{cron: "0 23 * * *", first_trading_day: {DAY}, max_lateness_minutes: 10}}
flatten: {{lock_wait_s: 5, max_deadline_s: 1200}}
"""


@dataclass
class Night:
    """An evening of two accounts, a timer that looks, and a receiver that hears."""

    settings: Settings
    receiver: AlertReceiver
    open: ExitStack
    patch: pytest.MonkeyPatch
    more_addresses: list[str] = field(default_factory=list)

    def flatten(self, *accounts: str, is_ended: bool = True) -> None:
        """What each account's flatten of the evening leaves in the ledger; one that does not end has no more than begun."""
        seconds = count()
        with Ledger.open(self.settings.ledger_path, Venue.PAPER, lambda: TICK + timedelta(seconds=next(seconds))) as ledger:
            for account in accounts:
                flatten_id = f"F-{account}"
                request = FlattenRequest(flatten_id, account, DAY, "schedule", (BTC,), is_dry_run=False)
                ledger.record_flatten(request, self.settings.as_public_json())
                if is_ended:
                    verdict = InstrumentVerdict(BTC, Verdict.FLAT, None, None, None, None, 1, "two reads show it flat")
                    ledger.record_verdicts(flatten_id, [verdict])
                    closed = FlattenClosing(flatten_id, FlattenResult.FLAT, "flat", 1, 1, 0, None, 1.0, 2.0, None)
                    ledger.record_closing(closed)

    def sql(self, statement: str) -> None:
        """Write into the ledger as a tool would."""
        with closing(sqlite3.connect(self.settings.ledger_path)) as connection, connection:
            for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                connection.execute(f"DROP TRIGGER {trigger}")
            connection.execute(statement)

    def look(self, at: datetime) -> None:
        """One run of the timer."""
        addresses = parse_alert_urls(" ".join([*self.more_addresses, self.receiver.url]))
        # The command line ends with a sentence and exit code 1.
        with suppress(OSError, DeepcoinOpsError):
            deliver_due(self.settings, addresses, at, wait_s=0, limit_s=10)

    def heard(self) -> list[str]:
        """What arrived: account and title of each."""
        return [title.removeprefix("[paper] ") for title in self.receiver.titles]


@pytest.fixture
def night(settings_file: Callable[..., dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Night]:
    """An evening on which nothing has happened yet."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    settings = load_settings(settings_file("http://127.0.0.1:1", TEXT))
    with AlertReceiver() as receiver, ExitStack() as stack:
        yield Night(settings, receiver, stack, monkeypatch)


# -- what is taken away -----------------------------------------------------------------------------------------------


def nothing_starts(_night: Night) -> None:
    """The daemon is down, its database gone, the schedule off, a credential missing: no flatten reaches the ledger."""


def state_deleted(night: Night) -> None:
    night.flatten("main", "hedge")
    shutil.rmtree(night.settings.state_folder)


def cell_unreadable(night: Night) -> None:
    night.flatten("main", "hedge")
    night.sql("UPDATE facts SET body = replace(body, 'FLAT', 'FLATT') WHERE seq = 3")


def cell_changed(night: Night) -> None:
    night.flatten("main", "hedge")
    night.sql("UPDATE facts SET body = replace(body, '\"flat\"', '\"well\"') WHERE seq = 4")


def entry_deleted(night: Night) -> None:
    night.flatten("main", "hedge")
    night.sql("DELETE FROM facts WHERE seq = 3")


def ledger_deleted(night: Night) -> None:
    night.flatten("main", "hedge")
    night.settings.ledger_path.unlink()


def ledger_garbage(night: Night) -> None:
    night.flatten("main", "hedge")
    night.settings.ledger_path.write_bytes(b"no ledger" * 1000)


def ledger_a_folder(night: Night) -> None:
    night.settings.ledger_path.mkdir(parents=True)


def ledger_old(night: Night) -> None:
    night.flatten("main")
    old = night.settings.ledger_path.read_bytes()
    night.flatten("hedge")
    night.settings.ledger_path.write_bytes(old)


def ledger_locked(night: Night) -> None:
    night.flatten("main", "hedge")
    night.patch.setattr(store, "_BUSY_TIMEOUT_S", 0.2)
    holder = night.open.enter_context(closing(sqlite3.connect(night.settings.ledger_path, isolation_level=None)))
    holder.execute("BEGIN EXCLUSIVE")


def ledger_table_dropped(night: Night) -> None:
    night.flatten("main", "hedge")
    night.sql("DROP TABLE facts")


def flatten_killed(night: Night) -> None:
    night.flatten("hedge")
    night.flatten("main", is_ended=False)


def lock_held(night: Night) -> None:
    flatten_killed(night)
    lock = AccountLock(night.settings.locks_folder, "main")
    lock.acquire("another process", 1, lambda: False)
    night.open.callback(lock.release)


def lock_unusable(night: Night) -> None:
    flatten_killed(night)
    (night.settings.locks_folder / "main.lock").mkdir(parents=True)


def outbox_a_file(night: Night) -> None:
    night.settings.alerts_folder.parent.mkdir(parents=True)
    night.settings.alerts_folder.write_text("a file in its place")


def outbox_lock_a_folder(night: Night) -> None:
    (night.settings.alerts_folder / "outbox.lock").mkdir(parents=True)


def outbox_file_damaged(night: Night) -> None:
    """Kept and not delivered yet when the disk damaged it."""
    deliver_due(night.settings, parse_alert_urls(""), TICK + LATENESS + timedelta(seconds=1), wait_s=0)
    [damaged] = night.settings.alerts_folder.glob("NOT_STARTED_main*.json")
    damaged.write_bytes(b"\xff{")


def outbox_file_a_folder(night: Night) -> None:
    outbox_file_damaged(night)
    [damaged] = night.settings.alerts_folder.glob("NOT_STARTED_main*.json")
    damaged.unlink()
    (damaged / "in the way").mkdir(parents=True)


def outbox_held(night: Night) -> None:
    """A pass hangs; this run of the timer is not the first that finds it so."""
    night.open.enter_context(Outbox(night.settings.alerts_folder).held(0))
    night.look(TICK + LATENESS - TIMER - timedelta(seconds=1))


def address_hangs(night: Night) -> None:
    mute = night.open.enter_context(AlertReceiver())
    mute.is_mute = True
    night.more_addresses.append(mute.url)


def clock_ran_ahead(night: Night) -> None:
    """Alerts of this evening went out a day too early; then the clock was set right, and the timer went on."""
    night.look(TICK + LATENESS + timedelta(seconds=1))
    night.look(TICK + LATENESS - timedelta(days=1))
    night.receiver.messages.clear()


def pass_fails(night: Night) -> None:
    def fail(_facts: object) -> list[object]:
        raise KeyError("an error of this program")

    night.patch.setattr(delivering, "find_alerts", fail)


NOT_STARTED = "NO FLATTEN HAS STARTED; what is open is not known"
BOTH = [f"hedge: {NOT_STARTED}", f"main: {NOT_STARTED}"]
ALTERED = f"main: LEDGER ALTERED: an entry of {DAY} is not what was recorded"
UNREADABLE = "all accounts: the ledger cannot be read, so that alerts are blind"
LOST = "all accounts: the ledger is an old copy or lost: NOTHING IS SENT until somebody has looked"
NOT_KEPT = "all accounts: alerts cannot be kept on the disk"
FAILED = "all accounts: ALERTS FAIL: no other alert may come"
HUNG = "main: FLATTEN HAS NOT ENDED, what is open is not known"
KILLED = "main: FLATTEN KILLED, what is open is not known"

# Each with what is heard; what is not in the list may be heard besides.
TAKEN_AWAY: dict[Callable[[Night], None], list[str]] = {
    nothing_starts: BOTH,
    state_deleted: BOTH,
    cell_unreadable: [ALTERED],
    cell_changed: [ALTERED],
    entry_deleted: [ALTERED],
    ledger_deleted: [LOST],
    ledger_garbage: [UNREADABLE],
    ledger_a_folder: [UNREADABLE],
    ledger_old: [LOST],
    ledger_locked: [UNREADABLE],
    ledger_table_dropped: [UNREADABLE],
    flatten_killed: [KILLED],
    outbox_a_file: [NOT_KEPT],
    outbox_lock_a_folder: [NOT_KEPT],
    outbox_file_damaged: BOTH,
    outbox_file_a_folder: [f"hedge: {NOT_STARTED}", NOT_KEPT],
    outbox_held: [FAILED],
    address_hangs: BOTH,
    clock_ran_ahead: BOTH,
    pass_fails: [FAILED],
}
# A flatten that hangs is one only when it should have ended.
HANGING: dict[Callable[[Night], None], list[str]] = {lock_held: [HUNG], lock_unusable: [HUNG]}


def test_a_good_evening_is_silent(night: Night) -> None:
    """An alert that comes every evening is not read."""
    night.flatten("main", "hedge")
    night.look(TICK + LATENESS + TIMER)
    assert night.heard() == []


@pytest.mark.chaos
@pytest.mark.parametrize("take_away", TAKEN_AWAY, ids=lambda each: each.__name__)
def test_it_is_heard_by_the_first_run_of_the_timer_after_the_lateness(
    night: Night, take_away: Callable[[Night], None]
) -> None:
    """Each account's alert, or one for all; whatever else is heard is about the same evening."""
    take_away(night)
    night.look(TICK + LATENESS + TIMER)
    heard = night.heard()
    assert not set(TAKEN_AWAY[take_away]) - set(heard), heard
    night.look(TICK + LATENESS + 2 * TIMER)
    assert len(night.heard()) == len(heard), "heard twice"


@pytest.mark.chaos
@pytest.mark.parametrize("take_away", HANGING, ids=lambda each: each.__name__)
def test_a_flatten_that_hangs_is_heard_of_once_it_should_have_ended(
    night: Night, take_away: Callable[[Night], None]
) -> None:
    """It keeps every other flatten of the account from starting."""
    take_away(night)
    longest = timedelta(seconds=night.settings.max_run_time_s)
    night.look(TICK + longest - TIMER)
    assert night.heard() == []
    night.look(TICK + longest + TIMER)
    heard = night.heard()
    assert not set(HANGING[take_away]) - set(heard), heard


def test_one_bad_cell_of_one_account_leaves_the_alert_of_the_other(night: Night) -> None:
    """On the wire, in one pass."""
    night.flatten("main")
    night.sql("UPDATE facts SET body = replace(body, 'FLAT', 'FLATT') WHERE seq = 3")
    night.look(TICK + LATENESS + TIMER)
    assert sorted(night.heard()) == [f"hedge: {NOT_STARTED}", ALTERED]


def test_what_was_kept_is_delivered_although_nothing_new_can_be_found(night: Night) -> None:
    """An error of this program costs what it comes upon, and not what waits already."""
    deliver_due(night.settings, parse_alert_urls(""), TICK + LATENESS + timedelta(seconds=1), wait_s=0)
    pass_fails(night)
    night.look(TICK + LATENESS + TIMER)
    assert sorted(night.heard()) == sorted([*BOTH, FAILED])
