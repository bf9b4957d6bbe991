"""A flatten and the kill switch, on a paper exchange that counts what reaches it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from flatten_lab import SETTINGS, Lab, build_scenario, open_lab, position, wait_for, with_settings

from deepcoin_ops.domain.checks import CheckPurpose, FindingKind
from deepcoin_ops.domain.errors import GuardRefused
from deepcoin_ops.domain.model import FlattenRequest, FlattenResult, Outcome, PositionSide, Verdict
from deepcoin_ops.exchange.pace_clock import SYSTEM_CLOCK
from deepcoin_ops.flattening.account_lock import AccountLock
from deepcoin_ops.flattening.controller import Flatten
from deepcoin_ops.flattening.kill_switch import KillSwitch
from deepcoin_ops.flattening.observation import fetch_plan
from deepcoin_ops.flattening.preflight import check_account
from deepcoin_ops.flattening.progress import Progress
from deepcoin_ops.ledger.records import FlattenRecord
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.order_records import PaperOrder
from deepcoin_ops.paper.scenario import PaperPosition

NAMES = ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP", "ETH-USD-SWAP", "XRP-USDT-SWAP")
HELD = [position(name, f"PAPER-{number}", "10") for number, name in enumerate(NAMES)]
# One slot is long enough for the switch to be put on between two closes, on however busy a machine.
SLOW_SLOTS = SETTINGS.replace("close_spacing_s: 0.05", "close_spacing_s: 2")
BATCH = "batch-cancel-order"


def put_on(lab: Lab, account: str | None = "main") -> None:
    KillSwitch(lab.desk.settings.kill_folder, account).put_on("ann@desk", "wrong feed", datetime.now(UTC))


def record_of(lab: Lab, request: FlattenRequest) -> FlattenRecord:
    """What the ledger says of a flatten that has its closing row."""
    record = lab.desk.ledger.read_flatten(request.flatten_id)
    assert record is not None
    assert record.closing is not None
    return record


def cancel_requests(lab: Lab) -> list[str]:
    return [request["path"] for request in lab.truth()["cancel_requests"]]


@pytest.mark.parametrize("account", ["main", None])
def test_put_on_in_the_middle_it_stops_within_one_slot_and_says_what_is_left(tmp_path: Path, account: str | None) -> None:
    """Answers on their way are recorded, the account is verified in full, and the reason names who, when and why."""
    slow = Fault(FaultAction.DELAY, delay_s=0.5)
    with open_lab(tmp_path, build_scenario(HELD, [slow]), SLOW_SLOTS) as lab, ThreadPoolExecutor(1) as pool:
        running = pool.submit(lab.flatten)
        wait_for(lab.close_arrivals)
        put_on(lab, account)
        arrived = len(lab.close_arrivals())
        outcome = running.result()
        assert len(lab.close_arrivals()) <= arrived + 1
        closed = lab.close_arrivals()
        assert len(closed) < len(NAMES)
        assert lab.truly_open() == set(NAMES) - set(closed)
        assert [each.outcome for each in lab.attempts(outcome) if each.sent_at] == [Outcome.ACCEPTED] * len(closed)
        assert outcome.closing.result is FlattenResult.NOT_FLAT
        verdicts = {each.instrument_id: each.verdict for each in outcome.verdicts}
        assert {name for name, verdict in verdicts.items() if verdict is Verdict.RESIDUAL} == lab.truly_open()
        assert all(verdicts[name] is Verdict.FLAT for name in closed)
        for told in ("kill switch is on", "ann@desk", "wrong feed", "UTC", "deepcoin-ops resume"):
            assert told in outcome.closing.reason
        assert outcome.closing.residual_notional_usdt is not None


def test_a_file_made_by_hand_stops_a_flatten_too(tmp_path: Path) -> None:
    """`touch` is what works in every emergency. The intent that waited for its slot is not sent."""
    with open_lab(tmp_path, build_scenario(HELD), SLOW_SLOTS) as lab, ThreadPoolExecutor(1) as pool:
        running = pool.submit(lab.flatten)
        wait_for(lab.close_arrivals)
        lab.desk.settings.kill_folder.mkdir()
        lab.desk.kill_switch.path.touch()
        arrived = len(lab.close_arrivals())
        outcome = running.result()
        assert len(lab.close_arrivals()) <= arrived + 1
        assert outcome.closing.result is FlattenResult.NOT_FLAT
        assert "no readable note" in outcome.closing.reason


def test_put_on_while_the_intent_is_recorded_the_close_is_on_record_as_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger may take seconds; the last look is the one right before the send."""
    with open_lab(tmp_path, build_scenario(HELD)) as lab:
        record_intent = lab.desk.ledger.record_intent

        def put_on_meanwhile(*arguments: object) -> int:
            seq = record_intent(*arguments)  # type: ignore[arg-type]
            put_on(lab)
            return seq

        monkeypatch.setattr(lab.desk.ledger, "record_intent", put_on_meanwhile)
        outcome = lab.flatten()
        assert lab.close_arrivals() == []
        [attempt] = lab.attempts(outcome)
        assert attempt.outcome is Outcome.NOT_SENT
        assert "ann@desk" in attempt.reason
        assert outcome.closing.result is FlattenResult.NOT_FLAT


@pytest.mark.parametrize("account", ["main", None])
def test_a_flatten_that_finds_it_on_reads_the_account_and_refuses_with_what_stays_open(
    tmp_path: Path, account: str | None
) -> None:
    """Zero closes, zero cancels; whoever is called at night hears how much is left open."""
    waiting = [PaperOrder("XRP-USDT-SWAP", PositionSide.LONG, Decimal(4), order_id="STAYS")]
    with open_lab(tmp_path, build_scenario(HELD, orders=waiting)) as lab:
        put_on(lab, account)
        request = lab.open()
        with pytest.raises(GuardRefused, match=r"ann@desk.*5 instrument\(s\), [\d,]+ USDT STAY OPEN"):
            lab.flatten(request)
        assert (lab.close_arrivals(), cancel_requests(lab)) == ([], [])
        record = record_of(lab, request)
        assert record.closing is not None
        assert record.closing.result is FlattenResult.REFUSED
        assert "STAY OPEN" in record.closing.reason
        before = {
            each.instrument_id: each.notional_before_usdt for each in lab.desk.ledger.read_verdicts(request.flatten_id)
        }
        assert all(before[name] for name in NAMES)
        last = lab.desk.ledger.read_last_check("main")
        assert last is not None
        assert [finding.kind for finding in last.check.blocking] == [FindingKind.KILL_SWITCH_ON]


def test_a_preflight_tells_that_it_is_on_while_there_is_time_to_act(tmp_path: Path) -> None:
    """A stop that was forgotten in the morning must not be news at the end of the day."""
    with open_lab(tmp_path, build_scenario(HELD)) as lab:
        put_on(lab)
        check = check_account(lab.desk.settings, "main", CheckPurpose.PREFLIGHT, lab.said.append)
        assert [finding.kind for finding in check.blocking] == [FindingKind.KILL_SWITCH_ON]
        assert "ann@desk" in check.blocking[0].text
        assert check_account(lab.desk.settings, "main", CheckPurpose.CREDENTIALS, lab.said.append).is_passed
        assert lab.close_arrivals() == []


def test_switched_off_again_the_next_flatten_closes_everything(tmp_path: Path) -> None:
    """The flatten that was refused leaves nothing behind that would stop the next one."""
    with open_lab(tmp_path, build_scenario(HELD)) as lab:
        put_on(lab)
        with pytest.raises(GuardRefused):
            lab.flatten()
        lab.desk.kill_switch.take_off()
        assert lab.flatten().closing.result is FlattenResult.FLAT
        assert lab.truly_open() == set()


def test_that_of_another_account_stops_nothing_here(tmp_path: Path) -> None:
    """One strategy may have to stand still while the others are flattened."""
    with open_lab(tmp_path, build_scenario(HELD)) as lab:
        put_on(lab, "another")
        assert lab.flatten().closing.result is FlattenResult.FLAT


@pytest.mark.parametrize("make", ["file", "loop"])
def test_a_folder_that_cannot_be_looked_at_stops_a_flatten(tmp_path: Path, make: str) -> None:
    """It may hold a stop that nobody can read, and the wrong guess would trade."""
    with open_lab(tmp_path, build_scenario(HELD)) as lab:
        folder = lab.desk.settings.kill_folder
        folder.touch() if make == "file" else folder.symlink_to(folder)
        with pytest.raises(GuardRefused, match="counts as on"):
            lab.flatten()
        assert lab.close_arrivals() == []


@pytest.mark.parametrize("held", [HELD, []], ids=["beside closes", "alone"])
def test_cancels_stop_too_and_their_threads_do_not_spin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: list[PaperPosition]
) -> None:
    """Ninety orders take two calls; after the first answer the switch goes on, and forty orders wait on."""
    orders = [PaperOrder("BTC-USDT-SWAP", PositionSide.LONG, Decimal(4), order_id=f"O{number:03d}") for number in range(90)]
    with open_lab(tmp_path, build_scenario(held, orders=orders)) as lab:
        record, looks = lab.desk.ledger.record_cancel_outcome, []
        read_reason = KillSwitch.read_reason

        def put_on_after(*arguments: object) -> int:
            seq = record(*arguments)  # type: ignore[arg-type]
            put_on(lab)
            return seq

        def count(switch: KillSwitch) -> str | None:
            reason = read_reason(switch)
            looks.append(reason)
            return reason

        monkeypatch.setattr(lab.desk.ledger, "record_cancel_outcome", put_on_after)
        monkeypatch.setattr(KillSwitch, "read_reason", count)
        outcome = lab.flatten()
        assert len(cancel_requests(lab)) == 1
        assert len(lab.waiting_orders()) == 40
        assert outcome.closing.result is FlattenResult.NOT_FLAT
        assert "ann@desk" in outcome.closing.reason
        assert outcome.cancels == 1
        # Each of the two senders sees it once and asks no more.
        assert len([reason for reason in looks if reason]) <= 2


def test_a_flatten_that_waits_for_the_lock_goes_on_to_its_snapshot_and_refuses(tmp_path: Path) -> None:
    """Put on while a second flatten waits for the first: that one says what is open as well."""
    with open_lab(tmp_path, build_scenario(HELD)) as quick, ThreadPoolExecutor(1) as pool:
        lab = with_settings(quick, lock_wait_s=30.0)
        holder = AccountLock(lab.desk.settings.locks_folder, "main")
        holder.acquire("somebody else's flatten", 1, lambda: False)
        request = lab.open()
        running = pool.submit(lab.flatten, request)
        put_on(lab)
        holder.release()
        with pytest.raises(GuardRefused, match="STAY OPEN"):
            running.result()
        assert lab.close_arrivals() == []


def test_plans_dry_runs_and_looking_again_go_on_and_say_that_it_is_on(tmp_path: Path) -> None:
    """They only read, and are what somebody needs who has just stopped everything."""
    with open_lab(tmp_path, build_scenario(HELD)) as lab:
        put_on(lab)
        plan = fetch_plan(lab.desk, NAMES)
        assert len(plan.plan.lines) == len(NAMES)
        assert plan.kill_reason is not None
        assert "ann@desk" in plan.kill_reason
        dry = lab.flatten(lab.open(is_dry_run=True))
        assert dry.closing.result is FlattenResult.DRY_RUN
        assert "a flatten would be refused now" in dry.closing.reason
        verifying = Flatten(lab.desk, lab.open(), threading.Event(), lab.said.append)
        verifying.take_lock()
        verifying.take_snapshot()
        outcome = verifying.verify()
        verifying.release()
        assert {each.instrument_id for each in outcome.verdicts if each.verdict is Verdict.RESIDUAL} == set(NAMES)
        assert lab.close_arrivals() == []


def test_a_flatten_that_waits_for_an_unknown_outcome_ends_when_it_is_put_on(tmp_path: Path) -> None:
    """Nothing is about to be sent for a long while then, and nobody should wait for it."""
    hung = Fault(FaultAction.HANG, is_executed=False)
    with open_lab(tmp_path, build_scenario(HELD[:1], [hung])) as quick, ThreadPoolExecutor(1) as pool:
        lab = with_settings(quick, settle_s=600.0, max_deadline_s=600)
        flatten = Flatten(lab.desk, lab.open(), lab.stop, lab.said.append)
        flatten.take_lock()
        running = pool.submit(flatten.close_rounds)
        wait_for(lambda: any(said.outcome is Outcome.UNKNOWN for said in lab.said))
        put_on(lab)
        running.result()
        assert SYSTEM_CLOCK.now_s() < flatten._deadline_s
        flatten.release()
        assert len(lab.close_arrivals()) == 1


def test_a_flatten_that_it_stopped_does_not_go_on_when_it_is_switched_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Off again a moment later: this flatten has ended its sends all the same, as its reads are old by then."""
    with open_lab(tmp_path, build_scenario(HELD)) as quick:
        lab = with_settings(quick, max_in_flight=1)
        read_reason, seen = KillSwitch.read_reason, []

        def switch_off_once_seen(switch: KillSwitch) -> str | None:
            reason = read_reason(switch)
            if reason is not None:
                seen.append(len(lab.close_arrivals()))
                switch.take_off()
            return reason

        def put_on_at_the_first_answer(progress: Progress) -> None:
            if progress.outcome is Outcome.ACCEPTED and not seen:
                put_on(lab)

        monkeypatch.setattr(KillSwitch, "read_reason", switch_off_once_seen)
        outcome = lab.flatten(report=put_on_at_the_first_answer)
        assert outcome.closing.result is FlattenResult.NOT_FLAT
        assert seen == [len(lab.close_arrivals())]
        assert lab.desk.kill_switch.read_notes() == ()
