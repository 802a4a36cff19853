"""How far each venue's clock is from ours: an input like any other.  Sends nothing.

The venue stamps an order after it was sent and before we hear of it, and tells its time after it was asked and before we
hear that: an honest stamp lies between these two moments; what it is outside of them is skew, and latency is none.  A trade
that is told from the future shows a clock that is ahead; one from the past shows nothing, for it may have been told late.
A skewed clock makes windows of records miss what they ask for.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from attrs import define, field

__all__ = ["Clocks"]

# Reactor seconds that a measurement counts: then the next order measures anew.  Where the venue tells its time when it is
# asked, what is off counts until it does so again.
HOLD = 60.0


@define(eq=False)
class Clocks:
    """The newest skew of each venue, in seconds of the world: positive when its clock is ahead.

    :ivar limit: the largest that is allowed.
    :ivar seconds: the reactor's clock; `now`: the world's.
    """

    limit: float
    seconds: Callable[[], float]
    now: Callable[[], datetime]
    _measured: dict[str, tuple[float, float]] = field(factory=dict)
    _telling: set[str] = field(factory=set)  # venues that have told their time when they were asked

    def timed(self, venue: str, sent: datetime, stamp: datetime) -> None:
        """The venue tells us now, asked at *sent*, that its time is *stamp*."""
        self._telling.add(venue)
        self.stamped(venue, sent, stamp)

    def stamped(self, venue: str, sent: datetime, stamp: datetime) -> None:
        """The venue has stamped what we sent at *sent*, and tells us now."""
        ahead, behind = (stamp - self.now()).total_seconds(), (sent - stamp).total_seconds()
        skew = max(ahead, 0.0) - max(behind, 0.0)
        if skew or (self.now() - sent).total_seconds() <= self.limit:  # an old order's stamp proves no clock right
            self._measured[venue] = (self.seconds(), skew)

    def told(self, venue: str, stamp: datetime) -> bool:
        """The venue tells us now of something public that happened at *stamp*; True where that begins or ends a trouble."""
        ahead = (stamp - self.now()).total_seconds()
        if ahead <= 0:
            return False
        before = self.trouble()
        self._measured[venue] = (self.seconds(), ahead)
        return bool(before) != bool(self.trouble())

    def skew(self, venue: str) -> float | None:
        """What was last measured; None when that is too long ago."""
        at, skew = self._measured.get(venue, (0.0, None))
        if skew is None or self.seconds() - at <= HOLD or self._lasts(venue, skew):
            return skew
        return None

    def trouble(self) -> str:
        """Why a venue's clock does not count, with its numbers; empty when all do."""
        for venue in self._measured:
            skew = self.skew(venue)
            if skew is not None and abs(skew) > self.limit:
                way = "ahead of" if skew > 0 else "behind"
                return f"{venue} clock: {abs(skew):.1f} s {way} ours, allowed {self.limit:g} s"
        return ""

    def expires(self) -> float | None:
        """Reactor seconds at which a trouble is to be looked at again; None while there is none that time ends."""
        ends = (
            at + HOLD + 0.01
            for venue, (at, skew) in self._measured.items()
            if abs(skew) > self.limit and self.skew(venue) is not None and not self._lasts(venue, skew)
        )
        return min(ends, default=None)

    def _lasts(self, venue: str, skew: float) -> bool:
        return venue in self._telling and abs(skew) > self.limit
