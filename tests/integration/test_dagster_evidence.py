"""The sensor that collects evidence, under a real daemon: after a flatten, and when its day is over; in nobody's way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import pandas as pd
import pytest
from dagster_page import Run
from dagster_stack import INSTRUMENTS, DagsterStack, build_scenario, build_settings_text, run_dagster
from evenings import record_evenings
from replayed_days import replay_days
from waiting import stays, wait_for

from deepcoin_ops.domain.evidence import EVIDENCE_SLACK, EvidenceStatus
from deepcoin_ops.domain.tables import CLOSED_POSITIONS
from deepcoin_ops.paper.faults import Fault, FaultAction

ACCOUNTS = TODAY, YESTERDAY = ("main", "hedge")
# Longer than a flatten takes from its launch to its end on a busy machine, and still awaited.
SLOW = Fault(FaultAction.DELAY, endpoint="positions-history", account=YESTERDAY, delay_s=40.0)
PATIENT = "exchange: {read_timeout_s: 60}"
SENSOR_INTERVAL_S = 30.0
# The exchange's lists lag, so that the sensor lets a minute pass after a flatten: minutes of waiting, behind the marker.
pytestmark = [pytest.mark.timeout(420), pytest.mark.chaos]


@dataclass(frozen=True)
class Evening:
    """What happened.

    Attributes:
        stack: Where.
        first: The run that collected yesterday's evidence.
        meanwhile: A flatten of the same account, launched while that one was at work.
        others: The runs that collected today's evidence.
    """

    stack: DagsterStack
    first: Run
    meanwhile: Run
    others: list[Run]


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evening]:
    """One account was flattened yesterday and its evidence collected then, not after the day; both are flattened today."""
    folder = tmp_path_factory.mktemp("dagster-evidence")
    recorded = record_evenings(folder, ["clean"])["clean"].of_account(YESTERDAY)
    settings_text = "\n".join([build_settings_text(ACCOUNTS), PATIENT])
    with run_dagster(folder, settings_text, build_scenario(ACCOUNTS, [SLOW])) as stack:
        page = stack.page
        replay_days(stack.settings, {yesterday_of(stack): [recorded]})
        page.start_sensor("evidence_due")
        wait_for("a question about yesterday", lambda: stack.paper.arrivals() or None)
        flattens = [page.launch_flatten(account) for account in (YESTERDAY, TODAY)]
        [first] = list_collecting(stack)
        meanwhile, _other = [page.wait_for_end(run_id) for run_id in flattens]

        def rest() -> list[str] | None:
            run_ids = [run_id for run_id in list_collecting(stack) if run_id != first]
            return run_ids if len(run_ids) >= len(ACCOUNTS) else None

        others = wait_for("evidence of both flattens of today", rest, EVIDENCE_SLACK.total_seconds() + 120)
        yield Evening(stack, page.wait_for_end(first), meanwhile, [page.wait_for_end(run_id) for run_id in others])


def yesterday_of(stack: DagsterStack) -> str:
    """The trading day before today's."""
    return (date.fromisoformat(stack.trading_day) - timedelta(days=1)).isoformat()


def list_collecting(stack: DagsterStack) -> list[str]:
    """The runs that collect evidence, newest first."""
    return stack.page.list_runs("collect_evidence")


def test_a_flatten_does_not_wait_for_evidence_that_is_being_collected(evening: Evening) -> None:
    """The evidence can be had again; the position cannot be had back. The collecting gives way, or has just ended."""
    assert evening.meanwhile.status == "SUCCESS"
    assert evening.meanwhile.started_s < evening.first.ended_s
    assert evening.stack.truly_open(YESTERDAY) == set()
    with evening.stack.open_history() as history:
        reads = [each.read for each in history.read_evidence(yesterday_of(evening.stack)) if each.account == YESTERDAY]
    assert {read.status for read in reads[-2:]} <= {EvidenceStatus.COMPLETE, EvidenceStatus.FAILED}


def test_evidence_is_collected_when_a_day_is_over_and_a_minute_after_each_flatten(evening: Evening) -> None:
    """What was asked right after a close may not show it yet, and what happens later that day belongs to the day too."""
    assert {(run.status, run.tags["deepcoin_ops/reads"]) for run in evening.others} == {("SUCCESS", "exchange")}
    asked = sorted(run.tags["deepcoin_ops/trading_day"] for run in (evening.first, *evening.others))
    assert asked == [yesterday_of(evening.stack), *[evening.stack.trading_day] * 2]
    for account in ACCOUNTS:
        [flatten] = evening.stack.read_flattens(account)
        with evening.stack.open_history() as history:
            reads = [each.read for each in history.read_evidence(evening.stack.trading_day) if each.account == account]
        assert {read.status for read in reads} == {EvidenceStatus.COMPLETE}
        assert all(read.started_at >= flatten.closed_at + EVIDENCE_SLACK for read in reads)


def test_the_table_follows_with_what_the_exchange_says_was_closed(evening: Evening) -> None:
    """Nobody materialises anything: the evidence is in the ledger, so that the ledger has moved."""

    def complete() -> pd.DataFrame | None:
        for shown in evening.stack.page.list_materialisations(CLOSED_POSITIONS.name, [evening.stack.trading_day]):
            if all(told.startswith("COMPLETE") for told in shown.metadata["evidence"].values()):
                return pd.read_parquet(shown.metadata["path"])
        return None

    frame = wait_for("the table with both accounts' evidence", complete)
    closed = set(zip(frame["account"], frame["instrument_id"], strict=True))
    assert closed == {(account, instrument_id) for account in ACCOUNTS for instrument_id in INSTRUMENTS[:-1]}


def test_the_sensor_asks_once_and_not_in_a_loop(evening: Evening) -> None:
    """Each collecting writes to the ledger, and what follows the ledger must not follow itself."""
    run_ids = stays(lambda: tuple(list_collecting(evening.stack)), for_s=SENSOR_INTERVAL_S + 5)
    assert set(run_ids) == {run.run_id for run in (evening.first, *evening.others)}
