"""The rate budget of one venue: calls a second, and who goes first when they run short.  Knows no venue and no wire."""

from __future__ import annotations

import heapq
from enum import IntEnum
from itertools import count

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["Budget", "Priority"]


class Priority(IntEnum):
    """Who goes first; within one priority the older call does."""

    CANCEL = 0
    HEDGE = 1
    # State that decisions need, before quotes, because quotes built on old state are worse than late ones; and money.
    READ = 2
    QUOTE = 3
    BULK = 4  # histories


@define
class Budget:
    """A bucket that holds *burst* calls and fills by *rate* calls a second; what finds it empty waits by priority.

    :ivar rate: calls a second of the reactor's clock.
    :ivar burst: calls that may go at once after a quiet time, at least 1.
    :ivar reserve: so many calls are left in the bucket for cancels and hedges; everything else waits until there are more.
    """

    clock: IReactorTime
    rate: float
    burst: float
    reserve: float = 0.0
    _tokens: float = field(init=False)
    _filled_at: float = field(init=False)
    _waiting: list[tuple[int, int, Deferred[None]]] = field(init=False, factory=list)
    _order: count[int] = field(init=False, factory=count)
    _timer: IDelayedCall | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        if self.rate <= 0 or self.burst < 1:
            raise ValueError(
                f"rate {self.rate} and burst {self.burst}: allowed are a rate above 0 and a burst of 1 or more"
            )
        if not 0 <= self.reserve <= self.burst - 1:
            raise ValueError(f"reserve {self.reserve}: allowed is 0 to {self.burst - 1:g}, the burst less one")
        self._tokens = self.burst
        self._filled_at = self.clock.seconds()

    def take(self, priority: Priority) -> Deferred[None]:
        """Fires when one call may be made.  Cancel the Deferred to give the place up."""
        self._refill()
        if self._tokens >= self._needed(priority) and not self._ahead(priority):
            self._tokens -= 1
            return succeed(None)
        place: Deferred[None] = Deferred()
        heapq.heappush(self._waiting, (priority, next(self._order), place))
        self._stop_timer()  # who came now may go first, and sooner than the one that the timer was set for
        self._wake_up()
        return place

    def left(self, tokens: float) -> None:
        """The venue says that no more than *tokens* calls are left."""
        self._refill()
        self._tokens = min(self._tokens, tokens)

    def wait(self, priority: Priority) -> float:
        """Seconds that a call of *priority* would wait now: what a `RateLimited` tells."""
        self._refill()
        return max(0.0, (self._needed(priority) + self._ahead(priority) - self._tokens) / self.rate)

    def stop(self, reason: Exception) -> None:
        """Everybody who waits fails with *reason*; no timer is left behind."""
        waiting, self._waiting = self._waiting, []
        self._stop_timer()
        for _, _, place in waiting:
            if not place.called:
                place.errback(reason)

    def _refill(self) -> None:
        now = self.clock.seconds()
        self._tokens = min(self.burst, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now

    def _needed(self, priority: int) -> float:
        return 1.0 if priority <= Priority.HEDGE else 1.0 + self.reserve

    def _ahead(self, priority: int) -> int:
        return sum(1 for other, _, place in self._waiting if other <= priority and not place.called)

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _wake_up(self) -> None:
        if self._timer is None and self._waiting:
            missing = self._needed(self._waiting[0][0]) - self._tokens
            self._timer = self.clock.callLater(max(0.0, missing) / self.rate, self._serve)

    def _serve(self) -> None:
        self._timer = None
        self._refill()
        # A hair less than one token counts as one: the timer was set for exactly that instant, floats are not exact.
        while self._waiting and self._tokens >= self._needed(self._waiting[0][0]) - 1e-9:
            _, _, place = heapq.heappop(self._waiting)
            if not place.called:  # it may have been cancelled while it waited
                self._tokens -= 1
                place.callback(None)
        self._wake_up()
