"""Proofs of identity: salted WAMP-CRA signatures, one-time codes, cookies.  Knows no session and no exchange."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime

from attrs import define, field, frozen

__all__ = ["Accepted", "Asked", "Authenticator", "Denied", "Login", "Outcome", "derive_key", "one_time_code", "sign"]

ITERATIONS = 1000
KEY_LENGTH = 32
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_STEP = 30  # seconds that a one-time code lives


def derive_key(password: str, salt: str) -> str:
    """PBKDF2-HMAC-SHA256 of the password as Base64 text; that text itself keys the signature."""
    raw = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), ITERATIONS, KEY_LENGTH)
    return base64.b64encode(raw).decode()


def sign(key: str, challenge: str) -> str:
    """Base64 of the HMAC-SHA256 over the challenge exactly as sent."""
    return base64.b64encode(hmac.new(key.encode(), challenge.encode(), hashlib.sha256).digest()).decode()


def one_time_code(secret: str, step: int) -> str:
    """The six digits of RFC 6238 for the *step*-th half minute since the epoch; *secret* is Base32."""
    digest = hmac.new(base64.b32decode(secret), step.to_bytes(8, "big"), hashlib.sha1).digest()
    start = digest[-1] & 15
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{number % 1_000_000:06d}"


@define
class Login:
    """What an account is recognised by.

    :ivar stored: `salt:key`, as registered.
    :ivar totp: Base32 secret once enabled; `totp_active` once it was verified; `totp_used` the last accepted step.
    """

    username: str
    stored: str = field(repr=False)
    totp: str | None = field(default=None, repr=False)
    totp_active: bool = False
    totp_used: int = -1
    cookie: str | None = field(default=None, repr=False)

    @classmethod
    def with_password(cls, username: str, password: str, salt: str) -> Login:
        """A login for a clear password; the salt must not contain a colon."""
        return cls(username, f"{salt}:{derive_key(password, salt)}")

    @property
    def salt(self) -> str:
        """The part that a challenge discloses."""
        return self.stored.partition(":")[0]

    @property
    def key(self) -> str:
        """What signatures are checked with."""
        return self.stored.partition(":")[2]

    def take_code(self, code: str, now: datetime) -> bool:
        """Whether *code* is one of the three around *now* and newer than the last accepted; it is used up then."""
        if self.totp is None:
            return False
        step = int(now.timestamp()) // _STEP
        for candidate in (step - 1, step, step + 1):
            if candidate > self.totp_used and hmac.compare_digest(
                one_time_code(self.totp, candidate).encode(), code.encode()
            ):
                self.totp_used = candidate
                return True
        return False


@frozen
class Accepted:
    """The session may begin."""

    authid: str
    authrole: str
    authmethod: str
    authprovider: str


@frozen
class Asked:
    """The client must prove itself: send *extra* and wait for its signature."""

    method: str
    extra: dict[str, str | int]
    authid: str
    challenge: str = field(repr=False)


@frozen
class Denied:
    """No session; *message* goes into the ABORT."""

    message: str


Outcome = Accepted | Asked | Denied


@define
class Authenticator:
    """Decides logins.

    :ivar find: the login of a username, or None.
    :ivar now: the world's time, for one-time codes and challenges.
    """

    find: Callable[[str], Login | None]
    now: Callable[[], datetime]
    random: random.Random

    def begin(self, methods: list[str], authid: str | None, session: int) -> Outcome:
        """Choose the method as the original does: anonymous, cookie, wampcra, whatever the client's order."""
        if "anonymous" in methods:
            return Accepted("anonymous", "anonymous", "anonymous", "anonymous")
        if "cookie" in methods:
            return self._ask("cookie", authid or "anonymous", session)
        if "wampcra" in methods:
            return self._ask("wampcra", authid or "anonymous", session)
        return Denied("No authentication methods found.")

    def _ask(self, method: str, authid: str, session: int) -> Asked:
        login = self.find(authid)
        # An unknown user gets a salt that stays the same, so that asking does not tell who exists.
        salt = login.salt if login else hashlib.md5(f"ilp{authid}venue".encode()).hexdigest()[:8]
        now = self.now().astimezone(UTC)
        challenge = json.dumps(
            {
                "authid": authid,
                "authrole": "user",
                "authmethod": method,
                "authprovider": "database",
                "session": session,
                "nonce": self.token(),
                "timestamp": now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z",
            }
        )
        extra: dict[str, str | int] = {"challenge": challenge, "salt": salt}
        if method == "wampcra":
            extra |= {"iterations": ITERATIONS, "keylen": KEY_LENGTH}
        return Asked(method, extra, authid, challenge)

    def token(self) -> str:
        """Sixteen random characters, as nonces and cookies have."""
        return "".join(self.random.choices(_ALPHABET, k=16))

    def finish(self, asked: Asked, signature: str, otp: object) -> Accepted | Denied:
        """Check the answer to a challenge."""
        login = self.find(asked.authid)
        if asked.method == "cookie":
            if login is None or login.cookie is None or not hmac.compare_digest(login.cookie, signature):
                return Denied("No suitable authentication methods found.")
            return Accepted(login.username, "user", "cookie", "cookie")
        # Compared as bytes: a signature is what the client says, and need not be ASCII.
        if login is None or not hmac.compare_digest(sign(login.key, asked.challenge).encode(), signature.encode()):
            return Denied("Invalid signature.")
        if login.totp_active and not isinstance(otp, str):
            return Denied("Missing TOTP.")
        if login.totp_active and not login.take_code(str(otp), self.now()):
            return Denied("Invalid TOTP.")
        return Accepted(login.username, "user", "wampcra", "database")
