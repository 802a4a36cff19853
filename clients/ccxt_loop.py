"""Runs asyncio coroutines for Twisted: on the reactor's own loop where the reactor is asyncio's, else in a thread.

The thread is one for the whole process and a daemon: it ends with the process.  Knows nothing of exchanges.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred

__all__ = ["Runner", "runner_for"]

T = TypeVar("T")


class Runner(Protocol):
    """Where coroutines run."""

    def call(self, work: Coroutine[Any, Any, T]) -> Deferred[T]:
        """Run *work*; cancelling the Deferred cancels it.  Fires on the reactor's thread."""


class _OnReactor:
    """The reactor's own loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def call(self, work: Coroutine[Any, Any, T]) -> Deferred[T]:
        task = self._loop.create_task(work)

        def give_up(_: Deferred[T]) -> None:
            task.cancel()

        told: Deferred[T] = Deferred(give_up)

        def done(ended: asyncio.Task[T]) -> None:
            _tell(told, ended)

        task.add_done_callback(done)
        return told


class _InThread:
    """A loop in a thread of its own."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def call(self, work: Coroutine[Any, Any, T]) -> Deferred[T]:
        loop = _thread_loop()
        tasks: list[asyncio.Task[T]] = []

        def give_up(_: Deferred[T]) -> None:
            loop.call_soon_threadsafe(lambda: tasks[0].cancel())

        told: Deferred[T] = Deferred(give_up)

        def begin() -> None:
            task = loop.create_task(work)
            tasks.append(task)
            task.add_done_callback(lambda ended: self._reactor.callFromThread(_tell, told, ended))

        loop.call_soon_threadsafe(begin)
        return told


def _tell(told: Deferred[Any], ended: asyncio.Task[Any]) -> None:
    if told.called:  # cancelled, and nobody waits any more
        if not ended.cancelled():
            ended.exception()  # asyncio complains of failures that nobody looked at
    elif ended.cancelled():
        told.errback(CancelledError())
    elif (error := ended.exception()) is not None:
        told.errback(error)
    else:
        told.callback(ended.result())


_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def _thread_loop() -> asyncio.AbstractEventLoop:
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="asyncio of the ccxt bridge", daemon=True).start()
        return _loop


def runner_for(reactor: Any) -> Runner:
    """The runner that suits *reactor*."""
    loop = getattr(reactor, "_asyncioEventloop", None)  # what Twisted's asyncio reactor runs on; it has no public name
    return _OnReactor(loop) if isinstance(loop, asyncio.AbstractEventLoop) else _InThread(reactor)
