"""A rate feed as a client object, in virtual time: fixings become known when the central bank would have published them.

Crossing, widening and histories are the real feeds' own (`clients.rates_feed`); here is only when which fixing is known,
and how the connection behaves.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from decimal import Decimal

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from clients.exchange import ExchangeError, Unreachable
from clients.rates_arithmetic import Fixing, fixing_time
from clients.rates_feed import RateFeed
from clients.rates_formats import Fixings
from ilp.clock import WorldClock

__all__ = ["SimulatedRates"]


class SimulatedRates(RateFeed):
    """A feed of recorded fixings.

    :param clock: the world's clock; its reactor is this feed's.
    :param fixings: units of each currency for one euro, by day.
    :param latency: reactor seconds that an answer takes.
    :param poll: reactor seconds between two fetches, each of which confirms the rates.
    :ivar down: while true nothing can be fetched; the feed notices at its next poll and says so.
    """

    name = "simulated rates"

    def __init__(
        self,
        clock: WorldClock,
        fixings: Mapping[date, Mapping[str, Decimal]],
        *,
        latency: float = 0.0,
        poll: float = 10.0,
        tickers: str | Collection[str] = (),
        rate_spread: Decimal | str = "0",
        rate_age_factor: Decimal | str = "1",
        max_fixing_age: int = 5,
    ) -> None:
        super().__init__(
            reactor=clock.reactor,
            now=clock.now,
            rate_spread=rate_spread,
            rate_age_factor=rate_age_factor,
            max_fixing_age=max_fixing_age,
            tickers=tickers,
        )
        self.down = False
        self._recorded = fixings
        self._latency = latency
        self._poll = poll
        self._timer: IDelayedCall | None = None
        self._waiting: list[Deferred[None]] = []

    def connect(self) -> Deferred[None]:
        """Fire when the first rates are there."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        if self._timer is None:
            self._timer = self._reactor.callLater(self._latency, self._fetch)
        return waiting

    def disconnect(self) -> Deferred[None]:
        """Close and stay closed."""
        done: Deferred[None] = Deferred()
        self._reactor.callLater(0, self._leave, done)
        return done

    def _leave(self, done: Deferred[None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._lose()
        self._end(Unreachable(self.name, "connect", "disconnected on request"))
        done.callback(None)

    def _fetch(self) -> None:
        self._timer = self._reactor.callLater(self._poll, self._fetch)
        known = [day for day in self._recorded if fixing_time(day) <= self._now()]
        if self.down or not known:
            self._lose()
            self._end(Unreachable(self.name, "connect", "no fixing can be fetched"))
            return
        for day in sorted(known)[-3:]:
            fetched = self._now()
            self._hold(Fixing(day, fixing_time(day), "EUR", self._recorded[day], fetched, self.name))
        self._gain()
        self._confirmed()
        self._end(None)

    def _end(self, error: ExchangeError | None) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if error is None:
                one.callback(None)
            else:
                one.errback(error)

    async def _history(self, ticker: str, first: date, last: date) -> Fixings:
        known = {day: dict(rates) for day, rates in self._recorded.items() if fixing_time(day) <= self._now()}
        return {day: rates for day, rates in known.items() if first <= day <= last}
