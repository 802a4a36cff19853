"""A rate feed that asks a web server again and again: polling, what is believed of the answers, when the line is lost.

Knows which document holds today's rates and hands its bytes to a parser; what a feed's histories look like is its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime
from decimal import Decimal
from random import Random
from typing import Any, TypeVar

from attrs import evolve, field, frozen
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorThreads
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from clients.calls import reported
from clients.exchange import OHLCV, ExchangeError, Period, RateLimited, Unreachable
from clients.http import Requester
from clients.rates_arithmetic import Fixing, age_in_days, fixing_time, jumps, within
from clients.rates_feed import HISTORY_BYTES, RateFeed, option, utc_now
from clients.rates_formats import BadRates, Fixings
from clients.rates_http import Door, Reply, web_client
from clients.reconnect import Backoff

__all__ = ["Document", "Payload", "PolledFeed"]

T = TypeVar("T")

_JUMP = Decimal("0.08")  # a larger move needs a second source; the largest of USD and HUF since 1999 were 4.7 and 5.1 %
_AGREEMENT = Decimal("0.01")
_DOING = "today's rates"


@frozen
class Document:
    """Where today's rates are on a server, and how to read them.

    :ivar source: what a rate made of it names as its source.
    """

    source: str
    path: str
    query: Mapping[str, str]
    parse: Callable[[bytes], Fixings]


@frozen
class Payload:
    """What was served when a fixing was accepted, kept for whoever doubts it later."""

    url: str
    fetched: datetime
    body: bytes = field(repr=False)


class PolledFeed(RateFeed):
    """A feed that asks a web server again and again, and goes on whatever it answers.

    After a failure it asks again soon, then less and less often up to `poll`.  The connection counts as lost once nothing
    was fetched for `lost_after`; the fixings held give no rates then, until the next successful fetch.

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
    default_endpoint: str
    _log = Logger()

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
            id=id,
            secret=secret,
            endpoint=endpoint,
            reactor=reactor,
            now=now,
            rate_spread=rate_spread,
            rate_age_factor=rate_age_factor,
            max_fixing_age=max_fixing_age,
            size=size,
            tickers=tickers,
        )
        self._poll = float(option("poll", poll, "0.1", 86_400))
        self._timeout = float(option("timeout", timeout, "0.1", 600))
        self._patience = float(option("connect_timeout", connect_timeout, "0.1", 3600))
        self._lost_after = float(option("lost_after", lost_after, 0, 10**7)) or max(2 * self._poll, 60.0)
        limit = int(option("max_bytes", max_bytes, 1000, 2**30))
        self._random = random if random is not None else Random()
        self._backoff = Backoff(first=min(1.0, self._poll), longest=self._poll)
        self._http = http if http is not None else web_client(self._reactor, self._timeout)
        main = self._endpoint or self.default_endpoint
        self._door = self._make_door(main, limit)
        self._archive = self._make_door(main, HISTORY_BYTES)
        self._second = self._make_door(second.rstrip("/"), limit) if second else None
        self._payloads: deque[Payload] = deque(maxlen=32)
        self._loop: Deferred[None] | None = None
        self._turn: object | None = None  # from one `connect` to the next `disconnect`
        self._reported: deque[tuple[date, str, Decimal]] = deque(maxlen=64)
        self._failures = 0
        self._last_success = 0.0
        self._last_error = "no answer yet"
        self._histories: set[Deferred[Any]] = set()
        self._waiters: list[Deferred[None]] = []

    def _make_door(self, endpoint: str, max_bytes: int) -> Door:
        return Door(self.name, endpoint, self._reactor, self._http, self._timeout, max_bytes)

    @property
    def payloads(self) -> tuple[Payload, ...]:
        """The bodies of the last 32 fixings accepted, oldest first."""
        return tuple(self._payloads)

    # --------------------------------------------------------------------------------------------------- connecting

    def connect(self) -> Deferred[None]:
        """Fire when the first rates are accepted; fail with `Unreachable` after `connect_timeout`, but go on trying."""
        if self._connected:
            return succeed(None)
        waiter: Deferred[None] = Deferred()
        self._waiters.append(waiter)
        waiter.addTimeout(self._patience, self._reactor, onTimeoutCancel=self._too_late)
        waiter.addBoth(self._no_longer_waiting, waiter)
        if self._turn is None:
            self._turn = object()
            self._failures = 0
            self._last_success = self._reactor.seconds()
            self._loop = Deferred.fromCoroutine(self._run(self._turn))
            reported(self._loop, lambda error: self.announce("error", error))
        return waiter

    def _too_late(self, _result: Any, seconds: float) -> Failure:
        return Failure(Unreachable(self.name, "connect", f"no rates in {seconds:g} s; {self._last_error}"))

    def _no_longer_waiting(self, result: T, waiter: Deferred[None]) -> T:
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        return result

    def disconnect(self) -> Deferred[None]:
        """Stop asking; what is under way is given up, and the fixings held give no rates any more."""
        loop, self._loop, self._turn = self._loop, None, None
        if loop is not None:
            loop.cancel()
        for history in tuple(self._histories):
            history.cancel()
        for waiter in tuple(self._waiters):
            waiter.errback(Unreachable(self.name, "connect", "disconnected meanwhile"))
        self._lose()
        return succeed(None)

    # ------------------------------------------------------------------------------------------------------ polling

    async def _run(self, turn: object) -> None:
        # A listener may disconnect in the middle of a cycle; there is nothing to cancel then, hence the condition.
        while self._turn is turn:
            delay = await self._cycle(turn)
            if self._turn is turn:
                await deferLater(self._reactor, delay)

    async def _cycle(self, turn: object) -> float:
        """Fetch once; returns the seconds to wait before the next time."""
        try:
            await self._refresh()
        except CancelledError:
            raise
        except ExchangeError as problem:
            return self._failed(problem)
        except Exception as bug:  # noqa: BLE001 - whatever a server makes us stumble over, the next fetch must come
            self._log.failure("{venue}: a fetch failed in a way nobody foresaw", venue=self.name)
            return self._failed(Unreachable(self.name, _DOING, f"unforeseen: {bug!r}"))
        return self._succeeded() if self._turn is turn else 0.0

    def _succeeded(self) -> float:
        self._failures = 0
        self._last_success = self._reactor.seconds()
        self._gain()
        for waiter in tuple(self._waiters):
            waiter.callback(None)
        self._confirmed()
        return self._poll

    def _failed(self, error: ExchangeError) -> float:
        self._last_error = str(error)
        delay = self._backoff.wait(self._failures, self._random)
        self._failures += 1
        if self._reactor.seconds() - self._last_success >= self._lost_after:
            self._lose()
        self.announce("error", error)
        return max(delay, error.retry_after) if isinstance(error, RateLimited) else delay

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
        reply, day, rates = await self._latest(door, document)
        doubted = await self._doubted(day, rates, document)
        known = self._held(day)
        if known is not None:  # a doubtful correction of what was believed this morning does not replace it
            kept = {c: known.rates[c] for c in doubted if c in known.rates and c not in known.doubted}
            rates, doubted = rates | kept, doubted.difference(kept)
        fixing = Fixing(day, fixing_time(day), "EUR", rates, self._now(), document.source, doubted)
        if known is None or (known.rates, known.doubted) != (fixing.rates, fixing.doubted):
            self._payloads.append(Payload(reply.url, fixing.fetched, reply.body))
        self._hold(fixing)
        # The older ones are confirmed by what follows them: they are as much the institution's record as before.
        self._fixings = [evolve(held, fetched=fixing.fetched) for held in self._fixings]

    def _held(self, day: date) -> Fixing | None:
        return next((held for held in self._fixings if held.day == day), None)

    async def _latest(self, door: Door, document: Document) -> tuple[Reply, date, dict[str, Decimal]]:
        reply = await door.get(document.path, _DOING, document.query)
        try:
            fixings = document.parse(reply.body)
            day = max(fixings)
            self._check_day(day)
        except BadRates as e:
            raise Unreachable(self.name, _DOING, f"{reply.url}: {e}") from e
        return reply, day, fixings[day]

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
            self.announce("error", Unreachable(self.name, _DOING, f"{why}; not believed without a second source"))
        return doubted

    async def _second_opinion(self, document: Document) -> Mapping[str, Decimal]:
        if self._second is None:
            return {}
        door, other = (self._second, self.other) if document is self.first else (self._door, self.first)
        try:
            _reply, _day, rates = await self._latest(door, other)
        except ExchangeError as e:
            self.announce("error", e)
            return {}
        return rates

    # -------------------------------------------------------------------------------------------------- histories

    def getOHLCVHistory(
        self, ticker: str, period: Period, start: datetime, end: datetime
    ) -> Deferred[dict[datetime, OHLCV]]:
        """As `RateFeed`; fails with `Unreachable` when the feed is disconnected meanwhile."""
        history = super().getOHLCVHistory(ticker, period, start, end)
        self._histories.add(history)

        def ended(result: T) -> T:
            self._histories.discard(history)
            if isinstance(result, Failure) and isinstance(result.value, CancelledError):
                raise Unreachable(self.name, f"history of {ticker}", "given up, the feed was disconnected")
            return result

        return history.addBoth(ended)

    def _in_worker(self, f: Callable[..., T], *args: Any) -> Deferred[T]:
        """Parse megabytes off the reactor's thread, where the reactor has others."""
        if IReactorThreads.providedBy(self._reactor):
            return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), f, *args)
        return Deferred.fromCoroutine(_at_once(f, *args))


async def _at_once(f: Callable[..., T], *args: Any) -> T:
    return f(*args)
