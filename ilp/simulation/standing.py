"""The life of a simulated venue that stands by itself: markets that move, a port, an admin address, and an end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from ilp.clock import WorldClock
from ilp.simulation.admin import Admin, Path, venue_paths

__all__ = ["Standing"]


class Standing(ABC):
    """A venue with its markets; whoever derives it makes `venue` and `clock`.

    :ivar venue: what listens, has an admin address and is stopped.
    """

    venue: Any
    clock: WorldClock
    _admin: Admin | None = None

    @abstractmethod
    def _start_markets(self) -> None:
        """Let prices move and customers come."""

    @abstractmethod
    def _stop_markets(self) -> None:
        """Nothing moves any more; orders stay.  May be called when nothing was started."""

    def _paths(self) -> list[Path]:
        """What the administrator can ask."""
        return venue_paths(self.venue)

    def begin(self, port: int = 0, ended: Callable[[], object] | None = None) -> Deferred[None]:
        """Let the markets move and listen on loopback.

        :param port: any free one when it is 0.
        :param ended: called when `POST /shutdown` asks for the end; by default everything stops.
        :return: fires when connections are accepted; fails with `CannotListenError`, and then nothing listens.
        """
        return Deferred.fromCoroutine(self._begin(port, ended))

    async def _begin(self, port: int, ended: Callable[[], object] | None) -> None:
        self._admin = Admin(self._paths(), self.clock.reactor, ended if ended is not None else self.stop)
        try:
            self._start_markets()
            await self.venue.listen(port)
            await self._admin.listen()
        except BaseException:  # a cancellation too: nothing may be left half-started
            await self.stop()
            raise

    def stop(self) -> Deferred[None]:
        """Stand still and close every port; fires when nothing is left."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._stop_markets()
        await self.venue.stop()
        if self._admin is not None:
            await self._admin.stop()

    @property
    def admin(self) -> str | None:
        """The admin address, once it listens."""
        return None if self._admin is None else self._admin.url
