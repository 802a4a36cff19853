"""Kraken's HTTP side: public and signed calls with deadline and rate budget, answers decoded, refusals told as errors.

Private calls go one at a time, because each bears a nonce and the venue counts the order of arrival.  Knows the protocol's
envelope, not the meaning of any method.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import msgspec
from attrs import define, field
from twisted.internet.defer import Deferred, DeferredLock, TimeoutError

from clients.budget import Budget, Priority
from clients.exchange import ExchangeError, NotAuthorised, OutcomeUnknown, RateLimited, Refused, Unreachable
from clients.http import Answer, BadAddress, Broken, Requester, exchange
from clients.kraken_errors import INVALID_NONCE, About, error_for, faults, http_error
from clients.kraken_nonce import Nonces
from clients.kraken_signing import api_sign, form_body, json_body, wire_text
from clients.redaction import Redactor, Secret

__all__ = ["Rest"]

_LARGEST = 64 * 2**20
_COUNTER_FULL = "EAPI:Rate limit exceeded"
_decoder = msgspec.json.Decoder(float_hook=Decimal)


@define(eq=False)
class Rest:
    """Calls of one key.

    :ivar endpoint: scheme, host and port.
    :ivar key: empty for public use.
    :ivar wall: seconds since 1970 by the world's time.
    :ivar budget: the key's counter, `public` that of the address.
    """

    venue: str
    endpoint: str
    key: str
    secret: Secret
    otp: str = field(repr=False)
    http: Requester
    clock: Any
    wall: Callable[[], float]
    nonces: Nonces
    budget: Budget
    open_budget: Budget
    deadline: float
    redactor: Redactor
    _turn: DeferredLock = field(init=False, factory=DeferredLock)

    async def public(
        self, doing: str, method: str, parameters: Mapping[str, Any] | None = None, priority: Priority = Priority.READ
    ) -> Any:
        """Read something that everybody may read."""
        until = self.clock.seconds() + self.deadline
        await self._wait(doing, self.open_budget.take(priority), until, self.open_budget.wait(priority))
        given = {name: wire_text(value) for name, value in (parameters or {}).items() if value is not None}
        query = f"?{urlencode(given)}" if given else ""
        path = f"/0/public/{method}"
        return await self._exchange(doing, "GET", f"{path}{query}", b"", {}, About.READ, until)

    async def private(
        self,
        doing: str,
        method: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        about: About = About.READ,
        priority: Priority = Priority.READ,
        cost: int = 1,
        as_json: bool = False,
    ) -> Any:
        """A signed call.

        A read that the venue refuses because its counter is full waits for its turn again, as long as the deadline allows.

        :param cost: points of the key's counter; trading calls cost none here.
        :raise ExchangeError: one of the classes of `clients.exchange`.
        """
        until = self.clock.seconds() + self.deadline
        while True:
            for _ in range(cost):
                await self._wait(doing, self.budget.take(priority), until, self.budget.wait(priority))
            await self._wait(doing, self._turn.acquire(), until, 1.0)
            try:
                return await self._once(doing, method, parameters or {}, about, as_json, until)
            except RateLimited as error:
                # The venue counts what other processes asked with the key too, and what this one did before it started.
                self.budget.left(0.0)
                if about is not About.READ or not error.why.startswith(_COUNTER_FULL):
                    raise
            finally:
                self._turn.release()

    async def _once(
        self, doing: str, method: str, parameters: Mapping[str, Any], about: About, as_json: bool, until: float
    ) -> Any:
        try:
            return await self._signed(doing, method, parameters, about, as_json, until)
        except NotAuthorised as error:
            if INVALID_NONCE not in error.why:
                raise
        # Nothing was carried out; a number that was overtaken on its way is made up for once.
        return await self._signed(doing, method, parameters, about, as_json, until)

    async def _signed(
        self, doing: str, method: str, parameters: Mapping[str, Any], about: About, as_json: bool, until: float
    ) -> Any:
        path, nonce = f"/0/private/{method}", str(self.nonces.take())
        given = {**parameters, "otp": self.otp or None}
        body = json_body(nonce, given) if as_json else form_body(nonce, given)
        headers = {
            "API-Key": self.key,
            "API-Sign": api_sign(self.secret.reveal(), path, nonce, body),
            "Content-Type": "application/json" if as_json else "application/x-www-form-urlencoded",
        }
        return await self._exchange(doing, "POST", path, body, headers, about, until)

    async def _exchange(
        self, doing: str, verb: str, target: str, body: bytes, headers: dict[str, str], about: About, until: float
    ) -> Any:
        sending = Deferred.fromCoroutine(self._send(doing, verb, target, body, headers, about))
        try:
            answer = await sending.addTimeout(max(0.0, until - self.clock.seconds()), self.clock)
        except TimeoutError:
            raise self._error(_doubt(about), doing, f"no answer in {self.deadline:g} s") from None
        return self._read(doing, answer, about)

    async def _send(
        self, doing: str, verb: str, target: str, body: bytes, headers: dict[str, str], about: About
    ) -> Answer:
        told = {"User-Agent": "ilp", "Accept": "application/json", **headers}
        try:
            return await exchange(self.http, verb, self.endpoint + target, headers=told, body=body, limit=_LARGEST)
        except Broken as broken:
            raise self._error(_doubt(about) if broken.sent else Unreachable, doing, str(broken)) from None
        except BadAddress as wrong:
            raise self._error(Refused, doing, f"{self.endpoint!r} cannot be asked: {wrong}") from None

    def _read(self, doing: str, answer: Answer, about: About) -> Any:
        try:
            document = _decoder.decode(answer.body)
            texts = [str(text) for text in document["error"]]
        except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError) as garbage:
            if answer.status != 200:
                raise http_error(self.venue, doing, answer.status, about) from None
            raise self._error(_doubt(about), doing, f"an answer that nobody can read: {garbage}") from None
        errors = faults(texts)
        if errors:
            raise error_for(self.venue, doing, [self.redactor.clean(text) for text in errors], about, self.wall())
        if answer.status != 200:
            raise http_error(self.venue, doing, answer.status, about)
        return document.get("result")

    async def _wait(self, doing: str, place: Deferred[Any], until: float, wait: float) -> None:
        if place.called:
            await place
            return
        try:
            await place.addTimeout(max(0.0, until - self.clock.seconds()), self.clock)
        except TimeoutError:
            why = "other calls go first, or the rate budget is used up; nothing was sent"
            raise RateLimited(self.venue, doing, why, retry_after=max(wait, 0.1)) from None

    def _error(self, kind: type[ExchangeError], doing: str, why: str) -> ExchangeError:
        return kind(self.venue, doing, self.redactor.clean(why))


def _doubt(about: About) -> type[ExchangeError]:
    return Unreachable if about is About.READ else OutcomeUnknown
