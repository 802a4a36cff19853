"""A bare HTTP client and a bare WebSocket client of the simulated Infinity, which share no code with ours."""

from __future__ import annotations

import json
from typing import Any

import treq
from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.web.client import Agent, HTTPConnectionPool

from clients.infinity_signing import decode_key, sign
from tests.clients.bench import eventually
from tests.simulation.infinity.world import ALICE, KEY


class Http:
    """Requests as others write them; nothing is kept between them.  Close it with `stop`."""

    def __init__(self, reactor: Any, base: str) -> None:
        self.base = base
        self._pool = HTTPConnectionPool(reactor, persistent=False)
        self._client = treq.client.HTTPClient(Agent(reactor, pool=self._pool))
        self.token = ""

    async def ask(
        self, method: str, path: str, body: bytes = b"", kind: str = "application/json", token: str | None = None
    ) -> tuple[int, Any]:
        """Status, and the document or the text of the answer."""
        headers = {"Content-Type": kind}
        if token or (token is None and self.token):
            headers["Authorization"] = f"Bearer {token or self.token}"
        response = await self._client.request(method, self.base + path, data=body, headers=headers)
        content = await response.content()
        try:
            return response.code, json.loads(content)
        except ValueError:
            return response.code, content

    async def login(self, address: str = ALICE, key: str = KEY) -> str:
        """Log in by two forms; the token."""
        form = "application/x-www-form-urlencoded"
        _, told = await self.ask("POST", "/login", f"addr={address}&chainId=11155111".encode(), form)
        document = json.loads(told["data"]["eip712Message"])
        body = f"addr={address}&nonceHash={told['data']['nonceHash']}&signature={sign(document, decode_key(key))}"
        _, told = await self.ask("POST", "/verify_login", body.encode(), form)
        self.token = told["data"]["accessToken"]["token"]
        return self.token

    async def stop(self) -> None:
        """Close what is open."""
        await self._pool.closeCachedConnections()


class Socket(WebSocketClientProtocol):
    """One connection; every frame that came, decoded where it is JSON."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Any] = []
        self.closed: tuple[bool, int | None] | None = None
        self.opened: Deferred[None] = Deferred()
        self.pongs = 0

    def onOpen(self) -> None:
        self.opened.callback(None)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        try:
            self.frames.append(json.loads(payload))
        except ValueError:
            self.frames.append(payload)

    def onPong(self, payload: bytes) -> None:
        self.pongs += 1

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self.closed = (wasClean, code)

    def say(self, method: str, params: Any = ..., id: int = 1) -> None:
        """Send a request; without *params* it has none."""
        request = {"method": method, "id": id} | ({} if params is ... else {"params": params})
        self.sendMessage(json.dumps(request).encode())

    async def answer(self, id: int) -> Any:
        """The reply to a request."""
        return await eventually(
            lambda: next((f for f in self.frames if isinstance(f, dict) and f.get("id") == id), None), f"reply {id}"
        )

    def events(self, channel: str) -> list[Any]:
        """Events of a channel so far."""
        return [frame for frame in self.frames if isinstance(frame, dict) and frame.get("e") == channel]

    def told(self) -> list[str]:
        """What came, in order: names of events, or `reply`."""
        return [frame.get("e", "reply") for frame in self.frames if isinstance(frame, dict)]


async def dial(reactor: Any, port: int, path: str = "/ws") -> Socket:
    """An open connection."""
    factory = WebSocketClientFactory(f"ws://127.0.0.1:{port}{path}", reactor=reactor)
    factory.noisy = False
    factory.setProtocolOptions(closeHandshakeTimeout=0, openHandshakeTimeout=0)
    factory.protocol = Socket
    socket: Socket = await TCP4ClientEndpoint(reactor, "127.0.0.1", port).connect(factory)
    await socket.opened
    return socket
