"""The signed HTTP side of BitMEX: calls with deadline and rate budget, answers decoded, refusals told as errors.

Knows the protocol's envelope, not the meaning of any path.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

import msgspec
from attrs import define, field
from twisted.internet.defer import Deferred, TimeoutError

from clients.bitmex_errors import About, error_for
from clients.bitmex_signing import body_of, query_of, rest_headers
from clients.budget import Budget, Priority
from clients.exchange import ExchangeError, OutcomeUnknown, RateLimited, Refused, Unreachable
from clients.http import Answer, BadAddress, Broken, Requester, exchange
from clients.redaction import Redactor, Secret

__all__ = ["API", "Rest"]

API = "/api/v1"
_VALID_S = 60  # how long the venue may take until it must refuse the request
_OVERLOADED_S = 0.5  # the venue's own advice
_LARGEST = 64 * 2**20
_ORDER_ENTRY = ("/order", "/position")

_decoder = msgspec.json.Decoder(float_hook=Decimal)


class Now(Protocol):
    """The time, aware UTC."""

    def __call__(self) -> datetime: ...


@define(eq=False)
class Rest:
    """Calls of one account.

    :ivar endpoint: scheme, host and port.
    :ivar key: empty for public use; nothing is signed then.
    :ivar budget: of all calls; `entry` that of placing, changing and cancelling.
    """

    venue: str
    endpoint: str
    key: str
    secret: Secret
    http: Requester
    clock: Any
    now: Now
    budget: Budget
    entry: Budget
    deadline: float
    redactor: Redactor = field(factory=Redactor)
    _refused_until: float = field(init=False, default=float("-inf"))
    _banned: bool = field(init=False, default=False)
    _pauses: set[Deferred[None]] = field(init=False, factory=set)

    async def get(
        self, doing: str, path: str, query: Mapping[str, Any] | None = None, priority: Priority = Priority.READ
    ) -> Any:
        """Read something."""
        return await self.ask(doing, "GET", path, query=query, priority=priority)

    async def ask(
        self,
        doing: str,
        verb: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        about: About = About.READ,
        priority: Priority = Priority.READ,
        repeat: bool = False,
    ) -> Any:
        """The decoded answer, its floats as exact Decimals.

        Reads, and what is marked by *repeat*, are tried again after 429 and 503, in which case nothing has happened,
        as long as the deadline allows.

        :raise ExchangeError: one of the classes of `clients.exchange`.
        """
        until = self.clock.seconds() + self.deadline
        while True:
            try:
                answer = await self._answered(doing, verb, path, query or {}, body, about, priority, until)
                return self._decoded(doing, answer, about)
            except Unreachable as error:
                if error.code not in ("429", "503") or not (repeat or about is About.READ):
                    raise
                wait = error.retry_after if isinstance(error, RateLimited) else _OVERLOADED_S
                if self.clock.seconds() + wait >= until:
                    raise
                await self._pause(wait)

    def stop(self, reason: Exception) -> None:
        """Every call that would be tried again fails with *reason*; no timer is left behind."""
        for pause in tuple(self._pauses):
            pause.errback(reason)

    async def _pause(self, seconds: float) -> None:
        pause: Deferred[None] = Deferred()
        timer = self.clock.callLater(seconds, pause.callback, None)
        self._pauses.add(pause)
        try:
            await pause
        finally:
            self._pauses.discard(pause)
            if timer.active():
                timer.cancel()

    async def answer(self, doing: str, path: str, query: Mapping[str, Any]) -> Answer:
        """Read something that can wait for everything else, once, for its headers."""
        until = self.clock.seconds() + self.deadline
        return await self._answered(doing, "GET", path, query, None, About.READ, Priority.BULK, until)

    def _decoded(self, doing: str, answer: Answer, about: About) -> Any:
        try:
            return _decoder.decode(answer.body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as garbage:
            doubt = Unreachable if about is About.READ else OutcomeUnknown
            raise self._error(doubt, doing, f"an answer that nobody can read: {garbage}") from None

    async def _answered(
        self,
        doing: str,
        verb: str,
        path: str,
        query: Mapping[str, Any],
        body: Mapping[str, Any] | None,
        about: About,
        priority: Priority,
        until: float,
    ) -> Answer:
        self._check_refusal(doing, priority)
        await self._turn(doing, self.budget, priority, until)
        if verb != "GET" and path.startswith(_ORDER_ENTRY):
            await self._turn(doing, self.entry, priority, until)
        target = f"{API}{path}{query_of(query)}"
        content = body_of(body)
        sending = Deferred.fromCoroutine(self._send(doing, verb, target, content, about))
        doubt = Unreachable if about is About.READ else OutcomeUnknown
        try:
            answer = await sending.addTimeout(max(0.0, until - self.clock.seconds()), self.clock)
        except TimeoutError:
            raise self._error(doubt, doing, f"no answer in {self.deadline:g} s") from None
        self._note_limits(answer)
        if answer.status != 200:
            retry_after = answer.header("retry-after")
            error = error_for(self.venue, doing, answer.status, self._clean(answer.body), about, retry_after)
            if isinstance(error, RateLimited):
                self._refused_until = self.clock.seconds() + error.retry_after
                self._banned = answer.status == 403
            raise error
        return answer

    def _check_refusal(self, doing: str, priority: Priority) -> None:
        """After 429 nothing but cancels is sent until the venue listens again, after a ban nothing at all."""
        left = self._refused_until - self.clock.seconds()
        if left > 0 and (self._banned or priority is not Priority.CANCEL):
            why = "this address is banned" if self._banned else "the venue has asked for a pause"
            raise RateLimited(self.venue, doing, f"{why}; nothing was sent", "429", retry_after=left)

    async def _send(self, doing: str, verb: str, target: str, content: bytes, about: About) -> Answer:
        headers = {"accept": "application/json", "user-agent": "ilp"}
        if content:
            headers["content-type"] = "application/json"
        if self.key:
            # A simulated world's time may lie in the past or run fast; the venue bounds this from below only.
            expires = int(max(self.now().timestamp(), time.time())) + _VALID_S
            headers |= rest_headers(self.key, self.secret.reveal(), verb, target, expires, content)
        try:
            return await exchange(
                self.http, verb, self.endpoint + target, headers=headers, body=content, limit=_LARGEST
            )
        except Broken as broken:
            unknown = broken.sent and about is not About.READ
            raise self._error(OutcomeUnknown if unknown else Unreachable, doing, str(broken)) from None
        except BadAddress as wrong:
            raise self._error(Refused, doing, f"{self.endpoint!r} cannot be asked: {wrong}") from None

    async def _turn(self, doing: str, budget: Budget, priority: Priority, until: float) -> None:
        place = budget.take(priority)
        if place.called:
            return
        try:
            await place.addTimeout(max(0.0, until - self.clock.seconds()), self.clock)
        except TimeoutError:
            why = f"{budget.rate:g} calls a second are used up; nothing was sent"
            raise RateLimited(self.venue, doing, why, retry_after=budget.wait(priority)) from None

    def _note_limits(self, answer: Answer) -> None:
        for budget, name in ((self.budget, "x-ratelimit-remaining"), (self.entry, "x-ratelimit-remaining-1s")):
            left = answer.header(name)
            if left.isascii() and left.isdigit():
                budget.left(float(left))

    def _error(self, kind: type[ExchangeError], doing: str, why: str) -> ExchangeError:
        return kind(self.venue, doing, self.redactor.clean(why))

    def _clean(self, body: bytes) -> bytes:
        return self.redactor.clean(body.decode("utf-8", "replace")).encode()
