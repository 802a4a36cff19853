"""The world's clock: aware UTC time, real in live trading, started in the past and sped up in a simulation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["WorldClock"]


@define
class WorldClock:
    """Tells the world's time and calls back after spans of it; the reactor's own seconds stay what they are.

    :ivar start: the world's time when this object was made; None means the real time, which runs at speed 1.
    :ivar speed: world seconds a reactor second.
    """

    reactor: IReactorTime
    start: datetime | None = None
    speed: float = 1.0
    _zero: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        if self.start is not None and self.start.tzinfo is None:
            raise ValueError(f"start: {self.start.isoformat()} has no time zone; write it with +00:00")
        if self.speed <= 0 or (self.start is None and self.speed != 1.0):
            raise ValueError(f"speed: {self.speed} is not allowed; a positive number, and 1 unless `start` is given")
        self._zero = self.reactor.seconds()

    def now(self) -> datetime:
        """The world's time, aware UTC."""
        if self.start is None:
            return datetime.now(UTC)
        return self.start + timedelta(seconds=(self.reactor.seconds() - self._zero) * self.speed)

    def call_later(self, world_seconds: float, f: Callable[..., Any], *args: Any) -> IDelayedCall:
        """Call *f* once that many seconds of the world have passed; the caller owns the returned delayed call."""
        return self.reactor.callLater(world_seconds / self.speed, f, *args)
