"""Keys of the simulated Kraken: signatures, nonces, rights, session tokens, and the counters of what each key asks."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any

from attrs import define, field, frozen

from .errors import INVALID_SESSION, PERMISSION_DENIED, KrakenError

__all__ = ["RIGHTS", "TIERS", "Counter", "Key", "Keys", "Tier"]

RIGHTS = (
    "query_funds",
    "deposit",
    "withdraw",
    "query_open_orders",
    "query_closed_orders",
    "modify_orders",
    "cancel_orders",
    "query_ledger",
    "websocket",
)
_TOKEN_LIFE = timedelta(minutes=15)


@frozen
class Tier:
    """What a verification tier may ask: the key's counter and that of the orders of a pair."""

    calls: float
    call_drain: float
    orders: float
    order_drain: float
    open_orders: int


TIERS = {
    "starter": Tier(15, 0.33, 60, 1, 60),
    "intermediate": Tier(20, 0.5, 125, 2.34, 80),
    "pro": Tier(20, 1, 180, 3.75, 225),
}


@define
class Counter:
    """A counter that falls by *drain* a second."""

    maximum: float
    drain: float
    level: float = 0.0
    at: float = 0.0

    def add(self, cost: float, now: float) -> bool:
        """Count; False when it would pass the maximum, and then nothing is counted."""
        level = max(0.0, self.level - self.drain * (now - self.at))
        if level + cost > self.maximum:
            return False
        self.level, self.at = level + cost, now
        return True


@define(eq=False)
class Key:
    """An API key.

    :ivar rights: names out of `RIGHTS`; changed at will.
    :ivar otp: static second factor, empty for none.
    """

    id: str
    secret: str = field(repr=False)
    account: str
    rights: set[str] = field(factory=lambda: set(RIGHTS))
    otp: str = ""
    nonce: int = 0
    counter: Counter | None = None

    def need(self, *rights: str) -> None:
        """Refuse unless the key has one of *rights*."""
        if rights and not self.rights.intersection(rights):
            raise KrakenError(PERMISSION_DENIED)


class Keys:
    """All keys and the tokens of their sessions.

    :param now: the world's time; tokens that nobody used expire by it.
    :param tier: name of the tier that limits the keys, None for no limits.
    """

    def __init__(self, random: Random, now: Callable[[], datetime], seconds: Callable[[], float], tier: str | None):
        self._random, self._now, self._seconds = random, now, seconds
        self.tier = None if tier is None else TIERS[tier]
        self._keys: dict[str, Key] = {}
        self._tokens: dict[str, tuple[Key, datetime]] = {}

    def add(self, account: str, id: str = "", secret: str = "") -> Key:
        """A key with all rights; id and secret are made up where they are empty."""
        drawn = (
            base64.b64encode(self._random.randbytes(42)).decode(),
            base64.b64encode(self._random.randbytes(64)).decode(),
        )
        key = Key(id or drawn[0], secret or drawn[1], account)
        if self.tier is not None:
            key.counter = Counter(self.tier.calls, self.tier.call_drain)
        self._keys[key.id] = key
        return key

    def check(self, id: str, signature: str, path: str, body: bytes, parameters: Mapping[str, Any]) -> Key:
        """Whose call it is; refuses wrong signatures, old nonces and a wrong second factor."""
        key = self._keys.get(id)
        if key is None:
            raise KrakenError("EAPI:Invalid key")
        nonce = str(parameters.get("nonce", ""))
        inner = hashlib.sha256(nonce.encode() + body).digest()
        wanted = hmac.new(base64.b64decode(key.secret), path.encode() + inner, hashlib.sha512).digest()
        if not hmac.compare_digest(base64.b64encode(wanted).decode(), signature):
            raise KrakenError("EAPI:Invalid signature")
        if not (nonce.isascii() and nonce.isdigit()) or not key.nonce < int(nonce) < 2**64:
            raise KrakenError("EAPI:Invalid nonce")
        key.nonce = int(nonce)
        if key.otp and str(parameters.get("otp", "")) != key.otp:
            raise KrakenError("EGeneral:Permission denied")
        return key

    def charge(self, key: Key, cost: int) -> None:
        """Count a call."""
        if key.counter is not None and cost and not key.counter.add(cost, self._seconds()):
            raise KrakenError("EAPI:Rate limit exceeded")

    # ------------------------------------------------------------------------------------------------ tokens

    def token(self, key: Key) -> dict[str, Any]:
        """A session token, the result of `GetWebSocketsToken`."""
        text = base64.b64encode(self._random.randbytes(32)).decode()
        self._tokens[text] = (key, self._now() + _TOKEN_LIFE)
        return {"token": text, "expires": int(_TOKEN_LIFE.total_seconds())}

    def session(self, token: object, *, standing: bool) -> Key:
        """Whose token it is; one that has expired is good only where a private subscription stands."""
        found = self._tokens.get(str(token))
        if found is None or (found[1] < self._now() and not standing):
            raise KrakenError(INVALID_SESSION)
        return found[0]

    def forget_tokens(self) -> None:
        """Every session has to ask for a new token."""
        self._tokens.clear()
