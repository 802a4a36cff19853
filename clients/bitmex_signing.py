"""Signatures of BitMEX requests and connections.  Pure; knows what is signed and nothing of sending.

`signature = hex(HMAC-SHA256(secret, VERB + PATH + EXPIRES + BODY))`, where PATH includes the query exactly as it is sent.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

__all__ = ["SOCKET_PATH", "body_of", "query_of", "rest_headers", "signature", "socket_command"]

SOCKET_PATH = "/realtime"  # signed for every connection, whatever path and query its URL has


def signature(secret: str, verb: str, path: str, expires: int | str, body: bytes = b"") -> str:
    """The lower-case hexadecimal signature of a request.

    :param path: from `/api/v1` on, the query as transmitted.
    :param expires: UNIX seconds after which the venue refuses the request, as they stand in the header.
    :param body: the bytes that are sent, empty for none.
    """
    message = f"{verb.upper()}{path}{expires}".encode() + body
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def rest_headers(key: str, secret: str, verb: str, path: str, expires: int, body: bytes = b"") -> dict[str, str]:
    """The three headers of a signed request."""
    return {
        "api-expires": str(expires),
        "api-key": key,
        "api-signature": signature(secret, verb, path, expires, body),
    }


def socket_command(key: str, secret: str, expires: int) -> dict[str, Any]:
    """What logs a WebSocket in."""
    return {"op": "authKeyExpires", "args": [key, expires, signature(secret, "GET", SOCKET_PATH, expires)]}


def query_of(parameters: Mapping[str, Any]) -> str:
    """`?name=value&…`, or nothing; objects and lists become JSON, times and numbers their text, None is left out."""
    parts = [f"{name}={quote(_text(value), safe='')}" for name, value in parameters.items() if value is not None]
    return f"?{'&'.join(parts)}" if parts else ""


def body_of(parameters: Mapping[str, Any] | None) -> bytes:
    """The one serialisation of a body: these bytes are signed and sent.  A Decimal becomes a plain JSON number."""
    if parameters is None:
        return b""
    fields = (f"{json.dumps(name)}:{_json(value)}" for name, value in parameters.items() if value is not None)
    return f"{{{','.join(fields)}}}".encode()


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _json(value) if isinstance(value, dict | list | tuple) else str(value)


def _json(value: Any) -> str:
    # `json` has no Decimals, and a detour by float would lose digits of a price.
    return f"{value:f}" if isinstance(value, Decimal) else json.dumps(value, separators=(",", ":"))
