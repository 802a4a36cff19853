"""Login at Infinity: a signed document for a token, the token refreshed each hour and everything done anew each week.

The private key is used here and nowhere else, and never leaves this module.  Whatever fails is a failure of the one who
asked, or told of and tried again; the token that was good stays until there is a better one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from clients.exchange import NotAuthorised, Refused, Unreachable
from clients.infinity_http import Http
from clients.infinity_signing import read_document, sign
from clients.redaction import Redactor, Secret

__all__ = ["Login"]

RETRY_FIRST_S, RETRY_LONGEST_S = 15.0, 600.0  # after a refresh or login that failed


@define(eq=False)
class Login:
    """One account's token.  Gives itself as `Http.tokens`.

    :ivar address: the wallet's.
    :ivar key: its 32 bytes.
    :ivar renewed: told after every login but the first of a connection: the WebSocket wants the new token too.
    :ivar trouble: told of what failed and nobody waits for.
    :ivar refresh_s, relogin_s: seconds between two refreshes, and between two logins.
    """

    venue: str
    http: Http
    address: str
    key: bytes = field(repr=False)
    chain: int
    clock: Any
    redactor: Redactor
    trouble: Callable[[Exception], None]
    refresh_s: float
    relogin_s: float
    renewed: Callable[[], None] = field(init=False, default=lambda: None)
    token: Secret = field(init=False, factory=lambda: Secret(""))
    _logging_in: Deferred[Secret] | None = field(init=False, default=None)
    _refreshing: Deferred[None] | None = field(init=False, default=None)
    _waiters: list[Deferred[Secret]] = field(init=False, factory=list)
    _timer: IDelayedCall | None = field(init=False, default=None)
    _login_due: float = field(init=False, default=float("inf"))
    _failures: int = field(init=False, default=0)
    _started: bool = field(init=False, default=False)

    # ------------------------------------------------------------------------------------------------ for calls

    async def bearer(self, doing: str) -> Secret:
        """The token; while a login is under way and there is none yet, waits for it."""
        if self.token:
            return self.token
        return await self._login_once()

    async def renew(self, doing: str, refused: Secret) -> Secret:
        """The token that came after *refused*; logs in when that is still the newest, once for all who ask."""
        if self.token and self.token.reveal() != refused.reveal():
            return self.token
        return await self._login_once()

    async def begin(self) -> None:
        """Log in, and keep the token fresh from now on.

        :raise NotAuthorised: the venue refuses this wallet or its signature.
        """
        await self._login_once()
        self._started = True
        self._schedule(self.refresh_s)

    def stop(self) -> None:
        """Keep nothing fresh any more; no timer is left and nobody waits."""
        self._started = False
        self._stop_timer()
        waiters, self._waiters = self._waiters, []  # first: nobody of them has cancelled anything
        for running in (self._logging_in, self._refreshing):
            if running is not None:
                running.cancel()
        self._logging_in = self._refreshing = None
        gone = Unreachable(self.venue, "logging in", "disconnected")
        for waiter in waiters:
            if not waiter.called:
                waiter.errback(gone)

    # ------------------------------------------------------------------------------------------------ logging in

    def _login_once(self) -> Deferred[Secret]:
        """Join the login under way, or begin one; each caller has a Deferred of its own."""
        waiter: Deferred[Secret] = Deferred(lambda d: self._waiters.remove(d) if d in self._waiters else None)
        self._waiters.append(waiter)
        if self._logging_in is None:
            running = self._logging_in = Deferred.fromCoroutine(self._login())
            running.addBoth(self._logged_in)
        return waiter

    def _logged_in(self, result: Secret | Failure) -> None:
        self._logging_in = None
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.called:
                waiter.callback(result)  # a Failure makes it fail

    async def _login(self) -> Secret:
        """The whole of it: ask for a document, sign it, hand the signature in."""
        doing, again = "logging in", bool(self.token)
        try:
            asked = await self.http.form(doing, "/login", {"addr": self.address, "chainId": str(self.chain)})
            nonce, signature = self._signed(doing, asked)
            fields = {"addr": self.address, "nonceHash": nonce, "signature": signature}
            self._take(doing, await self.http.form(doing, "/verify_login", fields))
        except Refused as refusal:  # a wrong chain too: the operator has to act, and asking again changes nothing
            raise NotAuthorised(self.venue, doing, refusal.why, refusal.code) from None
        self._login_due = self.clock.seconds() + self.relogin_s
        self._failures = 0
        if self._started:
            self._schedule(self.refresh_s)
        if again:
            self.renewed()
        return self.token

    def _signed(self, doing: str, answer: bytes) -> tuple[str, str]:
        try:
            told = json.loads(answer)
            document = read_document(told["eip712Message"])
            return str(told["nonceHash"]), sign(document, self.key)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Unreachable(self.venue, doing, f"the venue asks to sign what cannot be signed: {error!r}") from None

    def _take(self, doing: str, answer: bytes) -> None:
        """Keep the token of an answer; one without leaves the old one in place."""
        try:
            token = json.loads(answer)["accessToken"]["token"]
        except (ValueError, KeyError, TypeError):
            token = None
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise Unreachable(self.venue, doing, "the venue's answer has no token")
        self.token = Secret(token)
        self.redactor.add(self.token)

    # ------------------------------------------------------------------------------------------------ keeping it fresh

    def _schedule(self, seconds: float) -> None:
        self._stop_timer()
        wait = max(0.0, min(seconds, self._login_due - self.clock.seconds())) if not self._failures else seconds
        self._timer = self.clock.callLater(wait, self._keep_fresh)

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _keep_fresh(self) -> None:
        self._timer = None
        if self._refreshing is None:
            running = self._refreshing = Deferred.fromCoroutine(self._fresh())
            running.addBoth(self._fresh_ended)
            if running.called:
                self._refreshing = None

    def _fresh_ended(self, result: Any) -> None:
        self._refreshing = None
        error = result.value if isinstance(result, Failure) else None
        if error is None:
            self._failures = 0
        elif isinstance(error, CancelledError) or not self._started:
            return
        else:
            self._failures += 1
            self.trouble(error if isinstance(error, Exception) else RuntimeError(str(error)))
        if self._started and self._timer is None:
            again = min(RETRY_LONGEST_S, RETRY_FIRST_S * 2.0 ** min(self._failures - 1, 10))
            self._schedule(again if self._failures else self.refresh_s)

    async def _fresh(self) -> None:
        """A refresh, or a login where it is time for one or the refresh is refused."""
        if self.clock.seconds() < self._login_due:
            try:
                await self.refresh()
            except NotAuthorised:
                pass  # the token is dead: only a login helps
            else:
                return
        await self._login_once()

    async def refresh(self) -> None:
        """Exchange the token for a new one; on any failure the old one stays."""
        doing = "refreshing the token"
        token = await self.bearer(doing)
        answer = await self.http.form(doing, "/refresh_login", {"refreshToken": token.reveal()}, token)
        if token is self.token:  # a login meanwhile has brought a better one
            self._take(doing, answer)
