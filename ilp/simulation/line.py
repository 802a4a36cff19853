"""One direction of a connection in virtual time: what is sent arrives later, in order, and never in the same turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["Line"]

_ROUNDING = 1e-9  # seconds: sums of floats may miss the instant they were meant for by less than this


class Line:
    """Delivers callables after a latency; with latency 0 in the reactor's next turn.

    :param latency: seconds that the next message takes; a message never overtakes an earlier one.
    """

    def __init__(self, reactor: IReactorTime, latency: Callable[[], float]) -> None:
        self._reactor = reactor
        self._latency = latency
        self._queue: deque[tuple[float, Callable[[], None]]] = deque()
        self._last_due = 0.0
        self._timer: IDelayedCall | None = None

    def send(self, deliver: Callable[[], None]) -> None:
        """Call *deliver* when the message has arrived."""
        due = max(self._last_due, self._reactor.seconds() + self._latency())
        self._last_due = due
        self._queue.append((due, deliver))
        self._wait()

    def cut(self) -> None:
        """Lose everything that is on its way."""
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        if self._queue and self._timer is None:
            self._timer = self._reactor.callLater(max(0.0, self._queue[0][0] - self._reactor.seconds()), self._arrive)

    def _arrive(self) -> None:
        self._timer = None
        now = self._reactor.seconds() + _ROUNDING
        # Only what had been sent before this turn: a message sent meanwhile, with no latency, waits for the next one.
        arrived = [self._queue.popleft() for _ in range(sum(due <= now for due, _ in self._queue))]
        try:
            while arrived:
                arrived.pop(0)[1]()
        finally:
            self._queue.extendleft(reversed(arrived))
            self._wait()
