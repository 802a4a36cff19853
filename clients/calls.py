"""How a client's methods become Deferreds and how long they may take.  Knows no venue and no wire.

Two rules are kept here once for every client.  Methods are written as coroutines and handed out as Deferreds
(`deferring`).  A deadline never cancels the operation it watches (`bounded`): on some venues a cancelled call kills the
connection, and an order that was sent stays sent, so only the waiting ends.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from twisted.internet.defer import CancelledError, Deferred, FirstError, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

__all__ = ["bounded", "deferring", "in_parts", "reported", "together"]

P = ParamSpec("P")
T = TypeVar("T")

PART = 200  # records of a history that are made without a pause: three milliseconds


def deferring(method: Callable[P, Coroutine[Deferred[Any], Any, T]]) -> Callable[P, Deferred[T]]:
    """Turn a coroutine function into one that returns a Deferred, keeping its name, signature and docstring.

    The body runs at once, up to its first `await`.  Cancelling the Deferred cancels what the body awaits.
    """

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        return Deferred.fromCoroutine(method(*args, **kwargs))

    return call


def bounded(original: Deferred[T], seconds: float, clock: IReactorTime, late: Callable[[], Exception]) -> Deferred[T]:
    """A second Deferred with the result of *original*, or failing with `late()` after *seconds* of *clock*.

    *original* is taken over: it is neither cancelled nor left with an unhandled failure, and what it brings after the
    deadline is dropped.  Cancelling the returned Deferred does not cancel *original* either.
    """

    def stop_waiting(_: Deferred[T]) -> None:
        if timer.active():
            timer.cancel()

    def out_of_time() -> None:
        waiter.errback(late())

    def answered(result: T | Failure) -> None:
        if not waiter.called:
            timer.cancel()
            waiter.callback(result)  # a Failure makes it fail

    waiter: Deferred[T] = Deferred(stop_waiting)
    timer = clock.callLater(max(seconds, 0.0), out_of_time)
    original.addBoth(answered)
    return waiter


async def together(*calls: Coroutine[Deferred[Any], Any, T] | Deferred[T]) -> list[T]:
    """Await several calls at once, results in order; the first failure cancels the rest and is raised as it is."""
    running = [call if isinstance(call, Deferred) else Deferred.fromCoroutine(call) for call in calls]
    try:
        return await gatherResults(running, consumeErrors=True)
    except FirstError as first:
        for call in running:
            call.cancel()
        raise _exception(first.subFailure) from None


async def in_parts(made: Iterable[T], clock: IReactorTime) -> list[T]:
    """All of *made*, which is made while it is gone through: after each part whatever else is due has its turn.

    A quarter of hourly bars takes 30 ms to make, a month of minutes half a second; no quote may wait for that.
    """
    found: list[T] = []
    for one in made:
        found.append(one)
        if len(found) % PART == 0:
            await deferLater(clock, 0.0)
    return found


def reported(work: Deferred[Any], report: Callable[[Exception], None]) -> None:
    """Own *work* that nobody waits for: its failure goes to *report*, a cancellation is no failure."""

    def failed(failure: Failure) -> None:
        error = _exception(failure)
        if not isinstance(error, CancelledError):
            report(error)

    work.addErrback(failed)


def _exception(failure: Failure) -> Exception:
    value = failure.value
    return value if isinstance(value, Exception) else RuntimeError(failure.getErrorMessage())
