"""A feed that asks again and again: when it asks, when its line is lost, who waits for it.  Knows no document, no format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from random import Random
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorThreads
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from clients.calls import reported
from clients.exchange import OHLCV, ExchangeError, NotAuthorised, Period, RateLimited, Unreachable
from clients.http import Requester
from clients.rates_feed import RateFeed, option
from clients.rates_http import Door, web_client
from clients.reconnect import Backoff

__all__ = ["DOING", "PollingFeed"]

T = TypeVar("T")
DOING = "today's rates"


class PollingFeed(RateFeed):
    """A feed that asks a server every `poll` reactor seconds, and goes on whatever it answers.

    After a failure it asks again soon, then less and less often up to `poll`.  The connection counts as lost once nothing
    was fetched for `lost_after`; what is held gives no rates then, until the next successful fetch.  Only refused
    credentials end it, until `connect` is called again.

    A subclass fetches in `_refresh`.  Takes the keywords of `RateFeed` in a mapping, and:

    :param poll: reactor seconds between two fetches.
    :param timeout: reactor seconds for one request and its answer.
    :param connect_timeout: reactor seconds after which `connect` fails; further tries go on.
    :param lost_after: reactor seconds without a successful fetch; twice `poll` and at least a minute when 0.
    :param headers: sent with every request.
    """

    default_endpoint: str
    _log = Logger()

    def __init__(
        self,
        *,
        feed: Mapping[str, Any],
        poll: float | str,
        timeout: float | str,
        connect_timeout: float | str,
        lost_after: float | str,
        http: Requester | None,
        random: Random | None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(**feed)
        self._poll = float(option("poll", poll, "0.1", 86_400))
        self._timeout = float(option("timeout", timeout, "0.1", 600))
        self._patience = float(option("connect_timeout", connect_timeout, "0.1", 3600))
        self._lost_after = float(option("lost_after", lost_after, 0, 10**7)) or max(2 * self._poll, 60.0)
        self._random = random if random is not None else Random()
        self._backoff = Backoff(first=min(1.0, self._poll), longest=self._poll)
        self._http = http if http is not None else web_client(self._reactor, self._timeout)
        self._headers = dict(headers or {})
        self._loop: Deferred[None] | None = None
        self._turn: object | None = None  # from one `connect` to the next `disconnect`
        self._failures = 0
        self._last_success = 0.0
        self._last_error = "no answer yet"
        self._histories: set[Deferred[Any]] = set()
        self._waiters: list[Deferred[None]] = []

    def _make_door(self, endpoint: str, max_bytes: int) -> Door:
        return Door(self.name, endpoint, self._reactor, self._http, self._timeout, max_bytes, self._headers)

    # --------------------------------------------------------------------------------------------------- connecting

    def connect(self) -> Deferred[None]:
        """Fire when the first rates are accepted; fail with `Unreachable` after `connect_timeout`, but go on trying.

        Fails with `NotAuthorised`, and stops trying, when the server refuses the credentials.
        """
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
        """Stop asking; what is under way is given up, and what is held gives no rates any more."""
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
        except NotAuthorised as refusal:
            return self._refused(refusal, turn)
        except ExchangeError as problem:
            return self._failed(problem)
        except Exception as bug:  # noqa: BLE001 - whatever a server makes us stumble over, the next fetch must come
            self._log.failure("{venue}: a fetch failed in a way nobody foresaw", venue=self.name)
            return self._failed(Unreachable(self.name, DOING, f"unforeseen: {bug!r}"))
        return self._succeeded() if self._turn is turn else 0.0

    async def _refresh(self) -> None:
        """Fetch what is new and hold what can be believed of it."""
        raise NotImplementedError

    def _succeeded(self) -> float:
        self._failures = 0
        self._last_success = self._reactor.seconds()
        self._gain()
        for waiter in tuple(self._waiters):
            waiter.callback(None)
        self._confirmed()
        return self._pause()

    def _pause(self) -> float:
        """Reactor seconds until the next fetch."""
        return self._poll

    def _failed(self, error: ExchangeError) -> float:
        self._last_error = str(error)
        delay = self._backoff.wait(self._failures, self._random)
        self._failures += 1
        if self._reactor.seconds() - self._last_success >= self._lost_after:
            self._lose()
        self.announce("error", error)
        return max(delay, error.retry_after) if isinstance(error, RateLimited) else delay

    def _refused(self, refusal: NotAuthorised, turn: object) -> float:
        """Asking again would not help: the operator has to act, and the loop ends."""
        self._last_error = str(refusal)
        if self._turn is turn:
            self._turn = self._loop = None
        self._lose()
        for waiter in tuple(self._waiters):
            waiter.errback(refusal)
        self.announce("error", refusal)
        return 0.0

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
