"""Who is signed in: random tokens in memory, each with its user, its forgery token and its end.

Owns when a session ends.  Knows neither cookies nor passwords; a restart of the daemon ends every session.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from enum import StrEnum

from attrs import define, field
from twisted.internet.interfaces import IReactorTime

__all__ = ["Role", "Session", "Sessions"]

MAX_SESSIONS = 1000  # signed in at once; the one unused for longest makes room
_TOKEN_BYTES = 32


class Role(StrEnum):
    """What a user may do: look, or act as well."""

    VIEWER = "viewer"
    OPERATOR = "operator"


@define(eq=False)
class Session:
    """One browser that signed in.

    :ivar token: what the cookie carries; :ivar csrf: what every POST of this browser carries besides.
    :ivar created: and `used`: seconds of the reactor's clock.
    :ivar on_end: called once when the session ends, by whatever cause.
    """

    user: str
    role: Role
    token: str = field(repr=False)
    csrf: str = field(repr=False)
    created: float
    used: float
    on_end: set[Callable[[], None]] = field(factory=set, repr=False)

    def accepts(self, csrf: str) -> bool:
        """Whether *csrf* is this session's forgery token, compared in constant time."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode())


@define
class Sessions:
    """All sessions.

    :ivar lifetime: seconds after which a session ends in any case.
    :ivar idle: seconds without a request and without an open page after which it ends.
    :ivar entropy: makes a token of that many random bytes.
    """

    clock: IReactorTime
    lifetime: float = 12 * 3600
    idle: float = 30 * 60
    entropy: Callable[[int], str] = secrets.token_urlsafe
    _by_token: dict[str, Session] = field(factory=dict, init=False, repr=False)

    def open(self, user: str, role: Role) -> Session:
        """Sign *user* in."""
        self._sweep()  # here and not by a timer: nobody needs an ended session before the next one begins
        if len(self._by_token) >= MAX_SESSIONS:
            self.end(min(self._by_token.values(), key=lambda s: s.used))
        now = self.clock.seconds()
        session = Session(user, role, self.entropy(_TOKEN_BYTES), self.entropy(_TOKEN_BYTES), now, now)
        self._by_token[session.token] = session
        return session

    def find(self, token: str) -> Session | None:
        """The live session of *token*, marked as used now; None when there is none (any more)."""
        # A lookup by the token itself: with 256 random bits its timing tells nothing that could be guessed.
        session = self._by_token.get(token)
        if session is None or not self.is_live(session):
            return None
        session.used = self.clock.seconds()
        return session

    def is_live(self, session: Session) -> bool:
        """Whether *session* still counts; ends it when its time is over."""
        if session.token not in self._by_token:
            return False
        now = self.clock.seconds()
        if now - session.created < self.lifetime and now - session.used < self.idle:
            return True
        self.end(session)
        return False

    def end(self, session: Session) -> None:
        """Sign out; harmless when it has ended already."""
        if self._by_token.pop(session.token, None) is not None:
            for end in tuple(session.on_end):
                end()

    def end_all(self) -> None:
        """Sign everybody out, at shutdown."""
        for session in tuple(self._by_token.values()):
            self.end(session)

    def _sweep(self) -> None:
        for session in tuple(self._by_token.values()):
            self.is_live(session)
