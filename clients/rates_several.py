"""Several feeds of one rate, in order of trust: which of them is used, and when they are too far apart to use any.

Each feed gives its own rate with its own error; here is only the choice.  Asks no server.

The first feed in order whose price is young (`stale`) is used, where none is young the youngest price.  A feed has to agree
with at least half of the others, else the next one is taken; where none does the rate is doubtful, and says which two
numbers contradict each other.  Two prices agree if they differ by no more than *band* and three times what markets have
typically moved since either was made: three, because the errors' tails are fat (99 % of fixings were off by less than 3.1 to
3.5 standard errors).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from attrs import evolve, frozen
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from clients.calls import deferring
from clients.events import Emitter
from clients.exchange import OHLCV, Book, ExchangeError, IRateFeed, Period, Refused, Unreachable
from clients.rates_arithmetic import Rate, Said
from clients.rates_feed import utc_now

__all__ = ["Choice", "Several", "choose"]

TAILS = 3
BAND, STALE, LOOK = Decimal("0.005"), timedelta(hours=2), 5.0


@frozen
class Choice:
    """Which rate is used, by its place in the order of trust.

    :ivar doubt: why it may not be relied on; empty when it may.
    :ivar outside: places of the feeds that it contradicts.
    """

    place: int
    doubt: str = ""
    outside: tuple[int, ...] = ()


def _apart(one: Rate, other: Rate) -> Decimal:
    return abs(one.mid - other.mid) / min(one.mid, other.mid)


def _allowed(one: Rate, other: Rate, band: Decimal) -> Decimal:
    return band + TAILS * (one.error**2 + other.error**2).sqrt()


def choose(rates: Sequence[Rate | None], now: datetime, stale: timedelta, band: Decimal) -> Choice | None:
    """The choice among *rates*, in order of trust and None where a feed has none; None where no feed has any.

    :param stale: older prices give way to any younger one behind them.
    :param band: fraction by which two prices of this instant may differ.
    """
    there = {place: rate for place, rate in enumerate(rates) if rate is not None}
    if not there:
        return None

    def reluctance(place: int) -> tuple[bool, timedelta, int]:
        age = now - there[place].fixing
        return (age > stale, age if age > stale else timedelta(0), place)

    order = sorted(there, key=reluctance)
    for place in order:
        outside = tuple(
            other for other in there if _apart(there[place], there[other]) > _allowed(there[place], there[other], band)
        )
        if 2 * len(outside) <= len(there) - 1:
            return Choice(place, "", outside)
    first = order[0]
    farthest = max((other for other in there if other != first), key=lambda other: _apart(there[first], there[other]))
    return Choice(first, _contradiction(there[first], there[farthest], now, band), tuple(set(there) - {first}))


def _contradiction(one: Rate, other: Rate, now: datetime, band: Decimal) -> str:
    apart, allowed = _apart(one, other), _allowed(one, other, band)
    return (
        f"{one.source} says {one.mid:.6g} ({_old(now - one.fixing)}), {other.source} {other.mid:.6g} "
        f"({_old(now - other.fixing)}): {apart:.2%} apart, allowed {allowed:.2%}"
    )


def _old(age: timedelta) -> str:
    seconds = max(age.total_seconds(), 0.0)
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit} old"
    return f"{seconds:.0f} s old"


@implementer(IRateFeed)
class Several(Emitter):
    """A feed made of feeds; one alone gains that its rate is told again as it ages.

    Connected from the first rate of any until all of them are disconnected.  While feeds are there and none has a rate (a
    book too wide, a fixing too old) the last one is told with that doubt: an input that is unwell is no lost connection.
    `book` events come whenever a feed tells something, and every few
    seconds, because rates widen with age though nobody says a word.

    :param feeds: in order of trust; each has `rate` besides `IRateFeed`.
    :param ticker: the pair that is wanted.
    :param stale: age from which a price gives way to a younger one of a feed behind it.
    :param band: fraction by which two prices of one instant may differ.
    :param look: reactor seconds between two looks at the feeds.
    """

    name = "rates"

    def __init__(
        self,
        feeds: Sequence[Any],
        ticker: str,
        *,
        reactor: Any,
        now: Callable[[], datetime] = utc_now,
        stale: timedelta = STALE,
        band: Decimal = BAND,
        look: float = LOOK,
    ) -> None:
        super().__init__()
        if not feeds:
            raise ValueError("feeds: none is given; at least one is wanted")
        self.feeds = tuple(feeds)
        self._ticker, self._reactor, self._now = ticker, reactor, now
        self._stale, self._band, self._look_every = stale, band, look
        self._connected = self._wanted = False
        self._timer: IDelayedCall | None = None
        self._waiting: list[Deferred[None]] = []
        self._contradicted: frozenset[str] = frozenset()
        self._up: set[int] = set()  # places of the feeds that were heard since they were last lost
        self._last: Rate | None = None
        self._listening: list[tuple[Any, str, Callable[..., Any]]] = []

    # ------------------------------------------------------------------------------------------------ the interface

    def connect(self) -> Deferred[None]:
        """Fire when the first of them has a rate; fail with the first one's error when none got one."""
        ready: Deferred[None] = Deferred()
        self._waiting.append(ready)
        if not self._wanted:
            self._wanted = True
            for place, feed in enumerate(self.feeds):
                self._listen_to(place, feed)
            tries = DeferredList([feed.connect() for feed in self.feeds], consumeErrors=True)
            tries.addCallback(self._tried)
            self._look()
        elif self._connected:
            self._told_who_waits(None)
        return ready

    def _tried(self, results: list[tuple[bool, Any]]) -> None:
        """Every feed has ended its first try; what failed goes on trying by itself, unless it was refused."""
        self._review()
        if self._connected:
            return
        problems = [result.value for success, result in results if not success]
        self._told_who_waits(problems[0] if problems else self._nothing())

    def _told_who_waits(self, problem: Exception | None) -> None:
        waiting, self._waiting = self._waiting, []
        for ready in waiting:
            if problem is None:
                ready.callback(None)
            else:
                ready.errback(problem)

    @deferring
    async def disconnect(self) -> None:
        """Disconnect all of them."""
        self._wanted, self._last = False, None
        self._up.clear()
        for feed, event, f in self._listening:
            feed.remove_listener(event, f)
        self._listening.clear()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        self._told_who_waits(Unreachable(self.name, "connect", "disconnected meanwhile"))
        self._lose()
        await DeferredList([feed.disconnect() for feed in self.feeds], consumeErrors=True)

    @deferring
    async def getOrderBook(self, ticker: str) -> Book:
        """Bid and ask of the rate that is used; doubt is told by `rate` alone."""
        if ticker != self._ticker:
            raise Refused(self.name, f"rate {ticker}", f"these feeds are for {self._ticker}")
        return self._book_of(self.rate(ticker))

    @deferring
    async def getOHLCVHistory(
        self, ticker: str, period: Period, start: datetime, end: datetime
    ) -> dict[datetime, OHLCV]:
        """The first history that any of them has, asked in order of trust; where it costs requests of a quota, last."""
        problem: Exception | None = None
        for feed in sorted(self.feeds, key=lambda feed: bool(getattr(feed, "history_costs", False))):
            try:
                bars: dict[datetime, OHLCV] = await feed.getOHLCVHistory(ticker, period, start, end)
            except NotImplementedError as error:
                problem = problem or error
            except ExchangeError as error:
                problem = error if not isinstance(problem, ExchangeError) else problem
            else:
                if bars:
                    return bars
        if problem is None:
            return {}
        raise problem

    def rate(self, ticker: str) -> Rate:
        """The rate that is used, with what all of them say and perhaps a doubt; else `Unreachable` with every reason."""
        if ticker != self._ticker:
            raise Refused(self.name, f"rate {ticker}", f"these feeds are for {self._ticker}")
        rates, reasons = self._asked()
        choice = choose(rates, self._now(), self._stale, self._band)
        said = self._said(rates, reasons, choice)
        if choice is None:
            nothing = self._nothing(reasons)
            if self._last is None or not self._up:
                raise nothing
            return evolve(self._last, doubt=nothing.why, said=said)
        used = rates[choice.place]
        assert used is not None  # a choice is one of those that are there
        self._last = evolve(used, doubt=choice.doubt, said=said)
        return self._last

    # -------------------------------------------------------------------------------------------------------- choice

    def _asked(self) -> tuple[list[Rate | None], list[str]]:
        rates: list[Rate | None] = []
        reasons: list[str] = []
        for place, feed in enumerate(self.feeds):
            try:
                rates.append(feed.rate(self._ticker))
                reasons.append("")
                self._up.add(place)
            except ExchangeError as error:
                rates.append(None)
                reasons.append(error.why)
        return rates, reasons

    def _said(self, rates: Sequence[Rate | None], reasons: Sequence[str], choice: Choice | None) -> tuple[Said, ...]:
        found = []
        for place, (feed, rate, reason) in enumerate(zip(self.feeds, rates, reasons, strict=True)):
            if rate is None or choice is None:
                found.append(Said(feed.name, why=reason))
                continue
            why = "contradicts the one that is used" if place in choice.outside and not choice.doubt else ""
            found.append(Said(rate.source, rate.mid, rate.fixing, place == choice.place, why))
        return tuple(found)

    def _nothing(self, reasons: Sequence[str] = ()) -> Unreachable:
        reasons = reasons or self._asked()[1]
        each = "; ".join(f"{feed.name}: {why}" for feed, why in zip(self.feeds, reasons, strict=True))
        return Unreachable(self.name, f"rate {self._ticker}", f"no feed has one: {each}")

    # -------------------------------------------------------------------------------------------------------- events

    def _listen_to(self, place: int, feed: Any) -> None:
        def on_disconnect(_: Any) -> None:
            self._up.discard(place)
            self._review()

        def on_book(ticker: str, _book: Book) -> None:
            if ticker == self._ticker:
                self._review()

        for event, f in (
            ("connect", lambda _: self._review()),
            ("disconnect", on_disconnect),
            ("alive", lambda _: self._review()),
            ("book", on_book),
            ("error", lambda error: self.announce("error", error)),
        ):
            feed.on(event, f)
            self._listening.append((feed, event, f))

    def _look(self) -> None:
        self._review()
        if not self._wanted:  # whoever was told just now has had enough
            return
        self._timer = self._reactor.callLater(min(self._look_every, self._first_to_expire()), self._look)

    def _first_to_expire(self) -> float:
        """Reactor seconds until the first price is too old, as far as feeds tell: nothing else would say so in time."""
        times = [feed.expires() for feed in self.feeds if hasattr(feed, "expires")]
        return min((max(time, 0.0) + 0.001 for time in times if time is not None), default=self._look_every)

    def _review(self) -> None:
        """Tell what the rate is now, or that there is none."""
        if not self._wanted:
            return
        try:
            rate = self.rate(self._ticker)
        except ExchangeError:
            self._lose()
            return
        self._report(rate)
        if not self._connected:
            self._connected = True
            self._told_who_waits(None)
            self.announce("connect", self)
        self.announce("book", self._ticker, self._book_of(rate))

    def _report(self, rate: Rate) -> None:
        """Say once of each feed that it contradicts the one that is used."""
        outside = {said.source: said for said in rate.said if said.why and said.mid is not None}
        for source in outside.keys() - self._contradicted:
            what = f"{source} says {outside[source].mid:.6g}, {rate.source} {rate.mid:.6g}"
            self.announce("error", Unreachable(self.name, f"rate {self._ticker}", f"{what}; the latter is used"))
        self._contradicted = frozenset(outside)

    def _lose(self) -> None:
        if self._connected:
            self._connected = False
            self.announce("disconnect", self)

    def _book_of(self, rate: Rate) -> Book:
        quantity = Decimal(1_000_000)  # a rate has no depth of its own
        return {
            "contract": rate.pair,
            "bids": [{"price": rate.bid, "quantity": quantity}],
            "asks": [{"price": rate.ask, "quantity": quantity}],
        }
