"""A bare HTTP client for the REST façade that shares no code with ours: signs, posts, reads.

poster = Poster(reactor, "http://127.0.0.1:8880", key, secret)
status, envelope = await poster.post("rpc/trader/get_positions")
status, headers, body = await poster.raw(b"POST", "/api/rpc/market/get_markets", b"{}")
"""

from __future__ import annotations

import hashlib
import hmac
import json
from io import BytesIO
from typing import Any

from twisted.web.client import Agent, FileBodyProducer, readBody
from twisted.web.http_headers import Headers

__all__ = ["Poster"]


class Poster:
    """Requests to one venue; the nonce counts up from 1."""

    def __init__(self, reactor: Any, base: str, key: str = "", secret: str = "") -> None:
        self._agent = Agent(reactor)
        self.base = base
        self.key = key
        self.secret = secret
        self.nonce = 0

    async def raw(self, method: bytes, path: str, body: bytes = b"", **headers: str) -> tuple[int, Headers, bytes]:
        """Any request; its status, headers and body."""
        producer = FileBodyProducer(BytesIO(body)) if body else None
        sent = Headers({name: [value] for name, value in headers.items()})
        response: Any = await self._agent.request(method, (self.base + path).encode(), sent, producer)
        return response.code, response.headers, await readBody(response)

    async def send(self, function: str, document: Any, signature: str | None = None) -> tuple[int, Any]:
        """POST a document as JSON; its status and envelope."""
        headers = {} if signature is None else {"Authorization": signature}
        status, _, body = await self.raw(b"POST", f"/api/{function}", json.dumps(document).encode(), **headers)
        return status, json.loads(body)

    async def post(self, function: str, /, **payload: Any) -> tuple[int, Any]:
        """A signed call with its parameters by name; its status and envelope."""
        self.nonce += 1
        return await self.signed(function, {"payload": payload, "auth": {"key": self.key, "nonce": self.nonce}})

    async def signed(self, function: str, document: Any, *, lower: bool = False) -> tuple[int, Any]:
        """A document with its signature."""
        mac = hmac.new(self.secret.encode(), json.dumps(document).encode(), hashlib.sha256).hexdigest()
        return await self.send(function, document, mac if lower else mac.upper())

    async def result(self, function: str, /, **payload: Any) -> Any:
        """A signed call that must succeed."""
        status, envelope = await self.post(function, **payload)
        assert (status, envelope["success"]) == (200, True), envelope
        return envelope["result"]
