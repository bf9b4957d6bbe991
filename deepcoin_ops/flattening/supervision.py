"""Running a flatten beside the thread that gets interrupted.

Ctrl-C, SIGTERM and an orchestrator's termination arrive as an exception in the main thread, wherever it happens to be. So
the work runs in a thread of its own and is only ever asked to stop: an answer that is on its way is awaited and recorded,
and the verdict and the closing row are written, before the interrupt goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from threading import Event
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
    pool = ThreadPoolExecutor(1, thread_name_prefix="flatten")
    future: Future[_Result] | None = None
    try:
        future = pool.submit(work)
        _follow(future, messages, on_message)
    except BaseException as interrupt:
        stop.set()
        _await_end(pool)
        if future is not None and (error := future.exception()) is not None:
            interrupt.add_note(f"While stopping: {type(error).__name__}: {error}")
        _drain(messages, on_message)
        raise
    _await_end(pool)
    _drain(messages, on_message)
    return future.result()


def _follow(future: Future[_Result], messages: SimpleQueue[_Message], on_message: Callable[[_Message], None]) -> None:
    while not future.done():
        try:
            message = messages.get(timeout=_POLL_S)
        except Empty:
            continue
        _tell(message, on_message)


def _await_end(pool: ThreadPoolExecutor) -> None:
    while True:
        try:
            pool.shutdown(wait=True)
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
