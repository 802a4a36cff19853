"""One HTTP exchange as every client needs it: a size limit, and failures that say whether anything was sent.

Knows no venue: which status means what is the business of whoever asks.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Protocol, cast
from weakref import WeakSet

from attrs import field, frozen
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectingCancelledError, ConnectionLost, DNSLookupError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Protocol as StreamProtocol
from twisted.internet.protocol import connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    BrowserLikePolicyForHTTPS,
    HTTPConnectionPool,
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseDone,
    ResponseFailed,
)
from twisted.web.error import SchemeNotSupported
from twisted.web.http_headers import Headers
from twisted.web.iweb import IPolicyForHTTPS, IResponse
from zope.interface import implementer

__all__ = [
    "Answer",
    "BadAddress",
    "Broken",
    "Connections",
    "Requester",
    "TooLarge",
    "exchange",
    "persistent_client",
    "time_of",
]

_MOST_CONNECTIONS = 6  # so that a cancel never waits behind histories
_HALF_A_SECOND = timedelta(milliseconds=500)
_KEEP_OPEN_S = 30  # less than a server keeps them: a request on a connection just closed would have no known outcome


class Requester(Protocol):
    """The part of a treq client that is used here."""

    def request(self, method: str, url: str, **kwargs: Any) -> Deferred[IResponse]:
        """Send a request; fires with the response once its headers are there."""


@frozen
class Answer:
    """A response that was served whole, whatever its status."""

    status: int
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)

    def header(self, name: str) -> str:
        """The first value of a header, empty when there is none."""
        values = self.headers.getRawHeaders(name, [])
        return str(values[0]) if values else ""


class Broken(Exception):
    """No whole answer came.

    :ivar sent: whether the request may have reached the server.
    """

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why)
        self.sent = sent


class TooLarge(Broken):
    """The body is beyond the limit; the connection was closed."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the reply is larger than {limit} bytes", sent=True)


class BadAddress(Exception):
    """The URL is none that can be asked."""


class Connections(HTTPConnectionPool):
    """A client's connections: those that wait for a request, those that serve one, and those that are still being made.

    Twisted's own pool knows the first only, so that what its user asked last would outlive the user by its deadline.
    """

    def __init__(self, reactor: Any, persistent: bool = True) -> None:
        super().__init__(reactor, persistent)
        self._being_made: dict[Deferred[Any], Deferred[Any]] = {}  # who waits for one, and the attempt
        self._made: WeakSet[Any] = WeakSet()

    def getConnection(self, key: Hashable, endpoint: IStreamClientEndpoint) -> Deferred[Any]:
        """See `HTTPConnectionPool`.  Cancelled it fails with `CancelledError`, also while a name is looked up."""
        attempt: Deferred[Any] = super().getConnection(key, endpoint)
        waiter: Deferred[Any] = Deferred(self._give_up)
        self._being_made[waiter] = attempt

        def ended(result: Any) -> None:
            if self._being_made.pop(waiter, None) is None:
                return  # given up
            if not isinstance(result, Failure):
                self._made.add(result)
            waiter.callback(result)  # a Failure makes it fail

        attempt.addBoth(ended)
        return waiter

    def _give_up(self, waiter: Deferred[Any]) -> None:
        attempt = self._being_made.pop(waiter, None)
        if attempt is not None:
            attempt.cancel()

    async def close(self) -> None:
        """Give up every request under way and close every connection; nothing is left then, no timer either.

        What was still connecting is `Broken` with nothing sent, what waits for its answer may have been sent.
        """
        # Who is told that a request was given up may begin another one.
        while (busy := self._busy()) or self._being_made:
            for waiter in tuple(self._being_made):
                if waiter in self._being_made:  # else given up by who was told of another one
                    self._give_up(waiter)
                    waiter.errback(Broken("disconnected; nothing was sent", sent=False))
            for one in busy:
                self._made.discard(one)
                one.transport.abortConnection()  # a server that hangs would not answer a goodbye
            await deferLater(self._reactor, 0.0)  # a connection is lost in the turn after
        await self.closeCachedConnections()  # last: who got his answer meanwhile would keep his connection

    def _busy(self) -> list[Any]:
        return [one for one in self._made if one.state not in ("QUIESCENT", "CONNECTION_LOST")]


@implementer(IPolicyForHTTPS)
class _Policy:
    """Whom to trust, by the host's name."""

    def __init__(self, trusted: Callable[[str], Any]) -> None:
        self._trusted = trusted

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:
        return self._trusted(hostname.decode("ascii"))


def persistent_client(
    reactor: Any, connect_timeout: float, trusted: Callable[[str], Any] | None = None
) -> tuple[Requester, Connections]:
    """A client that keeps connections open for the next request, and those connections, which its owner closes.

    :param trusted: what verifies a host's certificate and name; by default the authorities of the platform.

    Nothing is repeated by itself: Twisted's pool would send some requests again on a connection that turns out dead.
    """
    pool = Connections(reactor)
    pool.maxPersistentPerHost = _MOST_CONNECTIONS
    pool.cachedConnectionTimeout = _KEEP_OPEN_S
    pool.retryAutomatically = False
    policy = BrowserLikePolicyForHTTPS() if trusted is None else _Policy(trusted)
    client: Any = HTTPClient(Agent(reactor, contextFactory=policy, connectTimeout=connect_timeout, pool=pool))
    return cast(Requester, client), pool


async def exchange(
    http: Requester,
    method: str,
    url: str,
    *,
    headers: dict[str, str],
    body: bytes = b"",
    limit: int,
) -> Answer:
    """One request and its whole answer of at most *limit* bytes; redirections are answers too.

    :raise Broken: no whole answer; see its `sent`.
    :raise BadAddress: nobody can be asked there.
    :raise CancelledError: the Deferred was cancelled; the connection is closed then.
    """
    try:
        response = await http.request(
            method, url, headers=headers, data=body or None, unbuffered=True, allow_redirects=False
        )
        content = await _collect(response, limit)
    except ConnectingCancelledError as error:
        raise CancelledError from error
    except (ConnectError, DNSLookupError) as error:
        raise Broken(_plainly(error), sent=False) from error
    except (ResponseFailed, RequestGenerationFailed, RequestTransmissionFailed, ConnectionLost) as error:
        if _was_cancelled(error):
            raise CancelledError from error
        raise Broken(_plainly(error), sent=True) from error
    except (SchemeNotSupported, ValueError) as error:
        raise BadAddress(str(error)) from error
    return Answer(response.code, response.headers, content)


def time_of(answer: Answer) -> datetime:
    """The server's time when it answered, by its `Date` header, aware UTC.

    The header has whole seconds: this is the middle of the one it names, so it is off by half a second at most.  What a
    cache on the way has kept is told as old as the cache says (`Age`).

    :raise ValueError: there is no such header, or nobody can read it.
    """
    told, age = answer.header("Date"), answer.header("Age")
    try:
        stamp = parsedate_to_datetime(told)
    except (TypeError, ValueError):
        raise ValueError(f"the answer's Date is {told[:60]!r}, which is no time") from None
    kept = timedelta(seconds=int(age)) if age.isascii() and age.isdigit() and len(age) < 10 else timedelta()
    # A date of no zone is in UTC by the standard of mail, from which that of HTTP has it.
    return (stamp.replace(tzinfo=stamp.tzinfo or UTC).astimezone(UTC) + _HALF_A_SECOND) + kept


# ------------------------------------------------------------------------------------------------------------- bodies


class _Body(StreamProtocol):
    """Gathers a body; cancelling `done` closes the connection."""

    def __init__(self, limit: int) -> None:
        self.done: Deferred[bytes] = Deferred(lambda _d: self._hang_up())
        self._limit = limit
        self._data = bytearray()

    def dataReceived(self, data: bytes) -> None:
        self._data += data
        if len(self._data) > self._limit and not self.done.called:
            self.done.errback(Failure(TooLarge(self._limit)))
            self._hang_up()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.done.called:
            return
        # A body whose end only the closed connection marks (PotentialDataLoss) may be cut: it is not taken as whole.
        if reason.check(ResponseDone):
            self.done.callback(bytes(self._data))
        else:
            self.done.errback(Failure(ResponseFailed([reason])))

    def _hang_up(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()


async def _collect(response: IResponse, limit: int) -> bytes:
    body = _Body(limit)
    response.deliverBody(body)
    return await body.done


def _was_cancelled(error: Exception) -> bool:
    reasons = getattr(error, "reasons", ())
    return bool(reasons) and all(reason.check(CancelledError) for reason in reasons)


def _plainly(error: Exception) -> str:
    if isinstance(error, ResponseFailed | RequestGenerationFailed | RequestTransmissionFailed):
        return f"the answer broke off: {', '.join(reason.getErrorMessage() for reason in error.reasons)}"
    if isinstance(error, DNSLookupError):
        return "the host's name is not known"
    return str(error) or type(error).__name__
