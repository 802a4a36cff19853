"""A venue of two pairs with users and balances in a few lines, and a bare WAMP client that shares no code with ours.

world = await make_world(reactor)                   # BTC/HUF and BTC/USD; alice and bob, password "secret-<name>"
wire = await world.login("alice")                   # or await world.connect() for a raw connection
id = await wire.result("rpc.trader.place_order", {...})
await wire.subscribe("feeds.market.book.btc_huf")
payload = await wire.event()                        # (topic, payload) in the order of arrival
await world.stop()
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, wrapClientTLS
from twisted.internet.ssl import Certificate, PrivateCertificate, optionsForClientTLS, trustRootFromCertificates

from clients.exchange import Side
from ilp.clock import WorldClock
from ilp.simulation.contracts import Currency, Pair
from ilp.simulation.core import Core
from ilp.simulation.rules import FeeFactors, Rules
from ilp.simulation.sputnik.server import SputnikVenue

BTC = Currency("BTC", 10**8, 10_000)
HUF = Currency("HUF", 100, 100)
USD = Currency("USD", 10_000, 100)
BTC_HUF = Pair("BTC/HUF", BTC, HUF, tick=100, lot=10**6, fee_bps=100)
BTC_USD = Pair("BTC/USD", BTC, USD, tick=100, lot=10**6, fee_bps=100)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
BALANCES = {"BTC": 5 * 10**8, "HUF": 10**9, "USD": 10**10}


def order(contract: str, side: str, price: int, quantity: int) -> dict[str, Any]:
    """The argument of `place_order`."""
    return {"contract": contract, "side": side, "price": price, "quantity": quantity}


def user_topic(kind: str, username: str) -> str:
    """The topic of a user's feed."""
    return f"feeds.user.{kind}.{hashlib.sha256(username.encode()).hexdigest()}"


class Closed(Exception):
    """The connection ended while something was awaited: its close code and reason."""


class Wire(WebSocketClientProtocol):
    """A raw connection: JSON lists go out and come in, nothing is interpreted."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: Deferred[None] = Deferred()
        self.closed: Deferred[tuple[int | None, str | None]] = Deferred()
        self.messages: deque[Any] = deque()
        self.topics: dict[int, str] = {}
        self._waiting: deque[Deferred[Any]] = deque()
        self._request = 0

    # ------------------------------------------------------------------------------------------------ plumbing

    def onOpen(self) -> None:
        self.opened.callback(None)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.received(payload)

    def received(self, payload: bytes) -> None:
        message = json.loads(payload)
        if self._waiting:
            self._waiting.popleft().callback(message)
        else:
            self.messages.append(message)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        if not self.opened.called:
            self.opened.errback(Closed(code, reason))
        while self._waiting:
            self._waiting.popleft().errback(Closed(code, reason))
        self.closed.callback((code, reason))

    def put(self, *message: Any) -> None:
        """Send one WAMP message."""
        self.sendMessage(json.dumps(message).encode())

    def next(self) -> Deferred[Any]:
        """The next message that arrives."""
        waiting: Deferred[Any] = Deferred()
        if self.messages:
            waiting.callback(self.messages.popleft())
        else:
            self._waiting.append(waiting)
        return waiting

    async def ask(self, code: int, *rest: Any) -> Any:
        """Send a request; its answer, whatever arrives before it being kept for `event`."""
        self._request += 1
        self.put(code, self._request, *rest)
        return await self.answer(self._request)

    async def answer(self, request: int) -> Any:
        """The answer to a request, or the next message that is no event."""
        early: list[Any] = []
        while True:
            message = await self.next()
            if message[0] != 36:
                break
            early.append(message)
        self.messages.extendleft(reversed(early))
        return message

    # ---------------------------------------------------------------------------------------------------- WAMP

    async def hello(self, realm: str = "sputnik", **details: Any) -> Any:
        """Send HELLO with plain roles; the answer."""
        self.put(1, realm, {"roles": {"caller": {}, "subscriber": {}}, **details})
        return await self.next()

    async def join(self) -> Any:
        """An anonymous session; the WELCOME."""
        return await self.hello(authmethods=["anonymous"])

    async def login(self, username: str, password: str, otp: str | None = None) -> Any:
        """A session of a user by WAMP-CRA; the WELCOME or ABORT."""
        challenge = await self.hello(authmethods=["wampcra"], authid=username)
        self.put(5, signature(password, challenge[2]), {} if otp is None else {"otp": otp})
        return await self.next()

    async def call(self, uri: str, *args: Any, **kwargs: Any) -> Any:
        """Call a procedure; the envelope, or the ERROR message as it is."""
        answer = await self.ask(48, {}, uri, list(args), kwargs)
        return answer[3][0] if answer[0] == 50 else answer

    async def result(self, uri: str, *args: Any, **kwargs: Any) -> Any:
        """Call a procedure that must succeed."""
        envelope = await self.call(uri, *args, **kwargs)
        assert envelope["success"] is True, envelope
        return envelope["result"]

    async def error(self, uri: str, *args: Any, **kwargs: Any) -> Any:
        """Call a procedure that must be refused; the `error` list."""
        envelope = await self.call(uri, *args, **kwargs)
        assert envelope["success"] is False, envelope
        return envelope["error"]

    async def subscribe(self, *topics: str) -> None:
        """Subscribe to topics."""
        for topic in topics:
            answer = await self.ask(32, {}, topic)
            assert answer[0] == 33, answer
            self.topics[answer[2]] = topic

    async def event(self) -> tuple[str, Any]:
        """The next event: its topic and payload."""
        message = await self.next()
        assert message[0] == 36, message
        return self.topics[message[1]], message[4][0]

    async def events(self, count: int) -> list[tuple[str, Any]]:
        """The next events."""
        return [await self.event() for _ in range(count)]

    async def quiet(self) -> None:
        """Fail if an event was sent before now: a call's answer must be the next message."""
        self._request += 1
        self.put(48, self._request, {}, "rpc.market.get_safe_prices", [[]])
        message = await self.next()
        assert message[0] == 50, message


def signature(password: str, extra: Mapping[str, Any]) -> str:
    """What answers a challenge."""
    salt, rounds, length = extra["salt"].encode(), extra["iterations"], extra["keylen"]
    key = base64.b64encode(hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds, length))
    return base64.b64encode(hmac.new(key, extra["challenge"].encode(), hashlib.sha256).digest()).decode()


async def dial(
    reactor: Any, endpoint: str, protocols: tuple[str, ...] = ("wamp.2.json",), trust: Certificate | None = None
) -> Wire:
    """A raw connection whose WebSocket is open; `Closed` when the handshake fails."""
    factory = WebSocketClientFactory(endpoint, protocols=list(protocols), reactor=reactor)
    factory.protocol = Wire
    factory.noisy = False
    # autobahn's own time-outs would outlive the test.
    factory.setProtocolOptions(openHandshakeTimeout=0, closeHandshakeTimeout=0, serverConnectionDropTimeout=0)
    server: Any = TCP4ClientEndpoint(reactor, "127.0.0.1", urlsplit(endpoint).port)
    if trust is not None:
        server = wrapClientTLS(optionsForClientTLS("localhost", trustRoot=trustRootFromCertificates([trust])), server)
    wire: Wire = await server.connect(factory)
    await wire.opened
    return wire


class World:
    """One venue that listens, and everything that was connected to it."""

    def __init__(self, venue: SputnikVenue, clock: WorldClock, reactor: Any) -> None:
        self.venue = venue
        self.clock = clock
        self.core = venue.core
        self._reactor = reactor
        self._wires: list[Wire] = []

    async def connect(self, protocols: tuple[str, ...] = ("wamp.2.json",), path: str = "/ws") -> Wire:
        """A raw connection whose WebSocket is open."""
        wire = await dial(self._reactor, self.venue.endpoint.removesuffix("/ws") + path, protocols)
        self._wires.append(wire)
        return wire

    async def join(self) -> Wire:
        """An anonymous session."""
        wire = await self.connect()
        welcome = await wire.join()
        assert welcome[0] == 2, welcome
        return wire

    async def login(self, username: str) -> Wire:
        """A session of a user."""
        wire = await self.connect()
        welcome = await wire.login(username, f"secret-{username}")
        assert welcome[0] == 2, welcome
        return wire

    def place(self, account: str, contract: str, side: str, price: int, quantity: int) -> int:
        """Place an order without a wire; its id."""
        return self.core.place(account, contract, Side(side), price, quantity).id

    async def stop(self) -> None:
        """Stop the venue and drop every connection."""
        await self.venue.stop()
        for wire in self._wires:
            wire.transport.abortConnection()
            await wire.closed


def make_core(clock: WorldClock, **rules: bool) -> Core:
    """The two pairs with alice, bob and carol, who pays no fee; nobody is short of money."""
    settings = {"hold_original": True, "cancel_marks_filled": True, **rules}
    core = Core(clock.now, [BTC, HUF, USD], [BTC_HUF, BTC_USD], rules=Rules(**settings), venue="target")
    for name, factors in (("alice", FeeFactors()), ("bob", FeeFactors()), ("carol", FeeFactors(0, 0, 0, 0))):
        core.open_account(name, factors=factors)
        for ticker, units in BALANCES.items():
            core.endow(name, ticker, units)
    return core


def make_certificate() -> PrivateCertificate:
    """A certificate for `localhost` that signed itself, good for an hour."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    unsigned = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    unsigned = unsigned.not_valid_before(now - timedelta(minutes=5)).not_valid_after(now + timedelta(hours=1))
    signed = unsigned.add_extension(names, critical=False).sign(key, hashes.SHA256())
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return PrivateCertificate.loadPEM(signed.public_bytes(serialization.Encoding.PEM) + pem)


async def make_world(
    reactor: Any,
    *,
    clock: Any = None,
    certificate: PrivateCertificate | None = None,
    exchange: Callable[[WorldClock], Core] | None = None,
    **rules: bool,
) -> World:
    """A venue that listens on a free port of loopback, with a certificate over TLS as `wss://127.0.0.1:…`.

    *clock* may be a `task.Clock` that moves the world's time; *exchange* makes another core than the one of two pairs.
    """
    time = WorldClock(clock if clock is not None else reactor, START)
    core = make_core(time, **rules) if exchange is None else exchange(time)
    venue = SputnikVenue(core, time, reactor, tls=certificate.options() if certificate else None)
    for name in core.accounts:
        venue.add_user(name, f"secret-{name}")
    await venue.listen()
    return World(venue, time, reactor)
