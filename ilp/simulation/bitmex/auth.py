"""API keys of the simulated BitMEX and the check of what was signed with them.  Pure; shares no code with any client."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from attrs import define, field

from ilp.simulation.bitmex.errors import ApiError

__all__ = ["ALL", "Key", "Keys"]

ALL = frozenset({"order", "orderCancel", "withdraw"})
_MILLISECONDS = 10**11  # what is larger is not seconds
_GRACE_S = 60.0  # for those who send milliseconds: they send the present instant as the end of validity


@define
class Key:
    """An API key.

    :ivar number: the account's number at the venue.
    :ivar permissions: of `order`, `orderCancel`, `withdraw`; none of them may read only.
    :ivar addresses: from which it may be used; empty for all.
    """

    id: str
    secret: str = field(repr=False)
    account: str
    number: int
    permissions: frozenset[str] = ALL
    enabled: bool = True
    addresses: frozenset[str] = frozenset()

    def require(self, permission: str) -> None:
        """`Access Denied` unless the key has it; who may place may cancel."""
        if permission not in self.permissions and not (permission == "orderCancel" and "order" in self.permissions):
            raise ApiError(403, "Access Denied")

    def row(self) -> dict[str, Any]:
        """As `/apiKey/self` shows it."""
        return {
            "id": self.id,
            "name": self.account,
            "nonce": 0,
            "cidr": "0.0.0.0/0",
            "cidrs": sorted(self.addresses) or ["0.0.0.0/0"],
            "permissions": sorted(self.permissions),
            "enabled": self.enabled,
            "userId": self.number,
            "created": "2020-01-01T00:00:00.000Z",
        }


@define
class Keys:
    """All keys.

    :ivar now: UNIX seconds; what expired before is refused.
    """

    keys: dict[str, Key] = field(factory=dict)

    def add(self, key: Key) -> Key:
        """Let *key* be used."""
        self.keys[key.id] = key
        return key

    def check(
        self, id: str, verb: str, path: str, expires: str, body: bytes, signature: str, now: float, peer: str = ""
    ) -> Key:
        """The key that signed this, or what the venue says instead; checked in the venue's order."""
        key = self.keys.get(id)
        if key is None:
            raise ApiError(401, "Invalid API Key.")
        if not key.enabled:
            raise ApiError(403, "This key is disabled.")
        if key.addresses and peer not in key.addresses:
            raise ApiError(403, "This IP address is not allowed to use this key.")
        wanted = hmac.new(key.secret.encode(), f"{verb}{path}{expires}".encode() + body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(wanted.encode(), signature.encode("utf-8", "replace")):
            raise ApiError(401, "Signature not valid.")
        if _seconds(expires) < now:
            raise ApiError(400, f"This request has expired - `expires` is in the past. Current time: {int(now)}")
        return key

    def of_headers(
        self, headers: Mapping[str, str], verb: str, path: str, body: bytes, now: float, peer: str = ""
    ) -> Key | None:
        """The key of a request's headers (or of a query with the same names); None when there is none."""
        id = headers.get("api-key", "").strip()
        if not id:
            return None
        expires, signature = headers.get("api-expires", "").strip(), headers.get("api-signature", "").strip()
        return self.check(id, verb, path, expires, body, signature, now, peer)


def _seconds(expires: str) -> float:
    try:
        number = float(expires)
    except ValueError:
        return 0.0
    return number / 1000 + _GRACE_S if number > _MILLISECONDS else number
