"""Notices that a connection has died without saying so.  Knows time and nothing of the wire."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["SilenceWatch"]


@define
class SilenceWatch:
    """Asks for a sign of life whenever nothing was heard for *interval* seconds; gives up *patience* seconds later.

    :ivar ask: sends a ping; called again every *interval* as long as it stays quiet.
    :ivar give_up: called once, with the seconds of silence, when nothing came back.
    """

    clock: IReactorTime
    interval: float
    patience: float
    ask: Callable[[], None]
    give_up: Callable[[float], None]
    _heard_at: float = field(init=False, default=0.0)
    _timer: IDelayedCall | None = field(init=False, default=None)

    def start(self) -> None:
        """Begin; the connection has just shown life."""
        self.stop()
        self._heard_at = self.clock.seconds()
        self._timer = self.clock.callLater(self.interval, self._look)

    def heard(self) -> None:
        """Anything arrived."""
        self._heard_at = self.clock.seconds()

    def stop(self) -> None:
        """Stop and leave no timer behind."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _look(self) -> None:
        quiet = self.clock.seconds() - self._heard_at
        if quiet >= self.interval + self.patience:
            self._timer = None
            self.give_up(quiet)
            return
        if quiet >= self.interval:
            self.ask()
            pause = min(self.interval, self.interval + self.patience - quiet)
        else:
            pause = self.interval - quiet
        self._timer = self.clock.callLater(pause, self._look)
