"""Who is asking, and may they?  Sessions for browsers, HTTP Basic for scripts, forgery protection for both.

Owns the rules of admission; knows no routes and no acts.  Every answer is either a `Caller` or a `Refused`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
import secrets
from collections.abc import Mapping
from typing import Protocol

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.server import Request

from web.replies import Header, Refused, refusal
from web.sessions import Role, Session, Sessions
from web.throttle import Throttle

__all__ = ["Access", "Caller", "Checker", "Credentials"]

MAX_NAME = 128
_REMEMBERED_FOR = 300.0  # seconds for which a script's right password is not hashed again: it polls
_REMEMBERED = 64
_CHALLENGE: Header = (b"WWW-Authenticate", b'Basic realm="ILP", charset="UTF-8"')


class Checker(Protocol):
    """What checks a password (`ilp.passwords.PasswordChecker`)."""

    def check(self, name: str, password: str) -> Deferred[bool]:
        """Whether *password* is the one of *name*."""


@frozen
class Caller:
    """Somebody who proved who they are; `session` is None for a script."""

    user: str
    role: Role
    session: Session | None = None


@frozen
class Credentials:
    """What a request says of who sent it, whether it is plain HTTP or the start of a WebSocket.

    :ivar cookies: by name; :ivar browser: whether only a browser would send what came.
    """

    authorization: str
    cookies: Mapping[str, str] = field(repr=False)
    origin: str
    host: str
    fetch_site: str
    secure: bool
    address: str
    browser: bool

    @classmethod
    def of_request(cls, request: Request) -> Credentials:
        """Those of an HTTP request."""
        address = request.getClientAddress()
        headers = {name.decode("latin-1").lower(): values[-1].decode("latin-1")
                   for name, values in request.requestHeaders.getAllRawHeaders()}  # fmt: skip
        return cls.of_headers(headers, bool(request.isSecure()), str(getattr(address, "host", "")))

    @classmethod
    def of_headers(cls, headers: Mapping[str, str], secure: bool, address: str) -> Credentials:
        """Those of headers by lower-case name."""
        return cls(
            authorization=headers.get("authorization", ""),
            cookies=_cookies(headers.get("cookie", "")),
            origin=headers.get("origin", ""),
            host=headers.get("host", ""),
            fetch_site=headers.get("sec-fetch-site", ""),
            secure=secure,
            address=address,
            browser="sec-fetch-mode" in headers,
        )

    @property
    def is_foreign(self) -> bool:
        """Whether a page of somebody else's made this request."""
        # The Host header is the browser's own word for where the page came from: a page elsewhere cannot choose it.
        own = {f"https://{self.host}", *(() if self.secure else (f"http://{self.host}",))}  # a proxy may add the TLS
        return (self.origin != "" and self.origin not in own) or self.fetch_site in ("cross-site", "same-site")


@define
class Access:
    """Admission to the console.

    :ivar users: names only matter here; the passwords are the checker's.
    :ivar roles: by user; whoever is not listed is an operator.
    :ivar cookie: name of the session cookie; it holds the port, because browsers share cookies between ports.
    """

    clock: IReactorTime
    checker: Checker
    sessions: Sessions
    throttle: Throttle
    roles: Mapping[str, Role] = field(factory=dict)
    cookie: str = "ilp-session"
    _key: bytes = field(factory=lambda: secrets.token_bytes(32), init=False, repr=False)
    _remembered: dict[bytes, float] = field(factory=dict, init=False, repr=False)
    _at_home: set[tuple[str, str]] = field(factory=set, init=False, repr=False)
    _log = Logger(namespace="web.access")

    async def caller(self, credentials: Credentials) -> Caller:
        """Whoever made the request; refused with 401 when unknown, with 429 while slowed down."""
        # Basic wins over a cookie: a script that says who it is must not act as whoever is signed in beside it.
        if credentials.authorization:
            return await self._script(credentials)
        session = self.session(credentials)
        if session is None:
            raise refusal(401, "sign in first: there is no session, or it has ended", *_challenge(credentials))
        return Caller(session.user, session.role, session)

    def session(self, credentials: Credentials) -> Session | None:
        """The session of the browser's cookie, if it has a live one."""
        return self.sessions.find(credentials.cookies.get(self.cookie, ""))

    def check_act(self, caller: Caller, credentials: Credentials, csrf: str) -> None:
        """Refuse with 403 what a foreign page made the browser send, or what lacks the session's forgery token."""
        if credentials.is_foreign:
            raise refusal(403, "the request comes from a foreign page")
        if caller.session is not None and not caller.session.accepts(csrf):
            raise refusal(403, "the forgery token (header X-CSRF) is missing or wrong; reload the page")

    def check_operator(self, caller: Caller) -> None:
        """Refuse with 403 whoever may only look."""
        if caller.role is not Role.OPERATOR:
            raise refusal(403, f"{caller.user} may look, not act: that needs the role operator")

    async def sign_in(self, credentials: Credentials, name: str, password: str) -> Session:
        """A new session for the right password; 401 with the tries left otherwise, 429 while slowed down."""
        await self._prove(credentials, name, password)
        return self.sessions.open(name, self._role(name))

    async def _script(self, credentials: Credentials) -> Caller:
        if credentials.is_foreign:
            raise refusal(403, "HTTP Basic is for scripts: the request comes from a foreign page")
        name, password = _basic(credentials)
        # The key lives and dies with the process, so the digests in memory are worth nothing elsewhere.
        digest = hmac.digest(self._key, f"{name}\0{password}".encode(), hashlib.sha256)
        if self._remembered.get(digest, 0.0) <= self.clock.seconds():
            await self._prove(credentials, name, password)
            self._remember(digest)
        return Caller(name, self._role(name))

    async def _prove(self, credentials: Credentials, name: str, password: str) -> None:
        keys = self._keys(credentials, name)
        # Before the check: a slowed guesser must not even keep the worker busy.
        wait = self.throttle.wait(*keys)
        if wait > 0:
            raise _slowed(wait)
        if len(name) > MAX_NAME or not await self.checker.check(name, password):
            self.throttle.failed(*keys)
            # The name is left out: people type passwords into the wrong field.
            self._log.warn("wrong name or password from {address}", address=credentials.address)
            raise self._wrong(credentials, keys)
        self.throttle.succeeded(*keys)
        self._at_home.add((credentials.address, name))
        self._log.info("{user} proved who they are from {address}", user=name, address=credentials.address)

    def _keys(self, credentials: Credentials, name: str) -> tuple[tuple[str, str], ...]:
        # Whoever has signed in from an address before is not locked out of it by strangers who guess elsewhere.
        address = ("address", credentials.address)
        known = (credentials.address, name) in self._at_home
        return (address,) if known else (address, ("account", name[:MAX_NAME]))

    def _wrong(self, credentials: Credentials, keys: tuple[tuple[str, str], ...]) -> Refused:
        left = self.throttle.tries_left(*keys)
        then = f"{left} tries left before a pause" if left else "the next try has to wait"
        return refusal(401, f"name or password is wrong; {then}", *_challenge(credentials))

    def _remember(self, digest: bytes) -> None:
        if len(self._remembered) >= _REMEMBERED:
            del self._remembered[min(self._remembered, key=lambda d: self._remembered[d])]
        self._remembered[digest] = self.clock.seconds() + _REMEMBERED_FOR

    def _role(self, name: str) -> Role:
        return self.roles.get(name, Role.OPERATOR)


def _slowed(wait: float) -> Refused:
    seconds = max(1, math.ceil(wait))
    reason = f"too many wrong passwords; the next try is possible in {seconds} s"
    return refusal(429, reason, (b"Retry-After", str(seconds).encode()))


def _challenge(credentials: Credentials) -> tuple[Header, ...]:
    # A browser would open its own password box over the page, so only scripts are asked for HTTP Basic.
    return () if credentials.browser else (_CHALLENGE,)


def _basic(credentials: Credentials) -> tuple[str, str]:
    scheme, _, encoded = credentials.authorization.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError(scheme)
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (ValueError, binascii.Error):
        raise refusal(401, "Authorization is not readable: HTTP Basic is wanted", _CHALLENGE) from None
    if not colon:
        raise refusal(401, "Authorization is not readable: HTTP Basic is wanted", _CHALLENGE)
    return name, password


def _cookies(header: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return {name: value.strip('"') for name, _, value in pairs if name}
