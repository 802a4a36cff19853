"""The WebSockets of one venue: frames to sessions and back, and all of them at once for whoever wants them to misbehave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from autobahn.twisted.websocket import WebSocketServerProtocol
from autobahn.websocket.types import ConnectionDeny, ConnectionRequest
from twisted.internet.interfaces import IDelayedCall

from ilp.simulation.sockets import Sockets

from .codec import CODECS, Codec
from .session import Peer, Session

__all__ = ["Connection", "Connections"]

_CLOSE_PATIENCE = 2.0  # seconds that a client has to answer a close
_STANDARD_PORTS = (80, 443)


class Connection(WebSocketServerProtocol):
    """One WebSocket."""

    _session: Session | None = None
    _aborting: IDelayedCall | None = None

    @property
    def _all(self) -> Connections:
        everyone: Connections = self.factory
        return everyone

    def onConnect(self, request: ConnectionRequest) -> str:
        # As the original: a client that came through a tunnel must name the port that the server itself knows.
        host, port = str(request.headers.get("host", "")), self._all.port()
        if port not in _STANDARD_PORTS and host.rpartition(":")[2] != str(port):
            raise ConnectionDeny(400, f"Host header {host!r} does not name port {port}")
        known = self._all.codecs()
        for offered in request.protocols:
            if offered in known:
                self._codec: Codec = known[offered]
                return str(offered)
        raise ConnectionDeny(400, f"this server only speaks the WebSocket subprotocols {', '.join(known)}")

    def onOpen(self) -> None:
        self._session = self._all.opened(self, self._codec)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if self._session is not None:
            self._session.received(payload)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        if self._aborting is not None and self._aborting.active():
            self._aborting.cancel()
        if self._session is not None:
            self._session.lost()
        self._all.closed(self)

    def send(self, frame: bytes) -> None:
        """Send one frame, unless the venue is frozen or the WebSocket is closing."""
        if not self._all.hold_back(self, frame) and self.state == self.STATE_OPEN:
            self.sendMessage(frame, isBinary=self._codec.binary)

    send_frame = send

    def close(self, code: int, reason: str) -> None:
        """Close with a code; a client that does not answer is dropped."""
        if self.state == self.STATE_OPEN:
            self.sendCloseFrame(code=code, reasonUtf8=reason.encode()[:123], isReply=False)
            self._aborting = self._all.reactor.callLater(_CLOSE_PATIENCE, self.drop)

    def drop(self) -> None:
        """End the connection without a word."""
        transport: Any = self.transport
        transport.abortConnection()


class Connections(Sockets):
    """All WebSockets of one venue.

    :param session: makes the session of a connection that was just opened.
    :param port: the port that clients have to name.
    :param codecs: the subprotocols that are spoken now.
    """

    protocol = Connection

    def __init__(
        self,
        reactor: Any,
        session: Callable[[Peer, Codec], Session],
        port: Callable[[], int],
        codecs: Callable[[], Mapping[str, Codec]] = lambda: CODECS,
    ) -> None:
        super().__init__(reactor)
        self.port = port
        self.codecs = codecs
        self._new_session = session

    def opened(self, connection: Connection, codec: Codec) -> Session:
        """A WebSocket is open; the session that takes its frames."""
        self.open[connection] = None
        return self._new_session(connection, codec)

    def closed(self, connection: Connection) -> None:
        """A WebSocket is gone."""
        self.open.pop(connection, None)

    def close(self, code: int, reason: str) -> None:
        """Close every WebSocket with a code."""
        for connection in tuple(self.open):
            connection.close(code, reason)

    def drop(self) -> None:
        """Drop every WebSocket."""
        for connection in tuple(self.open):
            connection.drop()
