"""Keeps one session with a venue alive: backoff with jitter, when to go on and when to stop.  Knows no wire.

Twisted's `ClientService` is not used: it retries refused credentials for ever, and its machine has no transition for a
connection that is lost while it is still being prepared, which is when a venue that is ill loses most of them.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from clients.calls import reported
from clients.exchange import ExchangeError, NotAuthorised, Unreachable

__all__ = ["Backoff", "Lifeline"]


@frozen
class Backoff:
    """How long to wait before the next try.

    :ivar first: seconds before the first try after a loss; each further one waits *factor* times longer, up to *longest*.
    :ivar jitter: fraction by which a wait may be longer or shorter, so that many clients do not come back at once.
    :ivar steady: a session that lasted so many seconds was a good one: after it the waits start from *first* again.
    """

    first: float = 0.5
    longest: float = 30.0
    factor: float = 2.0
    jitter: float = 0.3
    steady: float = 10.0

    def wait(self, failures: int, random: Random) -> float:
        """Seconds before the next try after *failures* tries in a row that came to nothing."""
        # The exponent is limited because a float power overflows after a thousand failures.
        seconds = min(self.longest, self.first * self.factor ** min(failures, 60))
        return seconds * (1 + self.jitter * (2 * random.random() - 1))


@define
class Lifeline:
    """Opens a session, waits until it is gone, opens the next; until it is told to stop or the venue refuses us.

    :ivar venue: how errors call it.
    :ivar open: one try: returns, once the session is fully ready, a Deferred that fires with the reason when the session
        is gone.  It cleans up after itself when it fails or is cancelled.
    :ivar trouble: told of every try that failed and of a refusal that ends it all.
    """

    venue: str
    open: Callable[[], Coroutine[Deferred[Any], Any, Deferred[Exception]]]
    clock: IReactorTime
    random: Random
    backoff: Backoff
    trouble: Callable[[Exception], None]
    last_problem: Exception | None = field(init=False, default=None)
    _loop: Deferred[None] | None = field(init=False, default=None)
    _starts: int = field(init=False, default=0)
    _ready: bool = field(init=False, default=False)
    _waiters: list[Deferred[None]] = field(init=False, factory=list)

    _log = Logger()

    def start(self, limit: float) -> Deferred[None]:
        """Begin if not begun, and fire when a session is ready.

        Fails with `NotAuthorised` when the venue refuses us: then no further try is made until `start` is called again.
        Fails with `Unreachable` when there is none after *limit* seconds; tries go on.
        """
        if self._ready:
            return succeed(None)
        waiter: Deferred[None] = Deferred()
        self._waiters.append(waiter)
        timer = self.clock.callLater(limit, self._out_of_time, waiter, limit)

        def done(result: Any) -> Any:
            if timer.active():
                timer.cancel()
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            return result

        waiter.addBoth(done)
        if self._loop is None:
            self._starts += 1
            loop = Deferred.fromCoroutine(self._run(self._starts))
            # It may be over already: refused, or stopped by a listener, without waiting for anything.
            self._loop = None if loop.called else loop
            reported(loop, self.trouble)
        return waiter

    def stop(self) -> Deferred[None]:
        """Stop trying and give up a try under way; fires when nothing of it is left.

        A session that is open is closed by its owner, not here.
        """
        loop, self._loop = self._loop, None
        # Whoever stops us may be called by us (a listener, a waiter): then there is nothing to cancel just now, and the
        # loop finds the number changed when it goes on.
        self._starts += 1
        self._ready = False
        self._finish(Unreachable(self.venue, "connecting", "disconnected before it was connected"))
        if loop is None:
            return succeed(None)
        loop.cancel()
        return loop

    async def _run(self, number: int) -> None:
        failures = 0
        while self._starts == number:
            try:
                gone = await self.open()
            except NotAuthorised as refusal:
                if self._starts == number:
                    self._loop = None
                self._note(refusal)
                self._finish(refusal)
                return
            except CancelledError:
                raise
            except ExchangeError as problem:
                self._note(problem)
                failures += 1
            except Exception as bug:  # noqa: BLE001 - whatever a venue makes us stumble over, the next try must come
                self._log.failure("{venue}: connecting failed in a way nobody foresaw", venue=self.venue)
                self._note(bug)
                failures += 1
            else:
                since = self.clock.seconds()
                if self._starts == number:
                    self._ready = True
                    self._finish(None)
                if self._starts != number:
                    return
                reason = await gone
                self._ready = False
                self._log.warn("{venue}: connection lost: {reason}", venue=self.venue, reason=reason)
                failures = 0 if self.clock.seconds() - since >= self.backoff.steady else failures + 1
            if self._starts == number:
                await deferLater(self.clock, self.backoff.wait(max(failures - 1, 0), self.random))

    def _note(self, problem: Exception) -> None:
        self.last_problem = problem
        self.trouble(problem)

    def _out_of_time(self, waiter: Deferred[None], limit: float) -> None:
        why = f"not connected within {limit:g} s; trying on"
        if self.last_problem is not None:
            why += f"; last problem: {self.last_problem}"
        waiter.errback(Unreachable(self.venue, "connecting", why))

    def _finish(self, problem: Exception | None) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if problem is None:
                waiter.callback(None)
            else:
                waiter.errback(problem)
