"""The dead man's switch: while own orders rest, the venue is told again and again not to cancel them yet.

Knows time and how to arm; not what rests.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from clients.calls import reported

__all__ = ["DeadMan"]

_RENEWALS = 4  # within one period: at 60 s every 15 s, as the venue recommends


@define(eq=False)
class DeadMan:
    """Arms and renews while it is wanted, until the session that it is of ends.

    :ivar seconds: after which the venue cancels everything; 0 switches all this off.
    :ivar arm: sends the command; 0 disarms.
    """

    clock: IReactorTime
    seconds: float
    arm: Callable[[float], Coroutine[Deferred[Any], Any, None]]
    report: Callable[[Exception], None]
    _timer: IDelayedCall | None = field(init=False, default=None)
    _wanted: bool = field(init=False, default=False)
    _over: bool = field(init=False, default=False)

    @property
    def armed(self) -> bool:
        """Whether the venue will cancel when nothing more is heard."""
        return self._timer is not None

    def watch(self, wanted: bool) -> None:
        """Orders rest, or are about to (*wanted*), or none does any more; the latter is acted on at the next renewal.

        After the end it does nothing: an order may be told of by an answer that was still on its way.
        """
        self._wanted = wanted
        if wanted and self.seconds and self._timer is None and not self._over:
            self._renew()

    def stop(self) -> None:
        """Renew no more, ever, and leave no timer behind; what is armed stays armed."""
        self._over = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _renew(self) -> None:
        self._timer = None
        if self._wanted:
            self._timer = self.clock.callLater(self.seconds / _RENEWALS, self._renew)
        reported(Deferred.fromCoroutine(self.arm(self.seconds if self._wanted else 0.0)), self.report)
