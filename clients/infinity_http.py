"""The HTTP side of Infinity: calls with deadline and rate budget, the token on private ones, refusals told as errors.

Knows the envelope and not the meaning of any path.  One client keeps cookies over login and private calls.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import msgspec
from attrs import define, field
from twisted.internet.defer import Deferred, TimeoutError

from clients.budget import Budget, Priority
from clients.exchange import ExchangeError, NotAuthorised, OutcomeUnknown, RateLimited, Refused, Unreachable
from clients.http import Answer, BadAddress, Broken, Requester, exchange
from clients.infinity_errors import NOT_LOGGED_IN, About, error_for_code, error_for_status
from clients.infinity_records import read_envelope
from clients.infinity_terms import Measure
from clients.redaction import Redactor, Secret

__all__ = ["Http", "Tokens", "json_text", "query_of"]

_JSON = "application/json"
_LARGEST = 16 * 2**20

Pairs = Iterable[tuple[str, Any]]


class Tokens(Protocol):
    """Who knows the token of private calls."""

    def bearer(self, doing: str) -> Coroutine[Deferred[Any], Any, Secret]:
        """The token; waits for a login under way.  `NotAuthorised` where there is no account."""

    def renew(self, doing: str, refused: Secret) -> Coroutine[Deferred[Any], Any, Secret]:
        """The venue has *refused* a token: another one, after a new login where that is the newest."""


@define(eq=False)
class Http:
    """Calls of one account.

    :ivar endpoint: scheme, host and port.
    :ivar tokens: set once there is a login; public calls need none.
    """

    venue: str
    endpoint: str
    http: Requester
    clock: Any
    budget: Budget
    deadline: float
    redactor: Redactor
    tokens: Tokens | None = field(init=False, default=None)
    _refused_until: float = field(init=False, default=float("-inf"))

    async def call(
        self,
        doing: str,
        verb: str,
        path: str,
        *,
        query: Pairs = (),
        body: Any = msgspec.UNSET,
        private: bool = False,
        about: About = About.READ,
        priority: Priority = Priority.READ,
    ) -> bytes:
        """One call; the JSON of what the envelope holds.

        A private call that is refused for its token is sent once more after a new login: it was not carried out.  Nothing
        else is ever sent again.

        :param query: names and values; a list becomes the name repeated, None is left out.
        :param body: anything that becomes JSON; Decimals become exact numbers, measures their text.
        """
        until = self.clock.seconds() + self.deadline
        content = b"" if body is msgspec.UNSET else json_text(body)
        target = path + query_of(query)

        async def once(token: Secret | None) -> bytes:
            answer = await self._answered(doing, verb, target, content, token, _JSON, about, priority, until)
            return self._opened(doing, answer, about)

        if not private:
            return await once(None)
        if self.tokens is None:
            raise NotAuthorised(self.venue, doing, "this client has no account; give it id and secret")
        token = await self.tokens.bearer(doing)
        try:
            return await once(token)
        except NotAuthorised as refusal:
            if refusal.code != "401" and refusal.code not in map(str, NOT_LOGGED_IN):
                raise
            token = await self.tokens.renew(doing, token)
        return await once(token)

    async def answer(self, doing: str, path: str, query: Pairs = ()) -> Answer:
        """Read something public that can wait for everything else, for its headers."""
        until, target = self.clock.seconds() + self.deadline, path + query_of(query)
        return await self._answered(doing, "GET", target, b"", None, _JSON, About.READ, Priority.BULK, until)

    async def form(self, doing: str, path: str, fields: Mapping[str, str], token: Secret | None = None) -> bytes:
        """A call of the login: its fields as a form, before everything else."""
        until = self.clock.seconds() + self.deadline
        content, kind = urlencode(fields).encode(), "application/x-www-form-urlencoded"
        answer = await self._answered(doing, "POST", path, content, token, kind, About.READ, Priority.CANCEL, until)
        return self._opened(doing, answer, About.READ)

    async def _answered(
        self,
        doing: str,
        verb: str,
        target: str,
        content: bytes,
        token: Secret | None,
        kind: str,
        about: About,
        priority: Priority,
        until: float,
    ) -> Answer:
        self._check_pause(doing, priority)
        await self._turn(doing, priority, until)
        if self.clock.seconds() >= until:  # a login took it all: an order would be of a price of long ago
            raise self._error(
                Unreachable, doing, f"its {self.deadline:g} s were over before its turn; nothing was sent"
            )
        headers = {"accept": "application/json", "user-agent": "ilp", "content-type": kind}
        if token is not None:
            headers["authorization"] = f"Bearer {token.reveal()}"
        doubt = OutcomeUnknown if about.changes else Unreachable
        sending = Deferred.fromCoroutine(self._send(doing, verb, target, headers, content, about))
        try:
            answer = await sending.addTimeout(max(0.0, until - self.clock.seconds()), self.clock)
        except TimeoutError:
            raise self._error(doubt, doing, f"no answer in {self.deadline:g} s") from None
        if not 200 <= answer.status < 300:
            error = error_for_status(self.venue, doing, answer.status, about, answer.header("retry-after"))
            if isinstance(error, RateLimited):
                self._refused_until = self.clock.seconds() + error.retry_after
            raise error
        return answer

    def _opened(self, doing: str, answer: Answer, about: About) -> bytes:
        try:
            envelope, inside = read_envelope(answer.body or b"{}")
        except ValueError as garbage:
            kind = OutcomeUnknown if about.changes else Unreachable
            raise self._error(kind, doing, f"an answer that nobody can read: {garbage}") from None
        if envelope.success is False:
            raise error_for_code(
                self.venue, doing, envelope.error_code, self.redactor.clean(envelope.error_msg_key or ""), about
            )
        return inside

    async def _send(
        self, doing: str, verb: str, target: str, headers: dict[str, str], content: bytes, about: About
    ) -> Answer:
        try:
            return await exchange(
                self.http, verb, self.endpoint + target, headers=headers, body=content, limit=_LARGEST
            )
        except Broken as broken:
            unknown = broken.sent and about.changes
            raise self._error(OutcomeUnknown if unknown else Unreachable, doing, str(broken)) from None
        except BadAddress as wrong:
            raise self._error(Refused, doing, f"{self.endpoint!r} cannot be asked: {wrong}") from None

    def _check_pause(self, doing: str, priority: Priority) -> None:
        """After 429 nothing but cancels and logins is sent until the venue listens again."""
        left = self._refused_until - self.clock.seconds()
        if left > 0 and priority is not Priority.CANCEL:
            why = "the venue has asked for a pause; nothing was sent"
            raise RateLimited(self.venue, doing, why, "429", retry_after=left)

    async def _turn(self, doing: str, priority: Priority, until: float) -> None:
        place = self.budget.take(priority)
        if place.called:
            return
        try:
            await place.addTimeout(max(0.0, until - self.clock.seconds()), self.clock)
        except TimeoutError:
            why = f"{self.budget.rate:g} calls a second are used up; nothing was sent"
            raise RateLimited(self.venue, doing, why, retry_after=self.budget.wait(priority)) from None

    def _error(self, kind: type[ExchangeError], doing: str, why: str) -> ExchangeError:
        return kind(self.venue, doing, self.redactor.clean(why))


# ---------------------------------------------------------------------------------------------------------- encoding


def query_of(pairs: Pairs) -> str:
    """`?name=value&…`, everything escaped, or nothing."""
    parts = []
    for name, value in pairs:
        for one in value if isinstance(value, list | tuple) else (value,):
            if one is not None:
                parts.append(f"{name}={quote(_text(one), safe='')}")
    return f"?{'&'.join(parts)}" if parts else ""


def json_text(value: Any) -> bytes:
    """*value* as JSON; numbers without exponents."""
    return msgspec.json.encode(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items() if one is not None}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Measure):
        return str(value)
    if isinstance(value, Decimal):
        return msgspec.Raw(f"{value:f}".encode())
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _text(value: Any) -> str:
    """A query's value; flags as the venue knows them, numbers without exponents."""
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, int):
        return str(int(value))
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
