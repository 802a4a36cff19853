"""Watches that no quote stands on an input that does not count: how long each stood on, and too long is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import define

from ilp.journal.entries import OrderState, Purpose
from ilp.trading.own import OwnOrder

if TYPE_CHECKING:
    from tests.trading.world import World

__all__ = ["InputWatch"]

GRACE = 0.1  # seconds that a quote may stand on; the step of whoever looks comes on top


@define(eq=False)
class InputWatch:
    """Looks at a world after each step of its time.

    :ivar pulled: takes how long quotes stood on, each time that an input was lost while one stood.
    :ivar bad: takes what is wrong.
    """

    pulled: list[float]
    bad: Callable[[str], None]
    _since: float | None = None
    _stood: bool = False
    _told: bool = False

    def look(self, world: World) -> None:
        """One look."""
        now, trouble = world.reactor.seconds(), _trouble(world)
        standing = _standing(world)
        if not trouble:
            self._since, self._stood, self._told = None, bool(standing), False
            return
        if self._since is None:
            self._since = now
        if standing:
            self._stood = True
            if now - self._since > GRACE and not self._told:
                self._told = True
                self.bad(f"{standing[0].key} stands {now - self._since:.2f} s after: {trouble}")
        elif self._stood:
            self._stood = False
            self.pulled.append(now - self._since)


def _trouble(world: World) -> str:
    """What does not count: a line that is really down, or what the trader itself says."""
    for client in (world.source, world.target):
        if not client.connected:
            return f"{client.name} is not connected"
    return world.trader.floor.inputs_trouble()


def _standing(world: World) -> list[OwnOrder]:
    """Quotes that nobody has asked to be cancelled, at a venue that can be asked."""
    clients = {client.name: client for client in (world.source, world.target)}
    return [
        order
        for order in world.trader.desk.live()
        if order.purpose is Purpose.QUOTE
        and order.state is OrderState.OPEN
        and not (order.cancel_wanted or order.off_book)
        and clients[order.venue].connected
    ]
