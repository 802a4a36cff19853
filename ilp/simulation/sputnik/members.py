"""The users of a Sputnik exchange beyond what the core knows of them: login, profile, keys, tokens."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from attrs import define, field

from .auth import Login, derive_key

__all__ = ["ApiKey", "Member", "Members", "Profile"]

_SALT = "0123456789abcdefghijklmnopqrstuvwxyz"
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_TOKEN_LIFE = timedelta(hours=2)


@define
class Profile:
    """What a user may tell about himself."""

    email: str
    nickname: str = "anonymous"
    locale: str | None = None
    audit_secret: str = field(default="", repr=False)
    notifications: dict[str, list[str]] = field(factory=dict)


@define
class ApiKey:
    """A pair that signs REST requests; *nonce* is the last one accepted."""

    key: str
    secret: str = field(repr=False)
    expires: datetime


@define
class Member:
    """One user.

    :ivar reset: mailed token to set a new password, and until when it is good.
    """

    login: Login
    profile: Profile
    api: ApiKey | None = None
    nonce: int = 0
    reset: tuple[str, datetime] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The username."""
        return self.login.username


class Members:
    """All users by name.

    :param random: source of salts and secrets, so that a seed repeats them.
    :param limit: how many there may be.
    """

    def __init__(self, random: random.Random, now: Callable[[], datetime], limit: int = 500) -> None:
        self._random = random
        self.now = now
        self._members: dict[str, Member] = {}
        self.limit = limit

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def __iter__(self) -> Iterator[Member]:
        return iter(tuple(self._members.values()))

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, name: str) -> Member:
        return self._members[name]

    def login(self, name: str) -> Login | None:
        """How that user logs in, None when there is none.

        A quirk of the original: its lookup finds users by their API key too, and the session bears the key as its name
        then, which is nobody's.
        """
        if name in self._members:
            return self._members[name].login
        for member in self._members.values():
            if member.api is not None and member.api.key == name:
                return Login(name, member.login.stored)
        return None

    def add(self, name: str, password: str) -> Member:
        """A user with a clear password."""
        salt = "".join(self._random.choices(_SALT, k=8))
        return self.register(name, f"{salt}:{derive_key(password, salt)}")

    def register(self, name: str, stored: str, nickname: str = "anonymous", locale: str | None = None) -> Member:
        """A user with a stored password, `salt:key`.  The e-mail address becomes the name, as in the original."""
        profile = Profile(name, nickname, locale, self.secret(32))
        member = self._members[name] = Member(Login(name, stored), profile)
        return member

    def secret(self, octets: int) -> str:
        """Base64 text of that many random octets."""
        return base64.b64encode(self._random.randbytes(octets)).decode()

    def issue_key(self, name: str, expires: datetime) -> ApiKey:
        """A new pair for REST; the one before it is good no longer."""
        pair = self._members[name].api = ApiKey(self.secret(32), self.secret(32), expires)
        return pair

    def totp_secret(self) -> str:
        """A fresh Base32 secret for one-time codes."""
        return "".join(self._random.choices(_BASE32, k=16))

    def issue_reset(self, name: str) -> None:
        """Mail a reset token, which here means to keep it; nothing happens for unknown names."""
        if name in self._members:
            self._members[name].reset = (self.secret(12), self.now() + _TOKEN_LIFE)
