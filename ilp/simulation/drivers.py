"""Makes the markets of a simulated venue move: steps along a path, or through recorded books, at the world's speed.

Decides when; where the price goes is `paths`, how it becomes a book is `maker`, who takes it is `takers`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from twisted.internet.interfaces import IDelayedCall

from ilp.clock import WorldClock
from ilp.simulation.books import RecordedBook
from ilp.simulation.maker import HouseMaker
from ilp.simulation.paths import Move

__all__ = ["BookDriver", "MarketDriver"]


class MarketDriver:
    """Lets a market follow a path.

    :param on_end: called when the path has ended; the book then stays as it is.
    :ivar price: the price now, in wire units; None before the first move.
    :ivar foresight_s: world seconds by which watchers are ahead; they always see the next move.
    """

    def __init__(
        self,
        clock: WorldClock,
        maker: HouseMaker,
        path: Iterator[Move],
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self._clock = clock
        self._maker = maker
        self._path = path
        self._on_end = on_end
        self._call: IDelayedCall | None = None
        self._watchers: list[Callable[[Move], None]] = []
        self._followers: list[Callable[[int], None]] = []
        self._coming: deque[Move] = deque()
        self.price: int | None = None
        self.foresight_s = 0.0

    @property
    def upcoming(self) -> Move | None:
        """The next move; None at the end."""
        return self._coming[0] if self._coming else None

    def watch(self, watcher: Callable[[Move], None], foresight_s: float = 0.0) -> None:
        """Call *watcher* with each move that is to come, the next one at least: it knows the future.

        :param foresight_s: how many world seconds before a move it is to be told, where that is earlier.
        """
        self._watchers.append(watcher)
        self.foresight_s = max(self.foresight_s, foresight_s)

    def follow(self, follower: Callable[[int], None]) -> None:
        """Call *follower* with the price after each move."""
        self._followers.append(follower)

    def start(self) -> None:
        """Make the first move at once, whatever its time, if it is not in the future; moves before now are skipped."""
        latest, coming = None, next(self._path, None)
        while coming is not None and coming.at <= self._clock.now():
            latest, coming = coming, next(self._path, None)
        if latest is not None:
            self._make(latest)
        if coming is not None:
            self._foresee(coming)
        self._await_next()

    def stop(self) -> None:
        """Make no further move; orders stay."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _await_next(self) -> None:
        self._call = None
        self._look_ahead()
        if self.upcoming is None:
            if self._on_end is not None:
                self._on_end()
            return
        wait = max(0.0, (self.upcoming.at - self._clock.now()).total_seconds())
        self._call = self._clock.call_later(wait, self._move)

    def _look_ahead(self) -> None:
        """Draw moves from the path as far as watchers see."""
        horizon = self._clock.now() + timedelta(seconds=self.foresight_s)
        while not self._coming or self._coming[-1].at < horizon:
            move = next(self._path, None)
            if move is None:
                return
            self._foresee(move)

    def _foresee(self, move: Move) -> None:
        self._coming.append(move)
        for watcher in tuple(self._watchers):
            watcher(move)

    def _move(self) -> None:
        self._make(self._coming.popleft())
        self._await_next()

    def _make(self, move: Move) -> None:
        self.price = move.price
        self._maker.follow(move.price)
        if move.volume:
            self._maker.core.print_trade(self._maker.contract, move.price, move.volume, move.side)
        for follower in tuple(self._followers):
            follower(move.price)


class BookDriver:
    """Lets a market show recorded books, each at its time."""

    def __init__(self, clock: WorldClock, maker: HouseMaker, books: Iterable[RecordedBook]) -> None:
        self._clock = clock
        self._maker = maker
        self._books = iter(books)
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Show the first book now or at its time."""
        self._await_next()

    def stop(self) -> None:
        """Show no further book; orders stay."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _await_next(self) -> None:
        self._call = None
        book = next(self._books, None)
        if book is not None:
            wait = max(0.0, (book.at - self._clock.now()).total_seconds())
            self._call = self._clock.call_later(wait, self._show, book)

    def _show(self, book: RecordedBook) -> None:
        self._maker.show(book.bids, book.asks)
        self._await_next()
