"""The pace under clocks that lie, files that tear, people who stop it and other processes that push it.

Locks and files are real; only time is injected, and a sleep moves it on.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from filelock import FileLock
from paces import VirtualClock

from deepcoin_ops.domain.errors import GuardRefused, SendWithdrawn
from deepcoin_ops.exchange.pace_clock import SYSTEM_CLOCK
from deepcoin_ops.exchange.pacing import FilePace

CLOSE, POSITIONS = "batch-close", "positions"
SPACING_S, MARGIN_S = 1.0, 0.06
GAP_S = SPACING_S + MARGIN_S


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def build_pace(tmp_path: Path, clock: VirtualClock) -> Callable[..., FilePace]:
    """Another process's view of the same lease, each time it is called."""

    def build(spacings_s: dict[str, float] | None = None, **options: object) -> FilePace:
        options = {"clock": clock, "margin_s": MARGIN_S, **options}
        return FilePace(tmp_path, spacings_s or {CLOSE: SPACING_S, POSITIONS: SPACING_S}, **options)

    return build


@pytest.fixture
def pace(build_pace: Callable[..., FilePace]) -> FilePace:
    return build_pace()


def wait_for_slot_s(pace: FilePace, clock: VirtualClock, lane: str = CLOSE) -> float:
    """How long the next slot of a lane lets a sender wait, in seconds."""
    asked_s = clock.now_s()
    pace.take_slot(lane)
    return clock.now_s() - asked_s


def test_the_very_first_send_does_not_wait(pace: FilePace, clock: VirtualClock) -> None:
    """A flatten must not lose a second of exposure where nothing was ever sent."""
    assert wait_for_slot_s(pace, clock) == 0


def test_two_sends_of_a_lane_are_a_spacing_and_a_margin_apart(pace: FilePace, clock: VirtualClock) -> None:
    """The exchange meters arrivals, and the margin covers the jitter on the way to it."""
    pace.take_slot(CLOSE)
    assert wait_for_slot_s(pace, clock) == pytest.approx(GAP_S)


def test_time_that_has_passed_anyway_is_not_waited_again(pace: FilePace, clock: VirtualClock) -> None:
    """Slots are counted from the last send, not from when somebody asks."""
    pace.take_slot(CLOSE)
    clock.pass_time(0.8)
    assert wait_for_slot_s(pace, clock) == pytest.approx(GAP_S - 0.8)


def test_a_new_process_remembers_the_last_send(
    pace: FilePace, build_pace: Callable[..., FilePace], clock: VirtualClock
) -> None:
    """A restarted flatten sends into the same budget as the one that died."""
    pace.take_slot(CLOSE)
    assert wait_for_slot_s(build_pace(), clock) == pytest.approx(GAP_S)


@pytest.mark.parametrize("step_s", [-3600.0, 5.0], ids=["an hour back", "five seconds forward"])
def test_a_step_of_the_wall_clock_changes_no_wait(pace: FilePace, clock: VirtualClock, step_s: float) -> None:
    """Limiters that live by the wall clock hang for an hour after the one and send at once after the other."""
    pace.take_slot(CLOSE)
    clock.wall += timedelta(seconds=step_s)
    assert wait_for_slot_s(pace, clock) == pytest.approx(GAP_S)


def test_a_late_wake_up_does_not_shorten_the_next_gap(pace: FilePace, clock: VirtualClock) -> None:
    """A stamp of the planned instead of the real send would let the next one follow after 0.66 s."""
    pace.take_slot(CLOSE)
    clock.pass_time(GAP_S - 0.02)
    clock.oversleep_s = 0.4
    assert wait_for_slot_s(pace, clock) == pytest.approx(0.02 + 0.4)
    clock.oversleep_s = 0.0
    assert wait_for_slot_s(pace, clock) == pytest.approx(GAP_S)


@pytest.mark.parametrize("start_s", [0.5, 4_000_000.0], ids=["just booted", "a clock far ahead"])
def test_after_a_reboot_one_full_gap_is_waited_and_never_more(
    pace: FilePace, build_pace: Callable[..., FilePace], start_s: float
) -> None:
    """Times of another boot mean nothing: neither that the lane is free nor that it is busy for weeks."""
    pace.take_slot(CLOSE)
    rebooted = VirtualClock("boot-2", start_s)
    after = build_pace(clock=rebooted)
    assert wait_for_slot_s(after, rebooted) == pytest.approx(GAP_S)
    assert wait_for_slot_s(after, rebooted) == pytest.approx(GAP_S)


def test_a_reboot_keeps_what_was_learnt_about_the_exchange(
    pace: FilePace, build_pace: Callable[..., FilePace], clock: VirtualClock
) -> None:
    """The shared budget and the jitter are the exchange's, not the machine's."""
    pace.push(CLOSE, None)
    rebooted = VirtualClock("boot-2", 1.0)
    after = build_pace(clock=rebooted)
    after.take_slot(CLOSE)
    assert wait_for_slot_s(after, rebooted, POSITIONS) == pytest.approx(GAP_S + 0.05)


def test_a_push_of_another_boot_is_not_waited_for(pace: FilePace, build_pace: Callable[..., FilePace]) -> None:
    """No wait is ever longer than one gap because of a clock."""
    pace.push(CLOSE, 60.0)
    rebooted = VirtualClock("boot-2", 1.0)
    assert wait_for_slot_s(build_pace(clock=rebooted), rebooted) == pytest.approx(GAP_S + 0.05)


@pytest.mark.parametrize(
    "torn", [b"", b'{"boot_id": "boot-1", "las', b"\x00" * 64, b"\xff\xfe\x00", b"[]", b'{"boot_id": "boot-1"}']
)
def test_a_torn_lease_is_one_full_gap_and_then_mended(
    pace: FilePace, clock: VirtualClock, tmp_path: Path, torn: bytes
) -> None:
    """After a power failure nobody knows when the last send was; it was not later than now."""
    pace.take_slot(CLOSE)
    clock.pass_time(100.0)
    (tmp_path / "pace.json").write_bytes(torn)
    assert wait_for_slot_s(pace, clock) == pytest.approx(GAP_S)
    clock.pass_time(100.0)
    assert wait_for_slot_s(pace, clock) == 0


@pytest.mark.parametrize("field", ["last_send_s", "not_before_s"])
def test_a_time_in_the_future_is_one_full_gap(pace: FilePace, clock: VirtualClock, tmp_path: Path, field: str) -> None:
    """A lease that claims a send next week must not stop the closes until next week."""
    pace.take_slot(CLOSE)
    lease = json.loads((tmp_path / "pace.json").read_text())
    lease[field] = {CLOSE: clock.now_s() + 600_000}
    (tmp_path / "pace.json").write_text(json.dumps(lease))
    assert wait_for_slot_s(pace, clock) == pytest.approx(GAP_S)


def test_prepare_runs_once_when_the_slot_is_there(pace: FilePace, clock: VirtualClock) -> None:
    """The intent in the ledger is as old as the send, not as the wait for it."""
    pace.take_slot(CLOSE)
    first_s = clock.now_s()
    prepared_s: list[float] = []
    pace.take_slot(CLOSE, prepare=lambda: prepared_s.append(clock.now_s()))
    assert prepared_s == [pytest.approx(first_s + GAP_S)]


def test_a_slow_prepare_delays_the_stamp_with_the_send(pace: FilePace, clock: VirtualClock) -> None:
    """A commit that takes 0.3 s moves the send by 0.3 s, and the next gap starts there."""
    pace.take_slot(CLOSE, prepare=lambda: clock.pass_time(0.3))
    assert wait_for_slot_s(pace, clock) == pytest.approx(GAP_S)


@pytest.mark.parametrize("problem", [OSError("disk full"), SendWithdrawn("killed"), TimeoutError("database is locked")])
def test_a_failed_prepare_uses_no_slot_and_frees_the_lock(
    pace: FilePace, build_pace: Callable[..., FilePace], clock: VirtualClock, problem: Exception
) -> None:
    """An intent that could not be recorded means that nothing is sent, so the slot is still there for others."""

    def fail() -> None:
        raise problem

    with pytest.raises(type(problem)) as raised:
        pace.take_slot(CLOSE, prepare=fail)
    assert raised.value is problem
    assert wait_for_slot_s(build_pace(), clock) == 0


def test_stopping_ends_a_wait_within_fifty_milliseconds(pace: FilePace, clock: VirtualClock) -> None:
    """Nobody waits out a minute's push after pressing stop; nothing is prepared and no slot is used."""
    pace.push(CLOSE, 60.0)
    stop_s = clock.now_s() + 10.0
    prepared: list[None] = []
    with pytest.raises(SendWithdrawn, match="nothing was sent"):
        pace.take_slot(CLOSE, prepare=lambda: prepared.append(None), is_stopped=lambda: clock.now_s() >= stop_s)
    assert stop_s <= clock.now_s() <= stop_s + 0.05
    assert not prepared
    assert wait_for_slot_s(pace, clock) == pytest.approx(50.0, abs=0.06)


def test_stopping_ends_the_wait_for_a_lock_that_somebody_keeps(pace: FilePace, clock: VirtualClock, tmp_path: Path) -> None:
    """A frozen process may keep the lock for hours; stopping works all the same."""
    stop_s = clock.now_s() + 3.0
    with FileLock(tmp_path / "pace.lock"), pytest.raises(SendWithdrawn):
        pace.take_slot(CLOSE, is_stopped=lambda: clock.now_s() >= stop_s)
    assert clock.now_s() <= stop_s + 0.05


def test_stopping_is_asked_last_right_before_prepare(pace: FilePace) -> None:
    """A stop that comes with the slot itself still wins: the intent is not written."""
    answers = iter([False, True])
    prepared: list[None] = []
    with pytest.raises(SendWithdrawn):
        pace.take_slot(CLOSE, prepare=lambda: prepared.append(None), is_stopped=lambda: next(answers))
    assert not prepared


@pytest.mark.parametrize(
    ("retry_after_s", "wait_s"), [(None, 2.0), (0.5, 2.0), (5.0, 5.0), (3600.0, 60.0), (float("nan"), 2.0)]
)
def test_a_throttle_delays_by_retry_after_or_two_spacings_within_bounds(
    pace: FilePace, clock: VirtualClock, retry_after_s: float | None, wait_s: float
) -> None:
    """Sending into a closed door may keep it shut, and an absurd Retry-After must not keep positions open."""
    pace.push(CLOSE, retry_after_s)
    assert wait_for_slot_s(pace, clock) == pytest.approx(wait_s)


def test_a_shorter_push_does_not_end_a_longer_one(pace: FilePace, clock: VirtualClock) -> None:
    """Answers arrive in any order; the exchange's longest wish holds."""
    pace.push(CLOSE, 10.0)
    pace.push(CLOSE, 3.0)
    assert wait_for_slot_s(pace, clock) == pytest.approx(10.0)


def test_a_push_delays_a_process_that_is_already_waiting(
    pace: FilePace, build_pace: Callable[..., FilePace], clock: VirtualClock
) -> None:
    """The refused one and the next in line are different processes in the usual case."""
    other = build_pace()
    pace.take_slot(CLOSE)

    def push_once() -> None:
        clock.on_sleep = lambda: None
        other.push(CLOSE, 7.0)

    clock.on_sleep = push_once
    assert wait_for_slot_s(pace, clock) == pytest.approx(7.0, abs=0.06)


def test_each_throttle_widens_the_margin_for_everybody_up_to_a_cap(
    pace: FilePace, build_pace: Callable[..., FilePace], clock: VirtualClock
) -> None:
    """A throttle in spite of the pace says that the jitter is larger than the margin."""
    other = build_pace()
    for margin_s in (0.11, 0.16, *[0.5] * 10):
        pace.push(CLOSE, None)
        if margin_s < 0.5:
            other.take_slot(CLOSE)
            assert wait_for_slot_s(other, clock) == pytest.approx(SPACING_S + margin_s)
    other.take_slot(CLOSE)
    assert wait_for_slot_s(other, clock) == pytest.approx(SPACING_S + 0.5)


def test_fifty_clean_answers_take_five_milliseconds_off_a_widened_margin(pace: FilePace, clock: VirtualClock) -> None:
    """One bad minute should not slow the rest of the day down."""
    pace.push(CLOSE, None)
    pace.take_slot(CLOSE)
    for _ in range(49):
        pace.record_clean(CLOSE)
    assert wait_for_slot_s(pace, clock) == pytest.approx(GAP_S + 0.050)
    pace.record_clean(CLOSE)
    assert wait_for_slot_s(pace, clock) == pytest.approx(GAP_S + 0.045)


def test_a_throttle_starts_the_count_of_clean_answers_again(pace: FilePace, clock: VirtualClock) -> None:
    """Fifty clean answers in a row are evidence, fifty with a throttle among them are not."""
    pace.push(CLOSE, None)
    for _ in range(49):
        pace.record_clean(CLOSE)
    pace.push(CLOSE, None)
    pace.record_clean(CLOSE)
    pace.take_slot(CLOSE)
    assert wait_for_slot_s(pace, clock) == pytest.approx(GAP_S + 0.100)


def test_a_larger_configured_margin_holds_over_a_stored_one(
    pace: FilePace, build_pace: Callable[..., FilePace], clock: VirtualClock
) -> None:
    """Somebody who raises the setting after a bad day must see it used at once."""
    pace.take_slot(CLOSE)
    assert wait_for_slot_s(build_pace(margin_s=0.25), clock) == pytest.approx(SPACING_S + 0.25)


def test_the_margin_never_narrows_below_the_configured_one(
    pace: FilePace, build_pace: Callable[..., FilePace], clock: VirtualClock
) -> None:
    """What was configured is what was measured to be needed; a step that would undercut it ends there."""
    pace.push(CLOSE, None)
    pace.take_slot(CLOSE)
    cautious = build_pace(margin_s=0.1075)
    for _ in range(50 * 3):
        cautious.record_clean(CLOSE)
    assert wait_for_slot_s(pace, clock) == pytest.approx(SPACING_S + 0.1075)
    for _ in range(50 * 12):
        pace.record_clean(CLOSE)
    assert wait_for_slot_s(pace, clock) == pytest.approx(GAP_S)


def test_lanes_do_not_wait_for_each_other_before_a_throttle(pace: FilePace, clock: VirtualClock) -> None:
    """The exchange documents its limit for each endpoint."""
    pace.take_slot(CLOSE)
    assert wait_for_slot_s(pace, clock, POSITIONS) == 0


def test_the_first_throttle_makes_every_process_share_one_budget(
    pace: FilePace, build_pace: Callable[..., FilePace], clock: VirtualClock
) -> None:
    """Whether the endpoints share a limit is not documented; a throttle is the only hint there will be."""
    other = build_pace()
    other.take_slot(POSITIONS)
    pace.push(CLOSE, None)
    assert wait_for_slot_s(other, clock, POSITIONS) == pytest.approx(2.0)
    assert wait_for_slot_s(other, clock, CLOSE) == pytest.approx(GAP_S + 0.05)
    assert wait_for_slot_s(pace, clock, POSITIONS) == pytest.approx(GAP_S + 0.05)


def test_a_shared_budget_is_told_to_every_process_and_after_a_reboot(
    pace: FilePace, build_pace: Callable[..., FilePace], tmp_path: Path
) -> None:
    """Whoever has many orders to cancel one by one must know that each of them holds up the closes."""
    other = build_pace()
    pace.take_slot(CLOSE)
    assert not other.is_shared()
    pace.push(CLOSE, None)
    lease = (tmp_path / "pace.json").read_bytes()
    assert other.is_shared()
    assert build_pace(clock=VirtualClock("boot-2", 1.0)).is_shared()
    assert (tmp_path / "pace.json").read_bytes() == lease


def test_without_a_lease_nothing_is_shared_and_none_is_made(pace: FilePace, tmp_path: Path) -> None:
    """Asking is no send: it must not leave a stamp behind that somebody waits for."""
    assert not pace.is_shared()
    assert not (tmp_path / "pace.json").exists()


def test_a_pace_that_does_not_merge_is_never_shared(build_pace: Callable[..., FilePace]) -> None:
    """A throttle of the market data keeps its lanes apart."""
    pace = build_pace({"market": 0.2}, merges_lanes=False)
    pace.push("market", None)
    assert not pace.is_shared()


def test_a_lease_that_stays_locked_counts_as_shared_before_long(
    pace: FilePace, clock: VirtualClock, tmp_path: Path
) -> None:
    """A frozen process must not freeze whoever only asks, and the slower answer harms nobody."""
    asked_s = clock.now_s()
    with FileLock(tmp_path / "pace.lock"):
        assert pace.is_shared()
    assert clock.now_s() - asked_s == pytest.approx(1.0, abs=0.06)


def test_a_lease_that_cannot_be_read_is_told_like_a_refused_slot(pace: FilePace, tmp_path: Path) -> None:
    """Whether it is shared is not guessed from a broken disk."""
    (tmp_path / "pace.json").mkdir()
    with pytest.raises(GuardRefused, match="cannot be kept"):
        pace.is_shared()


def test_a_shared_budget_has_the_largest_spacing_of_its_lanes(
    build_pace: Callable[..., FilePace], clock: VirtualClock
) -> None:
    """A read that is allowed ten times a second may use up the second of a close."""
    pace = build_pace({CLOSE: 1.0, POSITIONS: 0.1})
    pace.push(POSITIONS, None)
    assert wait_for_slot_s(pace, clock, POSITIONS) == pytest.approx(2.0)
    assert wait_for_slot_s(pace, clock, POSITIONS) == pytest.approx(1.0 + MARGIN_S + 0.05)


def test_a_pace_that_does_not_merge_keeps_its_lanes_apart(build_pace: Callable[..., FilePace], clock: VirtualClock) -> None:
    """Market data is metered by address, whatever else is asked."""
    pace = build_pace({"market": 0.2, "other": 0.2}, merges_lanes=False)
    pace.push("market", None)
    assert wait_for_slot_s(pace, clock, "other") == 0
    assert wait_for_slot_s(pace, clock, "market") == pytest.approx(0.4)


def test_a_lease_that_cannot_be_kept_refuses_the_send_and_says_what_to_do(pace: FilePace, tmp_path: Path) -> None:
    """Without the lease nobody knows what others send, so nothing leaves."""
    (tmp_path / "pace.json").mkdir()
    with pytest.raises(GuardRefused, match=r"cannot be kept.*Nothing more is sent.*flatten again"):
        pace.take_slot(CLOSE)


def test_a_push_that_cannot_be_written_does_not_hide_the_answer(
    pace: FilePace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller still has to record what the exchange said; the next slot is refused for the same reason."""
    (tmp_path / "pace.json").mkdir()
    pace.push(CLOSE, None)
    pace.record_clean(CLOSE)
    assert "could not be noted" in caplog.text


def test_a_push_gives_up_on_a_lock_that_somebody_keeps(
    pace: FilePace, clock: VirtualClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An answer must reach the ledger even if another process froze with the lock in its hand."""
    with FileLock(tmp_path / "pace.lock"):
        pace.push(CLOSE, None)
    assert "stayed locked" in caplog.text
    assert wait_for_slot_s(pace, clock) == 0


@pytest.mark.parametrize("use", [FilePace.take_slot, FilePace.record_clean, lambda pace, lane: pace.push(lane, None)])
def test_a_misspelt_lane_is_an_error_and_not_a_budget_of_its_own(
    pace: FilePace, use: Callable[[FilePace, str], None]
) -> None:
    """Two budgets for one cap double the rate without anybody noticing."""
    with pytest.raises(KeyError, match="batch_close"):
        use(pace, "batch_close")


def test_threads_of_one_process_never_use_the_same_slot(build_pace: Callable[..., FilePace]) -> None:
    """Operating system locks belong to a process in some spellings; here each thread needs its own."""
    pace = build_pace({CLOSE: 0.01}, margin_s=0.0, clock=SYSTEM_CLOCK)
    slots_s: list[float] = []
    takers = [
        threading.Thread(
            target=lambda: [pace.take_slot(CLOSE, prepare=lambda: slots_s.append(SYSTEM_CLOCK.now_s())) for _ in range(10)]
        )
        for _ in range(4)
    ]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    assert len(slots_s) == 40
    assert all(later - earlier >= 0.01 for earlier, later in itertools.pairwise(slots_s))
