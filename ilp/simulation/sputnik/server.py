"""A simulated Sputnik exchange that listens: one TCP port, WebSocket at `/ws`, everything else forbidden.

Puts the layers of this package together and gives the administrator and the faults something to act on.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from attrs import asdict
from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.types import ConnectionDeny, ConnectionRequest
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.web.resource import Resource
from twisted.web.server import Request

from ilp.clock import WorldClock
from ilp.simulation.bank import Bank
from ilp.simulation.bodies import BadRequest
from ilp.simulation.core import Core
from ilp.simulation.ports import Port

from .auth import Authenticator
from .calls import Calls
from .codec import CODECS, Codec
from .contracts import Description
from .faults import BadFault, Faults
from .feeds import Feeds
from .info import Info
from .market import Market
from .members import Member, Members
from .registrar import Registrar
from .router import Realm
from .session import INTERNAL_ERROR, Session
from .token import Token
from .trader import Trader

__all__ = ["REALM", "SputnikVenue"]

REALM = "sputnik"
_CLOSE_PATIENCE = 2.0  # seconds that a client has to answer a close


class _Connection(WebSocketServerProtocol):
    """One WebSocket: frames to the session and back."""

    _session: Session | None = None
    _aborting: IDelayedCall | None = None

    def onConnect(self, request: ConnectionRequest) -> str:
        # As the original: a client that came through a tunnel must name the port that the server itself knows.
        host, port = str(request.headers.get("host", "")), self.venue.port
        if port not in (80, 443) and host.rpartition(":")[2] != str(port):
            raise ConnectionDeny(400, f"Host header {host!r} does not name port {port}")
        for offered in request.protocols:
            if offered in CODECS:
                self._codec: Codec = CODECS[offered]
                return str(offered)
        raise ConnectionDeny(400, f"this server only speaks the WebSocket subprotocols {', '.join(CODECS)}")

    @property
    def venue(self) -> SputnikVenue:
        """Whose connection it is."""
        factory: _Connections = self.factory
        return factory.venue

    def onOpen(self) -> None:
        self._session = self.venue.open_session(self, self._codec)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if self._session is not None:
            self._session.received(payload)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        if self._aborting is not None and self._aborting.active():
            self._aborting.cancel()
        if self._session is not None:
            self._session.lost()
        self.venue.closed(self)

    def send(self, frame: bytes) -> None:
        if self.venue.hold_back(self, frame):
            return
        if self.state == self.STATE_OPEN:
            self.sendMessage(frame)  # type: ignore[no-untyped-call]

    def close(self, code: int, reason: str) -> None:
        if self.state == self.STATE_OPEN:
            self.sendCloseFrame(code=code, reasonUtf8=reason.encode()[:123], isReply=False)
            self._aborting = self.venue.reactor.callLater(_CLOSE_PATIENCE, self.drop)

    def drop(self) -> None:
        """End the connection without a word."""
        transport: Any = self.transport
        transport.abortConnection()


class _Connections(WebSocketServerFactory):
    """Makes connections of one venue."""

    protocol = _Connection
    noisy = False

    def __init__(self, venue: SputnikVenue) -> None:
        super().__init__(reactor=venue.reactor)  # type: ignore[no-untyped-call]
        self.venue = venue
        # No time-outs of its own: they would outlive `stop`.  A client that answers no close is dropped by us.
        # Without a status page a plain GET is an error.
        options = {"webStatus": False, "openHandshakeTimeout": 0, "closeHandshakeTimeout": 0}
        self.setProtocolOptions(failByDrop=False, **options)  # type: ignore[no-untyped-call]


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
    ) -> None:
        self.core = core
        self.reactor = reactor
        draw = random.Random(f"{seed}/{core.venue}")
        self.members = Members(draw, core.now)
        self.faults = Faults()
        self._realms = {REALM: Realm(draw)}
        self.feeds = Feeds(core, self._realms[REALM], self.faults, world, random.Random(draw.random()))
        self._draw = draw
        self._authenticator = Authenticator(self.members.login, core.now, draw)
        self._calls = Calls(self._realms[REALM], self.faults, reactor)
        self._register(descriptions or {})
        self._connections: dict[_Connection, None] = {}
        self._held_back: list[tuple[_Connection, bytes]] = []
        self._frozen = False
        self._websockets = _Connections(self)
        self._root = _Forbidden()  # type: ignore[no-untyped-call]
        self._root.putChild(b"ws", WebSocketResource(self._websockets))
        self._port = Port(self._root, reactor)
        self._host = "127.0.0.1"
        self._install_faults()
        if bank is not None:
            self.faults.actions["delay_deposits"] = lambda s: bank.held_up_s.update({core.venue: s})

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
        return f"ws://{self._host}:{self._port.number}/ws"

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port.number

    @property
    def procedures(self) -> list[str]:
        """The URIs that can be called, in alphabetical order."""
        return sorted(self._realms[REALM].procedures)

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

    def open_session(self, connection: _Connection, codec: Codec) -> Session:
        """A session for a connection that was just made."""
        self._connections[connection] = None
        return Session(connection, codec, self._authenticator, self._realm, self.faults.switches)

    def closed(self, connection: _Connection) -> None:
        """A connection is gone."""
        self._connections.pop(connection, None)

    def hold_back(self, connection: _Connection, frame: bytes) -> bool:
        """Whether the venue is frozen; the frame is kept for later then."""
        if self._frozen:
            self._held_back.append((connection, frame))
        return self._frozen

    def _realm(self, name: str) -> Realm:
        # As the original's: any realm can be joined, but only one has procedures.
        if name not in self._realms:
            self._realms[name] = Realm(self._draw)
        return self._realms[name]

    # --------------------------------------------------------------------------------------------------- faults

    def fault(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Switch misbehaviour; see `faults`.  Answers the switches as they are now."""
        try:
            self.faults.apply(wanted)
        except BadFault as problem:
            raise BadRequest(problem.key, problem.message) from None
        shown = asdict(self.faults, filter=lambda attribute, _: attribute.name not in ("actions", "calls"))
        return shown | {"calls": [rule.kind.value for rule in self.faults.calls], "frozen": self._frozen}

    def _install_faults(self) -> None:
        self.faults.actions.update(
            garbage=lambda _: self._everywhere(lambda connection: connection.send(b"\x00 no WAMP")),
            disconnect=self._disconnect,
            down=self._down,
            freeze=self._freeze,
            cancel_all=self._cancel_all,
            restart=lambda _: self._restart(),
            hold_withdrawals=self._hold_withdrawals,
            cancel_withdrawals=lambda _: self._cancel_withdrawals(),
            credit_old_addresses=lambda good: setattr(self.core.rules, "credit_old_addresses", good),
        )

    def _everywhere(self, act: Any) -> None:
        for connection in tuple(self._connections):
            act(connection)

    def _disconnect(self, code: int) -> None:
        if code == INTERNAL_ERROR:
            self._everywhere(lambda connection: connection.close(code, "WAMP Internal Error"))
        else:
            self._everywhere(lambda connection: connection.drop())

    def _down(self, down: bool) -> None:
        self._port.refusing = down
        if down:
            self._port.drop()

    def _freeze(self, frozen: bool) -> None:
        self._frozen = frozen
        self._port.pause(frozen)
        held, self._held_back = self._held_back, []
        for connection, frame in held:
            connection.send(frame)

    def _cancel_all(self, ticker: str | None) -> None:
        self.core.cancel_all(contract=ticker)

    def _restart(self) -> None:
        self.core.cancel_all()
        self.feeds.forget()
        self._port.drop()

    def _hold_withdrawals(self, held: bool) -> None:
        for account in self.core.accounts.values():
            account.automatic_withdrawals = not held

    def _cancel_withdrawals(self) -> None:
        for withdrawal in self.core.withdrawals():
            if withdrawal.status.value == "pending":
                self.core.cancel_withdrawal(withdrawal.id, "admin")
