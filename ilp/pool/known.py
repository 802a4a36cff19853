"""What a search knows from branches solved before: duals, which mostly bound other branches just as well.

Owns which duals are tried on a branch before it is solved; knows nothing of the order of the search.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from math import inf

from ilp.pool.bound import Bounds, Branch, Status
from ilp.pool.curves import Lane
from ilp.pool.relaxation import Relaxed

__all__ = ["Known"]

_MOST = 64  # duals that are kept
_APART = 4.0  # times the change of a price that closes a branch as long as nothing takes over from a lane
_HOPE = 4  # times in vain, beyond the times with success, that prices are changed so before it is left
_OFF = int(Status.OFF)


class Known:
    """The last solutions of a search."""

    def __init__(self, lanes: Sequence[Lane], bounds: Bounds) -> None:
        self._lanes, self._bounds = lanes, bounds
        self._solved: deque[Relaxed] = deque(maxlen=_MOST)
        self._hope = _HOPE

    def __iter__(self) -> Iterator[Relaxed]:
        return iter(self._solved)

    def add(self, relaxed: Relaxed) -> None:
        """Keep a solution; its duals are without credits."""
        self._solved.append(relaxed)

    def closing(self, status: Branch, threshold: float) -> Relaxed | None:
        """Duals that close a branch because it cannot lose less than *threshold* at them, which is tried in no time: those
        of a solution, or of the best one with a price changed; None where it has to be solved."""
        most, nearest = -inf, None
        for relaxed in reversed(self._solved):
            loss = relaxed.priced.loss(status)
            if loss >= threshold:
                return relaxed
            if loss > most:
                most, nearest = loss, relaxed
        return None if nearest is None else self._parted(status, nearest, threshold, threshold - most)

    def _parted(self, status: Branch, relaxed: Relaxed, threshold: float, missing: float) -> Relaxed | None:
        """The duals of *relaxed* with the price at one end of a lane that is off moved so far that it would be missed.

        Without that lane the bound grows with the change by what it moved, until other lanes take over or its holding is
        worth no more without it.
        """
        for number, flow in enumerate(relaxed.flows.tolist()):
            if flow <= 0 or status[number] != _OFF or not self._hope:
                continue
            lane, step = self._lanes[number], _APART * missing / flow
            for place, change in ((lane.arrives, -step), (lane.leaves, step)):
                if place < 0:
                    continue
                duals, priced = self._bounds.moved(relaxed.priced, relaxed.duals, place, change)
                if priced.loss(status) >= threshold:
                    self._hope += 1
                    return Relaxed(relaxed.flows, duals, priced)
            self._hope -= 1
        return None
