"""A simulated Sputnik exchange that listens: one TCP port, WebSocket at `/ws`, REST below `/api`, the rest forbidden.

Puts the layers of this package together and gives the administrator and the faults something to act on.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from autobahn.twisted.resource import WebSocketResource
from twisted.internet.defer import Deferred
from twisted.internet.ssl import CertificateOptions
from twisted.web.resource import Resource
from twisted.web.server import Request

from ilp.clock import WorldClock
from ilp.simulation.bank import Bank
from ilp.simulation.core import Core
from ilp.simulation.ports import Port

from .actions import Actions
from .auth import Authenticator
from .calls import Calls
from .codec import CODECS, PACKED, Codec
from .connections import Connections
from .contracts import Description
from .exchange import Exchange
from .faults import Faults
from .feeds import Feeds
from .info import Info
from .market import Market
from .members import Member, Members
from .registrar import Registrar
from .rest import Api
from .router import Realm
from .session import Peer, Session
from .token import Token
from .trader import Trader

__all__ = ["REALM", "SputnikVenue"]

REALM = "sputnik"


class _Forbidden(Resource):
    """The answer to every path that is not the API."""

    def getChild(self, path: bytes, request: Request) -> Resource:
        return self

    def render(self, request: Request) -> bytes:
        request.setResponseCode(403)
        request.setHeader(b"Content-Type", b"text/html")
        return b"Forbidden"


class SputnikVenue:
    """One exchange over one core.

    :param core: what is traded and held; its users become members by `add_user`.
    :param world: the clock that stamps orders and republishes books.
    :param reactor: for sockets and for deadlines.
    :param seed: what ids, salts and the order of book rows are drawn from.
    :param descriptions: words about contracts, by ticker.
    :param tls: certificate to serve `wss` with; None for `ws`.
    :param bank: what brings deposits; only the fault `delay_deposits` needs it.
    """

    def __init__(
        self,
        core: Core,
        world: WorldClock,
        reactor: Any,
        *,
        seed: int = 0,
        descriptions: Mapping[str, Description] | None = None,
        bank: Bank | None = None,
        tls: CertificateOptions | None = None,
    ) -> None:
        self.core = core
        self.reactor = reactor
        draw = random.Random(f"{seed}/{core.venue}")
        self.members = Members(draw, core.now)
        self.faults = Faults()
        self._realms = {REALM: Realm(draw)}
        self.feeds = Feeds(core, self._realms[REALM], self.faults, world, random.Random(draw.random()))
        self._draw = draw
        if isinstance(core, Exchange):
            core.safe_price = self._safe_price
        self._authenticator = Authenticator(self.members.login, core.now, draw)
        self._calls = Calls(self._realms[REALM], self.faults, reactor)
        self._register(descriptions or {})
        self._connections = Connections(reactor, self.open_session, lambda: self.port, self._codecs)
        root = _Forbidden()
        root.putChild(b"ws", WebSocketResource(self._connections))
        root.putChild(b"api", Api(self._realms[REALM], self.members, core.now))
        self._port = Port(root, reactor, tls, lambda: core.now())
        self._scheme = "ws" if tls is None else "wss"
        self._host = "127.0.0.1"
        actions = Actions(core, self.members, self.feeds, self._connections, self._port, bank)
        self.faults.actions.update(actions.table())

    def _register(self, descriptions: Mapping[str, Description]) -> None:
        for family in (
            Market(self.core, self.feeds, descriptions),
            Trader(self.core, self.members, self.faults),
            Token(self.members, self._authenticator, self.faults),
            Registrar(self.core, self.members),
            Info(self.core, self.members),
        ):
            family.register(self._calls)

    # ---------------------------------------------------------------------------------------------------- life

    @property
    def endpoint(self) -> str:
        """Where clients connect to."""
        return f"{self._scheme}://{self._host}:{self._port.number}/ws"

    @property
    def rest_endpoint(self) -> str:
        """Where the REST façade is."""
        scheme = "http" if self._scheme == "ws" else "https"
        return f"{scheme}://{self._host}:{self._port.number}"

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port.number

    @property
    def procedures(self) -> list[str]:
        """The URIs that can be called, in alphabetical order."""
        return sorted(self._realms[REALM].procedures)

    def _codecs(self) -> Mapping[str, Codec]:
        return {**CODECS, **PACKED} if self.faults.msgpack else CODECS

    def _safe_price(self, ticker: str) -> int | None:
        known = self.feeds.safe_prices.get(ticker)
        return None if known is None else known.price

    def add_user(self, name: str, password: str) -> Member:
        """Let an account of the core log in; the account is opened when there is none."""
        if name not in self.core.accounts:
            self.core.open_account(name)
        return self.members.add(name, password)

    def listen(self, port: int = 0, interface: str = "127.0.0.1") -> Deferred[None]:
        """Accept connections and publish; port 0 takes any free one.  Fails with `CannotListenError`."""
        self._host = interface

        def listening(_: None) -> None:
            self.feeds.start()

        return self._port.listen(port, interface).addCallback(listening)

    def stop(self) -> Deferred[None]:
        """Drop every connection and stop; fires when nothing is left behind.  The core stays as it is."""
        self.feeds.stop()
        self._calls.stop()
        return self._port.stop()

    # ---------------------------------------------------------------------------------------------- connections

    def open_session(self, peer: Peer, codec: Codec) -> Session:
        """The router's side of a connection to *peer*."""
        return Session(peer, codec, self._authenticator, self._realm, self.faults)

    def _realm(self, name: str) -> Realm:
        # As the original's: any realm can be joined, but only one has procedures.
        if name not in self._realms:
            self._realms[name] = Realm(self._draw)
        return self._realms[name]

    # --------------------------------------------------------------------------------------------------- faults

    def fault(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Switch misbehaviour; see `faults`.  Answers the switches as they are now."""
        return self.faults.apply(wanted) | {"frozen": self._connections.frozen}
