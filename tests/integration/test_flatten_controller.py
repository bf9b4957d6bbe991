"""What a flatten does around its closes: locks, guards, stopping, dry runs, and what an earlier process left behind."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from flatten_lab import SETTINGS, Lab, build_scenario, open_lab, position, stubborn, wait_for, with_settings

from deepcoin_ops.domain.errors import GuardRefused, LockTimeout, SettingsError
from deepcoin_ops.domain.facts import PositionsRead
from deepcoin_ops.domain.model import CloseIntent, FlattenResult, Outcome, ProductGroup, Verdict
from deepcoin_ops.exchange.pace_clock import SYSTEM_CLOCK
from deepcoin_ops.flattening.account_lock import AccountLock
from deepcoin_ops.flattening.controller import Flatten
from deepcoin_ops.flattening.progress import Progress
from deepcoin_ops.paper.faults import Fault, FaultAction

POSITIONS = (position("BTC-USDT-SWAP", "PAPER-1", "500"), position("ETH-USDT-SWAP", "PAPER-2", "90.5", "short"))


def test_stopping_awaits_the_answer_in_flight_and_sends_nothing_more(tmp_path: Path) -> None:
    """Whoever stops a flatten wants to know what became of the close that was on its way."""
    slow = Fault(FaultAction.DELAY, delay_s=0.8, is_executed=True)
    with open_lab(tmp_path, build_scenario(POSITIONS, [slow])) as quick:
        lab = with_settings(quick, max_in_flight=1)
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(lab.flatten)
            wait_for(lab.close_arrivals)
            lab.stop.set()
            result = running.result()
        assert [attempt.outcome for attempt in lab.attempts(result)] == [Outcome.ACCEPTED]
        assert lab.close_arrivals() == ["BTC-USDT-SWAP"]
        verdicts = {verdict.instrument_id: verdict.verdict for verdict in result.verdicts}
        assert verdicts["BTC-USDT-SWAP"] is Verdict.FLAT
        assert verdicts["ETH-USDT-SWAP"] is Verdict.RESIDUAL
        assert result.closing.result is FlattenResult.NOT_FLAT
        assert "interrupted" in result.closing.reason


def test_a_second_flatten_waits_for_the_lock_and_gives_up_without_sending(tmp_path: Path) -> None:
    """One flatten per account: the second one says who holds the account."""
    with open_lab(tmp_path, build_scenario(POSITIONS)) as lab:
        holder = AccountLock(lab.desk.settings.locks_folder, "main")
        holder.acquire("somebody else's flatten", 1, lambda: False)
        request = lab.open()
        with pytest.raises(LockTimeout, match="somebody else's flatten"):
            lab.flatten(request)
        holder.release()
        assert lab.close_arrivals() == []
        record = lab.desk.ledger.read_flatten(request.flatten_id)
        assert record is not None
        assert record.closing is not None
        assert record.closing.result is FlattenResult.REFUSED


def test_two_flattens_at_once_close_each_position_once(tmp_path: Path) -> None:
    """The second one waits, looks afresh, and finds nothing open."""
    with open_lab(tmp_path, build_scenario(POSITIONS)) as quick:
        patient = with_settings(quick, lock_wait_s=30.0)
        both = [patient, replace(patient, stop=threading.Event(), said=[])]
        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(Lab.flatten, both))
        assert [result.closing.result for result in results] == [FlattenResult.FLAT] * 2
        assert sorted(quick.close_arrivals()) == ["BTC-USDT-SWAP", "ETH-USDT-SWAP"]


def test_a_close_that_nobody_lived_to_record_is_held_back_and_not_repeated(tmp_path: Path) -> None:
    """A process killed right after its send leaves an intent; the close may still be executed, so it is waited for."""
    with open_lab(tmp_path, build_scenario(POSITIONS)) as lab:
        dead = lab.open()
        body = '{"productGroup":"SwapU","instId":"BTC-USDT-SWAP"}'
        intent = CloseIntent(
            "dead-0001", "BTC-USDT-SWAP", ProductGroup.SWAP_U, 1, 1, "/path", body, Decimal(500), Decimal(48000)
        )
        lab.desk.ledger.record_intent(dead.flatten_id, intent)
        held_until = datetime.now(UTC) + timedelta(seconds=lab.desk.settings.flatten.unknown_hold_s)
        result = lab.flatten()
        assert result.closing.result is FlattenResult.FLAT
        closes = {
            each.instrument_id: datetime.fromisoformat(each.arrived_at)
            for each in lab.exchange.arrivals()
            if each.method == "POST"
        }
        assert closes["ETH-USDT-SWAP"] < held_until <= closes["BTC-USDT-SWAP"] + timedelta(seconds=0.05)
        unknown = [each for each in lab.desk.ledger.read_attempts(dead.trading_day) if each.flatten_id == dead.flatten_id]
        assert [attempt.outcome for attempt in unknown] == [Outcome.UNKNOWN]


def test_a_dry_run_reads_and_sends_nothing(tmp_path: Path) -> None:
    """It shows its plan and is no proof of anything."""
    with open_lab(tmp_path, build_scenario(POSITIONS)) as lab:
        result = lab.flatten(lab.open(is_dry_run=True))
        assert result.closing.result is FlattenResult.DRY_RUN
        assert result.verdicts == ()
        assert lab.close_arrivals() == []


def test_a_tick_that_comes_too_late_is_refused(tmp_path: Path) -> None:
    """A queue may delay a run past its time; closing then would flatten the next day."""
    with open_lab(tmp_path, build_scenario(POSITIONS)) as lab:
        request = lab.open(scheduled_at=datetime.now(UTC) - timedelta(hours=8))
        with pytest.raises(GuardRefused, match="480 minutes late"):
            lab.flatten(request)
        assert lab.close_arrivals() == []
        record = lab.desk.ledger.read_flatten(request.flatten_id)
        assert record is not None
        assert record.closing is not None
        assert record.closing.result is FlattenResult.REFUSED


def test_an_instrument_that_is_not_configured_cannot_be_asked_for(tmp_path: Path) -> None:
    """The settings are the allowlist."""
    with open_lab(tmp_path, build_scenario(POSITIONS)) as lab:
        with pytest.raises(GuardRefused, match="DOT-USDT-SWAP"):
            lab.open(instruments=["DOT-USDT-SWAP"])
        assert lab.close_arrivals() == []


def test_only_the_instruments_asked_for_are_closed(tmp_path: Path) -> None:
    """A flatten by hand may be about one instrument."""
    with open_lab(tmp_path, build_scenario(POSITIONS)) as lab:
        result = lab.flatten(lab.open(instruments=["ETH-USDT-SWAP"]))
        assert result.closing.result is FlattenResult.FLAT
        assert lab.truly_open() == {"BTC-USDT-SWAP"}


def test_an_instrument_that_the_exchange_does_not_list_is_never_called_flat(tmp_path: Path) -> None:
    """A misspelt instrument has no position either; the others are closed all the same."""
    misspelt = SETTINGS.replace("XRP-USDT-SWAP", "XPR-USDT-SWAP")
    with open_lab(tmp_path, build_scenario(POSITIONS), misspelt) as lab:
        result = lab.flatten()
        verdicts = {verdict.instrument_id: verdict for verdict in result.verdicts}
        assert verdicts["XPR-USDT-SWAP"].verdict is Verdict.UNVERIFIED
        assert "instrument list" in verdicts["XPR-USDT-SWAP"].reason
        assert result.closing.result is FlattenResult.UNVERIFIED
        assert lab.truly_open() == set()


def test_without_prices_everything_is_closed_all_the_same(tmp_path: Path) -> None:
    """Prices only decide the order; an unknown notional left open is not called zero."""
    blind = Fault(FaultAction.SERVER_ERROR, endpoint="market/tickers", call=None)
    with open_lab(tmp_path, build_scenario(POSITIONS, [blind, *stubborn("ETH-USDT-SWAP")])) as lab:
        result = lab.flatten()
        assert lab.truly_open() == {"ETH-USDT-SWAP"}
        assert result.closing.residual_notional_usdt is None
        assert result.closing.exposure_usdt_s is None


def test_without_the_instrument_list_what_was_never_open_is_not_called_flat(tmp_path: Path) -> None:
    """Whether the exchange knows an instrument is proven by its list or by an open position; all that is open is closed."""
    blind = Fault(FaultAction.SERVER_ERROR, endpoint="market/instruments", call=None)
    with open_lab(tmp_path, build_scenario(POSITIONS, [blind])) as lab:
        result = lab.flatten()
        verdicts = {verdict.instrument_id: verdict.verdict for verdict in result.verdicts}
        assert verdicts["BTC-USDT-SWAP"] is verdicts["ETH-USDT-SWAP"] is Verdict.FLAT
        assert verdicts["XRP-USDT-SWAP"] is Verdict.UNVERIFIED
        assert lab.truly_open() == set()


def test_a_list_that_comes_late_still_counts(tmp_path: Path) -> None:
    """A failed list is asked for again before anything is called unverified."""
    late = Fault(FaultAction.SERVER_ERROR, endpoint="market/instruments", call=1, until_call=4)
    with open_lab(tmp_path, build_scenario(POSITIONS, [late])) as lab:
        assert lab.flatten().closing.result is FlattenResult.FLAT


def test_one_lists_absence_does_not_hold_back_what_another_read_shows_open(tmp_path: Path) -> None:
    """A lagging first read and a failed contract list together must not leave a configured position open for good."""
    lag = Fault(FaultAction.STALE_READ, endpoint="account/positions", call=1, delay_s=3600.0)
    blind = Fault(FaultAction.SERVER_ERROR, endpoint="market/instruments", call=1, until_call=2)
    with open_lab(tmp_path, build_scenario([], [lag, blind])) as lab:
        lab.exchange.open_position("main", position("BTC-USDT-SWAP", "PAPER-9", "500"))
        result = lab.flatten()
        assert lab.truly_open() == set()
        assert {each.instrument_id: each.verdict for each in result.verdicts}["BTC-USDT-SWAP"] is Verdict.FLAT


def test_a_position_opened_just_before_the_flatten_is_not_called_already_flat(tmp_path: Path) -> None:
    """Reads lag by seconds, so the proving reads begin a settle time after the flatten did."""
    with open_lab(tmp_path, build_scenario([], read_lag_s=0.12)) as lab:
        lab.exchange.open_position("main", position("BTC-USDT-SWAP", "PAPER-9", "500"))
        result = lab.flatten()
        assert result.closing.result is FlattenResult.FLAT
        assert lab.truly_open() == set()


def test_odd_rows_of_other_instruments_stop_nothing(tmp_path: Path) -> None:
    """A dated contract, or a side of another spelling, in a row nobody configured decides nothing for the others."""
    strange = Fault(FaultAction.STRANGE_ROW, endpoint="account/positions", call=None)
    contracts_only = SETTINGS.replace(", SOL-USDT]", "]")
    with open_lab(tmp_path, build_scenario(POSITIONS, [strange]), contracts_only) as lab:
        result = lab.flatten()
        assert result.closing.result is FlattenResult.FLAT
        assert lab.truly_open() == set()
        assert result.closing.unconfigured == {"DOT-USDT-270326": "side unknown 3"}


def test_a_pace_that_breaks_between_the_sends_and_the_proof_still_gets_a_closing_row(tmp_path: Path) -> None:
    """What was sent stands, what is proven is nothing, and both are written down."""
    with open_lab(tmp_path, build_scenario(POSITIONS)) as lab:

        def break_pace(progress: Progress) -> None:
            lease = lab.desk.settings.pace_folder / "accounts" / "main" / "pace.json"
            if progress.outcome is Outcome.ACCEPTED and progress.sends == 2 and lease.is_file():
                lease.unlink()
                lease.mkdir()

        result = lab.flatten(report=break_pace)
        assert len(lab.attempts(result)) == 2
        assert result.closing.result is FlattenResult.UNVERIFIED
        assert "pace" in result.closing.reason


def test_the_next_flatten_does_not_repeat_closes_that_reads_do_not_show_yet(tmp_path: Path) -> None:
    """What an earlier process sent a moment ago counts like an own send, also when its outcome was recorded."""
    with open_lab(tmp_path, build_scenario(POSITIONS, read_lag_s=0.12)) as lab:
        first = lab.open()
        flatten = Flatten(lab.desk, first, lab.stop, lab.said.append)
        flatten.take_lock()
        read = flatten.take_snapshot()
        flatten._rounds, due = 1, flatten._due_lines(read)
        flatten._sender.send_round(1, due, list)
        flatten.release()
        result = lab.flatten()
        assert result.closing.result is FlattenResult.FLAT
        assert lab.close_arrivals() == ["BTC-USDT-SWAP", "ETH-USDT-SWAP"]


def test_an_instrument_that_is_only_refused_does_not_use_up_what_another_one_needs(tmp_path: Path) -> None:
    """A refused close can be repeated at once, one that timed out only much later; each instrument has tries of its own."""
    wrong = Fault(FaultAction.THROTTLE, instrument_id="ETH-USDT-SWAP", call=1, until_call=8)
    hung = Fault(FaultAction.HANG, instrument_id="BTC-USDT-SWAP", is_executed=False)
    with open_lab(tmp_path, build_scenario(POSITIONS, [wrong, hung])) as lab:
        result = lab.flatten()
        assert result.closing.result is FlattenResult.FLAT
        assert lab.close_arrivals().count("ETH-USDT-SWAP") == 9
        assert lab.close_arrivals().count("BTC-USDT-SWAP") == 2


def test_a_flatten_that_slept_past_its_deadline_sends_nothing_when_it_wakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine may be suspended in the middle; hours later it is another trading day. Verifying goes on."""
    with open_lab(tmp_path, build_scenario(POSITIONS)) as lab:
        flatten = Flatten(lab.desk, lab.open(), lab.stop, lab.said.append)
        flatten.take_lock()
        read = flatten.take_snapshot()
        awake_s = SYSTEM_CLOCK.now_s()
        monkeypatch.setattr(type(SYSTEM_CLOCK), "now_s", lambda _self: awake_s + 8 * 3600)
        flatten._run_rounds(read)
        monkeypatch.undo()
        result = flatten.verify()
        flatten.release()
        assert lab.close_arrivals() == []
        assert result.closing.result is FlattenResult.NOT_FLAT


def test_a_timestamp_refused_in_a_later_read_is_corrected_too(tmp_path: Path) -> None:
    """A clock may be set while a flatten runs."""
    refused = Fault(FaultAction.AUTH_ERROR, auth_code="50102", endpoint="account/positions", call=3)
    with open_lab(tmp_path, build_scenario(POSITIONS, [refused])) as lab:
        assert lab.flatten().closing.result is FlattenResult.FLAT
        assert any(arrival.path.endswith("market/time") for arrival in lab.exchange.arrivals())


def test_three_unknown_outcomes_in_a_row_pause_the_sends_until_a_read(tmp_path: Path) -> None:
    """An exchange that answers nothing readable is not hammered."""
    many = [
        position(name, f"PAPER-{name}", "10")
        for name in ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP", "XRP-USDT-SWAP")
    ]
    broken = Fault(FaultAction.SERVER_ERROR, is_executed=False, call=1, until_call=3)
    with open_lab(tmp_path, build_scenario(many, [broken])) as quick:
        lab = with_settings(quick, max_in_flight=1)
        result = lab.flatten()
        assert result.closing.result is FlattenResult.FLAT
        calls = [
            each for each in lab.exchange.arrivals() if each.path.endswith(("batch-close-position", "account/positions"))
        ]
        closes = [index for index, each in enumerate(calls) if each.method == "POST"]
        between = calls[closes[2] + 1 : closes[3]]
        assert any(each.method == "GET" for each in between)


def test_an_account_that_does_not_exist_is_refused_by_name(tmp_path: Path) -> None:
    """Whoever misspells an account hears which ones there are."""
    with open_lab(tmp_path, build_scenario(POSITIONS)) as lab, pytest.raises(SettingsError, match="main"):
        lab.desk.settings.account("mian")


def test_the_ledger_keeps_every_read_and_an_intact_chain(tmp_path: Path) -> None:
    """What the proof rests on can be looked at afterwards."""
    with open_lab(tmp_path, build_scenario(POSITIONS)) as lab:
        lab.flatten()
        assert lab.desk.ledger.read_altered_entry("main") is None
        reads = [each for each in lab.exchange.arrivals() if each.path.endswith("account/positions")]
        assert len(lab.desk.ledger.read(PositionsRead)) == len(reads)


def test_a_flatten_that_is_released_early_still_records_its_answers(tmp_path: Path) -> None:
    """Leaving between the rounds and the verification loses nothing."""
    with open_lab(tmp_path, build_scenario(POSITIONS)) as lab:
        request = lab.open()
        flatten = Flatten(lab.desk, request, lab.stop, lab.said.append)
        flatten.take_lock()
        flatten.close_rounds()
        flatten.release()
        attempts = lab.desk.ledger.read_attempts(request.trading_day)
        assert [attempt.outcome for attempt in attempts] == [Outcome.ACCEPTED, Outcome.ACCEPTED]
