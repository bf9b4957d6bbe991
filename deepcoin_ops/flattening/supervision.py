"""Running a flatten beside the thread that gets interrupted.

Ctrl-C, SIGTERM and an orchestrator's termination arrive as an exception in the main thread, wherever it happens to be. So
the work runs in a thread of its own and is only ever asked to stop: an answer that is on its way is awaited and recorded,
and the verdict and the closing row are written, before the interrupt goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillRunning
from queue import Empty, SimpleQueue
from threading import Event
from typing import TypeVar

_Result = TypeVar("_Result")
_Message = TypeVar("_Message")
_POLL_S = 0.1


def run_beside(
    work: Callable[[], _Result],
    stop: Event,
    messages: SimpleQueue[_Message],
    on_message: Callable[[_Message], None],
) -> _Result:
    """Run `work` in its own thread and pass its messages on in this one, until it is done.

    Args:
        work: What to run. It has to end by itself soon after `stop` is set.
        stop: Set when this thread is interrupted.
        messages: Where `work` puts what it wants to say.
        on_message: Called in this thread for each message.

    Raises:
        BaseException: What `work` raised; or the interrupt, once `work` has ended. Further interrupts while it ends are
            not acted upon: it is already ending, and leaving it would lose answers.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="flatten") as pool:
        future = pool.submit(work)
        try:
            _follow(future, messages, on_message)
        except BaseException:
            stop.set()
            _await_end(future)
            _drain(messages, on_message)
            raise
    _drain(messages, on_message)
    return future.result()


def _follow(future: Future[_Result], messages: SimpleQueue[_Message], on_message: Callable[[_Message], None]) -> None:
    while not future.done():
        try:
            on_message(messages.get(timeout=_POLL_S))
        except Empty:
            continue


def _await_end(future: Future[_Result]) -> None:
    while not future.done():
        try:
            future.exception(timeout=_POLL_S)
        except StillRunning:
            continue
        except BaseException:  # noqa: BLE001, S112 - a second interrupt: the work is ending as fast as it may
            continue


def _drain(messages: SimpleQueue[_Message], on_message: Callable[[_Message], None]) -> None:
    while True:
        try:
            on_message(messages.get_nowait())
        except Empty:
            return
