"""A read that is repeated now and then, and soon after something asks for it.  Knows time and nothing of what is read."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from clients.calls import reported

__all__ = ["Reread"]


@define(eq=False)
class Reread:
    """Runs *work* every *period* seconds, and *delay* seconds after `request`; never twice at a time.

    Requests that come while one is scheduled are answered by it; one that comes while *work* runs causes another run,
    because what is being read may be older than the request.  A failed run is reported and repeated after *retry*.
    """

    clock: IReactorTime
    work: Callable[[], Coroutine[Deferred[Any], Any, None]]
    report: Callable[[Exception], None]
    delay: float = 0.02
    period: float = 60.0
    retry: float = 1.0
    _timer: IDelayedCall | None = field(init=False, default=None)
    _running: Deferred[None] | None = field(init=False, default=None)
    _again: bool = field(init=False, default=False)
    _started: bool = field(init=False, default=False)

    def start(self) -> None:
        """Begin with the first run in *period* seconds."""
        self._started = True
        self._schedule(self.period)

    def request(self) -> None:
        """Something has changed: run soon.  Nothing happens before `start` or after `stop`."""
        if self._running is not None:
            self._again = True
        elif self._started:
            self._schedule(self.delay)

    def stop(self) -> None:
        """Stop, give up a run under way and leave no timer behind."""
        self._started = self._again = False
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        running, self._running = self._running, None
        if running is not None:
            running.cancel()

    def _schedule(self, seconds: float) -> None:
        due = self.clock.seconds() + seconds
        if self._timer is not None and self._timer.active():
            if self._timer.getTime() <= due:
                return
            self._timer.cancel()
        self._timer = self.clock.callLater(seconds, self._run)

    def _run(self) -> None:
        self._again = False
        self._running = run = Deferred.fromCoroutine(self._attempt())
        reported(run, self.report)
        if run.called:
            self._running = None

    async def _attempt(self) -> None:
        pause = self.retry
        try:
            await self.work()
            pause = self.period
        except CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - reported, and the read is repeated: it must not end for good
            self.report(error)
        self._running = None
        if self._started:
            self._schedule(self.delay if self._again else pause)
