"""One pass over the alerts: find, keep, deliver what is due, note what became of it. What sensor and command line share.

Never on the way of a send: a flatten by hand calls it when its closing row is written, and a job never does.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from deepcoin_ops.alerts.alert import AlertKind
from deepcoin_ops.alerts.emergency import PASS_FAILURES, say_pass_failed
from deepcoin_ops.alerts.facts import HORIZON, read_facts
from deepcoin_ops.alerts.finding import find_alerts
from deepcoin_ops.alerts.memory import Memory
from deepcoin_ops.alerts.outbox import AlertState, Outbox, OutboxEntry
from deepcoin_ops.alerts.posting import LIMIT_S, Letter, Receipt, post_letters
from deepcoin_ops.alerts.words import describe_moment
from deepcoin_ops.domain.breaks import Severity
from deepcoin_ops.domain.errors import AlertsFailed
from deepcoin_ops.ledger.sqlite_file import LOG_SUFFIXES
from deepcoin_ops.settings import Settings
from deepcoin_ops.settings_alerts import ALERT_URLS_VARIABLE, AlertAddress, AlertAddresses

# The chain of the last days is walked so often: it finds what a read does not come upon, at the cost of reading all of it.
_WALK_PAUSE = timedelta(hours=1)
_WALKED = "ledger-walked"
# No pass takes so long: a process that holds the outbox for longer hangs, and every alert with it.
_LONGEST_PASS = timedelta(minutes=10)
_BUSY = "outbox-busy"
_ABOUT_AN_END = (AlertKind.NOT_FLAT, AlertKind.UNVERIFIED, AlertKind.REFUSED, AlertKind.KILLED)
# Letters to one address in one pass: a service that takes seconds for each must not use up the pass of the others.
_LETTERS_PER_PASS = 5
# With less than this free a flatten would soon fail to record its intents, and then sends nothing more. Of the ledger its
# log alone takes 4 MB.
_LEAST_ROOM_BYTES = 16_000_000
# Little enough to be written every few seconds; never the room that a record needs, as more than that has to be free.
_TRIED_BYTES = 64_000


@dataclass(frozen=True)
class AlertsReport:
    """What one pass did.

    Attributes:
        is_busy: Somebody else was delivering, so that nothing was done.
        found: Alerts that were new.
        receipts: What was tried.
        states: How many alerts of the last two days are in which state now.
        problems: Addresses that cannot be used.
        has_addresses: Whether any can.
        unwatched: What it means that no flatten is due yet; empty from the first trading day on.
    """

    is_busy: bool = False
    found: int = 0
    receipts: tuple[Receipt, ...] = ()
    states: Mapping[AlertState, int] | None = None
    problems: tuple[str, ...] = ()
    has_addresses: bool = False
    unwatched: str = ""

    @property
    def failures(self) -> list[str]:
        """The tries that failed, in words without an address."""
        return [f"{each.address.name} {each.failure}: {each.key}" for each in self.receipts if not each.is_delivered]

    @property
    def is_all_told(self) -> bool:
        """Whether nothing is left that somebody should hear of and has not."""
        untold = (AlertState.WAITING, AlertState.GIVEN_UP, AlertState.KEPT)
        is_told = not any((self.states or {}).get(state) for state in untold)
        return is_told and not (self.is_busy or self.problems)

    def describe(self) -> str:
        """What was done, in a line."""
        if self.is_busy:
            return "Somebody else is delivering alerts."
        delivered = sum(each.is_delivered for each in self.receipts)
        counts = ", ".join(f"{count} {state}" for state, count in (self.states or {}).items()) or "none"
        told = f"{self.found} new, {delivered} delivered now; of the last two days: {counts}."
        if not self.has_addresses:
            told += f" {ALERT_URLS_VARIABLE} names no address, so nobody is told."
        if self.unwatched:
            told += f" {self.unwatched}"
        failed = [f"Failed: {failure}." for failure in self.failures]
        return " ".join([told, *failed, *(f"{each}." for each in self.problems)])


def deliver_due(
    settings: Settings, addresses: AlertAddresses, now: datetime, *, wait_s: float, limit_s: float = LIMIT_S
) -> AlertsReport:
    """Find what is to be told, keep it, and deliver what is due. Sends to the addresses; sends nothing to the exchange.

    Args:
        settings: Whose ledger and outbox.
        addresses: Where alerts go. Without one they are kept and shown.
        now: The time to judge by, aware.
        wait_s: Seconds to wait for somebody else's pass to end.
        limit_s: Seconds that the deliveries of this pass may take.

    Raises:
        OSError: The outbox, a lock, or the ledger and its folder cannot be written.
        AlertsFailed: Something else keeps alerts from being found or delivered. Either is one message, once an hour, with
            what was found all the same; what was kept before is delivered.
    """
    try:
        return _deliver_kept(settings, addresses, now, wait_s, limit_s)
    except PASS_FAILURES as error:
        say_pass_failed(settings, addresses, now, error, limit_s)
        if isinstance(error, OSError | AlertsFailed):
            raise
        raise AlertsFailed(f"Alerts could not be found or delivered: {type(error).__name__}: {error}.") from error


def _deliver_kept(
    settings: Settings, addresses: AlertAddresses, now: datetime, wait_s: float, limit_s: float
) -> AlertsReport:
    outbox, memory = Outbox(settings.alerts_folder), Memory(settings.alerts_folder)
    failure: Exception | None = None
    with outbox.held(wait_s) as is_held:
        if not is_held:
            _check_holder(memory, now)
            return AlertsReport(is_busy=True, problems=addresses.problems, has_addresses=bool(addresses.usable))
        memory.forget(_BUSY)
        found: list[OutboxEntry] = []
        try:
            found = _find(settings, outbox, memory, now)
        except PASS_FAILURES as error:
            failure = error  # what was found before is delivered all the same
        receipts = post_letters(_write_letters(outbox.read_entries(), addresses.usable, now), limit_s)
        outbox.record_receipts(receipts, now)
        entries = outbox.read_entries()
        if failure is not None:
            raise failure
        # Last, so that what can still be kept and delivered has been.
        _try_disk(settings.ledger_path)
    unwatched = settings.find_unwatched(now)
    return AlertsReport(
        found=len(found),
        receipts=tuple(receipts),
        states=_count_states(entries, addresses, now),
        problems=addresses.problems,
        has_addresses=bool(addresses.usable),
        unwatched=unwatched.text if unwatched is not None else "",
    )


def _find(settings: Settings, outbox: Outbox, memory: Memory, now: datetime) -> list[OutboxEntry]:
    outbox.prune(now)
    is_walk_due = not memory.is_within(_WALKED, now, _WALK_PAUSE)
    kept = find_kept_flattens(outbox.read_entries())
    facts = read_facts(settings, now, kept=kept, is_chain_walked=is_walk_due)
    found = outbox.record_found(find_alerts(facts), now)
    if is_walk_due and not facts.ledger_problem:
        memory.note(_WALKED, now)
    return found


def _check_holder(memory: Memory, now: datetime) -> None:
    """Note since when another pass holds the outbox.

    Raises:
        AlertsFailed: It does so for longer than any pass takes, so that it hangs.
    """
    since = memory.read_first(_BUSY)
    if since is None or since > now:
        memory.note(_BUSY, now)
    elif now - since > _LONGEST_PASS:
        raise AlertsFailed(
            f"Another process has held the outbox since {describe_moment(since)} and delivers nothing: it hangs. Find it "
            "(`deepcoin-ops alerts`, or Dagster's code server with the sensor alerts_due) and end it."
        )


def find_kept_flattens(entries: Iterable[OutboxEntry]) -> set[str]:
    """The ids of the flattens whose end is kept as an alert; one about a flatten has its id behind the kind.

    That a cap was passed over is kept while the flatten is still at work, and tells nothing of its end.
    """
    return {entry.key.partition(":")[2] for entry in entries if entry.kind in _ABOUT_AN_END}


def _count_states(entries: Iterable[OutboxEntry], addresses: AlertAddresses, now: datetime) -> dict[AlertState, int]:
    """How many alerts are in which state, of those that are still news: a timer must not complain of others for weeks."""
    ids = [address.address_id for address in addresses.usable]
    counted = Counter(entry.state(ids, now) for entry in entries if entry.first_at > now - HORIZON)
    return {state: counted[state] for state in AlertState if counted[state]}


def _try_disk(ledger_path: Path) -> None:
    """Look whether the ledger can be written: a full disk has to be told before a flatten is due.

    Raises:
        OSError: Its folder or itself cannot be written, or hardly any room is left; `filename` is the folder.
    """
    folder = ledger_path.parent
    if not folder.exists():
        return  # nothing was ever recorded; the first flatten makes it
    try:
        _write_beside(ledger_path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error


def _write_beside(ledger_path: Path) -> None:
    free_bytes = shutil.disk_usage(ledger_path.parent).free
    if free_bytes < _LEAST_ROOM_BYTES:
        raise OSError(errno.ENOSPC, f"only {free_bytes:,} bytes are left on its disk")
    # One name, so that whoever is killed in between leaves no more than one. Only who holds the outbox comes here.
    tried = ledger_path.with_name(".room.tmp")
    try:
        # Quotas, permissions and disks that were mounted for reading show in a write alone.
        tried.write_bytes(bytes(_TRIED_BYTES))
    finally:
        tried.unlink(missing_ok=True)
    # Asked and not opened: closing it would take this process's locks of the file away from under SQLite.
    for suffix in ("", *LOG_SUFFIXES):
        path = ledger_path.with_name(ledger_path.name + suffix)
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, f"no permission to write {path.name}")


def send_test(addresses: AlertAddresses, letter: Letter, limit_s: float = LIMIT_S) -> list[Receipt]:
    """Deliver one letter to every address at once, past the outbox. Sends to the addresses."""
    return post_letters({address: [letter] for address in addresses.usable}, limit_s)


def _write_letters(
    entries: Sequence[OutboxEntry], addresses: Sequence[AlertAddress], now: datetime
) -> dict[AlertAddress, list[Letter]]:
    """What is due at each address, most urgent first and then oldest first."""
    urgent_first = sorted(entries, key=lambda entry: list(Severity).index(entry.severity))
    letters = {}
    for address in addresses:
        due = [entry for entry in urgent_first if entry.is_due(address.address_id, now)][:_LETTERS_PER_PASS]
        if due:
            is_urgent = [entry.severity is Severity.ERROR for entry in due]
            letters[address] = [
                Letter(entry.key, entry.title, entry.text, urgent) for entry, urgent in zip(due, is_urgent, strict=True)
            ]
    return letters
