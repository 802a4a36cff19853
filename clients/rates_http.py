"""The one door through which the rate feeds reach the network: a deadline, a size limit, and failures sorted.

A reply that carries an entity tag is kept and asked for again only if it changed.  Knows no format of rates.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import urlencode

from attrs import define, field, frozen
from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.client import Agent

from clients.exchange import RateLimited, Refused, Unreachable
from clients.http import Answer, BadAddress, Broken, Connections, Requester, exchange

__all__ = ["Door", "Reply", "web_client"]

USER_AGENT = "ilp-rates/0.1 (International Liquidity Pool; reference rates, a few requests an hour)"
_KEPT = 4  # replies kept for revalidation: today's rates, and the histories of a start


@frozen
class Reply:
    """A body that was served whole, and from where."""

    url: str
    body: bytes = field(repr=False)


def web_client(reactor: Any, connect_timeout: float) -> Requester:
    """A client that keeps no connection open: minutes lie between two requests, and nothing is to be left behind."""
    pool = Connections(reactor, persistent=False)
    client: Any = HTTPClient(Agent(reactor, connectTimeout=connect_timeout, pool=pool))
    return cast(Requester, client)


@define
class Door:
    """Fetches documents of one server.

    :ivar name: how errors call the feed.
    :ivar endpoint: scheme, host and, where needed, port and the first part of the path; without a slash at the end.
    :ivar timeout: reactor seconds for request and body together.
    :ivar max_bytes: a larger body is refused; counted after decompression.
    :ivar headers: sent with every request; never named in an error.
    :ivar sort: makes an error of an answer that is none of rates, where the server has its own ways of saying no.
    """

    name: str
    endpoint: str
    reactor: Any
    http: Requester
    timeout: float
    max_bytes: int
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    sort: Callable[[Answer, str], Exception | None] | None = None
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
        headers = {"User-Agent": USER_AGENT, **self.headers} | ({"If-None-Match": tag} if tag else {})
        try:
            answer = await exchange(self.http, "GET", url, headers=headers, limit=self.max_bytes)
        except Broken as e:
            raise Unreachable(self.name, doing, f"{url}: {e}") from e
        except BadAddress as e:
            raise Refused(self.name, doing, f"{url!r} is not an address that can be asked: {e}") from e
        if answer.status == 304 and tag:
            return Reply(url, kept)
        if self.sort is not None and (error := self.sort(answer, doing)) is not None:
            raise error
        if answer.status != 200:
            raise self._failure(answer, url, doing)
        self._keep(url, answer)
        return Reply(url, answer.body)

    def _keep(self, url: str, answer: Answer) -> None:
        self._tagged.pop(url, None)
        if tag := answer.header("ETag"):
            self._tagged[url] = (tag, answer.body)
            while len(self._tagged) > _KEPT:
                self._tagged.popitem(last=False)

    def _failure(self, answer: Answer, url: str, doing: str) -> Exception:
        code = str(answer.status)
        if answer.status == 429:
            seconds = _seconds(answer.header("Retry-After"))
            return RateLimited(self.name, doing, f"{url}: too many requests", code, retry_after=seconds)
        if 300 <= answer.status < 400:
            where = answer.header("Location") or "elsewhere"
            return Refused(self.name, doing, f"{url} redirects to {where}; put that into `endpoint`", code)
        kind = Refused if 400 <= answer.status < 500 else Unreachable
        return kind(self.name, doing, f"{url}: {_message(answer.body) or 'the server answers an error'}", code)


# -------------------------------------------------------------------------------------------------------------- words


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
