"""What all rate feeds share: the fixings held, two-sided rates that widen with age, daily histories, events.

Knows no server and no format; where fixings come from is each feed's own business.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from clients.events import Emitter
from clients.exchange import OHLCV, Book, ExchangeError, IRateFeed, Period, Refused, Unreachable
from clients.rates_arithmetic import (
    LARGEST_ERROR,
    Fixing,
    NoRate,
    Rate,
    age_in_days,
    cross,
    fixing_time,
    half_spread,
    legs,
    standard_error,
    two_sided,
)
from clients.rates_formats import BadRates, Fixings

__all__ = ["HISTORY_BYTES", "RateFeed", "bar", "between", "option", "utc_now"]

#: The largest history that is read: 1.9 MB as CSV in 2026, about 7 MB as XML.
HISTORY_BYTES = 2**24
_HELD = 8  # fixings: more than can be younger than any sensible limit of age
_MICROSECOND = timedelta(microseconds=1)
_LENGTHS: dict[Period, timedelta] = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}


def utc_now() -> datetime:
    """The real time."""
    return datetime.now(UTC)


def option(name: str, value: Any, low: Decimal | float | str, high: Decimal | float | str) -> Decimal:
    """A number given as such or, by a configuration file, as text; the error names the option and its range."""
    try:
        number = Decimal(str(value))
        if Decimal(str(low)) <= number <= Decimal(str(high)):
            return number
    except InvalidOperation:
        pass
    raise ValueError(f"{name}: {value!r} is not allowed; a number from {low} to {high}")


@implementer(IRateFeed)
class RateFeed(Emitter):
    """What all rate feeds share: the fixings held, two-sided rates that widen with age, daily histories, events.

    :param id: unused; these feeds need no account.
    :param secret: unused.
    :param endpoint: where the feed is served; for `Fixed` the path of a file.
    :param reactor: for timers, sockets and workers.
    :param now: the world's time, aware UTC; dates and ages of fixings are judged by it.
    :param rate_spread: half spread at age 0, as a fraction of the mid.
    :param rate_age_factor: how many standard errors s(age) are added to the half spread.
    :param max_fixing_age: calendar days after which a fixing gives no rate any more.
    :param size: quantity of the one level in each book, in base currency: a reference rate has none of its own.
    :param tickers: pairs told by `book` events from the first fetch on; other pairs are once they were asked for.
    """

    name = "rates"

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
    ) -> None:
        super().__init__()
        self._reactor = reactor
        self._now = now
        self._endpoint = endpoint.rstrip("/")
        self._spread = option("rate_spread", rate_spread, 0, "0.5")
        self._factor = option("rate_age_factor", rate_age_factor, 0, Decimal("0.4") // LARGEST_ERROR)
        self._max_age = int(option("max_fixing_age", max_fixing_age, 0, 36_500))
        self._size = option("size", size, "0.01", 10**15)
        self._told = list(dict.fromkeys(tickers.replace(",", " ").split() if isinstance(tickers, str) else tickers))
        for ticker in self._told:
            legs(ticker)
        self._fixings: list[Fixing] = []  # newest first
        self._connected = False

    # ------------------------------------------------------------------------------------------------ the interface

    def connect(self) -> Deferred[None]:
        """Fire when the first rates are there; see `IRateFeed`."""
        raise NotImplementedError

    def disconnect(self) -> Deferred[None]:
        """Close in order and stay closed."""
        raise NotImplementedError

    def getOrderBook(self, ticker: str) -> Deferred[Book]:
        """Bid and ask of any two currencies that are fixed together, now; `Refused` for what this feed does not have."""
        return Deferred.fromCoroutine(self._book_now(ticker))

    def getOHLCVHistory(
        self, ticker: str, period: Period, start: datetime, end: datetime
    ) -> Deferred[dict[datetime, OHLCV]]:
        """One bar a fixing, by midnight (UTC) of its date, oldest first: four times the crossed fixing, volume 0.

        Days only, else `NotImplementedError`; a day without a fixing (weekend, holiday) has no bar.
        """
        return Deferred.fromCoroutine(self._bars_now(ticker, period, start, end))

    def rate(self, ticker: str) -> Rate:
        """The rate as it is now: `Refused` where there is none, `Unreachable` while not connected or when it is too old."""
        doing = f"rate {ticker}"
        if not self._connected:
            raise Unreachable(self.name, doing, "not connected")
        try:
            fixing = self._fixing_for(ticker)
            now = self._now()
            if (days := age_in_days(fixing.day, now)) > self._max_age:
                raise Unreachable(
                    self.name,
                    doing,
                    f"the last fixing is of {fixing.day}, {days} days old; at most {self._max_age} are allowed",
                )
            error = self._error(ticker, max(now - fixing.at, timedelta(0)))
            mid, bid, ask = two_sided(fixing, ticker, half_spread(ticker, error, self._spread, self._factor))
        except NoRate as e:
            raise Refused(self.name, doing, str(e)) from e
        return Rate(ticker, mid, bid, ask, fixing.at, fixing.fetched, fixing.source, error, self._factor * error)

    # ---------------------------------------------------------------------------------------------------- for feeds

    def _error(self, ticker: str, age: timedelta) -> Decimal:
        """How far, as a fraction, the market has typically moved since a fixing of that age."""
        return standard_error(ticker, age)

    def _fixing_for(self, ticker: str) -> Fixing:
        """The newest fixing whose legs are both trusted; a currency that the newest lacks has no rate at all."""
        wanted = legs(ticker)
        for fixing in self._fixings:
            for currency in wanted:
                fixing.leg(currency)
            if fixing.doubted.isdisjoint(wanted):
                return fixing
        raise NoRate(f"no fixing of {ticker} is confirmed")

    async def _history(self, ticker: str, first: date, last: date) -> Fixings:
        """Rates against the euro (or this feed's base) of both currencies, for the days from *first* to *last*."""
        raise NotImplementedError

    def _hold(self, fixing: Fixing) -> None:
        others = [held for held in self._fixings if held.day != fixing.day]
        self._fixings = sorted([fixing, *others], key=lambda held: held.day, reverse=True)[:_HELD]

    async def _book_now(self, ticker: str) -> Book:
        book = self._book_of(self.rate(ticker))
        if ticker not in self._told:
            self._told.append(ticker)
        return book

    def _book_of(self, rate: Rate) -> Book:
        return {
            "contract": rate.pair,
            "bids": [{"price": rate.bid, "quantity": self._size}],
            "asks": [{"price": rate.ask, "quantity": self._size}],
        }

    def _gain(self) -> None:
        if not self._connected:
            self._connected = True
            self.announce("connect", self)

    def _lose(self) -> None:
        if self._connected:
            self._connected = False
            self.announce("disconnect", self)

    def _confirmed(self) -> None:
        """Tell that the newest fixing was served again or for the first time, and what the rates are at its present age."""
        self.announce("alive", self)
        for ticker in tuple(self._told):
            try:
                self.announce("book", ticker, self._book_of(self.rate(ticker)))
            except ExchangeError as e:
                self.announce("error", e)

    async def _bars_now(self, ticker: str, period: Period, start: datetime, end: datetime) -> dict[datetime, OHLCV]:
        doing = f"history of {ticker}"
        if period != "day":
            raise NotImplementedError(f"{self.name}: {doing} by the {period}: fixings are made once a day")
        if start.tzinfo is None or end.tzinfo is None:
            raise ValueError(f"{self.name}: {doing}: start and end need a time zone")
        try:
            legs(ticker)
            fixings = await self._history(ticker, start.astimezone(UTC).date(), end.astimezone(UTC).date())
            return self._as_bars(ticker, fixings)
        except NoRate as e:
            raise Refused(self.name, doing, str(e)) from e
        except BadRates as e:
            raise Unreachable(self.name, doing, str(e)) from e

    def _as_bars(self, ticker: str, fixings: Fixings) -> dict[datetime, OHLCV]:
        now = self._now()
        bars: dict[datetime, OHLCV] = {}
        for day in sorted(fixings):
            if fixing_time(day) > now:
                raise BadRates(f"a fixing of {day}, which is in the future")
            fixing = Fixing(day, fixing_time(day), self._base, fixings[day], now, self.name)
            if all(map(fixing.has, legs(ticker))):
                opened = datetime.combine(day, time(), UTC)
                bars[opened] = bar(ticker, "day", opened, cross(fixing, ticker))
        if fixings and not bars:
            raise NoRate(f"none of the {len(fixings)} fixings of that time has both currencies")
        return bars

    @property
    def _base(self) -> str:
        return "EUR"


def bar(ticker: str, period: Period, opened: datetime, close: Decimal) -> OHLCV:
    """A bar of which the close alone is known."""
    return {
        "contract": ticker,
        "period": period,
        "open": close,
        "high": close,
        "low": close,
        "close": close,
        "volume": Decimal(0),
        "vwap": close,
        "open_timestamp": opened,
        "close_timestamp": opened + _LENGTHS[period] - _MICROSECOND,
    }


def between(fixings: Fixings, first: date, last: date) -> Fixings:
    """The fixings of the days from *first* to *last*, both included."""
    return {day: rates for day, rates in fixings.items() if first <= day <= last}
