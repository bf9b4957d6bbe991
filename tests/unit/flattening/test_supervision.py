"""An interrupt asks the work to stop, waits for its end, and only then goes on."""

from __future__ import annotations

import os
import signal
from queue import SimpleQueue
from threading import Event

import pytest

from deepcoin_ops.flattening.supervision import run_beside


class Termination(BaseException):
    """Stands for whatever an orchestrator throws into the main thread."""


def test_the_result_and_every_message_come_back() -> None:
    """Messages are passed on in the caller's thread, the last ones too."""
    messages: SimpleQueue[str] = SimpleQueue()
    heard: list[str] = []

    def work() -> int:
        for text in ("one", "two", "three"):
            messages.put(text)
        return 7

    assert run_beside(work, Event(), messages, heard.append) == 7
    assert heard == ["one", "two", "three"]


def test_a_screen_that_fails_does_not_stop_the_work() -> None:
    """A locked event log or a broken pipe is no reason to leave positions open."""
    stop, messages = Event(), SimpleQueue()
    messages.put("one")

    def on_message(text: str) -> None:
        raise OSError(text)

    assert run_beside(lambda: "done", stop, messages, on_message) == "done"
    assert not stop.is_set()


def test_an_interrupt_carries_what_the_work_raised_meanwhile() -> None:
    """Neither of the two hides the other."""
    stop, messages = Event(), SimpleQueue()

    def work() -> None:
        messages.put("started")
        stop.wait(10)
        raise LookupError("lost")

    def on_message(text: str) -> None:
        raise Termination

    with pytest.raises(Termination) as interrupt:
        run_beside(work, stop, messages, on_message)
    assert "LookupError: lost" in "".join(interrupt.value.__notes__)


def test_an_error_of_the_work_comes_back_as_it_is() -> None:
    """Nothing is wrapped: the caller knows the project's errors."""
    with pytest.raises(LookupError, match="lost"):
        run_beside(_raise_lookup_error, Event(), SimpleQueue(), print)


def test_an_interrupt_stops_the_work_and_waits_for_its_end() -> None:
    """An answer that is on its way is recorded before the interrupt goes on."""
    stop, messages, recorded = Event(), SimpleQueue(), []

    def work() -> None:
        messages.put("started")
        stop.wait(10)
        recorded.append("the answer in flight")
        messages.put("stopped")

    heard: list[str] = []

    def on_message(text: str) -> None:
        heard.append(text)
        if text == "started":
            raise Termination

    with pytest.raises(Termination):
        run_beside(work, stop, messages, on_message)
    assert recorded == ["the answer in flight"]
    assert heard == ["started", "stopped"]


def test_many_interrupts_do_not_leave_the_work_behind() -> None:
    """Whoever presses Ctrl-C four times still gets the record of what was sent. The signals are real ones."""
    stop, messages, arrived, ended = Event(), SimpleQueue(), SimpleQueue(), Event()

    def interrupt(number: int, frame: object) -> None:
        arrived.put(number)
        raise Termination

    def work() -> None:
        for _ in range(4):
            os.kill(os.getpid(), signal.SIGUSR1)
            arrived.get(timeout=10)
            stop.wait(10)
            Event().wait(0.05)  # nobody presses faster than an exception travels
        ended.set()

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(Termination):
            run_beside(work, stop, messages, print)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert stop.is_set()
    assert ended.is_set()


def _raise_lookup_error() -> None:
    raise LookupError("lost")
