"""What the ledger tells about itself and its days, beside the records of the domain. No table, no SQL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from deepcoin_ops.domain.checks import AccountCheck
from deepcoin_ops.domain.evidence import EvidenceRead
from deepcoin_ops.domain.model import FlattenClosing, FlattenRequest


@dataclass(frozen=True)
class FlattenRecord:
    """One flatten as the ledger has it.

    No closing means that it still runs, or was killed; with `closed_at`, that it has ended and its ending cannot be read.

    Raises:
        ValueError: `settings_json` does not hold the accounts of settings.
    """

    seq: int
    request: FlattenRequest
    settings_json: str
    tool_version: str
    opened_at: datetime
    closing: FlattenClosing | None
    closed_at: datetime | None

    def __post_init__(self) -> None:
        """Refuse settings that nothing can be read from, here and not where they are asked for."""
        _ = self.configured

    @property
    def configured(self) -> tuple[str, ...]:
        """The account's instruments in the settings that it was opened under; at least what it was asked for."""
        return tuple(dict.fromkeys([*self._read_names("instruments"), *self.request.instruments]))

    @property
    def expected(self) -> tuple[str, ...]:
        """The instruments whose positions those settings expected to stay open; none in settings older than the key."""
        return self._read_names("expected_positions")

    def _read_names(self, key: str) -> tuple[str, ...]:
        try:
            account = json.loads(self.settings_json).get("accounts", {}).get(self.request.account, {})
            named = tuple(account.get(key, ()))
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError("its settings_json holds no settings") from error
        if not all(isinstance(name, str) for name in named):
            raise ValueError("its settings_json holds no settings")
        return named


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
        """Which entry of whom, and what is wrong with it, in words."""
        return f"account {self.account}, entry {self.seq} ({self.kind}, {self.trading_day}): {self.reason}"
