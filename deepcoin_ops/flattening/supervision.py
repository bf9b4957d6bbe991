"""Running a flatten beside the thread that gets interrupted.

Ctrl-C, SIGTERM and an orchestrator's termination arrive as an exception in the main thread, wherever it happens to be. So
the work runs in a thread of its own and is only ever asked to stop: an answer that is on its way is awaited and recorded,
and the verdict and the closing row are written, before the interrupt goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, wait
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TypeVar

logger = logging.getLogger(__name__)

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
        on_message: Called in this thread for each message. What it raises is logged: a full screen or a locked event log
            is no reason to leave positions open.

    Raises:
        BaseException: What `work` raised; or the interrupt, once `work` has ended, with a note of what `work` raised.
            Further interrupts while it ends are not acted upon: it is already ending, and leaving it would lose answers.
    """
    future: Future[_Result] = Future()
    may_begin = Event()

    def run() -> None:
        may_begin.wait()
        # An interrupt may come while this thread is being started; then the work is not begun at all.
        if future.set_running_or_notify_cancel():
            _fulfil(future, work)

    try:
        Thread(target=run, name="flatten").start()
        may_begin.set()
        _follow(future, messages, on_message)
    except BaseException as interrupt:
        stop.set()
        future.cancel()
        may_begin.set()
        _await_end(future)
        if not future.cancelled() and (error := future.exception()) is not None:
            interrupt.add_note(f"While stopping: {type(error).__name__}: {error}")
        _drain(messages, on_message)
        raise
    _drain(messages, on_message)
    return future.result()


def _fulfil(future: Future[_Result], work: Callable[[], _Result]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
        future.set_exception(error)


def _follow(future: Future[_Result], messages: SimpleQueue[_Message], on_message: Callable[[_Message], None]) -> None:
    while not future.done():
        try:
            message = messages.get(timeout=_POLL_S)
        except Empty:
            continue
        _tell(message, on_message)


def _await_end(future: Future[_Result]) -> None:
    # The future is waited for and not its thread: an interrupted join marks a running thread as ended.
    while True:
        try:
            while not future.done():
                wait([future], timeout=_POLL_S)
        except BaseException:  # noqa: BLE001, S112 - a further interrupt: the work is ending as fast as it may
            continue
        return


def _drain(messages: SimpleQueue[_Message], on_message: Callable[[_Message], None]) -> None:
    while not messages.empty():
        _tell(messages.get(), on_message)


def _tell(message: _Message, on_message: Callable[[_Message], None]) -> None:
    try:
        on_message(message)
    except Exception:  # whatever a screen or a log may raise
        logger.exception("could not pass on: %s", message)
