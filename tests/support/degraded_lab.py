"""A few instruments on a slow exchange that loses answers, and what has to hold whatever it does."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from fault_scripts import strike
from flatten_lab import SETTINGS, SETTLE_S, Lab, open_lab

from deepcoin_ops.domain.facts import Lane, PositionsRead, ReadFailed
from deepcoin_ops.domain.model import CloseAttempt, Outcome, Verdict
from deepcoin_ops.domain.orders import CancelAttempt
from deepcoin_ops.flattening.progress import FlattenOutcome
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.order_records import PaperOrder
from deepcoin_ops.paper.scenario import LimitSettings, Scenario, build_scale_scenario

CONFIGURED, OPEN = 8, 7
LATENCY_MS = (100.0, 400.0)
READ_TIMEOUT_S = 0.7
CLOSE, CLOSE_IDS, POSITIONS = "batch-close-position", "close-position-by-ids", "account/positions"
RESTING_LIST, TRIGGER_LIST, BATCH_CANCEL = "v2/orders-pending", "trigger-orders-pending", "batch-cancel-order"
_THROTTLED = "50000"
_MAY_HAVE_CLOSED = (Outcome.ACCEPTED, Outcome.PARTIAL, Outcome.UNKNOWN)
# A short period and a wide margin: a machine that is busy with other tests must not look like a pace that does not hold.
_PERIOD_S, _MARGIN_MS = 0.02, 100


def build_slow_scenario(faults: Sequence[Fault] = (), orders: Sequence[PaperOrder] = (), **more: Any) -> Scenario:
    """Few large and many small positions; every answer takes its time."""
    scenario = build_scale_scenario(CONFIGURED, OPEN, latency_ms=more.pop("latency_ms", LATENCY_MS))
    owner = replace(scenario.accounts[0], orders=tuple(orders))
    limits = LimitSettings(period_s=_PERIOD_S, retry_after="0")
    return replace(scenario, accounts=(owner,), faults=tuple(faults), limits=limits, **more)


def held(scenario: Scenario) -> list[str]:
    """The instruments that hold a position at the start, largest first."""
    positions = scenario.accounts[0].positions
    return [each.instrument_id for each in sorted(positions, key=lambda each: -each.quantity_contracts)]


@contextmanager
def open_slow_lab(tmp_path: Path, scenario: Scenario, read_timeout_s: float = READ_TIMEOUT_S) -> Iterator[Lab]:
    """The exchange, and a desk that is configured for all its instruments."""
    settings = yaml.safe_load(SETTINGS)
    settings["accounts"]["main"]["instruments"] = [each.instrument_id for each in scenario.instruments]
    settings["pace"] = {**dict.fromkeys(settings["pace"], _PERIOD_S), "margin_ms": _MARGIN_MS}
    settings["exchange"]["read_timeout_s"] = read_timeout_s
    with open_lab(tmp_path, scenario, yaml.safe_dump(settings)) as lab:
        yield lab


# -- what the exchange and the ledger say ---------------------------------------------------------------------------------


def count_reads(lab: Lab, endpoint: str, *, is_whole: bool) -> int:
    """How many reads of an endpoint were answered whole, if late or from a moment ago, or were not."""
    faults = [each.fault for each in lab.exchange.arrivals() if each.path.endswith(f"/{endpoint}")]
    return sum((fault in (None, FaultAction.DELAY, FaultAction.STALE_READ)) is is_whole for fault in faults)


def hung_closes(lab: Lab) -> list[str]:
    """The instruments of the closes that were never answered, in order."""
    return sorted(
        each["instrument_id"] for each in lab.truth()["close_requests"] if each["fault"] == FaultAction.HANG.value
    )


def failed_reads(lab: Lab) -> list[ReadFailed]:
    """The reads that failed, as they are on record."""
    return [each.fact for each in lab.desk.ledger.read(ReadFailed) if isinstance(each.fact, ReadFailed)]


def failed_lists(lab: Lab) -> list[tuple[datetime, datetime, str | None]]:
    """Begin, end and instrument of each order list that could not be read."""
    return [
        (failed.of_read.started_at, failed.of_read.finished_at, failed.read.about or None)
        for failed in failed_reads(lab)
        if failed.of_read is not None and failed.read.order_list is not None
    ]


def cancels_of(lab: Lab, outcome: FlattenOutcome) -> list[CancelAttempt]:
    """What the ledger says was cancelled by a flatten, in order."""
    record = lab.desk.ledger.read_flatten(outcome.closing.flatten_id)
    assert record is not None
    cancels = lab.desk.ledger.read_cancels(record.request.trading_day)
    return [each for each in cancels if each.flatten_id == outcome.closing.flatten_id]


# -- what has to hold -----------------------------------------------------------------------------------------------------


def check_all(lab: Lab, outcome: FlattenOutcome) -> None:
    """Everything that has to hold whatever the exchange does."""
    check_pace(lab)
    check_failed_reads(lab)
    check_sends(lab, outcome)
    check_verdicts(lab, outcome)


def check_pace(lab: Lab) -> None:
    """Slow answers let nobody send faster: no request of any kind was refused for its rate."""
    refused = [f"{each.number} {each.path}" for each in lab.exchange.arrivals() if each.code == _THROTTLED]
    assert refused == []


def check_failed_reads(lab: Lab) -> None:
    """A positions read that failed is on record as failed, with no rows; only whole answers are complete."""
    failed = [each for each in failed_reads(lab) if each.read.lane is Lane.POSITIONS]
    assert len(failed) == count_reads(lab, POSITIONS, is_whole=False)
    assert len(lab.desk.ledger.read(PositionsRead)) == count_reads(lab, POSITIONS, is_whole=True)


def check_sends(lab: Lab, outcome: FlattenOutcome) -> None:
    """Three in flight at most, none twice for an instrument, none again before a read that shows what the last one did."""
    attempts = lab.attempts(outcome)
    assert count_in_flight(attempts) <= 3
    # An intent that was recorded when the time ran out is on record as not sent.
    sent = [attempt for attempt in attempts if attempt.outcome is not Outcome.NOT_SENT]
    assert len(sent) == len(lab.close_arrivals())
    pages = lab.desk.ledger.read_position_pages(outcome.closing.flatten_id)
    by_instrument: dict[str, list[CloseAttempt]] = defaultdict(list)
    for attempt in attempts:
        by_instrument[attempt.intent.instrument_id].append(attempt)
    for sent in by_instrument.values():
        for earlier, later in itertools.pairwise(sent):
            assert earlier.answered_at is not None
            settle_s = SETTLE_S if earlier.outcome in _MAY_HAVE_CLOSED else 0.0
            settled_at = earlier.answered_at + timedelta(seconds=settle_s)
            assert any(settled_at <= page.started_at and page.finished_at <= later.intent_at for page in pages)


def count_in_flight(attempts: Sequence[CloseAttempt]) -> int:
    """The most closes that were unanswered at one time."""
    changes = [(each.intent_at, 1) for each in attempts]
    changes += [(each.answered_at, -1) for each in attempts if each.answered_at is not None]
    most = now = 0
    for _at, change in sorted(changes):
        now += change
        most = max(most, now)
    return most


def check_verdicts(lab: Lab, outcome: FlattenOutcome) -> None:
    """Flat means flat and nothing that can open waits; residual means open. What is not known may be either."""
    truly_open = lab.truly_open()
    waiting = [each for each in lab.truth()["orders"] if each["is_working"] and not each["is_closing"]]
    can_open = {each["instrument_id"] for each in waiting}
    flat = {each.instrument_id for each in outcome.verdicts if each.verdict.is_flat}
    residual = {each.instrument_id for each in outcome.verdicts if each.verdict is Verdict.RESIDUAL}
    assert flat & (truly_open | can_open) == set()
    assert residual <= truly_open


# -- random scripts -------------------------------------------------------------------------------------------------------

_A = FaultAction
_LOST = (_A.HANG, _A.RESET, _A.DISCONNECT, _A.SERVER_ERROR, _A.TRUNCATED_BODY, _A.CUT_STATUS_LINE, _A.HTML)
_OF_READS = (*_LOST, _A.DATA_NULL, _A.STALE_READ)
_OF_WRITES = (*_LOST, _A.ERROR_ITEMS, _A.DELAY)
_SHARES = {
    CLOSE: (_OF_WRITES, 0.25),
    CLOSE_IDS: (_OF_WRITES, 0.25),
    BATCH_CANCEL: (_OF_WRITES, 0.3),
    "cancel-trigger-order": (_OF_WRITES, 0.3),
    POSITIONS: (_OF_READS, 0.25),
    RESTING_LIST: (_OF_READS, 0.25),
    TRIGGER_LIST: (_OF_READS, 0.15),
    "trace-order-list": (_OF_READS, 0.15),
}


def draw_faults(seed: int) -> list[Fault]:
    """A script in which any call of any endpoint may go wrong; the world that a stale read shows has settled by then."""
    chance = random.Random(seed)
    faults = []
    for endpoint, (actions, share) in _SHARES.items():
        struck = [call for call in range(1, 200) if chance.random() < share]
        faults += strike(endpoint, {call: _draw_fault(chance, chance.choice(actions)) for call in struck})
    return faults


def _draw_fault(chance: random.Random, action: FaultAction) -> dict[str, Any]:
    # Later than the client waits, and executed then, or before.
    delay_s = chance.uniform(0.2, 1.2) if action is _A.DELAY else chance.uniform(0.0, SETTLE_S)
    return {
        "action": action,
        "delay_s": delay_s,
        "is_executed": chance.random() < 0.5,
        "is_executed_late": chance.random() < 0.5,
    }
