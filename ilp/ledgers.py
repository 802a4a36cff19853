"""The accounts' own ledgers, read now and then for the console.  Nothing in the trading depends on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from clients.exchange import ExchangeError, Transaction
from ilp.clock import WorldClock
from ilp.trading.reader import VenueReader

__all__ = ["Ledgers"]

EVERY = 15.0  # reactor seconds between two readings
BACK = timedelta(days=1)  # of the world
MOST = 60  # lines a venue


@define(eq=False)
class Ledgers:
    """The newest lines of each venue's ledger, newest first.

    :ivar venues: what is read; `reachable` tells whether a venue can be asked now.
    :ivar changed: called after a reading.
    """

    venues: Mapping[str, VenueReader]
    clock: WorldClock
    reachable: Callable[[str], bool]
    changed: Callable[[], None]
    lines: dict[str, tuple[Transaction, ...]] = field(factory=dict)
    _next: IDelayedCall | None = None
    _reading: Deferred[None] | None = None
    _log = Logger()

    def start(self) -> None:
        """Read every so often from now on."""
        self._reading = Deferred.fromCoroutine(self._read())
        self._reading.addBoth(self._done)

    def stop(self) -> None:
        """Stop reading; leaves nothing behind."""
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()

    async def _read(self) -> None:
        for name, venue in self.venues.items():
            if not self.reachable(name):
                continue
            now = self.clock.now()
            try:
                lines = await venue.getTransactionHistory(now - BACK, now + timedelta(minutes=1))
            except (ExchangeError, NotImplementedError) as error:
                self._log.debug("the ledger of {venue} was not read: {error}", venue=name, error=error)
                continue
            self.lines[name] = tuple(reversed(lines[-MOST:]))
        self.changed()

    def _done(self, result: object) -> None:
        error = getattr(result, "value", None)
        if isinstance(error, BaseException) and not isinstance(error, CancelledError):
            self._log.error("reading ledgers failed: {error!r}", error=error)
        if self._reading is not None:  # not stopped meanwhile
            self._reading = None
            self._next = self.clock.reactor.callLater(EVERY, self.start)
