"""One channel's queue: sends in order, tries again with growing pauses, never grows without end, makes nobody wait."""

from __future__ import annotations

from collections import deque
from datetime import datetime

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from ilp.alarms.channels import Channel, Undelivered
from ilp.alarms.notices import Notice, Severity

__all__ = ["Outbox", "Outcome"]

FIRST, LONGEST = 2.0, 300.0  # seconds between two tries: doubled from the first to the longest
OLDEST = 86_400.0  # seconds after which a notice is no news any more
MOST = 200  # notices that wait; then the oldest of the least severity gives way
TIMEOUT = 60.0  # seconds that one try may take


@frozen
class Outcome:
    """How the last try went: when, and why it failed; `error` is empty when it did not."""

    at: datetime
    error: str


@define
class _Waiting:
    notice: Notice
    since: float
    due: float
    tries: int = 0


@define(eq=False)
class Outbox:
    """The queue of one channel.

    :ivar level: least severity that this channel takes.
    :ivar last: how the last try went; None before the first.
    :ivar lost: notices that were given up.
    """

    channel: Channel
    level: Severity
    clock: IReactorTime
    last: Outcome | None = None
    lost: int = 0
    _queue: deque[_Waiting] = field(factory=deque)
    _sending: Deferred[None] | None = None
    _call: IDelayedCall | None = None
    _stopped: bool = False
    _log = Logger(namespace="ilp.alarms")

    @property
    def waiting(self) -> int:
        """How many notices have not been taken yet."""
        return len(self._queue)

    def put(self, notice: Notice, wait: float = 0.0) -> None:
        """Send *notice* in its turn, not before *wait* seconds are over; what is below the level is left out."""
        if notice.severity < self.level or self._stopped:
            return
        now = self.clock.seconds()
        self._queue.append(_Waiting(notice, now, now + wait))
        if len(self._queue) > MOST:
            self._make_room()
        self._next()

    def test(self, notice: Notice) -> Deferred[None]:
        """Send *notice* at once, past the queue and the level; fails with `Undelivered`."""
        return Deferred.fromCoroutine(self._try(notice))

    def stop(self) -> None:
        """Leave no timer and no call behind; what waits is lost, and said."""
        self._stopped = True
        if self._call is not None and self._call.active():
            self._call.cancel()
        if self._sending is not None:
            self._sending.cancel()
        if self._queue:
            self._log.warn("{n} alarms were not sent by {name}", n=len(self._queue), name=self.channel.name)
            self._queue.clear()

    # ------------------------------------------------------------------------------------------------------- details

    def _make_room(self) -> None:
        least = min(one.notice.severity for one in self._queue)
        for one in self._queue:
            if one.notice.severity == least:
                self._queue.remove(one)
                self.lost += 1
                return

    def _next(self) -> None:
        """Send what is due, or come back when something is."""
        if self._sending is not None or self._stopped or not self._queue:
            return
        now = self.clock.seconds()
        # the most urgent of those that are due; in one severity the oldest
        due = [one for one in self._queue if one.due <= now]
        if not due:
            self._wake_in(min(one.due for one in self._queue) - now)
            return
        one = max(due, key=lambda w: w.notice.severity)
        self._sending = Deferred.fromCoroutine(self._send(one))
        self._sending.addBoth(self._sent)

    def _wake_in(self, seconds: float) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = self.clock.callLater(max(0.0, seconds), self._next)

    async def _send(self, one: _Waiting) -> None:
        try:
            await self._try(one.notice)
        except Undelivered as undelivered:
            one.tries += 1
            pause = max(undelivered.wait, min(LONGEST, FIRST * 2 ** (one.tries - 1)))
            one.due = self.clock.seconds() + pause
            if not undelivered.final and one.due - one.since < OLDEST:
                return
            self.lost += 1
            self._log.error("an alarm was given up: {why}", why=str(undelivered))
        if one in self._queue:
            self._queue.remove(one)

    async def _try(self, notice: Notice) -> None:
        sending = self.channel.send(notice).addTimeout(TIMEOUT, self.clock, _timed_out)
        try:
            await sending
        except Undelivered as undelivered:
            self.last = Outcome(notice.at, str(undelivered))
            self._log.warn("{name}: {why}", name=self.channel.name, why=str(undelivered))
            raise
        self.last = Outcome(notice.at, "")

    def _sent(self, result: object) -> None:
        self._sending = None
        error = getattr(result, "value", None)
        if isinstance(error, BaseException) and not isinstance(error, CancelledError):
            self._log.error("{name}: sending failed: {error!r}", name=self.channel.name, error=error)
            if self._queue:  # a fault of ours must not become a loop
                self._queue.popleft()
                self.lost += 1
        self._next()


def _timed_out(result: object, seconds: float) -> object:
    raise Undelivered(f"no answer within {seconds:g} s")
