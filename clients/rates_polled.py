"""A rate feed of daily fixings on a web server: which document holds today's rates, and what is believed of it.

Hands the document's bytes to a parser; what a feed's histories look like is its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime
from decimal import Decimal
from random import Random
from typing import Any

from attrs import evolve, frozen

from clients.exchange import ExchangeError, Unreachable
from clients.http import Requester
from clients.rates_arithmetic import Fixing, age_in_days, fixing_time, jumps, within
from clients.rates_feed import HISTORY_BYTES, option, utc_now
from clients.rates_formats import BadRates, Fixings
from clients.rates_http import Door
from clients.rates_polling import DOING, PollingFeed

__all__ = ["Document", "PolledFeed"]

_JUMP = Decimal("0.08")  # a larger move needs a second source; the largest of USD and HUF since 1999 were 4.7 and 5.1 %
_AGREEMENT = Decimal("0.01")


@frozen
class Document:
    """Where today's rates are on a server, and how to read them.

    :ivar source: what a rate made of it names as its source.
    """

    source: str
    path: str
    query: Mapping[str, str]
    parse: Callable[[bytes], Fixings]


class PolledFeed(PollingFeed):
    """A feed of one fixing a day, asked for again and again (see `PollingFeed`).

    Takes the keywords of `RateFeed`, written out because the loader of configurations reads them here, and:

    :param poll: reactor seconds between two fetches.
    :param timeout: reactor seconds for one request and its answer.
    :param connect_timeout: reactor seconds after which `connect` fails; further tries go on.
    :param lost_after: reactor seconds without a successful fetch; twice `poll` and at least a minute when not given.
    :param max_bytes: largest body of today's rates.
    :param second: endpoint of the other web feed (Frankfurter for `ECB`, the ECB for `Frankfurter`); it stands in when the
        first fails and confirms moves of more than 8 %, which are not believed otherwise.
    :param http: a treq client, for tests.
    :param random: spreads the retries.
    """

    first: Document
    other: Document

    def __init__(
        self,
        *,
        id: str = "",
        secret: str = "",
        endpoint: str = "",
        reactor: Any,
        now: Callable[[], datetime] = utc_now,
        rate_spread: Decimal | str = "0",
        rate_age_factor: Decimal | str = "1",
        max_fixing_age: int | str = 5,
        size: Decimal | str = "1000000",
        tickers: str | Collection[str] = (),
        poll: float | str = 1800,
        timeout: float | str = 20,
        connect_timeout: float | str = 30,
        lost_after: float | str = 0,
        max_bytes: int | str = 2**20,
        second: str = "",
        http: Requester | None = None,
        random: Random | None = None,
    ) -> None:
        super().__init__(
            feed={
                "id": id,
                "secret": secret,
                "endpoint": endpoint,
                "reactor": reactor,
                "now": now,
                "rate_spread": rate_spread,
                "rate_age_factor": rate_age_factor,
                "max_fixing_age": max_fixing_age,
                "size": size,
                "tickers": tickers,
            },
            poll=poll,
            timeout=timeout,
            connect_timeout=connect_timeout,
            lost_after=lost_after,
            http=http,
            random=random,
        )
        limit = int(option("max_bytes", max_bytes, 1000, 2**30))
        main = self._endpoint or self.default_endpoint
        self._door = self._make_door(main, limit)
        self._archive = self._make_door(main, HISTORY_BYTES)
        self._second = self._make_door(second.rstrip("/"), limit) if second else None
        self._reported: deque[tuple[date, str, Decimal]] = deque(maxlen=64)

    # -------------------------------------------------------------------------------------------------- today's rates

    async def _refresh(self) -> None:
        """Fetch today's rates and hold what can be believed of them."""
        try:
            await self._take(self._door, self.first)
        except ExchangeError as e:
            if self._second is None:
                raise
            self.announce("error", e)
            if self._turn is None:
                raise
            await self._take(self._second, self.other)

    async def _take(self, door: Door, document: Document) -> None:
        day, rates = await self._latest(door, document)
        doubted = await self._doubted(day, rates, document)
        known = self._held(day)
        if known is not None:  # a doubtful correction of what was believed this morning does not replace it
            kept = {c: known.rates[c] for c in doubted if c in known.rates and c not in known.doubted}
            rates, doubted = rates | kept, doubted.difference(kept)
        fixing = Fixing(day, fixing_time(day), "EUR", rates, self._now(), document.source, doubted)
        self._hold(fixing)
        # The older ones are confirmed by what follows them: they are as much the institution's record as before.
        self._fixings = [evolve(held, fetched=fixing.fetched) for held in self._fixings]

    def _held(self, day: date) -> Fixing | None:
        return next((held for held in self._fixings if held.day == day), None)

    async def _latest(self, door: Door, document: Document) -> tuple[date, dict[str, Decimal]]:
        reply = await door.get(document.path, DOING, document.query)
        try:
            fixings = document.parse(reply.body)
            day = max(fixings)
            self._check_day(day)
        except BadRates as e:
            raise Unreachable(self.name, DOING, f"{reply.url}: {e}") from e
        return day, fixings[day]

    def _check_day(self, day: date) -> None:
        now = self._now()
        days = age_in_days(day, now)
        if fixing_time(day) > now:
            raise BadRates(f"the fixing is of {day}, which is in the future")
        if days > self._max_age:
            raise BadRates(f"the fixing is of {day}, {days} days old; at most {self._max_age} are allowed")
        if self._fixings and day < self._fixings[0].day:
            raise BadRates(f"the fixing is of {day}, though that of {self._fixings[0].day} was served before")

    async def _doubted(self, day: date, rates: Mapping[str, Decimal], document: Document) -> frozenset[str]:
        """Currencies that moved more than 8 % since the last value believed, and that no second source confirms."""
        believed = {c: v for held in reversed(self._fixings) for c, v in held.rates.items() if c not in held.doubted}
        moved = jumps(believed, rates, _JUMP)
        if not moved:
            return frozenset()
        second = await self._second_opinion(document)
        doubted = frozenset(c for c in moved if c not in second or not within(rates[c], second[c], _AGREEMENT))
        for currency in sorted(doubted):
            if (day, currency, rates[currency]) in self._reported:
                continue
            self._reported.append((day, currency, rates[currency]))
            why = f"EUR/{currency} moved by {moved[currency]:.1%} from {believed[currency]} to {rates[currency]}"
            self.announce("error", Unreachable(self.name, DOING, f"{why}; not believed without a second source"))
        return doubted

    async def _second_opinion(self, document: Document) -> Mapping[str, Decimal]:
        if self._second is None:
            return {}
        door, other = (self._second, self.other) if document is self.first else (self._door, self.first)
        try:
            _day, rates = await self._latest(door, other)
        except ExchangeError as e:
            self.announce("error", e)
            return {}
        return rates
