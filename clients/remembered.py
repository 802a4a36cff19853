"""Own orders by the venue's id: those that may still trade are at hand, however many of the others are remembered.

An order's event is on the way from a fill to its hedge, and what orders hold of a balance is summed up with each; a client
that has run for a day remembers hundreds that are over.  Knows no venue.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

__all__ = ["REMEMBERED", "Remembered"]

# Final orders, so that `getOrder` can answer and late events are recognised; the oldest go first.  As many as the trader
# remembers, and few enough for the garbage collector.
REMEMBERED = 1000

K = TypeVar("K")
T = TypeVar("T")


class Remembered(dict[K, T]):
    """Orders, oldest first.  To set one that is held already says that it has changed: it may have come back to life.

    :param final: whether nothing more can happen to an order.
    :param most: beyond so many the oldest of those that are over is forgotten with each new one.
    """

    def __init__(self, final: Callable[[T], bool], most: int) -> None:
        super().__init__()
        self._final = final
        self._most = most
        self._open: dict[K, T] = {}

    def __setitem__(self, id: K, order: T) -> None:
        super().__setitem__(id, order)
        self._open[id] = order
        if len(self) > self._most:
            oldest = next((id for id, order in self.items() if self._final(order)), None)
            if oldest is not None:
                del self[oldest]

    def __delitem__(self, id: K) -> None:
        super().__delitem__(id)
        self._open.pop(id, None)

    def open(self) -> list[T]:
        """Orders that may still trade, as far as is known."""
        over = [id for id, order in self._open.items() if self._final(order)]
        for id in over:
            del self._open[id]
        return list(self._open.values())
