"""The one door through which the rate feeds reach the network: a deadline, a size limit, and failures sorted.

A reply that carries an entity tag is kept and asked for again only if it changed.  Knows no format of rates.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Protocol, cast
from urllib.parse import urlencode

from attrs import define, field, frozen
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectingCancelledError, ConnectionLost, DNSLookupError
from twisted.internet.protocol import Protocol as StreamProtocol
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool, RequestTransmissionFailed, ResponseDone, ResponseFailed
from twisted.web.error import SchemeNotSupported
from twisted.web.iweb import IResponse

from clients.exchange import RateLimited, Refused, Unreachable

__all__ = ["Door", "Getter", "Reply", "web_client"]

USER_AGENT = "ilp-rates/0.1 (International Liquidity Pool; reference rates, a few requests an hour)"
_KEPT = 4  # replies kept for revalidation: today's rates, and the histories of a start


class Getter(Protocol):
    """The part of a treq client that is used here."""

    def get(self, url: str, **kwargs: Any) -> Deferred[IResponse]:
        """Send a GET; fires with the response once its headers are there."""


@frozen
class Reply:
    """A body that was served whole, and from where."""

    url: str
    body: bytes = field(repr=False)


def web_client(reactor: Any, connect_timeout: float) -> Getter:
    """A client that keeps no connection open: minutes lie between two requests, and nothing is to be left behind."""
    pool = HTTPConnectionPool(reactor, persistent=False)
    client: Any = HTTPClient(Agent(reactor, connectTimeout=connect_timeout, pool=pool))
    return cast(Getter, client)


@define
class Door:
    """Fetches documents of one server.

    :ivar name: how errors call the feed.
    :ivar endpoint: scheme, host and, where needed, port and the first part of the path; without a slash at the end.
    :ivar timeout: reactor seconds for request and body together.
    :ivar max_bytes: a larger body is refused; counted after decompression.
    """

    name: str
    endpoint: str
    reactor: Any
    http: Getter
    timeout: float
    max_bytes: int
    _tagged: OrderedDict[str, tuple[str, bytes]] = field(factory=OrderedDict, init=False, repr=False)

    async def get(self, path: str, doing: str, query: Mapping[str, str] | None = None) -> Reply:
        """Fetch a document: `Unreachable` (try later), `RateLimited` (and when) or `Refused` (the same again is no use)."""
        url = f"{self.endpoint}{path}" + (f"?{urlencode(query, safe=',')}" if query else "")
        silence = Unreachable(self.name, doing, f"no complete answer from {url} in {self.timeout:g} s")
        d = Deferred.fromCoroutine(self._round_trip(url, doing))
        # A request cancelled on the wire fails with ResponseNeverReceived, hence the translation here.
        return await d.addTimeout(self.timeout, self.reactor, onTimeoutCancel=lambda _result, _limit: Failure(silence))

    async def _round_trip(self, url: str, doing: str) -> Reply:
        tag, kept = self._tagged.get(url, ("", b""))
        headers = {"User-Agent": USER_AGENT} | ({"If-None-Match": tag} if tag else {})
        try:
            response = await self.http.get(url, headers=headers, unbuffered=True, allow_redirects=False)
            body = await _collect(response, self.max_bytes)
        except ConnectingCancelledError as e:
            raise CancelledError from e
        except (ResponseFailed, RequestTransmissionFailed, ConnectError, ConnectionLost, DNSLookupError) as e:
            if _was_cancelled(e):
                raise CancelledError from e
            raise Unreachable(self.name, doing, f"{url}: {_plainly(e)}") from e
        except (SchemeNotSupported, ValueError) as e:
            raise Refused(self.name, doing, f"{url!r} is not an address that can be asked: {e}") from e
        except _TooLarge as e:
            raise Unreachable(self.name, doing, f"{url}: the reply is larger than {self.max_bytes} bytes") from e
        if response.code == 304 and tag:
            return Reply(url, kept)
        if response.code != 200:
            raise self._failure(response, body, url, doing)
        self._keep(url, response, body)
        return Reply(url, body)

    def _keep(self, url: str, response: IResponse, body: bytes) -> None:
        self._tagged.pop(url, None)
        if tag := _header(response, "ETag"):
            self._tagged[url] = (tag, body)
            while len(self._tagged) > _KEPT:
                self._tagged.popitem(last=False)

    def _failure(self, response: IResponse, body: bytes, url: str, doing: str) -> Exception:
        code = str(response.code)
        if response.code == 429:
            seconds = _seconds(_header(response, "Retry-After"))
            return RateLimited(self.name, doing, f"{url}: too many requests", code, retry_after=seconds)
        if 300 <= response.code < 400:
            where = _header(response, "Location") or "elsewhere"
            return Refused(self.name, doing, f"{url} redirects to {where}; put that into `endpoint`", code)
        kind = Refused if 400 <= response.code < 500 else Unreachable
        return kind(self.name, doing, f"{url}: {_message(body) or 'the server answers an error'}", code)


# ------------------------------------------------------------------------------------------------------------- bodies


class _TooLarge(Exception):
    """A body beyond the limit."""


class _Body(StreamProtocol):
    """Gathers a body; cancelling `done` closes the connection."""

    def __init__(self, limit: int) -> None:
        self.done: Deferred[bytes] = Deferred(lambda _d: self._hang_up())
        self._limit = limit
        self._data = bytearray()

    def dataReceived(self, data: bytes) -> None:
        self._data += data
        if len(self._data) > self._limit and not self.done.called:
            self.done.errback(Failure(_TooLarge()))
            self._hang_up()

    def connectionLost(self, reason: Failure = Failure(ResponseDone())) -> None:  # noqa: B008  twisted's own signature
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


# -------------------------------------------------------------------------------------------------------------- words


def _header(response: IResponse, name: str) -> str:
    values = response.headers.getRawHeaders(name, [])
    return str(values[0]) if values else ""


def _seconds(retry_after: str) -> float:
    """Seconds of a Retry-After header; a minute where it is absent or a date."""
    return float(min(int(retry_after), 86_400)) if retry_after.isascii() and retry_after.isdigit() else 60.0


def _message(body: bytes) -> str:
    """What a JSON error says; nothing for the HTML of a web server."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    message = answer.get("message") if isinstance(answer, dict) else None
    return f"{message}"[:200] if message else ""


def _was_cancelled(error: Exception) -> bool:
    reasons = getattr(error, "reasons", ())
    return bool(reasons) and all(reason.check(CancelledError) for reason in reasons)


def _plainly(error: Exception) -> str:
    if isinstance(error, ResponseFailed | RequestTransmissionFailed):
        return f"the answer broke off: {', '.join(reason.getErrorMessage() for reason in error.reasons)}"
    if isinstance(error, DNSLookupError):
        return "the host's name is not known"
    return str(error) or type(error).__name__
