"""Where the journal's statements run: in one thread of its own, or at once.  Knows no statement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorCore, IReactorFromThreads, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

__all__ = ["AtOnce", "OneThread", "Runner"]

# Reactor seconds that writes wait before the thread gets them.  Both threads share one interpreter: what the reactor has
# to do about the event that is being written (a cancel, a hedge, the quote that follows) takes twice as long when they
# begin together.
GATHER = 0.01

P = ParamSpec("P")
T = TypeVar("T")


class Runner(Protocol):
    """Runs functions one after the other, in the order given."""

    def run(self, f: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Call *f* after everything given before; fires on the caller's thread with what it returned or raised."""

    def run_later(self, f: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """The same, but what is more urgent on the caller's thread may go first."""

    def stop(self) -> Deferred[None]:
        """Let go of the thread; nothing may be running and nothing is run afterwards."""


class AtOnce:
    """Runs on the caller's thread before `run` returns: for virtual time, commands and tests."""

    def run(self, f: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Call *f* now."""
        return maybeDeferred(f, *args, **kwargs)

    def run_later(self, f: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Call *f* now as well."""
        return self.run(f, *args, **kwargs)

    def stop(self) -> Deferred[None]:
        """Nothing to let go of."""
        return succeed(None)


class OneThread:
    """Runs in one dedicated thread, so that a slow disk never stalls the reactor and writes keep their order."""

    def __init__(self, reactor: IReactorFromThreads) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(minthreads=1, maxthreads=1, name="journal")
        self._pool.start()
        self._waiting: list[tuple[Deferred[Any], Callable[[], Any]]] = []
        self._timer: IDelayedCall | None = None
        # A start that breaks off before anybody can close the journal must not leave a thread that keeps Python alive.
        self._trigger = IReactorCore(reactor).addSystemEventTrigger("after", "shutdown", self._pool.stop)

    def run(self, f: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Queue *f* for the thread."""
        self._hand_over()
        return cast("Deferred[T]", deferToThreadPool(self._reactor, self._pool, f, *args, **kwargs))

    def run_later(self, f: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Queue *f* for the thread after `GATHER` seconds, or before anything that is given to `run` until then."""
        done: Deferred[T] = Deferred()
        self._waiting.append((done, lambda: f(*args, **kwargs)))
        if self._timer is None:
            self._timer = IReactorTime(self._reactor).callLater(GATHER, self._hand_over)
        return done

    def _hand_over(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        waiting, self._waiting, self._timer = self._waiting, [], None
        for done, f in waiting:
            deferToThreadPool(self._reactor, self._pool, f).chainDeferred(done)

    def stop(self) -> Deferred[None]:
        """Join the thread; short, as its queue is empty by contract."""
        IReactorCore(self._reactor).removeSystemEventTrigger(self._trigger)
        self._pool.stop()
        return succeed(None)
