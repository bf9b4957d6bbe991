"""What the ledger tells about itself and its days, beside the records of the domain. No table, no SQL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from deepcoin_ops.domain.checks import AccountCheck
from deepcoin_ops.domain.evidence import EvidenceRead
from deepcoin_ops.domain.facts import AnyFact
from deepcoin_ops.domain.model import FlattenClosing, FlattenRequest


@dataclass(frozen=True)
class NewFact:
    """A fact that is to be recorded. `raw` are the bytes of its answers, compressed."""

    account: str
    trading_day: str
    fact: AnyFact
    raw: bytes | None = None


@dataclass(frozen=True)
class Recorded:
    """A fact as the ledger has it.

    `fact` is None where the row is not what was recorded, or cannot be read; `problem` says which. Cells that cannot be
    read are empty then.
    """

    seq: int
    account: str
    trading_day: str
    flatten_id: str
    kind: str
    recorded_at: datetime
    once_key: str
    fact_hash: str
    fact: AnyFact | None
    raw: bytes | None
    problem: str = ""


@dataclass(frozen=True)
class FlattenRecord:
    """One flatten as the ledger has it.

    No closing means that it still runs, or was killed; with `closed_at`, that it has ended and its ending cannot be read.
    """

    seq: int
    request: FlattenRequest
    settings_json: str
    tool_version: str
    opened_at: datetime
    closing: FlattenClosing | None
    closed_at: datetime | None

    @property
    def configured(self) -> tuple[str, ...]:
        """The account's instruments in the settings that it was opened under; at least what it was asked for."""
        named = read_names(self.settings_json, self.request.account, "instruments")
        return tuple(dict.fromkeys([*named, *self.request.instruments]))

    @property
    def expected(self) -> tuple[str, ...]:
        """The instruments whose positions those settings expected to stay open; none in settings older than the key."""
        return read_names(self.settings_json, self.request.account, "expected_positions")


@dataclass(frozen=True)
class SkippedTick:
    """A tick of the schedule that launched nothing, and why."""

    seq: int
    account: str
    trading_day: str
    scheduled_at: datetime
    reason: str
    recorded_at: datetime


@dataclass(frozen=True)
class EvidenceRecord:
    """One evidence read of an account for a trading day, as it was recorded; its pages' bytes stay in the ledger."""

    seq: int
    account: str
    trading_day: str
    recorded_at: datetime
    read: EvidenceRead


@dataclass(frozen=True)
class CheckRecord:
    """One check of an account as it was recorded; `flatten_id` is that of the flatten which it decided about, if any."""

    seq: int
    account: str
    trading_day: str
    flatten_id: str | None
    recorded_at: datetime
    check: AccountCheck


@dataclass(frozen=True)
class DayHead:
    """The newest entry of a trading day."""

    trading_day: str
    seq: int
    recorded_at: datetime


@dataclass(frozen=True)
class LedgerHead(DayHead):
    """The newest entry of a trading day, with the hash of each account's newest entry of that day.

    Kept outside the ledger, the hashes show later whether entries up to here were altered or lost.
    """

    hashes: Mapping[str, str]


@dataclass(frozen=True)
class AlteredEntry:
    """The first entry of an account that is not what was once recorded, or does not follow the one before it."""

    seq: int
    account: str
    trading_day: str
    kind: str
    reason: str

    def describe(self) -> str:
        """Which entry of whom, and what is wrong with it, in words; of one that is missing only the number is known."""
        account = f"account {self.account}, " if self.account else ""
        what = f" ({self.kind}, {self.trading_day})" if self.kind or self.trading_day else ""
        return f"{account}entry {self.seq}{what}: {self.reason}"


def build_altered(each: Recorded, reason: str) -> AlteredEntry:
    """Build what is wrong with an entry."""
    return AlteredEntry(each.seq, each.account, each.trading_day, each.kind, reason)


def read_names(settings_json: str, account: str, key: str) -> tuple[str, ...]:
    """Read the instruments that an account's settings name under a key; none where they are no settings."""
    try:
        named = tuple(json.loads(settings_json).get("accounts", {}).get(account, {}).get(key, ()))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return ()
    return named if all(isinstance(name, str) for name in named) else ()
