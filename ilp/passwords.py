"""Passwords of the console's users: how they are hashed, and how one is checked without stalling the reactor.

Owns nothing but the check.  Knows no sessions, no roles and no configuration file: who may try how often is the
console's business (`web.throttle`).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from functools import cache
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from attrs import define, field
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.threads import deferToThreadPool

__all__ = [
    "MAX_PASSWORD",
    "Busy",
    "PasswordChecker",
    "cleartext_users",
    "hash_password",
    "is_hash",
    "is_refused",
    "matches",
]

MAX_PASSWORD = 1024
"""Longest password in characters: longer ones would only be a way to keep the worker busy."""

_PREFIX = "$argon2"
_HASHER = PasswordHasher()  # argon2id; its defaults follow RFC 9106, about 50 ms and 64 MiB
_WAITING = 8  # checks in line; more is an attack, and the line would outlast everybody's patience


class Busy(Exception):
    """Too many passwords are being checked at this moment; nothing was checked."""


def hash_password(password: str) -> str:
    """The argon2id hash of *password* as it stands in `[users]`, with its own salt.  Takes about 50 ms.

    :raise ValueError: for an empty or overlong password.
    """
    if not 0 < len(password) <= MAX_PASSWORD:
        raise ValueError(f"a password has 1 to {MAX_PASSWORD} characters, this one has {len(password)}")
    return _HASHER.hash(password)


def is_hash(stored: str) -> bool:
    """Whether a value of `[users]` is a hash; everything else is a password in clear."""
    return stored.startswith(_PREFIX)


def is_refused(name: str, password: str) -> bool:
    """Whether these are the well-known default credentials, which never open anything, whatever the file says."""
    return name == "admin" and password == "admin"


def cleartext_users(users: Mapping[str, str]) -> tuple[str, ...]:
    """Names whose password stands in clear in the configuration, for the warning at start."""
    return tuple(name for name, stored in users.items() if not is_hash(stored))


def matches(stored: str, password: str) -> bool:
    """Compare in constant time (clear) or through argon2 (about 50 ms: not for the reactor's thread).

    A damaged hash matches nothing.
    """
    if not is_hash(stored):
        return hmac.compare_digest(stored.encode(), password.encode())
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


@define
class PasswordChecker:
    """Checks names and passwords in the reactor's thread pool, one at a time: each check needs 64 MiB.

    :ivar reactor: with a thread pool (`IReactorThreads`).
    :ivar users: name to hash or cleartext.
    """

    reactor: Any
    users: Mapping[str, str] = field(repr=False)
    _turn: DeferredSemaphore = field(factory=lambda: DeferredSemaphore(1), init=False, repr=False)
    _waiting: int = field(default=0, init=False)

    def check(self, name: str, password: str) -> Deferred[bool]:
        """Whether *password* is the one of *name*.  Fails with `Busy` when too many wait already.

        Unknown names take as long as known ones, so that the time tells nobody which names exist.
        """
        return Deferred.fromCoroutine(self._check(name, password))

    async def _check(self, name: str, password: str) -> bool:
        if self._waiting >= _WAITING:
            raise Busy(f"{self._waiting} passwords are being checked; try again in a few seconds")
        if len(password) > MAX_PASSWORD:
            return False
        self._waiting += 1  # those in line count too: they are what an attacker would pile up
        try:
            return await self._turn.run(self._in_worker, name, password)
        finally:
            self._waiting -= 1

    def _in_worker(self, name: str, password: str) -> Deferred[bool]:
        return deferToThreadPool(self.reactor, self.reactor.getThreadPool(), _decide, self.users, name, password)


def _decide(users: Mapping[str, str], name: str, password: str) -> bool:
    stored = users.get(name)
    if stored is None or not is_hash(stored):
        matches(_stranger(), password)  # for the time it takes only
    return stored is not None and matches(stored, password) and not is_refused(name, password)


@cache
def _stranger() -> str:
    return _HASHER.hash("nobody has this password")
