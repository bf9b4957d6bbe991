"""The alerts that were found, one JSON file for each, until they are delivered and some weeks longer, without addresses.

Beside the ledger and not in it: whether a message arrived is no part of what happened to the account. A file is replaced
whole. Delivering is at least once: whoever dies between a delivery and its note here delivers again.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from filelock import Timeout
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from deepcoin_ops.alerts.alert import Alert, AlertKind
from deepcoin_ops.alerts.posting import Receipt
from deepcoin_ops.domain.breaks import Severity
from deepcoin_ops.state_files import build_lock, make_private_folder

# Long after what an alert is found in has become no news; were it shorter, a pruned one would be found and told anew.
KEPT_FOR = timedelta(days=21)
# Nobody acts at noon on what failed to reach him last night at eleven; it is in the tables by then.
TRIED_FOR = timedelta(days=1)
FIRST_PAUSE = timedelta(seconds=15)
LONGEST_PAUSE = timedelta(minutes=15)
# What was found later than this from now was found by a clock that ran ahead. Were it kept, the fact would not be said when
# its time comes.
_CLOCK_STEP = timedelta(minutes=5)


class AlertState(StrEnum):
    """What has become of an alert.

    WAITING:   it is due, or will be again after a pause.
    DELIVERED: every address has taken it.
    SETTLED:   what it told was over before anybody was told.
    GIVEN_UP:  a day of tries was in vain at some address.
    KEPT:      no address is configured, so nobody was told.
    """

    WAITING = "WAITING"
    DELIVERED = "DELIVERED"
    SETTLED = "SETTLED"
    GIVEN_UP = "GIVEN_UP"
    KEPT = "KEPT"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Delivery(_Record):
    """What one address has been tried with. `failure` is the last one, in words without the address."""

    tries: int = 0
    last_try_at: AwareDatetime | None = None
    failure: str | None = None
    delivered_at: AwareDatetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether it is to be tried now: not delivered, and the pause after the last try is over."""
        if self.delivered_at is not None:
            return False
        if self.last_try_at is None:
            return True
        # Bounded before it is used: a day of tries would overflow it.
        pause: timedelta = min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(self.tries - 1, 10)))
        # A try that is still to come was noted by a clock that has been set back since: it must not be waited for.
        return not timedelta(0) <= now - self.last_try_at < pause


class OutboxEntry(_Record):
    """One alert with what became of it. `deliveries` are by the id of the address; `only_to` is None for all addresses."""

    key: str
    kind: AlertKind
    severity: Severity
    account: str
    title: str
    text: str
    first_at: AwareDatetime
    settled: str | None = None
    only_to: list[str] | None = None
    deliveries: dict[str, Delivery] = {}

    @classmethod
    def of(cls, alert: Alert, now: datetime) -> OutboxEntry:
        """The entry of an alert that was just found."""
        return cls(
            key=alert.key,
            kind=alert.kind,
            severity=alert.severity,
            account=alert.account,
            title=alert.title,
            text=alert.text,
            first_at=now,
        )

    @property
    def is_told(self) -> bool:
        """Whether any address has taken it, or may have."""
        return any(each.delivered_at is not None for each in self.deliveries.values())

    def delivery(self, address_id: str) -> Delivery:
        """What an address has been tried with; nothing yet, if it is a new one."""
        return self.deliveries.get(address_id, Delivery())

    def is_due(self, address_id: str, now: datetime) -> bool:
        """Whether an address is to be tried now."""
        is_open = self.settled is None and now < self.first_at + TRIED_FOR
        is_owed = self.only_to is None or address_id in self.only_to
        return is_open and is_owed and self.delivery(address_id).is_due(now)

    def state(self, address_ids: Collection[str], now: datetime) -> AlertState:
        """What has become of it, as far as the addresses of now are concerned."""
        owed = [each for each in address_ids if self.only_to is None or each in self.only_to]
        if owed and all(self.delivery(each).delivered_at is not None for each in owed):
            return AlertState.DELIVERED
        if self.settled is not None:
            return AlertState.DELIVERED if self.is_told else AlertState.SETTLED
        if now >= self.first_at + TRIED_FOR:
            # An address that was added since is owed nothing.
            was_tried = [each for each in self.deliveries.values() if each.tries]
            if was_tried and all(each.delivered_at is not None for each in was_tried):
                return AlertState.DELIVERED
            return AlertState.GIVEN_UP if was_tried else AlertState.KEPT
        return AlertState.WAITING if owed else AlertState.KEPT

    def with_receipt(self, receipt: Receipt, now: datetime) -> OutboxEntry:
        """The entry after a try."""
        before = self.delivery(receipt.address.address_id)
        after = Delivery(
            tries=before.tries + 1,
            last_try_at=now,
            failure=receipt.failure,
            delivered_at=now if receipt.is_delivered else None,
        )
        return self.model_copy(update={"deliveries": {**self.deliveries, receipt.address.address_id: after}})


class Outbox:
    """The alerts of one venue on this host.

    Args:
        folder: Where they are kept; made when something is first put into it.
    """

    def __init__(self, folder: Path):
        self._folder = folder

    @contextmanager
    def held(self, wait_s: float) -> Iterator[bool]:
        """Hold the outbox, so that nobody else delivers from it meanwhile; False when somebody else holds it.

        Args:
            wait_s: Seconds to wait for it at most.
        """
        make_private_folder(self._folder)
        lock = build_lock(self._folder / "outbox.lock", is_shared_by_threads=True)
        try:
            lock.acquire(timeout=wait_s)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def read_entries(self) -> list[OutboxEntry]:
        """All that can be read, oldest first. Whatever cannot be read is no entry, and its fact is found anew."""
        entries = []
        for path in self._folder.glob("*.json"):
            try:
                entries.append(OutboxEntry.model_validate_json(path.read_bytes()))
            except (OSError, ValidationError):
                continue
        return sorted(entries, key=lambda entry: (entry.first_at, list(Severity).index(entry.severity), entry.key))

    def record_found(self, alerts: Iterable[Alert], now: datetime) -> list[OutboxEntry]:
        """Take in what was found; each fact once. Writes.

        One that is settled is not taken in any more, or leaves the queue; whoever was told of it is told its end.

        Returns:
            The entries that are new.

        Raises:
            OSError: One of them could not be written; the others are.
        """
        known = {entry.key: entry for entry in self.read_entries()}
        fresh: dict[str, OutboxEntry] = {}
        ended: list[OutboxEntry] = []
        for alert in alerts:
            entry = known.get(alert.key)
            if alert.settled is None and entry is None:
                fresh[alert.key] = OutboxEntry.of(alert, now)
            elif alert.settled is not None and entry is not None and entry.settled is None:
                ended.append(entry.model_copy(update={"settled": alert.settled}))
                if entry.is_told:
                    end = _build_end(entry, alert.settled, now)
                    fresh[end.key] = end
        self._write_each([*ended, *fresh.values()])
        return list(fresh.values())

    def record_receipts(self, receipts: Sequence[Receipt], now: datetime) -> None:
        """Note what was tried. Writes.

        Raises:
            OSError: An entry could not be written; the others are.
        """
        entries = {entry.key: entry for entry in self.read_entries()}
        touched = {receipt.key for receipt in receipts}
        for receipt in receipts:
            if receipt.key in entries:
                entries[receipt.key] = entries[receipt.key].with_receipt(receipt, now)
        self._write_each([entries[key] for key in touched & entries.keys()])

    def prune(self, now: datetime) -> None:
        """Remove what is older than some weeks, or was found by a clock that ran ahead. Writes."""
        for entry in self.read_entries():
            if not now - KEPT_FOR < entry.first_at <= now + _CLOCK_STEP:
                with suppress(OSError):  # the next pass tries again
                    self._path_of(entry.key).unlink(missing_ok=True)

    def _path_of(self, key: str) -> Path:
        # Two keys that differ only in what a file name cannot hold must not share a file.
        digest = hashlib.sha256(key.encode()).hexdigest()[:8]
        return self._folder / f"{re.sub(r'[^A-Za-z0-9._-]', '_', key)[:120]}-{digest}.json"

    def _write_each(self, entries: Iterable[OutboxEntry]) -> None:
        """Write entries; one that cannot be written keeps no other one from it, and is raised at the end."""
        failures = []
        for entry in entries:
            try:
                self._write(entry)
            except OSError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def _write(self, entry: OutboxEntry) -> None:
        handle, beside = tempfile.mkstemp(dir=self._folder, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(entry.model_dump_json(indent=2))
                file.flush()
                os.fsync(file.fileno())
            Path(beside).replace(self._path_of(entry.key))
        finally:
            Path(beside).unlink(missing_ok=True)


def _build_end(entry: OutboxEntry, settled: str, now: datetime) -> OutboxEntry:
    """What is told to whoever was told of a fact that is over, at the addresses that took it."""
    told = [each for each, delivery in entry.deliveries.items() if delivery.delivered_at is not None]
    return OutboxEntry(
        key=f"{entry.key}:SETTLED",
        kind=entry.kind,
        severity=Severity.INFO,
        account=entry.account,
        title=f"Settled: {entry.title}",
        text=f"Settled: {settled}.\nNothing has to be done about this any more. What had been told:\n\n{entry.text}",
        first_at=now,
        only_to=told,
    )
