"""Flattens that were really run, written again into another ledger as if they had been run on other trading days.

A flatten is always about now, so that tests of many days take a few that ran on the paper exchange and tell them again:
the same requests, reads, intents, answers, error items, verdicts and evidence, through the journal and its clock. Every
instant is moved by the same time, every id gets the new flatten's; raw bodies stay as the exchange sent them.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from flatten_lab import open_lab
from sqlalchemy import Connection, select

from deepcoin_ops.domain.due import find_tick
from deepcoin_ops.domain.evidence import ClosedPosition, EvidencePage, EvidenceRead, Fill
from deepcoin_ops.domain.model import (
    CloseAnswer,
    CloseError,
    CloseIntent,
    FlattenClosing,
    FlattenRequest,
    InstrumentType,
    InstrumentVerdict,
    Position,
    PositionsRead,
    RawAnswer,
)
from deepcoin_ops.domain.orders import CancelAnswer, CancelError, CancelIntent, Order, OrderList, OrdersRead
from deepcoin_ops.flattening.evidence import collect_evidence
from deepcoin_ops.ledger import schema
from deepcoin_ops.ledger.journal import Ledger, utc_now
from deepcoin_ops.ledger.rows import build_record
from deepcoin_ops.ledger.schema import EntryKind
from deepcoin_ops.ledger.store import Store
from deepcoin_ops.paper.scenario import Scenario
from deepcoin_ops.settings import Settings

_AFTER_TICK = timedelta(minutes=1)
_Details = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Step:
    """One entry: when it was recorded, and the `record_` call that writes the same again, the account left out."""

    recorded_at: datetime
    method: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class RecordedFlatten:
    """What a ledger holds of one flatten, and of the evidence collected after it, in the order of its entries."""

    request: FlattenRequest
    settings_json: str
    opened_at: datetime
    steps: tuple[Step, ...]

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
    store = Store(ledger_path, is_read_only=True)
    entries = schema.entries.c
    with store.reading() as connection:
        opening = connection.execute(
            select(schema.entries, schema.flattens).join(schema.flattens).where(entries.flatten_id == flatten_id)
        )
        row = opening.mappings().one()
        later = select(schema.entries).where(entries.account == row["account"], entries.seq > row["seq"])
        steps = []
        for entry in connection.execute(later.order_by(entries.seq)).mappings():
            if entry["flatten_id"] not in (flatten_id, None):
                break
            if entry["kind"] != EntryKind.SKIPPED_TICK:
                steps.append(_build_step(entry, _read_details(connection, entry["seq"])))
    store.close()
    opened_at = datetime.fromisoformat(row["recorded_at"])
    return RecordedFlatten(build_record(FlattenRequest, row), row["settings_json"], opened_at, tuple(steps))


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
                ledger.record_flatten(request, flatten.settings_json)
                for step in flatten.steps:
                    now = move(step.recorded_at)
                    owner = (account, trading_day) if step.method == "record_evidence" else ()
                    getattr(ledger, step.method)(*owner, *move(step.arguments))
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


def _read_details(connection: Connection, seq: int) -> _Details:
    found = {}
    for table in schema.DETAIL_TABLES:
        rows = connection.execute(select(table).where(table.c.seq == seq).order_by(*table.primary_key))
        found[table.name] = list(rows.mappings())
    return found


def _build_step(entry: Mapping[str, Any], details: _Details) -> Step:
    build = _STEP_BUILDERS[EntryKind(entry["kind"])]
    method, *arguments = build(entry["flatten_id"], details)
    return Step(datetime.fromisoformat(entry["recorded_at"]), method, tuple(arguments))


def _build_read(flatten_id: str, details: _Details) -> tuple[Any, ...]:
    [row] = details["position_reads"]
    raw, told = _build_raw(row), (flatten_id, row["purpose"], row["round_number"])
    if row["is_complete"]:
        positions = _all(Position, details["position_rows"])
        return "record_read", *told, build_record(PositionsRead, row, positions=positions, raw=raw, started_monotonic_s=0.0)
    instants = datetime.fromisoformat(row["started_at"]), datetime.fromisoformat(row["finished_at"])
    return "record_failed_read", *told, InstrumentType(row["instrument_type"]), *instants, row["failure"], raw


def _build_intent(flatten_id: str, details: _Details) -> tuple[Any, ...]:
    return "record_intent", flatten_id, *_all(CloseIntent, details["close_intents"])


def _build_outcome(_flatten_id: str, details: _Details) -> tuple[Any, ...]:
    [row] = details["close_outcomes"]
    answer = build_record(CloseAnswer, row, close_errors=_all(CloseError, details["close_errors"]), raw=_build_raw(row))
    return "record_outcome", row["attempt_id"], answer


def _build_verdicts(flatten_id: str, details: _Details) -> tuple[Any, ...]:
    return "record_verdicts", flatten_id, _all(InstrumentVerdict, details["verdicts"])


def _build_closing(_flatten_id: str, details: _Details) -> tuple[Any, ...]:
    return "record_closing", *_all(FlattenClosing, details["flatten_closings"])


def _build_evidence(_flatten_id: str, details: _Details) -> tuple[Any, ...]:
    [row] = details["evidence_reads"]
    closed, fills = _all(ClosedPosition, details["closed_positions"]), _all(Fill, details["fills"])
    pages = tuple(EvidencePage(each["query"], _build_raw(each)) for each in details["evidence_pages"])
    return "record_evidence", build_record(EvidenceRead, row, closed_positions=closed, fills=fills), pages


def _build_orders_read(flatten_id: str, details: _Details) -> tuple[Any, ...]:
    [row] = details["order_reads"]
    pages = tuple(_build_raw(each) for each in details["order_pages"])
    if row["is_complete"]:
        orders = _all(Order, details["order_rows"])
        read = build_record(OrdersRead, row, orders=orders, pages=pages, started_monotonic_s=0.0)
        return "record_orders_read", flatten_id, row["purpose"], read
    instants = datetime.fromisoformat(row["started_at"]), datetime.fromisoformat(row["finished_at"])
    told = (flatten_id, row["purpose"], OrderList(row["order_list"]), row["instrument_id"])
    return "record_failed_orders_read", *told, *instants, row["failure"], pages[0] if pages else None


def _build_cancel_intent(flatten_id: str, details: _Details) -> tuple[Any, ...]:
    return "record_cancel_intent", flatten_id, *_all(CancelIntent, details["cancel_intents"])


def _build_cancel_outcome(_flatten_id: str, details: _Details) -> tuple[Any, ...]:
    [row], errors = details["cancel_outcomes"], _all(CancelError, details["cancel_errors"])
    return (
        "record_cancel_outcome",
        row["cancel_id"],
        build_record(CancelAnswer, row, cancel_errors=errors, raw=_build_raw(row)),
    )


_STEP_BUILDERS: Mapping[EntryKind, Callable[[str, _Details], tuple[Any, ...]]] = {
    EntryKind.POSITION_READ: _build_read,
    EntryKind.CLOSE_INTENT: _build_intent,
    EntryKind.CLOSE_OUTCOME: _build_outcome,
    EntryKind.VERDICTS: _build_verdicts,
    EntryKind.FLATTEN_CLOSING: _build_closing,
    EntryKind.EVIDENCE: _build_evidence,
    EntryKind.ORDER_READ: _build_orders_read,
    EntryKind.CANCEL_INTENT: _build_cancel_intent,
    EntryKind.CANCEL_OUTCOME: _build_cancel_outcome,
}


def _build_raw(row: Mapping[str, Any]) -> RawAnswer | None:
    if row["body"] is None:
        return None
    body = zlib.decompress(row["body"])
    return RawAnswer(row["http_status"], body, row["body_length"], bool(row["is_body_truncated"]))


def _all(record_type: type, rows: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
    return tuple(build_record(record_type, row) for row in rows)
