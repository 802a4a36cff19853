"""A simulated BitMEX with users and balances in a few lines, and bare clients that share no code with ours.

world = await make_world(reactor)                     # XBTUSD, XBTUSDT and XBT_USDT; alice and bob, key "key-<name>"
answer = await world.ask("GET", "/instrument")        # status, headers, document; signed for key="alice"
socket = await world.socket(subscribe="trade:XBTUSD") # a raw WebSocket: next(), say(…)
await world.stop()
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections import deque
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import treq
from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.web.client import Agent, HTTPConnectionPool

from clients.exchange import Side
from ilp.clock import WorldClock
from ilp.simulation.bitmex.listings import inverse_xbtusd, linear_xbtusdt, spot_xbt_usdt
from ilp.simulation.bitmex.margin import MarginCore
from ilp.simulation.bitmex.server import BitmexVenue, make_core

START = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
UNLIMITED = (10**6, 10**6, 10**6)
BALANCES = {"BTC": 5 * 10**8, "USDT": 10**12}


def sign(secret: str, verb: str, path: str, expires: int, body: str = "") -> str:
    """As the documentation of the venue says."""
    return hmac.new(secret.encode(), f"{verb}{path}{expires}{body}".encode(), hashlib.sha256).hexdigest()


class Closed(Exception):
    """The connection ended while something was awaited."""


class Wire(WebSocketClientProtocol):
    """A raw connection; JSON is decoded, other texts stay what they are."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: Deferred[None] = Deferred()
        self.closed: Deferred[str] = Deferred()
        self.messages: deque[Any] = deque()
        self._waiting: deque[Deferred[Any]] = deque()

    def onOpen(self) -> None:
        self.opened.callback(None)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        text = payload.decode()
        message = json.loads(text) if text.startswith("{") else text
        if self._waiting:
            self._waiting.popleft().callback(message)
        else:
            self.messages.append(message)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        if not self.opened.called:
            self.opened.errback(Closed(str(reason)))
        while self._waiting:
            self._waiting.popleft().errback(Closed(str(reason)))
        self.closed.callback(f"{code} {reason}")

    def say(self, document: Any) -> None:
        """Send JSON, or a text as it is."""
        self.sendMessage(document.encode() if isinstance(document, str) else json.dumps(document).encode())

    def next(self) -> Deferred[Any]:
        """The next message."""
        waiting: Deferred[Any] = Deferred()
        if self.messages:
            waiting.callback(self.messages.popleft())
        else:
            self._waiting.append(waiting)
        return waiting

    async def until(self, **wanted: Any) -> Any:
        """The next message with these members; those before it are dropped."""
        while True:
            message = await self.next()
            if isinstance(message, dict) and all(message.get(name) == value for name, value in wanted.items()):
                return message

    async def subscribe(self, *topics: str) -> list[Any]:
        """Subscribe; the partials, in the order of the topics."""
        self.say({"op": "subscribe", "args": list(topics)})
        partials: dict[str, Any] = {}
        while len(partials) < len(topics):
            message = await self.next()
            if message.get("action") == "partial":
                symbol = message["filter"].get("symbol")
                partials[f"{message['table']}:{symbol}" if symbol else message["table"]] = message
        return [partials[topic] for topic in topics]


class World:
    """One venue that listens, and everything that was connected to it."""

    def __init__(self, venue: BitmexVenue, clock: WorldClock, reactor: Any) -> None:
        self.venue = venue
        self.core = venue.core
        self.clock = clock
        self._reactor = reactor
        self._pool = HTTPConnectionPool(reactor, persistent=False)
        self._agent = Agent(reactor, pool=self._pool)
        self._wires: list[Wire] = []

    async def ask(
        self,
        verb: str,
        path: str,
        body: Any = None,
        *,
        key: str = "",
        secret: str | None = None,
        expires: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, str], Any]:
        """One request; status, headers in lower case, and the document (a text where it is no JSON)."""
        full = f"/api/v1{path}"
        text = "" if body is None else body if isinstance(body, str) else json.dumps(body)
        sent = dict(headers or {})
        if text and "content-type" not in sent:
            sent["content-type"] = "application/json"
        if key:
            until = int(time.time()) + 60 if expires is None else expires
            made = sign(f"secret-{key}" if secret is None else secret, verb, full, until, text)
            sent |= {"api-key": f"key-{key}", "api-expires": str(until), "api-signature": made}
        response = await treq.request(
            verb, self.venue.endpoint + full, headers=sent, data=text.encode() or None, agent=self._agent
        )
        content = await treq.content(response)
        names = {k.decode().lower(): v[0].decode() for k, v in response.headers.getAllRawHeaders()}
        try:
            return response.code, names, json.loads(content)
        except ValueError:
            return response.code, names, content.decode("utf-8", "replace")

    async def socket(self, query: str = "", headers: dict[str, str] | None = None, key: str = "") -> Wire:
        """A raw WebSocket, its welcome taken; logged in by command with *key*."""
        factory = WebSocketClientFactory(
            f"{self.venue.socket_endpoint}{query}", headers=headers or {}, reactor=self._reactor
        )
        factory.protocol = Wire
        factory.noisy = False
        factory.setProtocolOptions(openHandshakeTimeout=0, closeHandshakeTimeout=0, serverConnectionDropTimeout=0)
        wire: Wire = await TCP4ClientEndpoint(self._reactor, "127.0.0.1", self.venue.port).connect(factory)
        self._wires.append(wire)
        await wire.opened
        welcome = await wire.next()
        assert welcome["info"].startswith("Welcome"), welcome
        if key:
            until = int(time.time()) + 60
            wire.say({"op": "authKeyExpires", "args": [f"key-{key}", until, login_signature(key, until)]})
            answer = await wire.next()
            assert answer["success"] is True, answer
        return wire

    def place(self, account: str, symbol: str, side: str, price: str, quantity: int) -> int:
        """Place an order without a wire; its number on the core."""
        wire = self.core.positions.listings[symbol].wire(Decimal(price))
        assert wire is not None
        return self.core.place(account, symbol, Side(side), wire, quantity).id

    async def stop(self) -> None:
        """Stop the venue and drop every connection."""
        await self.venue.stop()
        for wire in self._wires:
            wire.transport.abortConnection()
            await wire.closed
        await self._pool.closeCachedConnections()


def login_signature(key: str, expires: int) -> str:
    """What logs a WebSocket in."""
    return sign(f"secret-{key}", "GET", "/realtime", expires)


def build_core(clock: WorldClock) -> MarginCore:
    """Three markets; alice, bob and carol have money."""
    core = make_core(clock.now, [inverse_xbtusd(), linear_xbtusdt(), spot_xbt_usdt()])
    for name in ("alice", "bob", "carol"):
        core.open_account(name)
        for ticker, units in BALANCES.items():
            core.endow(name, ticker, units)
    return core


async def make_world(
    reactor: Any,
    *,
    clock: Any = None,
    limits: tuple[int, int, int] = UNLIMITED,
    dialect: str = "superset",
    start: datetime | None = START,
) -> World:
    """A venue that listens on a free port of loopback; *clock* may be a `task.Clock` that moves the world's time."""
    time_ = WorldClock(clock if clock is not None else reactor, start)
    venue = BitmexVenue(build_core(time_), time_, reactor, limits=limits, dialect=dialect)
    for name in ("alice", "bob"):
        venue.add_user(name, f"key-{name}", f"secret-{name}")
    await venue.listen()
    return World(venue, time_, reactor)
