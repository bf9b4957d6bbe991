"""Flattens that were really run, written again into another ledger as if they had been run on other trading days.

A flatten is always about now, so that tests of many days take a few that ran on the paper exchange and record their facts
again, through the journal and its clock. Every instant is moved by the same time, every id gets the new flatten's; raw
answers stay as the exchange sent them.
"""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import msgspec
from flatten_lab import open_lab
from sqlalchemy import Connection

from deepcoin_ops.domain.due import find_tick
from deepcoin_ops.domain.facts import FlattenOpened, LedgerCreated, TickSkipped
from deepcoin_ops.domain.model import FlattenRequest, Venue
from deepcoin_ops.flattening.evidence import collect_evidence
from deepcoin_ops.ledger.history import History
from deepcoin_ops.ledger.journal import Ledger, utc_now
from deepcoin_ops.ledger.records import NewFact, Recorded
from deepcoin_ops.ledger.store import Store
from deepcoin_ops.paper.scenario import Scenario
from deepcoin_ops.settings import Settings

_AFTER_TICK = timedelta(minutes=1)


@dataclass(frozen=True)
class RecordedFlatten:
    """What a ledger holds of one flatten, and of the evidence collected after it, in the order of its facts.

    Attributes:
        request: What was asked for.
        settings_json: The settings in force.
        opened_at: When it was opened.
        facts: What followed its opening.
    """

    request: FlattenRequest
    settings_json: str
    opening: Recorded
    facts: tuple[Recorded, ...]

    @property
    def opened_at(self) -> datetime:
        """When it was opened."""
        return self.opening.recorded_at

    def of_account(self, account: str) -> Self:
        """The same flatten, run for an account of another name."""
        settings = json.loads(self.settings_json)
        accounts = settings.get("accounts", {})
        settings["accounts"] = {account if name == self.request.account else name: v for name, v in accounts.items()}
        request = dataclasses.replace(self.request, account=account)
        return dataclasses.replace(self, request=request, settings_json=json.dumps(settings))


def record_evening(folder: Path, scenario: Scenario) -> RecordedFlatten:
    """Flatten an account of `flatten_lab` on a fresh paper exchange and collect the evidence; what is on record of it."""
    folder.mkdir()
    with open_lab(folder, scenario) as lab:
        flatten_id = lab.flatten().closing.flatten_id
        record = lab.desk.ledger.read_flatten(flatten_id)
        assert record is not None
        collect_evidence(lab.desk, record.request.trading_day, lab.said.append)
        return read_recorded_flatten(lab.desk.settings.ledger_path, flatten_id)


def read_recorded_flatten(ledger_path: Path, flatten_id: str) -> RecordedFlatten:
    """A flatten as it was recorded, up to the account's next one."""
    ledger = History.open_existing(ledger_path, Venue.PAPER)
    assert ledger is not None
    with ledger:
        record = ledger.read_flatten(flatten_id)
        assert record is not None
        opening, *later = ledger.read(account=record.request.account, after_seq=record.seq - 1)
    facts = []
    for each in later:
        if each.flatten_id not in (flatten_id, ""):
            break
        if not isinstance(each.fact, TickSkipped | LedgerCreated):
            facts.append(each)
    return RecordedFlatten(record.request, record.settings_json, opening, tuple(facts))


def replay_days(settings: Settings, days: Mapping[str, Sequence[RecordedFlatten]]) -> dict[str, list[str]]:
    """Write recorded flattens into the ledger of a desk, as run on these trading days. One transaction for all of them.

    The first of a day is opened a minute after the day's tick, or as long after it as the recorded one was, each further
    one a minute after the one before has ended; on a day without a tick an hour after the day begins.

    Args:
        settings: Whose ledger, calendar and cron; its accounts should be those of the flattens.
        days: What was run on each day, in order.

    Returns:
        The new flatten ids of each day.
    """
    Ledger.open(settings.ledger_path, settings.venue).close()
    now = utc_now()
    store = _OneTransaction(settings.ledger_path)

    def clock() -> datetime:
        return now

    told: dict[str, list[str]] = defaultdict(list)
    ledger = Ledger(store, clock)
    with store.held():
        for trading_day, flattens in days.items():
            free_at = None
            for flatten in flattens:
                opened_at = free_at or _find_opening(settings, trading_day, flatten)
                flatten_id = f"{trading_day}-{flatten.request.account}-{len(told[trading_day]):04}"
                move = _Move(opened_at - flatten.opened_at, flatten.request.flatten_id, flatten_id)
                account, now = flatten.request.account, opened_at
                request = dataclasses.replace(move(flatten.request), trading_day=trading_day, parent_flatten_id=None)
                opening = move(flatten.opening.fact)
                assert isinstance(opening, FlattenOpened)
                opening = msgspec.structs.replace(opening, request=request, settings_json=flatten.settings_json)
                ledger.append([NewFact(account, trading_day, opening)])
                for each in flatten.facts:
                    now = move(each.recorded_at)
                    ledger.append([NewFact(account, trading_day, move(each.fact), each.raw)])
                free_at = now + _AFTER_TICK
                told[trading_day].append(flatten_id)
    ledger.close()
    return dict(told)


def _find_opening(settings: Settings, trading_day: str, flatten: RecordedFlatten) -> datetime:
    tick = find_tick(settings.calendar, settings.schedule.cron, trading_day)
    if tick is None:
        return settings.calendar.window(trading_day)[0] + timedelta(hours=1)
    scheduled_at = flatten.request.scheduled_at
    return tick + (flatten.opened_at - scheduled_at if scheduled_at else _AFTER_TICK)


@dataclass(frozen=True)
class _Move:
    """Moves a record, or any value in one, to another time and another flatten."""

    by: timedelta
    old_id: str
    new_id: str

    def __call__(self, value: Any) -> Any:
        match value:
            case datetime():
                return value + self.by
            case str() if type(value) is str:
                return value.replace(self.old_id, self.new_id)
            case tuple():
                return tuple(self(each) for each in value)
            case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
                named = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
                return dataclasses.replace(value, **{name: self(each) for name, each in named.items()})
            case msgspec.Struct():
                named = {name: getattr(value, name) for name in value.__struct_fields__}
                return msgspec.structs.replace(value, **{name: self(each) for name, each in named.items()})
        return value


class _OneTransaction(Store):
    """A store whose every write is part of one transaction: a commit of its own for each entry takes most of the time."""

    _connection: Connection

    @contextmanager
    def held(self) -> Iterator[None]:
        """Begin the transaction, and commit it at the end of the block."""
        with super().writing() as self._connection:
            yield

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        yield self._connection

    reading = writing
