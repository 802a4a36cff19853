"""One logged-in session with a Sputnik exchange on one connection: login, calls with deadlines, feeds.

Knows the protocol's envelopes and errors; keeps no state of the account and does not reconnect.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from attrs import define, field, frozen
from twisted.internet.interfaces import IReactorTime

from clients.budget import Priority
from clients.calls import bounded
from clients.exchange import ExchangeError, NotAuthorised, OutcomeUnknown, Unreachable
from clients.redaction import Redactor, Secret
from clients.sputnik_errors import error_for
from clients.wamp import Aborted, Answer, CallFailed, Challenge, ProtocolError, WampSession, Welcome
from clients.wamp_login import CodeNotReady, OneTimeCodes, answer_cra, challenge_time
from clients.websocket import Line, LineLost

__all__ = ["SUBPROTOCOL", "Credentials", "Session"]

REALM = "sputnik"
SUBPROTOCOL = "wamp.2.json"  # with JSON only, keys of dictionaries are always texts
NO_COOKIE = Secret("")

T = TypeVar("T")


class _Heard(Exception):
    """The challenge has come, and nothing else was wanted."""


def _outside(began: datetime, stamp: datetime | None, heard: datetime) -> timedelta | None:
    """How far *stamp* is outside of the time between our question and its answer: what is within is latency."""
    if stamp is None:
        return None
    return max(stamp - heard, timedelta(0)) - max(began - stamp, timedelta(0))


class Envelope(msgspec.Struct):
    """2.1: what every RPC answers."""

    success: bool
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: list[Any] | str = ""


_envelopes = msgspec.json.Decoder(tuple[Envelope])
_first = msgspec.json.Decoder(list[msgspec.Raw])


@frozen
class Credentials:
    """Whom to log in as; an empty `id` joins anonymously.

    :ivar codes: one-time codes, for accounts with a second factor.
    :ivar cookie: of an earlier session; logs in instead of password and code where there is one.
    """

    id: str
    secret: Secret
    codes: OneTimeCodes | None = None
    cookie: Secret = NO_COOKIE

    @property
    def method(self) -> str:
        """The one login method to offer."""
        if not self.id:
            return "anonymous"
        return "cookie" if self.cookie else "wampcra"

    def answer(self, challenge: Challenge, unix_time: float) -> Answer:
        """Sign the login challenge."""
        if self.cookie:
            return Answer(self.cookie.reveal(), {})  # the signature is the cookie itself, whatever the challenge
        code = None if self.codes is None else self.codes.take(unix_time)
        return answer_cra(challenge, self.secret.reveal(), code)


@define(eq=False)
class Session:
    """A joined session.

    :ivar authid: as the router told it; empty for an anonymous session.
    :ivar salt: of the stored password, as the login challenge told it.
    :ivar skew: by how much the venue's clock was ahead of ours when it made the challenge; None where that did not say when.
    :ivar trouble: told of messages that cannot be read.
    """

    venue: str
    line: Line
    clock: IReactorTime
    redactor: Redactor
    trouble: Callable[[Exception], None]
    authid: str = field(init=False, default="")
    salt: str = field(init=False, default="")
    skew: timedelta | None = field(init=False, default=None)
    _wamp: WampSession = field(init=False)
    _latest: dict[str, Callable[[], None]] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self._wamp = WampSession(self.line.say)
        self.line.on_message = self._message
        self.line.on_read_done = self._flush

    async def join(self, credentials: Credentials, now: Callable[[], datetime], limit: float) -> None:
        """Log in within *limit* seconds.

        :param now: the world's time, aware UTC.
        :raise NotAuthorised: the venue refuses these credentials; trying again with them is pointless.
        :raise Unreachable: anything else.
        """
        began = now()

        def answer(challenge: Challenge) -> Answer:
            self.salt = str(challenge.extra.get("salt") or "")
            self.skew = _outside(began, challenge_time(challenge), now())
            return credentials.answer(challenge, began.timestamp())

        welcome = await self._joined(credentials, answer, limit)
        if credentials.id:
            # The router's word counts: feeds are named after it.
            self.authid = str(welcome.details.get("authid", credentials.id))

    async def compare(self, credentials: Credentials, now: Callable[[], datetime], limit: float) -> None:
        """Ask for a challenge to learn `skew`, and leave it unanswered: the session is good for nothing else.

        :raise Unreachable: none came within *limit* seconds.
        """
        began = now()

        def answer(challenge: Challenge) -> Answer:
            self.skew = _outside(began, challenge_time(challenge), now())
            raise _Heard

        with suppress(_Heard):
            await self._joined(credentials, answer, limit)

    async def _joined(self, credentials: Credentials, answer: Callable[[Challenge], Answer], limit: float) -> Welcome:
        joining = self._wamp.join(REALM, credentials.method, credentials.id or None, answer)
        late = self._error(Unreachable, "logging in", f"no answer in {limit:.4g} s")
        try:
            return await bounded(joining, limit, self.clock, lambda: late)
        except Aborted as refusal:
            raise self._refused(refusal) from None
        except (LineLost, CodeNotReady, ValueError) as error:
            raise self._error(Unreachable, "logging in", str(error)) from None

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
        """One RPC, its result decoded as *result*, within *limit* seconds.

        Raises the classes of `clients.exchange`; whatever leaves open whether a call that changes state was carried out
        (no answer, lost connection, unreadable answer) is `OutcomeUnknown`.
        """
        if self._wamp.is_lost or not self.line.can_send:
            raise self._error(Unreachable, doing, "not connected; nothing was sent")
        doubt: type[ExchangeError] = OutcomeUnknown if changes_state else Unreachable
        late = self._error(doubt, doing, f"no answer in {limit:.4g} s")
        try:
            values = await bounded(self._wamp.call(procedure, *arguments), limit, self.clock, lambda: late)
            (envelope,) = _envelopes.decode(values)
            if envelope.success:
                return msgspec.json.decode(envelope.result, type=result)
            failed = envelope.error
        except CallFailed as refusal:
            failed = [refusal.uri, *refusal.arguments]
        except LineLost as lost:
            raise self._error(doubt, doing, f"connection lost before the answer: {lost}") from None
        except (msgspec.MsgspecError, ValueError) as garbage:
            raise self._error(doubt, doing, f"an answer that nobody can read: {garbage}") from None
        raise error_for(self.venue, doing, self._clean(failed), changes_state)

    async def subscribe(
        self,
        topic: str,
        kind: type[T],
        handler: Callable[[T], None],
        unreadable: Callable[[], None],
        *,
        latest_only: bool,
        limit: float,
    ) -> None:
        """Have *handler* called with each event of *topic*, decoded as *kind*; returns once the router has confirmed.

        :param unreadable: called instead for an event that cannot be decoded, after `trouble` was told.
        :param latest_only: of several events in one read only the last is decoded: for complete states like books.
        """
        decoder = msgspec.json.Decoder(kind)

        def handle(values: msgspec.Raw) -> None:
            try:
                event = decoder.decode(_first.decode(values)[0])
            except (msgspec.MsgspecError, IndexError) as garbage:
                self.trouble(self._error(Unreachable, f"reading {topic}", f"an event that nobody can read: {garbage}"))
                unreadable()
            else:
                handler(event)

        def keep(values: msgspec.Raw) -> None:
            self._latest[topic] = lambda: handle(values)

        doing = f"subscribing to {topic}"
        subscribed = self._wamp.subscribe(topic, keep if latest_only else handle)
        late = self._error(Unreachable, doing, f"no answer in {limit:.4g} s")
        try:
            await bounded(subscribed, limit, self.clock, lambda: late)
        except CallFailed as refusal:
            raise error_for(self.venue, doing, self._clean([refusal.uri, *refusal.arguments]), False) from None
        except LineLost as lost:
            raise self._error(Unreachable, doing, f"connection lost: {lost}") from None

    def lost(self, reason: LineLost) -> None:
        """The line is gone: every call that waits fails."""
        self._latest.clear()
        self._wamp.lost(reason)

    async def close(self, limit: float) -> None:
        """Say goodbye and hang up; returns when the connection is gone, by force after *limit* seconds."""
        try:
            await bounded(self._wamp.leave(), limit, self.clock, lambda: LineLost("no goodbye"))
        except LineLost:
            self.line.drop("no goodbye")
        await self.line.hang_up(self.clock, limit)

    def _message(self, payload: bytes) -> None:
        # Whatever is not an event may be newer than a book that waits to be decoded, so the order is kept for it.
        if self._latest and not payload.startswith(b"[36,"):
            self._flush()
        try:
            self._wamp.received(payload)
        except ProtocolError as error:
            self.trouble(self._error(Unreachable, "reading", str(error)))
            self.line.drop(str(error))

    def _flush(self) -> None:
        latest, self._latest = self._latest, {}
        for handle in latest.values():
            handle()

    def _refused(self, refusal: Aborted) -> ExchangeError:
        """1.12: the reason is always the same, only the words tell why."""
        words = self.redactor.clean(refusal.message) or "no reason given"
        if refusal.reason not in (
            "wamp.error.not_authorized",
            "wamp.error.authorization_failed",
            "wamp.error.no_such_realm",
        ):
            return Unreachable(self.venue, "logging in", words, refusal.reason)
        if refusal.message == "Server error.":
            return Unreachable(self.venue, "logging in", "the server failed while it checked the login", refusal.reason)
        hints = {
            "Invalid signature.": "user name or password is wrong",
            "No suitable authentication methods found.": "the cookie is not good any more, or the user does not exist",
            "Missing TOTP.": "the account wants one-time codes: set totp_secret",
            "Invalid TOTP.": "the one-time code was not accepted: check totp_secret and the clock",
        }
        return NotAuthorised(
            self.venue, "logging in", f"{words} {hints.get(refusal.message, '')}".strip(), refusal.reason
        )

    def _error(self, kind: type[ExchangeError], doing: str, why: str) -> ExchangeError:
        return kind(self.venue, doing, self.redactor.clean(why))

    def _clean(self, error: list[Any] | str) -> list[Any]:
        parts = [error] if isinstance(error, str) else error
        return [self.redactor.clean(part) if isinstance(part, str) else part for part in parts]
