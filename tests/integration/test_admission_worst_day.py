"""An armed account on a bad evening: what is slow, throttled or down for a while may delay a flatten, and not refuse it.

A guard that fails in the wrong direction leaves everything open on the one day that matters. And what the guards themselves
cost, in time and in threads, must not take anything from the closes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flatten_lab import PERIOD_S, Lab, build_scenario, position
from live_exchange import LIVE_SETTINGS, LiveStand, open_live_stand
from set_clock import SetClock

from deepcoin_ops.domain.checks import CheckPurpose
from deepcoin_ops.domain.errors import GuardRefused, SendWithdrawn
from deepcoin_ops.domain.model import FlattenRequest, FlattenResult
from deepcoin_ops.flattening.desk import open_desk
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.scenario import LimitSettings, Scenario
from deepcoin_ops.settings import load_settings

CLOCK, UID, PRICES = "market/time", "account/uid", "market/tickers"
SCENARIO = build_scenario([position("BTC-USDT-SWAP", "1", "1000")])
ONE_INSTRUMENT = LIVE_SETTINGS.replace("[BTC-USDT-SWAP, ETH-USDT-SWAP]", "[BTC-USDT-SWAP]")
PATIENT = ONE_INSTRUMENT.replace("read_timeout_s: 1", "read_timeout_s: 20")


@contextmanager
def open_armed(
    tmp_path: Path, *faults: Fault, settings: str = ONE_INSTRUMENT, scenario: Scenario = SCENARIO
) -> Iterator[tuple[LiveStand, Lab]]:
    """An armed live desk on an exchange with these faults."""
    with open_live_stand(tmp_path, replace(scenario, faults=faults), settings) as stand:
        stand.arm()
        with open_desk(load_settings(stand.variables), "main", stand.variables) as desk:
            yield stand, Lab(stand.exchange, desk)


def is_refused(lab: Lab, request: FlattenRequest) -> bool:
    """Whether the flatten has its closing row, and that says so."""
    record = lab.desk.ledger.read_flatten(request.flatten_id)
    assert record is not None
    return record.closing is not None and record.closing.result is FlattenResult.REFUSED


def live_threads(prefix: str) -> list[str]:
    """The threads of this process whose name begins so."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(prefix)]


@pytest.mark.parametrize(
    "action",
    [
        FaultAction.SERVER_ERROR,
        pytest.param(FaultAction.TOO_MANY_REQUESTS, marks=pytest.mark.chaos),
        pytest.param(FaultAction.RESET, marks=pytest.mark.chaos),
    ],
)
def test_a_clock_endpoint_that_is_down_for_a_moment_refuses_nothing(action: FaultAction, tmp_path: Path) -> None:
    """Market data is the first to be throttled on a wild evening, and its clock is asked for only here."""
    with open_armed(tmp_path, Fault(action, CLOCK, call=1, until_call=4)) as (stand, lab):
        assert lab.flatten().is_success
        assert len(stand.exchange.sends()) == 1


def test_a_clock_that_can_not_be_read_in_all_that_time_sends_nothing(tmp_path: Path) -> None:
    """It is waited for, and not forever: an expiry means nothing on a clock that nobody has looked at."""
    hurried = ONE_INSTRUMENT.replace("max_deadline_s: 60", "max_deadline_s: 3")
    with open_armed(tmp_path, Fault(FaultAction.SERVER_ERROR, CLOCK, call=None), settings=hurried) as (stand, lab):
        request = lab.open()
        with pytest.raises(GuardRefused, match="clock could not be read"):
            lab.flatten(request)
        assert is_refused(lab, request)
        assert stand.exchange.sends() == []
        # Tried again with pauses, not as fast as the pace allows: somebody else needs those calls.
        assert 2 <= sum(each.path.endswith(CLOCK) for each in stand.exchange.arrivals()) <= 8


@pytest.mark.parametrize(
    "call", [pytest.param(1, id="the first"), pytest.param(2, id="the second", marks=pytest.mark.chaos)]
)
def test_a_slow_answer_of_the_clock_is_no_clock_that_jumps(call: int, tmp_path: Path) -> None:
    """Half of the round trip is what a measurement may be wrong by, and that is what two of them may differ by."""
    slow = Fault(FaultAction.DELAY, CLOCK, call=call, delay_s=6.0)
    with open_armed(tmp_path, slow, settings=PATIENT) as (_, lab):
        assert lab.flatten().is_success
        # The quick one of the two is what is signed with.
        record = lab.desk.ledger.read_last_check("main", CheckPurpose.FLATTEN)
        assert abs(record.check.clock_offset_s) < 1.0
        assert abs(lab.desk.client.clock_offset) < timedelta(seconds=1)


def test_a_flatten_that_was_refused_leaves_nobody_asking(tmp_path: Path) -> None:
    """The command line would not come back for two minutes, and signed reads go out after the closing row."""
    key_refused = Fault(FaultAction.AUTH_ERROR, "account/positions", call=None)
    with open_armed(tmp_path, key_refused, Fault(FaultAction.SERVER_ERROR, UID, call=None)) as (stand, lab):
        with pytest.raises(GuardRefused, match="The signature is wrong"):
            lab.flatten()
        gives_up_s = time.monotonic() + 10.0
        while live_threads("probe") and time.monotonic() < gives_up_s:
            time.sleep(0.05)
        assert live_threads("probe") == []
        arrived = len(stand.exchange.arrivals())
        time.sleep(2.0)  # two slots of the account
        assert len(stand.exchange.arrivals()) == arrived


@pytest.mark.parametrize("endpoint", [UID, CLOCK])
def test_stopping_while_the_key_is_asked_about_waits_for_no_answer(endpoint: str, tmp_path: Path) -> None:
    """Ctrl-C before anything was sent: the refusal is written at once, though the exchange says nothing for long."""
    with open_armed(tmp_path, Fault(FaultAction.HANG, endpoint, call=None), settings=PATIENT) as (stand, lab):
        request = lab.open()
        threading.Timer(1.0, lab.stop.set).start()
        began_s = time.monotonic()
        with pytest.raises(SendWithdrawn):
            lab.flatten(request)
        assert time.monotonic() - began_s < 10.0  # of the 20 s for which the answer would be waited
        assert is_refused(lab, request)
        assert stand.exchange.sends() == []


def test_a_tick_that_grows_too_late_while_the_key_is_asked_about_sends_nothing(tmp_path: Path) -> None:
    """What was in time when it began would flatten the next trading day by now."""
    with open_armed(tmp_path, Fault(FaultAction.SERVER_ERROR, UID, call=1, until_call=3)) as (stand, lab):
        now = datetime.now(UTC)
        request = lab.open(scheduled_at=now)
        clock = SetClock(now)

        def pass_hours(_progress: object) -> None:
            clock.pass_time(timedelta(hours=3))

        with pytest.raises(GuardRefused, match="would flatten the next trading day"):
            lab.flatten(request, pass_hours, clock=clock)
        assert is_refused(lab, request)
        assert stand.exchange.sends() == []


def test_what_the_guards_wait_for_is_not_taken_from_the_time_for_closing(tmp_path: Path) -> None:
    """The uid came when the time for closing would have been over; admitted, with nothing sent, is the worst of both."""
    short = PATIENT.replace("max_deadline_s: 60", "max_deadline_s: 4")
    with open_armed(tmp_path, Fault(FaultAction.DELAY, UID, call=1, delay_s=6.0), settings=short) as (stand, lab):
        assert lab.flatten().is_success
        assert len(stand.exchange.sends()) == 1


@pytest.mark.chaos
def test_prices_that_are_throttled_for_a_while_refuse_nothing(tmp_path: Path) -> None:
    """One 429 holds up prices and contract sizes for as long as it says; a cap can wait for them as long as for the uid."""
    limits = LimitSettings(period_s=PERIOD_S, retry_after="25")
    throttled = Fault(FaultAction.TOO_MANY_REQUESTS, PRICES, call=1)
    scenario = replace(SCENARIO, limits=limits)
    with open_armed(tmp_path, throttled, scenario=scenario) as (stand, lab):
        assert lab.flatten().is_success
        assert len(stand.exchange.sends()) == 1


@pytest.mark.chaos
def test_every_answer_takes_its_time_and_the_account_is_flattened(tmp_path: Path) -> None:
    """Two to six seconds for each answer is what a wild evening looks like from here."""
    slow = replace(SCENARIO, latency_ms=(2000.0, 6000.0))
    with open_armed(tmp_path, settings=PATIENT, scenario=slow) as (_, lab):
        assert lab.flatten().is_success
