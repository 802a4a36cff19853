"""One session with a Sputnik exchange over REST: signed requests one at a time, nonces, deadlines, envelopes.

There is no login and no event here: a session is over when the venue cannot be reached or `fail` is called.  Knows no
state of the account.
"""

from __future__ import annotations

import hashlib
import heapq
import hmac
import json
from itertools import count
from typing import Any, TypeVar

import msgspec
from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime

from clients.budget import Priority
from clients.calls import bounded
from clients.exchange import ExchangeError, OutcomeUnknown, RateLimited, Refused, Unreachable
from clients.http import Answer, BadAddress, Broken, Requester, exchange
from clients.kraken_nonce import Nonces
from clients.redaction import Redactor, Secret
from clients.sputnik_errors import error_for
from clients.sputnik_procedures import is_private, payload
from clients.sputnik_session import Envelope
from clients.websocket import LineLost

__all__ = ["HttpSession", "Turns", "body_of", "signature"]

T = TypeVar("T")

_LARGEST = 64 * 2**20
_LEAST_LEFT = 0.3  # of a call's time: what could hardly be answered any more is not sent
_GRACE = 1.0  # seconds that a request has to end by itself after its deadline
_envelopes = msgspec.json.Decoder(Envelope)


def body_of(arguments: dict[str, Any], auth: dict[str, Any] | None) -> bytes:
    """A request's body; ASCII only, because the original server dies on anything else."""
    document: dict[str, Any] = {"payload": arguments}
    if auth is not None:
        document["auth"] = auth
    return json.dumps(document).encode("ascii")


def signature(secret: str, body: bytes) -> str:
    """HMAC-SHA256 of the body as it is sent, keyed with the secret's text itself, in upper-case hex."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().upper()


@define(eq=False)
class Turns:
    """One at a time, by priority: nonces have to arrive in their order."""

    _busy: bool = False
    _waiting: list[tuple[int, int, Deferred[None]]] = field(factory=list)
    _order: count[int] = field(factory=count)

    def take(self, priority: Priority) -> Deferred[None]:
        """Fires when it is one's turn; cancel it to give the place up, else call `leave` afterwards."""
        place: Deferred[None] = Deferred()
        if self._busy:
            heapq.heappush(self._waiting, (priority, next(self._order), place))
        else:
            self._busy = True
            place.callback(None)
        return place

    def leave(self) -> None:
        """The next one's turn."""
        while self._waiting:
            _, _, place = heapq.heappop(self._waiting)
            if not place.called:
                place.callback(None)
                return
        self._busy = False

    def stop(self, reason: Exception) -> None:
        """Everybody who waits fails with *reason*."""
        waiting, self._waiting = self._waiting, []
        for _, _, place in waiting:
            if not place.called:
                place.errback(reason)


@define(eq=False)
class HttpSession:
    """A session.

    :ivar base: scheme, host and port.
    :ivar authid: the API key; empty for public calls only.
    :ivar heard_at: when the last answer came, by the clock.
    """

    venue: str
    base: str
    authid: str = field(repr=False)
    secret: Secret
    http: Requester
    clock: IReactorTime
    nonces: Nonces
    redactor: Redactor
    heard_at: float = field(init=False, default=0.0)
    _turns: Turns = field(init=False, factory=Turns)
    _sending: dict[Deferred[Answer], None] = field(init=False, factory=dict)
    _reason: LineLost | None = field(init=False, default=None)
    _gone: Deferred[LineLost] = field(init=False, factory=Deferred)

    def __attrs_post_init__(self) -> None:
        self.heard_at = self.clock.seconds()

    def when_gone(self) -> Deferred[LineLost]:
        """Fires once, with the reason."""
        return self._gone

    def fail(self, reason: str) -> None:
        """The session is over; requests under way are given up."""
        if self._reason is not None:
            return
        self._reason = LineLost(self.redactor.clean(reason))
        for sending in list(self._sending):
            sending.cancel()
        self._turns.stop(self._error(Unreachable, "calling", f"connection lost: {reason}; nothing was sent"))
        self._gone.callback(self._reason)

    def lost(self, reason: LineLost) -> None:
        """Nothing is left to be told: whoever waited was told when the session failed."""

    async def close(self, limit: float) -> None:
        """End the session."""
        self.fail("disconnected")

    async def subscribe(self, *_: Any, **__: Any) -> None:
        """There are no feeds over REST."""
        raise NotImplementedError(f"{self.venue}: there are no feeds over REST")

    async def call(
        self,
        doing: str,
        procedure: str,
        arguments: tuple[Any, ...],
        result: type[T],
        changes_state: bool,
        limit: float,
        priority: Priority = Priority.READ,
    ) -> T:
        """One RPC, its result decoded as *result*, within *limit* seconds; errors are those of `clients.exchange`.

        Cancelling ends the waiting only: what was sent stays sent.
        """
        if self._reason is not None:
            raise self._error(Unreachable, doing, "not connected; nothing was sent")
        doubt: type[ExchangeError] = OutcomeUnknown if changes_state else Unreachable
        late = self._error(doubt, doing, f"no answer in {limit:.4g} s")
        request = self._request(doing, procedure, arguments, doubt, self.clock.seconds() + limit, priority)
        answer = await bounded(Deferred.fromCoroutine(request), limit + _GRACE, self.clock, lambda: late)
        envelope = self._envelope(doing, answer, doubt)
        if not envelope.success:
            raise error_for(self.venue, doing, self._clean(envelope.error), changes_state)
        try:
            return msgspec.json.decode(envelope.result, type=result)
        except (msgspec.MsgspecError, ValueError) as garbage:
            raise self._error(doubt, doing, f"an answer that nobody can read: {garbage}") from None

    async def answer(self, doing: str, path: str, limit: float) -> Answer:
        """An unsigned GET for its answer's headers, whatever the answer is, within *limit* seconds; ends no session."""
        late = self._error(Unreachable, doing, f"no answer in {limit:.4g} s")
        url, until = f"{self.base}{path}", self.clock.seconds() + limit
        request = self._send(doing, url, {}, b"", Unreachable, until, verb="GET")
        return await bounded(Deferred.fromCoroutine(request), limit + _GRACE, self.clock, lambda: late)

    async def _request(
        self,
        doing: str,
        procedure: str,
        arguments: tuple[Any, ...],
        doubt: type[ExchangeError],
        until: float,
        priority: Priority,
    ) -> Answer:
        named = payload(procedure, arguments)
        url = f"{self.base}/api/{procedure.replace('.', '/')}"
        headers = {"content-type": "application/json"}
        if not is_private(procedure):
            return await self._send(doing, url, headers, body_of(named, None), doubt, until)
        began = self.clock.seconds()
        await self._turn(doing, priority, until)
        try:
            if until - self.clock.seconds() < (until - began) * _LEAST_LEFT:
                raise self._not_our_turn(doing)
            # The nonce is drawn when the request goes: nothing that is sent later can overtake it.
            body = body_of(named, {"key": self.authid, "nonce": self.nonces.take()})
            headers["authorization"] = signature(self.secret.reveal(), body)
            return await self._send(doing, url, headers, body, doubt, until)
        finally:
            self._turns.leave()

    async def _turn(self, doing: str, priority: Priority, until: float) -> None:
        left = max(0.0, until - self.clock.seconds())
        try:
            await self._turns.take(priority).addTimeout(left, self.clock)
        except TimeoutError:
            raise self._not_our_turn(doing) from None

    def _not_our_turn(self, doing: str) -> RateLimited:
        why = "signed requests go one at a time, and it was not this one's turn in time; nothing was sent"
        return RateLimited(self.venue, doing, why, retry_after=1.0)

    async def _send(
        self, doing: str, url: str, headers: dict[str, str], body: bytes, doubt: type[ExchangeError], until: float,
        verb: str = "POST",
    ) -> Answer:  # fmt: skip
        if self._reason is not None:
            raise self._error(Unreachable, doing, "not connected; nothing was sent")
        sending = Deferred.fromCoroutine(exchange(self.http, verb, url, headers=headers, body=body, limit=_LARGEST))
        self._sending[sending] = None
        try:
            answer = await sending.addTimeout(max(0.0, until - self.clock.seconds()), self.clock)
        except TimeoutError:
            raise self._error(doubt, doing, "no answer in time") from None
        except CancelledError:
            raise self._error(doubt, doing, f"connection lost before the answer: {self._reason}") from None
        except Broken as broken:
            kind = doubt if broken.sent else Unreachable
            if self.clock.seconds() >= until:  # given up by us: while a name is looked up, that looks like a failure
                raise self._error(kind, doing, "no answer in time") from None
            error = self._error(kind, doing, str(broken))
            if verb == "POST":  # whoever only asks for the time ends no session
                self.fail(str(broken))
            raise error from None
        except BadAddress as wrong:
            raise self._error(Refused, doing, f"{self.base!r} cannot be asked: {wrong}") from None
        finally:
            self._sending.pop(sending, None)
        self.heard_at = self.clock.seconds()
        return answer

    def _envelope(self, doing: str, answer: Answer, doubt: type[ExchangeError]) -> Envelope:
        """Refusals come with any status, so the body is read whatever it is."""
        try:
            return _envelopes.decode(answer.body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            why = f"an answer that nobody can read, with HTTP status {answer.status}"
            kind = Refused if answer.status in (403, 404, 405) else doubt
            raise self._error(kind, doing, why) from None

    def _error(self, kind: type[ExchangeError], doing: str, why: str) -> ExchangeError:
        return kind(self.venue, doing, self.redactor.clean(why))

    def _clean(self, error: list[Any] | str) -> list[Any]:
        parts = [error] if isinstance(error, str) else error
        return [self.redactor.clean(part) if isinstance(part, str) else part for part in parts]
