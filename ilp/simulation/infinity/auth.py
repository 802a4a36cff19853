"""Who is logged in: one-time nonces, signatures, tokens with an end.  Knows no HTTP.

A token is an HS256 JWT (RFC 7519) with `sub`, `addr`, `iat`, `exp` and `jti`; times are the world's.  Refreshing gives a new
one and leaves the old one good for a minute, so that what is under way survives; nothing outlives its session of a week.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any

from attrs import define, evolve, field, frozen

from clients.infinity_signing import checksum_address, login_document, recover
from clients.infinity_terms import ErrorCode
from ilp.simulation.infinity.errors import ApiError, StatusError, invalid
from ilp.simulation.infinity.members import Members, User

__all__ = ["Access", "Session"]

_NONCE_LIFE = timedelta(minutes=5)
_GRACE = timedelta(seconds=60)
_MOST_NONCES = 10_000
_HEADER = {"alg": "HS256", "typ": "JWT"}


@frozen
class Session:
    """One good token.

    :ivar began: when its user logged in with a signature.
    :ivar ends: when it is good no more.
    """

    user: User
    token: str
    began: datetime
    ends: datetime


@frozen
class _Nonce:
    address: str
    document: dict[str, Any]
    ends: datetime


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@define(eq=False)
class Access:
    """Logins of one venue.

    :param draw: what nonces and the secret of the tokens are drawn from.
    :ivar chain_id: of the chain whose wallets it knows.
    :ivar life: of a token.
    :ivar session_life: from a login until its last token ends.
    """

    members: Members
    now: Callable[[], datetime]
    draw: Random
    chain_id: int = 11155111
    life: timedelta = timedelta(days=1)
    session_life: timedelta = timedelta(days=7)
    _nonces: dict[str, _Nonce] = field(factory=dict)
    _sessions: dict[str, Session] = field(factory=dict)
    _secret: bytes = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._secret = self.draw.randbytes(32)

    # ------------------------------------------------------------------------------------------------- login

    def challenge(self, address: str, chain_id: str) -> dict[str, Any]:
        """What has to be signed: `nonceHash`, and `eip712Message` as a text that holds JSON."""
        try:
            wallet = checksum_address(address)
        except ValueError as problem:
            raise invalid(f"addr: {problem}") from None
        if chain_id != str(self.chain_id):
            raise invalid(f"chainId: {chain_id!r} is not {self.chain_id}")
        self._forget_old()
        nonce = "0x" + self.draw.randbytes(32).hex()
        document = login_document(wallet, nonce, self.chain_id, int(self.now().timestamp()))
        self._nonces[nonce] = _Nonce(wallet.lower(), document, self.now() + _NONCE_LIFE)
        return {"nonceHash": nonce, "eip712Message": json.dumps(document, separators=(",", ":"))}

    def verify(self, address: str, nonce: str, signature: str) -> Session:
        """A first token for whoever signed; `ApiError` 1000 otherwise.  A nonce is good for one attempt."""
        found = self._nonces.pop(nonce, None)
        if found is None or found.ends < self.now() or found.address != address.lower():
            raise ApiError(ErrorCode.PERMISSION_DENIED, "the nonce is unknown, used or too old")
        try:
            signer = recover(found.document, signature)
        except ValueError as problem:
            raise ApiError(ErrorCode.PERMISSION_DENIED, str(problem)) from None
        user = self.members.user(address)
        if signer.lower() != address.lower() or user is None:
            raise ApiError(ErrorCode.PERMISSION_DENIED, f"signed by {signer}, not by {address}")
        return self._issue(user, self.now())

    def refresh(self, session: Session, token: str) -> Session:
        """A new token for a good one, which is its own refresh token; the old one ends within a minute."""
        if token != session.token:
            raise ApiError(ErrorCode.PERMISSION_DENIED, "not the token of this session")
        if session.began + self.session_life <= self.now():
            raise StatusError(401, "permission_denied")
        fresh = self._issue(session.user, session.began)
        self._sessions[token] = evolve(session, ends=min(session.ends, self.now() + _GRACE))
        return fresh

    def session(self, token: str) -> Session:
        """The session of a token; `StatusError` 401 when it is unknown, was revoked, or has ended."""
        found = self._sessions.get(token)
        if found is None or found.ends <= self.now():
            raise StatusError(401, "permission_denied")
        return found

    def logout(self, session: Session) -> None:
        """Its token is good no more."""
        self._sessions.pop(session.token, None)

    def revoke_all(self) -> None:
        """No token is good any more."""
        self._sessions.clear()

    # ------------------------------------------------------------------------------------------------- tokens

    def _issue(self, user: User, began: datetime) -> Session:
        ends = min(self.now() + self.life, began + self.session_life)
        claims = {
            "sub": str(user.id),
            "addr": user.address.lower(),
            "iat": int(self.now().timestamp()),
            "exp": int(ends.timestamp()),
            "jti": self.draw.randbytes(8).hex(),
        }
        body = ".".join(_encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (_HEADER, claims))
        mac = hmac.new(self._secret, body.encode(), hashlib.sha256).digest()
        session = Session(user, f"{body}.{_encoded(mac)}", began, ends)
        self._sessions[session.token] = session
        return session

    def _forget_old(self) -> None:
        now = self.now()
        self._nonces = {text: nonce for text, nonce in self._nonces.items() if nonce.ends >= now}
        while len(self._nonces) >= _MOST_NONCES:  # whoever only ever asks cannot fill the memory
            del self._nonces[next(iter(self._nonces))]
        self._sessions = {text: session for text, session in self._sessions.items() if session.ends > now}
