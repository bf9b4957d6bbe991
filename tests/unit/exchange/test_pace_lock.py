"""The lock of the pace when another process keeps it: a wait that says for what it waits, and that ends."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from paces import VirtualClock

from deepcoin_ops.domain.errors import GuardRefused, SendWithdrawn
from deepcoin_ops.exchange.pacing import LOCK_LIMIT_S, LOCK_POLL_S, FilePace

CLOSE, SPACING_S = "batch-close", 1.0


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def pace(tmp_path: Path, clock: VirtualClock) -> FilePace:
    return FilePace(tmp_path, {CLOSE: SPACING_S}, clock=clock)


def describe_own_process() -> str:
    """How this process, which holds the lock in these tests, has to be named here."""
    return f"process {os.getpid()} (" if Path("/proc/locks").exists() else "a process that cannot be seen from here"


def test_a_lock_that_stays_with_another_process_is_reported_and_then_denies_the_send(
    pace: FilePace, clock: VirtualClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Another user's process, or a frozen one: the flatten must neither hang without a word nor blame the disk."""
    asked_s, reported_s, recorded = clock.now_s(), list[float](), list[str]()
    clock.on_sleep = lambda: reported_s.append(clock.now_s() - asked_s) if caplog.messages and not reported_s else None
    with FileLock(tmp_path / "pace.lock"), pytest.raises(GuardRefused) as refused:
        pace.take_slot(CLOSE, prepare=lambda: recorded.append("an intent"))
    assert clock.now_s() - asked_s == pytest.approx(LOCK_LIMIT_S, abs=2 * LOCK_POLL_S)
    assert reported_s == [pytest.approx(1.0, abs=2 * LOCK_POLL_S)]
    [report] = caplog.messages
    for text in (report, str(refused.value)):
        assert str(tmp_path / "pace.lock") in text
        assert describe_own_process() in text
    assert "positions may be open" in str(refused.value)
    assert recorded == []
    pace.take_slot(CLOSE)


def test_stopping_ends_the_wait_for_the_lock_as_before(pace: FilePace, clock: VirtualClock, tmp_path: Path) -> None:
    """Whatever holds it, a person who stops the flatten does not wait for it."""
    ends_s = clock.now_s() + 0.5
    with FileLock(tmp_path / "pace.lock"), pytest.raises(SendWithdrawn):
        pace.take_slot(CLOSE, is_stopped=lambda: clock.now_s() >= ends_s)


def test_a_machine_that_slept_has_not_waited(pace: FilePace, clock: VirtualClock, tmp_path: Path) -> None:
    """After an hour asleep the lock is free again a moment later, and the send goes on."""
    lock = FileLock(tmp_path / "pace.lock")
    lock.acquire()
    naps = iter([3600.0])

    def sleep_through_the_night() -> None:
        nap_s = next(naps, None)
        if nap_s is None:
            lock.release()
        else:
            clock.pass_time(nap_s)

    clock.on_sleep = sleep_through_the_night
    pace.take_slot(CLOSE)


def test_an_intent_that_is_recorded_slowly_here_is_waited_for(pace: FilePace, clock: VirtualClock) -> None:
    """The ledger may take half a minute, and has a limit of its own; a read beside it must not end the flatten."""
    is_recording, may_end, waited = threading.Event(), threading.Event(), list[float]()
    asked_s = clock.now_s()

    def record_slowly() -> None:
        is_recording.set()
        assert may_end.wait(60)

    def end_after_a_while() -> None:
        waited.append(clock.now_s() - asked_s)
        if waited[-1] > 3 * LOCK_LIMIT_S:
            may_end.set()

    closing: Callable[[], None] = lambda: pace.take_slot(CLOSE, prepare=record_slowly)  # noqa: E731
    thread = threading.Thread(target=closing)
    thread.start()
    assert is_recording.wait(60)
    clock.on_sleep = end_after_a_while
    pace.take_slot(CLOSE)
    thread.join()
    assert waited[-1] > 3 * LOCK_LIMIT_S
